"""Compiled maps between the sampler's coordinates and those of the density.

They go row by row, so that the bits of a chain do not depend on how many there are.
Parameters have a leading axis for chains, of length 1 if they share them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_SUMS = {"contract", "nsz", "reassoc"}


@njit(nogil=True, cache=True)
def stretch(location: Array, scale: Array, unit: Array, rows: Index) -> Array:
    """Give location + scale * unit for `unit` (A, d) of the chains `rows`."""
    out = np.empty(unit.shape)
    for a in range(len(rows)):
        m = rows[a] if len(scale) > 1 else 0
        for i in range(unit.shape[1]):
            out[a, i] = location[m, i] + scale[m, i] * unit[a, i]
    return out


@njit(nogil=True, cache=True)
def shrink(scale: Array, gradient: Array, rows: Index) -> Array:
    """Give scale * gradient (A, d)."""
    out = np.empty(gradient.shape)
    for a in range(len(rows)):
        m = rows[a] if len(scale) > 1 else 0
        for i in range(gradient.shape[1]):
            out[a, i] = scale[m, i] * gradient[a, i]
    return out


@njit(nogil=True, cache=True, fastmath=_SUMS)
def lower(location: Array, factor: Array, unit: Array, rows: Index) -> Array:
    """Give location + L unit, L lower triangular."""
    out = np.empty(unit.shape)
    for a in range(len(rows)):
        m = rows[a] if len(factor) > 1 else 0
        for i in range(unit.shape[1]):
            total = 0.0
            for j in range(i + 1):
                total += factor[m, i, j] * unit[a, j]
            out[a, i] = location[m, i] + total
    return out


@njit(nogil=True, cache=True)
def lower_transposed(factor: Array, gradient: Array, rows: Index) -> Array:
    """Give L' gradient, L lower triangular."""
    d = gradient.shape[1]
    out = np.zeros((len(rows), d))
    for a in range(len(rows)):
        m = rows[a] if len(factor) > 1 else 0
        for i in range(d):
            slope = gradient[a, i]
            for j in range(i + 1):
                out[a, j] += factor[m, i, j] * slope
    return out


@njit(nogil=True, cache=True, fastmath=_SUMS)
def bend(basis: Array, excess: Array, vectors: Array, rows: Index) -> Array:
    """Give (I + U' diag(excess) U) v for rows v of `vectors` (A, d), U (k, d)."""
    d = vectors.shape[1]
    out = vectors.copy()
    for a in range(len(rows)):
        m = rows[a] if len(basis) > 1 else 0
        for k in range(basis.shape[1]):
            total = 0.0
            for i in range(d):
                total += basis[m, k, i] * vectors[a, i]
            total *= excess[m, k]
            for i in range(d):
                out[a, i] += total * basis[m, k, i]
    return out
