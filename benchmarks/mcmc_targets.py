"""What `mcmc.py` draws from, as each of the packages wants it told.

Vectors are in the same order for all, without bounds: the logarithm of tau.
"""

from abc import ABC, abstractmethod

import numpy as np


class Target(ABC):
    """A log-density; its methods import what they are named after."""

    n_warmup = n_draws = 1000
    # How many times as many seeds are taken as are asked for.
    runs = 1
    # Whether chains side by side are faster in JAX than one after another.
    together = False
    # Whether samplers without gradients are tried.
    without_gradients = True

    @abstractmethod
    def numpy(self, x):
        """Log-densities and gradients at positions (A, d)."""

    @abstractmethod
    def value(self, x):
        """Log-densities at positions (A, d)."""

    @abstractmethod
    def compiled(self):
        """Function for numba and its arguments."""

    @abstractmethod
    def torch(self):
        """Density whose gradients are those of torch, and where to look for starts."""

    @abstractmethod
    def jax(self):
        """Log-density of x and data, and data."""

    @abstractmethod
    def numpyro(self):
        """Model of data, and data."""

    @abstractmethod
    def pymc(self):
        """Model."""

    def order(self, draws):
        """Vectors (..., d) of draws by name."""
        return draws["x"]


class Gaussian(Target):
    """Autoregressive correlations, and scales from 0.1 to 10."""

    def __init__(self, d=100, correlation=0.9):
        self.n_dim = d
        lag = np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
        scale = np.geomspace(0.1, 10, d)
        self.precision = np.linalg.inv(correlation**lag * np.outer(scale, scale))
        # Two products with it cost autodiff less than those of a quadratic form.
        self.root = np.ascontiguousarray(np.linalg.cholesky(self.precision).T)

    def numpy(self, x):
        gradient = -x @ self.precision
        return 0.5 * (gradient * x).sum(axis=1), gradient

    def value(self, x):
        return -0.5 * ((x @ self.precision) * x).sum(axis=1)

    def compiled(self):
        from mcmc_models import gaussian

        return gaussian, (self.precision,)

    def torch(self):
        import torch

        from sklgen.mcmc._user_density import density_of

        root = torch.from_numpy(self.root)
        density = density_of(
            lambda x: -0.5 * (x @ root.T).square().sum(1),
            self.n_dim, grad="torch", args=(), vectorized=True, n_threads=1,
        )  # fmt: skip
        return density, None

    def jax(self):
        return lambda x, root: -0.5 * ((root @ x) ** 2).sum(), (self.root,)

    def numpyro(self):
        import numpyro
        from numpyro.distributions import ImproperUniform, constraints

        def model(root):
            flat = ImproperUniform(constraints.real_vector, (), (self.n_dim,))
            x = numpyro.sample("x", flat)
            numpyro.factor("density", -0.5 * ((root @ x) ** 2).sum())

        return model, (self.root,)

    def pymc(self):
        import pymc

        with pymc.Model() as model:
            x = pymc.Flat("x", shape=self.n_dim)
            pymc.Potential("density", -0.5 * ((self.root @ x) ** 2).sum())
        return model


class Schools(Target):
    """Eight schools, non-centred."""

    n_dim, together, runs = 10, True, 3

    def __init__(self):
        self.y = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
        self.sigma = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])

    def numpy(self, x):
        mu, tau, theta = x[:, :1], np.exp(x[:, 1:2]), x[:, 2:]
        square = (tau / 5.0) ** 2
        residual = (self.y - mu - tau * theta) / self.sigma
        slope = residual / self.sigma
        gradient = np.empty_like(x)
        gradient[:, :1] = slope.sum(axis=1, keepdims=True) - mu / 25.0
        gradient[:, 1:2] = (
            1.0
            - 2.0 * square / (1.0 + square)
            + tau * (slope * theta).sum(axis=1, keepdims=True)
        )
        gradient[:, 2:] = tau * slope - theta
        return self._closed(mu, x[:, 1], square, theta, residual), gradient

    def value(self, x):
        mu, tau, theta = x[:, :1], np.exp(x[:, 1:2]), x[:, 2:]
        residual = (self.y - mu - tau * theta) / self.sigma
        return self._closed(mu, x[:, 1], (tau / 5.0) ** 2, theta, residual)

    def _closed(self, mu, log_tau, square, theta, residual):
        priors = log_tau - np.log1p(square[:, 0]) - 0.5 * (mu[:, 0] / 5.0) ** 2
        return priors - 0.5 * (theta**2 + residual**2).sum(axis=1)

    def compiled(self):
        from mcmc_models import schools

        return schools, (self.y, self.sigma)

    def torch(self):
        from mcmc_models import SchoolsModel, posterior

        return posterior(SchoolsModel(), self.sigma[:, None], self.y)

    def jax(self):
        import jax.numpy as jnp

        def log_density(x, y, sigma):
            mu, tau, theta = x[0], jnp.exp(x[1]), x[2:]
            priors = x[1] - jnp.log1p((tau / 5.0) ** 2) - 0.5 * (mu / 5.0) ** 2
            residual = (y - mu - tau * theta) / sigma
            return priors - 0.5 * (theta**2 + residual**2).sum()

        return log_density, (self.y, self.sigma)

    def numpyro(self):
        import numpyro
        from numpyro.distributions import HalfCauchy, Normal

        def model(y, sigma):
            mu = numpyro.sample("mu", Normal(0.0, 5.0))
            tau = numpyro.sample("tau", HalfCauchy(5.0))
            theta = numpyro.sample("theta", Normal(0.0, 1.0).expand([8]).to_event(1))
            numpyro.sample("y", Normal(mu + tau * theta, sigma), obs=y)

        return model, (self.y, self.sigma)

    def pymc(self):
        import pymc

        with pymc.Model() as model:
            mu, tau = pymc.Normal("mu", 0.0, 5.0), pymc.HalfCauchy("tau", 5.0)
            theta = pymc.Normal("theta", 0.0, 1.0, shape=8)
            pymc.Normal("y", mu + tau * theta, self.sigma, observed=self.y)
        return model

    def order(self, draws):
        mu, tau = draws["mu"][..., None], draws["tau"][..., None]
        return np.concatenate([mu, np.log(tau), draws["theta"]], axis=-1)


