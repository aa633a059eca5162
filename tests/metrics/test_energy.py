"""The energy distance: exact against brute force, unbiased, invariant, alert."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf

from sklgen.datasets import load_penguins
from sklgen.metrics import whitened_energy_distance
from sklgen.metrics._energy import _Pairs

CORRELATED = [[1.0, 0.8], [0.8, 1.0]]


def penguins():
    return load_penguins(return_X_y=True, as_frame=True)[0]


def brute_force(X, Y):
    """The definition, with all pairs in memory."""
    mean, scale = X.mean(axis=0), X.std(axis=0)
    X, Y = (X - mean) / scale, (Y - mean) / scale
    covariance = LedoitWolf().fit(X).covariance_
    covariance += np.diag(1.0 - covariance.diagonal())
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    X, Y = X @ root, Y @ root
    n, m = len(X), len(Y)
    within = cdist(X, X).sum() / (n * (n - 1)) + cdist(Y, Y).sum() / (m * (m - 1))
    return 2.0 * cdist(X, Y).mean() - within


@pytest.mark.parametrize(("n", "m", "d"), [(7, 9, 1), (40, 25, 3), (1100, 600, 4)])
def test_equals_the_definition(n, m, d):
    rng = np.random.default_rng(d)
    mix = rng.normal(size=(d, d))
    X, Y = rng.normal(size=(n, d)) @ mix, rng.normal(size=(m, d)) @ mix + 0.3
    assert whitened_energy_distance(X, Y) == pytest.approx(
        brute_force(X, Y), rel=1e-10, abs=1e-12
    )


@pytest.mark.parametrize(("n", "m"), [(10, 10), (10, 40)])
def test_mean_is_zero_for_one_distribution(n, m):
    rng = np.random.default_rng(0)
    draws = np.array(
        [
            _Pairs.of(
                rng.standard_exponential((n, 2)),
                np.ones(n),
                rng.standard_exponential((m, 2)),
            ).distance()
            for _ in range(2000)
        ]
    )
    assert abs(draws.mean()) < 3.5 * draws.std() / np.sqrt(len(draws))


def test_whitening_learned_on_real_rows_adds_little_bias():
    rng = np.random.default_rng(11)
    draws = np.array(
        [
            whitened_energy_distance(*rng.standard_exponential((2, 100, 3)))
            for _ in range(300)
        ]
    )
    standard_error = draws.std() / np.sqrt(len(draws))
    print(f"mean {draws.mean():.5f} +- {standard_error:.5f}, spread {draws.std():.5f}")
    assert abs(draws.mean()) < 0.05 * draws.std() + 3.5 * standard_error


@pytest.mark.parametrize("shift", [0.0, 0.15, 1.0])
@pytest.mark.parametrize(("n", "m"), [(40, 40), (30, 90)])
def test_standard_error_is_the_spread_of_repeated_draws(n, m, shift):
    rng = np.random.default_rng(1)
    found = np.array(
        [
            whitened_energy_distance(
                rng.normal(size=(n, 3)),
                rng.normal(size=(m, 3)) + shift,
                return_std_error=True,
            )
            for _ in range(300)
        ]
    )
    ratio = found[:, 1].mean() / found[:, 0].std()
    print(f"n={n} m={m} shift={shift}: mean standard error / spread = {ratio:.3f}")
    assert 0.85 < ratio < 1.15


def test_units_of_columns_do_not_matter():
    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(200, 3)), rng.normal(size=(150, 3)) + 0.2
    expected = whitened_energy_distance(X, Y)
    scale, shift = np.array([1e-3, -1.0, 1e6]), np.array([1e3, 0.0, -5e8])
    moved = whitened_energy_distance(X * scale + shift, Y * scale + shift)
    assert moved == pytest.approx(expected, rel=1e-6)


def test_linear_maps_hardly_matter():
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(2000, 3)), rng.normal(size=(2000, 3)) + 0.3
    mix = np.array([[1.0, 0.9, 0.0], [0.0, 0.3, 0.5], [0.2, 0.0, 2.0]])
    expected = whitened_energy_distance(X, Y)
    assert whitened_energy_distance(X @ mix, Y @ mix) == pytest.approx(
        expected, rel=0.02
    )


def test_a_lost_correlation_is_seen():
    rng = np.random.default_rng(4)
    X = rng.multivariate_normal([0, 0], CORRELATED, size=500)
    independent = rng.permuted(X, axis=0)
    distance, std_error = whitened_energy_distance(
        X, independent, return_std_error=True
    )
    assert distance > 6 * std_error


def test_whitening_sees_a_narrow_direction():
    """A shift across a ridge: 4 of its own widths, and 0.2 of the columns' spread."""
    rng = np.random.default_rng(5)
    along, across = rng.normal(size=(2, 1000))
    X = np.column_stack([along, along + 0.05 * across])
    shifted = X[500:] + np.array([0.0, 0.2])
    assert whitened_energy_distance(X[:500], shifted) > 1.0


