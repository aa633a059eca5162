"""Where rows have gaps: which cells miss, and rows that miss a column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._frames import as_series, missing_in, open_frame
from sklgen.compose._cells import _is_missing


def missing_cells(X: Any) -> NDArray[np.bool_]:
    """Which cells (n, d) of an array or DataFrame are NaN, None or null."""
    frame = open_frame(X, "")
    if frame is None:
        cells = np.asarray(X)
        if cells.dtype == object:
            return np.array([[_is_missing(cell) for cell in row] for row in cells])
        if cells.dtype.kind != "f":
            return np.zeros(cells.shape, dtype=bool)
        return np.asarray(np.isnan(cells))
    columns = [missing_in(column).to_numpy() for column in frame.iter_columns()]
    return np.column_stack(columns).astype(bool)


def without_column(X: Any, j: int) -> Any:
    """Rows whose cells in column j are missing; X stays as it is."""
    frame = open_frame(X, "")
    if frame is not None:
        column = frame.get_column(frame.columns[j])
        gone = as_series([None] * len(column), like=column)
        return frame.with_columns(gone).to_native()
    rows = np.array(X)
    if rows.dtype.kind in "biu":
        rows = rows.astype(np.float64)
    elif rows.dtype.kind != "f":
        rows = rows.astype(object)
    rows[:, j] = np.nan
    return rows
