"""What a forest has learned: a mixture of products of laws, one for each leaf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklgen._typing import Array
from sklgen.em import Block, Rows, Scratch
from sklgen.tree._forest_axes import Axes
from sklgen.tree._forest_kernels import (
    Trees,
    average,
    draw_codes,
    draw_leaves,
    log_densities,
)
from sklgen.tree._forest_law_kernels import mapped_means
from sklgen.tree._forest_laws import NODE_WEIGHTS, NODES, LeafLaws

# Intervals of the table of a map, and how far beyond the outermost knots it goes.
_SIZE, _BEYOND = 8192, 4.0


@dataclass(frozen=True)
class ForestModel:
    """A mixture of the leaves of trees, in which the cells of rows are independent.

    The boxes of the leaves of one tree are disjoint, so that a complete row is in one
    leaf of each; a row that misses cells may be in several.

    Parameters
    ----------
    axes : Axes
        Where rows lie among the boxes.
    trees : Trees
        The trees, the last of which is a single leaf for all rows.
    leaves : LeafLaws
        The laws in the leaves.
    """

    axes: Axes
    trees: Trees
    leaves: LeafLaws

    @property
    def n_leaves(self) -> int:
        """Number of leaves of all trees, without the one for all rows."""
        return len(self.leaves.laws.means) - 1

    @property
    def n_trees(self) -> int:
        """Number of trees, without the leaf for all rows unless there is no other."""
        return max(1, len(self.trees.roots) - 1)

    def single(self, tree: int) -> ForestModel:
        """The model that completes rows by one of the trees."""
        roots = self.trees.roots[tree : tree + 1]
        return replace(self, trees=self.trees._replace(roots=roots))

    def log_densities(self, rows: NDArray[Any], n_threads: int) -> Array:
        """Log-densities of typed rows, of what they have of cells."""

        def read(block: Block, scratch: Scratch) -> Array:
            out = np.empty(len(block.X))
            cells = self.axes.cells(block.X)
            log_densities(cells, self.trees, self.leaves.laws, out)
            offset: Array = np.nan_to_num(block.X[:, -1].astype(np.float64))
            return out + offset

        return _each(rows, np.empty(len(rows)), read, n_threads)

    def sample(self, n_samples: int, rng: np.random.Generator) -> Array:
        """Typed rows."""
        unseen = np.full((n_samples, self.axes.rows.width), np.nan)
        return self.draw_missing(unseen, rng, 1)

    def draw_missing(
        self, rows: NDArray[Any], rng: np.random.Generator, n_threads: int
    ) -> Array:
        """Typed rows with their missing cells drawn given the others."""
        # Where nothing is seen, the weights of leaves say all.
        weights = np.exp(self.leaves.laws.log_weight)
        chosen = rng.choice(len(weights), len(rows), p=weights / weights.sum())
        leaves: NDArray[np.int32] = chosen.astype(np.int32)
        seen = ~np.isnan(rows[:, : self.axes.rows.n_typed]).all(axis=1)
        leaves[seen] = self.draw_leaves(rows[seen], rng, n_threads)
        return self._filled(rows, leaves, rng)

    def draw_leaves(
        self, rows: NDArray[Any], rng: np.random.Generator, n_threads: int
    ) -> NDArray[np.int32]:
        """A leaf of each typed row, drawn given the cells that it has."""
        uniform = rng.random(len(rows))

        def read(block: Block, scratch: Scratch) -> NDArray[np.int32]:
            out = np.empty(len(block.X), np.int32)
            cells, laws = self.axes.cells(block.X), self.leaves.laws
            draw_leaves(cells, self.trees, laws, uniform[block.rows], out)
            return out

        return _each(rows, np.empty(len(rows), np.int32), read, n_threads)

    def _filled(
        self, rows: NDArray[Any], leaves: NDArray[np.int32], rng: np.random.Generator
    ) -> Array:
        """Typed rows with missing cells drawn from the laws in their leaves."""
        drawn = rows.astype(np.float64)
        typing, laws, ranges = self.axes.rows, self.leaves.laws, self.leaves.ranges
        codes = np.nan_to_num(drawn[:, typing.categories], nan=-1.0).astype(np.int32)
        draw_codes(
            leaves,
            rng.random(codes.shape),
            laws,
            ranges.order,
            ranges.below,
            ranges.first,
            ranges.last,
            codes,
        )
        drawn[:, typing.categories] = codes
        scores = _draw_scores(laws, leaves, rng)
        own = drawn[:, typing.scores]
        drawn[:, typing.scores] = np.where(np.isnan(own), scores, own)
        drawn[:, -1] = rng.random(len(drawn))
        return drawn

    def impute(self, rows: NDArray[Any], n_threads: int) -> Array:
        """Typed rows with missing numbers at their means, labels at their modes."""
        numbers = np.array(
            [
                j
                for j, axis in enumerate(self.axes.own)
                if self._column(j).kind != "label"
            ],
            dtype=np.int64,
        )
        values = np.column_stack(
            [self._means(j) for j in numbers]
            or [np.empty((len(self.leaves.laws.means), 0))]
        )
        filled = partial(self._mean_rows, numbers, np.ascontiguousarray(values))
        return _each(rows, np.empty(rows.shape), filled, n_threads)

    def _column(self, j: int) -> Any:
        return self.axes.rows.encoder.columns_[j]

    def _mean_rows(
        self, numbers: NDArray[np.int64], values: Array, block: Block, scratch: Scratch
    ) -> Array:
        typing, ranges = self.axes.rows, self.leaves.ranges
        cells = self.axes.cells(block.X)
        means = np.empty((len(block.X), len(numbers)))
        modes = np.zeros(cells.codes.shape, np.int32)
        average(
            cells,
            self.trees,
            self.leaves.laws,
            numbers,
            values,
            ranges.order,
            ranges.first,
            ranges.last,
            means,
            modes,
        )
        filled: Array = block.X.astype(np.float64)
        filled[:, typing.categories] = np.where(cells.codes < 0, modes, cells.codes)
        for j, mean in zip(numbers, means.T, strict=True):
            gone = np.flatnonzero(np.isnan(cells.positions[:, j]))
            typed = np.flatnonzero(typing.encoder.source_ == j)
            column = typing.encoder.columns_[j]
            filled[np.ix_(gone, typed)] = column.of_numbers(mean[gone])
        return filled

    def _means(self, j: int) -> Array:
        """Mean in each leaf of a number column, on the scale of its map."""
        laws, column = self.leaves.laws, self._column(j)
        share: Array | float = 1.0
        mean = np.zeros(len(laws.means))
        if column.has_codes:
            probabilities = self._probabilities(j)
            atoms = column.atoms.astype(np.float64)
            if column.map is not None:
                share, probabilities = probabilities[:, 0], probabilities[:, 1:]
                atoms = column.scale.coordinates(column.atoms)
            mean += probabilities @ atoms
        if column.map is not None:
            at = int(np.flatnonzero(self.axes.of_scores == j)[0])
            first, last = column.map.z[0] - _BEYOND, column.map.z[-1] + _BEYOND
            table = column.map.inverse(np.linspace(first, last, _SIZE + 1))
            out = np.empty(len(mean))
            mapped_means(
                laws, at, NODES, NODE_WEIGHTS, first, _SIZE / (last - first), table, out
            )
            mean += share * out
        return mean

    def _probabilities(self, j: int) -> Array:
        """Probabilities (K, L) of the codes of an input column."""
        laws, ranges = self.leaves.laws, self.leaves.ranges
        at = int(np.flatnonzero(self.axes.of_codes == j)[0])
        K, n_codes = laws.total.shape
        start, stop = laws.start[at : at + 2]
        share, order = laws.share[start:stop], ranges.order[start:stop]
        place = np.arange(len(order))
        inside = (place >= ranges.first[:, [at]]) & (place < ranges.last[:, [at]])
        mass = np.zeros((K, len(order)))
        placed = order >= 0
        mass[:, order[placed]] = inside[:, placed] * share[order[placed]]
        if not placed.all():
            mass[:, 0] = ranges.rest[:, at]
        mass *= laws.prior[:, [at]]
        sizes = np.diff(laws.pointer).reshape(K, n_codes)
        own = np.zeros(sizes.shape, dtype=bool)
        own[:, at] = True
        entries = np.repeat(own.ravel(), sizes.ravel())
        rows = np.repeat(np.arange(K), sizes[:, at])
        mass[rows, laws.levels[entries]] += laws.counts[entries]
        return np.asarray(mass / laws.total[:, [at]])


def _each(
    rows: NDArray[Any],
    out: NDArray[Any],
    read: Callable[[Block, Scratch], NDArray[Any]],
    n_threads: int,
) -> NDArray[Any]:
    """Fill an array by what is read off each block of rows."""
    with Rows(
        rows,
        None,
        n_features=rows.shape[1],
        n_threads=n_threads,
        patterned=np.arange(0),
    ) as blocks:
        return blocks.fill(out, read)


def _draw_scores(
    laws: Any, leaves: NDArray[np.int32], rng: np.random.Generator
) -> Array:
    """Scores (n, q) from the Gaussian laws in leaves, within their bounds."""
    mean, deviation = laws.means[leaves], laws.deviations[leaves]
    low, high = ((bound[leaves] - mean) / deviation for bound in (laws.low, laws.high))
    # Normal probabilities are exact in the left tail only.
    turned = low > 0
    low, high = np.where(turned, -high, low), np.where(turned, -low, high)
    below, above = ndtr(low), ndtr(high)
    z = ndtri(below + rng.random(low.shape) * (above - below))
    z = np.clip(z, low, high)
    return np.asarray(mean + deviation * np.where(turned, -z, z))
