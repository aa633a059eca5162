"""Independent columns whose densities are one product with features of the rows."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import Allocate, View
from sklgen.families._columns import ColumnStatistics, ConjugateColumns
from sklgen.families._kernels import add_products


class LinearColumns(ConjugateColumns):
    """Exponential families of one variable, with few sufficient statistics.

    Parameters
    ----------
    prior : ColumnStatistics
        Pseudo-observations, with `count` of shape (1, d) and `sums` of shape (m, 1, d).

    Notes
    -----
    A block of n rows takes O(n K d m) operations, with or without missing cells.
    """

    @staticmethod
    @abstractmethod
    def sufficient(cells: Array, out: Array) -> Array | float:
        """Write the sufficient statistics of cells.

        Parameters
        ----------
        cells : ndarray of shape (d, n)
            Cells in the support of the family.
        out : ndarray of shape (m, d, n)
            Array to write into.

        Returns
        -------
        log_base : ndarray of shape (d, n) or float
            What no parameter changes of the log-density of each cell.
        """

    @property
    def n_features(self) -> int:
        return 1 + (1 + self.n_statistics) * self.shape[1]

    def _view(self, *, complete: bool) -> View:
        return LinearView(self, complete=complete)


class LinearView(View):
    """Independent columns on complete rows, or on rows with any cells missing.

    The features are an indicator of what was observed (one for complete rows, one a
    column otherwise), the sufficient statistics of all columns, and the sum of the
    bases, which has no parameter: the density is one matrix product.
    """

    def __init__(self, model: Any, *, complete: bool) -> None:
        self._model = model
        self._complete = complete
        self._shape = model.shape
        constant = -model.log_normalizer
        if complete:
            constant = constant.sum(axis=1, keepdims=True)
        self._n_counts = constant.shape[1]
        parts = [constant, *model.natural, np.ones((len(constant), 1))]
        self._natural = np.ascontiguousarray(np.concatenate(parts, axis=1))

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Array:
        d, first = self._shape[1], self._n_counts
        table = allocate("features", (self._natural.shape[1], len(X)))
        cells = allocate("cells", (d, len(X)))
        statistics = table[first:-1].reshape(self._model.n_statistics, d, len(X))
        observed = table[:first]
        transpose(X, cells)
        if self._complete:
            observed[:] = 1.0
            base = self._model.sufficient(cells, statistics)
        else:
            fill_missing(cells, observed)
            base = self._model.sufficient(cells, statistics) * observed
            statistics *= observed
        table[-1] = np.sum(base, axis=0)
        np.dot(self._natural, table, out=out)
        return table

    def zeros(self) -> list[Array]:
        return [np.zeros(self._natural.shape)]

    def accumulate(
        self, sums: list[Array], features: Array, responsibilities: Array
    ) -> None:
        add_products(responsibilities, features, sums[0])

    def complete(self, sums: list[Array]) -> ColumnStatistics:
        n, d = self._shape
        count = np.broadcast_to(sums[0][:, : self._n_counts], (n, d)).copy()
        rest = sums[0][:, self._n_counts : -1].reshape(n, -1, d)
        return ColumnStatistics(count, np.ascontiguousarray(rest.transpose(1, 0, 2)))


@njit(nogil=True, cache=True)
def transpose(X: NDArray[Any], cells: Array) -> None:
    """Write the columns of X (n, d) as rows of `cells` (d, n)."""
    for j in range(X.shape[1]):
        for i in range(len(X)):
            cells[j, i] = X[i, j]


@njit(nogil=True, cache=True)
def fill_missing(cells: Array, observed: Array) -> None:
    """Write what is observed, and 2 for missing `cells`: all statistics are finite."""
    for j in range(len(cells)):
        for i in range(cells.shape[1]):
            seen = not np.isnan(cells[j, i])
            observed[j, i] = 1.0 if seen else 0.0
            cells[j, i] = cells[j, i] if seen else 2.0


# Calls kernels of other modules, as of d19221a679a6.
