"""Compiled maps between the sampler's coordinates and those of the density.

They go row by row, so that the bits of a chain do not depend on how many there are.
Parameters have a leading axis for chains, of length 1 if they share them. What maps one
row writes row `b` of `out`, given row `a` and the parameters `m`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_SUMS = {"contract", "nsz", "reassoc"}


@njit(nogil=True, cache=True)
def stretch_row(
    location: Array, scale: Array, m: int, unit: Array, a: int, out: Array, b: int
) -> None:
    """Write location + scale * unit."""
    for i in range(unit.shape[1]):
        out[b, i] = location[m, i] + scale[m, i] * unit[a, i]


@njit(nogil=True, cache=True)
def shrink_row(
    scale: Array, m: int, gradient: Array, a: int, out: Array, b: int
) -> None:
    """Write scale * gradient."""
    for i in range(gradient.shape[1]):
        out[b, i] = scale[m, i] * gradient[a, i]


@njit(nogil=True, cache=True, fastmath=_SUMS)
def lower_row(
    location: Array, factor: Array, m: int, unit: Array, a: int, out: Array, b: int
) -> None:
    """Write location + L unit, L lower triangular."""
    for i in range(unit.shape[1]):
        total = 0.0
        for j in range(i + 1):
            total += factor[m, i, j] * unit[a, j]
        out[b, i] = location[m, i] + total


@njit(nogil=True, cache=True)
def lower_transposed_row(
    factor: Array, m: int, gradient: Array, a: int, out: Array, b: int
) -> None:
    """Write L' gradient, L lower triangular."""
    d = gradient.shape[1]
    for i in range(d):
        out[b, i] = 0.0
    for i in range(d):
        slope = gradient[a, i]
        for j in range(i + 1):
            out[b, j] += factor[m, i, j] * slope


@njit(nogil=True, cache=True, fastmath=_SUMS)
def bend_row(
    basis: Array, excess: Array, m: int, vectors: Array, a: int, out: Array, b: int
) -> None:
    """Write (I + U' diag(excess) U) v for a vector v, U (k, d)."""
    d = vectors.shape[1]
    for i in range(d):
        out[b, i] = vectors[a, i]
    for k in range(basis.shape[1]):
        total = 0.0
        for i in range(d):
            total += basis[m, k, i] * vectors[a, i]
        total *= excess[m, k]
        for i in range(d):
            out[b, i] += total * basis[m, k, i]


@njit(nogil=True, cache=True)
def stretch(location: Array, scale: Array, unit: Array, rows: Index) -> Array:
    """Give location + scale * unit for `unit` (A, d) of the chains `rows`."""
    out = np.empty(unit.shape)
    for a in range(len(rows)):
        m = rows[a] if len(scale) > 1 else 0
        stretch_row(location, scale, m, unit, a, out, a)
    return out


@njit(nogil=True, cache=True)
def shrink(scale: Array, gradient: Array, rows: Index) -> Array:
    """Give scale * gradient (A, d)."""
    out = np.empty(gradient.shape)
    for a in range(len(rows)):
        m = rows[a] if len(scale) > 1 else 0
        shrink_row(scale, m, gradient, a, out, a)
    return out


@njit(nogil=True, cache=True)
def lower(location: Array, factor: Array, unit: Array, rows: Index) -> Array:
    """Give location + L unit, L lower triangular."""
    out = np.empty(unit.shape)
    for a in range(len(rows)):
        m = rows[a] if len(factor) > 1 else 0
        lower_row(location, factor, m, unit, a, out, a)
    return out


@njit(nogil=True, cache=True)
def lower_transposed(factor: Array, gradient: Array, rows: Index) -> Array:
    """Give L' gradient, L lower triangular."""
    out = np.empty(gradient.shape)
    for a in range(len(rows)):
        m = rows[a] if len(factor) > 1 else 0
        lower_transposed_row(factor, m, gradient, a, out, a)
    return out


@njit(nogil=True, cache=True)
def bend(basis: Array, excess: Array, vectors: Array, rows: Index) -> Array:
    """Give (I + U' diag(excess) U) v for rows v of `vectors` (A, d), U (k, d)."""
    out = np.empty(vectors.shape)
    for a in range(len(rows)):
        m = rows[a] if len(basis) > 1 else 0
        bend_row(basis, excess, m, vectors, a, out, a)
    return out
