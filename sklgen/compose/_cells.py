"""Columns in and out: exact cells of any container, and columns like those of `fit`.

A column is read as labels (any hashable values) or as numbers: integers of 64 bits,
floats, or the ticks of instants and durations. A `Stub` remembers how to build it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._frames import (
    advice,
    as_series,
    cells_of,
    is_object,
    narwhals,
    new_column,
    open_series,
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one column.

    Attributes
    ----------
    name : str or int
        Name or position of the column.
    values : ndarray or list
        Numbers: int64, uint64 or float64, with anything where a cell is missing.
        Labels: a list.
    missing : ndarray of bool
        Which cells are missing.
    stub : Stub
        How to build such a column.
    dtype : dtype
        numpy's dtype of numbers as the column holds them; None for labels.
    unit : str or None
        Unit of the ticks of instants and durations.
    kind : {"label", "number", "datetime", "timedelta"}
        What the cells are.
    order : tuple or None
        Labels in the order of the dtype, where it has one.
    digits : int
        Digits after the point of decimals, whose values are multiples of the last.
    """

    name: Any
    values: Any
    missing: Mask
    stub: Stub
    dtype: Any = None
    unit: str | None = None
    kind: str = "label"
    order: tuple[Any, ...] | None = None
    digits: int = 0


class Stub(ABC):
    """Builds columns like one that was read; keeps a few of its cells."""

    @abstractmethod
    def keep(self, rows: list[int]) -> Stub:
        """The stub with the cells of these rows, which `take` gathers."""

    @abstractmethod
    def take(self, rows: Any) -> Any:
        """A column of kept cells; -1 stands for a missing one."""

    @abstractmethod
    def build(self, values: np.ndarray, missing: Mask) -> Any:
        """A column of numbers."""


@dataclass(frozen=True, eq=False)
class SeriesStub(Stub):
    """Of a column of a DataFrame: native cells, one of them missing if any was."""

    name: Any
    series: Any
    blank: int | None = None

    @classmethod
    def of(cls, column: Any, missing: Mask) -> SeriesStub:
        blank = int(missing.argmax()) if missing.any() else None
        return cls(column.name, column.to_native(), blank)

    def keep(self, rows: list[int]) -> Stub:
        if self.blank is None:
            return SeriesStub(self.name, self._gather(rows).to_native())
        kept = self._gather([*rows, self.blank])
        return SeriesStub(self.name, kept.to_native(), len(rows))

    def take(self, rows: Any) -> Any:
        missing = rows < 0
        if self.blank is not None:
            return self._gather(np.where(missing, self.blank, rows).tolist())
        return self._blanked(self._gather(np.maximum(rows, 0).tolist()), missing)

    def build(self, values: np.ndarray, missing: Mask) -> Any:
        if is_object(self.series):
            cells = values.astype(object)
            cells[missing] = (
                None if self.blank is None else self.series.iloc[self.blank]
            )
            native = type(self.series)(cells, dtype=object, name=self.series.name)
            return open_series(native)
        return self._blanked(new_column(values, self._own()), missing)

    def _blanked(self, column: Any, missing: Mask) -> Any:
        """The column with missing cells, like those it had where it had any."""
        if not missing.any():
            return column
        if self.blank is not None:
            blank = self._gather([self.blank] * len(missing))
        elif column.implementation.is_pandas_like():
            # Dtypes of numpy without a missing cell widen, as pandas does it.
            return open_series(column.to_native().mask(missing))
        else:
            blank = as_series([None] * len(missing), like=column).cast(column.dtype)
        return column.zip_with(as_series(~missing, like=column), blank)

    def _gather(self, rows: list[int]) -> Any:
        """Rows of the series, with an index of their own."""
        return narwhals().maybe_reset_index(self._own()[rows])

    def _own(self) -> Any:
        return open_series(self.series, self.name)


@dataclass(frozen=True, eq=False)
class ArrayStub(Stub):
    """Of a column of an array."""

    cells: np.ndarray
    blank: Any = None

    def keep(self, rows: list[int]) -> Stub:
        return ArrayStub(self.cells[rows], self.blank)

    def take(self, rows: Any) -> Any:
        if not len(self.cells):
            return np.full(len(rows), self.blank, dtype=self.cells.dtype)
        return self._blanked(self.cells[np.maximum(rows, 0)], rows < 0)

    def build(self, values: np.ndarray, missing: Mask) -> Any:
        dtype = self.cells.dtype
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            values = np.clip(values, info.min, info.max)
        elif dtype.kind == "f" and values.dtype.kind == "f":
            largest = np.finfo(dtype).max
            values = np.clip(values, -largest, largest)
        return self._blanked(values.astype(dtype), missing)

    def _blanked(self, column: np.ndarray, missing: Mask) -> np.ndarray:
        if not missing.any():
            return column
        if column.dtype.kind in "iu":
            column = column.astype(np.float64)
        elif column.dtype.kind not in "fmM":
            column = column.astype(object)
        if column.dtype == object:
            column[missing] = self.blank
        else:
            column[missing] = "NaT" if column.dtype.kind in "mM" else np.nan
        return column


