"""Compiled regressions on the observed cells of rows, for Gaussians with matrices.

Rows that miss the same cells share their factorisations if they are adjacent. Loops run
over rows innermost, so that long runs of such rows compile to vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_LOG_2_PI = float(np.log(2.0 * np.pi))


@njit(nogil=True, cache=True)
def _run_of_equal_pattern(X: NDArray[Any], start: int) -> int:
    """Where the rows that miss the same cells as row `start` end."""
    stop = start + 1
    while stop < len(X):
        for j in range(X.shape[1]):
            if np.isnan(X[stop, j]) != np.isnan(X[start, j]):
                return stop
        stop += 1
    return stop


@njit(nogil=True, cache=True)
def _split_columns(row: NDArray[Any], seen: Index, unseen: Index) -> tuple[int, int]:
    """Write the observed and the missing columns of a row; return how many of each."""
    n_seen = n_unseen = 0
    for j in range(len(row)):
        if np.isnan(row[j]):
            unseen[n_unseen] = j
            n_unseen += 1
        else:
            seen[n_seen] = j
            n_seen += 1
    return n_seen, n_unseen


@njit(nogil=True, cache=True)
def _factorize(cov: Array, seen: Index, unseen: Index, lower: Array) -> float:
    """Cholesky factor of the observed block, and its inverse times the missing columns.

    `lower` (d, d) receives L in its first `len(seen)` columns, and below L the rows W^T
    with W = L^-1 cov[seen, unseen]. Returns half the log-determinant of the block.
    """
    n_seen, n_rows = len(seen), len(seen) + len(unseen)
    half_log_determinant = 0.0
    for i in range(n_rows):
        row = seen[i] if i < n_seen else unseen[i - n_seen]
        for j in range(min(i + 1, n_seen)):
            value = cov[row, seen[j]]
            for k in range(j):
                value -= lower[i, k] * lower[j, k]
            if i == j:
                # Rounding may not push a pivot below what its variance resolves.
                value = np.sqrt(max(value, 1e-16 * cov[row, row]))
                half_log_determinant += np.log(value)
                lower[i, i] = value
            else:
                lower[i, j] = value / lower[j, j]
    return half_log_determinant


@njit(nogil=True, cache=True)
def _residual(cov: Array, unseen: Index, below: Array, out: Array) -> None:
    """Covariance of the missing columns given the observed: cov - W^T W."""
    for i in range(len(unseen)):
        for j in range(len(unseen)):
            value = cov[unseen[i], unseen[j]]
            for k in range(below.shape[1]):
                value -= below[i, k] * below[j, k]
            out[i, j] = value
        # Rounding may not leave less than its variance resolves.
        out[i, i] = max(out[i, i], 1e-16 * cov[unseen[i], unseen[i]])


@njit(nogil=True, cache=True)
def complete_errors(
    X: NDArray[Any], means: Array, covs: Array, log_density: Array, errors: Array
) -> None:
    """Fill `errors` (K, d, n) with row - mean, missing cells at their regression.

    `log_density` (K, n) becomes that of the observed cells. `covs` is (K, d, d) or
    (1, d, d).
    """
    n, d = X.shape
    columns = X.T.astype(np.float64)
    white, lower = np.empty((d, n)), np.empty((d, d))
    seen, unseen = np.empty(d, np.intp), np.empty(d, np.intp)
    start = 0
    while start < n:
        stop = _run_of_equal_pattern(X, start)
        n_seen, n_unseen = _split_columns(X[start], seen, unseen)
        half = 0.0
        for k in range(len(means)):
            if k < len(covs):
                half = _factorize(covs[k], seen[:n_seen], unseen[:n_unseen], lower)
            for row in range(start, stop):
                log_density[k, row] = -half - 0.5 * n_seen * _LOG_2_PI
            for i in range(n_seen):
                c = seen[i]
                for row in range(start, stop):
                    errors[k, c, row] = white[i, row] = columns[c, row] - means[k, c]
                for j in range(i):
                    for row in range(start, stop):
                        white[i, row] -= lower[i, j] * white[j, row]
                for row in range(start, stop):
                    white[i, row] /= lower[i, i]
                    log_density[k, row] -= 0.5 * white[i, row] * white[i, row]
            for i in range(n_unseen):
                c = unseen[i]
                for row in range(start, stop):
                    errors[k, c, row] = 0.0
                for j in range(n_seen):
                    for row in range(start, stop):
                        errors[k, c, row] += lower[n_seen + i, j] * white[j, row]
        start = stop


@njit(nogil=True, cache=True)
def residual_variances(X: NDArray[Any], covs: Array, out: Array) -> None:
    """Write to `out` (K or 1, n, d) the variance of missing cells given the others."""
    n, d = X.shape
    lower = np.empty((d, d))
    seen, unseen = np.empty(d, np.intp), np.empty(d, np.intp)
    start = 0
    while start < n:
        stop = _run_of_equal_pattern(X, start)
        n_seen, n_unseen = _split_columns(X[start], seen, unseen)
        if n_unseen:
            for k in range(len(covs)):
                _factorize(covs[k], seen[:n_seen], unseen[:n_unseen], lower)
                for i in range(n_unseen):
                    c = unseen[i]
                    value = covs[k, c, c]
                    for j in range(n_seen):
                        value -= lower[n_seen + i, j] ** 2
                    for row in range(start, stop):
                        out[k, row, c] = max(value, 0.0)
        start = stop


@njit(nogil=True, cache=True)
def add_residual_draws(
    X: NDArray[Any], labels: Index, covs: Array, noise: Array, rows: Array
) -> None:
    """Add to the missing cells of `rows` (n, d) a draw of what regression leaves.

    `noise` (n, d) is standard normal; `labels` (n,) says which covariance is meant.
    """
    n, d = X.shape
    lower, residual, root = np.empty((d, d)), np.empty((d, d)), np.empty((d, d))
    seen, unseen = np.empty(d, np.intp), np.empty(d, np.intp)
    everything = np.arange(d)
    start = 0
    while start < n:
        stop = _run_of_equal_pattern(X, start)
        n_seen, n_unseen = _split_columns(X[start], seen, unseen)
        for m in range(len(covs)):
            if not np.any(labels[start:stop] % len(covs) == m):
                continue
            _factorize(covs[m], seen[:n_seen], unseen[:n_unseen], lower)
            _residual(covs[m], unseen[:n_unseen], lower[n_seen:d, :n_seen], residual)
            _factorize(residual, everything[:n_unseen], everything[:0], root)
            for row in range(start, stop):
                if labels[row] % len(covs) != m:
                    continue
                for i in range(n_unseen):
                    for j in range(i + 1):
                        rows[row, unseen[i]] += root[i, j] * noise[row, j]
        start = stop
