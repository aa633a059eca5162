"""What the methods of a model compute with: NumPy, or torch if its priors are torch's.

Nothing here imports torch: laws of torch can only come from those who did.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from sklgen._typing import Array
from sklgen.mcmc._model import BayesianModel
from sklgen.mcmc._posterior import NumpyPosterior, Posterior
from sklgen.mcmc.priors._base import Prior


def is_torch(prior: object) -> bool:
    """Whether a prior is a distribution of torch."""
    laws = sys.modules.get("torch.distributions")
    return laws is not None and isinstance(prior, laws.Distribution)


def uses_torch(priors: Mapping[str, Any]) -> bool:
    """Whether priors are torch's; those of two kinds, or of none, are an error."""
    if not isinstance(priors, Mapping):
        raise TypeError(
            "parameters(X, y) must return a mapping of names to priors, got "
            f"{type(priors).__name__}."
        )
    torches = [name for name, prior in priors.items() if is_torch(prior)]
    ours = [name for name, prior in priors.items() if isinstance(prior, Prior)]
    for name, prior in priors.items():
        if name not in torches and name not in ours:
            raise TypeError(
                f"The prior of {name!r} must be a law of sklgen.mcmc.priors or a "
                f"distribution of torch, got {prior!r}."
            )
    if torches and ours:
        raise TypeError(
            "All priors must be laws of sklgen.mcmc.priors, or all distributions of "
            f"torch: those of {ours} are the former and those of {torches} the latter."
        )
    return bool(torches)


def posterior_of(
    model: BayesianModel,
    priors: Mapping[str, Any],
    X: Array,
    y: Array | None,
    weight: Array,
    *,
    device: str = "cpu",
) -> Posterior:
    """Make the posterior that fits what the priors are.

    Parameters
    ----------
    model : BayesianModel
        What is known of the parameters before the data, and of the data given them.
    priors : mapping of str to Prior, or to a distribution of torch
        What `model.parameters` gave.
    X, y : ndarray of shape (n, d) and (n,) or None
        Data.
    weight : ndarray of shape (n,)
        Weight of each row.
    device : str, default="cpu"
        Where torch computes.

    Returns
    -------
    Posterior
        For the samplers of this package.
    """
    if not uses_torch(priors):
        return NumpyPosterior(model, priors, X, y, weight)
    from sklgen.mcmc._torch_posterior import TorchPosterior

    return TorchPosterior(model, priors, X, y, weight, device=device)
