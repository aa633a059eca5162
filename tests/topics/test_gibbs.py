"""The partially collapsed Gibbs sampler against the posterior, enumerated."""

import itertools
from collections import Counter
from copy import deepcopy

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln

from sklgen.families import DirichletMultinomial
from sklgen.families._counts import as_csr
from sklgen.mixture._structure import Mixture
from sklgen.topics import LatentDirichletAllocation
from sklgen.topics._cvb0 import Schedule
from sklgen.topics._documents import Documents
from sklgen.topics._gibbs import Chain, draw_words, sample_topics
from sklgen.topics._structure import Topics, pad
from tests.topics.topic_cases import draw_documents, make_topics

LAW = np.array([[0.6, 1.1]])
LAWS = np.array([[3.0, 0.8], [0.9, 1.5], [0.7, 2.5]])
WORDS = np.array([[0.4, 0.4], [0.4, 0.4], [0.4, 0.4]])
UNLIKE = np.array([[2.0, 0.7], [0.8, 1.0], [1.2, 2.5]])
N_SWEEPS = 6000
FIXED = Schedule(6, 0.0, 2, topic_prior=False, word_prior=False)

CASES = {
    "unlike": ([[2, 1, 0], [0, 1, 2]], [1, 1], LAW, UNLIKE),
    "repeated": ([[2, 1, 0], [0, 1, 0]], [2, 1], LAW, WORDS),
    "three": ([[1, 0, 0], [2, 1, 0], [0, 1, 1]], [1, 1, 1], LAW, UNLIKE),
    "laws": ([[2, 1, 0], [0, 1, 2]], [1, 1], LAWS, UNLIKE),
}


def start(prior, laws, weights=None):
    """Topics without counts."""
    weights = np.ones(len(laws)) if weights is None else weights
    mixture = Mixture(weights / weights.sum(), DirichletMultinomial(None, laws, 1.0))
    return Topics(np.zeros_like(pad(prior)), pad(prior), mixture)


def opened(X, weight=None, seed=0, n_threads=1):
    X = as_csr(np.asarray(X, float))
    weight = np.ones(X.shape[0]) if weight is None else np.asarray(weight, float)
    return Documents(X, weight, np.random.default_rng(seed), n_threads)


def sample(X, topics, schedule=FIXED, *, weight=None, n_threads=1, **more):
    with opened(X, weight, n_threads=n_threads) as documents:
        rng = np.random.default_rng(1)
        return sample_topics(topics, documents, schedule, rng, **more)


def log_joint(rows, labels, prior, laws, weights):
    """Log-probability of words and of topics of tokens, up to a constant."""
    words, value, at = prior.copy(), 0.0, 0
    for row in rows:
        own = np.zeros(laws.shape[1])
        for word in np.repeat(np.arange(len(row)), row):
            words[word, labels[at]] += 1
            own[labels[at]] += 1
            at += 1
        sums = laws.sum(axis=1)
        each = np.log(weights) + gammaln(sums) - gammaln(sums + own.sum())
        each += (gammaln(laws + own) - gammaln(laws)).sum(axis=1)
        value += np.logaddexp.reduce(each)
    return value + (gammaln(words).sum(axis=0) - gammaln(words.sum(axis=0))).sum()


@pytest.mark.parametrize("case", CASES)
def test_tokens_follow_the_enumerated_posterior(case):
    X, weight, laws, prior = CASES[case]
    topics = start(prior, laws, np.arange(1, len(laws) + 1))
    with opened(X, weight) as documents:
        chain, rng = Chain(documents), np.random.default_rng(5)
        rows = documents.X.toarray().astype(int)[chain._copies.rows]
        assert len(rows) == sum(weight)
        seen = Counter()
        for _ in range(N_SWEEPS):
            chain.sweep(topics, rng)
            topics = topics.with_words(chain.word_counts(topics))
            seen[tuple(chain._topics.tolist())] += 1
    states = list(itertools.product(range(2), repeat=rows.sum()))
    logs = np.array(
        [log_joint(rows, z, prior, laws, topics.laws.weights) for z in states]
    )
    exact = np.exp(logs - np.logaddexp.reduce(logs))
    found = np.array([seen[z] for z in states]) / N_SWEEPS
    assert np.abs(found - exact).max() < 0.03
    assert np.abs(found - exact).sum() < 0.13


