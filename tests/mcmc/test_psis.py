"""Pareto smoothing against ArviZ and exact means, leave-one-out against exact laws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import genpareto, norm

from sklgen.mcmc._diagnostics import ess_mean
from sklgen.mcmc._psis import leave_one_out, psis, reliable_below
from sklgen.mcmc._psis_kernels import fit_pareto

# ArviZ 0.19, `psislw` of `tails()`: by tail and relative size, k, and the log weights
# that are largest, second, fiftieth and smallest.
ARVIZ = {
    (0, 1.0): [
        0.3056162495,
        -6.4112521954,
        -6.4112521954,
        -7.0818938302,
        -7.8241976002,
    ],
    (0, 0.4): [
        0.2127549072,
        -6.4115713864,
        -6.4115713864,
        -7.0689611098,
        -7.8245167913,
    ],
    (1, 1.0): [
        0.5915433972,
        -4.0257439109,
        -4.6578887948,
        -6.4997314377,
        -8.2713447090,
    ],
    (1, 0.4): [
        0.4901889211,
        -4.2282509461,
        -4.7654626361,
        -6.4651421291,
        -8.2686228829,
    ],
    (2, 1.0): [
        0.9136881442,
        -2.0508235101,
        -3.0520613996,
        -6.1568246696,
        -9.3105460202,
    ],
    (2, 0.4): [
        0.8566980243,
        -2.1944714399,
        -3.1347597261,
        -6.1028584601,
        -9.2806074713,
    ],
}
# ArviZ 0.19, `loo` of `normal_rows()` with reff=1: sum and effective parameters.
ARVIZ_LOO = (-31.994444407984293, 1.2684008225762362)


def tails():
    """Log weights with Pareto tails of the shapes 0.2, 0.5 and 0.9."""
    z = np.random.RandomState(11).standard_exponential((2000, 3))
    return z * np.array([0.2, 0.5, 0.9])


def normal_rows(n, shape, seed):
    """Rows, and their log-likelihoods under draws from the posterior of the mean."""
    rng = np.random.RandomState(seed)
    y = rng.standard_normal(n)
    mu = y.mean() + rng.standard_normal(shape) / np.sqrt(n)
    return y, norm.logpdf(y, mu[..., None])


@pytest.mark.parametrize(("j", "r_eff"), ARVIZ)
def test_numbers_of_arviz(j, r_eff):
    log_weights, k = psis(tails()[:, j], r_eff=r_eff)
    found = [k, *np.sort(log_weights)[[-1, -2, -50, 0]]]
    assert_allclose(found, ARVIZ[j, r_eff], rtol=1e-8)


def test_columns_do_not_see_each_other():
    x, r_eff = tails(), np.array([1.0, 0.4, 2.0])
    before = x.copy()
    log_weights, k = psis(x[:, :, None], r_eff=r_eff[:, None])
    assert_array_equal(x, before)
    for j in range(3):
        alone, shape = psis(x[:, j], r_eff=r_eff[j])
        assert_array_equal(log_weights[:, j, 0], alone)
        assert k[j, 0] == shape


def test_weights_keep_their_order_and_sum_to_one():
    log_weights, _ = psis(tails())
    assert_allclose(logsumexp(log_weights, axis=0), 0.0, atol=1e-12)
    for j in range(3):
        assert np.all(np.diff(log_weights[np.argsort(tails()[:, j]), j]) >= 0.0)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4, 1.2])
def test_shape_and_scale_of_pareto_laws(shape):
    x = np.sort(genpareto.rvs(shape, scale=3.0, size=20_000, random_state=1))
    k, scale = fit_pareto(x)
    assert_allclose(k, shape, atol=0.03)
    assert_allclose(scale, 3.0, rtol=0.03)


def test_smoothing_makes_means_better():
    """Errors of self-normalised means of a wide law by draws from a narrow one."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 400)) * 0.7
    raw = 0.5 * (x / 0.7) ** 2 - 0.5 * x**2
    error = {}
    for name, log_weights in {"raw": raw, "smooth": psis(raw)[0]}.items():
        weight = np.exp(log_weights - logsumexp(log_weights, axis=0))
        error[name] = np.sqrt(np.mean(((weight * x**2).sum(axis=0) - 1.0) ** 2))
    assert error["smooth"] < 0.9 * error["raw"]


