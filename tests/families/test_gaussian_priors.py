"""Priors of Gaussians: the M-step is the mode, and counts what it says."""

from dataclasses import replace

import numpy as np
import pytest

import sklgen.families._gaussian_axis as axis
import sklgen.families._gaussian_matrix_view as matrix
from sklgen.em import Rows, Scratch, run
from sklgen.families import (
    DiagonalGaussian,
    SphericalGaussian,
    TiedGaussian,
)
from sklgen.mixture._structure import Mixture
from tests.families.gaussian_cases import (
    FAMILIES,
    D,
    K,
    matrices,
    random_components,
    random_rows,
    statistics,
)


@pytest.fixture(params=[1e7, 0.0], ids=["common-centre", "own-centre"], autouse=True)
def cancellation_limit(request, monkeypatch):
    for module in (axis, matrix):
        monkeypatch.setattr(module, "CANCELLATION_LIMIT", request.param)


def with_prior(family, strength=2.5):
    scale = np.array([0.5, 1.0, 2.0, 1.3])
    return replace(random_components(family), scale=scale, prior_count=strength)


@pytest.mark.parametrize("family", FAMILIES)
def test_m_step_with_a_prior_is_the_highest_expected_posterior(family):
    pattern = np.ones(D, dtype=bool)
    components, X = with_prior(family), random_rows(pattern, n=30)
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T

    def expected(candidate):
        view, out = candidate.view(complete=True), np.empty((K, len(X)))
        view.evaluate(X, Scratch(), out)
        return float((R * out).sum()) + candidate.log_prior

    found = components.maximize(statistics(components, X, R, pattern))
    best, vector = expected(found), found.pack()
    assert best > expected(components)
    for direction in np.random.default_rng(4).normal(size=(40, len(vector))):
        near = [expected(found.unpack(vector + h * direction)) for h in (-1e-3, 1e-3)]
        assert max(near) < best
        assert abs(near[1] - near[0]) < 0.05 * (2 * best - sum(near))


@pytest.mark.parametrize("family", [DiagonalGaussian, SphericalGaussian])
def test_m_step_with_a_prior_and_missing_cells_is_stationary(family):
    components, X = with_prior(family), random_rows(np.ones(D, dtype=bool), n=30)
    X[np.random.default_rng(3).random(X.shape) < 0.4] = np.nan
    X[0, 0] = np.nan
    R = np.random.default_rng(2).dirichlet(np.ones(K), len(X)).T

    def expected(candidate):
        view, out = candidate.view(complete=False), np.empty((K, len(X)))
        view.evaluate(X, Scratch(), out)
        return float((R * out).sum()) + candidate.log_prior

    found = components.maximize(statistics(components, X, R, ~np.isnan(X[0])))
    best, vector = expected(found), found.pack()
    for direction in np.random.default_rng(4).normal(size=(40, len(vector))):
        near = [expected(found.unpack(vector + h * direction)) for h in (-1e-3, 1e-3)]
        assert max(near) < best
        assert abs(near[1] - near[0]) < 0.05 * (2 * best - sum(near))


def test_a_prior_counts_rows_at_one_unit_from_the_mean():
    """Two rows at +-3 and two pseudo-rows at +-2: (2 * 9 + 2 * 4) / 4."""
    X = np.array([[-3.0], [3.0]])
    for family in FAMILIES:
        shape = family.stored_shape(1, 1)
        components = family(
            np.zeros((1, 1)), np.ones(shape), np.array([2.0]), 1e-9, 2.0
        )
        view = components.view(complete=True)
        sums, out = view.zeros(), np.empty((1, 2))
        view.accumulate(sums, view.evaluate(X, Scratch(), out), np.ones((1, 2)))
        found = components.maximize(view.complete(sums))
        np.testing.assert_allclose(found.covariances, 6.5)


def test_a_prior_row_has_all_columns_where_they_share_a_variance():
    """Cells +-3, +-1, and two pseudo-rows of +-2 and +-1: (20 + 10) / (4 + 4)."""
    X, scale = np.array([[-3.0, 1.0], [3.0, -1.0]]), np.array([2.0, 1.0])
    components = SphericalGaussian(np.zeros((1, 2)), np.ones((1, 1)), scale, 1e-9, 2.0)
    view = components.view(complete=True)
    sums, out = view.zeros(), np.empty((1, 2))
    view.accumulate(sums, view.evaluate(X, Scratch(), out), np.ones((1, 2)))
    found = components.maximize(view.complete(sums))
    np.testing.assert_allclose(found.covariances, 3.75)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_component_without_weight_goes_to_the_mode_of_its_prior(family):
    pattern = np.ones(D, dtype=bool)
    components, X = with_prior(family), random_rows(pattern)
    R = np.zeros((K, len(X)))
    R[0] = 1.0
    found = components.maximize(statistics(components, X, R, pattern))
    np.testing.assert_array_equal(found.means[1:], components.means[1:])
    if family is TiedGaussian:
        return
    unit = np.diag(components.scale**2)
    if family is SphericalGaussian:
        unit = np.eye(D) * np.mean(components.scale**2)
    np.testing.assert_allclose(matrices(found)[1:], np.tile(unit, (K - 1, 1, 1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_posterior_never_falls(family):
    """On rows with holes, the floor within reach; through extrapolations too."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, D)) @ rng.normal(size=(D, D))
    X[:, 3] = X[:, 0] + 1e-3 * X[:, 1]
    X[rng.random(X.shape) < 0.25] = np.nan
    components = replace(with_prior(family, 1.0), floor=1e-2)
    with Rows(X, None, n_features=20, n_threads=1) as rows:
        ended = run(
            Mixture(np.full(K, 1 / K), components),
            lambda model: model.posterior_bound(rows.sum(model.e_step)),
            tol=0.0,
            max_iter=60,
        )
        last = rows.sum(ended.model.e_step).bound + ended.model.log_prior
    assert len(ended.bounds) > 40
    assert np.diff(ended.bounds).min() > -1e-13 * abs(ended.bounds[0])
    assert ended.bounds[-1] == pytest.approx(last / 300, rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_settling_keeps_the_prior(family):
    components = with_prior(family)
    data = family.equal(K, np.zeros(D), 3.0 * np.ones(D), 1e-3)
    assert components.settle(np.full(K, 1 / K), data).prior_count == 2.5
