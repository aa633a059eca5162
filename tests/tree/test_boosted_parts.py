"""The parts of boosted autoregressive models: splits, splines, leaves."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtri

from sklgen.compose import TabularEncoder
from sklgen.tree._boosted_leaves import Leaves
from sklgen.tree._boosted_spline import BinSplines
from sklgen.tree._boosted_splits import Boosting, NestedSplits
from sklgen.tree._boosted_trees import BoostedTrees

BOOSTING = Boosting(20, 0.1, 8, 10, 1.0, 0.1, 5)


@pytest.fixture(scope="module")
def nested():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 2))
    leaf = np.clip(np.rint(X[:, 0] + rng.normal(size=900)) + 3, 0, 6).astype(int)
    X[rng.random(900) < 0.1, 1] = np.nan
    labels = np.zeros(2, dtype=bool)
    return NestedSplits(X, leaf, 7, labels, BOOSTING, rng), X, leaf


def all_masses(nested, X):
    leaves = np.tile(np.arange(7), (len(X), 1))
    return np.exp(nested.log_masses(X, leaves))


def test_masses_of_leaves_sum_to_one(nested):
    splits, X, _ = nested
    np.testing.assert_allclose(all_masses(splits, X).sum(axis=1), 1.0, rtol=1e-12)


def test_masses_do_not_depend_on_those_beside_them(nested):
    splits, X, _ = nested
    masses = all_masses(splits, X)
    three = np.exp(splits.log_masses(X, np.tile([1, 5, 3], (len(X), 1))))
    np.testing.assert_allclose(three, masses[:, [1, 5, 3]], rtol=1e-12)


def test_masses_tell_of_rows(nested):
    splits, X, leaf = nested
    own = all_masses(splits, X)[np.arange(len(X)), leaf]
    shares = np.bincount(leaf) / len(leaf)
    assert np.log(own).mean() > np.log(shares[leaf]).mean() + 0.15


def test_draws_are_quantiles(nested):
    splits, X, _ = nested
    uniform = np.random.default_rng(1).random(len(X))
    leaf, left = splits.draw(X, uniform)
    masses = all_masses(splits, X)
    at = np.arange(len(X))
    below = masses.cumsum(axis=1)[at, leaf] - masses[at, leaf]
    np.testing.assert_allclose(below + left * masses[at, leaf], uniform, atol=1e-12)


@pytest.mark.parametrize("fraction", [1e-6, 1 - 1e-6])
def test_few_rows_are_held_out_or_learned_from(fraction):
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(50, 1)), np.zeros(1, dtype=bool)
    boosting = replace(BOOSTING, validation_fraction=fraction)
    model = boosting.fit(X, X[:, 0] > 0, labels, rng)
    assert len(model.validation_score_) > 1
    assert np.isfinite(model.decision_function(X)).all()


def test_weights_are_halved():
    leaf = np.repeat(np.arange(5), [60, 10, 10, 10, 30])
    rng = np.random.default_rng(0)
    X, labels = np.empty((len(leaf), 0)), np.zeros(0, dtype=bool)
    splits = NestedSplits(X, leaf, 5, labels, BOOSTING, rng).splits
    assert [(s.first, s.middle, s.last) for s in splits] == [
        (0, 1, 5),
        (1, 4, 5),
        (1, 2, 4),
        (2, 3, 4),
    ]
    # Nothing given: shares, with half a row for each side.
    assert splits[0].model == pytest.approx(np.log(60.5 / 60.5))
    assert splits[1].model == pytest.approx(np.log(30.5 / 30.5))
    assert splits[2].model == pytest.approx(np.log(20.5 / 10.5))


WIDTHS = np.array([0.1, 0.02, 0.3, 0.25, 0.33])
MASSES = np.array([0.02, 0.3, 0.08, 0.5, 0.1])


def spline(at):
    three = np.clip([at - 1, at, at + 1], 0, 4)
    widths = np.append(WIDTHS, 0.0)[[at - 1, at, at + 1]]
    return BinSplines.between(widths[None], np.log(MASSES[three])[None])


def density(at, t):
    t = np.atleast_1d(np.asarray(t, dtype=float))
    return np.exp(spline(at).log_density(t, t)) * MASSES[at] / WIDTHS[at]


@pytest.mark.parametrize("at", range(5))
def test_density_within_a_bin_integrates_to_its_mass(at):
    total, _ = quad(lambda t: density(at, t)[0] * WIDTHS[at], 0, 1)
    assert total == pytest.approx(MASSES[at], rel=1e-9)


def test_densities_meet_at_edges():
    for at in range(4):
        assert density(at, 1.0) == pytest.approx(density(at + 1, 0.0), rel=1e-12)


def test_mean_density_of_an_interval():
    low, high = np.array([0.0, 0.2, 0.5]), np.array([1.0, 0.7, 0.50009])
    for at in range(5):
        mean = np.exp(spline(at).log_density(low, high))
        for a, b, got in zip(low, high, mean, strict=True):
            expected, _ = quad(lambda t, at=at: density(at, t)[0], a, b)
            expected *= WIDTHS[at] / MASSES[at] / (b - a)
            assert got == pytest.approx(expected, rel=1e-7)


def test_bins_beside_those_of_no_mass():
    log_masses = np.array([[-2000.0, 0.0, -2000.0], [2000.0, 0.0, 2000.0]])
    splines = BinSplines.between(np.full((2, 3), 0.1), log_masses)
    ends = np.array([0.0, 0.0]), np.array([1.0, 1.0])
    assert np.isfinite([splines.log_density(t, t) for t in ends]).all()
    assert np.isfinite(splines.inverse(np.array([0.3, 0.3]))).all()


def test_inverse_of_the_distribution():
    mass = np.linspace(0.0, 1.0, 21)
    for at in range(5):
        t = spline(at).inverse(mass)
        got = np.exp(spline(at).log_density(np.zeros(21), np.maximum(t, 1e-3))) * t
        np.testing.assert_allclose(got[t > 1e-3], mass[t > 1e-3], atol=1e-12)
        assert t[0] == 0
        assert t[-1] == pytest.approx(1, abs=1e-12)


def learned(values, n_bins=8):
    encoder = TabularEncoder().fit(values[:, None])
    return Leaves.learn(encoder.columns_[0], encoder.transform(values[:, None]), n_bins)


def test_bins_have_equal_numbers_of_rows():
    values = np.random.default_rng(0).gamma(2.0, size=1000)
    encoder = TabularEncoder().fit(values[:, None])
    typed = encoder.transform(values[:, None])
    leaves = Leaves.learn(encoder.columns_[0], typed, 8)
    cells = leaves.cells(typed, typed[:, 0], typed[:, 0])
    assert np.bincount(cells.leaf).tolist() == [125] * 8


def test_small_tables_have_few_bins():
    values = np.random.default_rng(0).normal(size=2000)
    sizes = {n: learned(values[:n], 64).n_leaves for n in (15, 45, 200, 2000)}
    assert sizes == {15: 1, 45: 2, 200: 10, 2000: 25}


def test_bins_end_between_values_of_a_grid():
    values = np.random.default_rng(0).poisson(300, size=1000).astype(float)
    leaves = learned(values)
    assert leaves.column.resolution == 1
    ends = leaves.column.map.inverse(ndtri(leaves.edges[1:-1]))
    np.testing.assert_allclose(ends % 1, 0.5, atol=1e-6)


def test_atoms_lie_among_bins_by_value():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(900) < 0.3, 5.0, rng.gamma(3.0, 2.0, size=900))
    leaves = learned(values)
    atom = np.flatnonzero(leaves.codes)
    assert len(atom) == 1
    below = np.mean(values < 5) / np.mean(values != 5)
    assert abs(atom[0] - below * 8) <= 1


def test_cells_come_back():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(900) < 0.3, 0.0, rng.gamma(3.0, 2.0, size=900))
    values[:20] = np.nan
    encoder = TabularEncoder().fit(values[:, None])
    typed = encoder.transform(values[:, None])
    leaves = Leaves.learn(encoder.columns_[0], typed, 8)
    cells = leaves.cells(typed, typed[:, 1], typed[:, 1])
    assert np.array_equal(cells.leaf < 0, np.isnan(values))
    seen = cells.leaf >= 0
    back = leaves.typed(cells.leaf[seen], cells.low[seen])
    np.testing.assert_allclose(back, typed[seen], atol=1e-9)
    np.testing.assert_allclose(leaves.numbers(back), values[seen], atol=1e-9)


@pytest.mark.parametrize("with_labels", [True, False])
def test_trees_say_what_those_of_scikit_learn_say(with_labels):
    rng = np.random.default_rng(0)
    labels = np.array([False, with_labels, False, with_labels])
    X = rng.normal(size=(2000, 4))
    X[:, 1] = rng.choice([0, 3, 4, 77, 254], size=2000)
    X[:, 3] = rng.integers(0, 40, size=2000)
    y = (X[:, 3] % 3 == 0) + 2.0 * (X[:, 1] == 4) + X[:, 0] > rng.logistic(size=2000)
    X[rng.random(X.shape) < 0.1] = np.nan
    model = BOOSTING.fit(X, y, labels, rng)
    # Levels that were never seen, and missing cells, go the same way.
    X[:500, 1], X[:500, 3] = rng.integers(0, 255, size=(2, 500))
    X[:500, [0, 2]] = rng.normal(scale=5, size=(500, 2))
    X[rng.random(X.shape) < 0.1] = np.nan
    rows = rng.permutation(2000)[:999]
    trees = BoostedTrees.of(model, labels)
    assert trees.n_iter == model.n_iter_ > 5
    expected = model.decision_function(X[rows])
    np.testing.assert_array_equal(trees.log_odds(X, rows), expected)
