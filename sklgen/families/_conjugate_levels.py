"""Dirichlet laws of the probabilities of levels, and of the shares of counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, gammaln

from sklgen._typing import Array
from sklgen.families._categorical import Categorical, LevelCounts
from sklgen.families._conjugate import Conjugate, total
from sklgen.families._dirichlet_multinomial import DirichletMultinomial
from sklgen.families._lengths import Lengths
from sklgen.families._multinomial import Multinomial

# Bounds on the pseudo-count of a column, where the data decide.
_COUNTS = (1e-2, 1e2)


@dataclass(frozen=True)
class DirichletLevels(Conjugate):
    """Dirichlet laws of the probabilities of the levels of each column.

    Parameters
    ----------
    counts : ndarray of shape (K, L)
        Positive pseudo-counts, the levels of all columns side by side.
    n_levels : tuple of int
        Number of levels of each of the d columns, L in all.
    """

    counts: Array
    n_levels: tuple[int, ...]

    def _column_sums(self, values: Array) -> Array:
        starts = np.cumsum((0, *self.n_levels[:-1]))
        return np.asarray(np.add.reduceat(values, starts, axis=1))

    def _expected_logs(self) -> Array:
        sums = digamma(self._column_sums(self.counts))
        return np.asarray(digamma(self.counts) - np.repeat(sums, self.n_levels, axis=1))

    def posterior(self, components: Any, statistics: LevelCounts) -> Self:
        return replace(self, counts=self.counts + statistics.counts)

    def expected(self) -> tuple[Categorical, float]:
        return self._categorical(self._expected_logs()), 0.0

    def _categorical(self, log_probabilities: Array) -> Categorical:
        levels = self.counts.shape[1]
        return Categorical(log_probabilities, self.n_levels, np.zeros(levels))

    def divergence(self, prior: Self) -> Array:
        moved = (self.counts - prior.counts) * self._expected_logs()
        gain = moved.sum(axis=1) - self.log_normalizer() + prior.log_normalizer()
        return np.asarray(gain)

    def log_normalizer(self) -> Array:
        columns = gammaln(self._column_sums(self.counts))
        return np.asarray(gammaln(self.counts).sum(axis=1) - columns.sum(axis=1))

    @classmethod
    def weighted(cls, terms: list[tuple[float, Self]]) -> Self:
        counts = total(f * law.counts for f, law in terms)
        return replace(terms[0][1], counts=counts)

    def tuned(self, prior: Self) -> Self:
        """Leave the prior as it is: it has no scale that data would set."""
        return prior

    def predictive(self) -> Categorical:
        sums = np.repeat(self._column_sums(self.counts), self.n_levels, axis=1)
        return self._categorical(np.log(self.counts / sums))

    def pack(self, prior: Self) -> Array:
        return np.log(self.counts).ravel()

    def unpack(self, prior: Self, vector: Array) -> Self:
        return replace(self, counts=np.exp(vector).reshape(self.counts.shape))


@dataclass(frozen=True)
class DirichletShares(Conjugate):
    """Dirichlet laws of the shares of columns in rows of multinomial counts.

    Parameters
    ----------
    counts : ndarray of shape (K, d)
        Positive pseudo-counts.
    lengths : Lengths or None
        Law of the totals of the rows, which is not learned; None leaves it out.
    """

    counts: Array
    lengths: Lengths | None

    def _expected_logs(self) -> Array:
        sums = digamma(self.counts.sum(axis=1, keepdims=True))
        return np.asarray(digamma(self.counts) - sums)

    def posterior(self, components: Any, statistics: LevelCounts) -> Self:
        return replace(self, counts=self.counts + statistics.counts)

    def expected(self) -> tuple[Multinomial, float]:
        return Multinomial(self.lengths, self._expected_logs(), 0.0), 0.0

    def divergence(self, prior: Self) -> Array:
        moved = (self.counts - prior.counts) * self._expected_logs()
        gain = moved.sum(axis=1) - self.log_normalizer() + prior.log_normalizer()
        return np.asarray(gain)

    def log_normalizer(self) -> Array:
        sums = gammaln(self.counts.sum(axis=1))
        return np.asarray(gammaln(self.counts).sum(axis=1) - sums)

    @classmethod
    def weighted(cls, terms: list[tuple[float, Self]]) -> Self:
        counts = total(f * law.counts for f, law in terms)
        return replace(terms[0][1], counts=counts)

    def tuned(self, prior: Self) -> Self:
        """The best symmetric Dirichlet prior."""
        d = self.counts.shape[1]
        mean_log = float(self._expected_logs().mean())

        def slope(log_count: float) -> float:
            count = np.exp(log_count)
            return float(digamma(d * count) - digamma(count) + mean_log)

        low, high = np.log(_COUNTS)
        if slope(low) <= 0 or slope(high) >= 0:
            count = _COUNTS[0] if slope(low) <= 0 else _COUNTS[1]
        else:
            count = float(np.exp(brentq(slope, low, high)))
        return replace(prior, counts=np.full_like(prior.counts, count))

    def predictive(self) -> DirichletMultinomial:
        return DirichletMultinomial(self.lengths, self.counts, 0.0)

    def pack(self, prior: Self) -> Array:
        return np.log(self.counts).ravel()

    def unpack(self, prior: Self, vector: Array) -> Self:
        return replace(self, counts=np.exp(vector).reshape(self.counts.shape))
