"""The axes that trees cut: one position for each cell of a table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.compose._columns import Column
from sklgen.compose._quantile_map import QuantileMap
from sklgen.compose._typed_rows import TypedRows
from sklgen.tree._forest_kernels import Cells


@dataclass(frozen=True)
class Axis:
    """Where the cells of a column lie on a line.

    Labels lie in order of their frequency, numbers in order of their values: atoms
    among the others, at steps of the grid where there is one, at scores otherwise.

    Parameters
    ----------
    codes : ndarray of shape (n_levels,)
        Position of each code; NaN for the code of the continuous part.
    map : QuantileMap or None
        The map of the continuous part, where there is one.
    coarse : bool
        Whether positions are steps of a grid, or other whole numbers.
    """

    codes: Array
    map: QuantileMap | None = None
    coarse: bool = True

    @classmethod
    def of_column(cls, column: Column) -> Axis:
        """The axis of an input column, as the encoder has learned it."""
        shares = np.empty(0) if column.shares is None else column.shares
        if column.kind == "label":
            return cls.of_shares(shares)
        if column.map is None:
            return cls(np.arange(len(shares), dtype=np.float64))
        coarse = column.resolution is not None
        atoms = column.scale.coordinates(column.atoms)  # type: ignore[attr-defined]
        at = atoms if coarse else column.map.transform(atoms)
        return cls(np.append(np.nan, at)[: len(shares)], column.map, coarse)

    @classmethod
    def of_shares(cls, shares: Array) -> Axis:
        """The axis of labels: the most frequent ones come first."""
        positions = np.empty(len(shares))
        positions[np.argsort(-shares, kind="stable")] = np.arange(len(shares))
        return cls(positions)

    def positions(self, codes: Array | None, scores: Array | None) -> Array:
        """Positions of typed cells, NaN for missing ones."""
        if codes is None:
            at = np.full(len(scores), np.nan)  # type: ignore[arg-type]
            known = np.ones(len(at), dtype=bool)
        else:
            known = ~np.isnan(codes)
            at = np.full(len(codes), np.nan)
            at[known] = self.codes[codes[known].astype(np.intp)]
        if self.map is not None and scores is not None:
            open_ = known & np.isnan(at) & ~np.isnan(scores)
            at[open_] = self._steps(scores[open_]) if self.coarse else scores[open_]
        return at

    def _steps(self, scores: Array) -> Array:
        assert self.map is not None
        steps = np.rint(self.map.inverse(scores))
        return np.clip(steps, self.map.low + 0.5, self.map.high - 0.5)

    def between(self, values: Array) -> Array:
        """Cuts between positions, which are sorted and distinct."""
        below, above = values[:-1], values[1:]
        middle = below + (above - below) / 2
        return np.floor(middle) + 0.5 if self.coarse else np.minimum(middle, above)

    def scores(self, cuts: Array) -> Array:
        """Scores of cuts."""
        if self.map is None or not self.coarse:
            return cuts
        scores = cuts.copy()
        inner = np.isfinite(cuts)
        scores[inner] = self.map.transform(cuts[inner])
        return scores

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """Codes by position, but for the one of the continuous part."""
        n_placed = int(np.isfinite(self.codes).sum())
        return np.argsort(self.codes)[:n_placed].astype(np.int32)

    def placed(self, low: Array, high: Array) -> tuple[NDArray[np.int32], ...]:
        """First place in `order` within bounds, and first one beyond."""
        at = self.codes[self.order]
        ends = np.searchsorted(at, low, "right"), np.searchsorted(at, high, "right")
        return ends[0].astype(np.int32), ends[1].astype(np.int32)

    def has_room(self, low: Array, high: Array) -> NDArray[np.bool_]:
        """Whether there are numbers within bounds that are no atoms."""
        if self.map is None:
            return np.zeros(len(low), dtype=bool)
        if not self.coarse:
            return np.ones(len(low), dtype=bool)
        first, last = self.placed(low, high)
        width = np.minimum(high, self.map.high) - np.maximum(low, self.map.low)
        return np.asarray(width > last - first + 0.5)


class Axes:
    """The axes of a table: those of its columns, then those of its indicators.

    Parameters
    ----------
    rows : TypedRows
        What types the rows.
    shares : list of ndarray
        Shares of the levels of each column of codes, indicators included.
    """

    def __init__(self, rows: TypedRows, shares: list[Array]) -> None:
        encoder = rows.encoder
        self.rows, self.shares = rows, shares
        self.own = [Axis.of_column(column) for column in encoder.columns_]
        indicators = [Axis(np.arange(2.0)) for _ in rows.missing]
        self.all = [*self.own, *indicators]
        # The axis of each column of codes and of scores, and back.
        n_own = len(self.own)
        source = [*encoder.source_, *range(n_own, len(self.all))]
        self.of_codes = np.array(source, dtype=np.intp)[rows.categories]
        self.of_scores = np.array(source, dtype=np.intp)[rows.scores]

    def positions(self, rows: Array) -> Array:
        """Positions (n, axes) of typed rows."""
        codes = dict(zip(self.of_codes.tolist(), self.rows.categories, strict=True))
        scores = dict(zip(self.of_scores.tolist(), self.rows.scores, strict=True))
        columns = [
            axis.positions(
                rows[:, codes[j]] if j in codes else None,
                rows[:, scores[j]] if j in scores else None,
            )
            for j, axis in enumerate(self.all)
        ]
        return np.column_stack(columns)

    def cells(self, rows: NDArray[np.floating]) -> Cells:
        """Typed rows as kernels read them."""
        numbers: Array = rows.astype(np.float64)
        codes = np.nan_to_num(numbers[:, self.rows.categories], nan=-1.0)
        ends = self.rows.n_learned + np.arange(2 * len(self.rows.scores))
        scores = numbers[:, np.concatenate([self.rows.scores, ends])]
        return Cells(
            self.positions(numbers),
            np.ascontiguousarray(codes.astype(np.int32)),
            np.ascontiguousarray(scores),
        )
