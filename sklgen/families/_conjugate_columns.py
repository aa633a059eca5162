"""Conjugate laws of independent columns with one sufficient statistic."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import betaln, digamma, gammaln

from sklgen._typing import Array
from sklgen.families._base import Components
from sklgen.families._bernoulli import Bernoulli
from sklgen.families._columns import ColumnStatistics
from sklgen.families._conjugate import Conjugate, total
from sklgen.families._expected_columns import ExpectedCells
from sklgen.families._linear_columns import LinearColumns
from sklgen.families._negative_binomial import NegativeBinomial
from sklgen.families._poisson import Poisson


@dataclass(frozen=True)
class ConjugateCells(Conjugate):
    """Laws worth `count` cells in each column whose statistics sum to `sums`.

    Parameters
    ----------
    count : ndarray of shape (K, d)
        Positive number of pseudo-observations.
    sums : ndarray of shape (K, d)
        Sum of their statistics.
    """

    count: Array
    sums: Array

    family: ClassVar[type[LinearColumns]]

    @property
    @abstractmethod
    def natural(self) -> Array:
        """Expected natural parameters, of shape (K, d)."""

    @property
    @abstractmethod
    def log_partition(self) -> Array:
        """Expected log-normalisers of a cell, of shape (K, d)."""

    @abstractmethod
    def _log_integrals(self) -> Array:
        """Logs of the integrals of the pseudo-observations' likelihood, by column."""

    def posterior(self, components: Any, statistics: ColumnStatistics) -> Self:
        return type(self)(self.count + statistics.count, self.sums + statistics.sums[0])

    def expected(self) -> tuple[ExpectedCells, float]:
        return ExpectedCells(self.family, self.natural[None], self.log_partition), 0.0

    def divergence(self, prior: Self) -> Array:
        moved = (self.sums - prior.sums) * self.natural
        moved -= (self.count - prior.count) * self.log_partition
        cells = moved - self._log_integrals() + prior._log_integrals()
        return np.asarray(cells.sum(axis=1))

    def log_normalizer(self) -> Array:
        return np.asarray(self._log_integrals().sum(axis=1))

    @classmethod
    def weighted(cls, terms: list[tuple[float, Self]]) -> Self:
        count = total(f * law.count for f, law in terms)
        return cls(count, total(f * law.sums for f, law in terms))

    def tuned(self, prior: Self) -> Self:
        """Leave the prior as it is: it has no scale that data would set."""
        return prior


def _no_prior(d: int) -> ColumnStatistics:
    return ColumnStatistics(np.zeros((1, d)), np.zeros((1, 1, d)))


class GammaRates(ConjugateCells):
    """Gamma laws of Poisson rates, with shape `sums` and rate `count`."""

    family = Poisson

    @property
    def natural(self) -> Array:
        return np.asarray(digamma(self.sums) - np.log(self.count))

    @property
    def log_partition(self) -> Array:
        return self.sums / self.count

    def _log_integrals(self) -> Array:
        return np.asarray(gammaln(self.sums) - self.sums * np.log(self.count))

    def predictive(self) -> Components:
        d = self.count.shape[1]
        return NegativeBinomial(
            self.sums / self.count, self.sums, prior=NegativeBinomial.standard(d).prior
        )

    def pack(self, prior: Self) -> Array:
        values = np.concatenate([self.count.ravel(), self.sums.ravel()])
        return np.asarray(np.log(values))

    def unpack(self, prior: Self, vector: Array) -> Self:
        return type(self)(*np.exp(vector).reshape(2, *self.count.shape))


class BetaProbabilities(ConjugateCells):
    """Beta laws of Bernoulli probabilities: `sums` ones among `count` cells."""

    family = Bernoulli

    @property
    def natural(self) -> Array:
        return np.asarray(digamma(self.sums) - digamma(self.count - self.sums))

    @property
    def log_partition(self) -> Array:
        return np.asarray(digamma(self.count) - digamma(self.count - self.sums))

    def _log_integrals(self) -> Array:
        return np.asarray(betaln(self.sums, self.count - self.sums))

    def predictive(self) -> Components:
        share = self.sums / self.count
        return Bernoulli(share, prior=_no_prior(self.count.shape[1]))

    def pack(self, prior: Self) -> Array:
        zeros = self.count - self.sums
        return np.asarray(np.log(np.concatenate([zeros.ravel(), self.sums.ravel()])))

    def unpack(self, prior: Self, vector: Array) -> Self:
        zeros, ones = np.exp(vector).reshape(2, *self.count.shape)
        return type(self)(zeros + ones, ones)
