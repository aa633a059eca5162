"""Compiled balls around rows, which keep a few numbers a row and none a pair."""

from __future__ import annotations

import numpy as np
from numba import njit

from sklgen._typing import Array

_BLOCK = 512


@njit(nogil=True, cache=True)
def _squares(a: Array, B: Array, start: int, size: int, distance: Array) -> None:
    """Squared distances of a row to columns of `B`, added up in one order."""
    for j in range(size):
        distance[j] = 0.0
    for k in range(len(a)):
        value = a[k]
        row = B[k, start : start + size]
        for j in range(size):
            difference = value - row[j]
            distance[j] += difference * difference


@njit(nogil=True, cache=True)
def radii(A: Array, B: Array, weight: Array, k: float) -> Array:
    """Squared distance of each row to its k-th nearest neighbour among the others.

    `A` is (n, d), `B` is A transposed, and weights are positive counts: further copies
    of a row are its own neighbours. Equal rows have equal distances.
    """
    n = len(A)
    # As many rows as may be needed for a weight of k, copies, and one to insert.
    room = min(int(np.ceil(k / weight.min())), n) + 3
    found = np.empty((n, room))
    counts = np.empty((n, room))
    kept = np.zeros(n, dtype=np.int64)
    total = np.zeros(n)
    distance = np.empty(_BLOCK)
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        for i in range(n):
            _squares(A[i], B, start, size, distance)
            for j in range(size):
                own = start + j == i
                count = weight[i] - 1.0 if own else weight[start + j]
                last = kept[i] - 1
                far = total[i] >= k and distance[j] >= found[i, last]
                if count <= 0.0 or far:
                    continue
                at = last + 1
                while at > 0 and found[i, at - 1] > distance[j]:
                    found[i, at] = found[i, at - 1]
                    counts[i, at] = counts[i, at - 1]
                    at -= 1
                found[i, at] = distance[j]
                counts[i, at] = count
                total[i] += count
                kept[i] += 1
                while total[i] - counts[i, kept[i] - 1] >= k:
                    kept[i] -= 1
                    total[i] -= counts[i, kept[i]]
    radius = np.empty(n)
    for i in range(n):
        radius[i] = found[i, kept[i] - 1]
    return radius


@njit(nogil=True, cache=True)
def within(A: Array, B: Array, weight: Array, radius: Array) -> tuple[Array, Array]:
    """Weight of the columns of `B` (d, m) nearer to each row than its squared radius.

    Returns the weight of those nearer, and of those exactly at the radius.
    """
    n, m = len(A), B.shape[1]
    nearer = np.zeros(n)
    tied = np.zeros(n)
    distance = np.empty(_BLOCK)
    for start in range(0, m, _BLOCK):
        size = min(_BLOCK, m - start)
        for i in range(n):
            _squares(A[i], B, start, size, distance)
            for j in range(size):
                if distance[j] < radius[i]:
                    nearer[i] += weight[start + j]
                elif distance[j] == radius[i]:
                    tied[i] += weight[start + j]
    return nearer, tied
