"""Draws whose cells have given values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._frames import narwhals, open_frame
from sklgen.compose._table import position_of

# Candidates that are looked at before a condition counts as one that never holds.
_MOST = 500_000
# Candidates that are drawn at once.
_AT_ONCE = 20_000


@dataclass(frozen=True)
class Condition:
    """What a cell has to be: one of some values, in a range, or missing.

    Parameters
    ----------
    column : int
        Position of the column.
    values : tuple
        The values; None stands for a missing cell.
    limits : tuple of float or None
        Ends of the range, both of them in it, in place of values.
    """

    column: int
    values: tuple[Any, ...]
    limits: tuple[float, float] | None = None

    @classmethod
    def of(cls, column: int, given: Any) -> Condition:
        """The condition that a user gave: a pair is a range, a list or set, values."""
        if isinstance(given, tuple):
            if len(given) != 2 or not all(isinstance(end, Real) for end in given):
                raise ValueError(
                    f"where: a range is a pair of numbers (low, high), got {given!r}; "
                    "pass a list for several values."
                )
            return cls(column, (), (float(given[0]), float(given[1])))
        several = isinstance(given, (list, set, frozenset, np.ndarray))
        return cls(column, tuple(given) if several else (given,))

    def holds(self, cells: list[Any]) -> NDArray[np.bool_]:
        """Where it holds among the cells of its column."""
        gone = np.array([cell is None or cell != cell for cell in cells], bool)
        if self.limits is not None:
            low, high = self.limits
            inside = [
                not missing and low <= cell <= high
                for cell, missing in zip(cells, gone, strict=True)
            ]
            return np.array(inside, dtype=bool)
        known = [value for value in self.values if value is not None]
        holds = np.array([cell in known for cell in cells], bool)
        missing = gone if None in self.values else np.zeros_like(gone)
        return np.asarray((holds & ~gone) | missing)


def conditions_of(where: Any, names: list[Any]) -> list[Condition]:
    """Read the `where` of a user: conditions by name or position of columns."""
    if not isinstance(where, Mapping):
        raise TypeError(
            f"where must be a dict of columns and what their cells are, got {where!r}."
        )
    return [
        Condition.of(position_of(key, names, "where"), given)
        for key, given in where.items()
    ]


def draw_where(
    n: int,
    draw: Callable[[NDArray[np.intp]], Any],
    conditions: list[Condition],
    *,
    in_order: bool,
) -> Any:
    """Rows for which all conditions hold: candidates are drawn until there are enough.

    Parameters
    ----------
    n : int
        Number of rows.
    draw : callable
        Makes a table with a candidate for each of some places among the n rows.
    conditions : list of Condition
        What has to hold.
    in_order : bool
        Whether a candidate can only take its own place.
    """
    places = np.arange(n)  # those without a row
    parts: list[Any] = []
    taken: list[NDArray[np.intp]] = []
    tried, share = 0, 1.0
    while len(places):
        repeats = min(int(np.ceil(1.2 / share)), max(1, _AT_ONCE // len(places)))
        at = np.tile(places, repeats)
        table = draw(at)
        good = np.flatnonzero(_all_hold(table, conditions))
        if in_order:
            found, first = np.unique(at[good], return_index=True)
            good = good[first]
        else:
            good = good[: len(places)]
            found = places[: len(good)]
        tried = 0 if len(good) else tried + len(at)
        share = max(len(good) / len(at), 1.0 / _AT_ONCE)
        if tried > _MOST:
            raise ValueError(
                f"where: none of {tried} draws had such cells, so that the model knows "
                "of no such rows. Ask for values and combinations that are in the rows "
                "of fit."
            )
        parts.append(_take(table, good))
        taken.append(found)
        places = np.setdiff1d(places, found, assume_unique=True)
    return _take(_stack(parts), np.argsort(np.concatenate(taken)))


def _all_hold(table: Any, conditions: list[Condition]) -> NDArray[np.bool_]:
    frame = open_frame(table, "sample")
    rows = len(table) if frame is None else len(frame)
    holds = np.ones(rows, dtype=bool)
    for condition in conditions:
        if frame is None:
            cells = table[:, condition.column].tolist()
        else:
            cells = frame[:, condition.column].to_list()
        holds &= condition.holds(cells)
    return holds


def _take(table: Any, rows: NDArray[np.intp]) -> Any:
    frame = open_frame(table, "sample")
    if frame is None:
        return table[rows]
    return narwhals().maybe_reset_index(frame[rows.tolist(), :]).to_native()


def _stack(tables: list[Any]) -> Any:
    if open_frame(tables[0], "sample") is None:
        return np.concatenate(tables)
    frames = [narwhals().from_native(table) for table in tables]
    return narwhals().concat(frames, how="vertical").to_native()
