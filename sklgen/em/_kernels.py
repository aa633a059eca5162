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
_LN2 = 0.6931471805599453
# Bits of the root of a half, places of a mantissa, and bits of 2**52.
_ROOT_HALF = np.uint64(0x3FE6A09E667F3BCD)
_MANTISSA = np.uint64(52)
_TWO_52 = np.uint64(0x4330000000000000)
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
    """
    n_components, n_rows = log_joint.shape
    for i in range(n_rows):
        peak[i] = _LOWEST_LOG
        log_total[i] = 0.0
    for k in range(n_components):
        for i in range(n_rows):
            value = log_joint[k, i] + offset[k]
            value = value if value > _LOWEST_LOG else _LOWEST_LOG
            log_joint[k, i] = value
            peak[i] = value if value > peak[i] else peak[i]
    exponentials(log_joint, peak, log_total, power)
    log_sums(peak, log_total, weight, power)
    weighted_sum = 0.0
    for i in range(n_rows):
        weighted_sum += weight[i] * log_total[i]
    scale_columns(log_joint, peak, counts)
    return weighted_sum


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "arcp"})
def relative_to_peak(
    log: Array, out: Array, peak: Array, total: Array, power: Array
) -> None:
    """Fill `out` (K, n) with exponentials of `log` in units of the largest of a column.

    `peak` (n,) becomes the log of the largest, and `total` (n,) the sum of a column.
    `power` (n,) is room to work in.
    """
    n_components, n_rows = log.shape
    for i in range(n_rows):
        peak[i] = _LOWEST_LOG
        total[i] = 0.0
    for k in range(n_components):
        for i in range(n_rows):
            value = log[k, i] if log[k, i] > _LOWEST_LOG else _LOWEST_LOG
            out[k, i] = value
            peak[i] = value if value > peak[i] else peak[i]
    exponentials(out, peak, total, power)


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "arcp"})
def exponentials(table: Array, peak: Array, total: Array, power: Array) -> None:
    """Turn `table` (K, n) into exponentials of what it exceeds `peak` (n,) by.

    Their sums are added to `total` (n,); `power` (n,) is room to work in.

    The exponential (Cody and Waite's reduction, a polynomial of degree 13) is written
    out, exact to two units in the last place, because loops of this form compile to
    vector instructions and calls to libm do not.
    """
    n_components, n_rows = table.shape
    power_bits = power.view(np.int64)
    for k in range(n_components):
        for i in range(n_rows):
            x = table[k, i] - peak[i]
            positive = 1.0 if x > _LOWEST_EXPONENT else 0.0
            x = x if x > _LOWEST_EXPONENT else _LOWEST_EXPONENT
            shifted = x * _LOG2_E + _ROUND
            power[i] = shifted
            n = shifted - _ROUND
            r = (x - n * _LN2_HIGH) - n * _LN2_LOW
            r2 = r * r
            r4 = r2 * r2
            a = (1.0 + r) + (0.5 + r * (1.0 / 6.0)) * r2
            b = (1.0 / 24.0 + r * (1.0 / 120.0)) + (
                1.0 / 720.0 + r * (1.0 / 5040.0)
            ) * r2
            c = (1.0 / 40320.0 + r * (1.0 / 362880.0)) + (
                1.0 / 3628800.0 + r * (1.0 / 39916800.0)
            ) * r2
            d = 1.0 / 479001600.0 + r * (1.0 / 6227020800.0)
            series = (a + b * r4) + (c + d * r4) * (r4 * r4)
            table[k, i] = series * positive
        for i in range(n_rows):
            power_bits[i] = (power_bits[i] + 1023) << 52
        for i in range(n_rows):
            value = table[k, i] * power[i]
            table[k, i] = value
            total[i] += value


@njit(
    nogil=True,
    cache=True,
    fastmath={"contract", "nsz", "arcp"},
    error_model="numpy",  # a check for zero would keep loops from vectors
)
def log_sums(peak: Array, total: Array, weight: Array, power: Array) -> None:
    """Turn `total`, at least 1, into `peak` plus its log, and `peak` into shares.

    The logarithm is that of the power of two, and that of the rest as a series; it is
    written out as in `exponentials`.
    Shares are `weight` divided by the total. `power` is room to work in.
    """
    total_bits = total.view(np.uint64)
    rest_bits = power.view(np.uint64)
    for i in range(len(total)):
        rest_bits[i] = ((total_bits[i] - _ROOT_HALF) >> _MANTISSA) + _TWO_52
    for i in range(len(total)):
        peak[i] += (power[i] - 4503599627370496.0) * _LN2
    for i in range(len(total)):
        exponent = (total_bits[i] - _ROOT_HALF) >> _MANTISSA
        rest_bits[i] = total_bits[i] - (exponent << _MANTISSA)
    for i in range(len(total)):
        f = power[i] - 1.0
        s = f / (2.0 + f)
        z = s * s
        z2 = z * z
        a = (2.0 / 3.0 + z * (2.0 / 5.0)) + (2.0 / 7.0 + z * (2.0 / 9.0)) * z2
        b = (2.0 / 11.0 + z * (2.0 / 13.0)) + (2.0 / 15.0 + z * (2.0 / 17.0)) * z2
        c = (2.0 / 19.0 + z * (2.0 / 21.0)) + (2.0 / 23.0) * z2
        half = 0.5 * f * f
        series = half + z * (a + (b + c * (z2 * z2)) * (z2 * z2))
        whole = total[i]
        total[i] = peak[i] + (f - (half - s * series))
        peak[i] = weight[i] / whole


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def scale_columns(table: Array, factor: Array, sums: Array) -> None:
    """Multiply the columns of `table` (K, n) by `factor`; add its rows to `sums`."""
    for k in range(len(table)):
        total = 0.0
        for i in range(len(factor)):
            value = table[k, i] * factor[i]
            table[k, i] = value
            total += value
        sums[k] += total
