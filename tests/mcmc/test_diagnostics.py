"""Diagnostics against ArviZ, closed forms and replications."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter
from scipy.stats import rankdata

from sklgen.mcmc._diagnostics import (
    _ranks,
    e_bfmi,
    ess_bulk,
    ess_mean,
    ess_tail,
    mcse_mean,
    mcse_sd,
    r_hat,
    summarize,
)

OF_SCALARS = [r_hat, ess_bulk, ess_tail, ess_mean, mcse_mean, mcse_sd]

# What ArviZ 0.19 says of `draws()`, by columns.
ARVIZ = {
    r_hat: [1.0388677778439461, 1.058289168202838, 0.9987536412209894],
    ess_bulk: [141.4379626220892, 53.728303850483826, 3000.0],
    ess_tail: [276.3166789736977, 922.6284643422777, 1075.9310178433948],
    ess_mean: [141.3168592986988, 764.3677262483018, 3000.0],
    mcse_mean: [0.11717976151783502, 0.9036590833970601, 0.021530556689463604],
}
# Of the first column: the first chain, the first 7 and the first 4 draws of all.
ARVIZ_ONE_CHAIN = {
    ess_bulk: 43.68289655645794,
    ess_tail: 106.86441964049396,
    mcse_mean: 0.21439424566203943,
}
ARVIZ_SEVEN_DRAWS = {
    r_hat: 1.4809915691253899,
    ess_bulk: 33.12506980107854,
    ess_tail: 33.12506980107854,
    mcse_mean: 0.22397129626237436,
}
ARVIZ_FOUR_DRAWS = {
    r_hat: 2.539416519708287,
    ess_bulk: 19.265919722494797,
    mcse_mean: 0.32620815702411876,
}
ARVIZ_BFMI = [1.0922994, 0.9997437, 1.0790012, 0.98284965]


def draws():
    """Chains (4, 251, 3): persistent, heavy tails with a shifted chain, antithetic."""
    noise = np.random.RandomState(7).standard_normal((4, 251, 3))
    x = np.empty_like(noise)
    x[:, 0] = noise[:, 0]
    rho = np.array([0.7, 0.3, -0.5])
    for t in range(1, 251):
        x[:, t] = rho * x[:, t - 1] + noise[:, t]
    x[..., 1] = np.sinh(2.0 * x[..., 1])
    x[3, :, 1] += 3.0
    return x


def autoregressive(rng, rho, n_chains, n_draws):
    """Stationary chains of variance one."""
    noise = rng.normal(size=(n_chains, n_draws)) * np.sqrt(1.0 - rho**2)
    noise[:, 0] = rng.normal(size=n_chains)
    return lfilter([1.0], [1.0, -rho], noise, axis=1)


@pytest.mark.parametrize("of", ARVIZ)
def test_numbers_of_arviz(of):
    assert_allclose(of(draws()), ARVIZ[of], rtol=1e-10)


@pytest.mark.parametrize(
    ("part", "numbers"),
    [
        ((slice(1), slice(None)), ARVIZ_ONE_CHAIN),
        ((slice(None), slice(7)), ARVIZ_SEVEN_DRAWS),
        ((slice(None), slice(4)), ARVIZ_FOUR_DRAWS),
    ],
)
def test_numbers_of_arviz_for_few_draws(part, numbers):
    x = draws()[..., 0][part]
    for of, number in numbers.items():
        assert_allclose(of(x), number, rtol=1e-10)


def test_e_bfmi_of_arviz():
    assert_allclose(e_bfmi(np.abs(draws()[..., 0])), ARVIZ_BFMI, rtol=1e-6)


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.5, 0.9])
def test_ess_of_autoregressive_chains(rho):
    x = autoregressive(np.random.default_rng(1), rho, 4, 40_000)
    expected = x.size * (1.0 - rho) / (1.0 + rho)
    assert_allclose(ess_mean(x), expected, rtol=0.12)
    assert_allclose(ess_bulk(x), expected, rtol=0.12)
    assert_allclose(mcse_mean(x), expected**-0.5, rtol=0.06)
    assert abs(r_hat(x) - 1.0) < 0.002


def test_ess_tail_of_autoregressive_chains():
    """The indicator of a tail of an AR(1) has autocorrelations by Mehler's formula."""
    rho, cut = 0.8, 1.6448536269514722
    n = np.arange(1, 200)
    hermite = np.empty(len(n))
    before, now = 0.0, 1.0
    for j in range(len(n)):  # normalised: He_j(cut) / sqrt(j!), and sqrt(n) below
        hermite[j] = now
        before, now = now, (cut * now - np.sqrt(j) * before) / np.sqrt(j + 1.0)
    weight = hermite**2 / n
    lags = np.arange(1, 300)[:, None]
    correlation = (rho ** (lags * n) @ weight) / weight.sum()
    x = autoregressive(np.random.default_rng(2), rho, 4, 40_000)
    expected = x.size / (1.0 + 2.0 * correlation.sum())
    assert_allclose(ess_tail(x), expected, rtol=0.12)


