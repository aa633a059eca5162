"""Tables of any library as columns of floats and labels that agree with each other.

What a metric compares are values. A dtype that only one of the tables has (float32,
days rather than microseconds, Int64, categories) is not one, so it is levelled here,
once for all metrics; what cannot be levelled is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw
import numpy as np

from sklgen._frames import open_frame

_NUMBER = "numbers"
_BOOLEAN = "booleans"
_CODE = "categories that are numbers"
_TEXT = "text"
_EMPTY = "missing cells"
_TIME = "dates"
_INSTANT = "dates with a time zone"
_DURATION = "durations"
_CLOCK = "times of day"
_NUMERIC = {_NUMBER, _BOOLEAN}

_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1.0, "day": 864e8}


@dataclass(frozen=True, eq=False)
class Column:
    """One column: floats with NaN, or labels (strings) with None for missing cells.

    Parameters
    ----------
    name : Any
        Name, or position in an array.
    kind : str
        What the cells are, in words.
    values : ndarray of shape (n_rows,)
        Floats, in microseconds where the cells are times; objects for labels.
    grain : float
        Bits of the significand for numbers, microseconds between neighbours for times.
    """

    name: Any
    kind: str
    values: np.ndarray
    grain: float = 0.0

    @property
    def is_label(self) -> bool:
        """Whether the cells are labels and not numbers."""
        return self.kind in (_TEXT, _CODE)

    @property
    def is_boolean(self) -> bool:
        """Whether the cells are booleans, kept as 0 and 1."""
        return self.kind == _BOOLEAN


Table: TypeAlias = tuple[Column, ...]


def read_tables(*, min_rows: int = 1, **tables: Any) -> list[Table]:
    """Read tables that must have the same columns; the first one gives their order.

    Parameters
    ----------
    min_rows : int
        The least number of rows of each.
    **tables : array-like or DataFrame of shape (n_rows, n_columns)
        The tables, under the names of the caller's arguments.

    Returns
    -------
    tables : list of Table
        The tables with columns of the same kinds, in the same order.
    """
    names = list(tables)
    read = [_read(X, name, min_rows) for name, X in tables.items()]
    first, _ = read[0]
    ordered = [
        _reorder(table, first, named=named and read[0][1], names=(names[0], name))
        for name, (table, named) in zip(names, read, strict=True)
    ]
    levelled = [_level(columns, names) for columns in zip(*ordered, strict=True)]
    return [tuple(table) for table in zip(*levelled, strict=True)]


def n_rows(table: Table) -> int:
    """Number of rows of a table."""
    return len(table[0].values)


def take(table: Table, rows: np.ndarray) -> Table:
    """The rows of a table at these positions, or where a mask is true."""
    return tuple(replace(column, values=column.values[rows]) for column in table)


def join(one: Table, other: Table) -> Table:
    """The rows of one table above those of another one of the same kinds."""
    return tuple(
        replace(a, values=np.concatenate([a.values, b.values]))
        for a, b in zip(one, other, strict=True)
    )


def is_missing(column: Column) -> np.ndarray:
    """Where cells are missing."""
    if column.is_label:
        return np.array([label is None for label in column.values], dtype=bool)
    return np.asarray(np.isnan(column.values))


def _read(X: Any, argument: str, min_rows: int) -> tuple[Table, bool]:
    """The columns of one table, and whether they have names."""
    frame = open_frame(X, argument)
    if frame is None:
        columns = _read_array(X, argument)
    else:
        columns = tuple(_read_series(series) for series in frame.iter_columns())
    if not columns or n_rows(columns) < min_rows:
        rows = n_rows(columns) if columns else 0
        raise ValueError(
            f"{argument} has {rows} rows and {len(columns)} columns; needed are at "
            f"least {min_rows} rows and one column."
        )
    for column in columns:
        if not column.is_label and np.isinf(column.values).any():
            raise ValueError(
                f"Column {column.name!r} of {argument} has infinite cells: drop those "
                "rows, or replace the cells by NaN."
            )
    return columns, frame is not None


def _read_array(X: Any, argument: str) -> Table:
    cells = np.asarray(X)
    if cells.dtype.kind in "US" and not isinstance(X, np.ndarray):
        cells = np.array(X, dtype=object)  # a list of rows with numbers and text
    if cells.ndim != 2:
        raise ValueError(
            f"{argument} must be a table, a DataFrame or an array of shape (n_rows, "
            f"n_columns), got {type(X).__name__} with {cells.ndim} dimension(s); "
            "X.reshape(-1, 1) or X.to_frame() makes a table of one column."
        )
    kind, unit = cells.dtype.kind, "us"
    if kind in "mM":
        unit = np.datetime_data(cells.dtype)[0]
        numbers = cells.astype(f"{kind}8[us]").astype(np.int64).astype(np.float64)
        numbers[np.isnat(cells)] = np.nan
        what = _TIME if kind == "M" else _DURATION
        grain = _MICROSECONDS.get("day" if unit == "D" else unit, 1.0)
    elif kind in "biuf":
        numbers = cells.astype(np.float64)
        what = _BOOLEAN if kind == "b" else _NUMBER
        grain = _significand(cells.dtype)
    elif kind in "OUST":
        lists = cells.astype(object).T.tolist()
        return tuple(_read_cells(j, one) for j, one in enumerate(lists))
    else:
        raise ValueError(f"{argument} is an array of {cells.dtype}: not supported.")
    return tuple(Column(j, what, one, grain) for j, one in enumerate(numbers.T))


def _significand(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).nmant + 1) if dtype.kind == "f" else 53.0


def _read_series(series: Any) -> Column:
    """A column of a DataFrame, as narwhals shows it."""
    dtype, name = series.dtype, series.name
    if series.is_null().all():
        return Column(name, _EMPTY, np.full(len(series), np.nan))
    if dtype.is_numeric() or dtype.is_boolean():
        kind = _BOOLEAN if dtype.is_boolean() else _NUMBER
        bits = 24.0 if dtype == nw.Float32() else 53.0
        return Column(name, kind, _floats(series), bits)
    if isinstance(dtype, nw.Date):
        values = _floats(series.cast(nw.Datetime("us")).dt.timestamp("us"))
        return Column(name, _TIME, values, _MICROSECONDS["day"])
    if isinstance(dtype, nw.Datetime):
        kind = _TIME if dtype.time_zone is None else _INSTANT
        values = _floats(series.dt.timestamp("us"))
        return Column(name, kind, values, _MICROSECONDS[dtype.time_unit])
    if isinstance(dtype, nw.Duration):
        values = _floats(series.dt.total_microseconds())
        return Column(name, _DURATION, values, _MICROSECONDS[dtype.time_unit])
    column = _read_cells(name, series.to_list())
    if isinstance(dtype, (nw.Categorical, nw.Enum)) and not column.is_label:
        return _as_labels(column, kind=_CODE)
    return column


def _floats(series: Any) -> np.ndarray:
    return np.array(series.cast(nw.Float64()).to_numpy(), dtype=np.float64)


def _read_cells(name: Any, cells: list[Any]) -> Column:
    """A column of Python objects: what all of its observed cells are, else labels."""
    cells = [None if _is_nothing(cell) else cell for cell in cells]
    types = {type(cell) for cell in cells if cell is not None}
    if not types:
        return Column(name, _EMPTY, np.full(len(cells), np.nan))

    def all_are(*allowed: type) -> bool:
        return all(issubclass(one, allowed) for one in types)

    def numbers(convert: Any) -> np.ndarray:
        return np.array([np.nan if c is None else convert(c) for c in cells], float)

    if all_are(bool, np.bool_):
        return Column(name, _BOOLEAN, numbers(float), 53.0)
    if all_are(Real, Decimal, np.bool_):
        bits = 53.0
        if all_are(np.floating):
            bits = min(_significand(np.dtype(one)) for one in types)
        return Column(name, _NUMBER, numbers(float), bits)
    if all_are(datetime):
        aware = {cell.tzinfo is not None for cell in cells if cell is not None}
        if len(aware) == 1:
            kind = _INSTANT if aware == {True} else _TIME
            return Column(name, kind, numbers(_microseconds), 1.0)
    elif all_are(date):
        return Column(name, _TIME, numbers(_microseconds), _MICROSECONDS["day"])
    if all_are(timedelta):
        return Column(name, _DURATION, numbers(_span), 1.0)
    if all_are(time):
        return Column(name, _CLOCK, numbers(_since_midnight), 1.0)
    labels = [None if cell is None else _label(cell) for cell in cells]
    return Column(name, _TEXT, _objects(labels))


def _is_nothing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, (Real, Decimal)) and bool(cell != cell)


def _microseconds(moment: date) -> float:
    if isinstance(moment, datetime):
        return _span(moment - datetime(1970, 1, 1, tzinfo=moment.tzinfo and UTC))
    return _span(moment - date(1970, 1, 1))


def _span(duration: timedelta) -> float:
    return float(duration // timedelta(microseconds=1))


def _since_midnight(clock: time) -> float:
    seconds = 3600 * clock.hour + 60 * clock.minute + clock.second
    return 1e6 * seconds + clock.microsecond


def _label(cell: Any) -> str:
    """The same label for 1, 1.0 and '1': dtypes of categories are no values."""
    if isinstance(cell, (Real, Decimal, np.bool_)):
        return f"{float(cell):.17g}"
    return str(cell)


def _objects(labels: Sequence[str | None]) -> np.ndarray:
    values = np.empty(len(labels), dtype=object)
    values[:] = labels
    return values


def _as_labels(column: Column, *, kind: str) -> Column:
    if column.is_label:
        return replace(column, kind=kind)
    labels = [None if v != v else _label(v) for v in column.values.tolist()]
    return replace(column, kind=kind, values=_objects(labels))


def _reorder(
    table: Table, first: Table, *, named: bool, names: tuple[str, str]
) -> Table:
    """The columns of `table` in the order of `first`: by name where both have names."""
    if not named:
        if len(table) != len(first):
            raise ValueError(
                f"{names[0]} has {len(first)} columns and {names[1]} has "
                f"{len(table)}: the tables must have the same columns."
            )
        return tuple(
            replace(column, name=like.name)
            for column, like in zip(table, first, strict=True)
        )
    own = {column.name: column for column in table}
    wanted = [column.name for column in first]
    missing = [name for name in wanted if name not in own]
    extra = [name for name in own if name not in set(wanted)]
    if missing or extra:
        raise ValueError(
            f"{names[1]} lacks the columns {missing} of {names[0]} and has the columns "
            f"{extra} beside: the tables must have the same columns."
        )
    return tuple(own[name] for name in wanted)


def _level(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    """One column of each table, brought to one kind and one grain."""
    kinds = {column.kind for column in columns} - {_EMPTY}
    if not kinds:
        return list(columns)
    if kinds <= {_TEXT, _CODE} or (_CODE in kinds and kinds <= _NUMERIC | {_CODE}):
        return [_as_labels(column, kind=_TEXT) for column in columns]
    if kinds <= _NUMERIC:
        kind = _BOOLEAN if kinds == {_BOOLEAN} else _NUMBER
        bits = min(column.grain for column in columns if column.kind != _EMPTY)
        levelled = [replace(column, kind=kind) for column in columns]
        return [_round(one, bits) if bits < 53.0 else one for one in levelled]
    if len(kinds) > 1:
        found = ", ".join(
            f"{column.kind} in {name}"
            for column, name in zip(columns, names, strict=True)
        )
        raise ValueError(
            f"Column {columns[0].name!r} holds {found}: convert it, so that the tables "
            "agree."
        )
    (kind,) = kinds
    grain = max(column.grain for column in columns)
    return [
        replace(column, kind=kind, values=np.floor(column.values / grain) * grain)
        for column in columns
    ]


def _round(column: Column, bits: float) -> Column:
    """Round floats to a significand of so many bits, as a narrower dtype does."""
    fraction, exponent = np.frexp(column.values)
    rounded = np.ldexp(np.rint(np.ldexp(fraction, int(bits))), exponent - int(bits))
    return replace(column, values=rounded)
