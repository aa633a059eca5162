"""Compiled estimates of the probability of unseen documents.

Documents and tables come as in `_kernels`; tables of particles have those side by side.
A document's random numbers come from a counter that starts at its seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.topics._uniform_kernels import uniform

Array = NDArray[np.float64]
Cells = NDArray[Any]
Index = NDArray[Any]
State = NDArray[np.uint64]

# Earlier tokens are drawn again each time that their number has grown so much.
_GROWTH = 1.1
# Of more tokens of a word, nearly half are in a random half of them.
_MANY = 2**12


@njit(nogil=True, cache=True)
def probabilities(
    cells: Cells,
    columns: Index,
    start: Index,
    seeds: State,
    words: Array,
    alphas: Array,
    n_topics: int,
    n_particles: int,
    most: float,
    out: Array,
) -> None:
    """Fill `out` (n, C) with log-probabilities of the tokens of documents as sequences.

    `words` (V, K) has the probabilities of words, `alphas` (C, K) are the parameters of
    the laws of topics. Documents of whole counts are summed over all topics where
    this takes no more than `most` products; others are estimated by particles.
    """
    state = np.empty(1, np.uint64)
    for i in range(len(out)):
        state[0] = seeds[i]
        at = start[i], start[i + 1]
        tokens, sizes, n_whole = _tokens(cells[at[0] : at[1]], state)
        tokens = columns[at[0] : at[1]][tokens]
        few = n_whole == len(tokens) and n_sums(n_whole, n_topics) <= most
        for c in range(len(alphas)):
            alpha = alphas[c, :n_topics]
            if few:
                out[i, c] = sum_topics(tokens, words, alpha)
            else:
                out[i, c] = sample_topics(
                    tokens, sizes, n_whole, words, alpha, n_particles, state
                )


@njit(nogil=True, cache=True)
def _draw_uniform(state: State) -> float:
    """A number from 0 to 1, without 1; `state` (1,) goes on."""
    state[0], u = uniform(state[0])
    return u


@njit(nogil=True, cache=True)
def _tokens(cells: Cells, state: State) -> tuple[NDArray[np.intp], Array, int]:
    """Cells that tokens belong to, in random order; their sizes; how many are whole.

    What counts have beyond whole numbers makes smaller tokens, after the whole ones.
    """
    n_whole, n_parts = 0, 0
    for at in range(len(cells)):
        whole = int(cells[at])
        n_whole += whole
        n_parts += cells[at] > whole
    tokens = np.empty(n_whole + n_parts, np.intp)
    sizes = np.ones(n_whole + n_parts)
    n, m = 0, n_whole
    for at in range(len(cells)):
        whole = int(cells[at])
        tokens[n : n + whole] = at
        n += whole
        if cells[at] > whole:
            tokens[m] = at
            m += 1
    _shuffle(tokens[:n_whole], state)
    _shuffle(tokens[n_whole:], state)
    for m in range(n_whole, len(tokens)):
        sizes[m] = cells[tokens[m]] - np.floor(cells[tokens[m]])
    return tokens, sizes, n_whole


@njit(nogil=True, cache=True)
def _shuffle(values: NDArray[np.intp], state: State) -> None:
    for n in range(len(values) - 1, 0, -1):
        at = int(_draw_uniform(state) * (n + 1))
        values[n], values[at] = values[at], values[n]


@njit(nogil=True, cache=True)
def n_sums(n_tokens: int, n_topics: int) -> float:
    """Number of products that `sum_topics` takes."""
    vectors = 1.0
    for k in range(1, n_topics + 1):
        vectors *= (n_tokens - 1 + k) / k
    return n_topics * vectors


@njit(nogil=True, cache=True)
def sum_topics(tokens: Index, words: Array, alpha: Array) -> float:
    """Log-probability of tokens, summed over their topics.

    Token by token, all numbers of tokens of each topic have their probability, with
    the tokens so far. They are ranked by their cumulative sums s, in the combinatorial
    number system: one more token of a topic moves the rank by a sum of `ways`, where
    ways[k, s] is the number of ways to share s out among k + 1 topics.
    """
    n_topics, last = len(alpha), len(alpha) - 1
    ways = np.ones((n_topics, len(tokens) + 1), np.int64)
    for k in range(1, n_topics):
        for s in range(1, len(tokens) + 1):
            ways[k, s] = ways[k, s - 1] + ways[k - 1, s]
    now, after = np.zeros((2, ways[last, len(tokens)]))
    now[0] = 1.0
    sums = np.empty(n_topics, np.int64)
    log_probability, size = 0.0, alpha.sum()
    for n in range(len(tokens)):
        row, total = words[tokens[n]], 0.0
        after[: ways[last, n + 1]] = 0.0
        sums[:] = 0
        sums[last] = n
        for rank in range(ways[last, n]):
            to = rank
            for k in range(last, -1, -1):
                to += ways[k, sums[k]] if k < last else 0
                own = sums[k] - (sums[k - 1] if k > 0 else 0)
                value = now[rank] * row[k] * (own + alpha[k])
                after[to] += value
                total += value
            _next_sums(sums)
        log_probability += np.log(total / (n + size))
        after[: ways[last, n + 1]] /= total
        now, after = after, now
    return log_probability


@njit(nogil=True, cache=True)
def _next_sums(sums: NDArray[np.int64]) -> None:
    """Turn cumulative sums into those of the next rank, with the same total."""
    k = 0
    while k < len(sums) - 1 and sums[k] == sums[k + 1]:
        sums[k] = 0
        k += 1
    if k < len(sums) - 1:
        sums[k] += 1


@njit(nogil=True, cache=True)
def sample_topics(
    tokens: Index,
    sizes: Array,
    n_whole: int,
    words: Array,
    alpha: Array,
    n_particles: int,
    state: State,
) -> float:
    """Estimate the log-probability of tokens from left to right, by particles.

    Each particle has topics of the tokens so far; the mean of its probabilities of the
    next token is the factor of that token. Particles are resampled where their weights
    differ much, and moved by Gibbs sampling, which leaves their law as it is.
    """
    counts = np.zeros((len(alpha), n_particles))
    topics = np.empty((len(tokens), n_particles), np.intp)
    weight = np.full(n_particles, 1.0 / n_particles)
    sums = np.empty_like(counts)
    log_probability, length, size = 0.0, 0.0, alpha.sum()
    sweep_at = 2.0
    for n in range(len(tokens)):
        row, part, total = words[tokens[n]], sizes[n], 0.0
        _add_up(row, counts, alpha, sums)
        for r in range(n_particles):
            p = sums[-1, r] / (length + size)
            weight[r] *= p if part == 1.0 else p**part
            total += weight[r]
        log_probability += np.log(total)
        weight /= total
        if n_particles * (weight * weight).sum() > 2.0:
            _resample(weight, counts, topics[:n], _draw_uniform(state))
            _add_up(row, counts, alpha, sums)
        _draw(sums, state, topics[n])
        for r in range(n_particles):
            counts[topics[n, r], r] += part
        length += part
        if sweep_at <= n + 1 < n_whole:
            sweep_at = _GROWTH * (n + 1)
            _sweep(tokens, words, alpha, topics[: n + 1], counts, sums, state)
    return log_probability


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _add_up(row: Array, counts: Array, alpha: Array, sums: Array) -> None:
    """Fill `sums` (K, R) with odds of topics, added up over topics.

    Odds are `row` (K,) times the sum of `counts` (K, R) and `alpha` (K,).
    """
    for r in range(sums.shape[1]):
        sums[0, r] = row[0] * (counts[0, r] + alpha[0])
    for k in range(1, len(sums)):
        p, a = row[k], alpha[k]
        for r in range(sums.shape[1]):
            sums[k, r] = sums[k - 1, r] + p * (counts[k, r] + a)


@njit(nogil=True, cache=True)
def _draw(sums: Array, state: State, topics: NDArray[np.intp]) -> None:
    """Draw `topics` (R,) with odds that are added up to `sums` (K, R)."""
    last = sums[-1]
    for r in range(len(topics)):
        last[r] *= _draw_uniform(state)
        topics[r] = 0
    for k in range(len(sums) - 1):
        for r in range(len(topics)):
            topics[r] += sums[k, r] <= last[r]


@njit(nogil=True, cache=True)
def _sweep(
    tokens: Index,
    words: Array,
    alpha: Array,
    topics: NDArray[np.intp],
    counts: Array,
    sums: Array,
    state: State,
) -> None:
    """Draw the topics (n, R) of the first tokens again, each given all others."""
    for n in range(len(topics)):
        own = topics[n]
        for r in range(len(own)):
            counts[own[r], r] -= 1.0
        _add_up(words[tokens[n]], counts, alpha, sums)
        _draw(sums, state, own)
        for r in range(len(own)):
            counts[own[r], r] += 1.0


@njit(nogil=True, cache=True)
def _resample(
    weight: Array, counts: Array, topics: NDArray[np.intp], offset: float
) -> None:
    """Make copies of particles as many as their weights say, which become equal."""
    n_particles = len(weight)
    copies = np.zeros(n_particles, np.intp)
    passed, n = 0.0, 0
    for r in range(n_particles):
        passed += weight[r] * n_particles
        while n < n_particles and n + offset < passed:
            copies[r] += 1
            n += 1
    free = 0
    for r in range(n_particles):
        while copies[r] > 1:
            while copies[free] > 0:
                free += 1
            counts[:, free] = counts[:, r]
            topics[:, free] = topics[:, r]
            copies[free] = 1
            copies[r] -= 1
    weight[:] = 1.0 / n_particles


@njit(nogil=True, cache=True)
def halve(
    cells: Cells, start: Index, seeds: State, first: Array, second: Array
) -> None:
    """Put a random half of the tokens of each document in `first`, others in `second`.

    What counts have beyond whole numbers goes to both in equal parts.
    """
    state = np.empty(1, np.uint64)
    for i in range(len(seeds)):
        state[0] = seeds[i]
        left = 0
        for at in range(start[i], start[i + 1]):
            left += int(cells[at])
        needed = left // 2
        for at in range(start[i], start[i + 1]):
            whole = int(cells[at])
            half = 0.5 * (cells[at] - whole)
            sure = whole // 2 if whole > _MANY else 0
            first[at] = second[at] = half + sure
            left -= 2 * sure
            needed -= sure
            for _ in range(whole - 2 * sure):
                chosen = _draw_uniform(state) * left < needed
                left -= 1
                if chosen:
                    needed -= 1
                    first[at] += 1.0
                else:
                    second[at] += 1.0


@njit(nogil=True, cache=True)
def add_logs(
    cells: Cells, columns: Index, start: Index, words: Array, weights: Array, out: Array
) -> None:
    """Add logs of `words` (V, K) times `weights` (n, K), by tokens, to `out` (n,)."""
    for i in range(len(out)):
        for at in range(start[i], start[i + 1]):
            if cells[at] > 0:
                p = _dot(words[columns[at]], weights[i])
                out[i] += cells[at] * np.log(p)


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def _dot(first: Array, second: Array) -> float:
    total = 0.0
    for k in range(len(first)):
        total += first[k] * second[k]
    return total


# Calls kernels of other modules, as of fafbf827235d.
