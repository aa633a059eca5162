"""Compiled log-likelihoods of blocks of rows, for chains side by side.

A kernel gets the linear predictors `eta` (A, K, m) of A chains with K lines each, of m
rows: targets, weights, and numbers `own` (A, ...) of each chain. It adds what depends
on the rows to `sums` (A, ...), and writes the derivatives by eta into it, weights
included. Inner loops run over rows and have no branch and no call, for compilers to
make them vectors: exponentials and logarithms are polynomials.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

# exp of these is an ordinary number with room to the limits: beyond, densities stand
# still.
LARGEST_LOG = 300.0
_LOWEST_LOG = -700.0

_LOG_2 = math.log(2.0)
_SQRT_2 = math.sqrt(2.0)
_FACTORIALS = tuple([1.0 / math.factorial(k) for k in range(13)])
_ODD = tuple([1.0 / (2 * k + 1) for k in range(10)])
_MANTISSA = np.int64((1 << 52) - 1)
_ONE = np.int64(1023 << 52)
_LARGEST_SQUARE = 1e300

_VECTORS = {"contract", "nsz", "reassoc"}


@njit(nogil=True, cache=True, inline="always")
def _exp(x: float) -> float:
    """exp(x) for -708 < x < 709, as exact as x is."""
    k = np.floor(x * (1.0 / _LOG_2) + 0.5)
    r = x - k * _LOG_2
    p = _FACTORIALS[12]
    for j in range(11, -1, -1):
        p = p * r + _FACTORIALS[j]
    return p * np.int64((np.int64(k) + 1023) << 52).view(np.float64)


@njit(nogil=True, cache=True, inline="always")
def _atanh(f: float) -> float:
    """atanh(f) for abs(f) < 0.172."""
    z = f * f
    p = _ODD[9]
    for j in range(8, -1, -1):
        p = p * z + _ODD[j]
    return f * p


@njit(nogil=True, cache=True, inline="always")
def _log1p(t: float) -> float:
    """log(1 + t) for 0 <= t <= 1, to full relative precision."""
    root = 1.0 + math.sqrt(1.0 + t)
    return 4.0 * _atanh(t / (root * root))


@njit(nogil=True, cache=True, inline="always")
def _log_of_unit(v: float) -> float:
    """log(v) for 1 <= v <= 2."""
    return 0.5 * _LOG_2 + 2.0 * _atanh((v - _SQRT_2) / (v + _SQRT_2))


@njit(nogil=True, cache=True, inline="always")
def _log(v: float) -> float:
    """log(v) for v >= 1, to full absolute precision."""
    bits = np.float64(v).view(np.int64)
    unit = np.int64((bits & _MANTISSA) | _ONE).view(np.float64)
    return np.float64((bits >> 52) - 1023) * _LOG_2 + _log_of_unit(unit)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_VECTORS)
def gaussian(eta: Array, y: Array, w: Array, own: Array, sums: Array) -> None:
    """Sums of squared errors; `own` is the precision."""
    for a in range(len(eta)):
        line, precision, total = eta[a, 0], own[a, 0], 0.0
        for i in range(len(line)):
            error = y[i] - line[i]
            total += w[i] * error * error
            line[i] = w[i] * precision * error
        sums[a, 0] += total


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_VECTORS)
def student(eta: Array, y: Array, w: Array, own: Array, sums: Array) -> None:
    """Sums of log(1 + q / dof) and q / (dof + q) for squared scores q.

    `own` is one over the scale, and the degrees of freedom.
    """
    for a in range(len(eta)):
        line, rate, dof = eta[a, 0], own[a, 0], own[a, 1]
        per_dof, slope = 1.0 / dof, rate * (dof + 1.0)
        logs, shares = 0.0, 0.0
        for i in range(len(line)):
            score = (y[i] - line[i]) * rate
            square = min(score * score, _LARGEST_SQUARE)
            inverse = w[i] / (dof + square)
            logs += w[i] * _log(1.0 + square * per_dof)
            shares += square * inverse
            line[i] = slope * score * inverse
        sums[a, 0] += logs
        sums[a, 1] += shares


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_VECTORS)
def logistic(eta: Array, y: Array, w: Array, own: Array, sums: Array) -> None:
    """Sums of log-probabilities of labels `y` that are -1 or 1."""
    for a in range(len(eta)):
        line, total = eta[a, 0], 0.0
        for i in range(len(line)):
            margin = y[i] * line[i]
            t = _exp(max(-abs(margin), _LOWEST_LOG))
            total += w[i] * (min(margin, 0.0) - _log_of_unit(1.0 + t))
            missed = (1.0 if margin < 0.0 else t) / (1.0 + t)
            line[i] = w[i] * y[i] * missed
        sums[a, 0] += total


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_VECTORS)
def softmax(eta: Array, y: Array, w: Array, own: Array, sums: Array) -> None:
    """Sums of log-probabilities of labels `y` that are 0 to K - 1."""
    A, K, m = eta.shape
    top, mass = np.empty(m), np.empty(m)
    for a in range(A):
        lines, total = eta[a], 0.0
        top[:] = lines[0]
        for k in range(1, K):
            line = lines[k]
            for i in range(m):
                top[i] = max(top[i], line[i])
        mass[:] = 0.0
        for k in range(K):
            line = lines[k]
            for i in range(m):
                below = line[i] - top[i]
                total += w[i] * below if y[i] == k else 0.0
                line[i] = _exp(max(below, _LOWEST_LOG))
                mass[i] += line[i]
        for i in range(m):
            total -= w[i] * _log(mass[i])
            mass[i] = w[i] / mass[i]
        for k in range(K):
            line = lines[k]
            for i in range(m):
                line[i] = (w[i] if y[i] == k else 0.0) - line[i] * mass[i]
        sums[a, 0] += total


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_VECTORS)
def poisson(eta: Array, y: Array, w: Array, own: Array, sums: Array) -> None:
    """Sums of log-probabilities of counts, but for their factorials."""
    for a in range(len(eta)):
        line, total = eta[a, 0], 0.0
        for i in range(len(line)):
            x = min(max(line[i], _LOWEST_LOG), LARGEST_LOG)
            mean = _exp(x)
            total += w[i] * (y[i] * x - mean)
            line[i] = w[i] * (y[i] - mean)
        sums[a, 0] += total


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_VECTORS)
def negative_binomial(eta: Array, y: Array, w: Array, own: Array, sums: Array) -> None:
    """Sums of y (eta - s), s, and (y + size) expit(log odds), for s = softplus.

    `own` is the size and its logarithm; the log-odds are eta - log size.
    """
    for a in range(len(eta)):
        line, size, log_size = eta[a, 0], own[a, 0], own[a, 1]
        ups, softs, shares = 0.0, 0.0, 0.0
        for i in range(len(line)):
            x = min(max(line[i], -LARGEST_LOG), LARGEST_LOG)
            odds = x - log_size
            t = _exp(max(-abs(odds), _LOWEST_LOG))
            soft = max(odds, 0.0) + _log1p(t)
            share = (y[i] + size) * ((t if odds < 0.0 else 1.0) / (1.0 + t))
            ups += w[i] * y[i] * (x - soft)
            softs += w[i] * soft
            shares += w[i] * share
            line[i] = w[i] * (y[i] - share)
        sums[a, 0] += ups
        sums[a, 1] += softs
        sums[a, 2] += shares


@njit(nogil=True, cache=True)
def add_effects(eta: Array, effects: Array, codes: Codes, columns: Array) -> None:
    """Add effects (L, G, r) of the groups of rows to lines (L, m).

    The first is added as it is, each other one times a column of `columns` (r - 1, m).
    """
    n_lines, _, r = effects.shape
    for a in range(n_lines):
        line = eta[a]
        for i in range(len(codes)):
            effect = effects[a, codes[i]]
            total = effect[0]
            for j in range(1, r):
                total += effect[j] * columns[j - 1, i]
            line[i] += total


@njit(nogil=True, cache=True)
def sum_effects(slopes: Array, codes: Codes, columns: Array, sums: Array) -> None:
    """Add derivatives by lines (L, m) to those by effects (L, G, r)."""
    n_lines, _, r = sums.shape
    for a in range(n_lines):
        line = slopes[a]
        for i in range(len(codes)):
            total = sums[a, codes[i]]
            total[0] += line[i]
            for j in range(1, r):
                total[j] += line[i] * columns[j - 1, i]
