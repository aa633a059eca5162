"""Coverage and density: the definition, exact expectations, ties, weights."""

import tracemalloc
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from sklgen.datasets import load_penguins
from sklgen.metrics import coverage_density


@pytest.mark.parametrize(("n", "m", "d", "k"), [(9, 7, 1, 1), (700, 90, 3, 5)])
def test_equals_the_definition(n, m, d, k):
    rng = np.random.default_rng(d)
    X, Y = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + 0.3
    A, B = ((rows - X.mean(axis=0)) / X.std(axis=0) for rows in (X, Y))
    radius = np.sort(cdist(A, A), axis=1)[:, k]
    inside = cdist(A, B) < radius[:, None]
    found = coverage_density(X, Y, n_neighbors=k)
    assert found.coverage == pytest.approx(inside.any(axis=1).mean())
    assert found.density == pytest.approx(inside.sum() / (k * m))


def tables(kind, n, m, seed):
    rng = np.random.default_rng(seed)
    if kind == "numbers":
        X = rng.standard_exponential((n + m, 2))
    elif kind == "counts":
        X = rng.poisson(1.0, (n + m, 2)).astype(float)
    else:
        labels = rng.choice(list("abc"), p=[0.6, 0.3, 0.1], size=(n + m, 2))
        X = pd.DataFrame(labels, columns=["a", "b"])
    return X[:n], X[n:]


@pytest.mark.parametrize("kind", ["numbers", "counts", "labels"])
@pytest.mark.parametrize(("n", "m", "k"), [(30, 30, 5), (40, 15, 2), (25, 60, 1)])
def test_one_distribution_has_the_expected_values(kind, n, m, k):
    found = [
        coverage_density(*tables(kind, n, m, seed), n_neighbors=k)
        for seed in range(400)
    ]
    coverage = np.array([one.coverage for one in found])
    density = np.array([one.density for one in found])
    for values, expected in [(coverage, found[0].expected_coverage), (density, 1.0)]:
        error = values.std() / np.sqrt(len(values))
        # Scales are learned on the real rows, which matters little.
        assert abs(values.mean() - expected) < 3.5 * error + 0.01


@pytest.mark.parametrize(("n", "m", "k"), [(3, 2, 1), (6, 4, 5), (9, 30, 3)])
def test_expected_coverage_counts_orders(n, m, k):
    X = np.random.default_rng(0).normal(size=(n + m, 1))
    found = coverage_density(X[:n], X[n:], n_neighbors=k).expected_coverage
    assert found == pytest.approx(1 - comb(n - 1, k) / comb(n + m - 1, k))


def test_expected_coverage_of_many_rows_is_a_power_of_two():
    X = np.random.default_rng(0).normal(size=(4000, 1))
    found = coverage_density(X, X, n_neighbors=3)
    assert found.expected_coverage == pytest.approx(1 - 2.0**-3, abs=1e-3)
    assert found.coverage == 1.0


def test_a_lost_mode_costs_coverage_and_an_invented_one_density():
    rng = np.random.default_rng(1)
    centres = np.array([[-5.0, 0.0], [5.0, 0.0]])
    X = centres[np.arange(600) % 2] + rng.normal(size=(600, 2))
    one = centres[0] + rng.normal(size=(600, 2))
    lost = coverage_density(X, one)
    assert lost.coverage == pytest.approx(0.5, abs=0.03)
    assert lost.density == pytest.approx(1.0, abs=0.15)
    invented = np.concatenate([X[:300], np.full((300, 2), 50.0)])
    assert coverage_density(X, invented).density < 0.7


def test_weights_are_repetitions_and_zeros_removals():
    X = load_penguins(return_X_y=True, as_frame=True)[0]
    weight = np.random.default_rng(2).integers(0, 4, size=len(X))
    repeated = X.iloc[np.repeat(np.arange(len(X)), weight)]
    for k in (1, 5):
        expected = coverage_density(repeated, X[::2], n_neighbors=k)
        found = coverage_density(
            X, X[::2], n_neighbors=k, sample_weight=weight.astype(float)
        )
        assert found.coverage == pytest.approx(expected.coverage, rel=1e-9)
        assert found.density == pytest.approx(expected.density, rel=1e-9)


def test_weights_below_one_are_parts_of_rows():
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(2, 60, 2))
    weight = rng.uniform(0.1, 1.0, size=60)
    mean = np.average(X, axis=0, weights=weight)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    A, B = (X - mean) / scale, (Y - mean) / scale
    inside = []
    for one in A:
        distance = np.linalg.norm(A - one, axis=1)
        order = np.argsort(distance)[1:]
        last = np.searchsorted(np.cumsum(weight[order]), 5.0)
        edge = distance[order[last]]
        inside.append((np.linalg.norm(B - one, axis=1) < edge).sum())
    found = coverage_density(X, Y, sample_weight=weight)
    covered = np.average(np.array(inside) > 0, weights=weight)
    assert found.coverage == pytest.approx(covered)
    assert found.density == pytest.approx(weight @ inside / (5 * 60))


def test_units_and_order_do_not_matter():
    rng = np.random.default_rng(5)
    X, Y = rng.normal(size=(80, 3)), rng.normal(size=(70, 3)) + 0.5
    expected = coverage_density(X, Y)
    scale, shift = np.array([1e-3, -4.0, 1024.0]), np.array([3.0, 0.0, -5.0])
    moved = coverage_density(X[::-1] * scale + shift, Y[::-1] * scale + shift)
    assert moved.coverage == pytest.approx(expected.coverage)
    assert moved.density == pytest.approx(expected.density)


def test_no_matrix_of_pairs_is_kept():
    X = np.random.default_rng(6).normal(size=(3000, 2))
    coverage_density(X[:10], X[:10])
    tracemalloc.start()
    coverage_density(X, X + 0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8 / 20


def test_too_few_rows_are_refused():
    X = np.arange(5.0)[:, None]
    with pytest.raises(ValueError, match="need 6: lower n_neighbors"):
        coverage_density(X, X)
