"""The nets of skorch: networks that are trained by steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, ClassVar, Self

import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer, PassthroughScoring
from torch import Tensor, nn
from torch.utils.data import Dataset

from sklgen.neural._callbacks import Diverged

# Rows that are looked at at once when nothing is learned from them.
BLOCK = 4096
# Longer gradients are cut to this length.
_LONGEST_GRADIENT = 5.0


class RowsOf(Dataset[tuple[Tensor, ...]]):
    """Tensors with the rows of a table along their first axis."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, at: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[at] for tensor in self.tensors)

    def to(self, device: str) -> RowsOf:
        """The same rows on a device."""
        return RowsOf(*(tensor.to(device) for tensor in self.tensors))


class Batches:
    """Rows in random order, cut into batches of equal size: an endless supply.

    Weighted rows come as often as their weights say, drawn one by one.

    Parameters
    ----------
    dataset : RowsOf
        The rows.
    batch_size : int
        Number of rows of a batch, or all rows if they are fewer.
    n_steps : int
        Number of batches of an epoch.
    total : int
        Number of batches of all epochs, the last of which may be shorter.
    weight : Tensor of shape (n_rows,), default=None
        Weight of each row; None weighs all alike.
    """

    def __init__(
        self,
        dataset: RowsOf,
        batch_size: int,
        *,
        n_steps: int,
        total: int,
        weight: Tensor | None = None,
    ) -> None:
        self.dataset = dataset
        self.size = min(batch_size, len(dataset))
        self.n_steps = n_steps
        self.left = total
        self.order = torch.empty(0, dtype=torch.long)
        self.ends = None if weight is None else weight.double().cumsum(dim=0)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        steps = min(self.n_steps, self.left)
        self.left -= steps
        for _ in range(steps):
            yield self.dataset[self._next()]

    def _next(self) -> Tensor:
        """Positions of the rows of a batch."""
        if self.ends is not None:
            share = torch.rand(self.size, dtype=torch.float64, device=self.ends.device)
            at = torch.searchsorted(self.ends, share * self.ends[-1])
            return at.clamp_max(len(self.dataset) - 1)
        if len(self.order) < self.size:
            self.order = torch.randperm(len(self.dataset))
        now, self.order = self.order[: self.size], self.order[self.size :]
        return now


class Blocks:
    """Rows in their order, cut into blocks: each row once."""

    def __init__(self, dataset: RowsOf, batch_size: int) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for begin in range(0, len(self.dataset), BLOCK):
            yield self.dataset[slice(begin, begin + BLOCK)]


class Average(nn.Module):
    """A network whose weights are the running mean of those of another.

    Buffers are those of the other one.

    Parameters
    ----------
    module : Module
        The other network.
    decay : float
        How much the mean keeps at each step; less at first, to forget early weights.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = deepcopy(module).requires_grad_(requires_grad=False).eval()
        self.decay = decay
        self.n_steps = 0

    def forward(self, *args: Any) -> Any:
        return self.module(*args)

    def update(self, module: nn.Module) -> None:
        """Move towards the weights of the other network."""
        self.n_steps += 1
        keep = min(self.decay, self.n_steps / (9.0 + self.n_steps))
        own: list[Tensor] = list(self.module.parameters())
        others: list[Tensor] = list(module.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(own, others, 1.0 - keep)
            # Such as the statistics of batch normalization.
            for mine, other in zip(
                self.module.buffers(), module.buffers(), strict=True
            ):
                mine.copy_(other)


class SteppedNet(NeuralNet, ABC):
    """Networks that are trained by steps.

    What `fit` leaves is `averaged_`, the running mean of the weights of `module_`.

    Parameters
    ----------
    module : Module
        The network whose weights are averaged.
    decay : float
        How much the running mean keeps at each step.
    **kwargs : dict
        Parameters of skorch's net.
    """

    # The networks that the best epoch leaves, and the values that steps tell.
    kept: ClassVar[tuple[str, ...]] = ("averaged", "module")
    told: ClassVar[tuple[str, ...]] = ("train_loss",)

    def __init__(self, module: nn.Module, *, decay: float, **kwargs: Any) -> None:
        self.decay = decay
        super().__init__(module, criterion=nn.Identity, **kwargs)

    @property
    @abstractmethod
    def trained(self) -> dict[str, tuple[nn.Module, float]]:
        """By the name of its optimizer, each network and its learning rate."""

    @property
    def n_steps(self) -> int:
        """Number of steps made so far."""
        return int(self.averaged_.n_steps)

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        told = [(name, PassthroughScoring(name, on_train=True)) for name in self.told]
        valid = ("valid_loss", PassthroughScoring("valid_loss"))
        return [("epoch_timer", EpochTimer()), *told, valid]

    def initialize_module(self) -> Self:
        super().initialize_module()
        self.averaged_ = Average(self.module_, self.decay)
        return self

    def initialize_optimizer(self, triggered_directly: Any = None) -> Self:
        for name, (module, _) in self.trained.items():
            named = module.named_parameters()
            args, kwargs = self.get_params_for_optimizer(name, named)
            setattr(self, name + "_", getattr(self, name)(*args, **kwargs))
        return self

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        super().on_train_begin(*args, **kwargs)
        # A run before may have ended at other rates.
        self.set_rates(1.0)

    def move(self, device: str) -> None:
        """Bring networks and optimizers to a device."""
        self.device = device
        for name in self.kept:
            getattr(self, name + "_").to(device)
        for name in self.trained:
            for state in getattr(self, name + "_").state.values():
                for key, value in state.items():
                    if torch.is_tensor(value):
                        state[key] = value.to(device)

    def set_rates(self, share: float) -> None:
        """Set learning rates to a share of what they are."""
        for name, (_, rate) in self.trained.items():
            for group in getattr(self, name + "_").param_groups:
                group["lr"] = share * rate


class LossNet(SteppedNet):
    """A network that gives the loss of each row, trained to make their mean small.

    Losses of validation rows are those of the running mean. Parameters are those of
    `SteppedNet`; `module` makes losses of a batch of rows and what comes with them.
    """

    @property
    def trained(self) -> dict[str, tuple[nn.Module, float]]:
        """The network."""
        return {"optimizer": (self.module_, self.lr)}

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        self.module_.train()
        self.optimizer_.zero_grad(set_to_none=True)
        loss = self.module_(*batch).mean()
        check_finite(loss)
        loss.backward()
        nn.utils.clip_grad_norm_(self.module_.parameters(), _LONGEST_GRADIENT)
        self.optimizer_.step()
        self.averaged_.update(self.module_)
        return {"loss": loss.detach(), "y_pred": None}

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        with torch.no_grad():
            return {"loss": self.averaged_(*batch).mean(), "y_pred": None}


def check_finite(loss: Tensor) -> None:
    """Raise Diverged unless a loss is a number."""
    if not torch.isfinite(loss):
        raise Diverged(f"the loss is {loss.item()}")
