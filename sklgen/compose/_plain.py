"""Columns of numbers that stay in their own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen._typing import Array
from sklgen.compose._cells import Cells, Mask, Stub
from sklgen.compose._columns import Column, refuse_kind


@dataclass(frozen=True, eq=False)
class PlainColumn(Column):
    """Numbers as they are: one typed column of floats.

    `least` is the smallest positive number that the column can hold, or 0 where `fit`
    saw a 0: rounding makes no 0 where there was none, which many laws do not have.
    """

    name: Any
    dtype: Any
    digits: int
    least: float
    stub: Stub
    kind = "number"
    kinds = ("number",)
    levels = ()
    atoms = np.empty(0)
    resolution = None
    bounds = (-np.inf, np.inf)
    map = None
    shares = None
    cell_variance = 0.0

    @classmethod
    def learn(cls, cells: Cells) -> PlainColumn:
        """Learn how to build a column of numbers."""
        values = cells.values[~cells.missing]
        whole = values.dtype.kind in "iu"
        smallest = (
            10.0**-cells.digits if whole else np.finfo(cells.dtype).smallest_subnormal
        )
        least = 0.0 if (values == 0).any() else float(smallest)
        return cls(cells.name, values.dtype, cells.digits, least, cells.stub.keep([]))

    def encode(self, cells: Cells) -> Array:
        if cells.kind != self.kind:
            if not cells.missing.all():
                refuse_kind(self, cells)
            return np.full((len(cells.missing), 1), np.nan)
        values = cells.values / 10.0**cells.digits
        return np.where(cells.missing, np.nan, values)[:, None]

    def decode(
        self, typed: Array, rng: np.random.Generator, precision: float
    ) -> tuple[Any, Mask]:
        missing = np.isnan(typed[:, 0])
        values = np.where(missing, 0.0, typed[:, 0])
        values[(values > 0) & (values < self.least)] = self.least
        if self.dtype.kind == "f":
            return values, missing
        # The largest integer is no float: the nearest one above it would wrap.
        info = np.iinfo(self.dtype)
        highest = np.nextafter(float(info.max), 0.0)
        ticks = np.rint(values * 10.0**self.digits)
        return np.clip(ticks, info.min, highest).astype(self.dtype), missing

    def build(self, decoded: Any, missing: Mask, stub: Stub | None = None) -> Any:
        return (stub or self.stub).build(decoded, missing)

    def limits(self, cells: Cells) -> tuple[Array, Array]:
        nothing = np.full((len(cells.missing), 1), np.nan)
        return nothing, nothing

    def log_density_offset(self, cells: Cells) -> Array:
        return np.zeros(len(cells.missing))
