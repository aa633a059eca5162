"""Topics: documents whose tokens each come from one of K laws of words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import Block, Scratch
from sklgen.families import DirichletMultinomial
from sklgen.families._base import Additive
from sklgen.families._counts import as_csr
from sklgen.mixture._structure import Mixture, MixtureStatistics
from sklgen.topics._documents import padded


@dataclass(frozen=True)
class TopicStatistics(Additive):
    """Sums over documents: words (V, K') in topics, the laws', bound and weight."""

    words: Array
    laws: MixtureStatistics
    bound: float
    weight: float


@dataclass(frozen=True)
class Topics:
    """K topics at expected counts of words, and the law of topics in documents.

    Tables have one row a word and one column a topic, padded to K' columns; those
    beyond the last topic are empty.

    Parameters
    ----------
    words : ndarray of shape (V, K')
        Expected number of tokens of each word in each topic.
    prior : ndarray of shape (V, K') or (1, K')
        Concentrations of the Dirichlet laws of words, one row where all are alike.
    laws : Mixture of DirichletMultinomial
        C laws of the numbers of tokens of each of K topics in a document, given their
        total, and the share of the documents that follow each of them.
    """

    words: Array
    prior: Array
    laws: Mixture[DirichletMultinomial]

    @property
    def n_topics(self) -> int:
        return self.laws.components.shape[1]

    @property
    def n_words(self) -> int:
        return len(self.words)

    @cached_property
    def word_probabilities(self) -> Array:
        """Probability (V, K') of each word in each topic."""
        counts = np.maximum(self.words, 0.0) + self.prior
        return np.asarray(counts / counts.sum(axis=0))

    @cached_property
    def alphas(self) -> Array:
        """Parameters (C, K') of the laws of topics, zero beyond the last one."""
        return pad(self.laws.components.alpha)

    @cached_property
    def pseudo_totals(self) -> Array:
        """Sum (K',) of the prior over words."""
        return np.asarray(self.prior.sum(axis=0) * (self.n_words / len(self.prior)))

    def expected_prior(self, topics: Array, scratch: Scratch) -> Array:
        """Parameters (n, K') that stand for all laws in documents with topic counts.

        With one law, these are its own (1, K').
        """
        if len(self.alphas) == 1:
            return self.alphas
        shares = self.cluster_shares(topics, scratch).T
        return self.mean_prior(shares, topics.sum(axis=1, keepdims=True))

    def mean_prior(self, shares: Array, lengths: Array) -> Array:
        """Parameters (n, K') whose predictive law is the mean of those of the laws.

        `shares` (n, C), or (C,), are the probabilities of the laws in documents with
        `lengths` (n, 1). The bits do not depend on the number of documents.
        """
        weights = shares / (lengths + self.alphas.sum(axis=1))
        weights /= weights.sum(axis=1, keepdims=True)
        return np.asarray((weights[:, :, None] * self.alphas).sum(axis=1))

    def cluster_shares(self, topics: Array, scratch: Scratch) -> Array:
        """Probability (C, n) of each law, given expected topic counts (n, K')."""
        block = self._block(topics, np.ones(len(topics)))
        return self.laws.posterior(block, scratch)[0]

    def law_statistics(
        self, topics: Array, weight: Array, scratch: Scratch
    ) -> MixtureStatistics:
        """What expected topic counts (n, K') say about the laws."""
        return self.laws.e_step(iter([self._block(topics, weight)]), scratch)

    def _block(self, topics: Array, weight: Array) -> Block:
        rows = as_csr(topics[:, : self.n_topics].copy())
        return Block(rows, weight, complete=True, rows=slice(0, len(weight)))

    def with_words(self, words: Array) -> Self:
        return replace(self, words=words)


def pad(table: NDArray[Any]) -> Array:
    """Append columns of zeros, so that tables of topics have their padded width."""
    n, K = table.shape
    wide = np.zeros((n, padded(K)))
    wide[:, :K] = table
    return wide
