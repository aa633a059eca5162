"""Independent columns that stand for expected log-densities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen.families._base import Allocate, Array, View


@dataclass(frozen=True)
class ExpectedColumns:
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
        """Number K of components and d of columns."""
        n, d = self.cells.shape
        return n, d

    @property
    def means(self) -> Array:
        """Means of the components, of shape (K, d)."""
        return np.asarray(self.components.means)

    @property
    def n_features(self) -> int:
        """Number of sufficient statistics of a complete row."""
        return int(self.components.n_features)

    def view(self, *, complete: bool) -> View:
        """The components, made ready for blocks of rows.

        Parameters
        ----------
        complete : bool
            Whether the rows have all their cells.

        Returns
        -------
        view : View
            What computes log-densities and statistics.
        """
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