def test_drawn_words_have_the_moments_of_dirichlet_laws():
    prior = np.array([[0.1, 2.0], [0.3, 0.5], [1.6, 0.5]])
    laws = np.array([[0.3, 2.0], [1.0, 0.1]])
    topics = start(prior, laws).with_words(pad(np.array([[3.0, 0], [0, 1], [1, 4]])))
    rng = np.random.default_rng(0)
    with opened([[1, 0, 0]]) as documents:
        draws = [draw_words(topics, documents, rng) for _ in range(4000)]
    words = np.array([words for words, _ in draws], float)
    base = np.array([base for _, base in draws])
    np.testing.assert_allclose(words.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(base, words @ laws.T, rtol=1e-6)
    a = topics.words[:, :2] + prior
    mean, size = a / a.sum(axis=0), a.sum(axis=0)
    variance = mean * (1 - mean) / (size + 1)
    np.testing.assert_allclose(
        words.mean(axis=0), mean, atol=5 * (variance.max() / 4000) ** 0.5
    )
    np.testing.assert_allclose(words.var(axis=0), variance, rtol=0.15)


def test_words_of_topics_with_next_to_no_prior_are_one_word():
    prior = np.array([[1e-6, 1e-6], [3e-6, 3e-6]])
    topics = start(prior, LAW)
    rng = np.random.default_rng(0)
    with opened([[1, 0]]) as documents:
        words = np.array([draw_words(topics, documents, rng)[0] for _ in range(1000)])
    assert np.sort(words, axis=1)[:, -1].min() > 0.999
    assert words[:, 1].mean() == pytest.approx(0.75, abs=0.06)


def test_gains_are_log_probabilities_of_tokens():
    # Tokens on their own, and any tokens of one topic, have a known probability.
    laws, prior = np.array([[0.3, 2.0]]), np.full((3, 2), 0.7)
    one = start(prior[:, :1], laws[:, :1])
    for X, topics in [
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], start(prior, laws)),
        ([[5, 2, 0], [1, 300, 7], [0.25, 1.5, 0]], one),
    ]:
        with opened(X, [1, 2, 0.5]) as documents:
            rng = np.random.default_rng(3)
            words, _ = draw_words(topics, documents, deepcopy(rng))
            gain = Chain(documents).sweep(topics, rng)
        alpha = topics.laws.components.alpha[0]
        expected = np.array([1, 2, 0.5]) @ X @ np.log(words @ (alpha / alpha.sum()))
        assert gain == pytest.approx(expected, rel=1e-6)


def test_planted_topics_are_found():
    truth = make_topics(n_topics=6, n_words=60, alpha=np.full((1, 6), 0.15), seed=4)
    X, _ = draw_documents(truth, n=400, length=80)
    topics = start(np.full((60, 6), 0.1), np.full((1, 6), 0.5))
    found = sample(
        X.toarray(), topics, Schedule(150, 0.0, 20, topic_prior=True, word_prior=True)
    )
    a, b = (t.word_probabilities[:, :6] for t in (truth, found.topics))
    cosine = (a / np.linalg.norm(a, axis=0)).T @ (b / np.linalg.norm(b, axis=0))
    rows, columns = linear_sum_assignment(-cosine)
    assert cosine[rows, columns].mean() > 0.98
    assert found.topics.laws.components.alpha.sum() == pytest.approx(0.9, rel=0.2)
    assert found.topics.prior[0, 0] == pytest.approx(0.3, rel=0.35)
    assert np.mean(found.gains[-50:]) > found.gains[0] + 0.5


def test_counts_are_those_of_the_tokens():
    X, _ = draw_documents(make_topics(), n=20)
    X = X.toarray()
    weight = np.arange(20) % 3
    topics = start(np.full((12, 3), 0.1), np.ones((1, 3)))
    with opened(X, weight, n_threads=2) as documents:
        chain, rng = Chain(documents), np.random.default_rng(0)
        for _ in range(3):
            chain.sweep(topics, rng)
            words, own = chain.word_counts(topics), chain.topic_counts(topics)
            np.testing.assert_array_equal(words.sum(axis=1), weight @ X)
            np.testing.assert_array_equal(words, np.rint(words))
            np.testing.assert_array_equal(own.sum(axis=0), words.sum(axis=0))
            assert words.min() == 0
            lengths = documents.X.sum(axis=1)[chain._copies.rows]
            np.testing.assert_array_equal(own.sum(axis=1), lengths)


def test_fractions_of_counts_and_weights_are_kept():
    rng = np.random.default_rng(0)
    X = rng.gamma(0.5, 2.0, (25, 7)) * (rng.random((25, 7)) < 0.6)
    weight = rng.gamma(1.0, 1.5, 25)
    topics = start(np.full((7, 3), 0.2), np.full((2, 3), 0.4))
    schedule = Schedule(9, 0.0, 2, topic_prior=True, word_prior=True)
    found = sample(X, topics, schedule, weight=weight)
    words = found.topics.words
    np.testing.assert_allclose(words.sum(axis=1), weight @ X, rtol=1e-12)
    assert words.min() >= 0
    assert np.isfinite(found.gains).all()


def test_a_fraction_goes_where_a_token_would():
    topics = start(np.array([[9e6, 1e6], [1e6, 9e6]]), np.array([[2.0, 1.0]]))
    schedule = Schedule(4000, 0.0, 1, topic_prior=False, word_prior=False)
    found = sample([[0.5, 0]], topics, schedule, weight=[0.5])
    share = found.topics.words[0, 0] / 0.25
    assert share == pytest.approx(18 / 19, abs=0.02)


