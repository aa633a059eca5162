"""Passes of collapsed variational inference, against one in plain NumPy."""

from dataclasses import replace

import numpy as np
import pytest

from sklgen.families import DirichletMultinomial
from sklgen.families._counts import as_csr
from sklgen.mixture._structure import Mixture
from sklgen.topics._cvb0 import Schedule, best_start, first_shares, infer
from sklgen.topics._documents import Documents
from sklgen.topics._structure import Topics
from tests.topics.topic_cases import draw_documents, make_topics

FOUR_TOPICS = make_topics(n_topics=4, n_words=15, n_laws=1, seed=1, spread=0.5)
TWO_LAWS = make_topics(n_topics=4, n_words=15, n_laws=2, seed=1, spread=0.5)


def log_rising(alpha, count):
    """Log of alpha (alpha + 1) ...; a fraction of a factor counts as its power."""
    steps = np.arange(int(np.ceil(count)))
    return (np.minimum(count - steps, 1.0) * np.log(alpha + steps)).sum()


def prior_of_document(topics, counts):
    """What is added to the topic counts of a document so that laws are averaged."""
    alphas, weights = topics.laws.components.alpha, topics.laws.weights
    if len(weights) == 1:
        return alphas[0]
    joint = np.log(weights)
    for c, alpha in enumerate(alphas):
        pairs = zip(alpha, counts, strict=True)
        joint[c] += sum(log_rising(a, n) for a, n in pairs)
        joint[c] -= log_rising(alpha.sum(), counts.sum())
    share = np.exp(joint - joint.max()) / (counts.sum() + alphas.sum(axis=1))
    return share @ alphas / share.sum()


def pass_in_numpy(topics, documents, shares, words, most):
    """One pass over dense documents: new shares, counts of words, log-probability."""
    K = topics.n_topics
    prior = np.broadcast_to(topics.prior[:, :K], words.shape)
    cells = documents.X.toarray()
    shares, words, gain = shares.copy(), words.copy(), 0.0
    for batch in documents.batches:
        before = words.copy()
        for i in range(batch[0].rows.start, batch[-1].rows.stop):
            counts = cells[i] @ shares[i]
            alpha, length = prior_of_document(topics, counts), cells[i].sum()
            weight, old = documents.weight[i], shares[i].copy()
            for turn in range(2):
                for v in np.flatnonzero(cells[i]):
                    count = cells[i, v]
                    out = min(count, most)
                    own = min(weight, 1.0) * out * old[v]
                    rest = counts - out * shares[i, v]
                    word = np.maximum(before[v] - own, 0.0) + prior[v]
                    both = word / (before.sum(axis=0) - own + prior.sum(axis=0))
                    both *= rest + alpha
                    counts -= count * shares[i, v]
                    shares[i, v] = both / both.sum()
                    counts += count * shares[i, v]
                    if turn:
                        p = both.sum() / (length + alpha.sum() - out)
                        gain += weight * count * np.log(p)
            words += weight * cells[i][:, None] * (shares[i] - old)
    return shares, words, gain


def dense(documents, shares, n_topics):
    """Shares of topics by document and word."""
    X = documents.X
    out = np.zeros((*X.shape, n_topics))
    out[np.repeat(np.arange(len(X.indptr) - 1), np.diff(X.indptr)), X.indices] = shares[
        :, :n_topics
    ]
    return out


def schedule(max_iter, burn_in):
    return Schedule(max_iter, 0.0, burn_in, topic_prior=False, word_prior=False)


def opened(X, weight, n_threads=1):
    return Documents(X, weight, np.random.default_rng(3), n_threads)


def matrix_prior(topics, seed=0):
    rng = np.random.default_rng(seed)
    return replace(topics, prior=rng.gamma(1.0, 0.5, topics.words.shape) + 0.01)


CASES = {
    "tokens": (FOUR_TOPICS, 1.0, 1.0),
    "heavy counts": (FOUR_TOPICS, 50.0, 1.0),
    "fractions": (FOUR_TOPICS, 0.3, 1.0),
    "many batches": (FOUR_TOPICS, 1.0, 120.0),
    "small weights": (FOUR_TOPICS, 2.5, 0.4),
    "prior by words": (matrix_prior(FOUR_TOPICS), 1.0, 1.0),
    "two laws": (TWO_LAWS, 1.7, 1.0),
}


