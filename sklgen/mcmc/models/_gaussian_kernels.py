"""The posterior of a Gaussian law of rows, compiled."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.mcmc._transform_matrices import LARGEST_LOG_OF_PRECISION

Array = NDArray[np.float64]

_LARGEST = LARGEST_LOG_OF_PRECISION


@njit(nogil=True, cache=True)
def log_posterior(
    u: Array,
    gradient: Array,
    total: float,
    step: float,
    scatter: Array,
    power: float,
    offset: Array,
    root: Array,
    precision: Array,
) -> float:
    """Log-density of a mean and the factor of a precision matrix, given rows' sums.

    Rows are in coordinates in which their scatter is about one; u has the mean, about
    that of the rows, in multiples of `step` there, and `offset + root u` is how far it
    is from that of its prior, in units of the rows. `scatter` is that of the rows about
    their mean, and of the prior, `power` the number of rows and of degrees of freedom
    of the prior.
    """
    d = len(offset)
    value = 0.0
    gradient[:d] = 0.0
    for i in range(d):
        error = offset[i]
        for j in range(d):
            error += root[i, j] * u[j]
        value -= 0.5 * precision[i] * error * error
        for j in range(d):
            gradient[j] -= precision[i] * error * root[i, j]
    factor = np.zeros((d, d))
    at = d
    for i in range(d):
        for j in range(i):
            factor[i, j] = u[at + j]
        log = min(max(u[at + i], -_LARGEST), _LARGEST)
        beyond = u[at + i] - log
        factor[i, i] = math.exp(log)
        value += (power - i) * u[at + i] - beyond * beyond
        at += i + 1
    scores = np.zeros(d)
    for i in range(d):
        for j in range(i + 1):
            scores[j] += factor[i, j] * -step * u[i]
    slope = np.empty(d)
    at = d
    for i in range(d):
        # a row of the scatter about the mean, times the factor
        shift = -step * u[i]
        for j in range(i + 1):
            slope[j] = total * shift * scores[j]
        for k in range(d):
            for j in range(min(i, k) + 1):
                slope[j] += scatter[i, k] * factor[k, j]
        for j in range(i + 1):
            value -= 0.5 * factor[i, j] * slope[j]
            gradient[at + j] = -slope[j]
            gradient[i] += total * step * factor[i, j] * scores[j]
        beyond = u[at + i] - min(max(u[at + i], -_LARGEST), _LARGEST)
        bend = power - i - 2.0 * beyond
        gradient[at + i] = gradient[at + i] * factor[i, i] + bend
        at += i + 1
    return value
