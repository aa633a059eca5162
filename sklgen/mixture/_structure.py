"""A mixture: independent rows, each from one of K components."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklgen.em import Block, Scratch
from sklgen.em._kernels import normalize
from sklgen.families import Components, View
from sklgen.families._base import Additive, Array

C = TypeVar("C", bound=Components)


@dataclass(frozen=True)
class MixtureStatistics(Additive):
    """Sums over rows: responsibilities, the family's statistics, bound and weight."""

    counts: Array
    family: Any
    bound: float
    weight: float

    def recentred(self, source: Components, target: Components) -> Self:
        """The same sums, the family's about `target` in place of `source`."""
        return replace(self, family=source.recentre(self.family, target))


@dataclass(frozen=True)
class Mixture(Generic[C]):
    """Weights (K,) and components at fixed parameters."""

    weights: Array
    components: C

    def e_step(self, blocks: Iterator[Block], scratch: Scratch) -> MixtureStatistics:
        """Statistics of blocks of rows, under the responsibilities of this model."""
        return self._sum(blocks, scratch, self._normalize)

    def labelled(
        self, labels: NDArray[np.intp], blocks: Iterator[Block], scratch: Scratch
    ) -> MixtureStatistics:
        """Statistics under given labels of the rows, in place of responsibilities."""

        def one_hot(block: Block, features: Any, view: View, scratch: Scratch) -> Any:
            joint = scratch("joint", (len(self.weights), len(block.X)))
            joint[:] = 0.0
            joint[labels[block.rows], np.arange(len(block.X))] = block.weight
            return joint, joint[0], 0.0

        return self._sum(blocks, scratch, one_hot)

    def _sum(
        self, blocks: Iterator[Block], scratch: Scratch, responsibilities: Any
    ) -> MixtureStatistics:
        n_components = len(self.weights)
        counts, bound, weight = np.zeros(n_components), 0.0, 0.0
        totals: list[Any] = []
        view, sums, pattern = None, [], None
        for block in blocks:
            if view is None or block.observed is not pattern:
                if view is not None:
                    totals.append(view.complete(sums))
                view, pattern = self.components.view(block.observed), block.observed
                sums = view.zeros()
            features = view.features(block.X, scratch)
            joint, _, gain = responsibilities(block, features, view, scratch)
            view.accumulate(sums, features, joint)
            counts += joint.sum(axis=1)
            bound += gain
            weight += block.weight.sum()
        assert view is not None
        totals.append(view.complete(sums))
        family = totals[0]
        for total in totals[1:]:
            family = family + total
        return MixtureStatistics(counts, family, bound, float(weight))

    def _normalize(
        self, block: Block, features: Any, view: View, scratch: Scratch
    ) -> tuple[Array, Array, float]:
        """Weighted responsibilities (K, n), log-density (n,), and its weighted sum."""
        n = len(block.X)
        joint = scratch("joint", (len(self.weights), n))
        log_density = scratch("log_density", (n,))
        view.log_density(features, joint)
        with np.errstate(divide="ignore"):
            offset = np.log(self.weights)
        gain = normalize(
            joint,
            offset,
            block.weight,
            log_density,
            scratch("peak", (n,)),
            scratch("power", (n,)),
        )
        return joint, log_density, gain

    def posterior(self, block: Block, scratch: Scratch) -> tuple[Array, Array]:
        """Responsibilities (K, n) times the weights of the rows, and log-densities."""
        view = self.components.view(block.observed)
        features = view.features(block.X, scratch)
        joint, log_density, _ = self._normalize(block, features, view, scratch)
        return joint, log_density

    def settle(self) -> Self:
        """The same mixture as the start of a run."""
        return replace(self, components=self.components.settle(self.weights))

    def m_step(self, statistics: MixtureStatistics) -> Self:
        return type(self)(
            statistics.counts / statistics.counts.sum(),
            self.components.maximize(statistics.family),
        )

    def pack(self) -> Array:
        with np.errstate(divide="ignore"):
            logits = np.log(self.weights)
        return np.concatenate([logits, self.components.pack()])

    def unpack(self, vector: Array) -> Self:
        logits, rest = np.split(vector, [len(self.weights)])
        weights = np.exp(logits - logits.max())
        return type(self)(weights / weights.sum(), self.components.unpack(rest))
