"""Special functions without cancellation, and the root of a score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import digamma, gammaln, i0e, i1e, polygamma

from sklgen._typing import Array

HALF_LOG_2_PI = float(0.5 * np.log(2.0 * np.pi))
# From here on the asymptotic series below are exact to rounding.
_LARGE = 16.0
_LARGE_CONCENTRATION = 300.0
_MOST_STEPS = 200
# Newton's method squares the error: a step this small is the last one.
_LAST_STEP = 1e-9


def _joined(
    z: Array,
    limit: float,
    direct: Callable[[Array], Array],
    series: Callable[[Array], Array],
) -> Array:
    """`direct` below the limit, and beyond it the `series` in 1 / z."""
    found = series(1.0 / np.maximum(z, limit))
    small = z < limit
    found[small] = direct(z[small])
    return found


def stirling_remainder(z: Array) -> Array:
    """What Stirling's formula (z - 1/2) log z - z + log(2 pi) / 2 lacks of log Gamma.

    Parameters
    ----------
    z : ndarray
        Positive numbers.

    Returns
    -------
    remainder : ndarray
        About 1 / (12 z), to full relative precision for large z.
    """

    def direct(z: Array) -> Array:
        return np.asarray(gammaln(z) - (z - 0.5) * np.log(z) + z - HALF_LOG_2_PI)

    def series(y: Array) -> Array:
        w = y * y
        tail = w * (1 / 1260 - w * (1 / 1680 - w * (1 / 1188 - w * 691 / 360360)))
        return y * (1 / 12 - w * (1 / 360 - tail))

    return _joined(z, _LARGE, direct, series)


def digamma_excess(z: Array) -> Array:
    """Digamma(z) - log z, negative.

    Parameters
    ----------
    z : ndarray
        Positive numbers.

    Returns
    -------
    excess : ndarray
        About -1 / (2 z), to full relative precision for large z.
    """

    def series(y: Array) -> Array:
        w = y * y
        tail = w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w / 132)))
        return -0.5 * y - w * (1 / 12 - tail)

    return _joined(z, _LARGE, lambda z: digamma(z) - np.log(z), series)


def digamma_excess_slope(z: Array) -> Array:
    """Derivative of `digamma_excess`, positive.

    Parameters
    ----------
    z : ndarray
        Positive numbers.

    Returns
    -------
    slope : ndarray
        About 1 / (2 z^2), to full relative precision for large z.
    """

    def series(y: Array) -> Array:
        w = y * y
        tail = w * (1 / 30 - w * (1 / 42 - w * (1 / 30 - w * 5 / 66)))
        return w * (0.5 + y * (1 / 6 - tail))

    return _joined(z, _LARGE, lambda z: polygamma(1, z) - 1.0 / z, series)


def log_bessel(concentration: Array) -> Array:
    """Log I0(concentration) - concentration, for the modified Bessel function I0.

    Parameters
    ----------
    concentration : ndarray
        Non-negative numbers of any size.

    Returns
    -------
    log_bessel : ndarray
        Finite numbers.
    """
    return np.asarray(np.log(i0e(concentration)))


def resultant_gap(concentration: Array) -> Array:
    """One less the mean resultant length I1 / I0 of a von Mises law.

    Parameters
    ----------
    concentration : ndarray
        Non-negative numbers of any size.

    Returns
    -------
    gap : ndarray
        About 1 / (2 concentration), to full relative precision where that is small.
    """

    def series(y: Array) -> Array:
        tail = 1 / 8 + y * (25 / 128 + y * (13 / 32 + y * 1073 / 1024))
        return y * (1 / 2 + y * (1 / 8 + y * tail))

    def direct(z: Array) -> Array:
        return np.asarray(1.0 - i1e(z) / i0e(z))

    return _joined(concentration, _LARGE_CONCENTRATION, direct, series)


def climb(
    score: Callable[[Array], tuple[Array, Array]], start: Array, low: float, high: float
) -> Array:
    """Where scores turn from positive to negative: the peaks of likelihoods.

    Parameters
    ----------
    score : callable
        `score(x)` gives the values at positive x, element by element, and their
        derivatives.
    start : ndarray
        Where to start.
    low, high : float
        Positive bounds. Where the score has one sign between them, the peak is at the
        bound.

    Returns
    -------
    x : ndarray
        The peaks, to rounding.

    Notes
    -----
    Newton's method on log x, kept between two points where the score differs in sign.
    """
    left, right = np.full(start.shape, low), np.full(start.shape, high)
    at_low, at_high = score(left)[0] <= 0, score(right)[0] >= 0
    x = np.where(at_low, low, np.where(at_high, high, np.clip(start, low, high)))
    done = at_low | at_high
    for _ in range(_MOST_STEPS):
        if done.all():
            break
        value, slope = score(x)
        left, right = np.where(value > 0, x, left), np.where(value < 0, x, right)
        falling = slope < 0
        step = -value / (np.where(falling, slope, -1.0) * x)
        new = x * np.exp(np.clip(step, -50.0, 50.0))
        inside = falling & (new >= left) & (new <= right)
        new = np.where(inside, new, np.sqrt(left * right))
        new = np.where(done | (value == 0), x, new)
        done |= np.abs(new - x) <= _LAST_STEP * x
        x = new
    return x
