"""Gaussian components seen through a grid: cells are intervals or points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import Allocate, Components, DensityView
from sklgen.families._gaussian import LOG_2_PI, Gaussian

_SQRT_2 = math.sqrt(2.0)
# Standard scores beyond this have no normal mass that a double can hold.
_FAR = 37.0
# Intervals narrower than this, in units of 1 / (1 + distance), have a short series.
_NARROW = 0.1


@dataclass(frozen=True)
class GridGaussian(Components):
    """Gaussian components on cells that are intervals, to read densities from.

    Each of the q columns of the Gaussian takes three columns here: values, then lower
    ends, then upper ends of the intervals they stand for. A cell whose ends are equal
    counts by its density, any other one by the mass of its interval. With independent
    columns this is exact. Otherwise columns count one after the other, each by its mass
    given the values of those before it: the masses of all intervals sum to one, and
    agree with those of the joint law to second order in the width of the intervals.

    Parameters
    ----------
    gaussian : Gaussian
        Components over the q columns.

    Notes
    -----
    A block of n rows takes O(n K q^2) operations, and O(K q^3) more for each pattern
    of missing cells in it.
    """

    gaussian: Gaussian

    @property
    def shape(self) -> tuple[int, int]:
        n, q = self.gaussian.shape
        return n, 3 * q

    @property
    def n_features(self) -> int:
        return self.shape[1]

    @property
    def patterned(self) -> NDArray[np.intp]:
        return np.arange(self.gaussian.shape[1])

    @cached_property
    def _view(self) -> DensityView:
        return GridView(self.gaussian)

    def view(self, *, complete: bool) -> DensityView:
        return self._view

    def _padded(self, values: Array) -> Array:
        ends = np.full((len(values), 2 * values.shape[1]), np.nan)
        return np.hstack([values, ends])

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        values = X[:, : self.gaussian.shape[1]]
        return self._padded(self.gaussian.conditional_mean(values, weights))

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        values = X[:, : self.gaussian.shape[1]]
        return self._padded(self.gaussian.conditional_draw(values, labels, rng))


class GridView(DensityView):
    """Densities and interval masses of blocks of rows."""

    def __init__(self, gaussian: Gaussian) -> None:
        self._means = gaussian.means
        stored, (n, q) = gaussian.covariances, gaussian.shape
        if stored.ndim == 2:
            self._covariances = np.zeros((n, q, q))
            self._covariances[:, np.eye(q, dtype=bool)] = gaussian.variances()
        else:
            self._covariances = np.ascontiguousarray(np.broadcast_to(stored, (n, q, q)))

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> None:
        values = np.ascontiguousarray(X, dtype=np.float64)
        sequential_masses(values, self._means, self._covariances, out)


@njit(nogil=True, cache=True)
def sequential_masses(X: Array, means: Array, covariances: Array, out: Array) -> None:
    """Log of density or mass of the cells of X (n, 3 q), column after column."""
    n, q = len(X), means.shape[1]
    lower, error = np.zeros((q, q)), np.empty(q)
    inverse, log_inverse = np.empty(q), np.empty(q)
    seen, new = np.zeros(q, dtype=np.bool_), np.zeros(q, dtype=np.bool_)
    # What is the same for all components: logs of widths, zero for points.
    log_width = np.zeros((n, q))
    for i in range(n):
        for j in range(q):
            if X[i, q + j] < X[i, 2 * q + j]:
                log_width[i, j] = math.log(X[i, 2 * q + j] - X[i, q + j])
    for k in range(len(means)):
        mean = means[k]
        for i in range(n):
            changed = i == 0
            for j in range(q):
                new[j] = not np.isnan(X[i, j])
                changed |= new[j] != seen[j]
            if changed:
                seen[:] = new
                _factorize(covariances[k], seen, lower)
                for j in range(q):
                    if seen[j]:
                        inverse[j] = 1.0 / lower[j, j]
                        log_inverse[j] = -math.log(lower[j, j]) - 0.5 * LOG_2_PI
            total = 0.0
            for j in range(q):
                if not seen[j]:
                    continue
                middle = mean[j]
                for l in range(j):
                    if seen[l]:
                        middle += lower[j, l] * error[l]
                error[j] = (X[i, j] - middle) * inverse[j]
                low = (X[i, q + j] - middle) * inverse[j]
                high = (X[i, 2 * q + j] - middle) * inverse[j]
                if low < high:
                    centre, width = 0.5 * (low + high), high - low
                    if width * (1.0 + abs(centre)) < _NARROW:
                        total += log_width[i, j] + log_inverse[j]
                        total += _narrow(centre * centre, width * width)
                    else:
                        total += _log_mass(low, high)
                else:
                    total += log_inverse[j] - 0.5 * error[j] ** 2
            out[k, i] = total


@njit(nogil=True, cache=True)
def _narrow(m: float, w: float) -> float:
    """Log of a narrow interval's mass over its width and the density at zero.

    `m` and `w` are the squares of its middle and width. What cancels in a difference
    of tails does not in a series, which costs less too.
    """
    series = w * ((m - 1.0) / 24.0 + w * (m * m - 6.0 * m + 3.0) / 1920.0)
    return series * (1.0 - series * (0.5 - series / 3.0)) - 0.5 * m


@njit(nogil=True, cache=True)
def _factorize(covariance: Array, seen: NDArray[np.bool_], lower: Array) -> None:
    """Cholesky factor of the rows and columns that are seen."""
    for j in range(len(seen)):
        if not seen[j]:
            continue
        for i in range(j + 1):
            if not seen[i]:
                continue
            value = covariance[j, i]
            for l in range(i):
                if seen[l]:
                    value -= lower[j, l] * lower[i, l]
            lower[j, i] = np.sqrt(value) if i == j else value / lower[i, i]


@njit(nogil=True, cache=True)
def _log_mass(low: float, high: float) -> float:
    """Log of the standard normal mass of an interval, in the far tails too."""
    if high < 0.0:
        low, high = -high, -low
    middle, width = 0.5 * (low + high), high - low
    if low > _FAR:
        ratio = _inverse_mills(low)
        growth = math.log1p((_inverse_mills(high) - ratio) / ratio)
        near = -math.expm1(-middle * width - growth)
        return -0.5 * (low * low + LOG_2_PI) - math.log(ratio) + math.log(near)
    if low > 0.0:
        mass = 0.5 * (math.erfc(low / _SQRT_2) - math.erfc(high / _SQRT_2))
    else:
        mass = 0.5 * (math.erf(high / _SQRT_2) - math.erf(low / _SQRT_2))
    return math.log(mass)


@njit(nogil=True, cache=True)
def _inverse_mills(x: float) -> float:
    """Density over tail mass of the standard normal law, far out (Laplace)."""
    return x + 1.0 / (x + 2.0 / (x + 3.0 / x))
