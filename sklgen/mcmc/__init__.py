"""Posteriors of Bayesian models, and other densities, by Markov chain Monte Carlo."""

from sklgen.mcmc._classifier import PosteriorClassifier
from sklgen.mcmc._density import DensitySampler
from sklgen.mcmc._model import BayesianModel
from sklgen.mcmc._regressor import PosteriorRegressor
from sklgen.mcmc._sampler import PosteriorSampler

__all__ = [
    "BayesianModel",
    "DensitySampler",
    "PosteriorClassifier",
    "PosteriorRegressor",
    "PosteriorSampler",
]
