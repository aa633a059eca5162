"""The container of the rows that a pipeline saw, and rows as such a container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._frames import (
    Schema,
    as_series,
    check_numeric,
    new_column,
    open_frame,
    open_series,
)


@dataclass(frozen=True, eq=False)
class Container:
    """What `Schema` is to rows of numbers, for rows that may hold labels too.

    Parameters
    ----------
    template : DataFrame or None
        The training frame without its rows; None for arrays.
    schema : Schema or None
        The schema of arrays and of frames of numbers; None for frames with labels.
    """

    template: Any
    schema: Any

    @classmethod
    def of(cls, X: Any, dtype: Any) -> Container:
        """Learn the container of X, whose rows have this floating dtype."""
        frame = open_frame(X, "")
        template = None if frame is None else frame.head(0).to_native()
        try:
            check_numeric(X, "")
        except ValueError:
            return cls(template, None)
        return cls(template, Schema.of(X, dtype))

    def restore(self, rows: Any) -> Any:
        """Rows of any kind as the container seen in `fit`."""
        if self.template is not None and type(rows) is type(self.template):
            return rows
        cells = np.asarray(rows)
        if self.template is None and cells.dtype.kind != "f":
            return cells
        if self.schema is not None:
            return self.schema.restore(cells)
        frame = open_frame(self.template, "")
        pairs = zip(cells.T, frame.iter_columns(), strict=True)
        return frame.select(*[_column(c, like) for c, like in pairs]).to_native()


def _column(cells: NDArray[Any], like: Any) -> Any:
    if like.dtype.is_numeric() or like.dtype.is_boolean():
        return new_column(cells.astype(np.float64), like=like)
    if like.implementation.is_pandas_like():
        native = like.to_native()
        series = type(native)(cells.tolist(), dtype=native.dtype, name=native.name)
        return open_series(series)
    return as_series(cells.tolist(), like=like).cast(like.dtype)
