"""The variational posterior of a Dirichlet process mixture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma

from sklgen._typing import Array
from sklgen.em import Block, Scratch
from sklgen.mixture._structure import Mixture, MixtureStatistics


@dataclass(frozen=True)
class Sticks:
    """Beta posteriors of stick lengths, given the expected weight of each component.

    Parameters
    ----------
    counts : ndarray of shape (K,)
        Expected weight of the rows of each component.
    concentration : float
        Concentration of the process.
    """

    counts: Array
    concentration: float

    @cached_property
    def _beta(self) -> tuple[Array, Array]:
        below = self.counts[::-1].cumsum()[::-1] - self.counts
        return 1.0 + self.counts, self.concentration + np.maximum(below, 0.0)

    @property
    def expected_log_weights(self) -> Array:
        """Expected logs of the weights, of shape (K,)."""
        a, b = self._beta
        taken = digamma(a) - digamma(a + b)
        left = digamma(b) - digamma(a + b)
        return np.asarray(taken + left.cumsum() - left)

    @property
    def mean_weights(self) -> Array:
        """Expected weights, of shape (K,): the process keeps the rest for new ones."""
        a, b = self._beta
        left = np.cumprod(b / (a + b))
        return np.asarray(a / (a + b) * np.concatenate([[1.0], left[:-1]]))

    @property
    def divergence(self) -> float:
        """Kullback-Leibler divergence from the prior, in nats."""
        a, b = self._beta
        total = digamma(a + b)
        gain = (a - 1) * (digamma(a) - total)
        gain += (b - self.concentration) * (digamma(b) - total)
        return float(np.sum(gain - betaln(a, b) + betaln(1.0, self.concentration)))

    def merge_gains(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
        """What the log-probability of the labels gains if one pair is merged."""
        now = -np.sort(-self.counts)
        merged = np.tile(self.counts, (len(first), 1))
        pair = np.arange(len(first))
        merged[pair, first] += merged[pair, second]
        # A component without rows adds nothing.
        merged[pair, second] = 0.0
        merged = -np.sort(-merged, axis=1)
        return self._log_labels(merged) - self._log_labels(now[None])

    def _log_labels(self, counts: Array) -> Array:
        """Log-probability of labels with these sorted counts, sticks integrated out."""
        below = np.maximum(counts[:, ::-1].cumsum(axis=1)[:, ::-1] - counts, 0.0)
        stick = betaln(1.0 + counts, self.concentration + below)
        return np.asarray(np.sum(stick - betaln(1.0, self.concentration), axis=1))


@dataclass(frozen=True)
class ProcessPosterior:
    """Posterior of sticks and parameters, and the bound on the evidence it gives.

    Sticks beyond the K components keep their prior, and no row: such a posterior is one
    of any larger truncation too (nested truncation), so that K may change from step to
    step and the bounds stay comparable.

    Parameters
    ----------
    prior : Conjugate
        One law: the prior of the parameters.
    laws : Conjugate
        K posteriors, the largest component first.
    sticks : Sticks
        Posterior of the sticks, in the same order.
    """

    prior: Any
    laws: Any
    sticks: Sticks

    def __len__(self) -> int:
        return len(self.sticks.counts)

    @cached_property
    def mixture(self) -> Mixture[Any]:
        """The mixture whose log-densities are expectations under this posterior."""
        components, offset = self.laws.expected()
        return Mixture(np.exp(self.sticks.expected_log_weights), components, offset)

    @cached_property
    def _divergence(self) -> float:
        own = self.laws.divergence(self.prior).sum()
        return float(own + self.sticks.divergence)

    def e_step(self, blocks: Iterator[Block], scratch: Scratch) -> MixtureStatistics:
        return self.mixture.e_step(blocks, scratch)

    def bounded(self, statistics: MixtureStatistics) -> MixtureStatistics:
        """Complete the bound of an E-step to one on the log-evidence."""
        return replace(statistics, bound=statistics.bound - self._divergence)

    def m_step(self, statistics: MixtureStatistics) -> Self:
        return self.updated(statistics).sorted()

    def updated(self, statistics: MixtureStatistics) -> Self:
        """The M-step, components in the order they had."""
        laws = self.prior.posterior(self.mixture.components, statistics.family)
        sticks = replace(self.sticks, counts=statistics.counts)
        return replace(self, laws=laws, sticks=sticks)

    def sorted(self) -> Self:
        """Put the largest component first, the order of the highest bound."""
        counts = self.sticks.counts
        if np.all(counts[1:] <= counts[:-1]):
            return self
        return self.take(np.argsort(-counts, kind="stable"))

    def take(self, index: NDArray[Any]) -> Self:
        """Choose components."""
        sticks = replace(self.sticks, counts=self.sticks.counts[index])
        return replace(self, laws=self.laws.take(index), sticks=sticks)

    def joined(self, other: Self) -> Self:
        """Put the components of another posterior beside these."""
        counts = np.concatenate([self.sticks.counts, other.sticks.counts])
        return replace(
            self,
            laws=self.laws.join(other.laws),
            sticks=replace(self.sticks, counts=counts),
        ).sorted()

    def repeated(self, factor: float) -> Self:
        """The posterior as if each row had been there `factor` times."""
        return replace(
            self,
            laws=self.laws.repeated(self.prior, factor),
            sticks=replace(self.sticks, counts=self.sticks.counts * factor),
        )

    def merged(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> Self:
        """Merge disjoint pairs of components."""
        laws, counts = self.laws, self.sticks.counts
        both = laws.take(first).pooled(self.prior, laws.take(second))
        others = np.setdiff1d(np.arange(len(self)), np.concatenate([first, second]))
        counts = np.concatenate([counts[others], counts[first] + counts[second]])
        return replace(
            self,
            laws=laws.take(others).join(both),
            sticks=replace(self.sticks, counts=counts),
        ).sorted()

    def merge_gains(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
        """What the bound gains if one pair is merged and no label is uncertain."""
        laws = self.laws
        own = laws.log_normalizer() - self.prior.log_normalizer()
        both = laws.take(first).pooled(self.prior, laws.take(second))
        together = both.log_normalizer() - self.prior.log_normalizer()
        gain = together - own[first] - own[second]
        return np.asarray(gain + self.sticks.merge_gains(first, second))

    def pack(self) -> Array:
        with np.errstate(divide="ignore"):
            counts = np.log(self.sticks.counts)
        return np.concatenate([counts, self.laws.pack(self.prior)])

    def unpack(self, vector: Array) -> Self:
        counts, rest = np.split(vector, [len(self)])
        return replace(
            self,
            laws=self.laws.unpack(self.prior, rest),
            sticks=replace(self.sticks, counts=np.exp(counts)),
        ).sorted()