def read_series(column: Any) -> Cells:
    """Read a narwhals series."""
    nw = narwhals()
    name, native, dtype = column.name, column.to_native(), column.dtype
    missing = column.is_null().to_numpy()
    if missing.all():
        return Cells(
            name, [None] * len(missing), missing, SeriesStub.of(column, missing)
        )
    if is_object(native):
        cells = native.to_numpy()
        return _read_objects(name, cells, SeriesStub.of(column, missing), missing)
    if dtype.is_numeric() or (dtype.is_temporal() and dtype != nw.Time):
        values = cells_of(column.filter((~missing).tolist()), name)
        unit = getattr(dtype, "time_unit", "d" if dtype == nw.Date else None)
        kind = "number"
        if dtype.is_temporal():
            kind = "timedelta" if dtype == nw.Duration else "datetime"
        whole = np.zeros(len(missing), dtype=values.dtype)
        whole[~missing] = values
        if values.dtype.kind == "f":
            missing = missing | np.isnan(whole)
        own = np.dtype(np.int64 if unit else _own_dtype(dtype, values))
        stub = SeriesStub.of(column, missing)
        digits = dtype.scale if dtype.is_decimal() else 0
        return Cells(name, whole, missing, stub, own, unit, kind, digits=digits)
    if str(getattr(native, "dtype", "")).startswith("Sparse"):
        raise ValueError(f"Column {name!r} is sparse: {advice(column)}.")
    labels = column.to_list()
    _check_hashable(labels, name)
    order = None
    if dtype in (nw.Categorical, nw.Enum):
        order = tuple(column.cat.get_categories().to_list())
    stub = SeriesStub.of(column, missing)
    return Cells(name, labels, missing, stub, order=order)


def _own_dtype(dtype: Any, values: np.ndarray) -> Any:
    name = str(dtype).lower()
    plain = dtype.is_numeric() and not dtype.is_decimal()
    return name if plain and hasattr(np, name) else values.dtype


def read_array(name: Any, column: np.ndarray) -> Cells:
    """Read a column of an array."""
    kind = column.dtype.kind
    if kind == "O":
        missing = np.fromiter(map(_is_missing, column), bool, len(column))
        blank = column[missing.argmax()] if missing.any() else None
        return _read_objects(name, column, ArrayStub(column, blank), missing)
    if kind in "mM":
        missing = np.isnat(column)
        unit, count = np.datetime_data(column.dtype)
        stub = ArrayStub(column, column.dtype.type("NaT"))
        ticks = column.astype(np.int64)
        names = {"M": "datetime", "m": "timedelta"}
        unit = {"D": "d"}.get(unit, unit) if count == 1 else "other"
        return Cells(name, ticks, missing, stub, np.dtype(np.int64), unit, names[kind])
    if kind in "iuf":
        missing = np.isnan(column)
        wide = {"i": np.int64, "u": np.uint64, "f": np.float64}[kind]
        if wide is np.uint64 and column.dtype.itemsize < 8:
            wide = np.int64
        stub = ArrayStub(column, np.nan)
        return Cells(
            name, column.astype(wide), missing, stub, column.dtype, kind="number"
        )
    return Cells(
        name, column.tolist(), np.zeros(len(column), dtype=bool), ArrayStub(column)
    )


def _read_objects(name: Any, column: np.ndarray, stub: Stub, missing: Mask) -> Cells:
    """Read Python objects: numbers if all are, labels otherwise."""
    seen = column[~missing].tolist()
    types = {type(cell) for cell in seen}
    boolean = {t for t in types if issubclass(t, (bool, np.bool_))}
    if types and not boolean and all(issubclass(t, Real) for t in types):
        whole = all(issubclass(t, Integral) for t in types)
        numbers = _as_numbers(seen, whole=whole)
        values = np.zeros(len(column), dtype=numbers.dtype)
        values[~missing] = numbers
        return Cells(name, values, missing, stub, numbers.dtype, kind="number")
    labels = column.tolist()
    _check_hashable(seen, name)
    if boolean and boolean != types:
        # True == 1 in Python; it is another label.
        labels = [(bool, c) if isinstance(c, (bool, np.bool_)) else c for c in labels]
    return Cells(name, labels, missing, stub)


def _as_numbers(cells: list[Any], *, whole: bool) -> np.ndarray:
    if whole:
        for dtype in (np.int64, np.uint64):
            try:
                return np.array(cells, dtype=dtype)
            except OverflowError:
                continue
    return np.array(cells, dtype=np.float64)


def _is_missing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(cell, (float, np.generic)) and bool(cell != cell)


def _check_hashable(labels: list[Any], name: Any) -> None:
    try:
        set(labels)
    except TypeError as error:
        wrong = next(cell for cell in labels if type(cell).__hash__ is None)
        raise TypeError(
            f"A cell of column {name!r} holds a {type(wrong).__name__}: the argument "
            "must be a string, a number, a date or another hashable value. Split the "
            "column into columns of such values, or drop it."
        ) from error
