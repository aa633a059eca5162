"""Collapsed variational inference of zeroth order, by passes over documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sklgen._typing import Array
from sklgen.em import Scratch
from sklgen.mixture._structure import MixtureStatistics
from sklgen.topics._documents import DocumentBlock, Documents
from sklgen.topics._kernels import Shares, assign, count_topics, move, revise
from sklgen.topics._priors import with_priors
from sklgen.topics._structure import Topics, pad

# Times that a pass goes over the cells of a document before the next one.
_ROUNDS = 2
# Share of the words of a topic that start as those of one document.
_SEED_SHARE = 0.2
# Passes that starts are compared after.
_START_PASSES = 10
# Times that documents look for their topics at the start.
_SEED_STEPS = 3
# Priors are learned in every so many passes.
_EVERY = 5


@dataclass(frozen=True)
class Schedule:
    """When a run ends, and what it learns besides the topics.

    Parameters
    ----------
    max_iter : int
        Largest number of passes.
    tol : float
        The run ends when the log-probability of a token given all others changes by
        less in each of five passes.
    burn_in : int
        Number of passes before priors are learned.
    topic_prior, word_prior : bool
        Whether the priors of topics in documents and of words in topics are learned.
    """

    max_iter: int
    tol: float
    burn_in: int
    topic_prior: bool
    word_prior: bool

    def learns_at(self, n_passes: int) -> bool:
        """Whether priors are learned after so many passes."""
        after = n_passes - self.burn_in
        return after >= 0 and after % _EVERY == 0

    def rests(self, gains: list[float]) -> bool:
        """Whether the log-probability stays, while priors were learned or after."""
        if len(gains) < self.burn_in + _EVERY:
            return False
        return bool(np.abs(np.diff(gains[-_EVERY - 1 :])).max() < self.tol)


@dataclass(frozen=True)
class Inference:
    """Where a run ended.

    Parameters
    ----------
    topics : Topics
        The topics, their counts those of the shares.
    shares : ndarray of shape (n_cells, K')
        Probability of each topic in each cell of the documents.
    gains : tuple of float
        Mean log-probability of a token given all others, after each pass.
    converged : bool
        Whether its changes fell below `tol`.
    """

    topics: Topics
    shares: Shares
    gains: tuple[float, ...]
    converged: bool


def first_shares(topics: Topics, documents: Documents, start: int = 0) -> Shares:
    """Shares of topics in the cells of documents to start from.

    Each topic has the words of all documents, and more of those of one of them: topics
    part at once, which random shares of tokens take many passes for.

    Parameters
    ----------
    topics : Topics
        Topics without counts. Where words have more of a prior in one topic, shares are
        random ones, times its odds; so they are where documents are fewer than topics.
    documents : Documents
        The documents, opened.
    start : int, default=0
        Other numbers start from other documents, or random shares.

    Returns
    -------
    shares : ndarray of shape (n_cells, K')
        Rows sum to one.
    """
    X, K = documents.X, topics.n_topics
    seeds = documents.seeds_apart(K, start)
    if len(seeds) < K or len(topics.prior) > 1:
        return _random_shares(topics, documents, start)
    whole = X.T @ documents.weight
    words = np.zeros_like(topics.words)
    words[:, :K] = ((1.0 - _SEED_SHARE) * whole / whole.sum())[:, None]
    lengths = X[seeds].sum(axis=1)
    words[:, :K] += _SEED_SHARE * (X[seeds].toarray() / lengths[:, None]).T
    shares = np.empty((X.nnz, words.shape[1]), np.float32)
    alike, alpha = pad(np.ones((1, K))), topics.alphas[:1]

    def fill(block: DocumentBlock, scratch: Scratch) -> None:
        weights = np.repeat(alike, len(block.weight), axis=0)
        own = shares[block.start[0] : block.start[-1]]
        for _ in range(_SEED_STEPS):
            assign(X.data, X.indices, block.start, block.weight, words, weights, own)
            count_topics(X.data, block.start, shares, weights)
            weights += alpha

    for _ in documents.map(fill):
        pass
    return shares


def _random_shares(topics: Topics, documents: Documents, start: int) -> Shares:
    """Random shares of topics in the cells of documents, by the odds of the prior."""
    shares = documents.random_shares(topics.n_topics, start)
    if len(topics.prior) == 1:
        return shares
    odds = topics.prior / topics.prior.sum(axis=0)
    indices = documents.X.indices

    def seed(block: DocumentBlock, scratch: Scratch) -> None:
        own = slice(block.start[0], block.start[-1])
        seeded = shares[own] * odds[indices[own]]
        shares[own] = seeded / seeded.sum(axis=1, keepdims=True)

    for _ in documents.map(seed):
        pass
    return shares


def best_start(
    topics: Topics, documents: Documents, n_starts: int, max_iter: int
) -> tuple[Topics, Shares]:
    """The best of several starts after a few passes.

    Parameters
    ----------
    topics : Topics
        Topics without counts.
    documents : Documents
        The documents, opened.
    n_starts : int
        Number of starts. One start takes no passes.
    max_iter : int
        Largest number of passes.

    Returns
    -------
    topics : Topics
        The topics with the counts of the shares.
    shares : ndarray of shape (n_cells, K')
        Shares of topics in cells.
    """
    shares = first_shares(topics, documents)
    best = topics.with_words(documents.count_words(shares))
    n_passes = min(_START_PASSES, max_iter)
    short = Schedule(n_passes, 0.0, n_passes + 1, topic_prior=False, word_prior=False)
    highest = -np.inf
    for start in range(n_starts if n_starts > 1 else 0):
        other = first_shares(topics, documents, start) if start else shares
        words = documents.count_words(other)
        found = infer(topics.with_words(words), documents, other, short)
        if found.gains[-1] > highest:
            highest, best, shares = found.gains[-1], found.topics, found.shares
    return best, shares


def infer(
    topics: Topics,
    documents: Documents,
    shares: Shares,
    schedule: Schedule,
    *,
    open_laws: Callable[[Topics, Array, Array], Topics] | None = None,
    monitor: Callable[[float], object] = lambda gain: None,
) -> Inference:
    """Revise shares of topics and counts of words in turns, until they stay.

    CVB0 [1]_ gives the topic of a token the odds of its word and its document, without
    the token itself: those of collapsed Gibbs sampling, at expected counts. Here the
    documents of a batch are revised side by side, the counts of words fixed but for
    the token itself; then counts follow the shares. Tokens of a word in a document
    have the same shares. Before priors are learned, all of them are left out: else
    they would hold on to each other where they start.

    Parameters
    ----------
    topics : Topics
        The start; its counts of words contain those of `shares`.
    documents : Documents
        The documents, opened.
    shares : ndarray of shape (n_cells, K')
        Where the shares start; changed in place.
    schedule : Schedule
        When to end, and what to learn.
    open_laws : callable or None, default=None
        Replaces the law of topics by several, before they are learned for the first
        time: `open_laws(topics, counts, weight)`, given expected topic counts (n, K')
        of documents and their weights.
    monitor : callable
        Called with the mean log-probability of a token after each pass.

    Returns
    -------
    found : Inference
        Where the run ended.

    Notes
    -----
    For m cells, a pass takes O(m K) operations; shares take 4 m K bytes.

    References
    ----------
    .. [1] Asuncion, A., Welling, M., Smyth, P. and Teh, Y. W. (2009). On smoothing and
       inference for topic models. UAI.
    """
    gains: list[float] = []
    words = topics.words.copy()
    topics = topics.with_words(words)
    n_tokens = documents.n_tokens or 1.0
    converged = False
    counts = np.empty((len(documents.weight), shares.shape[1]))
    count_topics(documents.X.data, documents.X.indptr, shares, counts)
    new = np.empty((documents.longest_batch, shares.shape[1]), np.float32)
    while len(gains) < schedule.max_iter and not converged:
        most = np.inf if len(gains) < schedule.burn_in else 1.0
        gains.append(_pass(topics, documents, shares, counts, new, most) / n_tokens)
        monitor(gains[-1])
        if len(gains) < schedule.burn_in:
            continue
        if len(gains) == schedule.burn_in and open_laws is not None:
            topics = open_laws(topics, counts, documents.weight)
        if schedule.learns_at(len(gains)):
            topics = _learn(topics, documents, counts, schedule)
        converged = schedule.rests(gains)
    np.maximum(words, 0.0, out=words)
    return Inference(topics.with_words(words), shares, tuple(gains), converged)


def _pass(
    topics: Topics,
    documents: Documents,
    shares: Shares,
    counts: Array,
    new: Shares,
    most: float,
) -> float:
    """Revise all documents once, in place; the log-probability of all tokens.

    The topic counts (n, K') of the documents follow their shares. Each cell is revised
    without its own tokens, or as many of them as `most`. `new` has room for the shares
    of a batch.
    """
    totals = topics.words.sum(axis=0)
    gain = 0.0
    for batch in documents.batches:
        first = batch[0].start[0]
        task = partial(
            _revise, topics, documents, totals, most, shares, counts, first, new
        )
        for part, moved in documents.run(task, batch):
            gain += part
            totals = totals + moved
        _move(documents, batch, new, shares, topics.words)
    return gain


def _revise(
    topics: Topics,
    documents: Documents,
    totals: Array,
    most: float,
    shares: Shares,
    counts: Array,
    first: int,
    new: Shares,
    block: DocumentBlock,
    scratch: Scratch,
) -> tuple[float, Array]:
    """Write the new shares of a block into those of its batch, which start at `first`.

    Gives the log-probability of its tokens, and what the sums of words gain.
    """
    X = documents.X
    own_counts = counts[block.rows]
    alpha = topics.expected_prior(own_counts, scratch)
    moved = np.zeros(len(totals))
    own = new[block.start[0] - first : block.start[-1] - first]
    gain = revise(
        X.data, X.indices, block.start, block.weight, topics.words, topics.prior,
        totals, topics.pseudo_totals, alpha, _ROUNDS, most, shares, own_counts, own,
        moved,
    )  # fmt: skip
    return gain, moved


def _move(
    documents: Documents,
    batch: list[DocumentBlock],
    new: Shares,
    shares: Shares,
    words: Array,
) -> None:
    """Put the new shares of a batch in the place of the old ones, by words."""
    X = documents.X
    rows = slice(batch[0].rows.start, batch[-1].rows.stop)
    start = X.indptr[rows.start : rows.stop + 1]
    weight = documents.weight[rows]

    def task(words_of: tuple[int, int], scratch: Scratch) -> None:
        move(X.data, X.indices, start, weight, *words_of, new, shares, words)

    def keep(block: DocumentBlock, scratch: Scratch) -> None:
        own = slice(block.start[0], block.start[-1])
        shares[own] = new[own.start - start[0] : own.stop - start[0]]

    for _ in documents.run(task, documents.word_ranges):
        pass
    for _ in documents.run(keep, batch):
        pass


def _learn(
    topics: Topics, documents: Documents, counts: Array, schedule: Schedule
) -> Topics:
    """The same topics with the priors that their counts make most likely."""

    def law(block: DocumentBlock, scratch: Scratch) -> MixtureStatistics:
        return topics.law_statistics(counts[block.rows], block.weight, scratch)

    laws = documents.sum(law) if schedule.topic_prior else None
    return with_priors(topics, laws, words=schedule.word_prior)
