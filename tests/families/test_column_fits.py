"""Fits of families of single columns: starts, priors, EM, and columns gone wrong."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import gammaln

from sklgen.em import run
from sklgen.families import (
    ConjugateColumns,
    Gamma,
    LogNormal,
    NegativeBinomial,
    Poisson,
    VonMises,
)
from sklgen.mixture._structure import Mixture
from tests.families.column_cases import (
    CASES,
    D,
    K,
    cases,
    densities,
    drawn,
    made,
    started,
    statistics,
    summed,
)


@cases
@pytest.mark.parametrize("strength", [0.0, 0.01])
def test_degenerate_columns_end_nowhere(case, strength):
    """Constant, never observed, seen once, without weight: all stay finite."""
    for value in case.constants:
        X = np.full((30, D), value)
        X[:, 1] = np.nan
        X[1:, 2] = np.nan
        start = started(case.family, X, strength)
        R = np.zeros((K, len(X)))
        R[0] = 1.0
        found = start
        for _ in range(3):
            sums = statistics(found, X, R, complete=False)
            found = found.maximize(sums)
            assert np.isfinite(found.pack()).all()
            assert np.isfinite(densities(found, X, complete=False)).all()
            assert np.isfinite(found.log_prior)
        rows = found.draw(np.arange(K).repeat(20), np.random.default_rng(0))
        case.family.check_support(rows, "abc")
        assert np.isfinite(found.conditional_mean(rows, np.full((K, 40), 0.5))).all()
        if strength == 0.0:
            # The last component has no weight, and so keeps what it had.
            np.testing.assert_array_equal(found.moments[:, -1], start.moments[:, -1])


@cases
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_bound_never_falls_and_mixtures_are_recovered(case, missing):
    X = drawn(case, 4000, missing=missing, seed=5)
    equal = started(case.family, X)
    truth = Mixture(np.full(K, 1 / K), made(case))
    start = Mixture(truth.weights, truth.components.settle(truth.weights, equal))
    shifted = start.components.unpack(
        start.components.pack() + 0.3 * np.random.default_rng(1).normal(size=1)
    )

    def expectation(model):
        return model.posterior_bound(summed(model, X))

    bounds = []
    model = replace(start, components=shifted)
    for _ in range(8):
        sums = expectation(model)
        bounds.append(sums.bound)
        model = model.m_step(sums)
    assert np.diff(bounds).min() > -1e-11 * abs(bounds[-1])
    ended = run(model, expectation, tol=1e-9, max_iter=300)
    assert ended.converged
    assert ended.bounds[-1] * len(X) >= expectation(start).bound - 1e-6
    found = np.sort(ended.model.components.moments, axis=1)
    np.testing.assert_allclose(
        found, np.sort(made(case).moments, axis=1), rtol=0.15, atol=0.12
    )


@cases
def test_weights_are_repeats_from_the_start(case):
    X = drawn(case, 40, missing=0.2)
    weight = np.arange(40.0) % 3
    one = started(case.family, X, weight=weight)
    two = started(case.family, np.repeat(X, weight.astype(int), axis=0))
    np.testing.assert_allclose(one.pack(), two.pack(), rtol=1e-9, atol=1e-12)
    assert one.log_prior == pytest.approx(two.log_prior)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if issubclass(case.family, ConjugateColumns)],
    ids=lambda case: case.family.__name__,
)
def test_prior_counts_as_cells_of_the_data(case):
    """Its log-density is that of `strength` cells spread over all rows."""
    X = drawn(case, 50)
    start = made(case).settle(np.full(K, 1 / K), started(case.family, X, 2.0))
    plain = made(case)
    cells = densities(plain, X, complete=True).sum() / len(X) * 2.0
    assert start.log_prior - plain.log_prior == pytest.approx(cells + base(case, X))


def base(case, X):
    """What the prior leaves out, as no parameter changes it."""
    factors = {
        Poisson: lambda: gammaln(X + 1).sum(),
        Gamma: lambda: np.log(X).sum(),
    }
    return factors.get(case.family, float)() / len(X) * 2.0 * K


def test_narrow_laws_are_resolved():
    """Deviations of 1e-3 of the value, and of 1e-3 radians, come out right."""
    rng = np.random.default_rng(0)
    error = rng.normal(size=(100_000, 1))
    relative = np.std(error)
    gamma = started(Gamma, 1e6 * (1 + 1e-3 * error), n=1)
    assert gamma.shapes[0, 0] == pytest.approx(1e6 / relative**2, rel=1e-2)
    angle = started(VonMises, 3.0 + 1e-3 * error, n=1)
    assert angle.concentrations[0, 0] == pytest.approx(1e6 / relative**2, rel=1e-4)
    X = np.exp(12.0 + 1e-7 * error)
    log_normal = started(LogNormal, X, n=1)
    for _ in range(3):
        sums = summed(Mixture(np.ones(1), log_normal), X).family
        log_normal = log_normal.maximize(sums)
    deviation = np.sqrt(log_normal.gaussian.covariances[0, 0])
    assert deviation == pytest.approx(1e-7 * relative, rel=1e-3)


def test_poisson_counts_make_the_size_large():
    X = np.random.default_rng(0).binomial(20, 0.5, size=(5000, 1)).astype(float)
    found = started(NegativeBinomial, X, n=1)
    assert found.sizes[0, 0] == 1e8
    poisson = started(Poisson, X, n=1)
    np.testing.assert_allclose(
        densities(found, X, complete=True),
        densities(poisson, X, complete=True),
        atol=1e-5,
    )


@cases
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_one_component_is_the_most_likely_whatever_its_prior(case, missing):
    """The prior is centred on the data, so it pulls nowhere."""
    X = drawn(case, 100, missing=missing)
    vague, strong = (started(case.family, X, strength, n=1) for strength in (0.0, 50.0))
    found = strong.maximize(summed(Mixture(np.ones(1), strong), X).family)
    np.testing.assert_allclose(found.pack(), vague.pack(), rtol=1e-7, atol=1e-9)
    assert strong.log_prior != vague.log_prior


@pytest.mark.parametrize(
    ("family", "noise"),
    [(Gamma, 1e-4), (LogNormal, 1e-8), (VonMises, 1e-4)],
)
def test_bound_does_not_fall_where_laws_are_narrow(family, noise):
    rng = np.random.default_rng(0)
    X = (1.0 + np.arange(2000.0)[:, None] % 2) * np.exp(
        noise * rng.normal(size=(2000, 1))
    )
    model = Mixture(np.full(K, 0.5), started(family, X))
    R = np.where(rng.random(len(X)) < 0.9, X[:, 0] > 1.5, X[:, 0] < 1.5)
    sums = statistics(model.components, X, np.stack([R, ~R]) * 1.0, complete=True)
    model = replace(model, components=model.components.maximize(sums))
    bounds = []
    for _ in range(12):
        sums = model.posterior_bound(summed(model, X))
        bounds.append(sums.bound / sums.weight)
        model = model.m_step(sums)
    assert np.diff(bounds).min() > -1e-9
    assert bounds[-1] - bounds[0] > 0.5
    found = model.components.moments
    found = np.arctan2(*found[::-1]) if family is VonMises else found[0]
    np.testing.assert_allclose(np.sort(found[:, 0]), [1.0, 2.0], rtol=1e-4)