@pytest.fixture(scope="module")
def clusters():
    """Documents of two laws, and topics to start from."""
    X, _ = draw_documents(make_topics(n_laws=2), n=60)
    return X.toarray(), start(
        np.full((12, 3), 0.1), np.array([[2.0, 1, 1], [0.1, 1, 3]])
    )


SCHEDULE = Schedule(8, 0.0, 2, topic_prior=True, word_prior=True)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.topics.words, expected.topics.words)
    alphas = found.topics.alphas, expected.topics.alphas
    np.testing.assert_allclose(*alphas, rtol=1e-12)
    np.testing.assert_allclose(found.gains, expected.gains, rtol=1e-12)


@pytest.mark.parametrize("unit", [1.0, 1.3])
def test_threads_change_no_bit(clusters, unit, monkeypatch):
    monkeypatch.setattr("sklgen.topics._gibbs._TOKENS", 200)
    X, topics = clusters
    weight = np.full(len(X), unit)
    one, three = (
        sample(unit * X, topics, SCHEDULE, weight=weight, n_threads=n) for n in (1, 3)
    )
    np.testing.assert_array_equal(one.topics.words, three.topics.words)
    np.testing.assert_array_equal(one.topics.alphas, three.topics.alphas)
    assert one.gains == three.gains


def test_the_order_of_rows_and_blocks_has_no_effect(clusters, monkeypatch):
    X, topics = clusters
    expected = sample(X, topics, SCHEDULE)
    order = np.random.default_rng(0).permutation(len(X))
    monkeypatch.setattr("sklgen.topics._gibbs._TOKENS", 100)
    assert_same(sample(X[order], topics, SCHEDULE), expected)


def test_weights_are_repetition_and_removal(clusters):
    X, topics = clusters
    weight = np.arange(len(X)) % 4
    repeated = sample(np.repeat(X, weight, axis=0), topics, SCHEDULE)
    assert_same(sample(X, topics, SCHEDULE, weight=weight), repeated)


def test_copies_have_topics_of_their_own():
    topics = start(np.full((2, 2), 5.0), LAW)
    with opened([[30, 30]], [2.5]) as documents:
        chain = Chain(documents)
        chain.sweep(topics, np.random.default_rng(0))
        own = chain._topics.reshape(3, 60)
        np.testing.assert_array_equal(chain.mass, [1, 1, 0.5])
    assert not (own[0] == own[1]).all()
    assert not (own[1] == own[2]).all()


def test_documents_without_words_say_nothing_of_topics():
    X = np.array([[2, 1, 0], [0, 0, 0], [0, 1, 2], [0, 0, 0]])
    topics = start(WORDS, LAW)
    found = sample(X, topics)
    np.testing.assert_array_equal(found.topics.words.sum(axis=1), X.sum(axis=0))
    nothing = sample(X[1::2], topics, SCHEDULE)
    assert not nothing.topics.words.any()
    np.testing.assert_array_equal(nothing.gains, 0.0)


def test_counts_are_means_of_the_last_half_after_burn_in(clusters):
    words = sample(*clusters, FIXED).topics.words
    assert not (words == np.rint(words)).all()
    np.testing.assert_allclose(3 * words, np.rint(3 * words), atol=1e-9)
    late = Schedule(6, 0.0, 4, topic_prior=False, word_prior=False)
    words = sample(*clusters, late).topics.words
    np.testing.assert_array_equal(2 * words, np.rint(2 * words))
    last = Schedule(6, 0.0, 50, topic_prior=False, word_prior=False)
    words = sample(*clusters, last).topics.words
    np.testing.assert_array_equal(words, np.rint(words))


def test_laws_open_at_the_end_of_burn_in(clusters):
    X, topics = clusters
    one = start(topics.prior[:, :3], np.ones((1, 3)))
    laws = np.array([[3.0, 1, 1], [0.1, 1, 2]])
    calls, gains = [], []

    def open_laws(topics, counts, weight):
        calls.append((len(gains), counts, weight))
        return start(topics.prior[:, :3], laws).with_words(topics.words)

    found = sample(
        X, one, FIXED, weight=np.full(60, 2), open_laws=open_laws, monitor=gains.append
    )
    [(when, counts, weight)] = calls
    assert when == FIXED.burn_in
    np.testing.assert_array_equal(
        np.sort(counts.sum(axis=1)), np.sort(X.sum(axis=1).repeat(2))
    )
    np.testing.assert_array_equal(weight, np.ones(120))
    np.testing.assert_array_equal(found.topics.laws.components.alpha, laws)
    assert tuple(gains) == found.gains


def test_tokens_beyond_memory_are_an_error():
    X = np.full((3, 2), 1e12)
    with pytest.raises(ValueError, match="a topic for each token"):
        LatentDirichletAllocation(2, method="gibbs").fit(X)


def test_gains_are_means_also_below_one_token():
    X = np.eye(4) * 1e-3
    model = LatentDirichletAllocation(
        1, method="gibbs", learn_topic_word_prior=False, random_state=0, max_iter=200
    ).fit(X)
    # One topic: each token has its word's probability, about a quarter.
    assert np.mean(model.log_likelihoods_) < np.log(0.25)
