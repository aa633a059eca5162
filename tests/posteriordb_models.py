"""Models of posteriordb, as users would write them.

Magnusson, Bürkner and Vehtari: posteriordb, a set of posteriors for Bayesian inference
and probabilistic programming, https://github.com/stan-dev/posteriordb (BSD-3-Clause).
"""

import math

import numpy as np
from numba import njit
from scipy.special import expit, logsumexp

from sklgen.mcmc import BayesianModel
from sklgen.mcmc.priors import (
    Beta,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    Normal,
    Ordered,
)


def log_normal(x, mean, sd):
    return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd)


class Regression(BayesianModel):
    """Linear model with normal errors, under any priors."""

    def __init__(self, beta, sigma):
        self.beta = beta
        self.sigma = sigma

    def parameters(self, X, y):
        return {"beta": self.beta, "sigma": self.sigma}

    def log_likelihood(self, params, X, y):
        return log_normal(y, params["beta"] @ X.T, params["sigma"][..., None])

    def likelihood(self, X, y, weight):
        def of(params):
            sigma = params["sigma"]
            error = y - params["beta"] @ X.T
            squares = error**2 @ weight
            value = -0.5 * squares / sigma**2 - weight.sum() * np.log(sigma)
            return value, {
                "beta": (error * weight) @ X / sigma[:, None] ** 2,
                "sigma": squares / sigma**3 - weight.sum() / sigma,
            }

        return of


class EightSchools(BayesianModel):
    """Effects of schools in units of their spread; rows are errors and schools."""

    def parameters(self, X, y):
        return {
            "z": Normal(shape=(len(X),)),
            "mu": Normal(0.0, 5.0),
            "tau": HalfCauchy(5.0),
        }

    def effects(self, params):
        return params["mu"][..., None] + params["tau"][..., None] * params["z"]

    def log_likelihood(self, params, X, y):
        school = X[:, 1].astype(int)
        return log_normal(y, self.effects(params)[..., school], X[:, 0])


class TwoNormals(BayesianModel):
    """A mixture of two normal laws."""

    def parameters(self, X, y):
        return {
            "mu": Ordered(Normal(0.0, 2.0, shape=(2,))),
            "sigma": HalfNormal(2.0, shape=(2,)),
            "theta": Beta(5.0, 5.0),
        }

    conditional = False

    def _parts(self, params, X):
        mu, sigma = params["mu"][..., None], params["sigma"][..., None]
        theta = np.stack([params["theta"], 1.0 - params["theta"]], axis=-1)
        return np.log(theta)[..., None] + log_normal(X[:, 0], mu, sigma)

    def log_likelihood(self, params, X, y):
        return logsumexp(self._parts(params, X), axis=-2)

    def likelihood(self, X, y, weight):
        def of(params):
            parts = self._parts(params, X)
            value = logsumexp(parts, axis=-2)
            share = np.exp(parts - value[:, None]) * weight
            sigma = params["sigma"]
            score = (X[:, 0] - params["mu"][..., None]) / sigma[..., None]
            sizes = share.sum(axis=-1)
            theta = params["theta"]
            return value @ weight, {
                "mu": (share * score).sum(axis=-1) / sigma,
                "sigma": (share * (score**2 - 1.0)).sum(axis=-1) / sigma,
                "theta": sizes[:, 0] / theta - sizes[:, 1] / (1.0 - theta),
            }

        return of


class GaussianProcess(BayesianModel):
    """Rows one after the other, each given those before it."""

    independent_rows = False

    def parameters(self, X, y):
        return {
            "rho": Gamma(25.0, 4.0),
            "alpha": HalfNormal(2.0),
            "sigma": HalfNormal(1.0),
        }

    def log_likelihood(self, params, X, y):
        rho, alpha, sigma = (
            params[name][..., None, None] for name in ("rho", "alpha", "sigma")
        )
        covariance = alpha**2 * np.exp(-0.5 * ((X - X.T) / rho) ** 2)
        covariance = covariance + sigma * np.eye(len(X))
        spectrum = np.linalg.eigvalsh(covariance)
        usable = (spectrum[..., 0] > 1e-12 * spectrum[..., -1])[..., None]
        covariance = np.where(usable[..., None], covariance, np.eye(len(X)))
        root = np.linalg.cholesky(covariance)
        scales = np.diagonal(root, axis1=-2, axis2=-1)
        target = np.broadcast_to(y[:, None], (*root.shape[:-1], 1))
        scores = np.linalg.solve(root, target)[..., 0]
        return np.where(usable, -0.5 * scores**2 - np.log(scales), -np.inf)


def eight_schools_centered(u, y, sd):
    """Log-density of effects, their mean and the logarithm of their spread."""
    theta, mu, log_tau = u[:, :8], u[:, 8:9], u[:, 9:]
    tau = np.exp(np.clip(log_tau, -100.0, 100.0))
    error, data = (theta - mu) / tau, (y - theta) / sd
    value = -0.5 * (error**2 + data**2).sum(axis=1) - 8 * log_tau[:, 0]
    value += -0.5 * (mu / 5)[:, 0] ** 2 - np.log1p((tau / 5) ** 2)[:, 0] + log_tau[:, 0]
    slope_tau = (error**2).sum(axis=1) - 7 - 2 / (1 + (5 / tau[:, 0]) ** 2)
    slope_mu = (error / tau).sum(axis=1) - mu[:, 0] / 25
    slopes = [data / sd - error / tau, slope_mu[:, None], slope_tau[:, None]]
    return value, np.concatenate(slopes, axis=1)


