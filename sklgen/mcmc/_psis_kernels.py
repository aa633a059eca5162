"""Compiled Pareto smoothing of importance weights."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A tail of fewer weights is too short for a fit.
_SHORTEST = 5
# Weak prior of Zhang and Stephens, and that on the shape: 1/2, worth ten weights.
_PRIOR_QUARTILE = 3.0
_PRIOR_SHAPE, _PRIOR_SIZE = 0.5, 10.0
_NEGLIGIBLE = 10.0 * np.finfo(np.float64).eps


@njit(nogil=True, cache=True, error_model="numpy")
def smooth_all(
    log_weights: Array,
    orders: NDArray[np.int64],
    lengths: NDArray[np.int64],
    shapes: Array,
) -> None:
    """Smooth the largest of the weights in each row, and normalise the row.

    Parameters
    ----------
    log_weights : ndarray of shape (n, S)
        Log importance weights. Overwritten.
    orders : ndarray of shape (n, S)
        What sorts them.
    lengths : ndarray of shape (n,)
        Number of weights in the tail, less than S.
    shapes : ndarray of shape (n,)
        Overwritten with the shape k of the tails.
    """
    for i in range(len(log_weights)):
        row = log_weights[i]
        row -= row.max()
        shapes[i] = _smooth(row, orders[i], lengths[i])
        row -= np.log(np.exp(row).sum())


@njit(nogil=True, cache=True, error_model="numpy")
def _smooth(row: Array, order: NDArray[np.int64], length: int) -> float:
    """Put expected order statistics in place of the largest of the weights.

    Returns infinity where no fit is possible, and minus infinity where the largest
    weights are equal to those below, so that there is no tail.
    """
    if length < _SHORTEST:
        return np.inf
    tail = order[len(row) - length :]
    cut = np.exp(row[order[len(row) - length - 1]])
    excess = np.exp(row[tail]) - cut
    if excess[-1] <= _NEGLIGIBLE:
        return -np.inf
    shape, scale = fit_pareto(excess)
    if not np.isfinite(shape):
        return np.inf
    for j in range(length):
        from_right = -np.log1p(-(j + 0.5) / length)
        if abs(shape) < 1e-12:
            height = from_right
        else:
            height = np.expm1(shape * from_right) / shape
        # No weight gets larger than the largest there was.
        row[tail[j]] = min(np.log(cut + scale * height), 0.0)
    return shape


@njit(nogil=True, cache=True, error_model="numpy")
def fit_pareto(x: Array) -> tuple[float, float]:
    """Shape and scale of the generalised Pareto law of sorted excesses.

    The estimate of Zhang and Stephens (2009), the posterior mean of theta = -k / scale
    on a grid given a prior of the data, with a weak prior on the shape k.
    """
    n = len(x)
    m = 30 + int(np.sqrt(n))
    quartile = x[int(n / 4 + 0.5) - 1]
    if quartile <= 0.0:
        return np.inf, 0.0
    theta, log_profile = np.empty(m), np.empty(m)
    for j in range(m):
        theta[j] = 1.0 / x[-1] + (1.0 - np.sqrt(m / (j + 0.5))) / (
            _PRIOR_QUARTILE * quartile
        )
        k = np.log1p(-theta[j] * x).mean()
        log_profile[j] = n * (np.log(-theta[j] / k) - k - 1.0)
    weight = np.exp(log_profile - log_profile.max())
    weight /= weight.sum()
    weight[weight < _NEGLIGIBLE] = 0.0
    at = (theta * weight).sum() / weight.sum()
    k = np.log1p(-at * x).mean()
    shape = (n * k + _PRIOR_SIZE * _PRIOR_SHAPE) / (n + _PRIOR_SIZE)
    return shape, -k / at
