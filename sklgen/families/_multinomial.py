"""Multinomial components: rows of counts whose tokens are independent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp

from sklgen._typing import Array
from sklgen.families._base import Allocate, View
from sklgen.families._categorical import LevelCounts
from sklgen.families._count_kernels import add_counts, log_orders, multiply
from sklgen.families._counts import CountFamily, as_csr
from sklgen.families._lengths import Lengths

# Log of the smallest probability: a count times it stays far from overflow.
_LOWEST = -700.0


@dataclass(frozen=True)
class Multinomial(CountFamily):
    """Components whose rows are multinomial counts, given their totals.

    Counts may be fractional: the multinomial coefficient is continued by gamma
    functions. The prior is a Dirichlet law, whose mode the M-step takes: it counts as
    `prior` tokens in each column, seen by each component before the data.

    Parameters
    ----------
    lengths : Lengths or None
        Law of the totals; None leaves it out.
    log_probabilities : ndarray of shape (K, d)
        Log-probability of each column.
    prior : float
        Positive pseudo-count of each column.

    Notes
    -----
    A block of rows with m positive cells takes O(m K) operations.
    """

    log_probabilities: Array
    prior: float

    @classmethod
    def equal(
        cls, n: int, shares: Array, prior: float, lengths: Lengths | None
    ) -> Self:
        """Make equal components.

        Parameters
        ----------
        n : int
            Number of components.
        shares : ndarray of shape (d,)
            Positive probability of each column.
        prior : float
            Positive pseudo-count of each column.
        lengths : Lengths or None
            Law of the totals.

        Returns
        -------
        components : Multinomial
            Components that are all alike.
        """
        return cls(lengths, np.tile(np.log(shares), (n, 1)), prior)

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.log_probabilities.shape
        return n, d

    @property
    def n_features(self) -> int:
        return self.shape[1]

    @property
    def n_parameters(self) -> int:
        n, d = self.shape
        return n * (d - 1) + (self.lengths.n_parameters if self.lengths else 0)

    @property
    def log_prior(self) -> float:
        return float(self.prior * self.log_probabilities.sum())

    def probabilities(self) -> Array:
        return np.exp(self.log_probabilities)

    def concentrations(self) -> Array:
        return np.full(len(self.log_probabilities), np.inf)

    @cached_property
    def _view(self) -> View:
        return MultinomialView(self)

    def view(self, *, complete: bool) -> View:
        return self._view

    def maximize(self, statistics: LevelCounts) -> Self:
        counts = statistics.counts + self.prior
        return self._with(np.log(counts) - np.log(counts.sum(axis=1, keepdims=True)))

    def _with(self, log_probabilities: Array) -> Self:
        bounded = np.maximum(log_probabilities, _LOWEST)
        return replace(self, log_probabilities=np.ascontiguousarray(bounded))

    def settle(self, weights: Array, data: Self) -> Self:
        return replace(self, prior=data.prior)

    def recentre(self, statistics: LevelCounts, target: Self) -> LevelCounts:
        return statistics

    def pack(self) -> Array:
        return self.log_probabilities.ravel()

    def unpack(self, vector: Array) -> Self:
        logits = vector.reshape(self.log_probabilities.shape)
        return self._with(logits - logsumexp(logits, axis=1, keepdims=True))


class MultinomialView(View):
    """Multinomial components on blocks of rows. Features are the rows themselves."""

    def __init__(self, model: Multinomial) -> None:
        self._lengths = model.lengths
        self._table = np.ascontiguousarray(model.log_probabilities.T)

    def evaluate(self, X: Any, allocate: Allocate, out: Array) -> Any:
        rows = as_csr(X)
        base, totals = allocate("base", (2, rows.shape[0]))
        log_orders(rows.data, rows.indptr, base, totals)
        if self._lengths is not None:
            base += self._lengths.log_probability(totals)
        multiply(rows.data, rows.indices, rows.indptr, self._table, base, out)
        return rows

    def zeros(self) -> list[Array]:
        return [np.zeros(self._table.shape)]

    def accumulate(
        self, sums: list[Array], features: Any, responsibilities: Array
    ) -> None:
        rows = features
        add_counts(rows.data, rows.indices, rows.indptr, responsibilities, sums[0])

    def complete(self, sums: list[Array]) -> LevelCounts:
        return LevelCounts(sums[0].T)
