"""The sliced Wasserstein distance: closed forms, exact couplings, weights."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from sklgen.datasets import load_penguins
from sklgen.metrics import sliced_wasserstein_distance


def test_equal_tables_are_at_no_distance():
    X = load_penguins(return_X_y=True, as_frame=True)[0]
    shuffled = X.sample(frac=1, random_state=0)
    found = sliced_wasserstein_distance(X, shuffled, random_state=0)
    assert found == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("d", [1, 3, 8])
def test_shifted_rows_have_the_closed_form(d):
    """Over whole sets of orthogonal directions it is |shift| / sqrt(d)."""
    rng = np.random.default_rng(d)
    X, shift = rng.normal(size=(100, d)), rng.normal(size=d)
    found = sliced_wasserstein_distance(
        X, X + shift * X.std(axis=0), n_projections=2 * d, random_state=0
    )
    assert found == pytest.approx(np.linalg.norm(shift) / np.sqrt(d), rel=1e-9)


def test_stretched_rows_have_the_closed_form():
    """Along the line at angle t, X and X diag(s) differ by (s - 1) c of both axes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 2))
    X = (X - X.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(X.T))).T
    found = sliced_wasserstein_distance(X, 3.0 * X, n_projections=20, random_state=0)
    assert found == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "m"), [(50, 50), (40, 70)])
def test_one_column_of_order_one_is_that_of_scipy(n, m, weighted):
    rng = np.random.default_rng(n)
    x, y = rng.standard_exponential(n), rng.normal(size=m)
    weight = rng.uniform(0.1, 2.0, size=n) if weighted else np.ones(n)
    mean = np.average(x, weights=weight)
    scale = np.sqrt(np.average((x - mean) ** 2, weights=weight))
    found = sliced_wasserstein_distance(
        x[:, None], y[:, None], p=1, n_projections=1, sample_weight=weight
    )
    assert found == pytest.approx(wasserstein_distance(x, y, weight) / scale)


def test_order_two_is_at_least_order_one():
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(60, 3)), rng.standard_exponential((50, 3))
    one, two = (sliced_wasserstein_distance(X, Y, p=p, random_state=0) for p in (1, 2))
    assert 0.0 < one < two


def test_directions_are_uniform():
    """A rotation of all rows has no effect beyond that of the directions' choice."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 2))
    X = (X - X.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(X.T))).T
    Y = X * [2.0, 1.0]
    turn = np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2.0)
    straight, turned = (
        np.mean([sliced_wasserstein_distance(A, B, random_state=s) for s in range(10)])
        for A, B in [(X, Y), (X @ turn, Y @ turn)]
    )
    assert turned == pytest.approx(straight, rel=0.02)


def test_weights_are_repetitions_and_seeds_repeat():
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(2, 40, 2))
    weight = rng.integers(0, 4, size=40).astype(float)
    repeated = np.repeat(X, weight.astype(int), axis=0)
    options = {"n_projections": 7, "random_state": 5}
    expected = sliced_wasserstein_distance(repeated, Y, **options)
    found = sliced_wasserstein_distance(X, Y, sample_weight=weight, **options)
    assert found == pytest.approx(expected, rel=1e-9)
    again = sliced_wasserstein_distance(X, Y, sample_weight=weight, **options)
    assert again == found
