"""Gaussians on cells of a grid: masses of all cells, boxes, far tails, points."""

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from sklgen.em import Scratch
from sklgen.families import DiagonalGaussian, FullGaussian, TiedGaussian
from sklgen.families._grid_gaussian import GridGaussian

CORRELATED = np.array([[[1.0, 1.71], [1.71, 3.0]], [[0.2, -0.1], [-0.1, 0.4]]])
MEANS = np.array([[0.2, -1.0], [1.3, 0.4]])


def full(means=MEANS, covariances=CORRELATED):
    q = means.shape[1]
    return GridGaussian(FullGaussian(means, covariances, np.ones(q), 1e-12))


def cells(values, width):
    """Rows of values with the intervals around them; a width of 0 makes points."""
    half = np.broadcast_to(np.asarray(width, float) / 2, values.shape)
    return np.hstack([values, values - half, values + half])


def densities(model, X):
    out = np.full((model.shape[0], len(X)), np.nan)
    complete = not np.isnan(X).any()
    model.view(complete=complete).evaluate(X, Scratch(), out)
    return out


def grid(low, high, step, q):
    ticks = np.arange(low, high + step / 2, step)
    return np.array(list(itertools.product(ticks, repeat=q)))


@pytest.mark.parametrize("step", [0.05, 0.5, 4.0])
def test_masses_of_all_cells_sum_to_one_in_one_dimension(step):
    model = full(MEANS[:, :1], CORRELATED[:, :1, :1])
    X = cells(grid(-40 * step - 10, 40 * step + 10, step, 1), step)
    np.testing.assert_allclose(np.exp(densities(model, X)).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("step", [0.2, 1.0, 3.0])
def test_masses_of_all_cells_sum_to_one_under_strong_correlation(step):
    """Coarse cells too: the masses are a law, whatever they say of the joint one."""
    X = cells(grid(-18, 18, step, 2), step)
    np.testing.assert_allclose(np.exp(densities(full(), X)).sum(axis=1), 1.0, rtol=1e-9)


def test_a_mixed_grid_integrates_to_one():
    """The first column on a grid, the second a density, and the other way round."""
    steps, fine = (0.8, 0.02), grid(-14, 14, 0.02, 1)[:, 0]
    coarse = np.arange(-12.0, 12.0, steps[0])
    for order in (0, 1):
        pairs = np.array(list(itertools.product(coarse, fine)))
        values = pairs[:, ::-1] if order else pairs
        width = np.array([0.0, 0.8] if order else [0.8, 0.0])
        found = np.exp(densities(full(), cells(values, width))).sum(axis=1) * 0.02
        np.testing.assert_allclose(found, 1.0, rtol=1e-6)


def box(k, value, step):
    law = multivariate_normal(MEANS[k], CORRELATED[k])
    total = 0.0
    for signs in itertools.product((-1, 1), repeat=2):
        total += np.prod(signs) * law.cdf(value + np.array(signs) * step / 2)
    return total


def test_masses_agree_with_boxes_to_second_order():
    values = np.array([[0.5, -0.2], [1.0, 0.0], [-0.4, -2.0], [1.2, 1.1]])
    errors = []
    for step in (0.4, 0.2, 0.1):
        found = np.exp(densities(full(), cells(values, step)))
        expected = np.array([[box(k, v, step) for v in values] for k in range(2)])
        errors.append(np.abs(found / expected - 1.0))
    assert errors[-1].max() < 0.05
    ratios = np.concatenate([errors[0] / errors[1], errors[1] / errors[2]])
    assert np.median(ratios) == pytest.approx(4.0, abs=0.5)


@pytest.mark.parametrize("step", [1e-3, 0.3, 2.0])
def test_independent_columns_are_exact(step):
    variances = np.array([[0.5, 2.0, 1.0], [1.5, 0.1, 3.0]])
    means = np.array([[0.0, 1.0, -1.0], [2.0, 0.3, 0.0]])
    model = GridGaussian(DiagonalGaussian(means, variances, np.ones(3), 1e-9))
    values = np.random.default_rng(0).normal(size=(30, 3))
    found = densities(model, cells(values, step))
    for k in range(2):
        law = norm(means[k], np.sqrt(variances[k]))
        mass = law.cdf(values + step / 2) - law.cdf(values - step / 2)
        np.testing.assert_allclose(found[k], np.log(mass).sum(axis=1), rtol=1e-9)


def test_points_have_the_density_of_the_gaussian():
    values = np.random.default_rng(0).normal(size=(30, 2))
    found = densities(full(), cells(values, 0.0))
    for k in range(2):
        law = multivariate_normal(MEANS[k], CORRELATED[k])
        np.testing.assert_allclose(found[k], law.logpdf(values), rtol=1e-10)


def test_a_shared_covariance_is_that_of_every_component():
    tied = GridGaussian(TiedGaussian(MEANS, CORRELATED[:1], np.ones(2), 1e-9))
    each = full(covariances=np.repeat(CORRELATED[:1], 2, axis=0))
    X = cells(np.random.default_rng(0).normal(size=(20, 2)), 0.3)
    np.testing.assert_array_equal(densities(tied, X), densities(each, X))


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1e-3, 1.0])
def test_narrow_cells_have_their_density_times_their_width(unit):
    model = full(np.zeros((1, 1)), np.ones((1, 1, 1)))
    X = cells(np.linspace(-50.0, 50.0, 41)[:, None], 1e-5 * unit)
    width, middle = X[:, 2] - X[:, 1], (X[:, 1] + X[:, 2]) / 2
    expected = norm.logpdf(middle) + np.log(width)
    np.testing.assert_allclose(densities(model, X)[0], expected, rtol=1e-13, atol=2e-8)


