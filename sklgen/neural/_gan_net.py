"""The net of skorch with two networks: a generator, and the critic it has to please."""

from __future__ import annotations

import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from sklgen.neural._gan_distance import EnergyDistance
from sklgen.neural._gan_losses import LOSSES
from sklgen.neural._net import SteppedNet, check_finite

# At least this many rows are drawn to compare with others.
FEWEST_DRAWS = 500
# What these draws are seeded with, so that epochs and models differ by networks alone.
SEED = 0


class Spread(nn.Module):
    """Values on a grid, spread over their cells as the normal law spreads them.

    Batches come with the normal probabilities of the ends of cells, for each number;
    where both are the same, the number stays as it is.

    Parameters
    ----------
    center, scale : Tensor of shape (n_numbers,)
        What inputs are numbers less, and over.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, center: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("center", center)
        self.register_buffer("scale", scale)

    def forward(
        self,
        inputs: Tensor,
        low: Tensor,
        high: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The inputs of one way to spread."""
        if not low.shape[1]:
            return inputs
        share = torch.rand(low.shape, device=low.device, generator=generator)
        numbers = torch.special.ndtri(low.lerp(high, share).clamp(1e-6, 1.0 - 1e-6))
        at = inputs[:, : low.shape[1]]
        spread = torch.where(high > low, (numbers - self.center) / self.scale, at)
        return torch.cat([spread, inputs[:, low.shape[1] :]], dim=1)


class AdversarialNet(SteppedNet):
    """A generator and a critic, trained against each other.

    What `fit` leaves is `averaged_`, the running mean of the generator's weights, which
    is what the distance of validation rows is to.

    Parameters
    ----------
    module : Module
        The generator: of indicators of classes it makes rows.
    critic : Module
        Of rows and classes, it makes one number a row, large for real ones.
    loss : {"r3gan", "wgan-gp", "non_saturating"}
        What both are trained by.
    penalty : float
        Weight of the critic's slopes.
    penalty_every : int
        Steps from one penalty to the next, each of which counts as many times.
    horizon : int or None
        Steps of this run, over the last half of which learning rates fall; None keeps
        them.
    spread : Spread
        What makes batches continuous.
    distance : EnergyDistance
        What tells how far drawn rows are from real ones.
    critic_lr : float
        Learning rate of the critic; that of the generator is `lr`.
    critic_optimizer : type
        Optimizer of the critic; that of the generator is `optimizer`.
    **kwargs : dict
        Parameters of `SteppedNet`.
    """

    kept = ("averaged", "module", "critic")
    told = ("train_loss", "critic_loss")

    def __init__(
        self,
        module: nn.Module,
        critic: nn.Module,
        *,
        loss: str,
        penalty: float,
        penalty_every: int,
        horizon: int | None,
        spread: Spread,
        distance: EnergyDistance,
        critic_lr: float,
        critic_optimizer: Any = torch.optim.Adam,
        **kwargs: Any,
    ) -> None:
        self.critic = critic
        self.loss = loss
        self.penalty = penalty
        self.penalty_every = penalty_every
        self.horizon = horizon
        self.spread = spread
        self.distance = distance
        self.critic_lr = critic_lr
        self.critic_optimizer = critic_optimizer
        super().__init__(module, **kwargs)

    @property
    def trained(self) -> dict[str, tuple[nn.Module, float]]:
        """The generator and the critic."""
        return {
            "optimizer": (self.module_, self.lr),
            "critic_optimizer": (self.critic_, self.critic_lr),
        }

    def initialize_module(self) -> Self:
        self.critic_ = self.initialized_instance(
            self.critic, self.get_params_for("critic")
        )
        return super().initialize_module()

    def move(self, device: str) -> None:
        """Bring all that computes to a device."""
        super().move(device)
        self.spread.to(device)
        self.distance.to(device)

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        super().on_train_begin(*args, **kwargs)
        self.begin_ = self.n_steps

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        self._schedule()
        inputs, classes, low, high = batch
        real = self.module_.heads.read(self.spread(inputs, low, high))
        drawn = self.module_.train()(classes)
        critic_loss = self._teach_critic(real, drawn.detach(), classes)
        loss = self._teach_generator(real, drawn, classes)
        self.averaged_.update(self.module_)
        self.history.record_batch("critic_loss", critic_loss.item())
        return {"loss": loss, "y_pred": None}

    def _teach_critic(self, real: Tensor, drawn: Tensor, classes: Tensor) -> Tensor:
        loss, critic = LOSSES[self.loss], self.critic_.train()
        self.critic_optimizer_.zero_grad(set_to_none=True)
        says = critic(torch.cat([real, drawn]), torch.cat([classes, classes]))
        value = loss.critic(*says.chunk(2)).mean()
        total = value
        if self.n_steps % self.penalty_every == 0:
            slopes = loss.penalty(critic, real, drawn, classes).mean()
            total = value + self.penalty * self.penalty_every * slopes
        check_finite(total)
        torch.autograd.backward(total)
        self.critic_optimizer_.step()
        return value.detach()

    def _teach_generator(self, real: Tensor, drawn: Tensor, classes: Tensor) -> Tensor:
        self.critic_.requires_grad_(requires_grad=False)
        self.optimizer_.zero_grad(set_to_none=True)
        with torch.no_grad():
            of_real = self.critic_(real, classes)
        of_drawn = self.critic_(drawn, classes)
        self.critic_.requires_grad_(requires_grad=True)
        value = LOSSES[self.loss].generator(of_real, of_drawn).mean()
        check_finite(value)
        torch.autograd.backward(value)
        self.optimizer_.step()
        return value.detach()

    def _schedule(self) -> None:
        """Learning rates of this step: over the last half they fall to 0."""
        if self.horizon is None:
            return
        left = 1.0 - (self.n_steps - self.begin_) / self.horizon
        self.set_rates(math.sin(math.pi * min(left, 0.5)) ** 2)

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002 (skorch's signature)
        tilt = self.module_.tilt
        if training and tilt.balance:
            weight = tilt(dataset.tensors[0])
            return self.iterator_train(dataset, self.batch_size, weight=weight)
        return super().get_iterator(dataset, training=training)

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        inputs, classes, low, high = batch
        generator = torch.Generator(inputs.device).manual_seed(SEED)
        repeats = -(-FEWEST_DRAWS // len(inputs))
        with torch.no_grad():
            spread = self.spread(inputs, low, high, generator)
            real = self.module_.heads.read(spread)
            averaged: Any = self.averaged_.module
            drawn = averaged.draw(classes.repeat(repeats, 1), generator)
            distance = self.distance(
                torch.cat([real, classes], dim=1),
                torch.cat([drawn, classes.repeat(repeats, 1)], dim=1),
            )
        return {"loss": distance, "y_pred": None}
