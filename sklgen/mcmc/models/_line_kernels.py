"""Posteriors of models with linear predictors, compiled, for one chain at a time.

They take vectors without bounds: intercepts first, if there are any, then coefficients,
then what else there is. Priors of lines are normal, with `location` and `precision`, or
those of coefficients are Student laws that spread these.
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
def _student(
    u: Array, gradient: Array, precision: Array, n_free: int, df: float
) -> float:
    """Log-density of columns of `n_free` numbers of u, up to a constant."""
    value, p = 0.0, len(u) // n_free
    for j in range(p):
        squares = 0.0
        for at in range(j, len(u), p):
            squares += precision[at] * u[at] * u[at]
        value -= 0.5 * (df + n_free) * math.log1p(squares / df)
        shrink = (df + n_free) / (df + squares)
        for at in range(j, len(u), p):
            gradient[at] = -shrink * precision[at] * u[at]
    return value


@njit(nogil=True, cache=True)
def linear_posterior(
    u: Array,
    gradient: Array,
    squares: Array,
    projections: Array,
    rest: float,
    total: float,
    rate: float,
    lower: float,
) -> float:
    """Log-density of whitened lines, and of the scale of normal errors.

    Given the scale, lines are standard normal: what is left is the likelihood of the
    scale alone. Along directions k targets have the prior variance `squares[k]` and
    the squared projection `projections[k]`, `rest` is what is off them. The scale is
    at least `lower`, and exponential with a `rate` above it.
    """
    q = len(u) - 1
    value = 0.0
    for j in range(q):
        gradient[j] = -u[j]
        value -= 0.5 * u[j] * u[j]
    log = min(max(u[q], -_LARGEST_LOG), _LARGEST_LOG)
    beyond, above = u[q] - log, math.exp(log)
    sigma = lower + above
    free = total - len(squares)
    slope = (rest / sigma / sigma - free) / sigma - rate
    value -= 0.5 * rest / sigma / sigma + free * math.log(sigma) + rate * above
    for k in range(len(squares)):
        variance = sigma * sigma + squares[k]
        share = projections[k] / variance
        value -= 0.5 * (math.log(variance) + share)
        slope += (share - 1.0) * (sigma / variance)
    gradient[q] = slope * above + 1.0 - 2.0 * beyond
    out: float = value + u[q] - beyond * beyond
    return out


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_SUMS)
def rows_posterior(
    u: Array,
    gradient: Array,
    law: int,
    location: Array,
    precision: Array,
    df: float,
    units: Array,
    contrasts: Array,
    first: int,
    columns: Array,
    targets: Array,
    weight: Array,
) -> float:
    """Log-density of lines, with one of the laws of targets above.

    A row has K lines, `contrasts` (F, K) times F free ones. Coefficients of a column
    have a Student law with `df` degrees of freedom, or a normal one if these are
    infinite.
    """
    (n_free, n_lines), (q, n) = contrasts.shape, columns.shape
    value, tail = _normal(u, gradient, location, precision), n_free * first
    if df < math.inf:
        value = _normal(u, gradient, location[:tail], precision[:tail])
        value += _student(u[tail:], gradient[tail:], precision[tail:], n_free, df)
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


# Calls kernels of other modules, as of 1389dc1294f3.
