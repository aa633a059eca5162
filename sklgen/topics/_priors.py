"""Priors that expected counts make most likely."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import digamma

from sklgen.families._base import Array
from sklgen.mixture._structure import MixtureStatistics
from sklgen.topics._structure import Topics

# What is learned stays between these, whatever the counts.
_BOUNDS = (1e-4, 1e2)
_STEPS = 50
_RESOLUTION = 1e-6


def word_concentration(words: Array, start: float) -> float:
    """Find the concentration of symmetric Dirichlet laws that makes counts most likely.

    Parameters
    ----------
    words : ndarray of shape (V, K)
        Expected number of tokens of each word in each topic.
    start : float
        Positive concentration to start from.

    Returns
    -------
    concentration : float
        Between 1e-4 and 100, after up to 50 of Minka's steps [1]_, each of which raises
        the likelihood. A count below one is one with that probability: formulas for
        real counts take it for much more where the concentration is low.

    References
    ----------
    .. [1] Minka, T. (2000). Estimating a Dirichlet distribution. Technical report, MIT.
    """
    few, many = words[words < 1.0].sum(), words[words >= 1.0]
    totals = words.sum(axis=0)
    n_words, found = len(words), start
    if not totals.any():
        return found
    levels, copies = np.unique(np.rint(many), return_counts=True)
    for _ in range(_STEPS):
        rise = few / found + copies @ (digamma(levels + found) - digamma(found))
        width = n_words * found
        cost = n_words * np.sum(digamma(totals + width) - digamma(width))
        before, found = found, float(np.clip(found * rise / cost, *_BOUNDS))
        if abs(found - before) < _RESOLUTION * before:
            break
    return found


def with_priors(
    topics: Topics, laws: MixtureStatistics | None, *, words: bool
) -> Topics:
    """Learn the priors of topics in documents and of words in topics.

    Parameters
    ----------
    topics : Topics
        Topics with the counts to learn from.
    laws : MixtureStatistics or None
        What documents say about the laws of topics. None leaves these as they are.
    words : bool
        Whether the prior of words is learned; all words are alike in it.

    Returns
    -------
    topics : Topics
        The same counts with other priors.
    """
    if laws is not None:
        topics = replace(topics, laws=topics.laws.m_step(laws))
    if words:
        counts = topics.words[:, : topics.n_topics]
        found = word_concentration(counts, float(topics.prior[0, 0]))
        topics = replace(topics, prior=np.full_like(topics.prior, found))
    return topics