class Logistic(Target):
    """Correlated columns in standard units and an intercept, all with Normal(0, 1)."""

    def __init__(self, n, d, n_each=1000):
        self.n_dim, self.n_warmup, self.n_draws = d, n_each, n_each
        self.without_gradients = n < 10_000
        rng = np.random.default_rng(0)
        # Of a few factors, as amounts, durations and ages of credits are, and shares.
        factors = rng.normal(size=(n, 5)) @ rng.normal(size=(5, d - 1))
        columns = factors + rng.normal(size=(n, d - 1))
        columns[:, ::2] = columns[:, ::2] > 0.5
        columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
        self.X = np.column_stack([np.ones(n), columns])
        eta = self.X @ (rng.normal(size=d) / np.sqrt(d))
        self.y = (eta + rng.logistic(size=n) > 0.0).astype(float)
        self.products = self.X.T @ self.y

    def numpy(self, x):
        eta = x @ self.X.T
        t = np.exp(-np.abs(eta))
        value = x @ self.products - 0.5 * (x * x).sum(axis=1)
        value -= (np.maximum(eta, 0.0) + np.log(1.0 + t)).sum(axis=1)
        chance = np.where(eta > 0.0, 1.0, t) / (1.0 + t)
        return value, self.products - chance @ self.X - x

    def value(self, x):
        eta = x @ self.X.T
        value = x @ self.products - 0.5 * (x * x).sum(axis=1)
        t = np.exp(-np.abs(eta))
        return value - (np.maximum(eta, 0.0) + np.log(1.0 + t)).sum(axis=1)

    def compiled(self):
        from mcmc_models import logistic

        return logistic, (self.X, self.y)

    def torch(self):
        from mcmc_models import LogitModel, posterior

        return posterior(LogitModel(), self.X, self.y)

    def ready_made(self):
        """The density of the model that ships, whose prior is the same."""
        from mcmc_models import posterior

        from sklgen.mcmc.models import LogisticModel

        model = LogisticModel(scale=1.0, intercept_scale=1.0)
        return posterior(model, self.X[:, 1:], self.y)

    def jax(self):
        from jax.nn import softplus

        def log_density(x, X, y):
            eta = X @ x
            return (y * eta - softplus(eta)).sum() - 0.5 * (x**2).sum()

        return log_density, (self.X, self.y)

    def numpyro(self):
        import numpyro
        from numpyro.distributions import Bernoulli, Normal

        def model(X, y):
            prior = Normal(0.0, 1.0).expand([self.n_dim]).to_event(1)
            eta = X @ numpyro.sample("x", prior)
            numpyro.sample("y", Bernoulli(logits=eta), obs=y)

        return model, (self.X, self.y)

    def pymc(self):
        import pymc

        with pymc.Model() as model:
            eta = self.X @ pymc.Normal("x", 0.0, 1.0, shape=self.n_dim)
            # pymc.Bernoulli takes twice the time.
            signs = 2.0 * self.y - 1.0
            pymc.Potential("y", -pymc.math.log1pexp(-signs * eta).sum())
        return model


TARGETS = {
    "gaussian": Gaussian,
    "schools": Schools,
    "logistic": lambda: Logistic(1000, 25),
    "tall": lambda: Logistic(100_000, 21, 250),
}
