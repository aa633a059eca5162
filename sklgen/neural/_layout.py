"""Columns of typed rows as inputs of networks, and back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.compose._typed_rows import TypedRows


@dataclass(frozen=True)
class Layout:
    """Where the columns of learned rows are among the inputs of a network.

    Inputs are the numbers, centred and scaled, then one block of indicators for each
    category. A cell that misses, or a number that stands behind an atom, is all 0.

    Parameters
    ----------
    numbers : ndarray of int of shape (q,)
        The learned columns that hold numbers.
    center, scale : ndarray of shape (q,)
        What inputs are numbers less, and over.
    categories : ndarray of int of shape (c,)
        The learned columns that hold codes, indicators of missing cells last.
    levels : tuple of int
        Number of codes of each of them.
    gates : tuple of tuple of int
        For each number, then each category: the categories whose code must be 0 for
        the cell to be there.
    """

    numbers: NDArray[np.intp]
    center: Array
    scale: Array
    categories: NDArray[np.intp]
    levels: tuple[int, ...]
    gates: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, schema: TypedRows, rows: NDArray[Any], *, together: bool) -> Layout:
        """The layout of learned rows; `together` gives all numbers one scale."""
        categories, kinds = schema.categories, np.array(schema.encoder.kinds_)
        numbers = np.flatnonzero(kinds != "category")
        levels = [*schema.encoder.n_levels_[kinds == "category"].tolist()]
        levels += [2] * len(schema.missing)
        center, scale = _scales(rows[:, numbers].astype(float), together=together)
        gates = [_gates(schema, int(j)) for j in (*numbers, *categories)]
        return cls(numbers, center, scale, categories, tuple(levels), tuple(gates))

    @property
    def n_numbers(self) -> int:
        return len(self.numbers)

    @property
    def width(self) -> int:
        """Number of inputs."""
        return self.n_numbers + sum(self.levels)

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The inputs of each category."""
        ends = self.n_numbers + np.cumsum([0, *self.levels])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    def inputs(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Inputs of networks, of learned rows."""
        out = np.zeros((len(rows), self.width))
        scaled = (rows[:, self.numbers] - self.center) / self.scale
        out[:, : self.n_numbers] = np.nan_to_num(scaled)
        for at, block in zip(self.categories, self.blocks, strict=True):
            known = np.flatnonzero(~np.isnan(rows[:, at]))
            out[known, block.start + rows[known, at].astype(np.intp)] = 1.0
        return out

    def observed(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Which cells are there: those of numbers first, then those of categories."""
        columns = np.concatenate([self.numbers, self.categories])
        return np.asarray(~np.isnan(rows[:, columns]))

    def rows(self, numbers: NDArray[Any], codes: NDArray[Any]) -> NDArray[np.float64]:
        """Learned rows of scaled numbers and codes; what is not there is NaN."""
        out = np.empty((len(numbers), self.n_numbers + len(self.categories)))
        out[:, self.numbers] = numbers * self.scale + self.center
        out[:, self.categories] = codes
        columns = (*self.numbers, *self.categories)
        for column, gates in zip(columns, self.gates, strict=True):
            for gate in gates:
                out[codes[:, gate] > 0, column] = np.nan
        return out


def _scales(numbers: Array, *, together: bool) -> tuple[Array, Array]:
    """Means and deviations of columns, or the middle and half-range of all of them."""
    q = numbers.shape[1]
    seen = ~np.isnan(numbers)
    if together and seen.any():
        low, high = np.nanmin(numbers), np.nanmax(numbers)
        return np.full(q, (low + high) / 2), np.full(q, (high - low) / 2 or 1.0)
    count = np.maximum(seen.sum(axis=0), 1)
    center = np.where(seen, numbers, 0.0).sum(axis=0) / count
    squares = np.where(seen, numbers - center, 0.0) ** 2
    scale = np.sqrt(squares.sum(axis=0) / count)
    # A column that does not vary beyond rounding has no scale.
    flat = scale <= 1e-12 * np.abs(center)
    return center, np.where(flat | (scale == 0), 1.0, scale)


def _gates(schema: TypedRows, column: int) -> tuple[int, ...]:
    """The categories that must have code 0 for a typed cell to be there."""
    if column >= schema.n_typed:
        return ()
    source = schema.encoder.source_
    places = {int(at): place for place, at in enumerate(schema.categories)}
    gates = [
        places[at]
        for at in np.flatnonzero(source == source[column]).tolist()
        if at in places and at != column
    ]
    for place, at in enumerate(schema.missing, start=len(places) - len(schema.missing)):
        if at == source[column]:
            gates.append(place)
    return tuple(gates)
