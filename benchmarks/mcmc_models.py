"""Densities of `mcmc.py` for numba, and models for the estimators of sklgen."""

from math import exp, log, log1p

import numpy as np
from numba import njit

from sklgen.mcmc import BayesianModel
from sklgen.mcmc._backend import posterior_of

# Lets sums be vectors.
SUMS = {"reassoc", "contract"}


@njit(fastmath=SUMS)
def gaussian(x, gradient, precision):
    value = 0.0
    for i in range(len(x)):
        slope = 0.0
        for j in range(len(x)):
            slope -= precision[i, j] * x[j]
        gradient[i] = slope
        value += 0.5 * slope * x[i]
    return value


@njit
def schools(x, gradient, y, sigma):
    mu, tau = x[0], exp(x[1])
    square = (tau / 5.0) ** 2
    value = -0.5 * (mu / 5.0) ** 2 + x[1] - log1p(square)
    gradient[0] = -mu / 25.0
    gradient[1] = 1.0 - 2.0 * square / (1.0 + square)
    for j in range(len(y)):
        theta = x[2 + j]
        residual = (y[j] - mu - tau * theta) / sigma[j]
        value -= 0.5 * (theta * theta + residual * residual)
        slope = residual / sigma[j]
        gradient[0] += slope
        gradient[1] += slope * tau * theta
        gradient[2 + j] = slope * tau - theta
    return value


@njit(fastmath=SUMS)
def logistic(x, gradient, X, y):
    value, odds = 0.0, 1.0
    for j in range(len(x)):
        value -= 0.5 * x[j] * x[j]
        gradient[j] = -x[j]
    for i in range(len(X)):
        eta = 0.0
        for j in range(len(x)):
            eta += X[i, j] * x[j]
        t = exp(-abs(eta))
        value += y[i] * eta - max(eta, 0.0)
        odds *= 1.0 + t
        if i % 512 == 511:  # a logarithm of many factors up to 2
            value -= log(odds)
            odds = 1.0
        slope = y[i] - (1.0 if eta > 0.0 else t) / (1.0 + t)
        for j in range(len(x)):
            gradient[j] += slope * X[i, j]
    return value - log(odds)


class SchoolsModel(BayesianModel):
    """Eight schools with priors of torch; the column of X is of standard errors."""

    independent_rows = False  # theta is in the order of rows

    def parameters(self, X, y):
        from torch.distributions import HalfCauchy, Independent, Normal

        effects = Independent(Normal(0.0, 1.0).expand([len(y)]), 1)
        return {"mu": Normal(0.0, 5.0), "tau": HalfCauchy(5.0), "theta": effects}

    def log_likelihood(self, params, X, y):
        effects = params["tau"][..., None] * params["theta"]
        residual = (y - params["mu"][..., None] - effects) / X[:, 0]
        return -0.5 * residual**2


class LogitModel(BayesianModel):
    """Logistic regression with priors of torch."""

    def parameters(self, X, y):
        from torch.distributions import Independent, Normal

        return {"x": Independent(Normal(0.0, 1.0).expand([X.shape[1]]), 1)}

    def log_likelihood(self, params, X, y):
        from torch.nn.functional import softplus

        eta = params["x"] @ X.T
        return y * eta - softplus(eta)


def posterior(model, X, y):
    """Density for chains, and where to look for starts."""
    priors = model.parameters(X, y)
    made = posterior_of(model, priors, X, y, np.ones(len(y)))
    return made.density(1), made.frame
