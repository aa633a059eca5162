"""Priors that expected counts make most likely."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma

from sklgen._typing import Array
from sklgen.mixture._structure import MixtureStatistics
from sklgen.topics._structure import Topics

# What is learned stays between these, whatever the counts.
_BOUNDS = (1e-4, 1e2)
_RESOLUTION = 1e-8


def word_concentration(words: Array, start: float) -> float:
    """Find the concentration of symmetric Dirichlet laws that makes counts most likely.

    Parameters
    ----------
    words : ndarray of shape (V, K)
        Expected number of tokens of each word in each topic.
    start : float
        Positive concentration, which stays where the counts tell nothing.

    Returns
    -------
    concentration : float
        Between 1e-4 and 100, where the slope of the likelihood [1]_ is zero. A count or
        total below one is one with that probability: formulas for real counts take it
        for much more where the concentration is low.

    References
    ----------
    .. [1] Minka, T. (2000). Estimating a Dirichlet distribution. Technical report, MIT.
    """
    few, many = words[words < 1.0].sum(), words[words >= 1.0]
    totals = words.sum(axis=0)
    few -= totals[totals < 1.0].sum()
    totals = totals[totals >= 1.0]
    if not len(totals):
        return start
    levels, copies = np.unique(np.rint(many), return_counts=True)

    def slope(log_concentration: float) -> float:
        found = np.exp(log_concentration)
        width = len(words) * found
        rise = copies @ (digamma(levels + found) - digamma(found))
        cost = np.sum(digamma(totals + width) - digamma(width))
        return float(few / found + rise - len(words) * cost)

    low, high = np.log(_BOUNDS)
    if slope(low) <= 0.0:
        return _BOUNDS[0]
    if slope(high) >= 0.0:
        return _BOUNDS[1]
    return float(np.exp(brentq(slope, low, high, xtol=_RESOLUTION)))


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
