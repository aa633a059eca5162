"""Inverse Hessians of L-BFGS, compiled: they are small, and there are many."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@njit(nogil=True, cache=True)
def compact(
    moves: Array, changes: Array, scale: Array, n_rows: int
) -> tuple[Array, Array]:
    """Put an inverse Hessian together from moves and changes (m, d) of the gradient.

    Returns rows W (2 n_rows, d), of which those beyond m pairs are 0, and C: times
    `scale` from both sides, it is I + W' C W.
    """
    m, d = moves.shape
    wide, core = np.zeros((2 * n_rows, d)), np.zeros((2 * n_rows, 2 * n_rows))
    for i in range(m):
        for j in range(d):
            wide[i, j] = changes[i, j] * scale[j]
            wide[n_rows + i, j] = moves[i, j] / scale[j]
    upper, corner, inverse = np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, m))
    for i in range(m):
        for k in range(m):
            for j in range(d):
                corner[i, k] += wide[i, j] * wide[k, j]
                upper[i, k] += wide[n_rows + i, j] * wide[k, j]
        corner[i, i] += upper[i, i]
    for k in range(m):  # by substitution, from the diagonal up
        inverse[k, k] = 1.0 / upper[k, k]
        for i in range(k - 1, -1, -1):
            for j in range(i + 1, k + 1):
                inverse[i, k] -= upper[i, j] * inverse[j, k]
            inverse[i, k] /= upper[i, i]
    for i in range(m):
        for k in range(m):
            core[i, n_rows + k] = -inverse[i, k]
            core[n_rows + k, i] = -inverse[i, k]
            for a in range(i + 1):
                for b in range(k + 1):
                    part = inverse[a, i] * corner[a, b] * inverse[b, k]
                    core[n_rows + i, n_rows + k] += part
    return wide, core


@njit(nogil=True, cache=True)
def newton(wide: Array, core: Array, scale: Array, gradient: Array) -> Array:
    """Multiply an inverse Hessian by the gradient: the step towards the mode."""
    n, d = wide.shape
    out, inside = np.empty(d), np.zeros(n)
    for i in range(n):
        for j in range(d):
            inside[i] += wide[i, j] * (scale[j] * gradient[j])
    for j in range(d):
        out[j] = scale[j] * gradient[j]
    for i in range(n):
        weight = 0.0
        for k in range(n):
            weight += core[i, k] * inside[k]
        for j in range(d):
            out[j] += weight * wide[i, j]
    for j in range(d):
        out[j] *= scale[j]
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def diagonal(variances: Array, move: Array, change: Array) -> Array:
    """Update the diagonal of the inverse Hessian (Gilbert and Lemarechal, 1989)."""
    d = len(move)
    a = b = c = 0.0
    for j in range(d):
        a += variances[j] * change[j] ** 2
        b += change[j] * move[j]
        c += move[j] ** 2 / variances[j]
    out = np.empty(d)
    for j in range(d):
        own = a / (b * variances[j])
        own += change[j] ** 2 / b - a * (move[j] / variances[j]) ** 2 / (b * c)
        out[j] = 1.0 / max(own, 1e-300)
    return out
