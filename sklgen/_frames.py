"""DataFrames in and out: what `fit` saw is what `sample` gives back.

Models compute on float arrays. A `Schema` remembers the container of the training
rows and turns float rows back into it, with the exact dtype of each column. pandas,
polars and everything else that narwhals knows go through the same functions; none of
them is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix, issparse, sparray

# What to do with a column that is not numeric.
_DATES = "turn it into a number, such as days since a date"
_WORDS = (
    "encode it (sklearn.preprocessing.OneHotEncoder or OrdinalEncoder), convert it to "
    "numbers if that is what it holds, or drop it"
)
_OBJECTS = "df.convert_dtypes() or pd.to_numeric gives numbers a dtype; else drop it"
_SPARSE = "make it dense by .sparse.to_dense()"


def check_numeric(X: Any, model_name: str) -> None:
    """Raise a ValueError that names the columns of a DataFrame a model can't take.

    Numeric and boolean columns pass, and so do columns of pandas objects that are all
    numbers or None, and columns with nothing but missing cells. Arrays of dates and of
    strings are refused; other arrays and lists pass: scikit-learn validates them.
    """
    frame = open_frame(X, model_name)
    if frame is None:
        _check_array(X, model_name)
        return
    wrong: dict[str, list[str]] = {}
    for column in frame.iter_columns():
        if not (_holds_numbers(column) or column.is_null().all()):
            dtype = getattr(column.to_native(), "dtype", column.dtype)
            wrong.setdefault(advice(column), []).append(f"{column.name!r} ({dtype})")
    if wrong:
        found = [f"{', '.join(names)}: {advice}" for advice, names in wrong.items()]
        raise ValueError(
            f"{model_name} takes numeric and boolean columns only, got "
            f"{'; '.join(found)}."
        )


def open_frame(X: Any, model_name: str) -> Any:
    """X as a narwhals DataFrame with columns of distinct names; None for an array."""
    try:
        frame = _as_frame(X)
        columns = [] if frame is None else list(frame.iter_columns())
    except narwhals().exceptions.DuplicateError as error:
        raise ValueError(
            f"{model_name} takes columns with names of their own: rename them. "
            + " ".join(str(error).split())
        ) from error
    if frame is not None and not columns:
        raise ValueError(f"{model_name} takes at least one column: X has no columns.")
    return frame


def open_series(column: Any, name: Any = None) -> Any:
    """A native column as a narwhals series; pyarrow's have no name of their own."""
    series = narwhals().from_native(column, series_only=True)
    return series if series.implementation.is_pandas_like() else series.alias(name)


def is_object(native: Any) -> bool:
    """Whether a native column is one of Python objects, which only pandas has."""
    return str(getattr(native, "dtype", "")) == "object"


def _check_array(X: Any, model_name: str) -> None:
    """Refuse arrays of dates and strings, which numpy would turn into floats."""
    advice = {**dict.fromkeys("mM", _DATES), **dict.fromkeys("UST", _WORDS)}
    dtype = getattr(X, "dtype", None)
    kind = getattr(dtype, "kind", "")
    if kind in advice:
        raise ValueError(
            f"{model_name} takes numbers, got an array of {dtype}: {advice[kind]}."
        )


def advice(column: Any) -> str:
    """What to do with a column that is not numeric."""
    if column.dtype.is_temporal():
        return _DATES
    if str(getattr(column.to_native(), "dtype", "")).startswith("Sparse"):
        return _SPARSE
    return _OBJECTS if column.dtype == narwhals().Object() else _WORDS


def _holds_numbers(column: Any) -> bool:
    if column.dtype != narwhals().Object():
        return _is_numeric(column.dtype)
    return column.implementation.is_pandas_like() and all(
        cell is None or isinstance(cell, (Real, Decimal, np.bool_))
        for cell in column.to_native()
    )


