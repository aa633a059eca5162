"""Families of single columns: each is held against the same laws."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from sklgen.families import (
    Bernoulli,
    Categorical,
    Exponential,
    Gamma,
    LogNormal,
    NegativeBinomial,
    Poisson,
    Product,
    VonMises,
)
from tests.families.column_cases import (
    CASES,
    D,
    K,
    cases,
    densities,
    drawn,
    flat,
    made,
    shares,
    started,
    statistics,
)


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


@pytest.mark.parametrize("family", [Poisson, NegativeBinomial])
def test_looking_up_impossible_counts_does_no_harm(family):
    X = np.array([[-1.0], [-1e9], [0.5], [2.0**33], [1e300]])
    found = densities(family.standard(1), X, complete=True)[0]
    assert np.isfinite(found).all()
    if family is NegativeBinomial:
        # Beyond the last node there is nothing to read.
        assert found[3] == found[4]


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
