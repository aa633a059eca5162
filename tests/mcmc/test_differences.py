"""Finite differences: derivatives, edges, and draws that are exact all the same."""

import math

import numpy as np
import pytest
from scipy import stats

from sklgen.mcmc._chains import draw
from sklgen.mcmc._diagnostics import ess_bulk, ess_mean
from sklgen.mcmc._differences import Differences
from sklgen.mcmc._judge import diagnose
from sklgen.mcmc._runner import Settings


class Target:
    has_gradient = False

    def __init__(self, value, n_dim):
        self.value, self.n_dim = value, n_dim


def run(value, n_dim, **options):
    settings = Settings(**{"n_warmup": 300, "n_draws": 1_500} | options)
    return draw(Target(value, n_dim), n_dim, settings, np.random.default_rng(0))


def thinned(x):
    step = math.ceil(x.size / ess_bulk(x).min()) + 1
    return x[:, ::step].ravel()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_derivatives(scale):
    def value(x):
        z = x / scale
        return np.sin(z[:, 0]) + np.exp(z[:, 1]) * z[:, 2]

    x = np.random.default_rng(0).normal(size=(5, 3)) * scale
    z = x / scale
    exact = np.column_stack(
        [np.cos(z[:, 0]), np.exp(z[:, 1]) * z[:, 2], np.exp(z[:, 1])]
    )
    found, gradient = Differences(value)(x)
    np.testing.assert_array_equal(found, value(x))
    np.testing.assert_allclose(gradient, exact / scale, rtol=1e-4, atol=1e-4 / scale)


def test_far_from_the_origin():
    x = np.array([[1e8 + 3.0, -1e8]])
    value = lambda x: -0.5 * (((x - [1e8, -1e8]) ** 2).sum(axis=1))
    np.testing.assert_allclose(Differences(value)(x)[1], [[-3.0, 0.0]], atol=1e-6)


def test_one_call_for_all_positions():
    sizes = []

    def value(x):
        sizes.append(x.shape)
        return -0.5 * (x * x).sum(axis=1)

    Differences(value)(np.zeros((4, 3)))
    assert sizes == [(4 * 7, 3)]


@pytest.mark.parametrize("outside", [-np.inf, np.nan])
def test_edges(outside):
    def value(x):
        inside = (x[:, 0] > 0) & (x[:, 1] < 1) & (np.abs(x[:, 2]) < 1e-9)
        return np.where(inside, 2 * x[:, 0] + 3 * x[:, 1], outside)

    x = np.array([[1e-8, 1 - 1e-8, 0.0], [-1.0, 0.0, 0.0]])
    found, gradient = Differences(value)(x)
    np.testing.assert_allclose(gradient[0], [2.0, 3.0, 0.0], rtol=1e-6)
    assert not np.isfinite(found[1])
    np.testing.assert_array_equal(gradient[1], 0.0)


def test_wrong_shapes_are_told():
    with pytest.raises(ValueError, match=r"got \(7, 3\) for 7 positions"):
        Differences(lambda x: x)(np.zeros((1, 3)))


def test_gaussian():
    covariance = np.array([[4.0, 1.9], [1.9, 1.0]])
    precision = np.linalg.inv(covariance)
    chains = run(lambda x: -0.5 * np.einsum("ci,ij,cj->c", x, precision, x), 2)
    x = chains.positions
    error = x.mean(axis=(0, 1)) / np.sqrt(np.diag(covariance) / ess_mean(x))
    assert np.abs(error).max() < 4
    white = np.linalg.solve(np.linalg.cholesky(covariance), x[..., None])[..., 0]
    for column in np.moveaxis(white, 2, 0):
        assert stats.kstest(thinned(column), stats.norm.cdf).pvalue > 1e-3
    assert not diagnose(chains, {"x": x})[1]
    # gradients are counted by what they cost
    assert chains.n_evaluations > 5 * chains.n_leapfrogs.sum()


def test_rough_forces_leave_the_law_as_it_is():
    """The density has steps, so that differences miss them, or are huge."""
    value = lambda x: -0.5 * x[:, 0] ** 2 - 0.7 * np.floor(np.abs(x[:, 0]))
    chains = run(value, 1, n_draws=4_000, max_depth=5)
    size = np.floor(np.abs(thinned(chains.positions[..., 0])))
    steps = np.arange(3)
    expected = np.exp(-0.7 * steps) * np.diff(stats.norm.cdf(np.arange(4)))
    expected /= expected.sum()
    shares = np.array([(size == k).mean() for k in steps])
    errors = np.sqrt(expected * (1 - expected) / len(size))
    assert (np.abs(shares - expected) < 4 * errors).all()
    smooth = np.diff(stats.norm.cdf(np.arange(4)))  # the force alone
    assert (np.abs(shares - smooth) > 4 * errors).any()


def test_bounded_support():
    value = lambda x: np.where(np.abs(x[:, 0]) < 1, 0.0, -np.inf)
    starts = np.array([[-0.5], [0.1], [0.4], [-0.2]])
    settings = Settings(n_warmup=200, n_draws=2_000, max_depth=4)
    rng = np.random.default_rng(0)
    x = draw(Target(value, 1), 1, settings, rng, starts=starts).positions[..., 0]
    assert stats.kstest(thinned(x), stats.uniform(-1, 2).cdf).pvalue > 1e-3
