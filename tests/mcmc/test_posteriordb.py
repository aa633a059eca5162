"""Posteriors with reference draws, by public estimators at their defaults.

The references are not shipped; tests are skipped where they are not beside the project.
"""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_t
from sklearn.exceptions import ConvergenceWarning

from sklgen.mcmc import DensitySampler, PosteriorSampler
from sklgen.mcmc._backend import posterior_of
from sklgen.mcmc._diagnostics import ess_mean, r_hat
from sklgen.mcmc._user_density import density_of
from tests import posteriordb_models as models

PATH = Path(__file__).parents[3] / "shared/data/posteriordb/reference.json.gz"
pytestmark = pytest.mark.skipif(not PATH.exists(), reason="there are no references")
LIMIT = 4.5


@cache
def references():
    with gzip.open(PATH) as file:
        return json.load(file)


@dataclass(frozen=True)
class OfModel:
    """A posterior by a model and its data."""

    state: Any
    parameters: Any = models.concatenated

    def estimator(self, data):
        model, X, y = self.state(data)
        sampler = PosteriorSampler(model)
        return sampler, lambda: self.parameters(sampler.fit(X, y).posterior_)

    def density(self, data):
        model, X, y = self.state(data)
        return posterior_of(model, model.parameters(X, y), X, y, np.ones(len(X)))


@dataclass(frozen=True)
class OfDensity:
    """A posterior by its log-density."""

    function: Any
    n_dim: int
    args: tuple[str, ...]
    parameters: Any
    grad: bool | None = None

    def estimator(self, data):
        args = [np.asarray(data[name], dtype=float) for name in self.args]
        sampler = DensitySampler(self.function, self.n_dim, args=args, grad=self.grad)
        return sampler, lambda: self.parameters(sampler.fit().draws_)

    def density(self, data):
        sampler, _ = self.estimator(data)
        return density_of(
            self.function,
            self.n_dim,
            grad=self.grad,
            args=sampler.args,
            vectorized=True,
            n_threads=1,
        )


CENTERED = "eight_schools-eight_schools_centered"
NONCENTERED = "eight_schools-eight_schools_noncentered"
CASES = {
    "kidiq-kidscore_momiq": OfModel(models.kidiq),
    "earnings-earn_height": OfModel(models.earn_height),
    "earnings-logearn_interaction": OfModel(models.logearn_interaction),
    "nes1980-nes": OfModel(models.nes),
    "sblri-blr": OfModel(models.blr),
    "arK-arK": OfModel(models.ark),
    NONCENTERED: OfModel(models.eight_schools, models.schools),
    "low_dim_gauss_mix-low_dim_gauss_mix": OfModel(models.two_normals),
    "gp_pois_regr-gp_regr": OfModel(models.gaussian_process),
    "arma-arma11": OfDensity(models.arma11, 4, ("y",), lambda u: models.logs(u, 3)),
    "garch-garch11": OfDensity(
        models.garch11, 4, ("y", "sigma1"), models.garch_parameters
    ),
    CENTERED: OfDensity(
        models.eight_schools_centered,
        10,
        ("y", "sigma"),
        lambda u: models.logs(u, 9),
        grad=True,
    ),
}
# As the reference was drawn: where schools differ much, longer steps diverge.
STRICTER = {NONCENTERED: {"target_accept": 0.95}}
SLOW = ("low_dim_gauss_mix-low_dim_gauss_mix", NONCENTERED)
SAMPLED = [name for name in CASES if name != CENTERED]


def stated(name):
    posterior = references()["posteriors"][name]
    return posterior, references()["data"][posterior["data"]]


def drawn(name, **options):
    """Fitted estimator and its draws (C, n, p) as the reference lists parameters."""
    sampler, fit = CASES[name].estimator(stated(name)[1])
    sampler.set_params(**options)
    return sampler, fit()


