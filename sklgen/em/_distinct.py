"""Distinct rows, and hashes of rows: order and copies must not matter to a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from sklgen._typing import Array

_CHUNK = 65536


def distinct_rows(
    X: Any, weight: Array, limit: int, rng: np.random.Generator
) -> tuple[Any, Array]:
    """At most `limit` distinct rows of X, sorted, and the weight each carries.

    The choice depends on the values of the rows and on nothing else, so that a row
    repeated is a row with its weight doubled, and the order of rows has no effect.
    Beyond `limit`, rows with the smallest random hashes are chosen. Sparse rows are
    sorted by their hashes.
    """
    if issparse(X):
        return _distinct_sparse_rows(X, weight, limit, rng)
    odd = rng.integers(2**63, size=(3, X.shape[1]), dtype=np.uint64) * np.uint64(2) + 1
    positive = weight > 0
    if positive.sum() > limit:
        hashes = np.empty(len(X), dtype=np.uint64)
        for start in range(0, len(X), _CHUNK):
            part = slice(start, start + _CHUNK)
            hashes[part] = _hash(_bits(X[part]), odd)
        candidates = hashes if positive.all() else hashes[positive]
        positive &= hashes <= _threshold(candidates, limit)
    chosen = np.flatnonzero(positive)
    # Sorted as numbers, so that a change of unit or origin keeps the order.
    order = np.lexsort(X[chosen].T)
    bits = _bits(X[chosen])
    changes = np.any(bits[order[1:]] != bits[order[:-1]], axis=1)
    starts = np.flatnonzero(np.concatenate([[True], changes]))
    rows = X[chosen[order[starts]]].astype(np.float64)
    return rows, np.add.reduceat(weight[chosen[order]], starts)


def _distinct_sparse_rows(
    X: csr_array, weight: Array, limit: int, rng: np.random.Generator
) -> tuple[csr_array, Array]:
    hashes = hash_sparse(X, rng)
    used = np.flatnonzero(weight)
    _, first, at = np.unique(hashes[used], return_index=True, return_inverse=True)
    totals = np.bincount(at, weight[used]).astype(np.float64)
    return X[used[first[:limit]]].astype(np.float64), totals[:limit]


def hash_sparse(X: csr_array, rng: np.random.Generator) -> NDArray[np.uint64]:
    """A random number for each row, alike for rows with the same cells."""
    odd = rng.integers(2**63, size=3, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = np.empty(X.shape[0], np.uint64)
    bits = X.data.astype(np.float64).view(np.uint64)
    hash_cells(bits, X.indices, X.indptr, odd, hashes)
    return hashes


@njit(nogil=True, cache=True)
def hash_cells(
    bits: NDArray[np.uint64],
    columns: NDArray[Any],
    start: NDArray[Any],
    odd: NDArray[np.uint64],
    out: NDArray[np.uint64],
) -> None:
    """Hash the cells of sparse rows, as `_hash` does those of dense ones."""
    high, low = np.uint64(32), np.uint64(29)
    for i in range(len(out)):
        state = odd[0]
        for at in range(start[i], start[i + 1]):
            column = np.uint64(columns[at] + 1) * odd[1]
            state = (state ^ column ^ bits[at] ^ (bits[at] >> low)) * odd[2]
            state = (state ^ (state >> high)) * odd[1]
            state ^= state >> low
        out[i] = state


def _bits(X: NDArray[Any]) -> NDArray[np.uint64]:
    """Equal bits for equal values: one zero, one NaN."""
    values = X.astype(np.float64) + 0.0
    values[np.isnan(values)] = np.nan
    return values.view(np.uint64)


def _hash(bits: NDArray[np.uint64], odd: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = np.zeros(len(bits), dtype=np.uint64)
    for column, start, first, second in zip(bits.T, *odd, strict=True):
        state = (state ^ start ^ column ^ (column >> np.uint64(29))) * first
        state = (state ^ (state >> np.uint64(32))) * second
        state ^= state >> np.uint64(29)
    return state


def _threshold(hashes: NDArray[np.uint64], limit: int) -> np.uint64:
    """The `limit`-th smallest distinct hash, or the largest where there are fewer."""
    rank = 2 * limit
    while rank < len(hashes):
        smallest = np.unique(np.partition(hashes, rank)[:rank])
        if len(smallest) > limit:
            return np.uint64(smallest[limit - 1])
        rank *= 4
    return np.uint64(np.unique(hashes)[:limit].max())
