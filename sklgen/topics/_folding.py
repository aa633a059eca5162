"""Topic counts of unseen documents, the words of the topics fixed."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from sklgen._typing import Array
from sklgen.em import Scratch
from sklgen.topics._documents import DocumentBlock, Documents
from sklgen.topics._folding_kernels import fold
from sklgen.topics._structure import Topics

# Steps of a document; with more than one law, those between two looks at the laws.
_STEPS, _STEPS_OF_LAWS = 500, 10
# Share of the tokens that may still move.
_TOL = 1e-6


def fold_in(topics: Topics, X: csr_array, n_threads: int) -> tuple[Array, Array]:
    """Find expected topic counts of documents, and the laws that topics come from.

    The topic of a token has the odds of its word in the topic, times the count of the
    topic in the document plus its parameter. With one law, the counts at which this
    stays so belong to the one maximum of the posterior of shares of topics that
    Asuncion et al. [1]_ look for. With more, laws and topics are found in turns.

    Parameters
    ----------
    topics : Topics
        The model.
    X : csr_array of shape (n, V)
        Counts, in canonical form; they may be fractional.
    n_threads : int
        Threads that run the documents.

    Returns
    -------
    counts : ndarray of shape (n, K')
        Expected number of tokens of each topic; rows sum to the length of documents.
    shares : ndarray of shape (n, C)
        Probability of each law; rows sum to one.

    Notes
    -----
    A document with m words takes O(m K) operations a step, and some dozens of steps.
    It has the same result whatever the other documents are.

    References
    ----------
    .. [1] Asuncion, A., Welling, M., Smyth, P. and Teh, Y. W. (2009). On smoothing and
       inference for topic models. UAI.
    """
    counts = np.empty((X.shape[0], topics.alphas.shape[1]))
    shares = np.empty((X.shape[0], len(topics.alphas)))
    # What order the documents have is no matter.
    rng = np.random.default_rng(0)
    with Documents(X, np.ones(X.shape[0]), rng, n_threads) as documents:

        def task(block: DocumentBlock, scratch: Scratch) -> None:
            rows = documents.order[block.rows]
            found = _fold_block(topics, documents.X, block, scratch)
            counts[rows] = found
            shares[rows] = topics.cluster_shares(found, scratch).T

        for _ in documents.map(task):
            pass
    return counts, shares


def expected_shares(topics: Topics, counts: Array, laws: Array) -> Array:
    """Find expected shares of topics in documents.

    Parameters
    ----------
    topics : Topics
        The model.
    counts : ndarray of shape (n, K')
        Expected number of tokens of each topic.
    laws : ndarray of shape (n, C)
        Probability of each law.

    Returns
    -------
    shares : ndarray of shape (n, K')
        Means over the laws of the expected shares given each; rows sum to one.
    """
    shares = counts + topics.mean_prior(laws, counts.sum(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _fold_block(
    topics: Topics, X: csr_array, block: DocumentBlock, scratch: Scratch
) -> Array:
    """Expected topic counts (n, K') of the documents of a block."""
    lengths = X[block.rows].sum(axis=1, dtype=np.float64)[:, None]
    alpha = topics.mean_prior(topics.laws.weights, lengths)
    counts: Array = lengths * (alpha / alpha.sum(axis=1, keepdims=True))
    steps = _STEPS if len(topics.alphas) == 1 else _STEPS_OF_LAWS
    left = np.arange(len(lengths))
    for _ in range(_STEPS // steps):
        moved = scratch("moved", left.shape)
        fold(
            X.data, X.indices, block.start, left, topics.word_probabilities, alpha,
            steps, _TOL, counts, moved,
        )  # fmt: skip
        left = left[moved > _TOL]
        if not len(left):
            break
        clusters = topics.cluster_shares(counts[left], scratch).T
        alpha = topics.mean_prior(clusters, lengths[left])
    return counts
