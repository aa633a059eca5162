"""Probability of unseen documents under topic models, summed over their topics."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.special import digamma, gammaln

from sklgen._typing import Array
from sklgen.em import Scratch
from sklgen.em._distinct import hash_sparse
from sklgen.families._counts import as_csr
from sklgen.topics._documents import DocumentBlock, Documents
from sklgen.topics._folding import expected_shares, fold_in
from sklgen.topics._held_out_kernels import add_logs, halve, probabilities
from sklgen.topics._structure import Topics

# Documents are summed over all topics where this takes no more products than so many.
_FEW = 2.0**18

# Documents of more tokens are not worth particles.
_LONG = 8192


def left_to_right(
    topics: Topics, X: csr_array, *, n_particles: int, seed: int, n_threads: int
) -> Array:
    """Log-probability of the tokens of documents as sequences, for each law of topics.

    It is summed over the topics of the tokens. Documents with few tokens, or of models
    with few topics, are summed exactly, token by token over all numbers of tokens of
    each topic. For others it is estimated from left to right: the probability of each
    token given those before it is the mean over particles, each with topics of the
    earlier tokens. The estimate of the probability has no bias, that of its logarithm
    one of about half its variance, downwards. For documents of more than 8,192 tokens
    it is the variational lower bound, of which a few nats are missing.

    Parameters
    ----------
    topics : Topics
        The model.
    X : csr_array of shape (n, V)
        Counts, in canonical form. What a count has beyond a whole number is one more
        token of that weight, after all whole ones.
    n_particles : int
        Number of particles of each document.
    seed : int
        With the counts of a document, this makes its random numbers.
    n_threads : int
        Threads that run the documents.

    Returns
    -------
    log_probability : ndarray of shape (n, C)
        In nats; zero for empty documents.

    Notes
    -----
    A document of N tokens takes O(R N K) operations for R particles, for each law of
    topics. Particles are those of sequential Monte Carlo: they are resampled where
    their weights differ much, and Gibbs sampling draws the topics of all earlier tokens
    again whenever their number has grown by a tenth. The left-to-right estimates of
    [1]_ and [2]_ do so at each token, with particles that do not know of each other,
    which takes O(R N^2 K).

    References
    ----------
    .. [1] Wallach, H. M., Murray, I., Salakhutdinov, R. and Mimno, D. (2009).
       Evaluation methods for topic models. ICML.
    .. [2] Buntine, W. (2009). Estimating likelihoods for topic models. ACML.
    """
    out = np.empty((X.shape[0], len(topics.alphas)))
    long = X.sum(axis=1, dtype=np.float64) > _LONG
    if long.any():
        out[long] = _bounds(topics, X[long], n_threads)
    rng = np.random.default_rng(seed)
    # Documents of weight zero are left out.
    with Documents(X, np.where(long, 0.0, 1.0), rng, n_threads) as documents:
        rows = documents.X

        def task(block: DocumentBlock, scratch: Scratch) -> None:
            found = scratch("log-probability", (len(block.weight), out.shape[1]))
            probabilities(
                rows.data, rows.indices, block.start, documents.seeds[block.rows],
                topics.word_probabilities, topics.alphas, topics.n_topics, n_particles,
                _FEW, found,
            )  # fmt: skip
            out[documents.order[block.rows]] = found

        for _ in documents.map(task):
            pass
    return out


def _bounds(topics: Topics, X: csr_array, n_threads: int) -> Array:
    """Variational lower bounds (n, C) of the log-probabilities under each law.

    Shares of topics have Dirichlet laws with the expected topic counts.
    """
    counts, _ = fold_in(topics, X, n_threads)
    K = topics.n_topics
    out = np.empty((X.shape[0], len(topics.alphas)))
    for c, alpha in enumerate(topics.alphas[:, :K]):
        posterior = counts[:, :K] + alpha
        logs = digamma(posterior) - digamma(posterior.sum(axis=1, keepdims=True))
        weights = np.zeros_like(counts)
        weights[:, :K] = np.exp(logs)
        bound = _log_beta(posterior) - _log_beta(alpha)
        bound -= np.sum(counts[:, :K] * logs, axis=1)
        add_logs(X.data, X.indices, X.indptr, topics.word_probabilities, weights, bound)
        out[:, c] = bound
    return out


def _log_beta(alpha: Array) -> Array:
    """Log of the normaliser of Dirichlet laws, along the last axis."""
    return np.asarray(gammaln(alpha).sum(axis=-1) - gammaln(alpha.sum(axis=-1)))


def completion(
    topics: Topics, X: csr_array, *, seed: int, n_threads: int
) -> tuple[Array, Array]:
    """Log-probability of half the tokens of each document, given the others.

    Topics are found for a random half of the tokens, rounded down, and fractions of
    counts are shared out. Then the rest is scored as independent tokens, at the
    expected shares of topics.

    Parameters
    ----------
    topics : Topics
        The model.
    X : csr_array of shape (n, V)
        Counts, in canonical form.
    seed : int
        With the counts of a document, this chooses the half.
    n_threads : int
        Threads that run the documents.

    Returns
    -------
    log_probability : ndarray of shape (n,)
        In nats; zero for empty documents.
    n_scored : ndarray of shape (n,)
        Number of tokens scored.
    """
    seeds = hash_sparse(X, np.random.default_rng(seed))
    halves = np.empty((2, X.nnz))
    halve(X.data.astype(np.float64, copy=False), X.indptr, seeds, *halves)
    given, scored = (
        as_csr(csr_array((half, X.indices, X.indptr), shape=X.shape, copy=True))
        for half in halves
    )
    shares = expected_shares(topics, *fold_in(topics, given, n_threads))
    out = np.zeros(X.shape[0])
    add_logs(
        scored.data, scored.indices, scored.indptr, topics.word_probabilities, shares,
        out,
    )  # fmt: skip
    return out, scored.sum(axis=1, dtype=np.float64)
