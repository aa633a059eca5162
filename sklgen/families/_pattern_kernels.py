"""Compiled densities and moments of rows with missing cells, for full Gaussians.

Patterns may be as many as rows, so loops run over components innermost: lanes of them
share what is read of a row, and their factorisations compile to vector instructions
however few rows a pattern has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.families._missing_kernels import _run_of_equal_pattern, _split_columns

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# Components side by side: few enough for their factors to stay in the first cache.
LANES = 32
_LOG_2_PI = float(np.log(2.0 * np.pi))
_TILE = 8


def in_lanes(values: Array) -> Array:
    """Parameters (K, ...) as lanes (C, ..., LANES), the last one repeated."""
    n = len(values)
    width = min(LANES, n)
    n_chunks = -(-n // width)
    at = np.minimum(np.arange(n_chunks * width), n - 1).reshape(n_chunks, width)
    return np.ascontiguousarray(np.moveaxis(values[at], 1, -1))


def out_of_lanes(values: Array, n: int) -> Array:
    """What `in_lanes` took apart, as (K, ...)."""
    rows = np.moveaxis(values, -1, 1)
    return np.ascontiguousarray(rows.reshape(-1, *rows.shape[2:])[:n])


@njit(nogil=True, cache=True)
def _factorize(covs: Array, seen: Index, unseen: Index, lower: Array) -> None:
    """Cholesky factors of the observed blocks of `covs` (d, d, w).

    `lower` (d, d, w) receives L in its first `len(seen)` columns, and below L the rows
    W^T with W = L^-1 cov[seen, unseen].
    """
    n_seen, n_rows = len(seen), len(seen) + len(unseen)
    width = covs.shape[2]
    for i in range(n_rows):
        row = seen[i] if i < n_seen else unseen[i - n_seen]
        for j in range(min(i + 1, n_seen)):
            lower[i, j] = covs[row, seen[j]]
    for j in range(n_seen):
        pivot, variance = lower[j, j], covs[seen[j], seen[j]]
        for m in range(width):
            # Rounding may not push a pivot below what its variance resolves.
            least = 1e-16 * variance[m]
            pivot[m] = np.sqrt(pivot[m] if pivot[m] > least else least)
        for i in range(j + 1, n_rows):
            column = lower[i, j]
            for m in range(width):
                column[m] /= pivot[m]
        for l in range(j + 1, n_seen):
            right = lower[l, j]
            for i in range(l, n_rows):
                left, target = lower[i, j], lower[i, l]
                for m in range(width):
                    target[m] -= left[m] * right[m]


@njit(nogil=True, cache=True)
def pattern_densities(X: NDArray[Any], means: Array, covs: Array, out: Array) -> None:
    """Log-densities (K, n) of the observed cells of rows.

    `means` (C, d, w) and `covs` (C, d, d, w) are lanes of components. Rows that miss
    the same cells share their factorisations if they are adjacent.
    """
    n, d = X.shape
    n_components, width = len(out), means.shape[2]
    lower, white = np.empty((d, d, width)), np.empty((d, width))
    constant, rows = np.empty(width), np.empty((n, width))
    seen, unseen = np.empty(d, np.intp), np.empty(d, np.intp)
    for c in range(len(means)):
        start = 0
        while start < n:
            stop = _run_of_equal_pattern(X, start)
            n_seen, _ = _split_columns(X[start], seen, unseen)
            _factorize(covs[c], seen[:n_seen], unseen[:0], lower)
            constant[:] = -0.5 * n_seen * _LOG_2_PI
            for i in range(n_seen):
                constant -= np.log(lower[i, i])
                # Solving then multiplies, as it is done for every row.
                lower[i, i] = 1.0 / lower[i, i]
            for row in range(start, stop):
                total = rows[row]
                total[:] = constant
                for i in range(n_seen):
                    value, mean, own = X[row, seen[i]], means[c, seen[i]], white[i]
                    for m in range(width):
                        own[m] = value - mean[m]
                    for j in range(i):
                        factor, other = lower[i, j], white[j]
                        for m in range(width):
                            own[m] -= factor[m] * other[m]
                    factor = lower[i, i]
                    for m in range(width):
                        own[m] *= factor[m]
                        total[m] -= 0.5 * own[m] * own[m]
            start = stop
        first = c * width
        for start in range(0, n, _TILE):
            stop = min(start + _TILE, n)
            for k in range(first, min(first + width, n_components)):
                for row in range(start, stop):
                    out[k, row] = rows[row, k - first]


@njit(nogil=True, cache=True)
def add_pattern_moments(
    X: NDArray[Any],
    weights: Array,
    means: Array,
    covs: Array,
    first: Array,
    second: Array,
) -> None:
    """Add the expected moments of rows, weighed by `weights` (K, n).

    `first` (C, d, w) gains the sums of the errors, missing ones at their regression on
    the observed, and `second` (C, d, d, w) those of their products, residual
    covariances included.
    """
    n, d = X.shape
    n_components, width = len(weights), means.shape[2]
    lower, total = np.empty((d, d, width)), np.empty(width)
    sums, products = np.empty((d, width)), np.empty((d, d, width))
    errors, rows = np.empty((d, width)), np.zeros((n, width))
    seen, unseen = np.empty(d, np.intp), np.empty(d, np.intp)
    for c in range(len(means)):
        base = c * width
        n_lanes = min(width, n_components - base)
        rows[:, n_lanes:] = 0.0
        for start in range(0, n, _TILE):
            stop = min(start + _TILE, n)
            for k in range(n_lanes):
                for row in range(start, stop):
                    rows[row, k] = weights[base + k, row]
        start = 0
        while start < n:
            stop = _run_of_equal_pattern(X, start)
            n_seen, n_unseen = _split_columns(X[start], seen, unseen)
            total[:] = 0.0
            sums[:n_seen] = 0.0
            products[:n_seen, :n_seen] = 0.0
            for row in range(start, stop):
                weight = rows[row]
                for m in range(width):
                    total[m] += weight[m]
                for i in range(n_seen):
                    value, mean = X[row, seen[i]], means[c, seen[i]]
                    own, gain = errors[i], sums[i]
                    for m in range(width):
                        own[m] = value - mean[m]
                        gain[m] += weight[m] * own[m]
                for i in range(n_seen):
                    own = errors[i]
                    for j in range(i + 1):
                        other, gain = errors[j], products[i, j]
                        for m in range(width):
                            gain[m] += weight[m] * own[m] * other[m]
            if n_unseen:
                _factorize(covs[c], seen[:n_seen], unseen[:n_unseen], lower)
                _regress(
                    covs[c],
                    seen[:n_seen],
                    unseen[:n_unseen],
                    lower,
                    total,
                    sums,
                    products,
                )
            _add(seen[:n_seen], unseen[:n_unseen], sums, products, first[c], second[c])
            start = stop


@njit(nogil=True, cache=True)
def _regress(
    covs: Array,
    seen: Index,
    unseen: Index,
    lower: Array,
    total: Array,
    sums: Array,
    products: Array,
) -> None:
    """Complete moments of observed errors by those that missing ones are expected."""
    n_seen, width = len(seen), covs.shape[2]
    for i in range(n_seen, n_seen + len(unseen)):
        # Residual covariances, before the rows W^T become slopes W^T L^-1.
        for j in range(n_seen, i + 1):
            target = products[i, j]
            target[:] = covs[unseen[i - n_seen], unseen[j - n_seen]]
            for k in range(n_seen):
                left, right = lower[i, k], lower[j, k]
                for m in range(width):
                    target[m] -= left[m] * right[m]
        variance, target = covs[unseen[i - n_seen], unseen[i - n_seen]], products[i, i]
        for m in range(width):
            least = 1e-16 * variance[m]
            target[m] = target[m] if target[m] > least else least
        for j in range(n_seen, i + 1):
            target = products[i, j]
            for m in range(width):
                target[m] *= total[m]
    for i in range(n_seen, n_seen + len(unseen)):
        for j in range(n_seen - 1, -1, -1):
            slope, pivot = lower[i, j], lower[j, j]
            for m in range(width):
                slope[m] /= pivot[m]
            for k in range(j):
                target, factor = lower[i, k], lower[j, k]
                for m in range(width):
                    target[m] -= slope[m] * factor[m]
    for i in range(n_seen, n_seen + len(unseen)):
        sums[i] = 0.0
        for k in range(n_seen):
            slope, source, target = lower[i, k], sums[k], sums[i]
            for m in range(width):
                target[m] += slope[m] * source[m]
        for j in range(n_seen):
            target = products[i, j]
            target[:] = 0.0
            for k in range(n_seen):
                slope = lower[i, k]
                source = products[k, j] if k > j else products[j, k]
                for m in range(width):
                    target[m] += slope[m] * source[m]
        for j in range(n_seen, i + 1):
            target = products[i, j]
            for k in range(n_seen):
                slope, source = lower[j, k], products[i, k]
                for m in range(width):
                    target[m] += slope[m] * source[m]


@njit(nogil=True, cache=True)
def _add(
    seen: Index,
    unseen: Index,
    sums: Array,
    products: Array,
    first: Array,
    second: Array,
) -> None:
    """Add moments in order of the pattern to those in order of the columns."""
    n_seen, d = len(seen), len(first)
    for i in range(d):
        row = seen[i] if i < n_seen else unseen[i - n_seen]
        first[row] += sums[i]
        for j in range(i + 1):
            column = seen[j] if j < n_seen else unseen[j - n_seen]
            target, source = second[max(row, column), min(row, column)], products[i, j]
            for m in range(len(source)):
                target[m] += source[m]


# Calls kernels of other modules, as of bb33727329bb.