@dataclass(frozen=True, eq=False)
class Schema:
    """The container of the training rows: an array, or the columns of a DataFrame.

    Parameters
    ----------
    dtype : dtype
        Floating dtype of the validated training rows.
    template : DataFrame or None
        The training frame without its rows, in its own library; None for arrays.
    sparse : type or None
        `csr_array` or `csr_matrix` where the training rows were sparse.
    """

    dtype: np.dtype[Any]
    template: Any = None
    sparse: Any = None

    @classmethod
    def of(cls, X: Any, dtype: Any) -> Schema:
        """Learn the container of X, whose validated rows have this floating dtype."""
        if issparse(X):
            sparse = csr_array if isinstance(X, sparray) else csr_matrix
            return cls(np.dtype(dtype), sparse=sparse)
        frame = _as_frame(X)
        if frame is None:
            return cls(np.dtype(dtype))
        template = frame.head(0)
        columns = [_as_numeric(column) for column in template.iter_columns()]
        return cls(np.dtype(dtype), template.with_columns(*columns).to_native())

    def of_floats(self) -> Schema:
        """The same container with columns of floats, for draws that are no integers."""
        frame = _as_frame(self.template)
        if frame is None:
            return self
        columns = [
            column if column.dtype.is_float() else column.cast(narwhals().Float64())
            for column in frame.iter_columns()
        ]
        return replace(self, template=frame.with_columns(*columns).to_native())

    def restore(self, rows: Any) -> Any:
        """Float rows as the container seen in `fit`, with its columns and dtypes."""
        if self.sparse is not None:
            return self.sparse(rows, dtype=self.dtype)
        rows = rows.toarray() if issparse(rows) else rows
        frame = _as_frame(self.template)
        if frame is None:
            return rows.astype(self.dtype, copy=False)
        columns = [
            new_column(values, like=column)
            for values, column in zip(rows.T, frame.iter_columns(), strict=True)
        ]
        return frame.select(*columns).to_native()

    def complete(self, X: Any, rows: np.ndarray, filled: np.ndarray) -> Any:
        """X itself with its missing cells filled, observed cells as they were.

        Parameters
        ----------
        X : array-like or DataFrame
            The user's input; never changed.
        rows : ndarray
            X after validation, with NaN for missing cells.
        filled : ndarray
            The completed rows. Filled cells of a column that was integer or boolean
            in `fit` are rounded, whatever dtype that column has in X.

        Returns
        -------
        completed : array or DataFrame
            The container, dtypes and index of X; an array where X is a list.
        """
        missing = np.isnan(rows)
        filled = self._snap(np.asarray(filled, dtype=np.float64))
        frame = _as_frame(X)
        if frame is None:
            return _complete_array(X, rows, filled, missing)
        columns = [
            self._complete_column(column, j, missing[:, j], filled[:, j])
            for j, column in enumerate(frame.iter_columns())
        ]
        return frame.with_columns(*columns).to_native()

    def _complete_column(
        self, column: Any, j: int, missing: np.ndarray, filled: np.ndarray
    ) -> Any:
        if not missing.any():
            return column
        if _is_numeric(column.dtype) or not missing.all():
            fill = new_column(filled[missing], like=column)
            return column.scatter(np.flatnonzero(missing).tolist(), fill)
        # A column of nothing but None has no dtype of its own.
        return new_column(filled, like=self._fitted_column(column, j))

    def _fitted_column(self, column: Any, j: int) -> Any:
        """Column j of the template if X is of the same library, else one of floats."""
        frame = _as_frame(self.template)
        if frame is not None and frame.implementation is column.implementation:
            return frame.get_column(frame.columns[j]).alias(column.name)
        return _as_numeric(column.head(0))

    def _snap(self, filled: np.ndarray) -> np.ndarray:
        """Round the columns that were integer or boolean in `fit`; stay in floats."""
        frame = _as_frame(self.template)
        if frame is None:
            return filled
        columns = zip(filled.T, frame.schema.values(), strict=True)
        return np.column_stack([_snap(values, dtype) for values, dtype in columns])


def narwhals() -> Any:
    # Imported on first use: it costs more than the rest of this module.
    import narwhals.stable.v2 as nw

    return nw


def _as_frame(X: Any) -> Any:
    """X as a narwhals DataFrame; None if it is not a DataFrame."""
    if X is None or isinstance(X, (np.ndarray, list, tuple)):
        return None
    nw = narwhals()
    frame = nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        raise ValueError(f"X is a lazy {type(X).__name__}: call .collect() first.")
    return frame if isinstance(frame, nw.DataFrame) else None


def _is_numeric(dtype: Any) -> bool:
    return bool(dtype.is_numeric() or dtype.is_boolean())


def _as_numeric(column: Any) -> Any:
    """Give an empty column a float dtype, unless it has a numeric one."""
    return column if _is_numeric(column.dtype) else column.cast(narwhals().Float64())


def cells_of(column: Any, name: Any) -> np.ndarray:
    """The observed cells of a numeric or temporal column: int64, uint64 or float64.

    Instants and durations are ticks of their unit, dates are days, decimals are
    multiples of their last digit.
    """
    nw = narwhals()
    dtype = column.dtype
    if dtype.is_decimal():
        ticks = [int(cell.scaleb(dtype.scale)) for cell in column.to_list()]
        try:
            return np.array(ticks, dtype=np.int64)
        except OverflowError as error:
            raise ValueError(
                f"Column {name!r} holds decimals of more than 64 bits: cast it to a "
                "float dtype."
            ) from error
    if dtype == nw.Date:
        column = column.cast(nw.Int32)
    elif dtype.is_temporal():
        column = column.cast(nw.Int64)
    cells: np.ndarray = column.to_numpy()
    if cells.dtype.kind == "f":
        return cells.astype(np.float64)
    return cells.astype(np.uint64 if cells.dtype == np.uint64 else np.int64)


