"""Categorical components: independent columns of level codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import Additive, Allocate, Family, View

# Rows that a kernel turns over at a time: a cache line of numbers.
_TILE = 8


@dataclass(frozen=True)
class LevelCounts(Additive):
    """Weight of each level in each component.

    Parameters
    ----------
    counts : ndarray of shape (K, L)
        Weights, the levels of all columns side by side.
    """

    counts: Array


@dataclass(frozen=True)
class Categorical(Family):
    """Components with independent categorical columns.

    A cell is a code from 0 to the number of levels of its column, exclusive; NaN marks
    a missing one. The log-probability of a row is gathered from the parameters, one
    addition a column, in place of a product with one-hot columns: its cost does not
    depend on the number of levels. The prior is a Dirichlet law, whose mode the M-step
    takes: it counts as `prior` rows seen by each component before the data.

    Parameters
    ----------
    log_probabilities : ndarray of shape (K, L)
        Log-probability of each level, the levels of all columns side by side.
    n_levels : tuple of int
        Number of levels of each of the d columns, L in all.
    prior : ndarray of shape (L,)
        Non-negative pseudo-counts of the levels.

    Notes
    -----
    A block of n rows takes O(n K d) operations, with or without missing cells.
    """

    log_probabilities: Array
    n_levels: tuple[int, ...]
    prior: Array

    @classmethod
    def equal(cls, n: int, shares: list[Array], strength: float) -> Self:
        """Make equal components.

        Parameters
        ----------
        n : int
            Number of components.
        shares : list of ndarray
            Probability of each level, for each column.
        strength : float
            Number of pseudo-rows of the prior for each level of a column; they are
            shared out among the levels as in `shares`.

        Returns
        -------
        components : Categorical
            Components that are all alike.
        """
        prior = [strength * len(share) * share for share in shares]
        with np.errstate(divide="ignore"):
            row = np.log(np.concatenate(shares))
        n_levels = tuple(len(share) for share in shares)
        return cls(np.tile(row, (n, 1)), n_levels, np.concatenate(prior))

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.log_probabilities), len(self.n_levels)

    @property
    def n_features(self) -> int:
        return 1 + len(self.n_levels)

    @property
    def n_parameters(self) -> int:
        return len(self.log_probabilities) * (sum(self.n_levels) - len(self.n_levels))

    @property
    def log_prior(self) -> float:
        known = self.prior > 0
        return float(np.sum(self.log_probabilities[:, known] @ self.prior[known]))

    @property
    def _starts(self) -> NDArray[np.intp]:
        """Where the levels of each column start."""
        return np.cumsum((0, *self.n_levels[:-1]), dtype=np.intp)

    @cached_property
    def _view(self) -> View:
        return CategoricalView(self)

    def view(self, *, complete: bool) -> View:
        return self._view

    def maximize(self, statistics: LevelCounts) -> Self:
        counts = statistics.counts + self.prior
        totals = np.add.reduceat(counts, self._starts, axis=1)
        seen = np.repeat(totals > 0, self.n_levels, axis=1)
        totals = np.repeat(np.where(totals > 0, totals, 1.0), self.n_levels, axis=1)
        with np.errstate(divide="ignore"):
            updated = np.log(counts / totals)
        return replace(
            self, log_probabilities=np.where(seen, updated, self.log_probabilities)
        )

    def take(self, indices: NDArray[np.intp]) -> Self:
        return replace(self, log_probabilities=self.log_probabilities[indices])

    def settle(self, weights: Array, data: Self) -> Self:
        return replace(self, prior=data.prior)

    def recentre(self, statistics: LevelCounts, target: Self) -> LevelCounts:
        return statistics

    def probabilities(self) -> list[Array]:
        """Give the probabilities of the levels.

        Returns
        -------
        probabilities : list of ndarray of shape (K, n_levels)
            One array a column.
        """
        return np.split(np.exp(self.log_probabilities), self._starts[1:], axis=1)

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        """Most probable level of each column, mixed by `weights`.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows of codes; NaN marks missing cells.
        weights : ndarray of shape (K, n)
            Posterior probability of each component for each row; columns sum to one.

        Returns
        -------
        levels : ndarray of shape (n, d)
            Codes of the modes of the mixed probabilities, in place of means.
        """
        columns = self.probabilities()
        modes = [(weights.T @ column).argmax(axis=1) for column in columns]
        return np.stack(modes, axis=1).astype(np.float64)

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        drawn = np.empty((len(X), len(self.n_levels)))
        uniform = rng.random(drawn.shape)
        for j, column in enumerate(self.probabilities()):
            cumulative = np.cumsum(column, axis=1)
            threshold = uniform[:, j] * cumulative[labels, -1]
            invert(cumulative, labels, threshold, drawn[:, j])
        return drawn

    def pack(self) -> Array:
        return self.log_probabilities.ravel()

    def unpack(self, vector: Array) -> Self:
        logits = vector.reshape(self.log_probabilities.shape)
        peak = np.maximum.reduceat(logits, self._starts, axis=1)
        shifted = logits - np.repeat(peak, self.n_levels, axis=1)
        totals = np.add.reduceat(np.exp(shifted), self._starts, axis=1)
        normalized = shifted - np.repeat(np.log(totals), self.n_levels, axis=1)
        return replace(self, log_probabilities=normalized)


class CategoricalView(View):
    """Categorical columns on blocks of rows. Features are places of levels.

    A last level of log-probability zero stands for missing cells, so that no loop has
    a branch.
    """

    def __init__(self, model: Categorical) -> None:
        self._starts = model._starts
        n, length = model.log_probabilities.shape
        self._table = np.zeros((length + 1, n))
        self._table[:-1] = model.log_probabilities.T

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Any:
        places = allocate("places", X.shape[::-1]).view(np.int64)
        locate(X, self._starts, len(self._table) - 1, places)
        gather(self._table, places, out)
        return places

    def zeros(self) -> list[Array]:
        return [np.zeros(self._table.shape)]

    def accumulate(
        self, sums: list[Array], features: Any, responsibilities: Array
    ) -> None:
        scatter(features, responsibilities, sums[0])

    def complete(self, sums: list[Array]) -> LevelCounts:
        return LevelCounts(np.ascontiguousarray(sums[0][:-1].T))


@njit(nogil=True, cache=True)
def locate(
    X: NDArray[Any], starts: NDArray[np.intp], missing: int, places: NDArray[np.int64]
) -> None:
    """Place (d, n) of the level of each cell of X (n, d) among those of all columns."""
    for j in range(X.shape[1]):
        for i in range(len(X)):
            code = X[i, j]
            places[j, i] = missing if np.isnan(code) else starts[j] + np.int64(code)


@njit(nogil=True, cache=True)
def gather(table: Array, places: NDArray[np.int64], out: Array) -> None:
    """Write the sum over columns of the rows of `table` (L, K) at `places` (d, n).

    `out` (K, n) is written tile by tile, so that all loops run over adjacent numbers.
    """
    n_components, n = out.shape
    d = len(places)
    tile = np.empty((_TILE, n_components))
    for start in range(0, n, _TILE):
        size = min(_TILE, n - start)
        for r in range(size):
            i, total = start + r, tile[r]
            total[:] = table[places[0, i]]
            j = 1
            while j + 2 < d:
                a, b, c = (
                    table[places[j, i]],
                    table[places[j + 1, i]],
                    table[places[j + 2, i]],
                )
                for k in range(n_components):
                    total[k] += a[k] + b[k] + c[k]
                j += 3
            while j < d:
                a = table[places[j, i]]
                for k in range(n_components):
                    total[k] += a[k]
                j += 1
        for k in range(n_components):
            for r in range(size):
                out[k, start + r] = tile[r, k]


@njit(nogil=True, cache=True)
def scatter(places: NDArray[np.int64], weights: Array, sums: Array) -> None:
    """Add the columns of `weights` (K, n) to the rows of `sums` (L, K) at `places`."""
    n_components, n = weights.shape
    tile = np.empty((_TILE, n_components))
    for start in range(0, n, _TILE):
        size = min(_TILE, n - start)
        for k in range(n_components):
            for r in range(size):
                tile[r, k] = weights[k, start + r]
        for r in range(size):
            weight = tile[r]
            for j in range(len(places)):
                total = sums[places[j, start + r]]
                for k in range(n_components):
                    total[k] += weight[k]


@njit(nogil=True, cache=True)
def invert(
    cumulative: Array, labels: NDArray[np.intp], threshold: Array, out: Array
) -> None:
    """First level of row `labels` of `cumulative` (K, L) that exceeds `threshold`."""
    for i in range(len(labels)):
        row = cumulative[labels[i]]
        level = np.searchsorted(row, threshold[i], side="right")
        out[i] = min(level, len(row) - 1)
