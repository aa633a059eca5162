"""Probabilities of unseen documents against sums over all topics of all tokens."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import logsumexp

from sklgen.em._distinct import hash_sparse
from sklgen.families._counts import as_csr
from sklgen.topics import _held_out, _held_out_kernels
from sklgen.topics._folding import expected_shares, fold_in
from sklgen.topics._held_out import completion, left_to_right
from tests.topics.topic_cases import draw_documents, make_topics

LAWS = {
    "one law": [[0.7, 1.9]],
    "three laws": [[0.7, 0.2], [3.0, 0.5], [0.1, 0.1]],
    "three topics": [[0.3, 1.0, 0.6], [2.0, 0.1, 0.4]],
}


def enumerated(topics, x):
    """Log-probability of tokens by the Polya urns of all their topics."""
    tokens = np.repeat(np.arange(len(x)), x.astype(int))
    phi, K = topics.word_probabilities, topics.n_topics
    total = 0.0
    for weight, alpha in zip(topics.laws.weights, topics.alphas, strict=True):
        for z in itertools.product(range(K), repeat=len(tokens)):
            p, urn = weight, alpha[:K].copy()
            for word, k in zip(tokens, z, strict=True):
                p *= phi[word, k] * urn[k] / urn.sum()
                urn[k] += 1.0
            total += p
    return np.log(total)


def by_two_topics(topics, x):
    """Log-probability of tokens of two topics: a sum over the numbers of the first."""
    phi, (a, b) = topics.word_probabilities, topics.alphas[0, :2]
    tokens = np.repeat(np.arange(len(x)), x.astype(int))
    log = np.zeros(1)
    for n, word in enumerate(tokens):
        first = np.arange(n + 1)
        size = np.log(n + a + b)
        one = log + np.log(phi[word, 0] * (first + a)) - size
        two = log + np.log(phi[word, 1] * (n - first + b)) - size
        log = np.logaddexp(np.append(-np.inf, one), np.append(two, -np.inf))
    return logsumexp(log)


def estimate(topics, X, seed=0, n_particles=20, n_threads=1):
    found = left_to_right(
        topics, as_csr(X), n_particles=n_particles, seed=seed, n_threads=n_threads
    )
    return mixed(topics, found)


def particles(topics, x, n_copies, n_particles, seed=0):
    """Independent estimates for one document by particles, however short it is."""
    X = as_csr(np.repeat(x[None], n_copies, axis=0))
    seeds = np.random.default_rng(seed).integers(2**63, size=n_copies)
    out = np.empty((n_copies, len(topics.alphas)))
    _held_out_kernels.probabilities(
        X.data,
        X.indices,
        X.indptr,
        seeds.astype(np.uint64),
        topics.word_probabilities,
        topics.alphas,
        topics.n_topics,
        n_particles,
        -1.0,
        out,
    )
    return mixed(topics, out)


def mixed(topics, log_probability):
    """Over all laws of topics."""
    with np.errstate(divide="ignore"):
        joint = log_probability + np.log(topics.laws.weights)
    return np.logaddexp.reduce(joint, axis=1)


@pytest.mark.parametrize("alpha", LAWS.values(), ids=LAWS)
def test_few_topics_are_summed_exactly(alpha):
    topics = make_topics(len(alpha[0]), n_words=3, alpha=alpha)
    X = np.array([[2, 1, 1], [0, 4, 0], [1, 0, 0], [2, 0, 3], [0, 0, 0]], float)
    expected = [enumerated(topics, x) for x in X]
    assert estimate(topics, X) == pytest.approx(expected, rel=1e-12)


def test_laws_of_no_document_have_no_part():
    # Far more probable than the other law, so that this one alone would underflow.
    rare, even = [1e-3, 1e6], [1.0, 1.0]
    topics = make_topics(n_topics=2, n_words=3, alpha=[rare, even])
    alone = make_topics(n_topics=2, n_words=3, alpha=[rare])
    for each in (topics, alone):
        each.words[:] = 0.0
        each.words[0, 0] = each.words[1:, 1] = 1e12
    topics.laws.weights[:] = [1.0, 0.0]
    x = np.array([[150.0, 50.0, 100.0]])
    assert estimate(topics, x) == pytest.approx(estimate(alone, x), rel=1e-12)


def test_probabilities_of_all_sequences_sum_to_one():
    topics = make_topics(n_topics=4, n_words=3, n_laws=2)
    sequences = itertools.product(range(3), repeat=5)
    X = np.array([np.bincount(words, minlength=3) for words in sequences], float)
    assert np.exp(estimate(topics, X)).sum() == pytest.approx(1.0, rel=1e-12)


def test_long_documents_of_two_topics_are_summed_exactly():
    topics = make_topics(n_topics=2, n_words=20, alpha=LAWS["one law"])
    X, _ = draw_documents(topics, n=10, length=40)
    expected = [by_two_topics(topics, x) for x in X.toarray()]
    assert estimate(topics, X) == pytest.approx(expected, rel=1e-12)


def test_one_topic_is_a_multinomial_law():
    topics = make_topics(n_topics=1, n_words=8)
    X, _ = draw_documents(topics, n=5, length=30)
    log_words = np.log(topics.word_probabilities[:, 0])
    for rows in (X, as_csr(X * 0.6)):
        assert estimate(topics, rows) == pytest.approx(rows @ log_words, rel=1e-12)
        seeds = hash_sparse(rows, np.random.default_rng(7))
        halves = np.empty((2, rows.nnz))
        _held_out_kernels.halve(rows.data, rows.indptr, seeds, *halves)
        rest = csr_array((halves[1], rows.indices, rows.indptr), shape=rows.shape)
        found, n_scored = completion(topics, rows, seed=7, n_threads=1)
        assert found == pytest.approx(rest @ log_words, rel=1e-12)
        assert n_scored == pytest.approx(rest.sum(axis=1), rel=1e-12)


@pytest.mark.parametrize("alpha", LAWS.values(), ids=LAWS)
def test_particles_have_no_bias(alpha):
    topics = make_topics(len(alpha[0]), n_words=6, alpha=alpha, seed=3)
    x = draw_documents(topics, n=1, length=10, seed=4)[0].toarray()[0]
    exact = estimate(topics, x[None])[0]
    ratios = np.exp(particles(topics, x, 20000, 3) - exact)
    error = ratios.std() / np.sqrt(len(ratios))
    assert error < 0.01
    assert ratios.mean() == pytest.approx(1.0, abs=4.0 * error)


def test_particles_have_no_bias_where_they_move():
    # Long enough for many sweeps, and for weights that differ.
    topics = make_topics(n_topics=2, n_words=12, alpha=[[0.05, 0.05]], spread=0.5)
    x = draw_documents(topics, n=1, length=40, seed=1)[0].toarray()[0]
    ratios = np.exp(particles(topics, x, 40000, 8) - by_two_topics(topics, x))
    error = ratios.std() / np.sqrt(len(ratios))
    assert error < 0.005
    assert ratios.mean() == pytest.approx(1.0, abs=4.0 * error)


def test_more_particles_have_less_variance():
    topics = make_topics(n_topics=2, n_words=30, alpha=[[0.5, 0.5]], seed=5)
    x = draw_documents(topics, n=1, length=80, seed=5)[0].toarray()[0]
    few, many = (particles(topics, x, 300, n).std() for n in (4, 64))
    assert many < few / 2.5
    bias = particles(topics, x, 300, 64, seed=1).mean() - by_two_topics(topics, x)
    assert abs(bias) < many


def test_particles_are_copied_as_often_as_their_weights_say():
    rng = np.random.default_rng(0)
    weight, share = rng.dirichlet(np.full(16, 0.3)), np.zeros(16)
    for offset in (np.arange(200) + 0.5) / 200:
        own = weight.copy()
        counts = np.tile(np.arange(16.0), (3, 1))
        topics = np.tile(np.arange(16), (5, 1))
        _held_out_kernels._resample(own, counts, topics, offset)
        assert np.array_equal(own, np.full(16, 1 / 16))
        assert (counts == topics[0]).all()
        assert (topics == topics[0]).all()
        copies = np.bincount(topics[0], minlength=16)
        assert np.all(np.abs(copies - 16 * weight) < 1.0)
        share += copies / 200
    assert share == pytest.approx(16 * weight, abs=0.01)


def test_tokens_come_in_random_order():
    # Sorted by words, they would make estimates of twice the deviation.
    state = np.zeros(1, np.uint64)
    cells = np.array([6.5, 3.0, 1.25])
    for _ in range(200):
        tokens, sizes, n_whole = _held_out_kernels._tokens(cells, state)
        assert n_whole == 10
        assert np.bincount(tokens, sizes) == pytest.approx(cells)
        assert sizes[:10] == pytest.approx(1.0)
    orders = [_held_out_kernels._tokens(cells, state)[0] for _ in range(4000)]
    for at in (0, 4, 9):
        share = np.bincount([order[at] for order in orders]) / 4000
        assert share == pytest.approx([0.6, 0.3, 0.1], abs=0.03)
    assert np.mean([order[10] for order in orders]) == pytest.approx(1.0, abs=0.06)


def test_documents_of_many_topics_are_near_their_probability():
    # Words that belong to one topic each: counts of topics are known.
    topics = make_topics(n_topics=40, n_words=40, alpha=np.full((1, 40), 0.5))
    topics.words[:] = 0.0
    topics.words[np.arange(40), np.arange(40)] = 1e12
    X = np.random.default_rng(0).poisson(2.0, (5, 40)).astype(float)
    odds = topics.laws.components.alpha[0]
    expected = [
        sum(np.log(a + np.arange(n)).sum() for a, n in zip(odds, x, strict=True))
        - np.log(odds.sum() + np.arange(x.sum())).sum()
        for x in X
    ]
    assert estimate(topics, X) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("score", ["left to right", "completion"])
@pytest.mark.parametrize("n_topics", [3, 9])
def test_documents_do_not_know_of_each_other(n_topics, score):
    topics = make_topics(n_topics, n_words=60, n_laws=2)
    X, _ = draw_documents(topics, n=200, length=50)

    def run(X, n_threads):
        if score == "completion":
            return np.stack(completion(topics, X, seed=1, n_threads=n_threads))
        return estimate(topics, X, 1, 4, n_threads)[None]

    found = run(X, 1)
    order = np.random.default_rng(0).permutation(X.shape[0])
    for rows, n_threads in ((order, 1), (order, 2), ([7], 1), ([3, 3, 90], 1)):
        assert np.array_equal(run(as_csr(X[rows]), n_threads), found[:, rows])


def test_other_seeds_give_other_estimates():
    topics = make_topics(n_topics=9, n_words=60)
    X, _ = draw_documents(topics, n=5, length=100)
    assert np.all(estimate(topics, X, seed=0) != estimate(topics, X, seed=1))
    first, second = (completion(topics, X, seed=s, n_threads=1)[0] for s in (0, 1))
    assert np.all(first != second)


def test_counts_near_whole_ones_have_their_probability():
    topics = make_topics(n_topics=2, n_words=6, n_laws=2)
    X = np.array([[2.0, 1.0, 0.0, 3.0, 1.0, 0.0]])
    exact = estimate(topics, X)[0]
    for change in (-1e-9, 1e-9):
        near = estimate(topics, X + change * (X > 0), n_particles=20000)[0]
        assert near == pytest.approx(exact, abs=0.03)
    half = estimate(topics, X + 0.5 * (X == 3.0), n_particles=20000)[0]
    more = estimate(topics, X + 1.0 * (X == 3.0))[0]
    assert more < half < exact


def test_empty_documents_are_certain():
    topics = make_topics(n_topics=9, n_words=60, n_laws=2)
    X = np.zeros((3, 60))
    X[1] = 2.0
    assert np.array_equal(estimate(topics, X)[[0, 2]], [0.0, 0.0])
    found, n_scored = completion(topics, as_csr(X), seed=0, n_threads=1)
    assert np.array_equal(found[[0, 2]], [0.0, 0.0])
    assert n_scored == pytest.approx([0.0, 60.0, 0.0])


def test_completion_scores_the_tokens_that_are_not_given():
    # One word: any half is the same.
    topics = make_topics(n_topics=3, n_words=5, n_laws=2)
    X = np.diag([7.0, 4.0, 2.5, 1.0, 6.0])
    given = np.diag([3.0, 2.0, 1.25, 0.0, 3.0])
    shares = expected_shares(topics, *fold_in(topics, as_csr(given), 1))
    p = (shares * topics.word_probabilities).sum(axis=1)
    found, n_scored = completion(topics, as_csr(X), seed=0, n_threads=1)
    assert n_scored == pytest.approx([4.0, 2.0, 1.25, 1.0, 3.0])
    assert found == pytest.approx(n_scored * np.log(p), rel=1e-12)


def test_completion_gives_each_half_the_same_chance():
    X = as_csr(np.tile([6.0, 3.0, 1.0], (4000, 1)))
    seeds = np.random.default_rng(0).integers(2**63, size=4000).astype(np.uint64)
    first, second = np.empty((2, X.nnz))
    _held_out_kernels.halve(X.data, X.indptr, seeds, first, second)
    first = first.reshape(-1, 3)
    assert np.array_equal(first + second.reshape(-1, 3), X.toarray())
    assert np.array_equal(first.sum(axis=1), np.full(4000, 5.0))
    # Hypergeometric: half of each count, with this variance.
    assert first.mean(axis=0) == pytest.approx([3.0, 1.5, 0.5], abs=0.05)
    assert first[:, 0].var() == pytest.approx(6 * 0.25 * 4 / 9, rel=0.1)


@pytest.mark.parametrize("alpha", LAWS.values(), ids=LAWS)
def test_very_long_documents_are_bounded_from_below(alpha, monkeypatch):
    topics = make_topics(alpha=alpha, n_topics=len(alpha[0]))
    X, _ = draw_documents(topics, 6, 60)
    exact = estimate(topics, X, n_particles=500)
    monkeypatch.setattr(_held_out, "_LONG", 0)
    gap = exact - estimate(topics, X)
    assert (gap > 0.0).all()
    assert (gap < 3.0).all()


def test_counts_beyond_all_tokens_are_scored():
    topics = make_topics(2)
    X = 1e9 * draw_documents(topics, 4, 20)[0].toarray()
    found = estimate(topics, X)
    share = X / X.sum(axis=1, keepdims=True)
    entropy = -np.where(share > 0, share * np.log(np.maximum(share, 1e-300)), 0.0)
    assert (found <= -X.sum(axis=1) * entropy.sum(axis=1) * (1 - 1e-9)).all()
    log_half, n_half = completion(topics, as_csr(X), seed=0, n_threads=1)
    assert np.allclose(n_half, X.sum(axis=1) / 2)
    assert np.isfinite(log_half).all()
