"""Starts of mixtures over tables: cells within the leaves of a density tree."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri

from sklgen._typing import Array
from sklgen.mixture._starts import nearest

Labels = NDArray[np.intp]

# Leaves, as a share of the cells.
_LEAVES = 0.75
# Equally likely intervals of a normal score.
_N_INTERVALS = 16
# Levels of a column that are told apart, the most frequent ones.
_MOST_LEVELS = 64
# Columns that a split is chosen by; more are drawn from at random.
_MOST_COLUMNS = 32
# Rows that a leaf has at least.
_LEAST_ROWS = 5.0


def tree_cells(
    X: NDArray[Any],
    Z: Array,
    weight: Array,
    scores: Labels,
    n_cells: int,
    rng: np.random.Generator,
) -> Labels:
    """Cells around random rows, within the leaves of a tree that has fewer.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Distinct rows of codes and normal scores; NaN marks missing cells.
    Z : ndarray of shape (n, e)
        The same rows, as distances see them.
    weight : ndarray of shape (n,)
        Positive weight of each row.
    scores : ndarray of int
        The columns of X that hold normal scores.
    n_cells : int
        Number of cells, fewer than rows.
    rng : Generator
        Chooses the rows.

    Returns
    -------
    labels : ndarray of shape (n,)
        Cells.
    """
    is_score = np.zeros(X.shape[1], dtype=bool)
    is_score[scores] = True
    n_leaves = max(round(_LEAVES * n_cells), 1)
    leaves = tree_leaves(X, weight, is_score, n_leaves, rng)
    order = np.argsort(rng.exponential(size=len(X)) / weight)
    _, first = np.unique(leaves[order], return_index=True)
    more = np.delete(order, first)[: n_cells - len(first)]
    seeds = np.concatenate([order[first], more])
    labels = np.empty(len(X), dtype=np.intp)
    for leaf in range(len(first)):
        rows = np.flatnonzero(leaves == leaf)
        own = np.flatnonzero(leaves[seeds] == leaf)
        labels[rows] = own[nearest(Z[rows], Z[seeds[own]])]
    return labels


def tree_leaves(
    X: NDArray[Any],
    weight: Array,
    scores: NDArray[np.bool_],
    n_leaves: int,
    rng: np.random.Generator,
) -> Labels:
    """Leaf of each row in a tree whose leaves have independent columns, or nearly so.

    A leaf is split by a level of a category or a threshold of a score, the one that
    tells most about the other columns: the sum of mutual informations, in nats over
    all rows, less what they are on average where there is nothing to tell. The leaf
    with most to gain is split first. This climbs the likelihood of a mixture of
    independent columns with known labels, from the top down.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Codes of levels and normal scores; NaN marks missing cells, which count in no
        information, and are on the side of the other levels or of larger scores.
    weight : ndarray of shape (n,)
        Positive weight of each row.
    scores : ndarray of bool of shape (d,)
        Which columns hold normal scores.
    n_leaves : int
        Number of leaves. There are fewer where no split leaves enough rows.
    rng : Generator
        Chooses the columns that a split looks at, in tables of many columns.

    Returns
    -------
    labels : ndarray of shape (n,)
        Leaves.

    Notes
    -----
    A split of n rows with d columns of l levels takes O(n d^2 + d^2 l^2) operations.
    """
    columns = [
        _intervals(x) if score else _frequent(x, weight)
        for x, score in zip(X.T, scores, strict=True)
    ]
    codes = np.column_stack(columns)
    n_levels = codes.max(axis=0, initial=0) + 1
    labels = np.zeros(len(X), dtype=np.intp)

    def push(rows: Labels) -> None:
        at = np.arange(len(scores))
        if len(at) > _MOST_COLUMNS:
            at = np.sort(rng.choice(at, _MOST_COLUMNS, replace=False))
        starts = np.concatenate([[0], np.cumsum(n_levels[at])])
        counts = _pair_counts(codes, weight, rows, at, starts)
        total = float(weight[rows].sum())
        gain, j, level = _best_split(counts, starts, scores[at], total, _LEAST_ROWS)
        if j >= 0:
            cells = codes[rows, at[j]]
            below = (cells >= 0) & (cells <= level)
            side = below if scores[at[j]] else cells == level
            heapq.heappush(queue, (-gain, int(rows[0]), rows[side], rows[~side]))

    queue: list[tuple[float, int, Labels, Labels]] = []
    push(np.arange(len(X)))
    for label in range(1, n_leaves):
        if not queue:
            break
        _, _, inside, outside = heapq.heappop(queue)
        labels[inside] = label
        push(inside)
        push(outside)
    return labels


def _intervals(x: Array) -> NDArray[np.int64]:
    """Interval of each score; -1 where it is missing."""
    edges = ndtri(np.arange(1, _N_INTERVALS) / _N_INTERVALS)
    codes = np.searchsorted(edges, x, side="right")
    return np.where(np.isnan(x), -1, codes)


def _frequent(x: Array, weight: Array) -> NDArray[np.int64]:
    """Codes of a column, the rarest of many levels as one; -1 where it is missing."""
    known = ~np.isnan(x)
    codes = np.where(known, x, 0).astype(np.int64)
    counts = np.bincount(codes, np.where(known, weight, 0.0))
    if len(counts) > _MOST_LEVELS:
        rank = np.empty(len(counts), dtype=np.int64)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        codes = np.minimum(rank, _MOST_LEVELS - 1)[codes]
    return np.where(known, codes, -1)


@njit(nogil=True, cache=True)
def _pair_counts(
    codes: NDArray[np.int64],
    weight: Array,
    rows: Labels,
    columns: Labels,
    starts: NDArray[np.int64],
) -> Array:
    """Weight of each pair of levels, of all columns side by side."""
    counts = np.zeros((starts[-1], starts[-1]))
    places = np.empty(len(columns), dtype=np.int64)
    for i in rows:
        known = 0
        for j in range(len(columns)):
            code = codes[i, columns[j]]
            if code >= 0:
                places[known] = starts[j] + code
                known += 1
        for a in range(known):
            for b in range(known):
                counts[places[a], places[b]] += weight[i]
    return counts


@njit(nogil=True, cache=True)
def _best_split(
    counts: Array,
    starts: NDArray[np.int64],
    scores: NDArray[np.bool_],
    total: float,
    least: float,
) -> tuple[float, int, int]:
    """The split that gains most, of all columns and levels; column -1 for none."""
    best, column, level = -np.inf, -1, -1
    inside = np.empty(len(counts))
    for j in range(len(scores)):
        inside[:] = 0.0
        size = 0.0
        for place in range(starts[j], starts[j + 1]):
            if not scores[j]:
                inside[:] = 0.0
                size = 0.0
            inside += counts[place]
            size += counts[place, place]
            if size < least or total - size < least:
                continue
            gain = 0.0
            for other in range(len(scores)):
                if other != j:
                    gain += _information(
                        inside, counts, starts[other], starts[other + 1]
                    )
            if gain > best:
                best, column, level = gain, j, place - starts[j]
    return best, column, level


@njit(nogil=True, cache=True)
def _information(inside: Array, counts: Array, start: int, stop: int) -> float:
    """Mutual information of a split and a column, in nats, less its chance level."""
    sum_in = sum_out = information = freedom = 0.0
    for place in range(start, stop):
        both = counts[place, place]
        if both > 0.0:
            one = inside[place]
            other = both - one
            information += _x_log_x(one) + _x_log_x(other) - _x_log_x(both)
            sum_in += one
            sum_out += other
            freedom += 1.0
    if freedom == 0.0:
        return 0.0
    information -= _x_log_x(sum_in) + _x_log_x(sum_out) - _x_log_x(sum_in + sum_out)
    return information - 0.5 * (freedom - 1.0)


@njit(nogil=True, cache=True)
def _x_log_x(x: float) -> float:
    return x * np.log(x) if x > 0.0 else 0.0
