"""Posteriors as densities over vectors without bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from sklgen.families._base import Array
from sklgen.mcmc._model import BayesianModel, Params
from sklgen.mcmc._transforms import Joint
from sklgen.mcmc.priors._base import Prior

# Numbers of log-likelihoods that are made at once.
BLOCK = 1 << 18


class Posterior(ABC):
    """The posterior of a model, given data, for the samplers of this package.

    Attributes
    ----------
    n_dim : int
        Length of the vectors without bounds.
    has_gradient : bool
        Whether `value_and_gradient` can be asked for.
    """

    n_dim: int
    has_gradient: bool

    @abstractmethod
    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""

    @abstractmethod
    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""

    @abstractmethod
    def constrain(self, u: Array) -> dict[str, Array]:
        """Parameters (..., *shape) at positions (..., d)."""

    @abstractmethod
    def terms(self, u: Array) -> dict[str, Array]:
        """Log-density of each parameter, by name, and of each row, by "", at u (d,)."""


class NumpyPosterior(Posterior):
    """The posterior of a model that is written with NumPy.

    Parameters
    ----------
    model : BayesianModel
        What is known of the parameters before the data, and of the data given them.
    priors : mapping of str to Prior
        What `model.parameters` gave.
    X, y : ndarray of shape (n, d) and (n,) or None
        Data.
    weight : ndarray of shape (n,)
        Weight of each row.
    """

    def __init__(
        self,
        model: BayesianModel,
        priors: Mapping[str, Prior],
        X: Array,
        y: Array | None,
        weight: Array,
    ) -> None:
        self._model, self._priors = model, dict(priors)
        self._X, self._y, self._weight = X, y, weight
        self._joint = Joint({k: prior.transform for k, prior in self._priors.items()})
        self.n_dim = self._joint.size
        self.has_gradient = hasattr(model, "likelihood")
        if self.has_gradient:
            self._likelihood = model.likelihood(X, y, weight)

    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""
        params, total = self._joint.to_constrained(u)
        for name, prior in self._priors.items():
            total = total + prior.value_and_gradient(params[name])[0]
        for rows in self._blocks(len(u)):
            total = total + self._pointwise(params, rows) @ self._weight[rows]
        return total

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""
        params, total = self._joint.to_constrained(u)
        value, slopes = self._likelihood(params)
        total = total + value
        for name, prior in self._priors.items():
            log_prior, slope = prior.value_and_gradient(params[name])
            total += log_prior
            slopes[name] = slopes[name] + slope
        return total, self._joint.pull_back(slopes, u)

    def constrain(self, u: Array) -> dict[str, Array]:
        """Parameters (..., *shape) at positions (..., d)."""
        return self._joint.to_constrained(u)[0]

    def terms(self, u: Array) -> dict[str, Array]:
        """Log-density of each parameter, by name, and of each row, by "", at u (d,)."""
        params = self.constrain(u[None])
        found = {
            name: prior.value_and_gradient(params[name])[0]
            for name, prior in self._priors.items()
        }
        rows = slice(0, len(self._weight))
        return found | {"": self._pointwise(params, rows)[0]}

    def _pointwise(self, params: Params, rows: slice) -> Array:
        y = None if self._y is None else self._y[rows]
        return np.asarray(self._model.log_likelihood(params, self._X[rows], y))

    def _blocks(self, n_positions: int) -> list[slice]:
        n = len(self._weight)
        size = n if not self._model.independent_rows else max(1, BLOCK // n_positions)
        return [slice(low, low + size) for low in range(0, n, max(size, 1))]
