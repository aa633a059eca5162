"""Columns of numbers, instants and durations: atoms, and normal scores of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen._typing import Array
from sklgen.compose._atoms import find_atoms
from sklgen.compose._cells import Cells, Mask, Stub
from sklgen.compose._columns import (
    NANOSECONDS,
    Column,
    Rules,
    refuse_kind,
    refuse_unknown,
)
from sklgen.compose._quantile_map import (
    QuantileMap,
    through_cells,
    through_quantiles,
)
from sklgen.compose._resolution import Floats, Scale, learn_scale

# Columns without grid with more distinct values come back to rounding only.
_LARGEST_TABLE = 2**20
# A cell that touches a bound has all the weight beyond it: its score's limit.
_FAR = 40.0
# numpy's types spell out every unit.
_DATETIME: Any = np.datetime64
_TIMEDELTA: Any = np.timedelta64


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
    weight: float
    stub: Stub
    handle_unknown: str

    @classmethod
    def learn(
        cls, cells: Cells, weight: Array, rules: Rules, given: Any
    ) -> NumberColumn:
        """Learn atoms, grid and quantile map of a column."""
        observed = ~cells.missing
        values, rows = np.unique(cells.values[observed], return_inverse=True)
        counts = np.asarray(np.bincount(rows, weights=weight[observed]), np.float64)
        atom = find_atoms(values, counts, rules.atom_share)
        rest = values[~atom]
        bounds = _learn_bounds(cells, values, rest, given)
        scale: Scale = Floats()
        quantiles, variance = None, 0.0
        shares: Array | None = counts / counts.sum()
        if len(rest):
            scale = learn_scale(rest, cells.dtype, cells.unit)
            quantiles = _learn_map(values, counts, atom, scale, bounds, rules)
            x = scale.coordinates(rest)
            variance = _cell_variance(quantiles, scale, x, counts[~atom])
            shares = np.append(counts[~atom].sum(), counts[atom]) / counts.sum()
        keep_exact = not scale.coarse and len(rest) <= _LARGEST_TABLE
        per_unit = 10.0**cells.digits
        return cls(
            name=cells.name,
            kind=cells.kind,
            atoms=values[atom],
            bounds=(bounds[0] / per_unit, bounds[1] / per_unit),
            map=quantiles,
            shares=shares if atom.any() else None,
            scale=scale,
            unit=cells.unit,
            digits=cells.digits,
            cell_variance=variance,
            exact=rest if keep_exact else rest[:0],
            weight=float(counts.sum()),
            stub=cells.stub.keep([]),
            handle_unknown=rules.handle_unknown,
        )

    @property
    def kinds(self) -> tuple[str, ...]:  # type: ignore[override]
        codes = ("category",) if self.shares is not None else ()
        return (*codes, "normal") if self.map is not None else codes

    @property
    def levels(self) -> tuple[Any, ...]:  # type: ignore[override]
        if not self.has_codes:
            return ()
        return (*([None] if self.map is not None else []), *self.atoms.tolist())

    @property
    def resolution(self) -> Any:
        step = self.scale.step
        if step is None or self.map is None or not self.scale.coarse:
            return None
        if self.unit is not None:
            return _TIMEDELTA(step, _numpy_unit(self.unit))
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

    def of_numbers(self, numbers: Array) -> Array:
        """Typed cells of numbers such as means; the nearest atom where all are."""
        if self.map is None:
            distances = np.abs(numbers[:, None] - self.atoms.astype(np.float64))
            return np.asarray(distances.argmin(axis=1)[:, None], dtype=np.float64)
        scores = self.map.transform(numbers)
        cells = [np.zeros(len(scores)), scores]
        return np.column_stack(cells[-self.n_typed :])

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
        if self.map is None:
            unknown = np.isnan(self.encode(cells)[:, 0]) & ~cells.missing
            offset[unknown] = -np.log1p(self.weight)
        if self.map is None or self.scale.coarse:
            return offset
        values = self._values(cells)
        _, continuous = self._codes(values, cells.missing)
        x = self.scale.coordinates(values[continuous])
        slope = self.scale.log_slope(values[continuous])
        # Values count the last digits of decimals.
        slope = slope + self.digits * np.log(10.0)
        offset[continuous] = self.map.log_slope(x) + slope
        return offset

    def _values(self, cells: Cells) -> np.ndarray:
        """Values in the units of `fit`; infinities and other kinds are refused."""
        if cells.kind != self.kind:
            if not cells.missing.all():
                refuse_kind(self, cells)
            return np.zeros(len(cells.missing), dtype=self.atoms.dtype)
        values: np.ndarray = cells.values
        if cells.digits != self.digits:
            return np.asarray(values * 10.0 ** (self.digits - cells.digits))
        if cells.unit == self.unit:
            return values
        mine = NANOSECONDS.get(self.unit or "")
        theirs = NANOSECONDS.get(cells.unit or "")
        if mine is None or theirs is None:
            refuse_kind(self, cells)
        if theirs > mine:
            return np.asarray(values * (theirs // mine))
        return np.asarray(values / (mine // theirs))

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
            refuse_unknown(self.name, values[unknown][:3].tolist())
        return codes, np.zeros_like(known)

    def _invert(self, scores: Array, precision: float) -> np.ndarray:
        """Values of scores, on the grid, or a value of `fit` that has the same score.

        Without a grid the inverse of the map is right to rounding only, and integers
        beyond 2**53 are no floats. The scores of the values seen in `fit` are known to
        the last bit, so a score that is one of them is that value again. A draw hits
        one by chance as rarely as floats coincide.
        """
        assert self.map is not None
        x = self.map.inverse(scores)
        if self.scale.coarse:
            # A bound is an edge of two cells, of which the inner one is meant.
            x = np.clip(np.rint(x), self.map.low + 0.5, self.map.high - 0.5)
        values = self.scale.values(x).astype(self.atoms.dtype)
        if values.dtype.kind == "f":
            largest = np.finfo(values.dtype).max
            values = np.clip(values, -largest, largest)
        if not len(self.exact):
            return values
        known = self._exact_scores
        right = np.clip(np.searchsorted(known, scores), 1, len(known) - 1)
        left_nearer = scores - known[right - 1] <= known[right] - scores
        nearest = np.where(left_nearer, right - 1, right)
        same = np.abs(known[nearest] - scores) <= precision * np.abs(scores)
        values[same] = self.exact[nearest[same]]
        return values

    @property
    def _exact_scores(self) -> Array:
        assert self.map is not None
        return self.map.transform(self.scale.coordinates(self.exact))


def _learn_map(
    values: np.ndarray,
    counts: Any,
    atom: Mask,
    scale: Scale,
    bounds: tuple[float, float],
    rules: Rules,
) -> QuantileMap:
    total = float(counts[~atom].sum())
    n_knots = rules.n_quantiles or int(np.clip(total / 50, 10, 1000))
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


def _learn_bounds(
    cells: Cells, values: np.ndarray, rest: np.ndarray, given: Any
) -> tuple[float, float]:
    """Bounds in the units of the cells: those given, and 0 below what is positive."""
    low, high = given if given is not None else (None, None)
    bounds = _as_bound(low, cells, -np.inf), _as_bound(high, cells, np.inf)
    _check_bounds(cells.name, values, bounds)
    if low is None and cells.kind != "datetime" and len(rest) and rest[0] >= 0:
        return 0.0, bounds[1]
    return bounds


def _as_bound(bound: Any, cells: Cells, default: float) -> float:
    """A bound given in the column's own terms, in the units of its cells."""
    if bound is None:
        return default
    if cells.unit is not None:
        make = _DATETIME if cells.kind == "datetime" else _TIMEDELTA
        return float(make(bound, _numpy_unit(cells.unit)).astype(np.int64))
    return float(bound) * 10.0**cells.digits


def _numpy_unit(unit: str) -> str:
    """Code of a unit in numpy; "other" stands for ticks without one."""
    return {"d": "D", "other": "generic"}.get(unit, unit)


def _check_bounds(name: Any, values: np.ndarray, bounds: tuple[float, float]) -> None:
    low, high = bounds
    if not low < high:
        raise ValueError(f"bounds of column {name!r} must increase, got {bounds}.")
    if values[0] < low or values[-1] > high:
        raise ValueError(
            f"bounds of column {name!r} are {low} and {high}, but its values reach "
            f"from {values[0]} to {values[-1]}. Widen them, or set values beyond to "
            "missing."
        )