@pytest.mark.parametrize("law", ["normal", "exponential"])
def test_errors_are_those_of_replications(law):
    """Spread of means and standard deviations over 400 runs of AR(1) chains."""
    rng = np.random.default_rng(3)
    x = autoregressive(rng, 0.6, 400 * 4, 500).reshape(400, 4, 500)
    if law == "exponential":
        x = -np.log(0.5 * (1.0 - np.tanh(0.8 * x)))  # skewed
    x = np.moveaxis(x, 0, 2)
    flat = x.reshape(2000, 400)
    assert_allclose(np.median(mcse_mean(x)), flat.mean(axis=0).std(), rtol=0.12)
    spread = flat.std(axis=0, ddof=1).std()
    assert_allclose(np.median(mcse_sd(x)), spread, rtol=0.12)


def test_ranks_make_monotone_maps_void():
    x = draws()[..., 0]
    for of in (ess_bulk, ess_tail):
        assert_allclose(of(np.exp(3.0 * x)), of(x), rtol=1e-12)


def test_r_hat_sees_places_scales_and_drifts():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(4, 1000))
    assert r_hat(x) < 1.01
    moved, wide, drifting = x.copy(), x.copy(), x + np.linspace(-1.0, 1.0, 1000)
    moved[0] += 1.0
    wide[0] *= 3.0
    for bad in (moved, wide, drifting):
        assert r_hat(bad) > 1.03


def test_scalars_do_not_see_each_other(monkeypatch):
    x = draws()
    alone = {of: [of(x[..., j]) for j in range(3)] for of in OF_SCALARS}
    monkeypatch.setattr("sklgen.mcmc._diagnostics._BLOCK", 2 * 4 * 251)
    stacked = np.stack([x, x], axis=3)
    for of in OF_SCALARS:
        assert_array_equal(of(stacked)[:, 1], alone[of])


@pytest.mark.parametrize("of", OF_SCALARS)
def test_draws_that_cannot_tell(of):
    x = draws()[..., 0]
    bad = np.stack([x, x, x, x], axis=2)
    bad[..., 0] = 2.5
    bad[1, 3, 1] = np.nan
    bad[2, 5, 2] = np.inf
    found = of(bad)
    assert np.isnan(found[:3]).all()
    assert_allclose(found[3], of(x), rtol=1e-12)
    assert np.isnan(of(x[:, :3]))


def test_chains_that_stand_still_at_different_places():
    x = np.repeat(np.arange(4.0)[:, None], 100, axis=1)
    assert r_hat(x) > 1e6
    assert ess_bulk(x) < 10
    assert mcse_mean(x) > 0.3


def test_draws_of_two_values():
    """Their quantiles leave one indicator alone, and folding nothing at all."""
    x = np.random.default_rng(5).permutation(np.tile([0.0, 1.0], 4000)).reshape(4, -1)
    assert r_hat(x) < 1.01
    assert_allclose(ess_tail(x), 8000, rtol=0.2)


def test_energies_of_a_random_walk_have_a_small_fraction():
    walk = autoregressive(np.random.default_rng(6), 0.98, 4, 20_000)
    assert_allclose(e_bfmi(walk), 2.0 * (1.0 - 0.98), rtol=0.2)
    assert np.isnan(e_bfmi(walk[:, :3])).all()


def test_table():
    x = draws()
    table = summarize({"a": x[..., 0], "b": x.reshape(4, 251, 3, 1)})
    frame = pd.DataFrame(table).set_index("parameter")
    assert frame.index.tolist() == ["a", "b[0,0]", "b[1,0]", "b[2,0]"]
    flat = x.reshape(-1, 3)
    b = frame.iloc[1:]
    assert_allclose(b["mean"], flat.mean(axis=0))
    assert_allclose(b["sd"], flat.std(axis=0, ddof=1))
    assert_allclose(
        b[["q5", "median", "q95"]].T, np.quantile(flat, [0.05, 0.5, 0.95], axis=0)
    )
    for of in (r_hat, ess_bulk, ess_tail, mcse_mean, mcse_sd):
        assert_allclose(b[of.__name__], of(x))
    assert_allclose(frame.loc["a"].astype(float), b.iloc[0].astype(float))


def test_table_of_infinite_and_of_single_draws():
    table = summarize({"a": np.array([[1.0, np.inf], [2.0, 3.0]]), "b": [[1.0]]})
    assert np.isnan(table["r_hat"]).all()
    assert table["mean"].tolist() == [np.inf, 1.0]
    assert len(summarize({})["mean"]) == 0


def test_wrong_shapes():
    with pytest.raises(ValueError, match=r"give one chain x as x\[None\]"):
        r_hat(np.zeros(10))
    with pytest.raises(ValueError, match="must not be empty"):
        r_hat(np.zeros((4, 0)))


def test_ranks_of_equal_draws():
    rng = np.random.default_rng(8)
    x = np.stack([rng.integers(n, size=50) for n in (1, 2, 10, 1000)]).astype(float)
    assert_array_equal(_ranks(x), rankdata(x, axis=1))
