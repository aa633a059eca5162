"""The kinds of columns: what is learned of each, and how it is coded and decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sklgen.compose._cells import Cells, Mask, Stub
from sklgen.compose._quantile_map import (
    QuantileMap,
    through_cells,
    through_quantiles,
)
from sklgen.compose._resolution import Floats, Scale, learn_scale
from sklgen.families._base import Array

# Fewer distinct values than this are levels.
_FEWEST_VALUES = 10
# Weight that an atom has at least.
_LEAST_WEIGHT = 10
# Columns without grid with more distinct values come back to rounding only.
_LARGEST_TABLE = 2**20
# A cell that touches a bound has all the weight beyond it: its score's limit.
_FAR = 40.0
_NANOSECONDS = {"d": 86400 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


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
    levels : tuple
        Labels or values of its category column, by code; None for the code of the
        continuous part. The last codes of a bucket share one.
    atoms : ndarray
        Values of a number column that are levels, sorted.
    resolution : float, timedelta64 or None
        Step of its grid; None without one.
    bounds : tuple of float
        What draws do not leave, in units of the column; infinite without bounds.
    map : QuantileMap or None
        From steps of the grid, counted from an origin, to normal scores; from values
        where there is no grid.
    """

    name: Any
    kind: str
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
        return self.shares is not None

    @property
    def n_typed(self) -> int:
        """Number of typed columns, one or two; codes come first."""
        return int(self.has_codes) + int(self.map is not None)

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


@dataclass(frozen=True, eq=False)
class LabelColumn(Column):
    """Labels, booleans, categories: one column of codes."""

    name: Any
    levels: tuple[Any, ...]
    shares: Array
    rare_shares: Array
    stub: Stub
    handle_unknown: str
    of_numbers: bool
    kind = "label"
    resolution = None
    atoms = np.empty(0)
    bounds = (-np.inf, np.inf)
    map = None
    cell_variance = 0.0

    @classmethod
    def learn(cls, cells: Cells, weight: Array, rules: Rules) -> LabelColumn:
        """Learn the labels of a column and the share of each."""
        of_numbers = cells.kind != "label"
        cells = as_labels(cells)
        seen = [
            c for c, gone in zip(cells.values, cells.missing, strict=True) if not gone
        ]
        levels = _sorted(dict.fromkeys(seen), cells.order)
        rows = _positions(cells, levels)
        observed = rows >= 0
        counts = np.bincount(
            rows[observed], weights=weight[observed], minlength=len(levels)
        )
        n_codes = min(rules.max_categories or len(levels), len(levels))
        order = np.arange(len(levels))
        if n_codes < len(levels):
            common = np.sort(np.argsort(-counts, kind="stable")[: n_codes - 1])
            order = np.concatenate([common, np.setdiff1d(order, common)])
        first = np.zeros(len(levels), dtype=np.intp)
        first[rows[observed][::-1]] = np.flatnonzero(observed)[::-1]
        shares, rare = np.ones(1), np.ones(0)
        if len(levels):
            counts = counts[order]
            rare = counts[n_codes - 1 :] / counts[n_codes - 1 :].sum()
            shares = np.append(counts[: n_codes - 1], counts[n_codes - 1 :].sum())
            shares = shares / counts.sum()
        return cls(
            cells.name,
            tuple(levels[i] for i in order),
            shares,
            rare,
            cells.stub.keep(first[order].tolist()),
            rules.handle_unknown,
            of_numbers,
        )

    def encode(self, cells: Cells) -> Array:
        rows = self._rows(cells)
        codes = np.minimum(rows, len(self.shares) - 1).astype(np.float64)
        return np.where(rows < 0, np.nan, codes)[:, None]

    def decode(
        self, typed: Array, rng: np.random.Generator, precision: float
    ) -> tuple[Any, Mask]:
        missing = np.isnan(typed[:, 0])
        last = len(self.shares) - 1
        rows = np.clip(np.rint(np.where(missing, 0, typed[:, 0])), 0, last)
        rows = rows.astype(np.intp)
        if len(self.rare_shares) > 1:
            rare = (rows == last) & ~missing
            rows[rare] += rng.choice(
                len(self.rare_shares), rare.sum(), p=self.rare_shares
            )
        if not self.levels:
            missing = np.ones_like(missing)
        rows[missing] = -1
        return rows, missing

    def build(self, decoded: Any, missing: Mask, stub: Stub | None = None) -> Any:
        return self.stub.take(decoded)

    def limits(self, cells: Cells) -> tuple[Array, Array]:
        nothing = np.full((len(cells.missing), 1), np.nan)
        return nothing, nothing

    def log_density_offset(self, cells: Cells) -> Array:
        rows, last = self._rows(cells), len(self.shares) - 1
        offset = np.zeros(len(rows))
        rare = rows >= last
        if len(self.rare_shares) > 1:
            offset[rare] = np.log(self.rare_shares[rows[rare] - last])
        return offset

    def _rows(self, cells: Cells) -> Any:
        if self.of_numbers:
            cells = as_labels(cells)
        if cells.kind == "label" or cells.missing.all():
            rows = _positions(cells, self.levels)
        elif self.levels:
            _refuse_kind(self, cells)
        else:
            rows = np.full(len(cells.missing), -1)
        unknown = (rows < 0) & ~cells.missing
        if self.handle_unknown == "error" and unknown.any():
            found = [cells.values[i] for i in np.flatnonzero(unknown)[:3]]
            _refuse_unknown(self.name, found)
        return rows


