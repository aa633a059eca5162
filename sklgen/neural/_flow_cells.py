"""Typed rows as what flows learn from: points, and cells that are filled by noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sklgen._typing import Array
from sklgen.compose._typed_rows import TypedRows

# Cells farther out in normal scores have probabilities below the range of floats.
_FARTHEST = 37.0


@dataclass(frozen=True)
class Cells:
    """Rows of which each column is a point or an interval, in about normal scores.

    An interval lies in the left half of the line, or was mirrored to the left, where
    probabilities keep their digits.

    Parameters
    ----------
    start : ndarray of shape (n, D)
        The point, or the probability to the left of the interval.
    width : ndarray of shape (n, D)
        Probability of the interval; 0 for a point.
    sign : ndarray of shape (n, D)
        -1 for an interval that was mirrored, 1 for others; 0 for a point.
    offset : ndarray of shape (n,)
        What a log-density of points is to have added to be one of rows.
    """

    start: Array
    width: Array
    sign: Array
    offset: Array


@dataclass(frozen=True)
class CellMap:
    """From typed rows to cells, and from points back to typed rows.

    A number in its own units is a point, standardized. A code is an interval of normal
    scores as likely as its share, and so is a value on a grid; a value that stands
    behind an atom can be anywhere.

    Parameters
    ----------
    schema : TypedRows
        How rows are typed.
    center, scale : ndarray of shape (D,)
        What points are numbers less, and over; 0 and 1 for other columns.
    """

    schema: TypedRows
    center: Array
    scale: Array

    @property
    def width(self) -> int:
        return self.schema.n_typed

    @property
    def inner(self) -> list[tuple[int, Array]]:
        """The columns of codes, each with the probability below every code but 0."""
        shares = self.schema.encoder.level_shares_
        columns = self.schema.categories.tolist()
        return [(j, np.cumsum(p)[:-1]) for j, p in zip(columns, shares, strict=True)]

    @property
    def has_cells(self) -> bool:
        """Whether any column needs noise."""
        return set(self.schema.encoder.kinds_) != {"number"}

    def cells(self, typed: NDArray[Any]) -> Cells:
        """Points and intervals of typed rows."""
        low = (typed[:, : self.width] - self.center) / self.scale
        high = low.copy()
        for j, inner in self.inner:
            edges = ndtri(np.concatenate([[0.0], inner, [1.0]]))
            known = ~np.isnan(typed[:, j])
            codes = typed[known, j].astype(np.intp)
            low[known, j], high[known, j] = edges[codes], edges[codes + 1]
        scores = self.schema.scores
        ends = typed[:, self.schema.n_learned : -1].astype(float)
        low[:, scores], high[:, scores] = np.split(ends, 2, axis=1)
        low[np.isnan(low)], high[np.isnan(high)] = -np.inf, np.inf
        return _cells(low, high, typed[:, -1] - np.log(self.scale).sum())

    def typed(self, points: Array, rng: np.random.Generator) -> Array:
        """Typed rows of points, ready to be restored."""
        learned = points * self.scale + self.center
        for j, inner in self.inner:
            learned[:, j] = np.searchsorted(inner, ndtr(points[:, j]), side="right")
        ends = np.zeros((len(points), self.schema.width - self.width - 1))
        return np.hstack([learned, ends, rng.random((len(points), 1))])


def _cells(low: Array, high: Array, offset: Array) -> Cells:
    """Cells between normal scores."""
    point = low == high
    mirrored = low > -high
    left = np.clip(np.where(mirrored, -high, low), -_FARTHEST, None)
    right = np.clip(np.where(mirrored, -low, high), -_FARTHEST, None)
    tiny = np.finfo(float).tiny
    start = np.maximum(ndtr(left), tiny)
    width = np.maximum(ndtr(right) - start, tiny)
    offset = offset + np.where(point, 0.0, np.log(width)).sum(axis=1)
    return Cells(
        np.where(point, low, start),
        np.where(point, 0.0, width),
        np.where(point, 0.0, np.where(mirrored, -1.0, 1.0)),
        offset,
    )
