"""Compiled sweeps of Gibbs sampling over the tokens of documents.

Documents come as the arrays of a CSR matrix. A cell has one token for each whole count,
and one for the rest. Row `rows[j]` of the matrix is the j-th copy of a document, whose
tokens lie side by side, from `offset[j]` in the array `topics` of their topics, -1
where a token has none yet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.topics._uniform_kernels import mixed, uniform

Array = NDArray[np.float64]
Cells = NDArray[Any]
Index = NDArray[Any]
Labels = NDArray[np.int32]
Flags = NDArray[np.bool_]
Words = NDArray[np.float32]

# Smallest probability of a word in a topic: a token always has some topic to go to.
_SMALLEST = 1e-30
# Products of probabilities become logarithms below this.
_FOLD = 1e-200


@njit(nogil=True, cache=True)
def share_out(draws: Words, inverse: Array, alphas: Array, base: Array) -> None:
    """Scale gamma variates `draws` (V, K) by `inverse` (K,) to probabilities of words.

    `base` (V, C) gets their sums over topics, weighed by `alphas` (C, K).
    """
    for i in range(len(draws)):
        row = draws[i]
        for k in range(len(row)):
            row[k] = max(row[k] * inverse[k], _SMALLEST)
        for c in range(len(alphas)):
            total = 0.0
            for k in range(len(row)):
                total += alphas[c, k] * row[k]
            base[i, c] = total


@njit(nogil=True, cache=True)
def sweep(
    cells: Cells,
    columns: Index,
    start: Index,
    rows: Index,
    offset: Index,
    mass: Array,
    seeds: NDArray[np.uint64],
    laws: Array,
    words: Words,
    base: Array,
    alphas: Array,
    topics: Labels,
) -> float:
    """Draw the topic of each token given all others of its copy, and the words.

    A copy first draws its law of topics, as probable as `laws` (n, C) say. Topic k then
    has the odds `words` (V, K) times the sum of the number of the other tokens that it
    has in the copy, few of which are positive, and of its `alphas` (C, K); `base` (V,
    C) is the sum over topics of the second part. The bits depend on `seeds` (n,) and
    on what the tokens are.

    Returns the sum over tokens, copies counting by `mass` (n,), of log-probabilities.
    """
    K = words.shape[1]
    counts, listed = np.zeros(K), np.zeros(K, np.bool_)
    names, below = np.empty(K, np.int64), np.empty(K)
    gain = 0.0
    for j in range(len(rows)):
        low, high = start[rows[j]], start[rows[j] + 1]
        own, at = cells[low:high], columns[low:high]
        tokens = topics[offset[j] : offset[j + 1]]
        n = _fill(own, tokens, counts, listed, names)
        state, u = uniform(mixed(seeds[j]))
        law = _draw(laws[j], u)
        gain += mass[j] * _redraw(
            own, at, words, base, alphas, law, state, tokens, counts, listed, names, n,
            below,
        )  # fmt: skip
        counts[:], listed[:] = 0.0, False
    return gain


@njit(nogil=True, cache=True)
def _fill(
    cells: Cells, topics: Labels, counts: Array, listed: Flags, names: Index
) -> int:
    """Add up the tokens `counts` (K,) of each topic, and list the `names` of these.

    Returns how many topics there are.
    """
    n, at = 0, 0
    for cell in range(len(cells)):
        left = np.float64(cells[cell])
        while left > 0.0:
            k = topics[at]
            if k >= 0:
                if not listed[k]:
                    listed[k], names[n] = True, k
                    n += 1
                counts[k] += min(left, 1.0)
            left -= 1.0
            at += 1
    return n


# Calls that take arrays would count references at each token: it is one function.
@njit(nogil=True, cache=True)
def _redraw(
    cells: Cells,
    columns: Index,
    words: Words,
    base: Array,
    alphas: Array,
    law: int,
    state: np.uint64,
    topics: Labels,
    counts: Array,
    listed: Flags,
    names: Index,
    n: int,
    below: Array,
) -> float:
    """Draw the topics of the tokens of one copy; their log-probability.

    `counts`, `listed` and the first `n` of `names` are those of `_fill`, and follow the
    tokens; topics stay on the list when their last token leaves, as it may come back.
    `below` (K,) is room to work in.
    """
    K, alpha = len(counts), alphas[law]
    size, length = alpha.sum(), counts.sum()
    product, logs, at = 1.0, 0.0, 0
    for cell in range(len(cells)):
        left, row = np.float64(cells[cell]), words[columns[cell]]
        new = base[columns[cell], law]
        while left > 0.0:
            k, own = topics[at], min(left, 1.0)
            if k >= 0:
                # Fractions may leave sums below zero by rounding.
                counts[k] = max(counts[k] - own, 0.0)
                length = max(length - own, 0.0)
            held = 0.0
            for p in range(n):
                held += counts[names[p]] * np.float64(row[names[p]])
                below[p] = held
            state, u = uniform(state)
            u *= held + new
            if u < held:
                p = 0
                while below[p] <= u:
                    p += 1
                k = names[p]
            else:
                u -= held
                k = 0
                while k < K - 1:
                    u -= alpha[k] * np.float64(row[k])
                    if u < 0.0:
                        break
                    k += 1
                if not listed[k]:
                    listed[k], names[n] = True, k
                    n += 1
            probability = (held + new) / (length + size)
            if own == 1.0:
                product *= probability
                if product < _FOLD:
                    logs += np.log(product)
                    product = 1.0
            else:
                logs += own * np.log(probability)
            topics[at] = k
            counts[k] += own
            length += own
            left -= 1.0
            at += 1
    return float(logs + np.log(product))


@njit(nogil=True, cache=True)
def _draw(shares: Array, u: float) -> int:
    """Draw an entry of `shares`, which are positive or zero and sum to one."""
    last = 0
    for c in range(len(shares)):
        if shares[c] > 0.0:
            last = c
            u -= shares[c]
            if u < 0.0:
                break
    return last


@njit(nogil=True, cache=True)
def count_topics(
    cells: Cells,
    start: Index,
    rows: Index,
    offset: Index,
    topics: Labels,
    out: Array,
) -> None:
    """Count the tokens `out` (n, K) of each topic in copies."""
    out[:] = 0.0
    for j in range(len(rows)):
        at = offset[j]
        for cell in range(start[rows[j]], start[rows[j] + 1]):
            left = np.float64(cells[cell])
            while left > 0.0:
                if topics[at] >= 0:
                    out[j, topics[at]] += min(left, 1.0)
                left -= 1.0
                at += 1


@njit(nogil=True, cache=True)
def count_words(
    cells: Cells,
    columns: Index,
    start: Index,
    rows: Index,
    offset: Index,
    mass: Array,
    low: int,
    high: int,
    topics: Labels,
    words: Array,
) -> None:
    """Count the tokens `words` (V, K) of each topic, copies counting by `mass` (n,).

    Only words from `low` to `high` are touched, so that ranges can run side by side:
    each count sees the copies in one order.
    """
    for j in range(len(rows)):
        at = offset[j]
        for cell in range(start[rows[j]], start[rows[j] + 1]):
            left = np.float64(cells[cell])
            if not low <= columns[cell] < high:
                at += int(np.ceil(left))
                continue
            row = words[columns[cell]]
            while left > 0.0:
                row[topics[at]] += mass[j] * min(left, 1.0)
                left -= 1.0
                at += 1


# Calls kernels of other modules, as of fafbf827235d.
