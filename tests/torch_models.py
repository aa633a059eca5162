"""Models that are written with torch, and their posteriors, for tests."""

import numpy as np
import torch
from torch import distributions as D

from sklgen.mcmc._backend import posterior_of
from sklgen.mcmc._model import BayesianModel


class Model(BayesianModel):
    """Says what it is given."""

    def __init__(self, priors=None, function=None):
        self.priors = priors
        self.function = function

    def parameters(self, X, y):
        return self.priors

    def log_likelihood(self, params, X, y):
        return self.function(params, X, y)


def posterior(priors, function, X=None, y=None, weight=None):
    X = np.zeros((5, 1)) if X is None else X
    weight = np.ones(len(X)) if weight is None else weight
    return posterior_of(Model(priors, function), priors, X, y, weight)


def nothing(params, X, y):
    first = next(iter(params.values()))
    return torch.zeros((len(first), len(X)), dtype=torch.float64)


def rows(n=11, d=1, seed=0):
    return np.random.default_rng(seed).normal(1.5, 1.0, (n, d))


def slopes_by_differences(value, u, step=1e-5):
    out = np.empty_like(u)
    for j in range(u.shape[1]):
        shift = np.zeros(u.shape[1])
        shift[j] = step
        out[:, j] = (value(u + shift) - value(u - shift)) / (2 * step)
    return out


class Pieces(D.Distribution):
    """Three numbers that have two supports."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, support):
        self._own = support
        super().__init__(event_shape=torch.Size([3]), validate_args=False)

    @property
    def support(self):
        return self._own

    def log_prob(self, value):
        real = D.Normal(0.0, 2.0).log_prob(value[..., :1]).sum(-1)
        return real + (value[..., 1:].log() - value[..., 1:]).sum(-1)

    def sample(self, shape):
        laws = D.Normal(0.0, 2.0), D.Gamma(2.0, 1.0), D.Gamma(2.0, 1.0)
        return torch.stack([law.sample(shape) for law in laws], -1)


def drawn(params, X, generator):
    noise = torch.randn((len(params["mean"]), len(X)), generator=generator)
    return params["mean"][:, None] + noise.double()


def sampled(params, X, generator):
    return D.Normal(params["mean"][..., None], torch.ones(len(X))).sample()
