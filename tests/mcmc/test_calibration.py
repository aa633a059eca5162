"""Simulation-based calibration: where the truth is among draws, over many data sets.

References
----------
Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference
algorithms with simulation-based calibration, arXiv:1804.06788.
Modrák et al. (2023), Simulation-based calibration checking for Bayesian computation:
the choice of test quantities shapes sensitivity, Bayesian Analysis.
"""

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from sklgen.mcmc import BayesianModel, PosteriorSampler
from sklgen.mcmc.models import GaussianModel, LinearModel, LogisticModel
from sklgen.mcmc.priors import Gamma, InverseWishart, Normal, Ordered

pytestmark = [
    pytest.mark.slow,
    # Draws are few here.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
N_REPLICATIONS = 200
# Ranks are 0, ..., 64, in 13 bins of 5.
N_CHAINS, N_DRAWS, N_BINS = 8, 8, 13
LEVEL = 1e-4


class FixedLinear(LinearModel):
    """Linear model whose priors are scaled to other targets than those it is given."""

    def parameters(self, X, y):
        return super().parameters(X, np.linspace(-3.0, 4.0, len(X)))


class FixedGaussian(GaussianModel):
    """Gaussian law under a prior that does not depend on the rows."""

    def parameters(self, X, y):
        return {
            "mean": Normal(np.array([1.0, -1.0]), np.array([2.0, 1.0]), shape=(2,)),
            "covariance": InverseWishart(6.0, np.array([[2.0, 0.5], [0.5, 1.0]])),
        }


class Counts(BayesianModel):
    """Negative binomial counts of two kinds, without gradient."""

    def parameters(self, X, y):
        return {
            "levels": Ordered(Normal(1.0, 1.0, shape=(2,))),
            "size": Gamma(3.0, 0.5),
        }

    def _mean(self, params, X):
        return np.exp(params["levels"])[..., X[:, 0].astype(int)]

    def log_likelihood(self, params, X, y):
        size, mean = params["size"][..., None], self._mean(params, X)
        value = gammaln(y + size) - gammaln(size) - gammaln(y + 1)
        return value - size * np.log1p(mean / size) - y * np.log1p(size / mean)

    def simulate(self, params, X, rng):
        size, mean = params["size"][..., None], self._mean(params, X)
        return rng.poisson(mean * rng.gamma(size, size=mean.shape) / size)


def columns(n, rng):
    return rng.normal(size=(n, 2)) * [1.0, 5.0]


def kinds(n, rng):
    return (np.arange(n) % 2)[:, None].astype(float)


CASES = {
    "linear": (FixedLinear(), columns, 12),
    "logistic": (LogisticModel(), columns, 20),
    "logistic, Student": (LogisticModel(prior_df=3.0), columns, 20),
    "Gaussian": (FixedGaussian(), None, 8),
    "counts": (Counts(), kinds, 12),
}


def replication(name, seed):
    """Ranks of true parameters, and of the likelihood there, among draws."""
    model, make, n = CASES[name]
    rng = np.random.default_rng(seed)
    X = None if make is None else make(n, rng)
    truth, X, y = simulated(model, X, n, rng)
    sampler = PosteriorSampler(
        model,
        n_chains=N_CHAINS,
        n_warmup=60,
        n_draws=N_DRAWS,
        thin=2,
        random_state=seed,
    ).fit(X, y)
    ranks = {}
    draws = {k: x.reshape(-1, *x.shape[2:]) for k, x in sampler.posterior_.items()}
    fitted = sampler.model_
    draws["log-likelihood"] = fitted.log_likelihood(draws, X, y).sum(axis=-1)
    truth["log-likelihood"] = fitted.log_likelihood(truth, X, y).sum(axis=-1)
    for key, value in draws.items():
        below = (value < truth[key]).sum(axis=0)
        for place in np.ndindex(below.shape):
            ranks[key, *place] = int(below[place])
    return ranks


def simulated(model, X, n, rng):
    """A draw of the parameters (1, ...), and of the data given these."""
    if X is None:
        truth = {k: p.draw(1, rng) for k, p in model.parameters(X, None).items()}
        many = {k: np.repeat(x, n, axis=0) for k, x in truth.items()}
        return truth, model.simulate(many, None, rng), None
    truth = {
        k: p.draw(1, rng) for k, p in model.parameters(X, np.zeros(len(X))).items()
    }
    return truth, X, model.simulate(truth, X, rng)[0].astype(float)


@pytest.mark.parametrize("name", CASES)
def test_the_truth_is_one_of_the_draws(name):
    found = [replication(name, seed) for seed in range(N_REPLICATIONS)]
    n_draws = N_CHAINS * N_DRAWS
    for key in found[0]:
        ranks = np.array([ranks[key] for ranks in found])
        counts = np.bincount(ranks * N_BINS // (n_draws + 1), minlength=N_BINS)
        assert stats.chisquare(counts).pvalue > LEVEL, (key, counts)
        # Biases and wrong widths, which move all ranks a little
        scores = stats.norm.ppf((ranks + 0.5) / (n_draws + 1))
        assert abs(scores.mean()) * np.sqrt(len(scores)) < 4.0, key
        assert abs((scores**2).mean() - 1.0) * np.sqrt(len(scores) / 2) < 4.0, key