def test_weights_are_repetitions_and_zeros_removals():
    X, Y = penguins(), penguins()[::2]
    weight = np.random.default_rng(6).integers(0, 4, size=len(X))
    repeated = X.iloc[np.repeat(np.arange(len(X)), weight)]
    expected = whitened_energy_distance(repeated, Y, return_std_error=True)
    found = whitened_energy_distance(
        X, Y, sample_weight=weight.astype(float), return_std_error=True
    )
    assert found == pytest.approx(expected, rel=1e-9)


def test_order_of_rows_and_columns_does_not_matter():
    X, Y = penguins()[::2], penguins()[1::2]
    expected = whitened_energy_distance(X, Y)
    shuffled = X.sample(frac=1, random_state=0)
    assert whitened_energy_distance(shuffled, Y) == pytest.approx(expected, abs=1e-12)
    backwards = Y[Y.columns[::-1]]
    assert whitened_energy_distance(X, backwards) == expected


def test_mixed_tables_halves_are_alike_and_wrong_labels_are_seen():
    X = penguins()
    rows = np.random.default_rng(7).permutation(len(X))
    one, other = X.iloc[rows[::2]], X.iloc[rows[1::2]]
    distance, std_error = whitened_energy_distance(one, other, return_std_error=True)
    assert abs(distance) < 3 * std_error
    wrong = other.assign(island=other["island"].sample(frac=1, random_state=0).values)
    distance, std_error = whitened_energy_distance(one, wrong, return_std_error=True)
    assert distance > 3 * std_error


def test_missing_cells_and_new_levels_are_seen():
    rng = np.random.default_rng(8)
    X, Y = rng.normal(size=(2, 300, 2))
    without = Y.copy()
    without[::3, 0] = np.nan
    distance, std_error = whitened_energy_distance(X, without, return_std_error=True)
    assert distance > 5 * std_error
    words = pd.DataFrame({"a": ["x", "y"] * 50})
    distance, std_error = whitened_energy_distance(
        words, words.replace("x", "z"), return_std_error=True
    )
    assert distance > 5 * std_error


@pytest.mark.parametrize("case", ["copied", "constant", "wide", "all-missing"])
def test_degenerate_columns_are_safe(case):
    rng = np.random.default_rng(9)
    n, d = (15, 40) if case == "wide" else (300, 3)
    X, Y = rng.normal(size=(2, n, d))
    for rows in (X, Y):
        if case == "copied":
            rows[:, 2] = 3.0 * rows[:, 0] + 1.0
        if case == "constant":
            rows[:, 2] = 0.1
        if case == "all-missing":
            rows[:, 2] = np.nan
    distance, std_error = whitened_energy_distance(X, Y, return_std_error=True)
    assert abs(distance) < 4 * std_error


def test_one_novel_row_does_not_outweigh_the_others():
    words = pd.DataFrame({"a": ["x", "y"] * 500})
    novel = words.copy()
    novel.loc[0, "a"] = "z"
    assert abs(whitened_energy_distance(words, novel)) < 0.03


def test_no_matrix_of_pairs_is_kept():
    X = np.random.default_rng(10).normal(size=(3000, 2))
    whitened_energy_distance(X[:10], X[:10] + 1.0)
    tracemalloc.start()
    whitened_energy_distance(X, X + 1.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8 / 20


def test_input_is_untouched():
    X, Y = np.array([[1.0, np.nan], [2.0, 0.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])
    before = X.copy(), Y.copy()
    whitened_energy_distance(X, Y)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


def test_weights_that_are_no_counts_are_refused():
    X = np.arange(6.0).reshape(3, 2)
    with pytest.raises(ValueError, match="sum must exceed 1"):
        whitened_energy_distance(X, X, sample_weight=np.full(3, 1 / 3))
    with pytest.raises(ValueError, match="at least 2 rows"):
        whitened_energy_distance(X, X[:1])
