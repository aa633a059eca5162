"""The components that read typed rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.compose._typed_rows import TypedRows
from sklgen.families import Components, DensityView, Product
from sklgen.families._base import Allocate
from sklgen.families._categorical import Categorical
from sklgen.families._grid_gaussian import GridGaussian
from sklgen.mixture._mapped_means import MappedMeans
from sklgen.mixture._tabular_families import COUNTS


def table_reader(rows: TypedRows, learned: Product) -> TableReader:
    """Components that read typed rows, at the parameters that EM learned."""
    parts: list[Any] = []
    columns: list[NDArray[np.intp]] = []
    ends = rows.n_learned + np.arange(2 * len(rows.scores))
    for part, at in zip(learned.parts, learned.columns, strict=True):
        grid = np.array_equal(at, rows.scores)
        parts.append(GridGaussian(part) if grid else part)
        columns.append(np.concatenate([at, ends]) if grid else at)
    parts.append(LogOffset(learned.shape[0]))
    columns.append(np.array([rows.width - 1]))
    return TableReader(Product(tuple(parts), tuple(columns)), rows)


@dataclass(frozen=True)
class LogOffset(Components, DensityView):
    """A column that holds what is added to the log-density of its row.

    Its draws are uniform numbers, to seed what is drawn after the typed row.

    Parameters
    ----------
    n : int
        Number of components, which are all alike.
    """

    n: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.n, 1

    @property
    def n_features(self) -> int:
        return 1

    def view(self, *, complete: bool) -> DensityView:
        return self

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> None:
        out[:] = np.nan_to_num(X[:, 0])

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        return X.astype(np.float64)

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        return rng.random(X.shape)


@dataclass(frozen=True)
class TableReader(Components):
    """The components of a table as its typed rows are read.

    The conditional mean of a number is one of the original column, over its atoms and
    its continuous part, given as the typed cells that stand for it. That of a category
    is its mode; that of a count is rounded to one.

    Parameters
    ----------
    product : Product
        Components over all columns of typed rows.
    rows : TypedRows
        What typed the rows.
    """

    product: Product
    rows: TypedRows

    @property
    def shape(self) -> tuple[int, int]:
        return self.product.shape

    @property
    def n_features(self) -> int:
        return self.product.n_features

    @property
    def patterned(self) -> NDArray[np.intp]:
        return self.product.patterned

    def view(self, *, complete: bool) -> DensityView:
        return self.product.view(complete=complete)

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        return self.product.conditional_draw(X, labels, rng)

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        means = np.empty(X.shape)
        scores: dict[int, tuple[Array, Array]] = {}
        for part, at in zip(self.product.parts, self.product.columns, strict=True):
            if not isinstance(part, GridGaussian):
                means[:, at] = part.conditional_mean(X[:, at], weights)
                continue
            own = at[: part.gaussian.shape[1]]
            moments = part.gaussian.conditional_moments(X[:, own])
            means[:, at] = np.nan
            means[:, own] = np.einsum("kn,knj->nj", weights, moments[0])
            scores = {
                int(j): (moments[0][:, :, place], moments[1][:, :, place])
                for place, j in enumerate(own)
            }
        for family, at in self.rows.numbers.items():
            if family in COUNTS:
                means[:, at] = np.rint(means[:, at])
        for column, typed in self._mapped_numbers():
            rows = np.flatnonzero(np.isnan(X[:, typed]).all(axis=1))
            if len(rows):
                laws = scores.get(int(typed[-1]), ())
                cells = self._mean_cells(column, typed, rows, weights[:, rows], laws)
                means[np.ix_(rows, typed)] = cells
        return means

    def _mapped_numbers(self) -> Iterator[tuple[Any, NDArray[np.intp]]]:
        """The columns of atoms and scores, with their typed columns."""
        encoder = self.rows.encoder
        for j, column in enumerate(encoder.columns_):
            if column.kind != "label" and "number" not in column.kinds:
                yield column, np.flatnonzero(encoder.source_ == j)

    @cached_property
    def _mapped(self) -> dict[int, MappedMeans]:
        """What averages numbers, by the column of their scores."""
        return {
            int(typed[-1]): MappedMeans(column.map)
            for column, typed in self._mapped_numbers()
            if column.map is not None
        }

    def _mean_cells(
        self,
        column: Any,
        typed: NDArray[np.intp],
        rows: NDArray[np.intp],
        weights: Array,
        laws: tuple[Array, ...],
    ) -> Array:
        """Typed cells of the mean of a number column, for rows that miss it.

        `laws` are the means and variances (K, n) or (K, 1) of its scores in all rows.
        """
        probabilities = self._probabilities(typed[0]) if column.has_codes else None
        if column.map is None:
            values = column.atoms.astype(np.float64)
            return np.asarray(column.of_numbers(weights.T @ (probabilities @ values)))
        share = weights
        mean = np.zeros(len(rows))
        if probabilities is not None:
            share = weights * probabilities[:, :1]
            atoms = column.scale.coordinates(column.atoms)
            mean += weights.T @ (probabilities[:, 1:] @ atoms)
        alike = laws[0].shape[1] == 1
        means, variances = laws if alike else (law[:, rows] for law in laws)
        shares = np.ones_like(means) if alike else share
        numbers = self._mapped[int(typed[-1])](means, variances, shares)
        mean += np.einsum("kn,kn->n", share, np.broadcast_to(numbers, share.shape))
        return np.asarray(column.of_numbers(mean))

    def _probabilities(self, at: np.intp) -> Array:
        """Probabilities (K, L) of the codes of a typed column."""
        for part, columns in zip(self.product.parts, self.product.columns, strict=True):
            if isinstance(part, Categorical) and at in columns:
                place = int(np.flatnonzero(columns == at)[0])
                return np.asarray(part.probabilities()[place])
        raise AssertionError
