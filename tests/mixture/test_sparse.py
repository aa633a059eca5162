"""Sparse rows: every format is the dense array, in and out, and so are the starts."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse import csr_array, csr_matrix

from sklgen.em._distinct import distinct_rows
from sklgen.mixture import DirichletMultinomialMixture
from tests.mixture.test_gibbs import planted

VARIANTS = {
    "em": {"n_components": 4},
    "overdispersed": {"n_components": 2, "overdispersed": True},
    "gibbs": {"n_components": 12, "method": "gibbs"},
}
FORMATS = ["csr", "csc", "coo", "dok", "lil", "dia", "bsr"]


def fit(params, X):
    return DirichletMultinomialMixture(**params, random_state=0).fit(X)


@pytest.mark.filterwarnings("ignore:Constructing a DIA matrix")
@pytest.mark.parametrize("params", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("kind", [csr_array, csr_matrix])
def test_every_format_gives_the_bits_of_the_dense_array(params, kind):
    X, _ = planted(n=120, d=20)
    dense = fit(params, X)
    for name in FORMATS:
        rows = kind(X).asformat(name)
        model = fit(params, rows)
        np.testing.assert_array_equal(model.probabilities_, dense.probabilities_)
        np.testing.assert_array_equal(model.score_samples(rows), dense.score_samples(X))
        np.testing.assert_array_equal(model.predict(rows), dense.predict(X))
        assert model.predict_proba(rows).shape == (120, len(dense.weights_))
        draws = model.sample(9, random_state=1)
        assert type(draws) is kind
        np.testing.assert_array_equal(draws.toarray(), dense.sample(9, random_state=1))


@pytest.mark.parametrize("params", VARIANTS.values(), ids=VARIANTS)
def test_wide_indices_and_untidy_rows_are_taken(params):
    X, _ = planted(n=120, d=20)
    dense = fit(params, X)
    wide = csr_array(X)
    wide.indices = wide.indices.astype(np.int64)
    wide.indptr = wide.indptr.astype(np.int64)
    coo = scipy.sparse.coo_array(X)
    order = np.argsort(-coo.col, kind="stable")
    order = order[np.argsort(coo.row[order], kind="stable")]
    data = np.repeat(coo.data[order] / 2, 2)
    untidy = csr_array(
        (data, np.repeat(coo.col[order], 2), 2 * csr_array(X).indptr), shape=X.shape
    )
    assert not untidy.has_canonical_format
    before = untidy.data.copy(), untidy.indices.copy()
    for rows in (wide, untidy):
        model = fit(params, rows)
        np.testing.assert_array_equal(model.probabilities_, dense.probabilities_)
        np.testing.assert_array_equal(model.score_samples(rows), dense.score_samples(X))
    np.testing.assert_array_equal(untidy.data, before[0])
    np.testing.assert_array_equal(untidy.indices, before[1])


def test_draws_keep_the_dtype_of_sparse_rows():
    X, _ = planted(n=60, d=20)
    for dtype, expected in ((np.float32, np.float32), (np.int64, np.float64)):
        model = fit({"n_components": 2}, csr_array(X.astype(dtype)))
        assert model.sample(3, random_state=0).dtype == expected


def test_rows_with_a_wide_vocabulary_stay_sparse():
    """As dense arrays, these draws would take 80 GB."""
    rng = np.random.default_rng(0)
    columns = rng.integers(10**6, size=(3000, 5)).ravel()
    X = csr_array((np.ones(15_000), columns, 5 * np.arange(3001)), shape=(3000, 10**6))
    draws = fit({"n_components": 1}, X).sample(10_000, random_state=0)
    assert draws.shape == (10_000, 10**6)
    assert draws.nnz < 100_000


@pytest.mark.parametrize("limit", [10_000, 50])
def test_starts_depend_on_values_and_weights_alone(limit):
    X, _ = planted(n=300, d=20)
    X = np.concatenate([X, X[:100]])
    weight = np.random.default_rng(1).integers(0, 3, len(X))
    order = np.random.default_rng(2).permutation(np.repeat(np.arange(len(X)), weight))
    found = []
    for rows, weights in ((X, weight.astype(float)), (X[order], np.ones(len(order)))):
        rng = np.random.default_rng(3)
        found.append(distinct_rows(csr_array(rows), weights, limit, rng))
    (one, first), (two, second) = found
    np.testing.assert_array_equal(one.toarray(), two.toarray())
    np.testing.assert_allclose(first, second)
    distinct = np.unique(X[weight > 0], axis=0)
    assert one.shape[0] == min(limit, len(distinct))
    assert len(np.unique(one.toarray(), axis=0)) == one.shape[0]
    if limit > len(distinct):
        assert first.sum() == weight.sum()
