"""Compiled search for the topic counts of unseen documents.

Documents and tables come as in `_kernels`: inner loops run over topics side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Cells = NDArray[Any]
Index = NDArray[Any]


@njit(nogil=True, cache=True)
def fold(
    cells: Cells,
    columns: Index,
    start: Index,
    rows: NDArray[np.intp],
    words: Array,
    alpha: Array,
    n_steps: int,
    tol: float,
    topics: Array,
    moved: Array,
) -> None:
    """Revise expected topic counts of some `rows` of documents until they stay.

    `words` (V, K) has the probabilities of words, and `alpha`, with one row for each
    of `rows` or one for all, is added to the counts `topics` (n, K), which are changed
    in place. A document ends after `n_steps` steps or so, or where one moves less than
    `tol` of its tokens; `moved` gets the share of them that all its steps moved.

    Two steps are extrapolated, as long as this makes the next one shorter.
    """
    n_topics = words.shape[1]
    longest = 0
    for i in rows:
        longest = max(longest, start[i + 1] - start[i])
    own = np.empty((longest, n_topics))
    begin, first, second = np.empty((3, n_topics))
    for j in range(len(rows)):
        i = rows[j]
        low, high = start[i], start[i + 1]
        counts, mine = cells[low:high], own[: high - low]
        length = 0.0
        for at in range(len(counts)):
            mine[at] = words[columns[low + at]]
            length += counts[at]
        prior, current = alpha[j if len(alpha) > 1 else 0], topics[i]
        moved[j] = 0.0
        if length == 0.0:
            current[:] = 0.0
            continue
        begin[:] = current
        leapt, shortest, n = False, np.inf, 0
        while True:
            left = _step(counts, mine, prior, current, first)
            n += 1
            if leapt and left > shortest:
                current[:] = second
                leapt = False
                continue
            shortest = left
            if left < tol * length or n >= n_steps:
                current[:] = first
                break
            _step(counts, mine, prior, first, second)
            n += 1
            _leap(first, second, current)
            leapt = True
        moved[j] = _distance(begin, current) / length


@njit(
    nogil=True,
    cache=True,
    fastmath={"contract", "nsz", "reassoc", "arcp"},
    error_model="numpy",  # a check for zero would keep loops from vectors
)
def _step(cells: Cells, words: Array, alpha: Array, topics: Array, new: Array) -> float:
    """Fill `new` (K,) with expected topic counts, given those in `topics`.

    Returns how many tokens move.
    """
    n_topics = len(new)
    weight = np.empty(n_topics)
    for k in range(n_topics):
        weight[k] = topics[k] + alpha[k]
        new[k] = 0.0
    for at in range(len(words)):
        word, total = words[at], 0.0
        for k in range(n_topics):
            total += word[k] * weight[k]
        factor = np.float64(cells[at]) / total
        for k in range(n_topics):
            new[k] += word[k] * factor
    left = 0.0
    for k in range(n_topics):
        new[k] *= weight[k]
        left += abs(new[k] - topics[k])
    return left


@njit(
    nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"}, error_model="numpy"
)
def _leap(first: Array, second: Array, topics: Array) -> None:
    """Extrapolate `topics` (K,) by the two steps after them (SQUAREM)."""
    step, bend = 0.0, 0.0
    for k in range(len(topics)):
        step += (first[k] - topics[k]) ** 2
        bend += (second[k] - 2.0 * first[k] + topics[k]) ** 2
    a = max(np.sqrt(step / bend), 1.0) if bend > 0.0 else 1.0
    for k in range(len(topics)):
        r = first[k] - topics[k]
        v = second[k] - first[k] - r
        ahead = topics[k] + a * (2.0 * r + a * v)
        topics[k] = ahead if ahead > 0.0 else 0.0


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def _distance(first: Array, second: Array) -> float:
    total = 0.0
    for k in range(len(first)):
        total += abs(first[k] - second[k])
    return total
