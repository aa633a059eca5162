"""Topics learned batch by batch: stochastic steps, and a window of open documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array, vstack

from sklgen._typing import Array
from sklgen.em import Scratch, blend
from sklgen.em._tasks import total
from sklgen.families._counts import as_csr
from sklgen.topics._cvb0 import Inference, Schedule, first_shares, infer
from sklgen.topics._documents import DocumentBlock, Documents
from sklgen.topics._folding import fold_in
from sklgen.topics._kernels import Shares, assign, count_topics
from sklgen.topics._priors import with_priors
from sklgen.topics._structure import Topics, TopicStatistics

# Bytes of the shares of documents that stay open for later batches.
_WINDOW_BYTES = 2**27
# Passes over open documents for a batch that is few of them.
_PASSES = 10
# What a loose start keeps of the shares that the topics give.
_KEPT = 0.1
# Documents of a stochastic step.
_STEP_DOCUMENTS = 256


@dataclass(frozen=True)
class Window:
    """The latest documents, whose topics are still revised, and what others left.

    Parameters
    ----------
    batches : tuple of (csr_array, ndarray)
        Documents and their weights, the oldest batch first.
    left : ndarray of shape (V, K')
        Expected counts of words in documents that are no longer open.
    n_cells : int
        Largest number of cells of open documents.
    n_settled : int
        Number of cells that were open when topics were last learned from a loose
        start.
    """

    batches: tuple[tuple[csr_array, Array], ...]
    left: Array
    n_cells: int
    n_settled: int

    @classmethod
    def of(cls, X: csr_array, weight: Array, topics: Topics) -> Self:
        """Open the documents of a fit, or leave them where they are too many."""
        n_cells = _WINDOW_BYTES // (4 * topics.words.shape[1])
        if X.nnz > n_cells:
            return cls((), topics.words, n_cells, n_cells)
        return cls(((X, weight),), np.zeros_like(topics.words), n_cells, X.nnz)

    def with_batch(self, X: csr_array, weight: Array) -> Self:
        """Open more documents."""
        return replace(self, batches=(*self.batches, (X, weight)))

    @property
    def rows(self) -> tuple[csr_array, Array]:
        """All open documents and their weights."""
        parts, weights = zip(*self.batches, strict=True)
        return as_csr(vstack(parts, format="csr")), np.concatenate(weights)

    def revise(
        self, topics: Topics, documents: Documents, schedule: Schedule
    ) -> tuple[Inference, Self]:
        """Pass over the open documents, and close the oldest where there are too many.

        Topics of few documents hold on to them. So a whole run is made from a looser
        start, when there are twice the open cells of the last time; else few passes.

        Parameters
        ----------
        topics : Topics
            Where the topics of open documents are started from.
        documents : Documents
            The open documents, in the order of `rows`.
        schedule : Schedule
            That of a whole run.

        Returns
        -------
        found : Inference
            Where the passes ended.
        window : Window
            The documents that stay open.
        """
        shares, _ = folded(topics, documents)
        loose = documents.X.nnz >= 2 * self.n_settled
        if loose:
            shares *= _KEPT
            shares += (1.0 - _KEPT) * documents.random_shares(topics.n_topics)
        else:
            n_passes = min(_PASSES, schedule.max_iter)
            schedule = replace(schedule, max_iter=n_passes, burn_in=1)
        words = self.left + documents.count_words(shares)
        found = infer(topics.with_words(words), documents, shares, schedule)
        settled = documents.X.nnz if loose else self.n_settled
        return found, replace(self._closed(documents, shares), n_settled=settled)

    def _closed(self, documents: Documents, shares: Shares) -> Self:
        """Leave the oldest batches, as many as are too many."""
        sizes = np.array([X.nnz for X, _ in self.batches])
        n_closed = len(sizes) - int((sizes[::-1].cumsum() <= self.n_cells).sum())
        if not n_closed:
            return self
        lengths = [X.shape[0] for X, _ in self.batches]
        batch = np.repeat(np.arange(len(sizes)), lengths)[documents.order]
        closed = documents.weight * (batch < n_closed)
        left = self.left + documents.count_words(shares, closed)
        return replace(self, batches=self.batches[n_closed:], left=left)


def folded(topics: Topics, documents: Documents) -> tuple[Shares, TopicStatistics]:
    """Shares of topics in the cells of documents that the topics have not seen.

    Parameters
    ----------
    topics : Topics
        Topics at fixed parameters.
    documents : Documents
        The documents, opened.

    Returns
    -------
    shares : ndarray of shape (n_cells, K')
        Probability of each topic in each cell.
    statistics : TopicStatistics
        Their sums.
    """
    X = documents.X
    shares = np.empty((X.nnz, topics.words.shape[1]), np.float32)
    folded_counts, _ = fold_in(topics, X, documents.n_threads)

    def fill(block: DocumentBlock, scratch: Scratch) -> tuple[float, Any]:
        counts = folded_counts[block.rows]
        alpha = topics.expected_prior(counts, scratch)
        own = shares[block.start[0] : block.start[-1]]
        gain = assign(
            X.data, X.indices, block.start, block.weight, topics.word_probabilities,
            counts + alpha, own,
        )  # fmt: skip
        count_topics(X.data, block.start, shares, counts)
        return gain, topics.law_statistics(counts, block.weight, scratch)

    gains, laws = zip(*documents.map(fill), strict=True)
    words = documents.count_words(shares)
    return shares, TopicStatistics(
        words, total(laws), float(sum(gains)), float(documents.weight.sum())
    )


@dataclass(frozen=True)
class Stochastic:
    """Where stochastic steps ended: topics, and the sums that they are of."""

    topics: Topics
    statistics: TopicStatistics
    gains: tuple[float, ...]
    converged: bool


def step(
    topics: Topics,
    before: TopicStatistics,
    documents: Documents,
    schedule: Schedule,
    most: float = np.inf,
) -> tuple[Topics, TopicStatistics, float]:
    """Blend the sums of a batch with those of earlier ones, and learn from both.

    Parameters
    ----------
    topics : Topics
        The topics so far.
    before : TopicStatistics
        The sums that they are of.
    documents : Documents
        A batch, opened.
    schedule : Schedule
        What is learned besides the topics.
    most : float
        Weight of all documents there are: a batch that comes again counts for less,
        and stands for no more of them.

    Returns
    -------
    topics : Topics
        The topics after the step.
    statistics : TopicStatistics
        The sums of all batches.
    gain : float
        Log-probability of the tokens of the batch before the step.

    References
    ----------
    Foulds, J., Boyles, L., DuBois, C., Smyth, P. and Welling, M. (2013). Stochastic
    collapsed variational Bayesian inference for latent Dirichlet allocation. KDD.
    """
    _, batch = folded(topics, documents)
    mixed = blend(before, batch)
    scaled = mixed * (min(mixed.weight, most) / mixed.weight)
    laws = scaled.laws if schedule.topic_prior else None
    topics = with_priors(
        topics.with_words(scaled.words), laws, words=schedule.word_prior
    )
    return topics, mixed, batch.bound


def passes_in_batches(
    topics: Topics,
    documents: Documents,
    schedule: Schedule,
    rng: np.random.Generator,
    *,
    open_laws: Any = None,
    monitor: Callable[[float], object] = lambda gain: None,
) -> Stochastic:
    """Learn topics by stochastic steps over batches of documents, again and again.

    Parameters
    ----------
    topics : Topics
        Topics without counts.
    documents : Documents
        The documents.
    schedule : Schedule
        When to end, and what to learn. The passes before priors are learned are made
        over the first batch.
    rng : numpy.random.Generator
        Chooses where the first batch starts.
    open_laws, monitor : callable
        As for `infer`.

    Returns
    -------
    found : Stochastic
        Where the steps ended.

    Notes
    -----
    Shares are kept for one batch at a time.
    """
    pieces = range(0, len(documents.weight), _STEP_DOCUMENTS)
    n_tokens = documents.n_tokens or 1.0
    weight = float(documents.weight.sum())
    threads = documents.n_threads
    statistics: TopicStatistics | None = None
    gains: list[float] = []
    converged = False
    # Its burn-in is that of the first batch.
    warm = replace(schedule, burn_in=1)
    while len(gains) < schedule.max_iter and not converged:
        gain = 0.0
        for low in pieces:
            own = slice(low, low + _STEP_DOCUMENTS)
            with Documents(
                documents.X[own], documents.weight[own], rng, threads
            ) as batch:
                if statistics is None:
                    topics, statistics = _begin(topics, batch, schedule, open_laws)
                topics, statistics, part = step(
                    topics, statistics, batch, schedule, weight
                )
                gain += part
        gains.append(gain / n_tokens)
        monitor(gains[-1])
        converged = warm.rests(gains)
    assert statistics is not None
    statistics = statistics * (weight / statistics.weight)
    return Stochastic(topics, statistics, tuple(gains), converged)


def _begin(
    topics: Topics, batch: Documents, schedule: Schedule, open_laws: Any
) -> tuple[Topics, TopicStatistics]:
    """Topics of the first batch, and its sums."""
    shares = first_shares(topics, batch)
    start = topics.with_words(batch.count_words(shares))
    short = replace(schedule, max_iter=schedule.burn_in, tol=0.0)
    found = infer(start, batch, shares, short, open_laws=open_laws)
    return found.topics, folded(found.topics, batch)[1]
