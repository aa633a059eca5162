"""Latent Dirichlet allocation: laws that fits keep, and what they recover."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklgen.mixture import DirichletMultinomialMixture
from sklgen.topics import LatentDirichletAllocation, _documents
from tests.topics.planted import match, plant

METHODS = ("cvb0", "scvb0", "gibbs")
X, WORDS, SHARES = plant()
SMALL = X[:60]


def lda(n_components=4, **options):
    return LatentDirichletAllocation(
        n_components, **{"random_state": 0, "n_jobs": 1, **options}
    )


def bits(model):
    return model.components_, model.doc_topic_prior_, model.topic_word_prior_


def assert_same_bits(model, other):
    for mine, its in zip(bits(model), bits(other), strict=True):
        assert np.array_equal(mine, its)


def probabilities(model):
    return model.components_ / model.components_.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
def test_planted_topics_are_found(method):
    model = lda(method=method).fit(X)
    cosines, order = match(model.components_, WORDS)
    assert cosines.mean() > 0.98
    assert np.abs(model.transform(X)[:, order] - SHARES).mean() < 0.06
    # Expected counts are softer than counts.
    softest = 1.2 if method == "gibbs" else 1.7
    assert 0.8 < model.doc_topic_prior_.sum() / 0.6 < softest


def test_large_counts_give_the_topics_of_shares():
    """Leaving out all tokens of a word in a document would hold topics apart."""
    counts, words, shares = plant(60, n_words=20, length=2000, alpha=0.2, seed=2)
    model = lda().fit(counts)
    cosines, order = match(model.components_, words)
    assert cosines.min() > 0.998
    assert model.transform(counts)[:, order] == pytest.approx(shares, abs=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_seeds_pull_topics_to_their_words(method):
    seeds = np.full(WORDS.shape, 0.01)
    order = [2, 0, 3, 1]
    for k, topic in enumerate(order):
        seeds[k, np.argsort(-WORDS[topic])[:3]] = 20.0
    for seed in range(3):
        model = lda(method=method, topic_word_prior=seeds, random_state=seed).fit(X)
        cosines, found = match(model.components_, WORDS[order])
        assert list(found) == [0, 1, 2, 3]
        assert cosines.mean() > 0.95


CONTAINERS = {
    "ints": lambda Z: Z.astype(int),
    "float32": lambda Z: Z.astype(np.float32),
    "csr": csr_array,
    "csc": csc_matrix,
    "coo": coo_array,
    "frame": pd.DataFrame,
    "stored zeros": lambda Z: csr_array(
        (Z.ravel(), np.indices(Z.shape).reshape(2, -1)), shape=Z.shape
    ),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_have_the_same_bits(container, method):
    given = CONTAINERS[container](SMALL)
    model = lda(method=method, max_iter=25).fit(SMALL)
    assert_same_bits(lda(method=method, max_iter=25).fit(given), model)
    assert model.transform(given) == pytest.approx(model.transform(SMALL), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_threads_clones_and_pickles_have_the_same_bits(method, monkeypatch):
    # Several batches of several blocks.
    monkeypatch.setattr(_documents, "_BLOCK_CELLS", 256)
    weight = np.full(len(X), 4.0)
    model = lda(method=method, max_iter=12).fit(X, sample_weight=weight)
    for n_jobs in (2, 3):
        other = clone(model).set_params(n_jobs=n_jobs).fit(X, sample_weight=weight)
        assert_same_bits(other, model)
        assert (other.transform(X) == model.transform(X)).all()
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.score_samples(SMALL) == model.score_samples(SMALL)).all()
    assert_same_bits(copy.partial_fit(SMALL), model.partial_fit(SMALL))
    assert_same_bits(copy.fit(X, sample_weight=weight), other)


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_copies(method):
    weight = np.random.default_rng(0).integers(0, 4, len(SMALL))
    copies = np.repeat(SMALL, weight, axis=0)
    order = np.random.default_rng(1).permutation(len(copies))
    weighted = lda(method=method).fit(SMALL, sample_weight=weight)
    copied = lda(method=method).fit(copies[order])
    if method == "scvb0":
        # Documents of one batch are blended by their number.
        assert match(weighted.components_, copied.components_)[0].min() > 0.999
        return
    assert weighted.components_ == pytest.approx(copied.components_, rel=1e-3, abs=0.01)
    assert weighted.doc_topic_prior_ == pytest.approx(copied.doc_topic_prior_, rel=1e-3)
    assert weighted._lengths == copied._lengths


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_no_weight_and_columns_of_zeros_change_nothing(method):
    weight = np.repeat([1.0, 0.0], [60, 20])
    model = lda(method=method, max_iter=30).fit(SMALL)
    more = lda(method=method, max_iter=30).fit(X[:80], sample_weight=weight)
    assert_same_bits(more, model)
    wide = np.hstack([SMALL, np.zeros((60, 2))])
    other = lda(method=method, learn_topic_word_prior=False).fit(wide)
    assert other.components_[:, -2:] == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_rows_has_no_effect(method):
    order = np.random.default_rng(0).permutation(len(X))
    model, other = (lda(method=method).fit(Z) for Z in (X, X[order]))
    assert_same_bits(other, model)


def test_empty_documents_have_the_shares_of_the_prior():
    model = lda().fit(np.vstack([X, np.zeros((3, X.shape[1]))]))
    alpha = model.doc_topic_prior_
    shares = model.transform(np.zeros((1, X.shape[1])))[0]
    assert shares == pytest.approx(alpha / alpha.sum())
    empty = lda(3).fit(SMALL * 0.0)
    assert empty.sample(4, random_state=0).sum() == 0.0
    with pytest.raises(ValueError, match="no token"):
        empty.perplexity(SMALL * 0.0)


def test_rare_topics_are_the_clusters_of_a_mixture():
    """With a tiny prior of topics each document has one, as in a mixture."""
    counts, _, shares = plant(200, length=60, alpha=1e-3, seed=3)
    labels = shares.argmax(axis=1)
    model = lda(
        doc_topic_prior=1e-8, learn_doc_topic_prior=False, random_state=0
    ).fit(counts)  # fmt: skip
    mixture = DirichletMultinomialMixture(4, random_state=0).fit(counts)
    found, clusters = model.predict(counts), mixture.predict(counts)
    assert adjusted_rand_score(found, labels) == pytest.approx(1.0)
    assert adjusted_rand_score(found, clusters) == pytest.approx(1.0)
    _, order = match(model.components_, mixture.probabilities_)
    pooled = np.stack([counts[found == k].sum(axis=0) for k in range(4)])
    prior = model.topic_word_prior_
    assert model.components_.sum(axis=1) == pytest.approx(
        (pooled + prior).sum(axis=1), rel=0.01
    )
    expected = mixture.probabilities_
    assert probabilities(model)[order] == pytest.approx(expected, abs=0.01)


def test_perplexity_does_not_depend_on_the_number_of_documents():
    model = lda().fit(X)
    drawn = model.sample(2000, random_state=0)
    many = np.mean([model.perplexity(drawn[i::10]) for i in range(10)])
    few = np.mean([model.perplexity(drawn[i::100]) for i in range(100)])
    assert few == pytest.approx(many, rel=0.03)


def test_draws_have_the_words_and_lengths_of_the_model():
    model = lda().fit(X)
    n = 20000
    drawn = model.sample(n, random_state=0)
    lengths = drawn.sum(axis=1)
    law = model._lengths
    variance = law.mean + (0.0 if np.isinf(law.size) else law.mean**2 / law.size)
    assert abs(lengths.mean() - law.mean) < 4.5 * np.sqrt(variance / n)
    assert lengths.var() == pytest.approx(variance, rel=0.06)
    alpha, words = model.doc_topic_prior_, probabilities(model)
    mean = alpha / alpha.sum()
    error = drawn.std(axis=0) / np.sqrt(n) + 1e-4
    assert np.abs(drawn.mean(axis=0) - law.mean * mean @ words).max() < 5 * error.max()
    z = (drawn.mean(axis=0) - law.mean * mean @ words) / error
    assert (z**2).mean() < 2.0
    # Pairs of words, from the covariance of shares of topics.
    second = (np.diag(mean) + np.outer(mean, alpha)) / (1.0 + alpha.sum())
    pairs = (lengths * (lengths - 1)).mean() * words.T @ second @ words
    seen = drawn.T @ drawn / n - np.diag(drawn.mean(axis=0))
    assert np.abs(seen - pairs).max() < 0.05 * pairs.max()


def test_transform_and_back_gives_the_words_of_documents():
    counts, words, shares = plant(100, length=5000, seed=1)
    model = lda().fit(counts)
    back = model.inverse_transform(model.transform(counts))
    assert back.sum(axis=1) == pytest.approx(1.0)
    assert back == pytest.approx(shares @ words, abs=0.015)
    assert model.inverse_transform(np.eye(4)) == pytest.approx(probabilities(model))
    with pytest.raises(ValueError, match=r"3 columns.*4 topics"):
        model.inverse_transform(np.ones((2, 3)))


def test_names_go_in_and_come_out():
    names = [f"w{i}" for i in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names)
    model = lda().set_output(transform="pandas").fit(frame)
    topics = [f"latentdirichletallocation{k}" for k in range(4)]
    assert list(model.get_feature_names_out()) == topics
    assert list(model.transform(frame).columns) == topics
    for k, words in enumerate(model.top_words(5)):
        best = np.argsort(-model.components_[k])[:5]
        assert words == [names[i] for i in best]
    positions = lda().fit(X).top_words(3)
    assert positions[0] == np.argsort(-model.components_[0])[:3].tolist()
    upper = model.top_words(2, feature_names=[w.upper() for w in names])
    assert upper == [[w.upper() for w in row] for row in model.top_words(2)]
    with pytest.raises(ValueError, match="1 names for 60 words"):
        model.top_words(feature_names=["a"])
    assert all(len(words) == 60 for words in model.top_words(1000))


@pytest.mark.parametrize(
    "name", ["transform", "predict", "score", "score_samples", "perplexity",
             "inverse_transform", "coherence"],
)  # fmt: skip
def test_methods_ask_for_a_fit(name):
    with pytest.raises(NotFittedError):
        getattr(lda(), name)(SMALL)
    with pytest.raises(NotFittedError):
        lda().sample()
    with pytest.raises(NotFittedError):
        lda().top_words()


@pytest.mark.parametrize(
    ("cell", "message"),
    [(-1.0, "Negative"), (np.nan, "NaN"), (np.inf, "infinity"), (1e17, "2\\*\\*53")],
)
def test_wrong_cells_are_errors(cell, message):
    wrong = SMALL.copy()
    wrong[3, 4] = cell
    model = lda(2, max_iter=2)
    with pytest.raises(ValueError, match=message):
        model.fit(wrong)
    model.fit(SMALL)
    for method in (model.transform, model.score, model.perplexity, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            method(wrong)


@pytest.mark.slow
def test_grid_search_finds_the_number_of_topics():
    texts = [" ".join(f"w{i}" for i in np.repeat(np.arange(60), x.astype(int)))
             for x in X]  # fmt: skip
    pipeline = Pipeline(
        [("count", CountVectorizer()), ("topics", lda(score_method="completion"))]
    )
    search = GridSearchCV(pipeline, {"topics__n_components": [1, 2, 4, 8]}, n_jobs=2)
    search.fit(texts)
    assert search.best_params_["topics__n_components"] in (4, 8)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] < scores[1] < scores[2] - 1.0
    assert scores[3] < scores[2] + 0.5


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_has_converged_where_its_test_was_met(method):
    # The burn-in of stochastic steps is over before their first pass.
    burn_in = 30 if method == "scvb0" else 5
    options = {"method": method, "burn_in": burn_in, "max_iter": 60}
    never = lda(tol=0.0, **options).fit(X)
    assert (never.converged_, never.n_iter_) == (False, 60)
    soon = lda(tol=1e-2, **options).fit(X)
    assert soon.converged_ == (method != "gibbs")
    if soon.converged_:
        assert soon.n_iter_ < 30
        assert np.abs(np.diff(soon.log_likelihoods_[-6:])).max() < 1e-2