def as_labels(cells: Cells) -> Cells:
    """Numbers as labels; instants and durations in nanoseconds, whatever their unit."""
    if cells.kind == "label":
        return cells
    factor = _NANOSECONDS.get(cells.unit or "", 1)
    labels = [value * factor for value in cells.values.tolist()]
    return Cells(cells.name, labels, cells.missing, cells.stub)


@dataclass(frozen=True, eq=False)
class NumberColumn(Column):
    """Numbers, instants, durations: codes of atoms, normal scores, or both."""

    name: Any
    kind: str
    atoms: np.ndarray
    bounds: tuple[float, float]
    map: QuantileMap | None
    shares: Array | None
    scale: Scale
    unit: str | None
    digits: int
    cell_variance: float
    exact: np.ndarray
    stub: Stub
    handle_unknown: str

    @classmethod
    def learn(
        cls, cells: Cells, weight: Array, rules: Rules, given: Any
    ) -> NumberColumn:
        """Learn atoms, grid and quantile map of a column."""
        observed = ~cells.missing
        values, rows = np.unique(cells.values[observed], return_inverse=True)
        counts = np.bincount(rows, weights=weight[observed])
        total = counts.sum()
        atom = (counts > rules.atom_share * total) & (counts >= _LEAST_WEIGHT)
        if (~atom).sum() < _FEWEST_VALUES:
            atom[:] = True
        low, high = given if given is not None else (None, None)
        bounds = _as_bound(low, cells, -np.inf), _as_bound(high, cells, np.inf)
        _check_bounds(cells.name, values, bounds)
        if low is None and cells.kind != "datetime" and values[0] >= 0:
            bounds = 0.0, bounds[1]
        scale: Scale = Floats()
        quantiles, variance, exact, shares = None, 0.0, values[:0], None
        if not atom.all():
            scale = learn_scale(values, cells.dtype, cells.unit)
            quantiles = _learn_map(values, counts, atom, scale, bounds, rules)
            shares = np.array([counts[~atom].sum(), *counts[atom]]) / total
            if not atom.any():
                shares = None
            variance = _cell_variance(
                quantiles, scale, scale.coordinates(values[~atom]), counts[~atom]
            )
            if not scale.coarse and (~atom).sum() <= _LARGEST_TABLE:
                exact = values[~atom]
        else:
            shares = counts / total
        per_unit = 10.0**cells.digits
        return cls(
            cells.name,
            cells.kind,
            values[atom],
            (bounds[0] / per_unit, bounds[1] / per_unit),
            quantiles,
            shares,
            scale,
            cells.unit,
            cells.digits,
            variance,
            exact,
            cells.stub.keep([]),
            rules.handle_unknown,
        )

    @property
    def levels(self) -> tuple[Any, ...]:  # type: ignore[override]
        if not self.has_codes:
            return ()
        return (*([None] if self.map is not None else []), *self.atoms.tolist())

    @property
    def resolution(self) -> Any:  # type: ignore[override]
        step = self.scale.step
        if step is None or self.map is None or not self.scale.coarse:
            return None
        if self.unit in _NANOSECONDS:
            return np.timedelta64(step, {"d": "D"}.get(self.unit, self.unit))
        return step / 10.0**self.digits

    def encode(self, cells: Cells) -> Array:
        values = self._values(cells)
        codes, continuous = self._codes(values, cells.missing)
        typed = [codes] if self.has_codes else []
        if self.map is not None:
            scores = np.full(len(codes), np.nan)
            scores[continuous] = self.map.transform(
                self.scale.coordinates(values[continuous])
            )
            typed.append(scores)
        return np.column_stack(typed)

    def decode(
        self, typed: Array, rng: np.random.Generator, precision: float
    ) -> tuple[Any, Mask]:
        codes = typed[:, 0] if self.has_codes else np.zeros(len(typed))
        missing = np.isnan(codes)
        first = int(self.map is not None)
        last = len(self.atoms) - 1 + first
        codes = np.clip(np.rint(np.where(missing, 0, codes)), 0, last).astype(np.intp)
        dtype = self.atoms.dtype
        values = np.zeros(len(codes), dtype=dtype)
        atom = codes >= first
        values[atom] = self.atoms[codes[atom] - first]
        if self.map is not None:
            scores = typed[:, -1]
            missing = missing | (~atom & np.isnan(scores))
            continuous = ~atom & ~missing
            values[continuous] = self._invert(scores[continuous], precision)
        return values, missing

    def build(self, decoded: Any, missing: Mask, stub: Stub | None = None) -> Any:
        return (stub or self.stub).build(decoded, missing)

    def limits(self, cells: Cells) -> tuple[Array, Array]:
        n = len(cells.missing)
        low, high = np.full((2, n, self.n_typed), np.nan)
        if self.map is None:
            return low, high
        values = self._values(cells)
        _, continuous = self._codes(values, cells.missing)
        x = self.scale.coordinates(values[continuous])
        if not self.scale.coarse:
            low[continuous, -1] = high[continuous, -1] = self.map.transform(x)
            return low, high
        # Off the grid, a value is as precise as the ones on it.
        below, above = x - 0.5, x + 0.5
        z = self.map.transform(below)
        low[continuous, -1] = np.where(below <= self.map.low, -_FAR, z)
        z = self.map.transform(above)
        high[continuous, -1] = np.where(above >= self.map.high, _FAR, z)
        return low, high

    def log_density_offset(self, cells: Cells) -> Array:
        offset = np.zeros(len(cells.missing))
        if self.map is None or self.scale.coarse:
            return offset
        values = self._values(cells)
        _, continuous = self._codes(values, cells.missing)
        x = self.scale.coordinates(values[continuous])
        offset[continuous] = self.map.log_slope(x)
        return offset

    def _values(self, cells: Cells) -> np.ndarray:
        """Values in the units of `fit`; infinities and other kinds are refused."""
        if cells.kind != self.kind:
            if not cells.missing.all():
                _refuse_kind(self, cells)
            return np.zeros(len(cells.missing), dtype=self.atoms.dtype)
        values = cells.values
        if cells.digits != self.digits:
            return values * 10.0 ** (self.digits - cells.digits)
        if cells.unit == self.unit:
            return values
        if not {cells.unit, self.unit} <= {*_NANOSECONDS}:
            _refuse_kind(self, cells)
        mine, theirs = _NANOSECONDS[self.unit], _NANOSECONDS[cells.unit]  # type: ignore[index]
        return values * (theirs // mine) if theirs > mine else values / (mine // theirs)

    def _codes(self, values: np.ndarray, missing: Mask) -> tuple[Array, Mask]:
        """Codes of atoms, and which cells are in the continuous part."""
        n_atoms, first = len(self.atoms), int(self.map is not None)
        codes = np.zeros(len(values))
        known = np.zeros(len(values), dtype=bool)
        if n_atoms:
            nearest = np.minimum(np.searchsorted(self.atoms, values), n_atoms - 1)
            known = (self.atoms[nearest] == values) & ~missing
            codes[known] = nearest[known] + first
        if first:
            codes[missing] = np.nan
            return codes, ~known & ~missing
        codes[~known] = np.nan
        unknown = ~known & ~missing
        if self.handle_unknown == "error" and unknown.any():
            _refuse_unknown(self.name, values[unknown][:3].tolist())
        return codes, np.zeros_like(known)

    def _invert(self, scores: Array, precision: float) -> np.ndarray:
        """Values of scores, on the grid, or a value of `fit` that has the same score.

        Without a grid the inverse of the map is right to rounding only, and integers
        beyond 2**53 are no floats. The scores of the values seen in `fit` are known to
        the last bit, so a score that is one of them is that value again. A draw hits
        one by chance as rarely as floats coincide.
        """
        assert self.map is not None
        values = self.scale.values(self.map.inverse(scores)).astype(self.atoms.dtype)
        if not len(self.exact):
            return values
        known = self._exact_scores
        right = np.clip(np.searchsorted(known, scores), 1, len(known) - 1)
        left_nearer = scores - known[right - 1] <= known[right] - scores
        nearest = np.where(left_nearer, right - 1, right)
        same = np.abs(known[nearest] - scores) <= precision * np.abs(scores)
        values[same] = self.exact[nearest[same]]
        return values

    @cached_property
    def _exact_scores(self) -> Array:
        assert self.map is not None
        return self.map.transform(self.scale.coordinates(self.exact))


def _learn_map(
    values: np.ndarray,
    counts: Array,
    atom: Mask,
    scale: Scale,
    bounds: tuple[float, float],
    rules: Rules,
) -> QuantileMap:
    total = float(counts[~atom].sum())
    n_knots = rules.n_quantiles or int(np.clip(total / 30, 10, 1000))
    x = scale.coordinates(values)
    low, high = (
        scale.coordinates(np.array([bound], dtype=np.float64))[0] for bound in bounds
    )
    if not scale.coarse:
        return through_quantiles(x[~atom], counts[~atom], n_knots, low, high)
    # Bounds are at edges of cells.
    low, high = np.ceil(low) - 0.5, np.floor(high) + 0.5
    return through_cells(x[~atom], counts[~atom], n_knots, low, high, x[atom])


def _cell_variance(
    quantiles: QuantileMap, scale: Scale, x: Array, counts: Array
) -> float:
    """Mean variance of scores within the cells of a grid, by Gauss's quadrature."""
    if not scale.coarse:
        return 0.0
    nodes, weights = np.polynomial.legendre.leggauss(5)
    scores = quantiles.transform((x[:, None] + nodes / 2).ravel()).reshape(-1, 5)
    mean = scores @ weights / 2
    variance = (scores - mean[:, None]) ** 2 @ weights / 2
    return float(np.average(variance, weights=counts))


def _positions(cells: Cells, levels: Sequence[Any]) -> Any:
    """Position of each label among the levels; -1 where missing or unknown."""
    index = {level: i for i, level in enumerate(levels)}
    rows = np.array([index.get(label, -1) for label in cells.values], dtype=np.intp)
    rows[cells.missing] = -1
    return rows


def _sorted(labels: Any, order: tuple[Any, ...] | None) -> list[Any]:
    """Labels in the order of the dtype, else sorted, whatever the order of rows."""
    if order is not None:
        return [label for label in order if label in labels]
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=lambda label: (type(label).__name__, repr(label)))