@pytest.mark.parametrize("width", [1e-8, 1e-3, 0.1, 1.0, 5.0])
def test_tails_to_forty_deviations_are_finite_monotone_and_even(width):
    model = full(np.zeros((1, 1)), np.ones((1, 1, 1)))
    values = np.arange(0.0, 60.0, 0.01)[:, None]
    found = densities(model, cells(values, width))[0]
    assert np.isfinite(found).all()
    assert np.all(np.diff(found) < 0)
    mirrored = densities(model, cells(-values, width))[0]
    np.testing.assert_allclose(mirrored, found, rtol=1e-12)


@pytest.mark.parametrize("width", [1e-3, 0.3, 4.0])
def test_tails_are_those_of_the_log_distribution_function(width):
    model = full(np.zeros((1, 1)), np.ones((1, 1, 1)))
    values = np.linspace(3.0, 45.0, 300)
    low, high = norm.logsf(values - width / 2), norm.logsf(values + width / 2)
    expected = low + np.log(-np.expm1(high - low))
    found = densities(model, cells(values[:, None], width))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_an_open_cell_holds_all_beyond_its_edge():
    """Edges of +-40 stand for infinity, also where a component is narrow or far."""
    means, variances = np.array([[0.0], [3.0]]), np.array([[1.0], [1e-4]])
    model = GridGaussian(DiagonalGaussian(means, variances, np.ones(1), 1e-9))
    X = np.array([[-0.7, -40.0, 0.5], [1.0, 0.5, 40.0], [0.0, -40.0, 40.0]])
    found = densities(model, X)
    for k in range(2):
        law = norm(means[k, 0], np.sqrt(variances[k, 0]))
        expected = [law.logcdf(0.5), law.logsf(0.5), 0.0]
        np.testing.assert_allclose(found[k], expected, rtol=1e-4, atol=1e-12)


def test_missing_cells_are_left_out():
    """The law of what is left, in every pattern, whatever order the rows have."""
    q, rng = 4, np.random.default_rng(1)
    root = rng.normal(size=(2, q, q))
    means, covariances = rng.normal(size=(2, q)), root @ root.mT + 0.1 * np.eye(q)
    model = full(means, covariances)
    values = rng.normal(size=(40, q))
    values[rng.random(values.shape) < 0.4] = np.nan
    values[0], values[1] = np.nan, 0.0
    width = np.array([0.3, 0.0, 0.7, 0.1])
    found = densities(model, cells(values, width))
    np.testing.assert_array_equal(found[:, 0], 0.0)
    for i, row in enumerate(values[1:], start=1):
        seen = ~np.isnan(row)
        if not seen.any():
            continue
        part = full(means[:, seen], covariances[:, seen][:, :, seen])
        own = densities(part, cells(row[None, seen], width[seen]))[:, 0]
        np.testing.assert_allclose(found[:, i], own, rtol=1e-12)


def test_a_sum_over_a_missing_last_cell_is_its_absence():
    """Marginals hold exactly for the column that counts last."""
    ticks = np.arange(-20.0, 20.0, 0.7)
    values = np.column_stack([np.full(len(ticks), 0.9), ticks])
    total = np.exp(densities(full(), cells(values, 0.7))).sum(axis=1)
    one = cells(np.array([[0.9, np.nan]]), 0.7)
    np.testing.assert_allclose(total, np.exp(densities(full(), one)[:, 0]))


def test_means_and_draws_are_those_of_the_gaussian():
    model, n = full(), 4000
    X = np.tile(cells(np.array([[0.5, np.nan]]), 0.2), (n, 1))
    weights = np.random.default_rng(0).dirichlet(np.ones(2), n).T
    expected = model.gaussian.conditional_mean(X[:, :2], weights)
    np.testing.assert_array_equal(model.conditional_mean(X, weights)[:, :2], expected)
    drawn = model.conditional_draw(X, np.zeros(n, int), np.random.default_rng(1))
    slope = CORRELATED[0, 1, 0] / CORRELATED[0, 0, 0]
    mean = MEANS[0, 1] + slope * (0.5 - MEANS[0, 0])
    deviation = np.sqrt(CORRELATED[0, 1, 1] - slope * CORRELATED[0, 0, 1])
    z = (drawn[:, 1] - mean) / deviation
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(z.std() - 1) < 5 / np.sqrt(2 * n)