def errors(draws, reference):
    """Means and standard deviations less those of the reference, in their errors."""
    mean, sd, n = (np.array(reference[name]) for name in ("mean", "sd", "ess_bulk"))
    centre = draws.mean(axis=(0, 1))
    of_mean = (centre - mean) / sd / np.sqrt(1 / ess_mean(draws) + 1 / n)
    squares = (draws - centre) ** 2
    variance = squares.mean(axis=(0, 1))
    kurtosis = (squares**2).mean(axis=(0, 1)) / variance**2
    error = np.sqrt((kurtosis - 1) / 4 * (1 / ess_mean(squares) + 1 / n))
    return of_mean, (np.sqrt(variance) / sd - 1) / error


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SAMPLED],
)
def test_draws_have_the_moments_of_the_reference(name):
    reference, _ = stated(name)
    sampler, draws = drawn(name, random_state=0, **STRICTER.get(name, {}))
    assert sampler.converged_
    assert r_hat(draws).max() < 1.01
    assert sampler.diagnostics_["n_divergent"] == 0
    for error in errors(draws, reference):
        assert np.abs(error).max() < LIMIT


@pytest.mark.filterwarnings("ignore:.*transitions diverged:UserWarning")
def test_few_transitions_diverge_at_the_default_step():
    reference, _ = stated(NONCENTERED)
    sampler, draws = drawn(NONCENTERED, random_state=0)
    assert sampler.diagnostics_["n_divergent"] < 20
    assert r_hat(draws).max() < 1.01
    for error in errors(draws, reference):
        assert np.abs(error).max() < LIMIT


@pytest.mark.parametrize("name", [name for name in SAMPLED if "kidiq" not in name])
def test_densities_are_those_of_the_reference(name):
    """Importance weights of draws near the reference give its moments: no sampler."""
    posterior, data = stated(name)
    reference = posterior["unconstrained"]
    mean, sd = np.array(reference["mean"]), np.array(reference["sd"])
    law = multivariate_t(shape=reference["cov"] / np.outer(sd, sd), df=6, seed=0)
    scores = law.rvs(5_000)
    log_weight = CASES[name].density(data).value(mean + sd * scores)
    log_weight -= law.logpdf(scores)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    n = min(1 / (weight @ weight), *posterior["ess_bulk"])
    assert n > 1_000
    # Two estimates each; squares of scores have a variance of about 2.
    assert np.abs(weight @ scores).max() < LIMIT * np.sqrt(2 / n)
    assert np.abs(weight @ scores**2 - 1).max() < LIMIT * np.sqrt(2 * 2 / n)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_densities(name):
    posterior, data = stated(name)
    density = CASES[name].density(data)
    if not density.has_gradient:
        pytest.skip("differences are all there is")
    reference = posterior.get("unconstrained") or {
        "mean": [*posterior["mean"][:-1], np.log(posterior["mean"][-1])],
        "sd": [*posterior["sd"][:-1], posterior["sd"][-1] / posterior["mean"][-1]],
    }
    mean, sd = np.array(reference["mean"]), np.array(reference["sd"])
    u = np.random.default_rng(0).normal(size=(5, len(mean)))
    found = density.value_and_gradient(mean + sd * u)[1] * sd
    for row, slope in zip(u, found, strict=True):
        at = lambda x: density.value((mean + sd * x)[None])[0]
        expected = approx_fprime(row, at, 1e-6)
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=2e-3)


def test_a_density_does_not_depend_on_its_coordinates():
    _, data = stated(CENTERED)
    z = np.random.default_rng(0).normal(size=(20, 10))
    effects = z.copy()
    effects[:, :8] = z[:, 8:9] + np.exp(z[:, 9:]) * z[:, :8]
    centered = CASES[CENTERED].density(data).value(effects)
    other = CASES[NONCENTERED].density(data).value(z)
    assert np.ptp(centered + 8 * z[:, 9] - other) < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_the_funnel_warns(seed):
    with pytest.warns(ConvergenceWarning, match="DensitySampler: "):
        sampler, _ = drawn(CENTERED, random_state=seed)
    assert not sampler.converged_
