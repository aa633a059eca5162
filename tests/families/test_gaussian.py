"""Every covariance structure, by common centre and by own, against plain formulas."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import sklgen.families._gaussian_axis as axis
import sklgen.families._gaussian_matrix_view as matrix
from sklgen.em import Scratch
from sklgen.families import (
    DiagonalGaussian,
    FullGaussian,
    SphericalGaussian,
    TiedGaussian,
)
from tests.families.gaussian_cases import (
    FAMILIES,
    PATTERNS,
    D,
    K,
    brute_force_moments,
    matrices,
    observe,
    random_components,
    random_rows,
    statistics,
)


@pytest.fixture(params=[1e7, 0.0], ids=["common-centre", "own-centre"], autouse=True)
def cancellation_limit(request, monkeypatch):
    for module in (axis, matrix):
        monkeypatch.setattr(module, "CANCELLATION_LIMIT", request.param)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_density_is_the_marginal_of_the_observed_cells(family, pattern):
    components, X = random_components(family), random_rows(pattern)
    view = observe(components, pattern)
    out = np.empty((K, len(X)))
    view.evaluate(X, Scratch(), out)
    for k, cov in enumerate(matrices(components)):
        expected = np.zeros(len(X))
        if pattern.any():
            law = multivariate_normal(
                components.means[k, pattern], cov[np.ix_(pattern, pattern)]
            )
            expected = law.logpdf(X[:, pattern])
        np.testing.assert_allclose(out[k], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("family", [FullGaussian, TiedGaussian])
@pytest.mark.parametrize("pattern", PATTERNS[:-1], ids=str)
def test_statistics_are_expected_moments(family, pattern):
    components, X = random_components(family), random_rows(pattern)
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T
    count, first, second = brute_force_moments(components, X, R)
    found = statistics(components, X, R, pattern)
    np.testing.assert_allclose(found.count, count)
    np.testing.assert_allclose(found.first, first, atol=1e-10)
    np.testing.assert_allclose(found.second, components.pool(second), atol=1e-9)


@pytest.mark.parametrize("family", [FullGaussian, TiedGaussian])
def test_a_block_may_mix_patterns(family):
    components = random_components(family)
    X = np.concatenate([random_rows(p, n=1 + i % 3) for i, p in enumerate(PATTERNS)])
    X = np.concatenate([X, X[::-1]])
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T
    count, first, second = brute_force_moments(components, X, R)
    found = statistics(components, X, R, np.zeros(D, dtype=bool))
    np.testing.assert_allclose(found.count, count)
    np.testing.assert_allclose(found.first, first, atol=1e-10)
    np.testing.assert_allclose(found.second, components.pool(second), atol=1e-9)


@pytest.mark.parametrize("family", [DiagonalGaussian, SphericalGaussian])
def test_axis_statistics_are_sums_over_observed_cells(family):
    components = random_components(family)
    X = random_rows(np.ones(D, dtype=bool))
    X[np.random.default_rng(3).random(X.shape) < 0.3] = np.nan
    X[0, 0] = np.nan
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T
    found = statistics(components, X, R, ~np.isnan(X[0]))
    error = np.nan_to_num(X - components.means[:, None, :])
    seen = ~np.isnan(X)
    np.testing.assert_allclose(found.count, R @ seen)
    np.testing.assert_allclose(
        found.first, np.einsum("kn,knd->kd", R, error), atol=1e-10
    )
    np.testing.assert_allclose(found.second, np.einsum("kn,knd->kd", R, error**2))


@pytest.mark.parametrize("family", FAMILIES)
def test_m_step_maximizes_the_expected_likelihood(family):
    pattern = np.ones(D, dtype=bool)
    components, X = random_components(family), random_rows(pattern)
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T

    def expected(candidate):
        view, out = candidate.view(complete=True), np.empty((K, len(X)))
        view.evaluate(X, Scratch(), out)
        return float((R * out).sum())

    found = components.maximize(statistics(components, X, R, pattern))
    best = expected(found)
    assert best > expected(components)
    vector = found.pack()
    for direction in np.random.default_rng(4).normal(size=(40, len(vector))):
        assert expected(found.unpack(vector + 1e-3 * direction)) < best


@pytest.mark.parametrize("family", FAMILIES)
def test_m_step_is_the_best_above_the_floor(family):
    """One direction of the data has no spread; the floor holds, and costs least."""
    X = random_rows(np.ones(D, dtype=bool))
    X[:, 1] = X[:, 0]
    if family in (DiagonalGaussian, SphericalGaussian):
        X[:, :] = X[:1]
    R = np.full((K, len(X)), 1.0 / K)
    components = random_components(family, floor=1e-2)
    pattern = np.ones(D, dtype=bool)
    found = components.maximize(statistics(components, X, R, pattern))
    lowest = np.linalg.eigvalsh(matrices(found)).min()
    assert lowest == pytest.approx(1e-2)
    narrower = found.unpack(found.pack())
    np.testing.assert_allclose(narrower.covariances, found.covariances, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_pack_and_unpack_are_inverse(family):
    components = random_components(family)
    again = components.unpack(components.pack())
    np.testing.assert_allclose(again.means, components.means)
    np.testing.assert_allclose(again.covariances, components.covariances)


@pytest.mark.parametrize("family", FAMILIES)
def test_recentred_statistics_give_the_same_m_step(family):
    pattern = np.ones(D, dtype=bool)
    components, target = random_components(family), random_components(family, seed=9)
    X = random_rows(pattern)
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T
    found = statistics(components, X, R, pattern)
    moved = components.recentre(found, target)
    np.testing.assert_allclose(
        moved.second, statistics(target, X, R, pattern).second, atol=1e-9
    )
    one, two = components.maximize(found), target.maximize(moved)
    np.testing.assert_allclose(one.means, two.means, atol=1e-10)
    np.testing.assert_allclose(one.covariances, two.covariances, atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_component_without_weight_keeps_its_parameters(family):
    pattern = np.ones(D, dtype=bool)
    components, X = random_components(family), random_rows(pattern)
    R = np.zeros((K, len(X)))
    R[0] = 1.0
    found = components.maximize(statistics(components, X, R, pattern))
    np.testing.assert_array_equal(found.means[1:], components.means[1:])
    assert np.isfinite(found.covariances).all()
    if family is not TiedGaussian:
        np.testing.assert_allclose(found.covariances[1:], components.covariances[1:])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_conditional_draws_and_means_follow_the_closed_form(family, pattern):
    components, n = random_components(family), 20_000
    X = np.repeat(random_rows(pattern, n=1), n, axis=0)
    k, o, m = 1, pattern, ~pattern
    cov = matrices(components)[k]
    slope = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
    mean = components.means[k, m] + slope @ (X[0, o] - components.means[k, o])
    spread = cov[np.ix_(m, m)] - slope @ cov[np.ix_(o, m)]
    only_k = np.zeros((K, n))
    only_k[k] = 1.0
    found = components.conditional_mean(X, only_k)[:, m]
    np.testing.assert_allclose(found, np.tile(mean, (n, 1)))
    labels = np.full(n, k)
    rng = np.random.default_rng(5)
    draws = components.conditional_draw(X, labels, rng)[:, m]
    if m.any():
        error = np.sqrt(np.diag(spread) / n)
        assert np.all(np.abs(draws.mean(0) - mean) < 5 * error)
        scale = np.sqrt(np.outer(np.diag(spread), np.diag(spread)))
        found = np.cov(draws.T).reshape(m.sum(), m.sum())
        assert np.all(np.abs(found - spread) < 5 * scale * np.sqrt(2 / n))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_the_view_of_a_pattern_is_that_of_any_rows(family, pattern):
    """Also the empty pattern, and components that a common centre would cancel."""
    components, X = random_components(family), random_rows(pattern)
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T
    found, expected = [], []
    for view, to in (
        (components.pattern_view(pattern), found),
        (components.view(complete=False), expected),
    ):
        sums, scratch, tables = view.zeros(), Scratch(), []
        for rows in (slice(0, 25), slice(25, None)):
            out = np.full((K, len(X[rows])), np.nan)
            features = view.evaluate(X[rows], scratch, out)
            view.accumulate(sums, features, np.ascontiguousarray(R[:, rows]))
            tables.append(out)
        moments = view.complete(sums)
        updated = components.maximize(moments)
        to += [np.hstack(tables), moments.first, moments.second]
        to += [updated.means, updated.covariances]
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", [FullGaussian, TiedGaussian])
def test_moments_of_patterns_add_up_to_those_of_all_rows(family):
    components = random_components(family)
    X = np.concatenate([random_rows(p, n=5, seed=i) for i, p in enumerate(PATTERNS)])
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T
    count, first, second = brute_force_moments(components, X, R)
    total = None
    for pattern in PATTERNS:
        rows = np.flatnonzero(np.all(~np.isnan(X) == pattern, axis=1))
        view, out = components.pattern_view(pattern), np.empty((K, len(rows)))
        sums = view.zeros()
        features = view.evaluate(X[rows], Scratch(), out)
        view.accumulate(sums, features, np.ascontiguousarray(R[:, rows]))
        moments = view.complete(sums)
        total = moments if total is None else total + moments
    np.testing.assert_allclose(total.count, count)
    np.testing.assert_allclose(total.first, first, atol=1e-9)
    np.testing.assert_allclose(total.second, components.pool(second), atol=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_conditional_moments_follow_the_closed_form(family):
    components = random_components(family)
    X = np.concatenate([random_rows(p, n=3, seed=i) for i, p in enumerate(PATTERNS)])
    X = X[np.random.default_rng(0).permutation(len(X))]
    means, variances = components.conditional_moments(X)
    means = np.broadcast_to(means, (K, len(X), D))
    variances = np.broadcast_to(variances, (K, len(X), D))
    for k, cov in enumerate(matrices(components)):
        for i, x in enumerate(X):
            o, m = ~np.isnan(x), np.isnan(x)
            slope = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
            mean = components.means[k, m] + slope @ (x[o] - components.means[k, o])
            left = np.diag(cov[np.ix_(m, m)] - slope @ cov[np.ix_(o, m)])
            np.testing.assert_allclose(means[k, i, m], mean, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(variances[k, i, m], left, rtol=1e-8)
