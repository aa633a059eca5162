"""Partially collapsed Gibbs sampling: topics of tokens, given words that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import Scratch
from sklgen.em._rows import pieces
from sklgen.em._tasks import size_within, total
from sklgen.mixture._structure import MixtureStatistics
from sklgen.topics._cvb0 import Schedule
from sklgen.topics._documents import Documents
from sklgen.topics._gibbs_kernels import count_topics, count_words, share_out, sweep
from sklgen.topics._priors import with_priors
from sklgen.topics._structure import Topics
from sklgen.topics._uniform_kernels import stream

# Copies of documents are drawn so many tokens at a time, and words so many bytes.
_TOKENS = 8192
_BYTES = 2**19
_WORDS = (1, 2**16)
# Each token has four bytes.
_MOST_TOKENS = 2.0**31


@dataclass(frozen=True)
class Sampling:
    """Where a chain ended.

    Parameters
    ----------
    topics : Topics
        The topics, at the mean of their counts in the last half of the sweeps.
    gains : tuple of float
        Mean log-probability of a token given the words of topics and all other tokens
        of its document, in each sweep.
    """

    topics: Topics
    gains: tuple[float, ...]

    @property
    def converged(self) -> bool:
        """False: nothing tells whether a chain has come to its law."""
        return False


@dataclass(frozen=True)
class Copies:
    """Adjacent copies of documents.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Rows of the documents.
    offset : ndarray of shape (n + 1,)
        Where the tokens of each copy start.
    mass : ndarray of shape (n,)
        Weight of each copy: one, or less.
    seeds : ndarray of shape (n,)
        Random numbers that tell copies of other documents and of the same one apart.
    """

    rows: NDArray[np.intp]
    offset: NDArray[np.int64]
    mass: Array
    seeds: NDArray[np.uint64]

    @classmethod
    def of(cls, documents: Documents) -> Copies:
        """As many copies of each distinct document as its weight has whole units.

        What is left of the weight is one more copy. Documents alike in all cells are
        one, so that a weight of 2 is the document twice.
        """
        if documents.n_tokens > _MOST_TOKENS:
            raise ValueError(
                'method="gibbs" draws a topic for each token, and X has '
                f"{documents.n_tokens:.3g} of them: count in larger units, or take "
                'method="cvb0".'
            )
        seeds, first, inverse = np.unique(
            documents.seeds, return_index=True, return_inverse=True
        )
        weight = np.bincount(inverse, documents.weight, len(seeds))
        n = np.ceil(weight).astype(np.intp)
        last = np.cumsum(n) - 1
        rows = np.repeat(first, n)
        number = np.arange(len(rows)) - np.repeat(last - n + 1, n)
        mass = np.ones(len(rows))
        mass[last] = weight - (n - 1)
        X = documents.X
        tokens = np.concatenate([[0], np.cumsum(np.ceil(X.data).astype(np.int64))])
        length = np.diff(tokens[X.indptr])[rows]
        offset = np.concatenate([[0], np.cumsum(length)])
        return cls(rows, offset, mass, stream(np.repeat(seeds, n), number))

    def blocks(self) -> list[Copies]:
        """The copies in blocks of about equally many tokens."""
        starts = self.offset[:-1]
        cuts = np.flatnonzero(np.diff(starts // _TOKENS)) + 1
        ends = [0, *cuts.tolist(), len(starts)]
        return [self._part(low, high) for low, high in pairwise(ends)]

    def _part(self, low: int, high: int) -> Copies:
        at = slice(low, high)
        offset = self.offset[low : high + 1]
        return Copies(self.rows[at], offset, self.mass[at], self.seeds[at])


def sample_topics(
    topics: Topics,
    documents: Documents,
    schedule: Schedule,
    rng: np.random.Generator,
    *,
    open_laws: Callable[[Topics, Array, Array], Topics] | None = None,
    monitor: Callable[[float], object] = lambda gain: None,
) -> Sampling:
    """Draw words of topics, and topics of tokens given these, in turns.

    Given the words of topics, documents are independent [1]_: the tokens of each are
    drawn one by one, its shares of topics integrated out.

    Parameters
    ----------
    topics : Topics
        The start: the first sweep draws words from its counts, which may be zero, and
        gives each token a topic, given the tokens of its document before it.
    documents : Documents
        The documents, opened. A whole count is that many tokens, a fraction one token
        of that mass; whole weights are copies with topics of their own.
    schedule : Schedule
        The number of sweeps, and what to learn; `tol` has no effect.
    rng : numpy.random.Generator
        Source of randomness.
    open_laws : callable or None, default=None
        Replaces the law of topics by several, before they are learned for the first
        time: `open_laws(topics, counts, weight)`, given topic counts (n, K') of copies
        of documents and their weights.
    monitor : callable
        Called with the mean log-probability of a token after each sweep.

    Returns
    -------
    found : Sampling
        Where the chain ended.

    Notes
    -----
    For m tokens in documents of k different topics, V words and K topics, a sweep takes
    O(m k + V K) operations.

    References
    ----------
    .. [1] Magnusson, M., Jonsson, L., Villani, M. and Broman, D. (2018). Sparse
       partially collapsed MCMC for parallel inference in topic models. Journal of
       Computational and Graphical Statistics, 27(2), 449-463.
    """
    chain = Chain(documents)
    n_tokens = documents.n_tokens or 1.0
    gains: list[float] = []
    kept = np.zeros_like(topics.words)
    first = min(max(schedule.burn_in, schedule.max_iter // 2), schedule.max_iter - 1)
    for n in range(1, schedule.max_iter + 1):
        gains.append(chain.sweep(topics, rng) / n_tokens)
        topics = topics.with_words(chain.word_counts(topics))
        monitor(gains[-1])
        if n > first:
            kept += topics.words
        if n == schedule.burn_in and open_laws is not None:
            topics = open_laws(topics, chain.topic_counts(topics), chain.mass)
        if schedule.learns_at(n):
            laws = chain.law_statistics(topics) if schedule.topic_prior else None
            topics = with_priors(topics, laws, words=schedule.word_prior)
    kept /= schedule.max_iter - first
    return Sampling(topics.with_words(kept), tuple(gains))


class Chain:
    """The topics of all tokens, which sweeps change.

    Parameters
    ----------
    documents : Documents
        The documents, opened.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._copies = Copies.of(documents)
        self._blocks = self._copies.blocks()
        self._topics = np.full(self._copies.offset[-1], -1, np.int32)

    @property
    def mass(self) -> Array:
        """Weight of each copy."""
        return self._copies.mass

    def sweep(self, topics: Topics, rng: np.random.Generator) -> float:
        """Draw all topics anew; the log-probability of all tokens."""
        X = self._documents.X
        words, base = draw_words(topics, self._documents, rng)
        alphas = topics.laws.components.alpha
        salt = rng.integers(2**63, dtype=np.uint64)

        def task(block: Copies, scratch: Scratch) -> float:
            return sweep(
                X.data, X.indices, X.indptr, block.rows, block.offset, block.mass,
                block.seeds ^ salt, self._law_shares(topics, block, scratch), words,
                base, alphas, self._topics,
            )  # fmt: skip

        return total(self._documents.run(task, self._blocks))

    def _law_shares(self, topics: Topics, block: Copies, scratch: Scratch) -> Array:
        """Probability (n, C) of each law of topics in copies."""
        if len(topics.alphas) == 1:
            return np.ones((len(block.rows), 1))
        counts = self._topic_counts(topics, block, scratch)
        shares = topics.cluster_shares(counts, scratch)
        return np.ascontiguousarray(shares.T)

    def _topic_counts(self, topics: Topics, block: Copies, scratch: Scratch) -> Array:
        X, shape = self._documents.X, (len(block.rows), topics.words.shape[1])
        counts = scratch("topic counts", shape)
        count_topics(X.data, X.indptr, block.rows, block.offset, self._topics, counts)
        return counts

    def topic_counts(self, topics: Topics) -> Array:
        """Number (n, K') of tokens of each topic in copies."""

        def task(block: Copies, scratch: Scratch) -> Array:
            return self._topic_counts(topics, block, scratch).copy()

        return np.concatenate(list(self._documents.run(task, self._blocks)))

    def law_statistics(self, topics: Topics) -> MixtureStatistics:
        """What the topics of tokens say about the laws of topics in documents."""

        def task(block: Copies, scratch: Scratch) -> MixtureStatistics:
            counts = self._topic_counts(topics, block, scratch)
            return topics.law_statistics(counts, block.mass, scratch)

        return total(self._documents.run(task, self._blocks))

    def word_counts(self, topics: Topics) -> Array:
        """Number (V, K') of tokens of each topic in words."""
        X = self._documents.X
        copies, words = self._copies, np.zeros_like(topics.words)

        def task(words_of: tuple[int, int], scratch: Scratch) -> None:
            count_words(
                X.data, X.indices, X.indptr, copies.rows, copies.offset, copies.mass,
                *words_of, self._topics, words,
            )  # fmt: skip

        for _ in self._documents.run(task, self._documents.word_ranges):
            pass
        return words


def draw_words(
    topics: Topics, documents: Documents, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Array]:
    """Draw the probabilities of words from their posterior, given counts.

    Parameters
    ----------
    topics : Topics
        The counts, and the prior.
    documents : Documents
        Runs the slices of words.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    words : ndarray of shape (V, K)
        Probability of each word in each topic.
    base : ndarray of shape (V, C)
        Their sums over topics, weighed by the parameters of each law of topics.
    """
    K, alphas = topics.n_topics, topics.laws.components.alpha
    words = np.empty((topics.n_words, K), np.float32)
    base = np.empty((topics.n_words, len(alphas)))
    prior = np.broadcast_to(topics.prior, topics.words.shape)
    slices = list(pieces(slice(0, len(words)), size_within(_BYTES, K, _WORDS)))
    streams = rng.spawn(len(slices))

    def draw(number: int, scratch: Scratch) -> Array:
        at = slices[number]
        shape = (topics.words[at, :K] + prior[at, :K]).astype(np.float32)
        streams[number].standard_gamma(shape, dtype=np.float32, out=words[at])
        return np.asarray(words[at].sum(axis=0, dtype=np.float64))

    sums = total(documents.run(draw, range(len(slices))))
    for k in np.flatnonzero(sums == 0.0):
        # Of variates that all vanish, the largest is any one, by its prior.
        share = topics.words[:, k] + prior[:, k]
        words[rng.choice(len(words), p=share / share.sum()), k] = 1.0
        sums[k] = 1.0
    scale = partial(_share_out, words, 1.0 / sums, alphas, base)
    for _ in documents.run(scale, slices):
        pass
    return words, base


def _share_out(
    words: NDArray[np.float32],
    inverse: Array,
    alphas: Array,
    base: Array,
    at: slice,
    scratch: Scratch,
) -> None:
    share_out(words[at], inverse, alphas, base[at])
