"""Mixtures of LDA: clusters they recover, and what they have in common with LDA."""

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.metrics import adjusted_rand_score

from sklgen.topics import LatentDirichletAllocation, LDAMixture, _mixture
from tests.topics.planted import match, plant, plant_clusters

METHODS = ("cvb0", "scvb0", "gibbs")
X, WORDS, LABELS = plant_clusters()


def mixture(n_components=3, **options):
    defaults = {"n_topics": 6, "random_state": 0, "n_jobs": 1}
    return LDAMixture(n_components, **{**defaults, **options})


def probabilities(model):
    return model.components_ / model.components_.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("concentration", [20.0, None])
@pytest.mark.parametrize("method", METHODS)
def test_planted_clusters_are_found(method, concentration):
    model = mixture(method=method, concentration=concentration).fit(X)
    assert adjusted_rand_score(model.predict(X), LABELS) > 0.95
    shares = model.doc_topic_prior_ @ probabilities(model)
    cosines, order = match(shares, WORDS)
    assert cosines.min() > 0.98
    sizes = np.bincount(LABELS) / len(LABELS)
    assert model.weights_[order] == pytest.approx(sizes, abs=0.03)
    proba = model.predict_proba(X)
    assert proba.sum(axis=1) == pytest.approx(1.0)
    assert (proba.argmax(axis=1) == model.predict(X)).all()


@pytest.mark.parametrize("method", ["cvb0", "scvb0"])
def test_one_cluster_is_latent_dirichlet_allocation(method):
    counts, _, _ = plant(200)
    options = {"method": method, "random_state": 0, "max_iter": 300, "tol": 1e-7}
    lda = LatentDirichletAllocation(4, **options).fit(counts)
    one = LDAMixture(1, n_topics=4, concentration=None, **options).fit(counts)
    cosines, order = match(one.components_, lda.components_)
    assert cosines.min() > 0.9999
    expected = lda.doc_topic_prior_
    assert one.doc_topic_prior_[0, order] == pytest.approx(expected, rel=0.03)
    assert one.weights_ == pytest.approx(1.0)
    assert one.score(counts[:50]) == pytest.approx(lda.score(counts[:50]), abs=0.1)
    shares = one.transform(counts)[:, order]
    assert shares == pytest.approx(lda.transform(counts), abs=0.02)


@pytest.mark.parametrize("total", [2.0, 50.0])
@pytest.mark.parametrize("method", METHODS)
def test_concentration_is_the_sum_of_each_law(method, total):
    for learn in (True, False):
        model = mixture(
            method=method, concentration=total, learn_doc_topic_prior=learn, max_iter=30
        ).fit(X[:80])
        assert model.doc_topic_prior_.sum(axis=1) == pytest.approx(total)
    model = mixture(method=method, concentration=None, max_iter=40).fit(X[:80])
    sums = model.doc_topic_prior_.sum(axis=1)
    assert np.ptp(sums) > 1e-3


@pytest.mark.parametrize("max_iter", [1, 3, 20, 21])
@pytest.mark.parametrize("method", METHODS)
def test_short_runs_have_clusters_too(method, max_iter):
    model = mixture(method=method, max_iter=max_iter).fit(X)
    assert model.weights_.shape == (3,)
    assert model.doc_topic_prior_.shape == (3, 6)
    assert model.predict_proba(X[:5]).shape == (5, 3)


@pytest.mark.parametrize("method", METHODS)
def test_one_document_is_a_cluster(method):
    model = mixture(1, method=method, max_iter=30).fit(X[:1])
    assert model.weights_ == pytest.approx(1.0)
    weight = np.eye(1, 5)[0]
    other = mixture(1, method=method, max_iter=30).fit(X[:5], sample_weight=weight)
    assert (other.components_ == model.components_).all()


def test_draws_come_from_their_clusters():
    model = mixture().fit(X)
    drawn, labels = model.sample_latent(3000, random_state=0)
    share = np.bincount(labels, minlength=3) / 3000
    error = np.sqrt(model.weights_ * (1 - model.weights_) / 3000)
    assert (np.abs(share - model.weights_) < 4.5 * error).all()
    words = probabilities(model)
    for c, alpha in enumerate(model.doc_topic_prior_):
        own = drawn[labels == c]
        expected = model._lengths.mean * alpha / alpha.sum() @ words
        z = (own.mean(axis=0) - expected) / (own.std(axis=0) / np.sqrt(len(own)) + 1e-3)
        assert (z**2).mean() < 2.0
    assert adjusted_rand_score(model.predict(drawn), labels) > 0.95


def test_the_start_of_clusters_does_not_warn():
    rng = np.random.default_rng(0)
    sparse = rng.uniform(size=(40, 3))
    sparse[sparse < 0.6] = 0.0
    # The mixture that clusters start from takes very long for this seed.
    LDAMixture(
        n_topics=2, concentration=None, method="gibbs", max_iter=30, random_state=61
    ).fit(sparse)


def test_short_documents_are_told_by_their_tokens_long_ones_by_their_topics(
    monkeypatch,
):
    model = mixture().fit(X)
    few = np.random.default_rng(0).binomial(X[:40].astype(int), 0.1).astype(float)
    short = few.sum(axis=1) <= 5
    assert 5 < short.sum() < 35
    monkeypatch.setattr(_mixture, "_SHORT", 5)
    found = model.predict_proba(few)
    topics, rows = model._topics(), model._validate(few)
    joint = model._log_joint(topics, rows)
    exact = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    _, laws = model._proportions(topics, rows)
    apart = np.abs(exact - laws).max(axis=1)
    assert min(apart[short].max(), apart[~short].max()) > 1e-5
    assert found == pytest.approx(np.where(short[:, None], exact, laws), abs=1e-9)
