"""Typed rows of a table, and the components that read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.compose import TabularEncoder
from sklgen.families import Components, DensityView, Product
from sklgen.families._base import Allocate
from sklgen.families._categorical import Categorical
from sklgen.families._grid_gaussian import GridGaussian
from sklgen.mixture._mapped_means import MappedMeans
from sklgen.mixture._tabular_families import COUNTS, check_cells


@dataclass(frozen=True)
class TypedRows:
    """What `Schema` is to rows of numbers: typed rows out of tables, and back.

    A typed row has the columns of the encoder, an indicator for each input column
    that missed cells in `fit`, the ends of the intervals that its scores stand for,
    and what its log-density owes to the maps. EM sees the first two of these.

    Parameters
    ----------
    encoder : TabularEncoder
        The fitted encoder.
    missing : ndarray of int
        Positions of the input columns with an indicator.
    families : dict of int to str
        Family of each input column that stays in its own units, by position.
    """

    encoder: TabularEncoder
    missing: NDArray[np.intp]
    families: dict[int, str]

    @property
    def n_typed(self) -> int:
        return len(self.encoder.kinds_)

    @property
    def width(self) -> int:
        """Number of columns of typed rows."""
        return self.n_learned + 2 * len(self.scores) + 1

    @property
    def n_learned(self) -> int:
        """Number of columns that EM sees, the first ones."""
        return self.n_typed + len(self.missing)

    @property
    def categories(self) -> NDArray[np.intp]:
        """The columns of codes that EM sees, indicators included."""
        own = self._of_kind("category")
        return np.concatenate([own, np.arange(self.n_typed, self.n_learned)])

    @property
    def scores(self) -> NDArray[np.intp]:
        """The columns of normal scores."""
        return self._of_kind("normal")

    @property
    def numbers(self) -> dict[str, NDArray[np.intp]]:
        """The columns in their own units, by family."""
        columns: dict[str, list[int]] = {}
        for at in self._of_kind("number").tolist():
            columns.setdefault(self.families[self.encoder.source_[at]], []).append(at)
        return {family: np.array(at) for family, at in columns.items()}

    def _of_kind(self, kind: str) -> NDArray[np.intp]:
        return np.flatnonzero(np.array(self.encoder.kinds_) == kind)

    def names(self, typed: NDArray[np.intp]) -> list[Any]:
        """Names of the input columns of typed ones."""
        return [self.encoder.columns_[j].name for j in self.encoder.source_[typed]]

    def read(self, X: Any) -> Array:
        """Typed rows of a table; indicators are left open."""
        typed = self.encoder.transform(X)
        for family, at in self.numbers.items():
            check_cells(family, typed[:, at], self.names(at))
        low, high = (ends[:, self.scores] for ends in self.encoder.limits(X))
        offset = self.encoder.log_density_offset(X)[:, None]
        unknown = np.full((len(typed), len(self.missing)), np.nan)
        rows = np.hstack([typed, unknown, low, high, offset])
        return rows.astype(typed.dtype, copy=False)

    def with_indicators(
        self, rows: Array, used: NDArray[np.bool_]
    ) -> tuple[TypedRows, Array]:
        """The rows with an indicator for each input column that misses used cells."""
        columns = range(len(self.encoder.columns_))
        missing = [j for j in columns if self._misses(rows[used], j).any()]
        unknown = np.full((len(rows), len(missing)), np.nan, rows.dtype)
        left, right = np.split(rows, [self.n_typed], axis=1)
        typing = replace(self, missing=np.array(missing, dtype=np.intp))
        return typing, np.hstack([left, unknown, right])

    def _misses(self, rows: Array, column: int) -> NDArray[np.bool_]:
        typed = rows[:, : self.n_typed][:, self.encoder.source_ == column]
        return np.asarray(np.isnan(typed).all(axis=1))

    def learn_from(self, rows: Array) -> Array:
        """The columns that EM sees, indicators filled in."""
        seen = rows[:, : self.n_learned].copy()
        for at, column in enumerate(self.missing, start=self.n_typed):
            seen[:, at] = self._misses(rows, column)
        return seen

    def missing_share(self, rows: Array, weight: Array) -> float:
        """Share of cells that miss, in the columns that don't miss all."""
        columns = range(len(self.encoder.columns_))
        shares = [np.average(self._misses(rows, j), weights=weight) for j in columns]
        some = [share for share in shares if share < 1.0]
        return float(np.mean(some)) if some else 0.0

    def restore(self, rows: Array) -> Any:
        """Typed rows as the container of `fit`; cells that miss become missing."""
        typed = rows[:, : self.n_typed].copy()
        for at, column in enumerate(self.missing, start=self.n_typed):
            gone = np.ix_(rows[:, at] > 0, self.encoder.source_ == column)
            typed[gone] = np.nan
        return self.encoder.inverse_transform(typed, random_state=_seed(rows))

    def complete(self, X: Any, rows: Array, filled: Array) -> Any:
        """X with its missing cells as in the filled rows."""
        typed = filled[:, : self.n_typed]
        return self.encoder.complete(X, typed, random_state=_seed(filled))

    def reader(self, learned: Product) -> TableReader:
        """Components that read typed rows, at the parameters that EM learned."""
        parts: list[Any] = []
        columns: list[NDArray[np.intp]] = []
        ends = self.n_learned + np.arange(2 * len(self.scores))
        for part, at in zip(learned.parts, learned.columns, strict=True):
            grid = np.array_equal(at, self.scores)
            parts.append(GridGaussian(part) if grid else part)
            columns.append(np.concatenate([at, ends]) if grid else at)
        parts.append(LogOffset(learned.shape[0]))
        columns.append(np.array([self.width - 1]))
        return TableReader(Product(tuple(parts), tuple(columns)), self)


def _seed(rows: Array) -> int:
    """What rare labels are drawn with: bits of the last column, random in draws."""
    bits = np.ascontiguousarray(rows[:, -1]).view(np.uint32)
    return int(np.random.SeedSequence(bits).generate_state(1)[0])


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
            mean = weights.T @ (probabilities @ values)
            nearest = np.abs(mean[:, None] - values).argmin(axis=1)
            return np.asarray(nearest[:, None], dtype=np.float64)
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
        scores = column.map.transform(mean)[:, None]
        if probabilities is None:
            return np.asarray(scores)
        return np.hstack([np.zeros_like(scores), scores])

    def _probabilities(self, at: np.intp) -> Array:
        """Probabilities (K, L) of the codes of a typed column."""
        for part, columns in zip(self.product.parts, self.product.columns, strict=True):
            if isinstance(part, Categorical) and at in columns:
                place = int(np.flatnonzero(columns == at)[0])
                return np.asarray(part.probabilities()[place])
        raise AssertionError
