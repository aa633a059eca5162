"""Starts see the values of rows and their weights, and nothing else."""

import numpy as np
import pytest

from sklgen.em import Rows
from sklgen.em._distinct import distinct_rows
from sklgen.mixture import GaussianMixture
from sklgen.mixture._starts import STARTS
from sklgen.mixture._structure import Mixture


def sample(X, weight, limit=10**6, seed=0):
    return distinct_rows(X, weight, limit, np.random.default_rng(seed))


def test_equal_rows_are_one_row_with_their_weight():
    X = np.array([[0.0, 1.0], [np.nan, 2.0], [-0.0, 1.0], [5.0, 5.0], [-np.nan, 2.0]])
    rows, weight = sample(X, np.array([1.0, 2.0, 3.0, 0.0, 4.0]))
    assert len(rows) == 2
    order = np.argsort(rows[:, 1])
    np.testing.assert_array_equal(rows[order], [[0.0, 1.0], [np.nan, 2.0]])
    np.testing.assert_array_equal(weight[order], [4.0, 6.0])


@pytest.mark.parametrize("limit", [50, 400, 10_000])
def test_the_sample_depends_on_neither_order_nor_repetition(limit):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 12, size=(600, 3)).astype(float)
    weight = rng.integers(0, 4, size=600).astype(float)
    rows, total = sample(X, weight, limit)
    order = rng.permutation(int(weight.sum()))
    repeated = np.repeat(X, weight.astype(int), axis=0)[order]
    again, count = sample(repeated, np.ones(len(repeated)), limit)
    np.testing.assert_array_equal(rows, again)
    np.testing.assert_array_equal(total, count)
    distinct = np.unique(repeated, axis=0)
    assert len(rows) == min(limit, len(distinct))


def test_the_sample_is_spread_over_the_rows():
    X = np.arange(100_000.0)[:, None]
    rows, _ = sample(X, np.ones(len(X)), limit=2000)
    found = np.histogram(rows, bins=10, range=(0, 100_000))[0]
    assert len(rows) == 2000
    assert np.all(np.abs(found - 200) < 5 * np.sqrt(200))


@pytest.mark.parametrize("name", STARTS)
def test_starts_are_labels_of_all_rows(name):
    rng = np.random.default_rng(0)
    Z = np.concatenate([rng.normal(size=(50, 2)) + 30 * k for k in range(3)])
    labels = STARTS[name](Z, np.ones(150), 3, rng)
    assert labels.shape == (150,)
    assert set(labels) <= {0, 1, 2}
    if name == "kmeans":
        assert len({tuple(labels[i : i + 50]) for i in (0, 50, 100)}) == 3
        assert all(len(set(labels[i : i + 50])) == 1 for i in (0, 50, 100))


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("holes", [False, True])
def test_labels_of_clusters_far_apart_give_their_moments(covariance_type, holes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    X[200:] += 1e8
    labels = np.repeat([0, 1], 200)
    if holes:
        X[rng.random(400) < 0.2, 0] = np.nan
    model = GaussianMixture(2, covariance_type=covariance_type)
    model._prepare(X, np.ones(400))
    equal = Mixture(np.full(2, 0.5), model._equal_components())
    with Rows(X, None, n_features=6, n_threads=1) as rows:
        start = model._labelled(rows, labels, equal)
    found = start.components.variances()
    for k in range(2):
        expected = np.nanvar(X[labels == k], axis=0)
        np.testing.assert_allclose(found[k], expected, rtol=0.3)
        if covariance_type == "full" and not holes:
            expected = np.cov(X[labels == k].T, bias=True)
            np.testing.assert_allclose(
                start.components.covariances[k], expected, rtol=1e-6
            )
