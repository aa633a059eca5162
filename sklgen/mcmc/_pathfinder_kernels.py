"""Inverse Hessians of L-BFGS, compiled: they are small, and there are many."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@njit(nogil=True, cache=True)
def compact(moves: Array, changes: Array, scale: Array) -> tuple[Array, Array]:
    """Put an inverse Hessian together from moves and changes (m, d) of the gradient.

    Returns rows W (2m, d) and C (2m, 2m): times `scale` from both sides, it is
    I + W' C W.
    """
    m, d = moves.shape
    wide, core = np.empty((2 * m, d)), np.zeros((2 * m, 2 * m))
    for i in range(m):
        for j in range(d):
            wide[i, j] = changes[i, j] * scale[j]
            wide[m + i, j] = moves[i, j] / scale[j]
    upper, corner, inverse = np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, m))
    for i in range(m):
        for k in range(m):
            for j in range(d):
                corner[i, k] += wide[i, j] * wide[k, j]
                upper[i, k] += wide[m + i, j] * wide[k, j]
        corner[i, i] += upper[i, i]
    for k in range(m):  # by substitution, from the diagonal up
        inverse[k, k] = 1.0 / upper[k, k]
        for i in range(k - 1, -1, -1):
            for j in range(i + 1, k + 1):
                inverse[i, k] -= upper[i, j] * inverse[j, k]
            inverse[i, k] /= upper[i, i]
    for i in range(m):
        for k in range(m):
            core[i, m + k] = -inverse[i, k]
            core[m + k, i] = -inverse[i, k]
            for a in range(i + 1):
                for b in range(k + 1):
                    part = inverse[a, i] * corner[a, b] * inverse[b, k]
                    core[m + i, m + k] += part
    return wide, core
