"""Families of single columns: each is held against the same laws."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from sklgen.em import Rows, Scratch, run
from sklgen.families import (
    Bernoulli,
    Categorical,
    ConjugateColumns,
    Exponential,
    Gamma,
    LogNormal,
    NegativeBinomial,
    Poisson,
    Product,
    VonMises,
)
from sklgen.families import _special as special
from sklgen.mixture._structure import Mixture

K, D = 2, 3


@dataclass(frozen=True)
class Case:
    """A family, its parameters under test, and scipy's name for one component."""

    family: Any
    parameters: tuple[Any, ...]
    law: Any
    # Degenerate columns: all cells alike, and at the edge of the support.
    constants: tuple[float, ...]

    @property
    def discrete(self):
        return hasattr(self.law(*(p[0][0] for p in self.parameters)), "pmf")

    def law_of(self, k, j):
        return self.law(*(np.asarray(p)[k, j] for p in self.parameters))

    def log_density(self, x, k, j):
        law = self.law_of(k, j)
        return law.logpmf(x) if self.discrete else law.logpdf(x)


CASES = [
    Case(
        Bernoulli,
        ([[0.1, 0.05, 0.99], [0.9, 0.8, 0.2]],),
        stats.bernoulli,
        (0.0, 1.0),
    ),
    Case(
        Poisson,
        ([[0.3, 4.0, 60.0], [2.0, 1.0, 30.0]],),
        stats.poisson,
        (0.0, 7.0, 1e6),
    ),
    Case(
        NegativeBinomial,
        ([[0.5, 6.0, 200.0], [3.0, 1.0, 120.0]], [[0.4, 3.0, 2.0], [20.0, 1.0, 8.0]]),
        lambda mean, size: stats.nbinom(size, size / (size + mean)),
        (0.0, 7.0, 1e6),
    ),
    Case(
        Exponential,
        ([[0.3, 4.0, 60.0], [2.0, 1.0, 30.0]],),
        lambda mean: stats.expon(scale=mean),
        (0.0, 2.5, 1e-9),
    ),
    Case(
        Gamma,
        ([[0.5, 6.0, 90.0], [3.0, 1.0, 40.0]], [[1.4, 3.0, 500.0], [20.0, 1.5, 8.0]]),
        lambda mean, shape: stats.gamma(shape, scale=mean / shape),
        (2.5, 1e-9, 1e9),
    ),
    Case(
        LogNormal,
        ([[0.5, 6.0, -9.0], [1.5, 5.0, -8.0]], [[0.4, 0.3, 0.2], [0.1, 1.0, 0.8]]),
        lambda mean, sd: stats.lognorm(sd, scale=np.exp(mean)),
        (2.5, 1e-9, 1e9),
    ),
    Case(
        VonMises,
        ([[0.5, 3.0, -2.0], [1.5, -3.1, 0.0]], [[0.4, 3.0, 50.0], [9.0, 1e-3, 4.0]]),
        lambda direction, kappa: stats.vonmises(kappa, loc=direction),
        (0.0, 3.0, 100.0),
    ),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.family.__name__)


def made(case, *, strength=0.0, seed=3):
    """The components of a case, with a prior centred on draws from them."""
    family, parameters = case.family, [np.array(p, float) for p in case.parameters]
    one = family.standard(D)
    if family is LogNormal:
        means, deviations = parameters
        gaussian = replace(one.gaussian, means=means, covariances=deviations**2)
        plain = replace(one, gaussian=gaussian)
    else:
        plain = family(*parameters, prior=one.prior)
    if strength == 0.0:
        return plain
    labels = np.arange(600) % K
    whole = started(family, plain.draw(labels, np.random.default_rng(seed)), strength)
    return plain.settle(np.full(K, 1 / K), whole)


def started(family, X, strength=0.01, n=K, weight=None):
    """Equal components for rows, as every fit makes them."""
    one = family.standard(X.shape[1])
    return one.equal(n, summed(Mixture(np.ones(1), one), X, weight).family, strength)


def summed(mixture, X, weight=None):
    n_features = mixture.components.n_features
    with Rows(X, weight, n_features=n_features, n_threads=1) as rows:
        return rows.sum(mixture.e_step)


