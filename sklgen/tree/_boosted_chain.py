"""Laws of columns one after the other, each given those before it in an order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sklgen._typing import Array
from sklgen.tree._boosted_leaves import Cells, Columns, Leaves
from sklgen.tree._boosted_spline import BinSplines
from sklgen.tree._boosted_splits import Boosting, NestedSplits


def column_orders(
    n_columns: int, n_orders: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Distinct orders of columns: that of the table, then random ones, all in pairs.

    Each is followed by its reverse. Tables often end in what is to be predicted, which
    is best drawn given all else.
    """
    n_wanted = min(n_orders, math.factorial(min(n_columns, 20)))
    found: dict[tuple[int, ...], None] = {}
    order = np.arange(n_columns)
    while len(found) < n_wanted:
        for own in (order, order[::-1]):
            found.setdefault(tuple(own.tolist()))
        order = rng.permutation(n_columns)
    return np.array([*found][:n_wanted], dtype=np.intp).reshape(n_wanted, -1)


@dataclass(frozen=True)
class Factor:
    """The law of a column given others.

    Densities are relative to the standard normal law of scores.

    Parameters
    ----------
    column : int
        Position of the column.
    given : ndarray of int
        Positions of the columns it depends on.
    leaves : Leaves
        What the column is cut into.
    law : NestedSplits
        Probabilities of leaves.
    absence : NestedSplits or None
        Probabilities of the cell to be there or missing, where `fit` saw both.
    """

    column: int
    given: NDArray[np.intp]
    leaves: Leaves
    law: NestedSplits
    absence: NestedSplits | None

    @classmethod
    def learn(
        cls,
        columns: Columns,
        positions: Array,
        leaf: NDArray[np.intp],
        order: NDArray[np.intp],
        place: int,
        boosting: Boosting,
        rng: np.random.Generator,
    ) -> Factor:
        """Learn the law of the column at a place of an order, of its leaves in rows."""
        j, given = int(order[place]), order[:place]
        leaves, boost = columns.leaves[j], (columns.labels[given], boosting, rng)
        X, seen, absence = positions[:, given], leaf >= 0, None
        # With one thread, gradients add up in one order. More are slower on few rows.
        with threadpool_limits(1, "openmp"):
            if j in columns.schema.missing:
                absence = NestedSplits(X, (~seen).astype(np.intp), 2, *boost)
            law = NestedSplits(X[seen], leaf[seen], leaves.n_leaves, *boost)
        return cls(j, given, leaves, law, absence)

    @property
    def n_iter(self) -> int:
        """The largest number of iterations of a classifier."""
        absent = 0 if self.absence is None else self.absence.n_iter
        return max(self.law.n_iter, absent)

    def log_ratios(self, positions: Array, cells: Cells) -> Array:
        """Log-densities of cells that are there, given positions of all columns."""
        X, leaves = positions[:, self.given], self.leaves
        place = leaves.bin_of_leaf[cells.leaf]
        inside = place >= 0
        out = np.empty(len(X))
        single = self.law.log_masses(X[~inside], cells.leaf[~inside, None])
        out[~inside] = single[:, 0]
        if inside.any():
            place, cells = place[inside], cells.take(inside)
            masses = self._neighbours(X[inside], place)
            density = masses[:, 1] - np.log(leaves.widths[place])
            splines = BinSplines.between(self._widths(place), masses)
            out[inside] = density + splines.log_density(cells.low, cells.high)
        return out

    def draw(self, positions: Array, uniform: Array) -> Array:
        """Typed cells at uniform numbers, given positions of all columns."""
        X, leaves = positions[:, self.given], self.leaves
        leaf, within = self.law.draw(X, uniform)
        place = leaves.bin_of_leaf[leaf]
        inside = place >= 0
        if inside.any():
            masses = self._neighbours(X[inside], place[inside])
            splines = BinSplines.between(self._widths(place[inside]), masses)
            within[inside] = splines.inverse(within[inside])
        return leaves.typed(leaf, within)

    def draw_absence(self, positions: Array, uniform: Array) -> NDArray[np.bool_]:
        """Which cells are to be missing."""
        if self.absence is None:
            return np.zeros(len(uniform), dtype=bool)
        return self.absence.draw(positions[:, self.given], uniform)[0] > 0

    def _neighbours(self, X: Array, place: NDArray[np.intp]) -> Array:
        """Log-masses of bins and of those beside them, any where there is none."""
        beside = place[:, None] + np.array([-1, 0, 1])
        beside = np.clip(beside, 0, len(self.leaves.bins) - 1)
        return self.law.log_masses(X, self.leaves.bins[beside])

    def _widths(self, place: NDArray[np.intp]) -> Array:
        """Widths of bins and of those beside them, 0 where there is none."""
        widths = np.concatenate([[0.0], self.leaves.widths, [0.0]])
        return np.asarray(widths[place[:, None] + np.array([0, 1, 2])])


@dataclass(frozen=True)
class Chain:
    """Laws of all columns in one order.

    Parameters
    ----------
    columns : Columns
        The columns.
    factors : list of Factor
        The laws, in the order.
    """

    columns: Columns
    factors: list[Factor]

    def log_ratios(self, rows: NDArray[Any]) -> Array:
        """Log-densities of complete typed rows, relative to normal scores."""
        positions = self.columns.positions(rows)
        return np.asarray(
            sum(
                factor.log_ratios(positions, self.columns.cells(rows, factor.column))
                for factor in self.factors
            )
        )

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Typed rows, with missing cells as in `fit`."""
        schema = self.columns.schema
        rows = np.full((n, schema.width), np.nan)
        positions = np.full((n, len(self.columns)), np.nan)
        indicators = dict(zip(schema.missing.tolist(), range(n), strict=False))
        for factor in self.factors:
            j = factor.column
            gone = factor.draw_absence(positions, rng.random(n))
            if j in indicators:
                rows[:, schema.n_typed + indicators[j]] = gone
            self.fill(rows, positions, ~gone, factor, rng.random(n))
        rows[:, -1] = rng.random(n)
        return rows

    def fill(
        self,
        rows: Array,
        positions: Array,
        where: NDArray[np.bool_],
        factor: Factor,
        uniform: Array,
    ) -> None:
        """Draw the cells of a column in some rows, and place them."""
        at, j = np.flatnonzero(where), factor.column
        cells = factor.draw(positions[at], uniform[at])
        rows[np.ix_(at, self.columns.typed[j])] = cells
        positions[at, j] = self.columns.leaves[j].positions(cells)
