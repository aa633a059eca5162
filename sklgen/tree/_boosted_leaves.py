"""Columns cut into leaves: levels, atoms, and intervals of normal scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklgen._typing import Array
from sklgen.compose._columns import Column
from sklgen.compose._typed_rows import TypedRows
from sklgen.tree._forest_axes import Axis

# Rows that a bin has at least, and bins for the cube root of the number of rows.
_SMALLEST_BIN, _BINS_PER_ROOT = 20, 2.0
# scikit-learn's trees know categories of up to 255 levels: the rarest share one.
_MOST_LEVELS = 255


@dataclass(frozen=True)
class Cells:
    """Where the cells of a column are among its leaves.

    Parameters
    ----------
    leaf : ndarray of shape (n,)
        The leaf of each cell, -1 for a missing one.
    low, high : ndarray of shape (n,)
        Ends of the cell within its bin, as shares of the normal mass of the bin; equal
        where it is a point. Cells of other leaves have any.
    """

    leaf: NDArray[np.intp]
    low: Array
    high: Array

    def take(self, rows: NDArray[Any]) -> Cells:
        """The cells of some rows."""
        return Cells(self.leaf[rows], self.low[rows], self.high[rows])


@dataclass(frozen=True)
class Leaves:
    """The leaves of a column, in the order of the column's values.

    A level or an atom is a leaf by itself, most frequent labels first. Other numbers
    lie in bins, intervals of normal scores with about equal numbers of rows, whose ends
    are between the values of a grid where there is one.

    Parameters
    ----------
    column : Column
        What the encoder has learned of the column.
    axis : Axis
        Positions of the column's cells, which trees of other columns cut.
    codes : ndarray of shape (K,)
        The code of each leaf.
    bins : ndarray of shape (B,)
        The leaves that are bins, from left to right.
    edges : ndarray of shape (B + 1,)
        Normal mass to the left of the ends of bins, from 0 to 1.
    """

    column: Column
    axis: Axis
    codes: NDArray[np.intp]
    bins: NDArray[np.intp]
    edges: Array

    @classmethod
    def learn(cls, column: Column, typed: NDArray[Any], n_bins: int) -> Leaves:
        """Cut a column whose typed cells are (n, 1) or (n, 2)."""
        axis = Axis.of_column(column)
        if column.map is None:
            codes = np.argsort(axis.codes)
            return cls(column, axis, codes, np.empty(0, np.intp), np.array([0.0, 1.0]))
        scores = typed[:, -1]
        known = ~np.isnan(scores)
        edges = _edges(axis, scores[known], n_bins)
        atoms = ndtr(axis.scores(axis.codes[1:]))
        middles = edges[:-1] + np.diff(edges) / 2
        order = np.argsort(np.append(middles, atoms), kind="stable")
        codes = np.maximum(order - len(middles) + 1, 0)
        return cls(column, axis, codes, np.flatnonzero(codes == 0), edges)

    @property
    def n_leaves(self) -> int:
        return len(self.codes)

    @property
    def is_label(self) -> bool:
        return self.column.kind == "label"

    @property
    def widths(self) -> Array:
        """Normal mass of each bin."""
        return np.diff(self.edges)

    @property
    def values(self) -> Array:
        """The numbers that codes stand for; NaN for that of the continuous part."""
        column: Any = self.column
        if column.map is None:
            return np.asarray(column.atoms, dtype=np.float64)
        return np.append(np.nan, column.scale.coordinates(column.atoms))

    @property
    def _of_code(self) -> NDArray[np.intp]:
        places = np.empty(int(self.codes.max(initial=0)) + 1, dtype=np.intp)
        places[self.codes] = np.arange(self.n_leaves)
        return places

    @property
    def bin_of_leaf(self) -> NDArray[np.intp]:
        """Place of each leaf among the bins, -1 for others."""
        places = np.full(self.n_leaves, -1)
        places[self.bins] = np.arange(len(self.bins))
        return places

    def positions(self, typed: NDArray[Any]) -> Array:
        """What trees of other columns see of typed cells; NaN for missing ones."""
        codes = typed[:, 0] if self.column.has_codes else None
        scores = typed[:, -1] if self.column.map is not None else None
        at = self.axis.positions(codes, scores)
        return np.minimum(at, _MOST_LEVELS - 1) if self.is_label else at

    def cells(self, typed: NDArray[Any], low: Array, high: Array) -> Cells:
        """Where typed cells are, whose grid cells are between two scores."""
        n = len(typed)
        leaf, ends = np.full(n, -1), np.zeros((2, n))
        if self.column.has_codes:
            known = ~np.isnan(typed[:, 0])
            leaf[known] = self._of_code[typed[known, 0].astype(np.intp)]
        if self.column.map is not None:
            scored = ~np.isnan(typed[:, -1])
            mass = ndtr(typed[scored, -1])
            at = np.searchsorted(self.edges[1:-1], mass, side="right")
            leaf[scored] = self.bins[at]
            bounds = ndtr(np.stack([low[scored], high[scored]]))
            within = (bounds - self.edges[at]) / self.widths[at]
            ends[:, scored] = np.clip(within, 0.0, 1.0)
        return Cells(leaf, *ends)

    def typed(self, leaf: NDArray[np.intp], within: Array) -> Array:
        """Typed cells at shares of the normal mass of bins."""
        codes = self.codes[leaf].astype(np.float64)
        if self.column.map is None:
            return codes[:, None]
        scores = np.full(len(leaf), np.nan)
        at = self.bin_of_leaf[leaf]
        inside = at >= 0
        at = at[inside]
        mass = self.edges[at] + within[inside] * self.widths[at]
        limits = np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg
        scores[inside] = ndtri(np.clip(mass, *limits))
        return np.column_stack([codes, scores][-self.column.n_typed :])

    def numbers(self, typed: Array) -> Array:
        """The numbers that typed cells stand for, on the scale that means are on."""
        numbers = np.empty(len(typed))
        atom = np.zeros(len(typed), dtype=bool)
        if self.column.has_codes:
            codes = typed[:, 0].astype(np.intp)
            atom = np.ones_like(atom) if self.column.map is None else codes > 0
            numbers[atom] = self.values[codes[atom]]
        if self.column.map is not None:
            numbers[~atom] = self.column.map.inverse(typed[~atom, -1])
        return numbers


@dataclass(frozen=True)
class Means:
    """Expected values of the columns of rows.

    Parameters
    ----------
    numbers : ndarray of shape (n, D)
        Means of numbers; any in columns of labels.
    shares : dict of int to ndarray of shape (n, n_levels)
        Probabilities of the levels of columns of labels.
    """

    numbers: Array
    shares: dict[int, Array]


def _edges(axis: Axis, scores: Array, n_bins: int) -> Array:
    """Ends of bins with about equal numbers of rows, as normal mass."""
    values, counts = np.unique(axis.positions(None, scores), return_counts=True)
    most = int(min(len(scores) / _SMALLEST_BIN, _BINS_PER_ROOT * np.cbrt(len(scores))))
    n_wanted = max(1, min(most, n_bins))
    below = np.cumsum(counts)[:-1]
    targets = np.arange(1, n_wanted) * (len(scores) / n_wanted)
    if not len(below) or not len(targets):
        return np.array([0.0, 1.0])
    after = np.clip(np.searchsorted(below, targets), 1, len(below) - 1)
    if len(below) == 1:
        after = np.zeros_like(after)
    before = np.maximum(after - 1, 0)
    nearer = targets - below[before] <= below[after] - targets
    at = np.unique(np.where(nearer, before, after))
    inner = ndtr(axis.scores(axis.between(values)[at]))
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


class Columns:
    """The columns of a table, each cut into leaves.

    Parameters
    ----------
    schema : TypedRows
        What types the rows.
    rows : ndarray of shape (n, width)
        Typed rows to learn from.
    n_bins : int
        Largest number of bins of a column.
    """

    def __init__(self, schema: TypedRows, rows: NDArray[Any], n_bins: int) -> None:
        self.schema = schema
        source = schema.encoder.source_
        columns = schema.encoder.columns_
        self.typed = [np.flatnonzero(source == j) for j in range(len(columns))]
        pairs = zip(columns, self.typed, strict=True)
        self.leaves = [Leaves.learn(c, rows[:, at], n_bins) for c, at in pairs]
        self.labels = np.array([leaves.is_label for leaves in self.leaves])
        self._scores = {int(at): i for i, at in enumerate(schema.scores)}

    def __len__(self) -> int:
        return len(self.leaves)

    def positions(self, rows: NDArray[Any]) -> Array:
        """What trees see of typed rows, a column for each of the table."""
        pairs = zip(self.leaves, self.typed, strict=True)
        return np.column_stack([leaves.positions(rows[:, at]) for leaves, at in pairs])

    def cells(self, rows: NDArray[Any], j: int) -> Cells:
        """Where the cells of a column are among its leaves."""
        at, leaves = self.typed[j], self.leaves[j]
        low = high = np.empty(0)
        if leaves.column.map is not None:
            place = self.schema.n_learned + self._scores[int(at[-1])]
            low, high = rows[:, place], rows[:, place + len(self._scores)]
        return leaves.cells(rows[:, at], low, high)

    def means(self, rows: Array, weights: Array) -> Means:
        """Means over S complete draws (n S, width) of each row, of weights (n, S)."""
        n, S = weights.shape
        numbers = np.zeros((n, len(self)))
        shares: dict[int, Array] = {}
        for j, (leaves, typed) in enumerate(zip(self.leaves, self.typed, strict=True)):
            cells = rows[:, typed]
            if leaves.is_label:
                place = np.repeat(np.arange(n), S) * leaves.n_leaves
                place += cells[:, 0].astype(np.intp)
                mass = np.bincount(place, weights.ravel(), n * leaves.n_leaves)
                shares[j] = np.reshape(mass, (n, leaves.n_leaves)).astype(np.float64)
            else:
                values = leaves.numbers(cells).reshape(n, S)
                numbers[:, j] = (weights * values).sum(axis=1)
        return Means(numbers, shares)

    def at_means(self, rows: Array, means: list[Means], shares: Array) -> Array:
        """Rows with missing cells at a mixture of means, of labels at the mode."""
        filled = rows.copy()
        gone = np.isnan(self.positions(rows))
        numbers = np.einsum("mn,mnj->nj", shares, [own.numbers for own in means])
        for j, (leaves, typed) in enumerate(zip(self.leaves, self.typed, strict=True)):
            at = np.flatnonzero(gone[:, j])
            if leaves.is_label:
                mass = np.einsum("mn,mnl->nl", shares, [own.shares[j] for own in means])
                cells = np.asarray(mass[at].argmax(axis=1)[:, None], np.float64)
            else:
                column: Any = leaves.column
                cells = column.of_numbers(numbers[at, j])
            filled[np.ix_(at, typed)] = cells
        return filled
