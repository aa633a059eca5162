"""A smooth monotone map from a column to standard normal scores, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtri

from sklgen._typing import Array
from sklgen.compose._atoms import find_heaps

# Below this share of the room between the last knot and a bound, the approach to the
# bound goes on linearly: values beyond a bound keep a finite score.
_NEAREST = 1e-6
# Weight of the rows beyond the outermost cells of a grid: half a row, or this share of
# the weight of the outermost value if that is less.
_BEYOND = 0.1
# Weight that the outermost knots are apart, at least.
_FEWEST_ROWS = 5
# Knots are further apart than this part of the largest one.
_CLOSEST = 2.0**-400
# Share of the weight of a cell at a bound that is beyond its knot: about that for which
# the score of the cell's centre is the mean score of the cell.
_AT_BOUND = 0.125
# Values on a grid that no row has, between two that are knots, get this share of the
# rarer one's weight, which keeps the map strictly increasing.
_BETWEEN = 1e-3


@dataclass(frozen=True, eq=False)
class QuantileMap:
    """A rational-quadratic spline z(x) through quantiles, with tails of its end slopes.

    Between knots the spline of Gregory and Delbourgo (1982) is strictly increasing, has
    a continuous derivative and an inverse in closed form. Beyond the knots z is linear
    in x, or goes to a bound exponentially.

    Parameters
    ----------
    x, z : ndarray of shape (n_knots,)
        Knots, strictly increasing; at least two.
    low, high : float
        Bounds of x, infinite where there is none.

    """

    x: Array
    z: Array
    low: float = -np.inf
    high: float = np.inf
    # x is scaled by this power of two, which is exact, so that nothing overflows.
    _exponent: int = field(init=False)
    _knots: Array = field(init=False)
    _slopes: Array = field(init=False)

    def __post_init__(self) -> None:
        largest = np.abs(self.x).max()
        exponent = int(np.frexp(largest)[1])
        knots = np.ldexp(self.x, -exponent)
        width = np.diff(knots)
        object.__setattr__(self, "_exponent", exponent)
        object.__setattr__(self, "_knots", knots)
        object.__setattr__(self, "_slopes", _slopes(width, np.diff(self.z) / width))

    def transform(self, x: Any) -> Array:
        """Normal scores of values; strictly increasing, finite for finite values."""
        return self._evaluate(x)[0]

    def log_slope(self, x: Any) -> Array:
        """Log of dz/dx."""
        return np.asarray(self._evaluate(x)[1] - self._exponent * np.log(2.0))

    def inverse(self, z: Any) -> Array:
        """Values of normal scores; never beyond the bounds."""
        z = np.asarray(z, dtype=np.float64)
        knots, slope = self._knots, self._slopes
        j = np.clip(np.searchsorted(self.z, z, side="right") - 1, 0, len(knots) - 2)
        rise, width = self.z[j + 1] - self.z[j], knots[j + 1] - knots[j]
        y = np.clip(z - self.z[j], 0, rise)
        secant, start = rise / width, slope[j]
        bend = start + slope[j + 1] - 2 * secant
        a, b, c = (
            rise * (secant - start) + y * bend,
            rise * start - y * bend,
            -secant * y,
        )
        root = np.sqrt(np.maximum(b * b - 4 * a * c, 0))
        t = np.clip(2 * c / np.where(y > 0, -b - root, -1), 0, 1)
        # From the nearer end, so that the last knot comes back exactly.
        x = np.where(t < 0.5, knots[j] + t * width, knots[j + 1] - (1 - t) * width)
        low, high = np.ldexp([self.low, self.high], -self._exponent)
        below, above = z < self.z[0], z > self.z[-1]
        x[below] = knots[0] - _step_back(self.z[0] - z[below], slope[0], knots[0] - low)
        x[above] = knots[-1] + _step_back(
            z[above] - self.z[-1], slope[-1], high - knots[-1]
        )
        return np.asarray(np.clip(np.ldexp(x, self._exponent), self.low, self.high))

    def _evaluate(self, x: Any) -> tuple[Array, Array]:
        """z, and the log of dz/dx for x in units of two to the exponent."""
        x = np.ldexp(np.asarray(x, dtype=np.float64), -self._exponent)
        knots, slope = self._knots, self._slopes
        j = np.clip(np.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
        rise, width = self.z[j + 1] - self.z[j], knots[j + 1] - knots[j]
        t = np.clip((x - knots[j]) / width, 0, 1)
        secant, start, end = rise / width, slope[j], slope[j + 1]
        u = 1 - t
        below = secant + (start + end - 2 * secant) * t * u
        part = (secant * t * t + start * t * u) / below
        z = np.where(
            part < 0.5,
            self.z[j] + rise * part,
            self.z[j + 1] - rise * ((secant * u * u + end * t * u) / below),
        )
        steep = end * t * t + 2 * secant * t * u + start * u * u
        log_slope = 2 * np.log(secant / below) + np.log(steep)
        low, high = np.ldexp([self.low, self.high], -self._exponent)
        for out, sign, i, room in (
            (x < knots[0], -1, 0, knots[0] - low),
            (x > knots[-1], 1, -1, high - knots[-1]),
        ):
            beyond, factor = _step(sign * (x[out] - knots[i]), slope[i], room)
            z[out] = self.z[i] + sign * beyond
            log_slope[out] = np.log(slope[i]) + factor
        return z, log_slope


def _slopes(width: Array, secant: Array) -> Array:
    """Derivatives at the knots: harmonic means of the secants, as in pchip.

    They are at most three times the smaller secant, so that a steep interval leaves its
    flat neighbours as they are. The ends, which the tails go on with, take the secant
    of one interval or of two, whichever is flatter: the outermost values may be close
    by chance, and a steep tail would rule out all that is beyond.
    """
    if len(width) == 1:
        return np.repeat(secant, 2)
    left, right = width[:-1], width[1:]
    share = (left + 2 * right) / (3 * (left + right))
    inner = 1 / (share / secant[:-1] + (1 - share) / secant[1:])
    both = (secant[:-1] * left + secant[1:] * right) / (left + right)
    first, last = min(secant[0], both[0]), min(secant[-1], both[-1])
    return np.concatenate([[first], inner, [last]])


def _step(distance: Array, slope: float, room: float) -> tuple[Array, Array]:
    """Rise of z over a distance beyond the last knot, and log of its slope's growth."""
    if room <= 0 or np.isinf(room):
        return slope * distance, np.zeros_like(distance)
    left = 1 - distance / room
    near = left < _NEAREST
    inside = np.where(near, 0, distance)
    log_left = np.log1p(-inside / room)
    linear = 1 - np.log(_NEAREST) - left / _NEAREST
    rise = slope * room * np.where(near, linear, -log_left)
    return rise, np.where(near, -np.log(_NEAREST), -log_left)


