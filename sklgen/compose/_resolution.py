"""The grid a column lies on: whole numbers, decimals, units of time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen._typing import Array

# A grid is coarse, so that the probability of a cell has a meaning in floats, if the
# column spans fewer cells than this.
_MOST_CELLS = 2.0**30
# The step of decimals is at least this many spacings of the largest float.
_SPACINGS = 100
# Values nearer to 0 than this part of the largest one, as their differences are, would
# leave the slopes of a map in their own units beyond the range of floats; beyond this
# share of them, magnitudes count instead.
_NEAREST = 2.0**-400
_MOST_NEAR = 0.1
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS = (86400, 3600, 60, 1)


class Scale(ABC):
    """How exact values and float64 coordinates, one per step of the grid, turn around.

    Attributes
    ----------
    coarse : bool
        Whether values count as intervals, a step wide.
    step : int, float or None
        Width of a cell in units of the values; None where there is no grid.
    """

    coarse: bool
    step: Any

    @abstractmethod
    def coordinates(self, values: np.ndarray) -> Array:
        """Coordinates of values; whole on the grid, finite for any number."""

    @abstractmethod
    def values(self, coordinates: Array) -> np.ndarray:
        """Values of coordinates, rounded to the grid, within the dtype."""

    def log_slope(self, values: np.ndarray) -> Array:
        """Log of the derivative of coordinates without a grid, at values."""
        return np.zeros(len(values))


@dataclass(frozen=True)
class Integers(Scale):
    """Integers of 64 bits: `origin` plus multiples of `step`.

    Differences from the origin are taken in integers: identifiers and instants beyond
    2**53 keep all their digits until they are small.
    """

    origin: int
    step: int
    lowest: int
    highest: int
    dtype: Any
    coarse: bool = True

    def coordinates(self, values: np.ndarray) -> Array:
        """Coordinates of integers, or of floats that stand for some."""
        if values.dtype.kind == "f":
            return (values - float(self.origin)) / self.step
        values = values.astype(self.dtype)
        origin = np.array(self.origin, dtype=self.dtype)
        up = values.view(np.uint64) - origin.view(np.uint64)
        down = origin.view(np.uint64) - values.view(np.uint64)
        difference = np.where(values >= origin, up.astype(float), -down.astype(float))
        return difference / self.step

    def values(self, coordinates: Array) -> np.ndarray:
        """Round to the grid and clip; unsigned arithmetic wraps to the right result."""
        lowest = max(-((self.origin - self.lowest) // self.step), -(2**63))
        highest = min((self.highest - self.origin) // self.step, 2**63 - 1)
        inside = np.clip(np.rint(coordinates), -(2.0**63), 2.0**63 - 1024)
        offset = np.clip(inside.astype(np.int64), lowest, highest).view(np.uint64)
        origin = np.array(self.origin, dtype=self.dtype).view(np.uint64)
        return (origin + offset * np.uint64(self.step)).view(self.dtype)


@dataclass(frozen=True)
class Decimals(Scale):
    """Floats that are multiples of a power of ten: `digits` after the point."""

    digits: int
    dtype: Any
    coarse: bool = True

    @property
    def step(self) -> float:
        return float(f"1e{-self.digits}")

    def coordinates(self, values: np.ndarray) -> Array:
        """Multiples of the step; exactly whole where the value is the nearest float."""
        values = values.astype(np.float64)
        power = 10.0 ** abs(self.digits)
        scaled = values * power if self.digits > 0 else values / power
        whole = np.rint(scaled)
        with np.errstate(over="ignore"):
            nearest = self.values(whole).astype(self.dtype)
            on_grid = nearest == values.astype(self.dtype)
        return np.where(on_grid, whole, scaled)

    def values(self, coordinates: Array) -> np.ndarray:
        """Floats as their decimals are printed: one division rounds correctly."""
        whole, power = np.rint(coordinates) + 0.0, 10.0 ** abs(self.digits)
        return whole / power if self.digits > 0 else whole * power


@dataclass(frozen=True)
class Floats(Scale):
    """Floats without a grid."""

    coarse: bool = False
    step: None = None

    def coordinates(self, values: np.ndarray) -> Array:
        """The values."""
        return values.astype(np.float64)

    def values(self, coordinates: Array) -> np.ndarray:
        """The coordinates."""
        return coordinates


@dataclass(frozen=True)
class Magnitudes(Scale):
    """Floats over hundreds of orders of magnitude: log(1 + |x| / unit), with sign."""

    log_unit: float
    coarse: bool = False
    step: None = None

    def coordinates(self, values: np.ndarray) -> Array:
        """Signed logarithms, linear below the unit."""
        values = values.astype(np.float64)
        size = np.logaddexp(0.0, self._ratio(values))
        return np.asarray(np.copysign(size, values))

    def values(self, coordinates: Array) -> np.ndarray:
        """Values of coordinates; the largest float in place of larger ones."""
        size = np.abs(coordinates)
        with np.errstate(divide="ignore"):
            # log(exp(size) - 1) without the overflow
            log_value = self.log_unit + size + np.log(-np.expm1(-size))
        largest = np.finfo(np.float64).max
        inside = np.exp(np.minimum(log_value, np.log(largest)))
        return np.asarray(np.copysign(np.minimum(inside, largest), coordinates))

    def log_slope(self, values: np.ndarray) -> Array:
        """Log of 1 / (unit + |x|)."""
        ratio = self._ratio(values.astype(np.float64))
        return np.asarray(-self.log_unit - np.logaddexp(0.0, ratio))

    def _ratio(self, values: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.abs(values)) - self.log_unit)


def learn_scale(values: np.ndarray, dtype: Any, unit: str | None) -> Scale:
    """Find the coarsest grid that holds all values.

    Parameters
    ----------
    values : ndarray of int64, uint64 or float64
        Distinct values, sorted.
    dtype : dtype
        numpy's dtype of the column: what it can hold, how precise it is.
    unit : str or None
        Unit of the values of a column of instants or durations.

    Returns
    -------
    scale : Scale
        The scale.
    """
    if values.dtype.kind == "f":
        return _float_scale(values, np.dtype(dtype))
    info = np.iinfo(dtype if np.dtype(dtype).kind in "iu" else np.int64)
    # Half-way, so that differences fit; on the grid, as each value is.
    origin = int(values[len(values) // 2])
    offsets = values.view(np.uint64) - values[:1].view(np.uint64)
    step = _time_step(offsets, unit) if unit else _power_of_ten(values)
    coarse = float(offsets[-1]) / step < _MOST_CELLS
    return Integers(
        origin, step if coarse else 1, info.min, info.max, values.dtype, coarse
    )


def _time_step(offsets: Any, unit: str) -> int:
    """Ticks in the coarsest of days, hours, ..., the unit, in which values differ."""
    if unit not in _TICKS:
        return 1
    steps = [seconds * _TICKS[unit] for seconds in _SECONDS]
    steps += [_TICKS[unit] // ticks for ticks in _TICKS.values() if ticks > 1]
    return next(s for s in [*steps, 1] if s >= 1 and not (offsets % np.uint64(s)).any())


def _power_of_ten(values: np.ndarray) -> int:
    """The largest power of ten that divides all integers."""
    step = 1
    while step < 10**17 and not (values % (10 * step)).any():
        step *= 10
    return step


def _float_scale(values: Array, dtype: np.dtype[Any]) -> Scale:
    largest = float(np.abs(values).max())
    spacing = float(np.finfo(dtype).eps) * largest if dtype.kind == "f" else 0.0
    own = values.astype(dtype) if dtype.kind == "f" else values
    for digits in range(18):
        scale = Decimals(digits, own.dtype)
        if scale.step < _SPACINGS * spacing:
            break
        # Most columns without grid are out after a few values.
        for part in (slice(20), slice(None)):
            whole = np.rint(values[part] * 10.0**digits)
            if not (scale.values(whole).astype(own.dtype) == own[part]).all():
                break
        else:
            return _coarsened(values, scale)
    size = np.abs(values)
    if (size < _NEAREST * largest).mean() > _MOST_NEAR:
        return Magnitudes(float(np.log(size[size > 0].min())))
    return Floats()


def _coarsened(values: Array, scale: Decimals) -> Scale:
    """Decimals by their widest step, unless they span too many cells."""
    if scale.digits == 0 and float(np.abs(values).max()) < 2.0**53:
        digits = -round(np.log10(_power_of_ten(values.astype(np.int64))))
        scale = Decimals(int(digits), scale.dtype)
    cells = (float(values[-1]) - float(values[0])) / scale.step
    return scale if cells < _MOST_CELLS else Floats()
