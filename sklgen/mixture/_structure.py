"""A mixture: independent rows, each from one of K components."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import Block, Scratch
from sklgen.em._kernels import normalize
from sklgen.families._base import Additive, Laws, Learner

C = TypeVar("C", bound=Learner)


@dataclass(frozen=True)
class MixtureStatistics(Additive):
    """Sums over rows: responsibilities, the family's statistics, bound and weight."""

    counts: Array
    family: Any
    bound: float
    weight: float

    def recentred(self, source: Learner, target: Learner) -> Self:
        """The same sums, the family's about `target` in place of `source`."""
        return replace(self, family=source.recentre(self.family, target))


@dataclass(frozen=True)
class Mixture(Generic[C]):
    """Weights (K,) and components at fixed parameters.

    `offset` (K,) is added to the log-densities of the components: variational
    posteriors differ by it from their expected parameters.
    """

    weights: Array
    components: C
    offset: Array | float = 0.0

    def e_step(self, blocks: Iterator[Block], scratch: Scratch) -> MixtureStatistics:
        """Statistics of blocks of rows, under the responsibilities of this model."""
        return self._sum(blocks, scratch, self._normalize)

    def labelled(
        self, labels: NDArray[np.intp], blocks: Iterator[Block], scratch: Scratch
    ) -> MixtureStatistics:
        """Statistics under given labels of the rows, in place of responsibilities."""

        def one_hot(block: Block, joint: Array, counts: Array, scratch: Scratch) -> Any:
            joint[:] = 0.0
            joint[labels[block.rows], np.arange(len(block.weight))] = block.weight
            counts += joint.sum(axis=1)
            return 0.0, None

        return self._sum(blocks, scratch, one_hot)

    def _sum(
        self, blocks: Iterator[Block], scratch: Scratch, responsibilities: Any
    ) -> MixtureStatistics:
        """Statistics of a task, whose blocks are all complete or all ragged."""
        counts = np.zeros(len(self.weights))
        bound, weight = 0.0, 0.0
        first = next(blocks)
        view = view_of(self.components, first)
        sums = view.zeros()
        for block in chain([first], blocks):
            joint = scratch("joint", (len(counts), len(block.weight)))
            features = view.evaluate(block.X, scratch, joint)
            gain, _ = responsibilities(block, joint, counts, scratch)
            view.accumulate(sums, features, joint)
            bound += gain
            weight += block.weight.sum()
        return MixtureStatistics(counts, view.complete(sums), bound, float(weight))

    def _normalize(
        self, block: Block, joint: Array, counts: Array, scratch: Scratch
    ) -> tuple[float, Array]:
        """Turn log-densities into weighted responsibilities (K, n), in place.

        Returns the weighted sum of the log-densities (n,) of the rows, and these.
        """
        n = len(block.weight)
        log_density = scratch("log_density", (n,))
        room = scratch("room", (2, n))
        gain = normalize(
            joint, self._log_weights, block.weight, counts, log_density, *room
        )
        return gain, log_density

    def posterior(self, block: Block, scratch: Scratch) -> tuple[Array, Array]:
        """Responsibilities (K, n) times the weights of the rows, and log-densities."""
        joint = scratch("joint", (len(self.weights), len(block.weight)))
        view = view_of(self.components, block)
        view.evaluate(block.X, scratch, joint)
        counts = np.zeros(len(self.weights))
        return joint, self._normalize(block, joint, counts, scratch)[1]

    @cached_property
    def _log_weights(self) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.weights) + self.offset)

    @property
    def log_prior(self) -> float:
        """What the priors of the parameters add to the log-likelihood."""
        return float(self.components.log_prior)

    def posterior_bound(self, statistics: MixtureStatistics) -> MixtureStatistics:
        """The same sums, their bound one on the log-posterior of the parameters."""
        return replace(statistics, bound=statistics.bound + self.log_prior)

    def settle(self, data: Self) -> Self:
        """The same mixture as the start of a run; `data` has equal components."""
        components = self.components.settle(self.weights, data.components)
        return replace(self, components=components)

    def m_step(self, statistics: MixtureStatistics) -> Self:
        return type(self)(
            statistics.counts / statistics.counts.sum(),
            self.components.maximize(statistics.family),
        )

    def pack(self) -> Array:
        return np.concatenate([self._log_weights, self.components.pack()])

    def unpack(self, vector: Array) -> Self:
        logits, rest = np.split(vector, [len(self.weights)])
        weights = np.exp(logits - logits.max())
        return type(self)(weights / weights.sum(), self.components.unpack(rest))


def view_of(components: Laws, block: Block) -> Any:
    """Components made ready for blocks that miss what this one does."""
    if block.observed is not None:
        return components.pattern_view(block.observed)
    return components.view(complete=block.complete)
