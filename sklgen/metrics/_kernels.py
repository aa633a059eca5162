"""Compiled sums over pairs of rows, which keep one number a row and none a pair."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BLOCK = 512


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def sum_pairs(
    A: Array,
    weight_a: Array,
    B: Array,
    weight_b: Array,
    sums_a: Array,
    sums_b: Array,
    triangle: int,
) -> float:
    """Add weighted distances from each row to all others to `sums_a` and `sums_b`.

    `A` is (n, d), `B` is (d, m). With `triangle` 1, B is A transposed and each pair
    is visited once; both sums may then be the same array. Returns the weighted sum of
    squared distances over the pairs visited.
    """
    n, d = A.shape
    m = B.shape[1]
    distance = np.empty(_BLOCK)
    squares = 0.0
    for start in range(0, m, _BLOCK):
        stop = min(start + _BLOCK, m)
        for i in range(min(n, stop) if triangle else n):
            first = max(start, i + 1) if triangle else start
            size = stop - first
            for j in range(size):
                distance[j] = 0.0
            for k in range(d):
                value = A[i, k]
                row = B[k, first:stop]
                for j in range(size):
                    difference = value - row[j]
                    distance[j] += difference * difference
            total = 0.0
            total_squares = 0.0
            for j in range(size):
                square = distance[j]
                root = np.sqrt(square)
                total += weight_b[first + j] * root
                total_squares += weight_b[first + j] * square
                sums_b[first + j] += weight_a[i] * root
            sums_a[i] += total
            squares += weight_a[i] * total_squares
    return squares


@njit(nogil=True, cache=True)
def nearest(A: Array, B: Array) -> Array:
    """Squared distance of each row of `A` (n, d) to the nearest column of `B` (d, m).

    Differences are squared and added in one order, so that equal rows give equal
    distances and ties are ties.
    """
    n, d = A.shape
    m = B.shape[1]
    best = np.full(n, np.inf)
    distance = np.empty(_BLOCK)
    for start in range(0, m, _BLOCK):
        size = min(_BLOCK, m - start)
        for i in range(n):
            for j in range(size):
                distance[j] = 0.0
            for k in range(d):
                value = A[i, k]
                row = B[k, start : start + size]
                for j in range(size):
                    difference = value - row[j]
                    distance[j] += difference * difference
            for j in range(size):
                if distance[j] < best[i]:
                    best[i] = distance[j]
    return best
