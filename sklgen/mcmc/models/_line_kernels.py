"""Posteriors of models with linear predictors, compiled, for one chain at a time.

They take vectors without bounds: intercepts first, if there are any, then coefficients,
then what else there is. Priors of lines are normal, with `location` and `precision`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.mcmc.models._row_kernels import logistic, poisson, softmax

Array = NDArray[np.float64]

# Laws of targets.
LOGISTIC, SOFTMAX, POISSON = 0, 1, 2
# Rows that are looked at together, whose predictors stay in the nearest cache.
_ROWS = 256
_LARGEST_LOG = 700.0
_SUMS = {"contract", "nsz", "reassoc"}


@njit(nogil=True, cache=True)
def _normal(u: Array, gradient: Array, location: Array, precision: Array) -> float:
    """Log-density of the first numbers of u, up to a constant."""
    value = 0.0
    for j in range(len(location)):
        error = u[j] - location[j]
        gradient[j] = -precision[j] * error
        value -= 0.5 * precision[j] * error * error
    return value


@njit(nogil=True, cache=True)
def linear_posterior(
    u: Array,
    gradient: Array,
    location: Array,
    precision: Array,
    units: Array,
    best: Array,
    factor: Array,
    least: float,
    total: float,
    rate: float,
    lower: float,
) -> float:
    """Log-density of a line and the scale of its normal errors.

    Squared errors are those of the best line, `least`, and those of its distance from
    this one, by the triangular `factor`. The scale is at least `lower`, and exponential
    with a `rate` above it.
    """
    q = len(units)
    value = _normal(u, gradient, location, precision)
    log = min(max(u[q], -_LARGEST_LOG), _LARGEST_LOG)
    beyond, above = u[q] - log, math.exp(log)
    sigma = lower + above
    squares = least / sigma / sigma
    for i in range(len(factor)):
        far = 0.0
        for j in range(i, q):
            far += factor[i, j] * (u[j] * units[j] - best[j])
        far /= sigma
        squares += far * far
        for j in range(i, q):
            gradient[j] -= factor[i, j] * units[j] * (far / sigma)
    gradient[q] = ((squares - total) / sigma - rate) * above + 1.0 - 2.0 * beyond
    value -= 0.5 * squares + total * math.log(sigma) + rate * above
    out: float = value + u[q] - beyond * beyond
    return out


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_SUMS)
def rows_posterior(
    u: Array,
    gradient: Array,
    law: int,
    location: Array,
    precision: Array,
    units: Array,
    contrasts: Array,
    first: int,
    columns: Array,
    targets: Array,
    weight: Array,
) -> float:
    """Log-density of lines, with one of the laws of targets above.

    A row has K lines, `contrasts` (F, K) times F free ones.
    """
    value = _normal(u, gradient, location, precision)
    (n_free, n_lines), (q, n) = contrasts.shape, columns.shape
    lines, slopes = np.zeros((n_lines, q)), np.zeros((n_lines, q))
    for f in range(n_free):
        for j in range(q):
            at = f if j < first else n_free * first + f * (q - first) + j - first
            for k in range(n_lines):
                lines[k, j] += contrasts[f, k] * u[at] * units[j]
    eta, sums, own = np.empty((1, n_lines, _ROWS)), np.zeros((1, 1)), np.empty((1, 0))
    for low in range(0, n, _ROWS):
        high = min(low + _ROWS, n)
        part = eta[:, :, : high - low]
        for k in range(n_lines):
            line = part[0, k]
            line[:] = 0.0
            for j in range(q):
                slope, column = lines[k, j], columns[j, low:high]
                for i in range(len(line)):
                    line[i] += slope * column[i]
        of_part = targets[low:high], weight[low:high]
        if law == LOGISTIC:
            logistic(part, *of_part, own, sums)
        elif law == SOFTMAX:
            softmax(part, *of_part, own, sums)
        else:
            poisson(part, *of_part, own, sums)
        for k in range(n_lines):
            line = part[0, k]
            for j in range(q):
                column, total = columns[j, low:high], 0.0
                for i in range(len(line)):
                    total += line[i] * column[i]
                slopes[k, j] += total
    for f in range(n_free):
        for j in range(q):
            at = f if j < first else n_free * first + f * (q - first) + j - first
            for k in range(n_lines):
                gradient[at] += contrasts[f, k] * slopes[k, j] * units[j]
    out: float = value + sums[0, 0]
    return out