def test_tails_that_cannot_be_fitted():
    _, k = psis(np.zeros(1000))
    assert k == -np.inf
    few, k = psis(np.array([0.0, 1.0, 5.0]))
    assert k == np.inf
    assert_allclose(few, np.array([0.0, 1.0, 5.0]) - logsumexp([0.0, 1.0, 5.0]))
    only = np.full(1000, -np.inf)
    only[3] = 2.0
    log_weights, k = psis(only)
    assert log_weights[3] == 0.0
    assert k == np.inf


def test_reliable_shapes():
    assert reliable_below(10**6) == 0.7
    assert_allclose(reliable_below(100), 0.5)


def test_leave_one_out_of_arviz():
    rng = np.random.RandomState(12)
    y = rng.standard_normal(20)
    mu = y.mean() + rng.standard_normal((4, 500)) / np.sqrt(20)
    result = leave_one_out([norm.logpdf(y, mu[..., None])])
    # ArviZ takes one effective size for all rows.
    found = (result.total, result.effective_parameters)
    assert_allclose(found, ARVIZ_LOO, rtol=1e-3)


def test_exact_leave_one_out_of_normal_rows():
    """Given the others, a row is normal about their mean with variance 1 + 1/(n-1)."""
    n = 30
    y, log_likelihood = normal_rows(n, (4, 10_000), 3)
    result = leave_one_out([log_likelihood])
    others = (y.sum() - y) / (n - 1)
    exact = norm.logpdf(y, others, np.sqrt(1.0 + 1.0 / (n - 1)))
    assert_allclose(result.elpd, exact, atol=0.01)
    assert_allclose(result.total, exact.sum(), atol=0.02)
    inside = norm.logpdf(y, y.mean(), np.sqrt(1.0 + 1.0 / n))
    assert_allclose(result.log_density, inside, atol=0.01)
    assert_allclose(result.effective_parameters, (inside - exact).sum(), atol=0.02)
    assert_allclose(result.standard_error, np.sqrt(n) * exact.std(ddof=1), rtol=0.01)
    assert not result.unreliable.any()


def test_an_outlier_is_told():
    y, _ = normal_rows(30, (4, 1000), 4)
    y[7] = 25.0
    mu = y.mean() + np.random.default_rng(0).normal(size=(4, 1000, 1)) / np.sqrt(30)
    result = leave_one_out([norm.logpdf(y, mu)])
    assert np.flatnonzero(result.unreliable).tolist() == [7]


def test_chains_that_stand_still_have_longer_tails_smoothed():
    """Tails have the lengths that go with the effective size for each row."""
    _, fresh = normal_rows(10, (4, 250), 6)
    draws = np.repeat(fresh, 8, axis=1)
    share = ess_mean(np.exp(draws)) / draws[..., 0].size
    assert share.max() < 0.2
    log_weights = -draws.reshape(-1, 10)
    k = leave_one_out([draws]).k
    assert_array_equal(k, psis(log_weights, r_eff=share)[1])
    assert (k != psis(log_weights)[1]).all()


def test_blocks_of_rows():
    _, log_likelihood = normal_rows(30, (4, 250), 5)
    whole = leave_one_out([log_likelihood])
    cut = leave_one_out(log_likelihood[:, :, low : low + 7] for low in range(0, 30, 7))
    for name in ("elpd", "k", "log_density"):
        assert_allclose(getattr(cut, name), getattr(whole, name), rtol=1e-12)


def test_wrong_weights():
    with pytest.raises(ValueError, match="must have the shape"):
        psis(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="NaN or inf"):
        psis(np.array([0.0, np.nan]))
    with pytest.raises(ValueError, match="-inf for all draws"):
        psis(np.full(10, -np.inf))
    with pytest.raises(ValueError, match=r"shape \(n_chains, n_draws, m\)"):
        leave_one_out([np.zeros((100, 3))])
    with pytest.raises(ValueError, match="must be finite"):
        leave_one_out([np.full((4, 10, 1), -np.inf)])
    with pytest.raises(ValueError, match=r"got \(4, 5\) after \(4, 10\)"):
        leave_one_out([np.zeros((4, 10, 1)), np.zeros((4, 5, 1))])
    with pytest.raises(ValueError, match="at least one block"):
        leave_one_out([])
