"""Typed rows as cells with laws, and the cells that stand for means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

from sklgen._typing import Array
from sklgen.compose._typed_rows import TypedRows
from sklgen.mixture._mapped_means import MappedMeans
from sklgen.neural._layout import Layout
from sklgen.neural._vae_laws import Cells, LineLaw

# Ends of intervals without an end.
_FAR = 40.0
# An end of the range of shaped rows is one where more cells are than this share, and
# than this number.
_END_SHARE, _END_CELLS = 0.03, 10


@dataclass(frozen=True, eq=False)
class CellReader:
    """What makes cells of typed rows.

    Parameters
    ----------
    schema : TypedRows
        What typed the rows.
    layout : Layout
        Where columns are among inputs.
    low, high : float
        Scaled numbers do not leave this range: what is beyond is at its ends.
    """

    schema: TypedRows
    layout: Layout
    low: float = -np.inf
    high: float = np.inf

    @classmethod
    def learn(
        cls, schema: TypedRows, layout: Layout, rows: Array, *, shaped: bool
    ) -> CellReader:
        """The reader of rows; those of images may have ends, as black and white."""
        if not shaped or not layout.n_numbers:
            return cls(schema, layout)
        cells = (rows[:, layout.numbers] - layout.center) / layout.scale
        cells = cells[~np.isnan(cells)]
        ends = [float(cells.min(initial=np.inf)), float(cells.max(initial=-np.inf))]
        counts = [np.count_nonzero(cells == end) for end in ends]
        fewest = max(_END_CELLS, _END_SHARE * len(cells))
        low = ends[0] if counts[0] > fewest else -np.inf
        high = ends[1] if counts[1] > fewest else np.inf
        return cls(schema, layout, low, high)

    @property
    def sources(self) -> tuple[int, ...]:
        """Which column each number and category is of; indicators have their own."""
        source = self.schema.encoder.source_
        own = len(self.schema.encoder.columns_) + np.arange(len(self.schema.missing))
        columns = np.concatenate([self.layout.numbers, self.layout.categories])
        return tuple(np.concatenate([source, own])[columns].astype(int).tolist())

    def cells(self, rows: Array, typed: Array) -> Cells:
        """Cells of learned rows, with the ends that whole typed rows tell."""
        layout, schema = self.layout, self.schema
        inputs = layout.inputs(rows)
        q = layout.n_numbers
        low, high = inputs[:, :q].copy(), inputs[:, :q].copy()
        at = np.searchsorted(layout.numbers, schema.scores)
        ends = np.split(typed[:, schema.n_learned : -1], 2, axis=1)
        for side, end in zip((low, high), ends, strict=True):
            scaled = (end - layout.center[at]) / layout.scale[at]
            side[:, at] = np.where(np.isnan(scaled), inputs[:, at], scaled)
        observed = layout.observed(rows).astype(np.float64)
        low[inputs[:, :q] <= self.low] = -_FAR
        high[inputs[:, :q] >= self.high] = _FAR
        return Cells(*(torch.from_numpy(a) for a in (inputs, low, high, observed)))

    def log_offset(self, typed: Array, cells: Cells) -> Array:
        """What log-densities of cells owe to scales and to maps."""
        q = self.layout.n_numbers
        points = (cells.low == cells.high).numpy() & (cells.observed[:, :q].numpy() > 0)
        return np.nan_to_num(typed[:, -1]) - points @ np.log(self.layout.scale)

    def missing(self, typed: Array) -> NDArray[np.bool_]:
        """Which typed columns, indicators left out, are of a cell that misses."""
        source = self.schema.encoder.source_
        gone = np.isnan(typed[:, : self.schema.n_typed])
        seen = np.zeros((len(self.schema.encoder.columns_), len(typed)), dtype=bool)
        np.logical_or.at(seen, source, ~gone.T)
        return np.asarray(~seen[source].T)

    def clip(self, numbers: Array) -> Array:
        """Scaled numbers within their range."""
        return np.clip(numbers, self.low, self.high)


@dataclass(frozen=True, eq=False)
class MeanCells:
    """Typed cells that stand for the means of missing ones.

    Parameters
    ----------
    reader : CellReader
        What read the rows.
    law : LineLaw
        Of numbers.
    """

    reader: CellReader
    law: LineLaw
    _maps: dict[int, MappedMeans] = field(default_factory=dict)

    def fill(
        self,
        typed: Array,
        weights: Array,
        means: Array,
        scales: Array,
        probabilities: Array,
    ) -> None:
        """Fill the missing cells of typed rows.

        Parameters
        ----------
        typed : ndarray of shape (n, width)
            Typed rows, filled in place.
        weights : ndarray of shape (n, K)
            Of K laws for each row.
        means, scales : ndarray of shape (n, K, q)
            Of scaled numbers.
        probabilities : ndarray of shape (n, K, n_levels)
            Of the levels of all categories.
        """
        gone = self.reader.missing(typed)
        for column, at in self._columns():
            rows = np.flatnonzero(gone[:, at[0]])
            if len(rows):
                laws = (a[rows] for a in (weights, means, scales, probabilities))
                typed[np.ix_(rows, at)] = self._cells(column, at, *laws)

    def _columns(self) -> Iterator[tuple[Any, NDArray[np.intp]]]:
        encoder = self.reader.schema.encoder
        for j, column in enumerate(encoder.columns_):
            yield column, np.flatnonzero(encoder.source_ == j)

    def _cells(
        self,
        column: Any,
        at: NDArray[np.intp],
        weights: Array,
        means: Array,
        scales: Array,
        probabilities: Array,
    ) -> Array:
        layout = self.reader.layout
        share, mean = weights, np.zeros(len(weights))
        if column.has_codes:
            place = int(np.searchsorted(layout.categories, at[0]))
            levels = probabilities[:, :, self._slice(place)]
            if column.kind == "label":
                return self._mode(weights, levels)
            first = int(column.map is not None)
            coordinates = column.scale.coordinates if first else np.asarray
            atoms = coordinates(column.atoms.astype(np.float64))
            mean = np.einsum("nk,nkl,l->n", weights, levels[:, :, first:], atoms)
            if not first:
                return np.asarray(column.of_numbers(mean))
            share = weights * levels[:, :, 0]
        place = int(np.searchsorted(layout.numbers, at[-1]))
        center, scale = layout.center[place], layout.scale[place]
        laws = (means[:, :, place], scales[:, :, place])
        if column.map is None:
            mean = (share * self._clipped(*laws)).sum(axis=1)
            return np.asarray(center + scale * mean)[:, None]
        mean = mean + self._mapped(
            int(at[-1]), column.map, share, center + scale * laws[0], scale * laws[1]
        )
        return np.asarray(column.of_numbers(mean))

    def _slice(self, place: int) -> slice:
        block = self.reader.layout.blocks[place]
        q = self.reader.layout.n_numbers
        return slice(block.start - q, block.stop - q)

    def _mode(self, weights: Array, levels: Array) -> Array:
        total = np.einsum("nk,nkl->nl", weights, levels)
        return np.asarray(total.argmax(axis=1)[:, None], dtype=np.float64)

    def _clipped(self, means: Array, scales: Array) -> Array:
        """Means of numbers that are clipped to the range."""
        reader, law = self.reader, self.law
        total = np.zeros(means.shape)
        for precision, weight in zip(law.precisions, law.weights, strict=True):
            own = scales / np.sqrt(precision)
            total += weight * clipped_mean(means, own, reader.low, reader.high)
        return total

    def _mapped(
        self, at: int, quantiles: Any, share: Array, means: Array, scales: Array
    ) -> Array:
        """Means (n,) of numbers whose scores have these laws, times their shares."""
        mapped = self._maps.setdefault(at, MappedMeans(quantiles))
        total = np.zeros(len(share))
        for precision, weight in zip(
            self.law.precisions, self.law.weights, strict=True
        ):
            numbers = mapped(means.T, scales.T**2 / precision, share.T)
            total += weight * (numbers * share.T).sum(axis=0)
        return total


def clipped_mean(mean: Array, scale: Array, low: float, high: float) -> Array:
    """Means of normal numbers that are moved to the nearest end of a range."""
    out = mean.copy()
    for end, sign in ((low, 1.0), (high, -1.0)):
        if np.isfinite(end):
            # What is beyond an end moves by its distance.
            distance = sign * (end - mean)
            t = distance / scale
            density = np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi)
            out += sign * (distance * ndtr(t) + scale * density)
    return out
