"""Compiled passes of collapsed variational inference over sparse documents.

Documents come as the arrays of a CSR matrix, `start` being the part of its row pointers
that belongs to them. Tables have one row a word or a document and one entry a topic, so
that inner loops run over topics side by side. Topics are padded to a multiple of eight:
those beyond the last have no counts and stay so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.topics._uniform_kernels import uniform

Array = NDArray[np.float64]
Shares = NDArray[np.float32]
Cells = NDArray[Any]
Index = NDArray[Any]

# Products of probabilities above this can take one more such factor.
_SMALLEST = 1e-150


@njit(nogil=True, cache=True)
def scatter(
    start: Index, seeds: NDArray[np.uint64], n_topics: int, shares: Shares
) -> None:
    """Fill the `shares` (cells, K) of topics in each cell with random ones.

    They are squares of uniform numbers, which a counter makes of the seed (n,) of each
    document, so that they depend on nothing else.
    """
    for i in range(len(seeds)):
        state = seeds[i]
        for at in range(start[i], start[i + 1]):
            row = shares[at]
            total = 0.0
            for k in range(n_topics):
                state, u = uniform(state)
                row[k] = np.float32(u * u)
                total += row[k]
            for k in range(n_topics):
                row[k] = np.float32(row[k] / total)


@njit(nogil=True, cache=True)
def count_topics(cells: Cells, start: Index, shares: Shares, out: Array) -> None:
    """Sum up the expected number `out` (n, K) of tokens of each topic in documents."""
    for i in range(len(out)):
        row = out[i]
        row[:] = 0.0
        for at in range(start[i], start[i + 1]):
            count, share = np.float64(cells[at]), shares[at]
            for k in range(len(row)):
                row[k] += count * share[k]


@njit(nogil=True, cache=True)
def count_words(
    cells: Cells,
    columns: Index,
    start: Index,
    weights: Array,
    low: int,
    high: int,
    shares: Shares,
    words: Array,
) -> None:
    """Add the expected number of tokens of each topic to the `words` (V, K) in a range.

    Documents count by `weights` (n,), and `shares` are those of their cells alone.
    """
    first = start[0]
    for i in range(len(weights)):
        if weights[i] == 0.0:
            continue
        begin, end = _within(columns, start[i], start[i + 1], low, high)
        for at in range(begin, end):
            count = weights[i] * np.float64(cells[at])
            row, share = words[columns[at]], shares[at - first]
            for k in range(len(row)):
                row[k] += count * share[k]


@njit(
    nogil=True,
    cache=True,
    fastmath={"contract", "nsz", "reassoc", "arcp"},
    error_model="numpy",  # a check for zero would keep loops from vectors
)
def assign(
    cells: Cells,
    columns: Index,
    start: Index,
    weights: Array,
    words: Array,
    topics: Array,
    shares: Shares,
) -> float:
    """Fill the `shares` of topics in the cells of documents, at fixed parameters.

    They are proportional to the probabilities `words` (V, K) times the weights
    `topics` (n, K) in each document. Returns the log-probability of all tokens,
    documents counting by `weights` (n,).
    """
    n_topics = words.shape[1]
    value = np.empty(n_topics)
    first = start[0]
    gain = 0.0
    for i in range(len(weights)):
        own = topics[i]
        length = 0.0
        for k in range(n_topics):
            length += own[k]
        for at in range(start[i], start[i + 1]):
            row, share = words[columns[at]], shares[at - first]
            total = 0.0
            for k in range(n_topics):
                value[k] = row[k] * own[k]
                total += value[k]
            unit = 1.0 / total
            for k in range(n_topics):
                share[k] = np.float32(value[k] * unit)
            gain += weights[i] * np.float64(cells[at]) * np.log(total / length)
    return gain


@njit(
    nogil=True,
    cache=True,
    fastmath={"contract", "nsz", "reassoc", "arcp"},
    error_model="numpy",  # a check for zero would keep loops from vectors
)
def revise(
    cells: Cells,
    columns: Index,
    start: Index,
    weights: Array,
    words: Array,
    prior: Array,
    totals: Array,
    pseudo_totals: Array,
    alpha: Array,
    n_rounds: int,
    most: float,
    old: Shares,
    topics: Array,
    new: Shares,
    moved: Array,
) -> float:
    """Revise the shares of topics in the cells of documents, the words fixed.

    The words' counts `words` (V, K) contain each document at the shares `old`. Each
    cell is revised without its own tokens, or as many of them as `most`. `prior`
    (V, K), or (1, K) where all words are alike, is added to them; `totals` (K,) and
    `pseudo_totals` are the sums of both over words. `alpha` (n, K), or (1, K), is added
    to the counts `topics` (n, K) of each document, which follow the shares. `new` has
    the shares of these documents alone. `moved` (K,) gains the change of the sums of
    `words`, documents counting by `weights` (n,).

    Returns the weighted sum of the log-probabilities of tokens given all others.
    """
    n_topics = len(totals)
    value, initial = np.empty(n_topics), np.empty(n_topics)
    first = start[0]
    many_words, many_alphas = len(prior) > 1, len(alpha) > 1
    gain = 0.0
    for i in range(len(weights)):
        own_alpha = alpha[i if many_alphas else 0]
        counts = topics[i]
        initial[:] = counts
        # A product of many tokens costs one logarithm.
        log_probability, product = 0.0, 1.0
        length = 0.0
        for k in range(n_topics):
            length += own_alpha[k]
        for at in range(start[i], start[i + 1]):
            length += np.float64(cells[at])
        for turn in range(n_rounds):
            for at in range(start[i], start[i + 1]):
                count, column = np.float64(cells[at]), columns[at]
                row, pseudo = words[column], prior[column if many_words else 0]
                before, after = old[at], new[at - first]
                current = after if turn else before
                out = min(count, most)
                kept, own = count - out, min(weights[i], 1.0) * out
                total = 0.0
                for k in range(n_topics):
                    mine = own * before[k]
                    word = row[k] - mine
                    word = word if word > 0.0 else 0.0
                    others = counts[k] - count * current[k]
                    others = others if others > 0.0 else 0.0
                    counts[k] = others
                    rest = others + kept * current[k]
                    size = totals[k] - mine
                    size = (size if size > 0.0 else 0.0) + pseudo_totals[k]
                    both = (word + pseudo[k]) * (rest + own_alpha[k]) / size
                    value[k] = both
                    total += both
                unit = 1.0 / total
                for k in range(n_topics):
                    share = np.float32(value[k] * unit)
                    after[k] = share
                    counts[k] += count * share
                if turn == n_rounds - 1:
                    probability = total / (length - out)
                    if count == 1.0 and probability > _SMALLEST:
                        product *= probability
                        if product < _SMALLEST:
                            log_probability += np.log(product)
                            product = 1.0
                    else:
                        log_probability += count * np.log(probability)
        gain += weights[i] * (log_probability + np.log(product))
        for k in range(n_topics):
            moved[k] += weights[i] * (counts[k] - initial[k])
    return gain


@njit(nogil=True, cache=True)
def move(
    cells: Cells,
    columns: Index,
    start: Index,
    weights: Array,
    low: int,
    high: int,
    new: Shares,
    old: Shares,
    words: Array,
) -> None:
    """Put new shares in the place of `old` in the counts `words` (V, K) of a range.

    Ranges can run side by side: each count sees the documents in one order.
    """
    first = start[0]
    for i in range(len(weights)):
        begin, end = _within(columns, start[i], start[i + 1], low, high)
        for at in range(begin, end):
            count = weights[i] * np.float64(cells[at])
            row, before, after = words[columns[at]], old[at], new[at - first]
            for k in range(len(row)):
                row[k] += count * (np.float64(after[k]) - np.float64(before[k]))


@njit(nogil=True, cache=True)
def _within(
    columns: Index, first: int, last: int, low: int, high: int
) -> tuple[int, int]:
    """Where, between `first` and `last`, sorted columns are from `low` to `high`."""
    own = columns[first:last]
    begin, end = np.searchsorted(own, low), np.searchsorted(own, high)
    return int(first + begin), int(first + end)


# Calls kernels of other modules, as of fafbf827235d.