def _step_back(rise: Array, slope: float, room: float) -> Array:
    """Distance beyond the last knot over which z rises that much."""
    if room <= 0 or np.isinf(room):
        return rise / slope
    scaled = rise / (slope * room)
    left = np.exp(-scaled)
    linear = _NEAREST * (1 - np.log(_NEAREST) - scaled)
    return room * np.where(left < _NEAREST, 1 - linear, -np.expm1(-scaled))


def through_quantiles(
    x: Array, weight: Array, n_knots: int, low: float, high: float
) -> QuantileMap:
    """The map through weighted quantiles of a column without grid.

    Parameters
    ----------
    x : ndarray of shape (n_values,)
        Distinct values, sorted; at least two.
    weight : ndarray of shape (n_values,)
        Weight of each.
    n_knots : int
        About how many knots to take; the tails take a few more.
    low, high : float
        Bounds.

    Returns
    -------
    map : QuantileMap
        Each knot is a value, at its share of weight below it with half its own.
    """
    below = np.cumsum(weight) - weight / 2
    above = np.cumsum(weight[::-1])[::-1] - weight / 2
    total = weight.sum()
    chosen = _nearest(below / total, _levels(n_knots, total))
    chosen = np.union1d(chosen, [0, len(x) - 1])
    # Knots that are too close for slopes in floats count as one.
    least = _CLOSEST * max(abs(x[0]), abs(x[-1]))
    apart = np.append(True, np.diff(x[chosen]) > least)
    apart[-1] |= not apart[1:].any()
    chosen = chosen[apart]
    return QuantileMap(x[chosen], _scores(below, above, total)[chosen], low, high)