@pytest.mark.parametrize("burn_in", [0, 2])
@pytest.mark.parametrize("case", CASES)
def test_passes_are_those_of_numpy(case, burn_in):
    topics, unit, scale = CASES[case]
    K = topics.n_topics
    X, _ = draw_documents(topics, n=60, length=12)
    X = as_csr(np.vstack([X.toarray() * unit, np.zeros((1, X.shape[1]))]))
    weight = scale * np.random.default_rng(0).integers(1, 3, X.shape[0])
    with opened(X, weight) as documents:
        assert (len(documents.batches) > 4) == (case == "many batches")
        shares = documents.random_shares(K)
        start = topics.with_words(documents.count_words(shares))
        expected, words = dense(documents, shares, K), start.words[:, :K]
        gains = []
        for turn in range(3):
            most = np.inf if turn < burn_in else 1.0
            step = pass_in_numpy(topics, documents, expected, words, most)
            expected, words, gain = step
            gains.append(gain / documents.n_tokens)
        found = infer(start, documents, shares, schedule(3, burn_in))
    assert dense(documents, found.shares, K) == pytest.approx(expected, abs=2e-5)
    assert found.topics.words[:, :K] == pytest.approx(words, rel=1e-4, abs=1e-4)
    assert found.gains == pytest.approx(gains, rel=1e-5)


@pytest.mark.parametrize("most", [1, 1e3, 1e12])
def test_a_cell_may_be_nearly_all_of_its_topics(most):
    topics = make_topics(n_topics=2, n_words=6, seed=4)
    X = as_csr(np.diag([most, 1.0, 2.0, 1.0, 3.0, 2.0]) + np.eye(6, k=1))
    with opened(X, np.ones(6)) as documents:
        shares = documents.random_shares(2)
        start = topics.with_words(documents.count_words(shares))
        words = start.words[:, :2]
        expected, _, gain = pass_in_numpy(
            topics, documents, dense(documents, shares, 2), words, np.inf
        )
        found = infer(start, documents, shares, schedule(1, 1))
    assert dense(documents, found.shares, 2) == pytest.approx(expected, abs=1e-3)
    assert found.gains[0] == pytest.approx(gain / documents.n_tokens, rel=1e-3)


@pytest.mark.parametrize("weight", [1.0, 0.4, 3.0])
def test_counts_of_words_are_the_sums_of_shares(weight):
    topics = FOUR_TOPICS
    X, _ = draw_documents(topics, n=50)
    weights = weight * np.random.default_rng(0).random(50)
    with opened(as_csr(X * 0.7), weights) as documents:
        shares = documents.random_shares(4)
        start = topics.with_words(documents.count_words(shares))
        found = infer(start, documents, shares, schedule(30, 10))
        sums = documents.count_words(found.shares)
    assert found.topics.words == pytest.approx(sums, rel=1e-9, abs=1e-9)
    assert found.topics.words[:, 4:].max() == 0.0
    tokens = weights @ X.sum(axis=1) * 0.7
    assert found.topics.words.sum() == pytest.approx(tokens, rel=1e-6)


def test_laws_open_after_the_burn_in():
    X, _ = draw_documents(FOUR_TOPICS, n=30)
    weight = np.random.default_rng(1).random(30)
    seen = []

    def open_laws(topics, counts, weight):
        seen.append((len(gains), counts.sum(axis=1), weight))
        laws = Mixture(
            np.array([0.5, 0.5]),
            DirichletMultinomial(None, np.array([[1.0, 2, 3, 4], [4, 3, 2, 1.0]]), 1.0),
        )
        return Topics(topics.words, topics.prior, laws)

    gains = []
    with opened(X, weight) as documents:
        shares = documents.random_shares(4)
        start = FOUR_TOPICS.with_words(documents.count_words(shares))
        found = infer(
            start, documents, shares, schedule(9, 4), open_laws=open_laws,
            monitor=gains.append,
        )  # fmt: skip
        lengths = documents.X.sum(axis=1)
    assert [n for n, _, _ in seen] == [4]
    assert seen[0][1] == pytest.approx(lengths, rel=1e-6)
    assert seen[0][2] is documents.weight
    assert len(found.topics.alphas) == 2
    assert tuple(gains) == found.gains


@pytest.mark.parametrize("n_prior_rows", [1, 60])
def test_the_best_of_starts_goes_on(n_prior_rows):
    drawn = make_topics(n_topics=4, n_words=60, seed=2, alpha=[[0.1] * 4])
    X, _ = draw_documents(drawn, n=120, length=30)
    empty = drawn.with_words(np.zeros_like(drawn.words))
    empty = replace(empty, prior=np.full((n_prior_rows, 8), 0.1))
    short = Schedule(10, 0.0, 11, topic_prior=False, word_prior=False)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        with Documents(X, np.ones(X.shape[0]), rng, 1) as documents:
            runs = []
            for start in range(4):
                shares = first_shares(empty, documents, start)
                topics = empty.with_words(documents.count_words(shares))
                runs.append(infer(topics, documents, shares, short))
            gains = [run.gains[-1] for run in runs]
            assert len(set(gains)) == 4
            topics, shares = best_start(empty, documents, 4, 100)
            expected = runs[int(np.argmax(gains))]
            assert (shares == expected.shares).all()
            assert topics.words == pytest.approx(expected.topics.words)
            _, first = best_start(empty, documents, 1, 100)
            assert (first == first_shares(empty, documents, 0)).all()
