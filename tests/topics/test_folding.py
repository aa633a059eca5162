"""Topic counts of unseen documents: where they stay, and what they depend on."""

import numpy as np
import pytest
from scipy.special import softmax, xlogy

from sklgen.em import Scratch
from sklgen.families._counts import as_csr
from sklgen.topics._folding import fold_in
from tests.topics.topic_cases import draw_documents, make_topics

ONE = make_topics(n_topics=5, n_words=20, seed=1)
FAR = make_topics(
    n_topics=3, n_words=15, alpha=[[5.0, 0.1, 0.1], [0.1, 3.0, 3.0]], seed=2
)


def next_counts(topics, X, counts, alpha):
    """Expected topic counts by the definition of the shares of topics in cells."""
    phi = topics.word_probabilities
    shares = phi * (counts + alpha)[:, None, :]
    shares /= shares.sum(axis=2, keepdims=True)
    return np.einsum("nv,nvk->nk", X.toarray(), shares)


def log_posterior(topics, x, shares):
    """Of shares of topics in a document, by their logarithms."""
    K = topics.n_topics
    phi, alpha = topics.word_probabilities[:, :K], topics.alphas[0, :K]
    return xlogy(x, phi @ shares).sum() + alpha @ np.log(shares)


@pytest.mark.parametrize("unit", [1.0, 0.37])
@pytest.mark.parametrize("topics", [ONE, FAR], ids=["one law", "two laws"])
def test_counts_stay_under_the_odds_of_their_topics(topics, unit):
    X, _ = draw_documents(topics, n=40)
    X = as_csr(X * unit)
    counts, shares = fold_in(topics, X, 1)
    alpha = topics.expected_prior(counts, Scratch())
    after = next_counts(topics, X, counts, alpha)
    lengths = X.sum(axis=1)
    assert np.abs(after - counts).sum(axis=1) == pytest.approx(0.0, abs=1e-4)
    assert counts.sum(axis=1) == pytest.approx(lengths, rel=1e-12)
    assert shares == pytest.approx(topics.cluster_shares(counts, Scratch()).T, rel=1e-9)


def test_one_law_gives_the_maximum_of_the_posterior():
    X, _ = draw_documents(ONE, n=10)
    counts, _ = fold_in(ONE, X, 1)
    rng = np.random.default_rng(0)
    K = ONE.n_topics
    for x, own in zip(X.toarray(), counts[:, :K] + ONE.alphas[0, :K], strict=True):
        shares = own / own.sum()
        best = log_posterior(ONE, x, shares)
        for size in (0.01, 0.1, 1.0):
            for step in rng.normal(0.0, size, (50, K)):
                other = softmax(np.log(shares) + step)
                assert log_posterior(ONE, x, other) <= best + 1e-7


@pytest.mark.parametrize(
    ("n_topics", "alpha", "spread"),
    [
        # Topics nearly alike: plain steps take thousands.
        (2, 0.02, 50.0),
        # Some leaps go the wrong way, again and again where they are not taken back.
        (5, 0.1, 5.0),
    ],
)
def test_slow_documents_arrive(n_topics, alpha, spread):
    odds = np.full((1, n_topics), alpha)
    topics = make_topics(n_topics, 30, alpha=odds, spread=spread, seed=n_topics)
    X, _ = draw_documents(topics, n=300, length=30)
    counts, _ = fold_in(topics, X, 1)
    after = next_counts(topics, X, counts, topics.alphas)
    moved = np.abs(after - counts).sum(axis=1) / X.sum(axis=1)
    assert moved.max() < 2e-6


def test_documents_tell_laws_that_are_far_apart():
    X, labels = draw_documents(FAR, n=60, length=80)
    _, shares = fold_in(FAR, X, 1)
    assert np.mean(shares.argmax(axis=1) == labels) > 0.9
    assert shares.sum(axis=1) == pytest.approx(1.0, rel=1e-12)


def test_shares_of_topics_without_an_overlap_are_counts():
    topics = make_topics(n_topics=2, n_words=4)
    topics.words[:] = 0.0
    topics.words[:2, 0] = topics.words[2:, 1] = 1e12
    counts, _ = fold_in(topics, as_csr(np.array([[1.0, 2.5, 0.0, 4.0]])), 1)
    assert counts[0, :2] == pytest.approx([3.5, 4.0], rel=1e-6)


@pytest.mark.parametrize("topics", [ONE, FAR], ids=["one law", "two laws"])
def test_documents_do_not_know_of_each_other(topics):
    X, _ = draw_documents(topics, n=400, length=60)
    counts, shares = fold_in(topics, X, 1)
    order = np.random.default_rng(0).permutation(X.shape[0])
    for rows, n_threads in ((order, 1), (order, 2), ([7], 1), ([3, 3, 90], 1)):
        others, other_shares = fold_in(topics, as_csr(X[rows]), n_threads)
        assert np.array_equal(others, counts[rows])
        assert np.array_equal(other_shares, shares[rows])


@pytest.mark.parametrize("topics", [ONE, FAR], ids=["one law", "two laws"])
def test_empty_documents_have_the_prior(topics):
    X = as_csr(np.vstack([np.zeros((2, topics.n_words)), np.ones(topics.n_words)]))
    counts, shares = fold_in(topics, X, 1)
    assert not counts[:2].any()
    assert shares[:2] == pytest.approx(np.tile(topics.laws.weights, (2, 1)))
    assert np.isfinite(counts).all()