def through_cells(
    x: Array, weight: Array, n_knots: int, low: float, high: float, atoms: Array
) -> QuantileMap:
    """The map through cell edges of a column of whole numbers.

    Each value counts as spread over its cell, which reaches half a unit to both sides,
    or up to the cells of its neighbours where it has too little weight for two knots
    and does not stand out from them.

    Parameters
    ----------
    x : ndarray of shape (n_values,)
        Distinct values, sorted; at least two.
    weight : ndarray of shape (n_values,)
        Weight of each.
    n_knots : int
        About how many knots to take.
    low, high : float
        Bounds, at edges of cells.
    atoms : ndarray
        Whole numbers that are not among the values and get no weight.

    Returns
    -------
    map : QuantileMap
        Its knots are edges of cells.
    """
    total = weight.sum()
    heavy = weight >= (total / n_knots if len(x) > n_knots else 0)
    heavy |= find_heaps(x, weight, atoms)
    left, right = _gaps(x, heavy, atoms)
    # Gaps that are knots: all that touch a heavy cell or hold an atom, and quantiles.
    is_knot = heavy[:-1] | heavy[1:] | (left < right)
    is_knot[_nearest(np.cumsum(weight[:-1]) / total, _levels(n_knots, total))] = True
    chosen = np.flatnonzero(is_knot)
    split = (left < right)[chosen]
    inside = np.add.reduceat(weight, np.concatenate([[0], chosen + 1]))
    between = np.minimum(weight[:-1], weight[1:])[chosen] * _BETWEEN
    # Weight from each knot to the next; a gap with two edges has some of its own.
    masses = np.insert(inside, np.flatnonzero(split) + 1, between[split])
    edges = np.concatenate([left[chosen], right[chosen][split]])
    edges = np.concatenate([[x[0] - 0.5], np.sort(edges), [x[-1] + 0.5]])
    ends = np.minimum(0.5, _BEYOND * weight[[0, -1]])
    for i, bound in ((0, low), (-1, high)):
        if edges[i] == bound:
            # No value is beyond: part of the outermost cell's own weight is.
            ends[i] = _AT_BOUND * weight[i]
            masses[i] -= ends[i]
    masses = np.concatenate([ends[:1], masses, ends[1:]])
    below, above = np.cumsum(masses)[:-1], np.cumsum(masses[::-1])[::-1][1:]
    return QuantileMap(edges, _scores(below, above, masses.sum()), low, high)


def _gaps(x: Array, heavy: Any, atoms: Array) -> tuple[Array, Array]:
    """Where the cell of each value ends and the cell of the next begins."""
    middle = (x[:-1] + x[1:]) / 2
    left = np.where(heavy[:-1], x[:-1] + 0.5, middle)
    right = np.where(heavy[1:], x[1:] - 0.5, middle)
    left = np.where(heavy[1:] & ~heavy[:-1], right, left)
    right = np.where(heavy[:-1] & ~heavy[1:], left, right)
    gap = np.searchsorted(x, atoms) - 1
    inner = (gap >= 0) & (gap < len(x) - 1)
    np.minimum.at(left, gap[inner], atoms[inner] - 0.5)
    np.maximum.at(right, gap[inner], atoms[inner] + 0.5)
    return left, right


def _levels(n_knots: int, total: float) -> Array:
    """Probabilities at which to take quantiles: even, and halved towards the ends."""
    even = np.arange(1, n_knots) / n_knots
    n_halvings = int(np.log2(max(total / (_FEWEST_ROWS * n_knots), 1)))
    tail = 0.5 ** np.arange(1, n_halvings + 1) / n_knots
    return np.concatenate([tail[::-1], even, 1 - tail])


def _nearest(points: Array, levels: Array) -> Any:
    """Distinct indices of the sorted points that are nearest to the levels."""
    right = np.clip(np.searchsorted(points, levels), 1, max(len(points) - 1, 1))
    right = np.minimum(right, len(points) - 1)
    left = np.maximum(right - 1, 0)
    return np.unique(
        np.where(levels - points[left] < points[right] - levels, left, right)
    )


def _scores(below: Array, above: Array, total: float) -> Array:
    """Normal scores of weights below and above, each accurate in its own tail."""
    low, high = ndtri(below / total), -ndtri(above / total)
    return np.asarray(np.where(below < above, low, high))
