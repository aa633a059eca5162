"""Topics learned batch by batch, against those of all documents at once."""

import numpy as np
import pytest

from sklgen.topics import LatentDirichletAllocation, LDAMixture, _stream
from tests.topics.planted import match, plant, plant_clusters

METHODS = ("cvb0", "scvb0", "gibbs")
X, WORDS, _ = plant(600, seed=1)


def lda(**options):
    return LatentDirichletAllocation(
        4, **{"random_state": 0, "n_jobs": 1, "score_method": "completion", **options}
    )


def in_batches(model, X, size, **options):
    for low in range(0, len(X), size):
        model.partial_fit(X[low : low + size], **options)
    return model


def n_tokens(model):
    return (model.components_ - model.topic_word_prior_).sum()


@pytest.mark.parametrize("method", METHODS)
def test_batches_come_close_to_all_documents(method):
    whole = lda(method=method).fit(X)
    parts = in_batches(lda(method=method), X, 60)
    rng = np.random.default_rng(5)
    shares = rng.dirichlet(np.full(4, 0.15), 200)
    test = np.stack([rng.multinomial(50, p) for p in shares @ WORDS]).astype(float)
    assert parts.perplexity(test) < 1.04 * whole.perplexity(test)
    assert match(parts.components_, WORDS)[0].mean() > 0.95
    assert parts._lengths == whole._lengths
    assert len(parts.log_likelihoods_) == parts.n_iter_


@pytest.mark.parametrize("method", METHODS)
def test_the_first_batch_is_a_fit(method):
    first, fitted = lda(method=method).partial_fit(X[:80]), lda(method=method)
    fitted.fit(X[:80])
    assert (first.components_ == fitted.components_).all()
    first.partial_fit(X[80:160]).fit(X[:80])
    assert (first.components_ == fitted.components_).all()


@pytest.mark.parametrize("cells", [0, 300, 1700, 10**6])
@pytest.mark.parametrize("method", ["cvb0", "gibbs"])
def test_tokens_are_counted_whether_documents_are_open_or_left(
    method, cells, monkeypatch
):
    monkeypatch.setattr(_stream, "_WINDOW_BYTES", cells * 4 * 8)
    model, tokens = lda(method=method, max_iter=30), 0.0
    weights = np.random.default_rng(0).integers(0, 3, len(X)) * 1.0
    sizes = [40, 10, 100, 30, 60]
    for low, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        own = slice(low, low + size)
        model.partial_fit(X[own], sample_weight=weights[own])
        tokens += weights[own] @ X[own].sum(axis=1)
        assert n_tokens(model) == pytest.approx(tokens, rel=1e-5)
        open_cells = sum(rows.nnz for rows, _ in model._seen.batches)
        assert open_cells <= cells
        by_word = (model.components_ - model.topic_word_prior_).sum(axis=0)
        seen = weights[: own.stop] @ X[: own.stop]
        assert by_word == pytest.approx(seen, rel=1e-4, abs=1e-3)
    assert match(model.components_, WORDS)[0].mean() > 0.75


def test_stochastic_steps_count_all_tokens():
    fitted = lda(method="scvb0").fit(X)
    assert n_tokens(fitted) == pytest.approx(X.sum(), rel=0.03)
    model = in_batches(lda(method="scvb0"), X, 100)
    assert n_tokens(model) == pytest.approx(X.sum(), rel=0.05)
    model = in_batches(lda(method="scvb0"), np.repeat(X[:1], 300, axis=0), 100)
    assert n_tokens(model) == pytest.approx(300 * X[0].sum(), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_empty_batches_change_no_topics(method):
    model = lda(method=method).fit(X[:100])
    before = model.components_ / model.components_.sum(axis=1, keepdims=True)
    model.partial_fit(np.zeros((5, X.shape[1])))
    after = model.components_ / model.components_.sum(axis=1, keepdims=True)
    assert match(after, before)[0].min() > 0.95
    assert np.isfinite(model.log_likelihoods_).all()
    assert model._lengths.mean == pytest.approx(X[:100].sum() / 105)


@pytest.mark.parametrize("method", METHODS)
def test_clusters_go_on_in_batches(method):
    rows, _, labels = plant_clusters()
    model = LDAMixture(3, n_topics=6, method=method, random_state=0)
    in_batches(model, rows, 100)
    found = model.predict(rows)
    table = np.zeros((3, 3))
    np.add.at(table, (found, labels), 1)
    assert table.max(axis=1).sum() > 0.9 * len(labels)


def test_changed_shapes_and_columns_are_errors():
    model = lda().fit(X[:50])
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:5, :-1])
    with pytest.raises(ValueError, match="n_components"):
        model.set_params(n_components=5).partial_fit(X[:5])
