"""Posteriors as objects of ArviZ, for its tables and pictures."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import sklgen
from sklgen.mcmc._runner import Chains

# Statistics of draws by the names of ArviZ, and those that only trajectories have.
_OF_DRAWS = {"lp": "log_densities", "acceptance_rate": "accept_statistics"}
_OF_TRAJECTORIES = {
    "energy": "energies",
    "step_size": "step_sizes",
    "tree_depth": "depths",
    "n_steps": "n_leapfrogs",
    "diverging": "divergent",
}


def statistics(chains: Chains) -> dict[str, NDArray[Any]]:
    """What is known of draws, by the names that ArviZ has for it.

    Parameters
    ----------
    chains : Chains
        How they were drawn.

    Returns
    -------
    statistics : dict of str to ndarray of shape (n_chains, n_draws)
        Log-densities and acceptance probabilities; if chains followed trajectories,
        also energies, step sizes, depths, numbers of steps and divergences.
    """
    names = dict(_OF_DRAWS)
    if chains.settings.sampler == "nuts":
        names |= _OF_TRAJECTORIES
    return {name: getattr(chains, attribute) for name, attribute in names.items()}


def to_arviz(
    posterior: Mapping[str, ArrayLike],
    statistics: Mapping[str, ArrayLike],
    *,
    log_likelihood: Mapping[str, ArrayLike] | None = None,
    observed: Mapping[str, ArrayLike] | None = None,
) -> Any:
    """Hand draws over to ArviZ, whichever generation of it is installed.

    Parameters
    ----------
    posterior : mapping of str to array-like of shape (n_chains, n_draws, ...)
        Draws of each parameter.
    statistics : mapping of str to array-like of shape (n_chains, n_draws)
        What is known of the draws, as `statistics` gives it.
    log_likelihood : mapping of str to (n_chains, n_draws, n_samples), default=None
        Log-likelihood of each row, for `arviz.loo`, by the name of what was observed.
    observed : mapping of str to array-like of shape (n_samples, ...), default=None
        What was observed.

    Returns
    -------
    data : arviz.InferenceData or xarray.DataTree
        The former from ArviZ before version 1. Its groups are "posterior" and
        "sample_stats", and "log_likelihood" and "observed_data" if they were given.

    Raises
    ------
    ImportError
        If ArviZ is not installed.
    """
    arviz = _installed()
    groups: dict[str, dict[str, NDArray[Any]]] = {
        name: {key: np.asarray(values) for key, values in group.items()}
        for name, group in {
            "posterior": posterior,
            "sample_stats": statistics,
            "log_likelihood": log_likelihood,
            "observed_data": observed,
        }.items()
        if group is not None
    }
    made_by = {
        "inference_library": "sklgen",
        "inference_library_version": sklgen.__version__,
    }
    if "posterior" in inspect.signature(arviz.from_dict).parameters:
        return arviz.from_dict(**groups, attrs=made_by)
    return arviz.from_dict(groups, attrs={"/": made_by})


def _installed() -> ModuleType:
    try:
        return import_module("arviz")
    except ImportError as error:
        raise ImportError(
            "to_arviz needs ArviZ, which sklgen does not install: pip install arviz. "
            "Without it, `summary()` and `posterior_` have the same numbers and draws."
        ) from error