@njit
def arma11(u, slope, y):
    """One autoregressive and one moving-average term: mu, phi, theta, log sigma."""
    mu, phi, theta, sigma = u[0], u[1], u[2], math.exp(u[3])
    value = u[3] - 0.5 * (mu / 10) ** 2 - 0.125 * (phi**2 + theta**2)
    value -= math.log1p((sigma / 2.5) ** 2)
    slope[0], slope[1], slope[2] = -mu / 100, -phi / 4, -theta / 4
    slope[3] = 1 - 2 / (1 + (2.5 / sigma) ** 2)
    error, by_mu, by_phi, by_theta = 0.0, 0.0, 0.0, 0.0
    for t in range(len(y)):
        last = y[t - 1] if t else mu
        by_theta = -error - theta * by_theta
        by_mu = -1 - theta * by_mu - (0.0 if t else phi)
        by_phi = -last - theta * by_phi
        error = y[t] - mu - phi * last - theta * error
        score = error / sigma
        value -= 0.5 * score**2 + u[3]
        slope[0] -= score / sigma * by_mu
        slope[1] -= score / sigma * by_phi
        slope[2] -= score / sigma * by_theta
        slope[3] += score**2 - 1
    return value


@njit
def garch11(u, slope, y, sigma1):
    """Variances that follow their past, in mu, log alpha0 and logits."""
    mu, alpha0 = u[0], math.exp(u[1])
    alpha, share = 1 / (1 + math.exp(-u[2])), 1 / (1 + math.exp(-u[3]))
    beta = (1 - alpha) * share
    value = u[1] + math.log(alpha) + 2 * math.log(1 - alpha)
    value += math.log(share) + math.log(1 - share)
    slope[0], slope[1], slope[2], slope[3] = 0.0, 1.0, 1 - 3 * alpha, 1 - 2 * share
    variance, by_mu, by_alpha0, by_alpha, by_beta = sigma1**2, 0.0, 0.0, 0.0, 0.0
    for t in range(len(y)):
        if t:
            error = y[t - 1] - mu
            by_mu = -2 * alpha * error + beta * by_mu
            by_alpha0 = 1 + beta * by_alpha0
            by_alpha = error**2 + beta * by_alpha
            by_beta = variance + beta * by_beta
            variance = alpha0 + alpha * error**2 + beta * variance
        error = y[t] - mu
        value -= 0.5 * (error**2 / variance + math.log(variance))
        by_variance = 0.5 * (error**2 / variance - 1) / variance
        slope[0] += error / variance + by_variance * by_mu
        slope[1] += by_variance * by_alpha0 * alpha0
        through_alpha = by_alpha - by_beta * share
        slope[2] += by_variance * through_alpha * alpha * (1 - alpha)
        slope[3] += by_variance * by_beta * beta * (1 - share)
    return value


def flat_regression(n_columns):
    return Regression(Flat(shape=(n_columns,)), Flat(lower=0.0))


def _columns(data, *names):
    return [np.asarray(data[name], dtype=np.float64) for name in names]


def kidiq(data):
    y, iq = _columns(data, "kid_score", "mom_iq")
    model = Regression(Flat(shape=(2,)), HalfCauchy(2.5))
    return model, np.column_stack([np.ones_like(iq), iq]), y


def earn_height(data):
    y, height = _columns(data, "earn", "height")
    return flat_regression(2), np.column_stack([np.ones_like(height), height]), y


def logearn_interaction(data):
    y, height, male = _columns(data, "earn", "height", "male")
    X = np.column_stack([np.ones_like(male), height, male, height * male])
    return flat_regression(4), X, np.log(y)


def nes(data):
    names = "partyid7", "real_ideo", "race_adj", "educ1", "gender", "income"
    y, ideology, race, *others = _columns(data, *names)
    (age,) = _columns(data, "age_discrete")
    ages = [(age == k).astype(float) for k in (2, 3, 4)]
    X = np.column_stack([np.ones_like(y), ideology, race, *ages, *others])
    return flat_regression(9), X, y


def blr(data):
    X, y = _columns(data, "X", "y")
    return Regression(Normal(0.0, 10.0, shape=(5,)), HalfNormal(10.0)), X, y


def ark(data):
    (y,) = _columns(data, "y")
    K = data["K"]
    lags = [y[K - k : len(y) - k] for k in range(1, K + 1)]
    X = np.column_stack([np.ones(len(y) - K), *lags])
    return Regression(Normal(0.0, 10.0, shape=(K + 1,)), HalfCauchy(2.5)), X, y[K:]


def eight_schools(data):
    y, sd = _columns(data, "y", "sigma")
    return EightSchools(), np.column_stack([sd, np.arange(len(y))]), y


def two_normals(data):
    return TwoNormals(), _columns(data, "y")[0][:, None], None


def gaussian_process(data):
    x, y = _columns(data, "x", "y")
    return GaussianProcess(), x[:, None], y


def concatenated(params):
    """Parameters as the references list them."""
    return np.concatenate([np.atleast_3d(x) for x in params.values()], axis=2)


def schools(params):
    effects = EightSchools().effects(params)
    return concatenated({"theta": effects, "mu": params["mu"], "tau": params["tau"]})


def logs(u, *places):
    return np.where(np.isin(np.arange(u.shape[-1]), places), np.exp(u), u)


def garch_parameters(u):
    alpha = expit(u[..., 2])
    rest = np.exp(u[..., 1]), alpha, (1.0 - alpha) * expit(u[..., 3])
    return np.stack([u[..., 0], *rest], axis=-1)
