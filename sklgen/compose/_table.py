"""A table as columns of cells, columns named by parameters, missing cells filled."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklgen._frames import as_series, open_frame, scatter
from sklgen._typing import Array
from sklgen.compose._cells import Cells, read_array, read_series
from sklgen.compose._columns import Column, Rules
from sklgen.compose._labels import LabelColumn
from sklgen.compose._numbers import NumberColumn
from sklgen.compose._plain import PlainColumn

# Scores that fit itself computes agree to this; those of float32 were rounded once.
_PRECISION = {"float64": 1e-15, "float32": 6e-8}


def open_table(estimator: Any, X: Any, *, reset: bool) -> tuple[Any, Any]:
    """X as a narwhals frame or as an array, the other one None.

    Checked are the number of rows, of columns, and their names; what is wrong is said
    in the name of the estimator, on which `reset` sets what scikit-learn remembers.
    """
    name = type(estimator).__name__
    frame = open_frame(X, name)
    if frame is not None:
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        if not len(frame):
            raise ValueError(f"{name} takes at least one row: X has 0 sample(s).")
        return frame, None
    if isinstance(X, (list, tuple)) and np.asarray(X).dtype.kind in "US":
        # Cells keep their types: numpy would turn numbers into strings.
        X = np.array(X, dtype=object)
    array = validate_data(
        estimator, X, reset=reset, dtype=None, ensure_all_finite=False
    )
    return None, array


def named_columns(given: Any, names: list[Any], parameter: str) -> np.ndarray:
    """Mask of the columns that a parameter names, or of none."""
    mask = np.zeros(len(names), dtype=bool)
    if given is None or isinstance(given, str):
        return mask
    given = list(given)
    if given and all(isinstance(g, (bool, np.bool_)) for g in given):
        if len(given) != len(names):
            raise ValueError(
                f"{parameter} is a mask of {len(given)} columns, X has {len(names)}."
            )
        return np.array(given)
    for g in given:
        mask[position_of(g, names, parameter)] = True
    return mask


def bounds_by_position(given: Any, names: list[Any]) -> dict[int, tuple[Any, Any]]:
    """The parameter `bounds` by position of the column."""
    bounds = {}
    for key, pair in (given or {}).items():
        try:
            low, high = pair
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"bounds of {key!r} must be a pair (low, high), got {pair!r}; None "
                "stands for no bound."
            ) from error
        bounds[position_of(key, names, "bounds")] = (low, high)
    return bounds


def position_of(key: Any, names: list[Any], parameter: str) -> int:
    """Position of a column that a parameter gives by name or position."""
    if isinstance(key, (int, np.integer)) and -len(names) <= key < len(names):
        return int(key) % len(names)
    if key in names:
        return names.index(key)
    raise ValueError(f"{parameter} names {key!r}, which is no column of X: {names}.")


def read_table(rows: Any) -> list[Cells]:
    """Read every column; infinities are refused."""
    if isinstance(rows, np.ndarray):
        table = [read_array(j, column) for j, column in enumerate(rows.T)]
    else:
        table = [read_series(column) for column in rows.iter_columns()]
    for cells in table:
        is_float = cells.kind == "number" and cells.values.dtype.kind == "f"
        if is_float and np.isinf(cells.values).any():
            raise ValueError(
                f"Column {cells.name!r} contains infinity: replace inf by NaN to treat "
                "it as missing, or by a finite value."
            )
    return table


def learn_columns(
    table: list[Cells],
    weight: Array,
    rules: Rules,
    labelled: np.ndarray,
    plain: np.ndarray,
    bounds: dict[int, tuple[Any, Any]],
) -> tuple[Column, ...]:
    """What is learned of each column; masks tell which numbers are labels, or stay."""
    columns: list[Column] = []
    for j, cells in enumerate(table):
        if plain[j] and not cells.missing.all():
            kind = "label" if labelled[j] else cells.kind
            if kind != "number":
                raise ValueError(
                    f"Column {cells.name!r} is of kind {kind!r} and cannot stay in "
                    "its own units, as only columns of numbers can: do not name it, "
                    "or convert it to numbers."
                )
            columns.append(PlainColumn.learn(cells))
        elif cells.kind == "label" or cells.missing.all() or labelled[j]:
            columns.append(LabelColumn.learn(cells, weight, rules))
        else:
            columns.append(NumberColumn.learn(cells, weight, rules, bounds.get(j)))
    return tuple(columns)


def decode_table(
    columns: tuple[Column, ...], T: Any, rng: np.random.Generator, name: str
) -> list[Any]:
    """Cells of each column, and which are missing, of typed rows of an estimator."""
    T = check_array(
        T,
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        input_name="T",
    )
    ends = np.cumsum([column.n_typed for column in columns])
    if T.shape[1] != ends[-1]:
        raise ValueError(
            f"T has {T.shape[1]} columns, but {name} was fitted to rows of {ends[-1]} "
            "typed columns: pass what transform gives."
        )
    blocks = np.split(T.astype(np.float64, copy=False), ends[:-1], axis=1)
    return [
        column.decode(block, rng, _PRECISION[T.dtype.name])
        for column, block in zip(columns, blocks, strict=True)
    ]


def complete_table(
    columns: tuple[Column, ...], frame: Any, array: Any, drawn: list[Any]
) -> Any:
    """A frame or an array whose missing cells are decoded ones."""
    filled = []
    table = read_table(array if frame is None else frame)
    for j, (column, cells) in enumerate(zip(columns, table, strict=True)):
        values, missing = drawn[j]
        if len(missing) != len(cells.missing):
            raise ValueError(
                f"T has {len(missing)} rows, X has {len(cells.missing)}: T must be "
                "the completed typed rows of X."
            )
        rows = np.flatnonzero(cells.missing & ~missing)
        own = None if frame is None else frame.get_column(frame.columns[j])
        filled.append((column, cells, values, missing, rows, own))
    if frame is None:
        return _completed_array(array, filled)
    series = [_completed_series(*parts) for parts in filled]
    return frame.with_columns(*series).to_native()


def _completed_array(array: np.ndarray, filled: list[Any]) -> np.ndarray:
    completed = np.array(array)
    for j, (column, _, values, missing, rows, _) in enumerate(filled):
        if len(rows):
            completed[rows, j] = column.build(values, missing)[rows]
    return completed


def _completed_series(
    column: Column, cells: Cells, values: Any, missing: Any, rows: Any, own: Any
) -> Any:
    """A column of X with these rows filled."""
    if not len(rows):
        return own
    numbers = column.kind == "number" and own.dtype.is_numeric()
    same = cells.digits == getattr(column, "digits", 0)
    stub = cells.stub if numbers and same else None
    fill = column.build(values, missing, stub)
    if getattr(fill, "implementation", None) is not own.implementation:
        # What fit saw was an array, or a frame of another library.
        drawn = fill.tolist() if isinstance(fill, np.ndarray) else fill.to_list()
        known = [
            None if gone else cell for cell, gone in zip(drawn, missing, strict=True)
        ]
        fill = as_series(known, like=own)
    return scatter(own, rows, fill)
