"""Full Gaussians on rows that each miss other cells, against plain linear algebra."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from sklgen.families import FullGaussian
from sklgen.families._gaussian_matrix import TiedGaussian
from sklgen.families._pattern_kernels import LANES, in_lanes, out_of_lanes


def rows_with_holes(rng, n, d):
    """Rows with any cells missing, one of them with all, the same patterns adjacent."""
    X = rng.normal(size=(n, d))
    X[rng.random(X.shape) < 0.4] = np.nan
    X[0] = np.nan
    return X[np.lexsort(np.isnan(X).T)]


def spread(rng, n, d):
    roots = rng.normal(size=(n, d, 2 * d))
    return roots @ roots.mT / d


def expected_moments(x, mean, covariance):
    """Log-density of the observed cells, expected error and product of errors."""
    seen = ~np.isnan(x)
    log_density = 0.0
    error, residual = np.zeros(len(x)), covariance
    if seen.any():
        within, cross = covariance[np.ix_(seen, seen)], covariance[:, seen]
        own = x[seen] - mean[seen]
        log_density = multivariate_normal.logpdf(own, cov=within)
        slope = np.linalg.solve(within, cross.T).T
        error, residual = slope @ own, covariance - slope @ cross.T
    return log_density, error, residual + np.outer(error, error)


@pytest.mark.parametrize("n_components", [1, 3, LANES, LANES + 5])
@pytest.mark.parametrize("family", [FullGaussian, TiedGaussian])
def test_densities_and_moments_are_those_of_the_conditional_law(family, n_components):
    rng = np.random.default_rng(0)
    d = 4
    X = rows_with_holes(rng, 30, d)
    means = rng.normal(size=(n_components, d))
    covariances = spread(rng, family.stored_shape(n_components, d)[0], d)
    if family is TiedGaussian:
        covariances = covariances[:1]
    model = family(means, covariances, np.ones(d), 1e-6)
    weights = rng.random((n_components, len(X)))
    view = model.view(complete=False)
    found, sums = np.empty(weights.shape), view.zeros()
    features = view.evaluate(X, lambda name, shape: np.empty(shape), found)
    view.accumulate(sums, features, weights)
    moments = view.complete(sums)

    full = np.broadcast_to(covariances, (n_components, d, d))
    first, second = np.zeros((n_components, d)), np.zeros((n_components, d, d))
    for k in range(n_components):
        for i, x in enumerate(X):
            log_density, error, product = expected_moments(x, means[k], full[k])
            np.testing.assert_allclose(found[k, i], log_density, rtol=1e-10, atol=1e-10)
            first[k] += weights[k, i] * error
            second[k] += weights[k, i] * product
    np.testing.assert_allclose(moments.count, weights.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(moments.first, first, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(moments.second, model.pool(second), rtol=1e-9, atol=1e-9)


def test_lanes_hold_every_component_once():
    values = np.arange(2.0 * (LANES + 5)).reshape(-1, 2)
    lanes = in_lanes(values)
    assert lanes.shape == (2, 2, LANES)
    np.testing.assert_array_equal(out_of_lanes(lanes, len(values)), values)
    np.testing.assert_array_equal(lanes[1, :, 5:], np.tile(values[-1:].T, LANES - 5))