def new_column(values: np.ndarray, like: Any) -> Any:
    """Numbers as a column with the library, name and exact dtype of another one.

    Integers stand for ticks where the column has dates, durations or decimals.
    """
    nw = narwhals()
    dtype = like.dtype
    if dtype.is_temporal():
        ticks = values.astype(np.int32 if dtype == nw.Date else np.int64)
        if not like.implementation.is_pandas_like():
            return as_series(ticks, like).cast(dtype)
        native = like.to_native()
        series = type(native)(ticks, name=native.name).astype(native.dtype)
        return open_series(series)
    cells = _cast(values, dtype)
    if not like.implementation.is_pandas_like():
        return nw.new_series(like.name, cells, dtype, backend=like.implementation)
    # Several pandas dtypes (int64, Int64, int64[pyarrow]) are one to narwhals.
    native = like.to_native()
    return open_series(type(native)(cells, dtype=native.dtype, name=native.name))


def as_series(values: Any, like: Any) -> Any:
    """Cells as a column of the library and name of another one."""
    return narwhals().new_series(like.name, values, backend=like.implementation)


def _cast(values: np.ndarray, dtype: Any) -> Any:
    """Numbers as cells of a narwhals dtype; integers are rounded and never wrap."""
    if dtype.is_decimal():
        return _decimals(values, dtype)
    target = _numpy_dtype(dtype)
    if dtype.is_integer() and values.dtype.kind in "iu":
        info = np.iinfo(target)
        return np.clip(values, info.min, info.max).astype(target)
    snapped = _snap(values, dtype)
    if not dtype.is_integer():
        if dtype.is_float() and target.itemsize < 8:
            largest = float(np.finfo(target).max)
            snapped = np.clip(snapped, -largest, largest)
        return snapped.astype(target)
    # The largest int64 is no float64: the nearest one above it would wrap.
    highest = np.iinfo(target).max
    cells = np.full(snapped.shape, highest, dtype=target)
    inside = snapped < float(highest)
    cells[inside] = snapped[inside].astype(target)
    return cells


def _decimals(values: np.ndarray, dtype: Any) -> list[Decimal]:
    largest = Decimal((0, (9,) * dtype.precision, -dtype.scale))
    if values.dtype.kind in "iu":
        decimals = [Decimal(tick).scaleb(-dtype.scale) for tick in values.tolist()]
    else:
        decimals = [Decimal(f"{value:.{dtype.scale}f}") for value in values]
    return [max(-largest, min(largest, decimal)) for decimal in decimals]


def _snap(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Round floats to the nearest cell of an integer or boolean dtype, as floats."""
    if dtype.is_boolean():
        return np.where(values >= 0.5, 1.0, 0.0)
    if dtype.is_integer():
        info = np.iinfo(_numpy_dtype(dtype))
        values = np.clip(np.rint(values), float(info.min), float(info.max))
    return values


def _numpy_dtype(dtype: Any) -> np.dtype[Any]:
    return np.dtype("bool" if dtype.is_boolean() else str(dtype).lower())


def _complete_array(
    X: Any, rows: np.ndarray, filled: np.ndarray, missing: np.ndarray
) -> np.ndarray:
    """Fill an array in its own dtype; other array-likes give the validated floats."""
    own = isinstance(X, np.ndarray) and X.dtype.kind in "biufO"
    completed = np.array(X if own else rows)
    completed[missing] = filled[missing]
    return completed


def missing_in(column: Any) -> Any:
    """Which cells of a column are null or NaN, as a series."""
    gone = column.is_null()
    if column.dtype.is_float():
        gone = gone | column.is_nan().fill_null(value=True)
    return gone


def scatter(column: Any, rows: Any, fill: Any) -> Any:
    """A column whose cells in these rows are those of another one.

    A column of nothing but missing cells becomes the other one where it has no dtype,
    or one of numbers that the other one's cells are not.
    """
    nw = narwhals()
    gone = missing_in(column)
    empty = bool(gone.all())
    pandas = column.implementation.is_pandas_like()
    native = column.to_native()
    open_dtype = column.dtype == nw.Unknown or (pandas and is_object(native))
    if empty and (
        open_dtype or (column.dtype.is_numeric() and not _is_numeric(fill.dtype))
    ):
        if pandas:
            series = fill.to_native().set_axis(native.index)
            return open_series(series.rename(native.name))
        return fill.alias(column.name)
    if not pandas:
        kept = np.full(len(column), fill_value=True)
        kept[rows] = False
        fill = fill if fill.dtype == column.dtype else fill.cast(column.dtype)
        return column.zip_with(as_series(kept, like=column), fill)
    completed = native.copy()
    completed.iloc[rows] = fill.to_native().iloc[rows].astype(native.dtype).array
    return open_series(completed)
