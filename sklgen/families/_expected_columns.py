"""Independent columns that stand for expected log-densities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen._typing import Array
from sklgen.families._base import Allocate, Laws, View
from sklgen.families._linear_columns import LinearColumns, LinearView


@dataclass(frozen=True)
class ExpectedCells(Laws):
    """Independent columns with expected natural parameters and log-normalisers.

    The two belong to no common parameter, so there need not be a member of the family
    near: natural parameters may be as low as -1000.

    Parameters
    ----------
    family : type of LinearColumns
        What the sufficient statistics of a cell are.
    natural : ndarray of shape (m, K, d)
        Expected natural parameters.
    log_normalizer : ndarray of shape (K, d)
        Expected log-normalisers.
    """

    family: type[LinearColumns]
    natural: Array
    log_normalizer: Array

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.log_normalizer.shape
        return n, d

    @property
    def n_features(self) -> int:
        return 1 + (1 + self.family.n_statistics) * self.shape[1]

    @property
    def n_statistics(self) -> int:
        """Number m of sufficient statistics of a cell."""
        return self.family.n_statistics

    def sufficient(self, cells: Array, out: Array) -> Array | float:
        """Write the sufficient statistics of cells, and give their log-bases.

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
        return self.family.sufficient(cells, out)

    def view(self, *, complete: bool) -> View:
        return LinearView(self, complete=complete)


@dataclass(frozen=True)
class ExpectedColumns(Laws):
    """Independent columns whose log-densities have an offset by cell.

    That of the missing cells is taken off from ragged rows: nothing is expected of
    cells that are left out.

    Parameters
    ----------
    components : Family
        Components with independent columns.
    cells : ndarray of shape (K, d)
        Offset of each cell; that of whole rows is added elsewhere.
    """

    components: Any
    cells: Array

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.cells.shape
        return n, d

    @property
    def means(self) -> Array:
        """Means of the components, of shape (K, d)."""
        return np.asarray(self.components.means)

    @property
    def n_features(self) -> int:
        return int(self.components.n_features)

    def view(self, *, complete: bool) -> View:
        view: View = self.components.view(complete=complete)
        return view if complete else _RaggedView(view, self.cells)


class _RaggedView(View):
    """A view of independent columns that takes the offset of missing cells off."""

    def __init__(self, view: View, cells: Array) -> None:
        self._view = view
        self._cells = cells

    def evaluate(self, X: Any, allocate: Allocate, out: Array) -> Any:
        features = self._view.evaluate(X, allocate, out)
        out -= self._cells @ np.isnan(X).T
        return features

    def zeros(self) -> Any:
        return self._view.zeros()

    def accumulate(
        self, sums: list[Array], features: Any, responsibilities: Array
    ) -> None:
        self._view.accumulate(sums, features, responsibilities)

    def complete(self, sums: list[Array]) -> Any:
        return self._view.complete(sums)
