"""The networks of a GAN: how they are made, fed and drawn from."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from sklgen._labels import Codes
from sklgen._torch import one_thread
from sklgen.neural._architectures import reader, writer
from sklgen.neural._base import BaseNeural
from sklgen.neural._gan_balance import Tilt
from sklgen.neural._gan_clusters import clusters_of
from sklgen.neural._gan_distance import EnergyDistance
from sklgen.neural._gan_modules import Clusters, Generator, Heads, Shaped
from sklgen.neural._gan_net import AdversarialNet, Spread
from sklgen.neural._net import BLOCK, RowsOf

# Units of the blocks of perceptrons: more steps in a time are worth more than more.
_HIDDEN = (128, 128)
# Half of these are enough for rows of at most so many inputs of the critic.
_NARROW = 16


class BaseAdversarial(BaseNeural):
    """A generator and a critic that are made for the rows of `fit`."""

    n_latent: int
    architecture: str
    hidden: Any
    generator: Any
    discriminator: Any
    loss: str
    penalty: float
    penalty_every: int
    temperature: float
    decay: float
    critic_learning_rate: float
    balance: float

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.sample_shape is None
        return tags

    def _check_typed(self, typed: NDArray[Any]) -> None:
        cells = typed[:, : self._schema.n_typed]
        if self.sample_shape is not None and np.isnan(cells).any():
            raise ValueError(
                "X has NaN, in rows that are images or sequences by sample_shape: fill "
                "the missing cells, or leave sample_shape out to model them."
            )

    def _make_net(self, dataset: RowsOf, **options: Any) -> AdversarialNet:
        inputs, classes = dataset.tensors[:2]
        n_classes = classes.shape[1]
        heads = Heads(
            self._layout,
            self._clusters(dataset),
            bounded=self.sample_shape is not None,
            temperature=self.temperature,
        )
        rows = heads.read(inputs)
        heads.learn_shares(rows)
        tilt = Tilt(inputs, self._layout.blocks, self.balance)
        ends = (heads.width, heads.width + n_classes)
        return AdversarialNet(
            self._generator(heads, tilt, n_classes),
            self._critic(heads.width, n_classes),
            decay=self.decay,
            spread=Spread(*self._scales(inputs)),
            distance=EnergyDistance(
                torch.cat([rows, classes], dim=1),
                (*heads.blocks, *([slice(*ends)] if n_classes else [])),
            ),
            optimizer=torch.optim.Adam,
            optimizer__betas=(0.0, 0.99),
            critic_optimizer__betas=(0.0, 0.99),
            **options,
        )

    def _scales(self, like: Tensor) -> tuple[Tensor, Tensor]:
        layout = self._layout
        return _to(layout.center, like), _to(layout.scale, like)

    def _options(self, steps: int, total: int) -> dict[str, Any]:
        # A single epoch, such as those of partial_fit, keeps the learning rates.
        own = {
            "loss": self.loss,
            "penalty": self.penalty,
            "penalty_every": self.penalty_every,
            "critic_lr": self.critic_learning_rate,
            "horizon": total if total > steps else None,
        }
        return super()._options(steps, total) | own

    def _generator(self, heads: Heads, tilt: Tilt, n_classes: int) -> Generator:
        sizes = (self.n_latent, n_classes, heads.width)
        if self.generator is None:
            body = writer(
                self.architecture,
                self.n_latent + n_classes,
                heads.width,
                self.sample_shape,
                self._hidden(heads.width),
            )
        else:
            body = Shaped(_made(self.generator, *sizes), None)
        return Generator(body, heads, tilt, self.n_latent)

    def _critic(self, width: int, n_classes: int) -> nn.Module:
        if self.discriminator is None:
            return reader(
                self.architecture,
                width,
                n_classes,
                1,
                self.sample_shape,
                self._hidden(width),
            )
        made = _made(self.discriminator, width, n_classes, 1)
        return Shaped(made, self.sample_shape)

    def _hidden(self, width: int) -> tuple[int, ...] | None:
        if self.hidden is not None:
            return tuple(self.hidden)
        if self.architecture != "mlp":
            return None
        return tuple(n // 2 for n in _HIDDEN) if width <= _NARROW else _HIDDEN

    def _dataset(self, typed: NDArray[Any], codes: Codes | None) -> RowsOf:
        """Tensors of rows, of classes, and of the ends of cells in probability."""
        inputs, classes = super()._dataset(typed, codes).tensors
        ends = (_to(ndtr(end), inputs) for end in self._ends(typed))
        return RowsOf(inputs, classes, *ends)

    def _ends(self, typed: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Scores of the ends of cells, NaN where there is no score."""
        start = self._schema.n_learned
        ends = typed[:, start : start + 2 * len(self._schema.scores)]
        low, high = np.hsplit(ends.astype(np.float64), 2)
        return low, high

    def _clusters(self, dataset: RowsOf) -> list[Clusters]:
        """The numbers that have clusters."""
        layout, encoder = self._layout, self.encoder_
        found: list[Clusters] = []
        if self.generator is not None or self.discriminator is not None:
            return found  # users' networks know the width of the layout
        for j, (at, low, high) in enumerate(
            zip(self._schema.scores, *(t.T for t in dataset.tensors[2:]), strict=True)
        ):
            there = ~torch.isnan(low)
            ends = clusters_of(
                encoder.columns_[encoder.source_[at]],
                *(ndtri(end[there].double().numpy()) for end in (low, high)),
            )
            if len(ends) > 1:
                center, scale = layout.center[j], layout.scale[j]
                found.append(Clusters(j, ends, float(center), float(scale)))
        return found

    def _sample(
        self, n_samples: int, codes: Codes | None, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        net = self.net_.averaged_.module
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        classes = self._classes(n_samples, codes).float()
        with one_thread(), torch.no_grad():
            blocks = torch.split(classes, BLOCK)
            rows = torch.cat([net.draw(block, generator) for block in blocks])
            numbers, drawn = net.heads.cells(rows)
        return self._as_typed(numbers.double().numpy(), drawn.numpy(), rng)


def _to(values: NDArray[Any], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like)


def _made(module: Any, *sizes: int) -> nn.Module:
    """A user's module: a copy, or what the user's function makes."""
    if isinstance(module, nn.Module):
        return deepcopy(module)
    made: nn.Module = module(*sizes)
    return made