def _as_bound(bound: Any, cells: Cells, default: float) -> float:
    """A bound given in the column's own terms, in the units of its cells."""
    if bound is None:
        return default
    if cells.unit is not None:
        unit = {"d": "D"}.get(cells.unit, cells.unit)
        make = np.datetime64 if cells.kind == "datetime" else np.timedelta64
        return float(make(bound, unit).astype(np.int64))
    return float(bound) * 10.0**cells.digits


def _check_bounds(name: Any, values: np.ndarray, bounds: tuple[float, float]) -> None:
    low, high = bounds
    if not low < high:
        raise ValueError(f"bounds of column {name!r} must increase, got {bounds}.")
    if values[0] < low or values[-1] > high:
        raise ValueError(
            f"bounds of column {name!r} are {low} and {high}, but its values reach from "
            f"{values[0]} to {values[-1]}. Widen them, or set values beyond to missing."
        )


def _refuse_unknown(name: Any, found: list[Any]) -> None:
    shown = ", ".join(map(repr, found))
    raise ValueError(
        f"Column {name!r} has values that fit did not see: {shown}. Drop these rows, or "
        "set handle_unknown='missing' to treat them as missing."
    )


def _refuse_kind(column: Column, cells: Cells) -> None:
    raise ValueError(
        f"Column {column.name!r} was of kind {column.kind!r} in fit and is of kind "
        f"{cells.kind!r} now: convert it to the dtype it had."
    )