def drawn(case, n=60, *, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = made(case).draw(rng.integers(K, size=n), rng)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def shares(n, seed=2):
    return np.random.default_rng(seed).dirichlet(np.ones(K), n).T


def densities(components, X, *, complete):
    out = np.empty((components.shape[0], len(X)))
    components.view(complete=complete).evaluate(X, Scratch(), out)
    return out


def statistics(components, X, R, *, complete, cut=25):
    view = components.view(complete=complete)
    sums = view.zeros()
    for rows in (slice(0, cut), slice(cut, None)):
        out = np.empty((len(R), len(X[rows])))
        features = view.evaluate(X[rows], Scratch(), out)
        view.accumulate(sums, features, np.ascontiguousarray(R[:, rows]))
    return view.complete(sums)


def flat(values):
    """All numbers of statistics or parameters, side by side."""
    found = [getattr(values, name) for name in values.__dataclass_fields__]
    return np.concatenate([np.ravel(v) for v in found])


@cases
def test_density_is_that_of_the_reference(case):
    X = drawn(case, missing=0.3)
    for complete in (False, True):
        rows = X[~np.isnan(X).any(axis=1)] if complete else X
        found = densities(made(case), rows, complete=complete)
        for k in range(K):
            parts = [case.log_density(rows[:, j], k, j) for j in range(D)]
            np.testing.assert_allclose(
                found[k], np.nansum(parts, axis=0), rtol=1e-9, atol=1e-9
            )


@cases
def test_density_has_mass_one(case):
    for j in range(D):
        plain = made(case)

        def density(x, j=j, components=plain):
            rows = np.full((np.size(x), D), np.nan)
            rows[:, j] = x
            return np.exp(densities(components, rows, complete=False))

        for k in range(K):
            law = case.law_of(k, j)
            if case.discrete:
                total = density(np.arange(0.0, min(law.isf(1e-13), 1.0e5) + 1))[k].sum()
                assert total == pytest.approx(1.0, abs=1e-10)
                continue
            edges = law.ppf([1e-9, 1e-6, 0.1, 0.5, 0.9, 1 - 1e-6, 1 - 1e-9])
            if case.family is VonMises:
                edges = np.linspace(0.0, 2 * np.pi, 33)
            pieces = [
                quad(lambda x, k=k: density(x)[k, 0], *ends, epsabs=1e-11)[0]
                for ends in pairwise(edges)
            ]
            assert sum(pieces) == pytest.approx(1.0, abs=1e-7)


@cases
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_statistics_add_up_over_blocks_views_and_repeats(case, missing):
    components, X = made(case), drawn(case, missing=missing)
    R = shares(len(X))
    ragged = statistics(components, X, R, complete=False)
    np.testing.assert_allclose(
        flat(ragged),
        flat(statistics(components, X, R, complete=False, cut=7)),
        rtol=1e-10,
        atol=1e-10,
    )
    whole = ~np.isnan(X).any(axis=1)
    apart = statistics(components, X[whole], R[:, whole], complete=True)
    if not whole.all():
        apart += statistics(components, X[~whole], R[:, ~whole], complete=False)
    np.testing.assert_allclose(flat(apart), flat(ragged), rtol=1e-10, atol=1e-10)
    times = np.arange(len(X)) % 3
    repeated = np.repeat(np.arange(len(X)), times)
    np.testing.assert_allclose(
        flat(statistics(components, X[repeated], R[:, repeated], complete=False)),
        flat(statistics(components, X, R * times, complete=False)),
        rtol=1e-10,
        atol=1e-10,
    )


@cases
@pytest.mark.parametrize("strength", [0.0, 5.0])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_m_step_maximizes_the_expected_log_posterior(case, strength, missing):
    components, X = made(case, strength=strength), drawn(case, 200, missing=missing)
    R = shares(len(X))

    def objective(candidate):
        densities_ = densities(candidate, X, complete=False)
        return float((R * densities_).sum()) + candidate.log_prior

    found = components.maximize(statistics(components, X, R, complete=False))
    best = objective(found)
    assert best > objective(components)
    vector = found.pack()
    np.testing.assert_allclose(objective(found.unpack(vector)), best, rtol=1e-12)
    for direction in np.eye(len(vector)):
        # A parabola through three points peaks at the parameters found.
        up, down = (
            objective(found.unpack(vector + h * direction)) for h in (1e-3, -1e-3)
        )
        assert max(up, down) < best
        shift = (up - down) / (2 * best - up - down) / 2 * 1e-3
        assert abs(shift) < 2e-5
    for direction in np.random.default_rng(4).normal(size=(20, len(vector))):
        assert objective(found.unpack(vector + 0.3 * direction)) < best


@cases
def test_estimates_do_not_move_under_their_own_expectations(case):
    """Many draws give back the parameters; pack and unpack are inverse."""
    components = made(case)
    again = components.unpack(components.pack())
    np.testing.assert_allclose(again.pack(), components.pack(), atol=1e-12)
    assert components.n_parameters == K * D * len(case.parameters)
    moved = components.unpack(components.pack() + 30.0)
    assert np.isfinite(moved.pack()).all()
    labels = np.repeat(np.arange(K), 40_000)
    X = components.draw(labels, np.random.default_rng(11))
    R = np.eye(K)[:, labels]
    found = components.maximize(statistics(components, X, R, complete=True))
    np.testing.assert_allclose(found.moments, components.moments, rtol=0.05, atol=0.02)
    np.testing.assert_allclose(found.pack(), components.pack(), rtol=0.05, atol=0.06)


@cases
def test_draws_follow_the_density(case):
    components, n = made(case), 20_000
    unseen = np.full((n, D), np.nan)
    for k in range(K):
        draws = components.conditional_draw(
            unseen, np.full(n, k), np.random.default_rng(7)
        )
        for j, cells in enumerate(draws.T):
            law = case.law_of(k, j)
            if case.discrete:
                levels = np.arange(law.ppf(1e-3), law.isf(1e-3))
                expected = n * law.pmf(levels)
                seen = (cells[:, None] == levels).sum(axis=0)
                rest = n - seen.sum(), n - expected.sum()
                seen, expected = np.append(seen, rest[0]), np.append(expected, rest[1])
                keep = expected > 5
                gap = (seen - expected)[keep] ** 2 / expected[keep]
                p = stats.chi2.sf(gap.sum(), keep.sum() - 1)
            elif case.family is VonMises:
                # The distribution function of scipy starts half a turn before loc.
                turn = np.mod(cells - law.kwds["loc"] + np.pi, 2 * np.pi) - np.pi
                p = stats.kstest(turn, stats.vonmises(law.args[0]).cdf).pvalue
            else:
                p = stats.kstest(cells, law.cdf).pvalue
            assert p > 1e-4


@cases
def test_means_mix_components(case):
    components = made(case)
    weights = np.array([[1.0, 0.0, 0.3], [0.0, 1.0, 0.7]])
    means = components.conditional_mean(np.full((3, D), np.nan), weights)
    for j in range(D):
        laws = [case.law_of(k, j) for k in range(K)]
        if case.family is VonMises:
            resultants = [
                quad(lambda x, f=f, law=law: f(x) * law.pdf(x), a - np.pi, a + np.pi)[0]
                for law, a in zip(laws, np.array(case.parameters[0])[:, j], strict=True)
                for f in (np.cos, np.sin)
            ]
            mixed = weights.T @ np.reshape(resultants, (2, 2))
            expected = np.arctan2(mixed[:, 1], mixed[:, 0])
        else:
            expected = weights.T @ [law.mean() for law in laws]
        np.testing.assert_allclose(means[:, j], expected, rtol=1e-6)


def test_opposite_angles_do_not_meet_in_the_middle():
    """Half 3.0 and half -3.0 is pi, not zero."""
    prior = VonMises.standard(1).prior
    components = VonMises(np.array([[3.0], [-3.0]]), np.full((2, 1), 5.0), prior=prior)
    mean = components.conditional_mean(np.array([[np.nan]]), np.full((2, 1), 0.5))
    assert abs(mean[0, 0]) == pytest.approx(np.pi)


@cases
def test_recentred_statistics_give_the_same_m_step(case):
    components, X = made(case, strength=1.0), drawn(case)
    target = components.unpack(components.pack() + 0.1)
    found = statistics(components, X, shares(len(X)), complete=True)
    moved = components.recentre(found, target)
    np.testing.assert_allclose(
        target.maximize(moved).pack(), components.maximize(found).pack(), rtol=1e-9
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
        Poisson: lambda: special.gammaln(X + 1).sum(),
        Gamma: lambda: np.log(X).sum(),
    }
    return factors.get(case.family, float)() / len(X) * 2.0 * K


@cases
def test_support_is_checked(case):
    X = drawn(case, 10)
    X[3, 1] = np.nan
    case.family.check_support(X, ["a", "b", "c"])
    X[4, 1] = np.inf
    with pytest.raises(ValueError, match=r"Column 'b' of X .* in row 4: inf"):
        case.family.check_support(X, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("family", "wrong"),
    [
        (Bernoulli, 2.0),
        (Poisson, 1.5),
        (Poisson, -1.0),
        (NegativeBinomial, 0.5),
        (NegativeBinomial, 2.0**32),
        (Exponential, -1e-9),
        (Gamma, 0.0),
        (LogNormal, 0.0),
    ],
)
def test_what_a_family_does_not_support(family, wrong):
    with pytest.raises(ValueError, match=rf"{family.__name__} cannot have"):
        family.check_support(np.array([[1.0], [wrong]]), ["x"])


@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_addition_of_statistics_is_associative(seeds, which):
    case = CASES[which]
    components = made(case)
    a, b, c = (
        statistics(components, X, shares(len(X), s), complete=True, cut=3)
        for X, s in ((drawn(case, 5, seed=s), s) for s in seeds)
    )
    np.testing.assert_allclose(flat((a + b) + c), flat(a + (b + c)), rtol=1e-12)
    np.testing.assert_allclose(flat((b + a) * 0.5), flat(a * 0.5 + b * 0.5), rtol=1e-12)


@pytest.mark.parametrize("z", [1e-3, 0.7, 15.999, 16.001, 299.99, 300.01, 1e5, 1e8])
def test_special_functions_do_not_cancel(z):
    at, x = np.array([z]), mpmath.mpf(z)
    with mpmath.workdps(60):
        log_gamma = (x - 0.5) * mpmath.log(x) - x + mpmath.log(2 * mpmath.pi) / 2
        expected = {
            special.stirling_remainder: mpmath.loggamma(x) - log_gamma,
            special.digamma_excess: mpmath.digamma(x) - mpmath.log(x),
            special.digamma_excess_slope: mpmath.polygamma(1, x) - 1 / x,
            special.resultant_gap: 1 - mpmath.besseli(1, x) / mpmath.besseli(0, x),
            special.log_bessel: mpmath.log(mpmath.besseli(0, x)) - x,
        }
        found = {
            name: float(name(at)[0] / value - 1) for name, value in expected.items()
        }
    for name, error in found.items():
        assert abs(error) < 2e-12, name


@pytest.mark.parametrize(
    ("mean", "size"), [(3.0, 1.0), (1e5, 0.1), (9e3, 50), (9, 1e8)]
)
def test_large_counts_are_interpolated_to_rounding(mean, size):
    X = np.array([[0, 1, 255, 256, 300, 511, 512, 7777, 1e5, 2**20, 2**32 - 1]]).T
    prior = NegativeBinomial.standard(1).prior
    family = NegativeBinomial(np.array([[mean]]), np.array([[size]]), prior=prior)
    found = densities(family, X, complete=True)[0]
    with mpmath.workdps(60):
        m, r = mpmath.mpf(mean), mpmath.mpf(size)
        for x, value in zip(X[:, 0], found, strict=True):
            x = mpmath.mpf(float(x))
            gammas = (
                mpmath.loggamma(r + x) - mpmath.loggamma(r) - mpmath.loggamma(x + 1)
            )
            exact = gammas + r * mpmath.log(r / (r + m)) + x * mpmath.log(m / (r + m))
            assert value == pytest.approx(float(exact), rel=2e-11, abs=1e-11)


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


def test_products_hold_families_of_columns():
    rng = np.random.default_rng(0)
    counts, angles = rng.poisson(3.0, (50, 1)), rng.uniform(0, 6, (50, 1))
    X = np.concatenate([counts, angles, rng.integers(2, size=(50, 1))], axis=1)
    parts = (
        started(Poisson, X[:, :1]),
        started(VonMises, X[:, 1:2]),
        Categorical.equal(K, [np.full(2, 0.5)], 0.1),
    )
    product = Product(parts, tuple(np.array([j]) for j in range(3)))
    apart = sum(
        densities(part, X[:, [j]], complete=True) for j, part in enumerate(parts)
    )
    np.testing.assert_allclose(densities(product, X, complete=True), apart)
