"""Compiled sweeps of the collapsed Gibbs sampler for Dirichlet-multinomial mixtures.

A row leaves its cluster and joins one again, with odds that are the predictive
probabilities of its counts. Clusters lie side by side in tables with one row a column
of the data, the occupied ones among the first `top` places. Empty clusters are all
alike: one of them stands for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.families._count_kernels import log_rising

Array = NDArray[np.float64]
Index = NDArray[Any]

# Products of so many factors are far from overflow.
_CHUNK = 16


@njit(nogil=True, cache=True)
def sweep_whole(
    cells: NDArray[np.int64],
    columns: Index,
    start: Index,
    rows: NDArray[np.intp],
    labels: NDArray[np.int64],
    table: NDArray[np.int32],
    tokens: Array,
    members: Array,
    top: int,
    alpha: float,
    beta: float,
    uniform: Array,
) -> int:
    """Draw new labels of rows of whole counts, in place. Returns the new `top`.

    `rows` says which row of the CSR arrays each entry of `labels` is. `table` (d, K)
    has the counts of each cluster, `tokens` (K,) their sums, `members` (K,) the number
    of rows. Odds are products of factors, one a token, so that no logarithm is taken
    of rows of up to 16 tokens.
    """
    d, K = table.shape
    width = d * beta
    up, down, odds = np.empty(K), np.empty(K), np.empty(K)
    occupied = 0
    for k in range(top):
        occupied += members[k] > 0
    for j in range(len(rows)):
        first, last = start[rows[j]], start[rows[j] + 1]
        z = labels[j]
        length = np.int64(0)
        for at in range(first, last):
            table[columns[at], z] -= np.int32(cells[at])
            length += cells[at]
        tokens[z] -= length
        members[z] -= 1.0
        occupied -= members[z] == 0
        for k in range(top):
            up[k] = members[k] + alpha if members[k] > 0 else 0.0
            down[k] = 1.0
        new_up, new_down, new_log = alpha * (K - occupied), 1.0, 0.0
        folded = False
        step = 0
        for at in range(first, last):
            row = table[columns[at]]
            for extra in range(cells[at]):
                if step > 0 and step % _CHUNK == 0:
                    _fold(odds, up, down, top, folded)
                    new_log += np.log(new_up / new_down)
                    new_up, new_down = 1.0, 1.0
                    folded = True
                plus, under = beta + extra, width + step
                for k in range(top):
                    up[k] *= row[k] + plus
                    down[k] *= tokens[k] + under
                new_up *= plus
                new_down *= under
                step += 1
        if folded:
            _fold(odds, up, down, top, folded)
            new_log += np.log(new_up / new_down)
            highest = new_log
            for k in range(top):
                highest = max(highest, odds[k])
            new = np.exp(new_log - highest)
            for k in range(top):
                odds[k] = np.exp(odds[k] - highest)
        else:
            new = new_up / new_down
            for k in range(top):
                odds[k] = up[k] / down[k]
        z = _choose(odds, new, members, top, uniform[j])
        top = max(top, z + 1)
        occupied += members[z] == 0
        for at in range(first, last):
            table[columns[at], z] += np.int32(cells[at])
        tokens[z] += length
        members[z] += 1.0
        labels[j] = z
    return top


@njit(nogil=True, cache=True)
def _fold(odds: Array, up: Array, down: Array, top: int, add: bool) -> None:  # noqa: FBT001
    """Take the products of a chunk into the logarithms of the odds."""
    for k in range(top):
        log_ratio = np.log(up[k] / down[k])
        odds[k] = odds[k] + log_ratio if add else log_ratio
        up[k], down[k] = 1.0, 1.0


@njit(nogil=True, cache=True)
def _choose(odds: Array, new: float, members: Array, top: int, uniform: float) -> int:
    """Draw a cluster: one of the first `top`, or for the odds `new` an empty one."""
    total = new
    for k in range(top):
        total += odds[k]
    threshold = uniform * total
    last = -1
    for k in range(top):
        threshold -= odds[k]
        if threshold < 0.0 and odds[k] > 0.0:
            return k
        last = k if odds[k] > 0.0 else last
    if new > 0.0 or last < 0:
        for k in range(len(members)):
            if members[k] == 0:
                return k
    return last


@njit(nogil=True, cache=True)
def sweep_fractional(
    cells: Array,
    columns: Index,
    start: Index,
    rows: NDArray[np.intp],
    mass: Array,
    labels: NDArray[np.int64],
    table: Array,
    tokens: Array,
    weights: Array,
    members: Array,
    top: int,
    alpha: float,
    beta: float,
    uniform: Array,
) -> int:
    """As `sweep_whole`, for counts and weights of rows that may be fractional.

    A row of some `mass` is that many rows that move together. `weights` (K,) has the
    mass of each cluster. Factorials are continued by gamma functions.
    """
    d, K = table.shape
    width = d * beta
    odds = np.empty(K)
    occupied = 0
    for k in range(top):
        occupied += members[k] > 0
    for j in range(len(rows)):
        first, last = start[rows[j]], start[rows[j] + 1]
        z, own = labels[j], mass[j]
        length = 0.0
        for at in range(first, last):
            count = own * cells[at]
            table[columns[at], z] = max(table[columns[at], z] - count, 0.0)
            length += count
        members[z] -= 1.0
        empty = members[z] == 0
        occupied -= empty
        tokens[z] = 0.0 if empty else max(tokens[z] - length, 0.0)
        weights[z] = 0.0 if empty else max(weights[z] - own, 0.0)
        new = log_rising(alpha, own) - log_rising(width, length)
        for k in range(top):
            odds[k] = -np.inf
            if members[k] > 0:
                odds[k] = log_rising(weights[k] + alpha, own)
                odds[k] -= log_rising(tokens[k] + width, length)
        for at in range(first, last):
            count, row = own * cells[at], table[columns[at]]
            new += log_rising(beta, count)
            for k in range(top):
                if members[k] > 0:
                    odds[k] += log_rising(row[k] + beta, count)
        new = new + np.log(K - occupied) if occupied < K else -np.inf
        highest = new
        for k in range(top):
            highest = max(highest, odds[k])
        for k in range(top):
            odds[k] = np.exp(odds[k] - highest)
        z = _choose(odds, np.exp(new - highest), members, top, uniform[j])
        top = max(top, z + 1)
        occupied += members[z] == 0
        for at in range(first, last):
            table[columns[at], z] += own * cells[at]
        tokens[z] += length
        weights[z] += own
        members[z] += 1.0
        labels[j] = z
    return top


@njit(nogil=True, cache=True)
def add_rows(
    cells: Index,
    columns: Index,
    start: Index,
    rows: NDArray[np.intp],
    mass: Array,
    labels: NDArray[np.int64],
    table: NDArray[Any],
) -> None:
    """Add the counts of rows, times their mass, to the clusters of their labels."""
    for j in range(len(rows)):
        for at in range(start[rows[j]], start[rows[j] + 1]):
            table[columns[at], labels[j]] += table.dtype.type(mass[j] * cells[at])


@njit(nogil=True, cache=True)
def close_ranks(table: NDArray[Any], kept: NDArray[np.intp], top: int) -> None:
    """Move the columns `kept`, in rising order, to the front; clear those after."""
    for row in table:
        for k in range(len(kept)):
            row[k] = row[kept[k]]
        row[len(kept) : top] = 0


# Calls kernels of other modules, as of 4c61c2c44eb4.
