"""Compiled normalisation of log-joint densities, one column a row of the data."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
# Adding 1.5 * 2**52 rounds a double to an integer and leaves it in the low bits.
_ROUND = 6755399441055744.0
_LOWEST_EXPONENT = -708.0
_LOWEST_LOG = -1e300


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "arcp"})
def normalize(
    log_joint: Array,
    offset: Array,
    weight: Array,
    counts: Array,
    log_total: Array,
    peak: Array,
    power: Array,
) -> float:
    """Turn log-joint densities into weighted responsibilities, in place.

    `log_joint` (K, n) gains `offset` (K,) and becomes the responsibilities times
    `weight` (n,), which are added to `counts` (K,); `log_total` (n,) becomes the log
    of the sum over components. `peak` and `power` (n,) are room to work in. Returns
    the weighted sum of `log_total`.

    The exponential is written out (Cody and Waite's reduction, a polynomial of degree
    13, exact to one unit in the last place) because loops of this form compile to
    vector instructions and calls to libm do not.
    """
    n_components, n_rows = log_joint.shape
    power_bits = power.view(np.int64)
    for i in range(n_rows):
        peak[i] = _LOWEST_LOG
        log_total[i] = 0.0
    for k in range(n_components):
        for i in range(n_rows):
            value = log_joint[k, i] + offset[k]
            value = value if value > _LOWEST_LOG else _LOWEST_LOG
            log_joint[k, i] = value
            peak[i] = value if value > peak[i] else peak[i]
    for k in range(n_components):
        for i in range(n_rows):
            x = log_joint[k, i] - peak[i]
            positive = 1.0 if x > _LOWEST_EXPONENT else 0.0
            x = x if x > _LOWEST_EXPONENT else _LOWEST_EXPONENT
            shifted = x * _LOG2_E + _ROUND
            power[i] = shifted
            n = shifted - _ROUND
            r = (x - n * _LN2_HIGH) - n * _LN2_LOW
            p = 1.0 / 6227020800.0
            p = p * r + 1.0 / 479001600.0
            p = p * r + 1.0 / 39916800.0
            p = p * r + 1.0 / 3628800.0
            p = p * r + 1.0 / 362880.0
            p = p * r + 1.0 / 40320.0
            p = p * r + 1.0 / 5040.0
            p = p * r + 1.0 / 720.0
            p = p * r + 1.0 / 120.0
            p = p * r + 1.0 / 24.0
            p = p * r + 1.0 / 6.0
            p = p * r + 0.5
            p = p * r + 1.0
            log_joint[k, i] = (p * r + 1.0) * positive
        for i in range(n_rows):
            power_bits[i] = (power_bits[i] + 1023) << 52
        for i in range(n_rows):
            value = log_joint[k, i] * power[i]
            log_joint[k, i] = value
            log_total[i] += value
    weighted_sum = 0.0
    for i in range(n_rows):
        total = log_total[i]
        log_total[i] = peak[i] + np.log(total)
        peak[i] = weight[i] / total
        weighted_sum += weight[i] * log_total[i]
    for k in range(n_components):
        count = 0.0
        for i in range(n_rows):
            value = log_joint[k, i] * peak[i]
            log_joint[k, i] = value
            count += value
        counts[k] += count
    return weighted_sum
