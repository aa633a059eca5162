"""Families of independent columns, each an exponential family of one variable."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sklgen.families._base import Additive, Allocate, Array, Family, View
from sklgen.families._kernels import add_products


@dataclass(frozen=True)
class ColumnStatistics(Additive):
    """Weighted sums over the observed cells of each column.

    Parameters
    ----------
    count : ndarray of shape (K, d)
        Weight of the observed cells.
    sums : ndarray of shape (m, K, d)
        Sums of the m sufficient statistics.
    """

    count: Array
    sums: Array


@dataclass(frozen=True)
class ColumnFamily(Family):
    """Components with independent columns, whose log-density is linear in statistics.

    The log-density of a cell x is `log_base(x)` + the sum of `natural` times
    `sufficient(x)` - `log_normalizer`. The prior is conjugate: it counts as `count`
    cells with the given sums of statistics, seen by each component before the data.
    A missing cell adds nothing to any sum.

    Parameters
    ----------
    prior : ColumnStatistics
        Pseudo-observations, with `count` of shape (1, d) and `sums` of shape (m, 1, d).
    """

    prior: ColumnStatistics

    n_statistics: ClassVar[int]

    @staticmethod
    @abstractmethod
    def sufficient(cells: Array) -> list[Array]:
        """Sufficient statistics of cells.

        Parameters
        ----------
        cells : ndarray
            Cells in the support of the family.

        Returns
        -------
        statistics : list of ndarray
            The m statistics of each cell.
        """

    @staticmethod
    @abstractmethod
    def log_base(cells: Array) -> Array | float:
        """Log-density of cells under the base measure.

        Parameters
        ----------
        cells : ndarray
            Cells in the support of the family.

        Returns
        -------
        log_base : ndarray or float
            What no parameter changes.
        """

    @property
    @abstractmethod
    def natural(self) -> Array:
        """Natural parameters, of shape (m, K, d): finite."""

    @property
    @abstractmethod
    def log_normalizer(self) -> Array:
        """Log-normaliser, of shape (K, d): finite."""

    @abstractmethod
    def from_mean(self, mean: Array) -> Self:
        """The most likely parameters, given the mean of each statistic.

        Parameters
        ----------
        mean : ndarray of shape (m, K, d)
            Mean statistics.

        Returns
        -------
        components : ColumnFamily
            Components whose expected statistics are these, moved to the nearest ones
            that are finite.
        """

    @abstractmethod
    def means(self) -> Array:
        """Mean of each column under each component, or its mode where it has none.

        Returns
        -------
        means : ndarray of shape (K, d)
            What `conditional_mean` mixes.
        """

    @abstractmethod
    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        """Draw whole rows.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Component of each row.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        rows : ndarray of shape (n, d)
            One draw a row.
        """

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.log_normalizer.shape
        return n, d

    @property
    def n_features(self) -> int:
        return (1 + self.n_statistics) * self.shape[1]

    @property
    def n_parameters(self) -> int:
        return self.n_statistics * self.log_normalizer.size

    @property
    def log_prior(self) -> float:
        linear = np.sum(self.prior.sums * self.natural)
        return float(linear - np.sum(self.prior.count * self.log_normalizer))

    @cached_property
    def _views(self) -> tuple[View, View]:
        return ColumnView(self, complete=False), ColumnView(self, complete=True)

    def view(self, *, complete: bool) -> View:
        return self._views[complete]

    def maximize(self, statistics: ColumnStatistics) -> Self:
        count = statistics.count + self.prior.count
        seen = count > 0
        mean = (statistics.sums + self.prior.sums) / np.where(seen, count, 1.0)
        return self.from_mean(np.where(seen, mean, self.mean_statistics))

    @property
    @abstractmethod
    def mean_statistics(self) -> Array:
        """Expected statistics, of shape (m, K, d): the inverse of `from_mean`."""

    def settle(self, weights: Array, data: Self) -> Self:
        return replace(self, prior=data.prior)

    def recentre(self, statistics: ColumnStatistics, target: Self) -> ColumnStatistics:
        return statistics

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        return weights.T @ self.means()

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        return self.draw(labels, rng)


class ColumnView(View):
    """Independent columns on complete rows, or on rows with any cells missing.

    The features are an indicator of what was observed and the sufficient statistics,
    each with one row a column of the data.
    """

    def __init__(self, model: ColumnFamily, *, complete: bool) -> None:
        self._model = model
        self._complete = complete
        self._shape = model.shape
        parts = [-model.log_normalizer, *model.natural]
        self._natural = np.ascontiguousarray(np.concatenate(parts, axis=1))

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Array:
        model, d = self._model, self._shape[1]
        table = allocate("features", (self._natural.shape[1], len(X)))
        cells = np.ascontiguousarray(X.T, dtype=np.float64)
        base: Array | float
        if self._complete:
            table[:d] = 1.0
            statistics, base = model.sufficient(cells), model.log_base(cells)
        else:
            table[:] = 0.0
            observed = ~np.isnan(cells)
            table[:d] = observed
            base = np.zeros(cells.shape)
            base[observed] = model.log_base(cells[observed])
            statistics = model.sufficient(np.where(observed, cells, 1.0))
            statistics = [np.where(observed, values, 0.0) for values in statistics]
        for at, values in enumerate(statistics, start=1):
            table[at * d : (at + 1) * d] = values
        np.dot(self._natural, table, out=out)
        out += np.broadcast_to(base, cells.shape).sum(axis=0)
        return table

    def zeros(self) -> list[Array]:
        return [np.zeros(self._natural.shape)]

    def accumulate(
        self, sums: list[Array], features: Array, responsibilities: Array
    ) -> None:
        add_products(responsibilities, features, sums[0])

    def complete(self, sums: list[Array]) -> ColumnStatistics:
        n, d = self._shape
        parts = sums[0].reshape(n, -1, d).transpose(1, 0, 2)
        return ColumnStatistics(parts[0].copy(), parts[1:].copy())
