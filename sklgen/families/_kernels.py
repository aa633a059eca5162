"""Compiled features of a block of rows, one feature a contiguous row of a table.

Each kernel does all that its step needs, products included, so that a thread hands the
interpreter's lock over a few times a block and not for every operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (loads the BLAS that numba calls)
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@njit(nogil=True, cache=True)
def quadratic_densities(
    X: NDArray[Any],
    shift: Array,
    scale: Array,
    natural: Array,
    table: Array,
    log_density: Array,
) -> None:
    """Fill `table` (p, n) with 1, y and y_i y_j for i <= j; y = (X - shift) / scale.

    `log_density` (K, n) becomes `natural` (K, p) times the table.
    """
    d = X.shape[1]
    table[0] = 1.0
    _standardize(X, shift, scale, table[1 : 1 + d])
    feature = 1 + d
    for i in range(d):
        for j in range(i, d):
            for row in range(len(X)):
                table[feature, row] = table[1 + i, row] * table[1 + j, row]
            feature += 1
    np.dot(natural, table, log_density)


@njit(nogil=True, cache=True)
def square_densities(
    X: NDArray[Any],
    shift: Array,
    scale: Array,
    natural: Array,
    complete: bool,  # noqa: FBT001 (compiled code takes no keywords)
    table: Array,
    log_density: Array,
) -> None:
    """Fill `table` (p, n) with 1, y and y^2; y = (X - shift) / scale.

    If rows are not complete, the first d rows of the table, in place of the first one,
    indicate the cells that are not NaN, and y is zero for the others. `log_density`
    (K, n) becomes `natural` (K, p) times the table.
    """
    d = X.shape[1]
    first = len(table) - 2 * d
    if complete:
        table[0] = 1.0
    else:
        for j in range(d):
            for row in range(len(X)):
                table[j, row] = 0.0 if np.isnan(X[row, j]) else 1.0
    _standardize(X, shift, scale, table[first : first + d])
    for j in range(d):
        for row in range(len(X)):
            y = table[first + j, row]
            y = 0.0 if np.isnan(y) else y
            table[first + j, row] = y
            table[first + d + j, row] = y * y
    np.dot(natural, table, log_density)


@njit(nogil=True, cache=True)
def _standardize(X: NDArray[Any], shift: Array, scale: Array, out: Array) -> None:
    for j in range(X.shape[1]):
        factor = 1.0 / scale[j]
        for row in range(len(X)):
            out[j, row] = (np.float64(X[row, j]) - shift[j]) * factor


@njit(nogil=True, cache=True)
def add_products(weights: Array, table: Array, sums: Array) -> None:
    """Add `weights` (K, n) times the transpose of `table` (p, n) to `sums` (K, p)."""
    sums += np.dot(weights, table.T)
