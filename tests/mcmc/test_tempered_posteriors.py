"""Posteriors as priors and likelihoods, the powers of which are tempered."""

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from sklgen.mcmc import BayesianModel, PosteriorSampler
from sklgen.mcmc._backend import posterior_of
from sklgen.mcmc._diagnostics import ess_mean
from sklgen.mcmc.models import GaussianModel, LinearModel
from sklgen.mcmc.priors import Flat, Normal


class Square(BayesianModel):
    """Rows around the square of a number, of which the sign is hardly known."""

    conditional = False

    def __init__(self, prior=None):
        self.prior = prior

    def parameters(self, X, y):
        return {"root": self.prior or Normal(0.5, 1.5)}

    def log_likelihood(self, params, X, y):
        return -0.5 * (X[:, 0] - params["root"][..., None] ** 2) ** 2


class SquareWithGradient(Square):
    def likelihood(self, X, y, weight):
        def of(params):
            root = params["root"]
            error = X[:, 0] - root[..., None] ** 2
            slope = (error * weight).sum(axis=-1) * 2 * root
            return -0.5 * (error**2) @ weight, {"root": slope}

        return of


class TorchSquare(Square):
    def parameters(self, X, y):
        import torch

        return {"root": torch.distributions.Normal(0.5, 1.5)}


ROWS = np.random.default_rng(0).normal(9.0, 1.0, (25, 1))


def posterior(model, X=ROWS, y=None):
    return posterior_of(model, model.parameters(X, y), X, y, np.ones(len(X)))


def split_cases():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(30, 2))
    return {
        "gradients": posterior(SquareWithGradient()),
        "differences": posterior(Square()),
        "torch": posterior(TorchSquare()),
        "compiled": posterior(GaussianModel(), X),
        "coordinates": posterior(LinearModel(), X, X[:, 0] + rng.normal(size=30)),
    }


@pytest.mark.parametrize("name", list(split_cases()))
def test_posteriors_are_priors_times_likelihoods(name):
    made = split_cases()[name]
    u = np.random.default_rng(2).normal(size=(5, made.n_dim))
    (prior, slope), (likelihood, rise) = made.split(u)
    # Compiled densities are known up to a constant.
    np.testing.assert_allclose(np.ptp(prior + likelihood - made.value(u)), 0, atol=1e-9)
    if made.has_gradient:
        gradient = made.value_and_gradient(u)[1]
        np.testing.assert_allclose(slope + rise, gradient, atol=1e-9)
    for k, way in enumerate(np.eye(made.n_dim)):
        up, down = made.split(u + 1e-5 * way), made.split(u - 1e-5 * way)
        for part, found in enumerate((slope, rise)):
            expected = (up[part][0] - down[part][0]) / 2e-5
            np.testing.assert_allclose(found[:, k], expected, rtol=1e-5, atol=1e-5)
    if name in ("gradients", "differences", "torch"):
        expected = stats.norm(0.5, 1.5).logpdf(u[:, 0])
        np.testing.assert_allclose(prior, expected, rtol=1e-12)


def test_likelihoods_of_any_number_of_positions_are_those_of_each():
    made = posterior(TorchSquare())
    u = np.random.default_rng(2).normal(size=(11, 1))
    whole = made.split(u)
    for n in (1, 3, 8):
        for part, all_of_it in zip(made.split(u[:n]), whole, strict=True):
            for x, every in zip(part, all_of_it, strict=True):
                np.testing.assert_allclose(x, every[:n], rtol=1e-12)


@pytest.mark.parametrize("model", [SquareWithGradient(), Square(), TorchSquare()])
def test_posteriors_with_two_modes_have_the_right_weights(model):
    sampler = PosteriorSampler(
        model, sampler="tempered", n_warmup=300, n_draws=1_000, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        sampler.fit(ROWS)
    root = np.linspace(-5, 5, 40_001)
    value = posterior(Square()).value(root[:, None])
    density = np.exp(value - value.max())
    weight = density[root > 0].sum() / density.sum()
    assert 0.6 < weight < 0.95
    right = (sampler.posterior_["root"] > 0).astype(float)
    error = np.sqrt(weight * (1 - weight) / ess_mean(right))
    assert error < 0.05
    assert abs(right.mean() - weight) < 4 * error
    assert (np.abs(right.mean(axis=1) - weight) < 8 * error).all()
    assert sampler.diagnostics_["n_round_trips"] > 30
    assert 0.3 < sampler.diagnostics_["swap_rate"] < 0.8
    exchange = sampler._chains.state.exchange
    assert exchange.powers[-1] == 0.0
    assert sampler.diagnostics_["n_temperatures"] == len(exchange.powers)


def test_improper_priors_have_no_lane_of_their_own():
    made = posterior(Square(Flat()))
    assert not made.is_proper_prior
    assert posterior(Square()).is_proper_prior
    sampler = PosteriorSampler(
        Square(Flat()), sampler="tempered", n_warmup=100, n_draws=100, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        sampler.fit(ROWS)
    assert sampler._chains.state.exchange.powers[-1] > 0
    assert np.isfinite(sampler.posterior_["root"]).all()
