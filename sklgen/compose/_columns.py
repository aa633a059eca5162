"""What is learned of an input column, as the encoder and its users see it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from sklgen._typing import Array
from sklgen.compose._cells import Cells, Mask, Stub
from sklgen.compose._quantile_map import QuantileMap

NANOSECONDS = {"d": 86400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class Rules:
    """The parameters of the encoder that concern every column."""

    atom_share: float
    max_categories: int | None
    n_quantiles: int | None
    handle_unknown: str


class Column(ABC):
    """What is learned of an input column.

    Attributes
    ----------
    name : str or int
        Name in the DataFrame, or position in the array.
    kind : {"label", "number", "datetime", "timedelta"}
        What its cells are.
    kinds : tuple of {"category", "normal", "number"}
        What its typed columns are, one or two; codes come first.
    levels : tuple
        Labels or values of its category column, by code; None for the code of the
        continuous part. The last codes of a bucket share one.
    atoms : ndarray
        Values of a number column that are levels, sorted.
    resolution : float, timedelta64 or None
        Step of its grid; None without one.
    bounds : tuple of float
        What draws that are no atoms do not leave, in units of the column, of its
        ticks for instants and durations; infinite without bounds.
    map : QuantileMap or None
        From steps of the grid, counted from an origin, to normal scores; from values
        where there is no grid.
    """

    name: Any
    kind: str
    kinds: tuple[str, ...]
    levels: tuple[Any, ...]
    atoms: np.ndarray
    resolution: Any
    bounds: tuple[float, float]
    map: QuantileMap | None
    shares: Array | None
    cell_variance: float

    @property
    def has_codes(self) -> bool:
        """Whether one of the typed columns has codes."""
        return "category" in self.kinds

    @property
    def n_typed(self) -> int:
        """Number of typed columns."""
        return len(self.kinds)

    @abstractmethod
    def encode(self, cells: Cells) -> Array:
        """Typed columns of cells, NaN where missing or unknown."""

    @abstractmethod
    def decode(
        self, typed: Array, rng: np.random.Generator, precision: float
    ) -> tuple[Any, Mask]:
        """What `build` takes: cells of typed columns, and which are missing."""

    @abstractmethod
    def build(self, decoded: Any, missing: Mask, stub: Stub | None = None) -> Any:
        """A column as in `fit`, or like another one."""

    @abstractmethod
    def limits(self, cells: Cells) -> tuple[Array, Array]:
        """Scores of both edges of each cell of the grid, shaped as typed columns."""

    @abstractmethod
    def log_density_offset(self, cells: Cells) -> Array:
        """Log of what a density of typed cells is multiplied by."""


def refuse_unknown(name: Any, found: list[Any]) -> None:
    shown = ", ".join(map(repr, found))
    raise ValueError(
        f"Column {name!r} has values that fit did not see: {shown}. Drop these rows, "
        "or set handle_unknown='missing' to treat them as missing."
    )


def refuse_kind(column: Column, cells: Cells) -> NoReturn:
    raise ValueError(
        f"Column {column.name!r} was of kind {column.kind!r} in fit and is of kind "
        f"{cells.kind!r} now: convert it to the dtype it had."
    )
