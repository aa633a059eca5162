"""Compiled sufficient statistics of a block of rows, one feature a contiguous row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

# The kernels are annotated in words: `X` (n, d) float32 or float64 in C order,
# `shift` and `scale` (d,), and outputs (features, n) float64.


@njit(nogil=True, cache=True)
def standardize(X: NDArray[Any], shift: Array, scale: Array, out: Array) -> None:
    """Write (X - shift) / scale, transposed, into `out` (d, n)."""
    n_rows, n_columns = X.shape
    for j in range(n_columns):
        centre = shift[j]
        factor = 1.0 / scale[j]
        for i in range(n_rows):
            out[j, i] = (np.float64(X[i, j]) - centre) * factor


@njit(nogil=True, cache=True)
def standardize_observed(
    X: NDArray[Any], shift: Array, scale: Array, observed: Array, out: Array
) -> None:
    """As `standardize`, with 0 for NaN; `observed` (d, n) is 1 where X is a number."""
    n_rows, n_columns = X.shape
    for j in range(n_columns):
        centre = shift[j]
        factor = 1.0 / scale[j]
        for i in range(n_rows):
            value = np.float64(X[i, j])
            missing = np.isnan(value)
            observed[j, i] = 0.0 if missing else 1.0
            out[j, i] = 0.0 if missing else (value - centre) * factor


@njit(nogil=True, cache=True)
def products(linear: Array, out: Array) -> None:
    """Write the products of rows i <= j of `linear` (d, n) into `out`, row by row."""
    n_columns, n_rows = linear.shape
    feature = 0
    for i in range(n_columns):
        for j in range(i, n_columns):
            for row in range(n_rows):
                out[feature, row] = linear[i, row] * linear[j, row]
            feature += 1
