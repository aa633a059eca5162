"""Posteriors of models that are written with torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from sklgen.families._base import Array
from sklgen.mcmc._model import BayesianModel
from sklgen.mcmc._posterior import Posterior
from sklgen.mcmc._torch_laws import in_double, transform_of
from sklgen.mcmc._torch_transforms import forward
from sklgen.mcmc._transforms import Joint


class TorchPosterior(Posterior):
    """The posterior of a model that is written with torch.

    Parameters
    ----------
    model : BayesianModel
        What is known of the parameters before the data, and of the data given them.
    priors : mapping of str to Distribution
        What `model.parameters` gave.
    X, y : ndarray of shape (n, d) and (n,) or None
        Data.
    weight : ndarray of shape (n,)
        Weight of each row.
    device : str, default="cpu"
        Where torch computes.
    """

    has_gradient = True

    def __init__(
        self,
        model: BayesianModel,
        priors: Mapping[str, Distribution],
        X: Array,
        y: Array | None,
        weight: Array,
        *,
        device: str = "cpu",
    ) -> None:
        self._model, self._device = model, device
        self._priors = {k: in_double(prior, device) for k, prior in priors.items()}
        self._joint = Joint({k: transform_of(law) for k, law in self._priors.items()})
        self.n_dim = self._joint.size
        self._X, self._weight = self._tensor(X), self._tensor(weight)
        self._y = None if y is None else self._tensor(y)

    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""
        with torch.no_grad():
            return self._log_density(self._tensor(u)).cpu().numpy()

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""
        with torch.enable_grad():
            at = self._tensor(u).requires_grad_()
            value = self._log_density(at)
            (gradient,) = torch.autograd.grad(value.sum(), at)
        return value.detach().cpu().numpy(), gradient.cpu().numpy()

    def constrain(self, u: Array) -> dict[str, Array]:
        """Parameters (..., *shape) at positions (..., d)."""
        return self._joint.to_constrained(u)[0]

    def terms(self, u: Array) -> dict[str, Array]:
        """Log-density of each parameter, by name, and of each row, by "", at u (d,)."""
        with torch.no_grad():
            params, _ = self._constrained(self._tensor(u[None]))
            found = {name: self._log_prior(name, params[name]) for name in params}
            found[""] = self._model.log_likelihood(params, self._X, self._y)[0]
        return {name: value.cpu().numpy() for name, value in found.items()}

    def _log_density(self, u: Tensor) -> Tensor:
        params, total = self._constrained(u)
        for name in params:
            total = total + self._log_prior(name, params[name])
        rows: Tensor = self._model.log_likelihood(params, self._X, self._y)
        return total + rows @ self._weight

    def _log_prior(self, name: str, x: Tensor) -> Tensor:
        return self._priors[name].log_prob(x).reshape((len(x), -1)).sum(-1)

    def _constrained(self, u: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        params, total = {}, u.new_zeros(len(u))
        for name, part in self._joint.parts.items():
            x, log_jacobian = forward(part, u[:, self._joint.slices[name]])
            params[name], total = x, total + log_jacobian
        return params, total

    def _tensor(self, x: Array) -> Tensor:
        kind = np.float64 if np.issubdtype(x.dtype, np.floating) else x.dtype
        return torch.as_tensor(np.array(x, dtype=kind), device=self._device)
