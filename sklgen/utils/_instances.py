"""The instances on which the contract is tested: ids and what makes them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np


def _make(path: str, params: dict[str, Any]) -> Any:
    # Imported when made, so that the table costs nothing.
    module, name = path.rsplit(".", 1)
    package = "" if module.startswith("sklearn.") else "sklgen."
    estimator = getattr(importlib.import_module(f"{package}{module}"), name)
    return estimator(**params)


def _instances(
    path: str, variants: dict[str, dict[str, Any]], **short: int
) -> dict[str, Callable[[], Any]]:
    """Name the default instance by its class, the others by class and variant.

    `short` are steps that are enough for checks, in place of the default ones.
    """
    name = path.rsplit(".", 1)[1]
    table: dict[str, Callable[[], Any]] = {name: partial(_make, path, short)}
    for variant, params in variants.items():
        table[f"{name}-{variant}"] = partial(_make, path, params)
    return table


def _pipeline(*steps: tuple[str, str, dict[str, Any]]) -> Callable[[], Any]:
    """What makes a pipeline of steps, each a name, a path and parameters."""

    def make() -> Any:
        made = [(name, _make(path, params)) for name, path, params in steps]
        return _make("compose.GenerativePipeline", {"steps": made})

    return make


def _around(name: str, density: dict[str, Any], **params: Any) -> Callable[[], Any]:
    """What makes an estimator of `compose` around a mixture of Gaussians."""

    def make() -> Any:
        mixture = _make("mixture.GaussianMixture", {"random_state": 0, **density})
        return _make(f"compose.{name}", {"estimator": mixture, **params})

    return make


_MIXTURE = (
    "mixture",
    "mixture.GaussianMixture",
    {"n_components": 2, "random_state": 0},
)

INSTANCES: dict[str, Callable[[], Any]] = {
    "GenerativePipeline": _pipeline(
        ("scale", "sklearn.preprocessing.StandardScaler", {}), _MIXTURE
    ),
    "GenerativePipeline-encoder": _pipeline(
        ("encode", "compose.TabularEncoder", {}), _MIXTURE
    ),
    **_instances(
        "hmm.CategoricalHMM",
        {"three": {"n_components": 3, "n_init": 3, "smoothing": 0.1}},
    ),
    **_instances(
        "hmm.GMMHMM",
        {
            "diag": {
                "n_components": 2,
                "covariance_type": "diag",
                "n_init": 2,
            },
            "tied": {"n_components": 2, "covariance_type": "tied", "n_init": 1},
        },
    ),
    **_instances(
        "hmm.GaussianHMM",
        {
            "three": {"n_components": 3, "n_init": 2},
            "diag": {
                "n_components": 2,
                "covariance_type": "diag",
                "stickiness": 1.0,
                "algorithm": "marginal",
            },
            "stationary": {
                "n_components": 2,
                "covariance_type": "tied",
                "stationary": True,
                "n_init": 1,
            },
        },
    ),
    **_instances(
        "hmm.HMMMixture",
        {"two": {"n_components": 2, "n_states": 2, "n_init": 4}},
    ),
    **_instances(
        "hmm.PoissonHMM",
        {
            "three": {"n_components": 3},
            "left-right": {"n_components": 2, "topology": "left-right", "n_init": 2},
        },
    ),
    **_instances(
        "hmm.TabularHMM",
        {
            "diag": {
                "n_components": 2,
                "covariance_type": "diag",
                "keep_missing": False,
                "n_init": 2,
            },
            "families": {
                "n_components": 2,
                "families": {0: "gaussian"},
                "n_init": 2,
            },
        },
    ),
    **_instances(
        "mcmc.PosteriorSampler",
        {
            "thin": {"thin": 2, "n_warmup": 500, "n_draws": 500, "dtype": "float32"},
        },
    ),
    **_instances(
        "mixture.DirichletMixture",
        {
            "three": {"n_components": 3, "n_init": 2},
            "k-means++": {
                "n_components": 2,
                "init_params": "k-means++",
                "reg_concentration": 0.1,
            },
        },
    ),
    **_instances(
        "mixture.DirichletMultinomialMixture",
        {
            "three": {"n_components": 3, "n_jobs": 2},
            "overdispersed": {"n_components": 2, "overdispersed": True, "tol": 1e-4},
            "gibbs": {"n_components": 8, "method": "gibbs"},
            "gibbs-beta": {"n_components": 3, "method": "gibbs", "beta": 1.0},
        },
    ),
    **_instances(
        "mixture.DirichletProcessMixture",
        {
            "diag": {"covariance_type": "diag"},
            "concentration": {"weight_concentration_prior": 5.0, "n_init": 2},
        },
    ),
    **_instances(
        "mixture.DirichletProcessMultinomialMixture",
        {"priors": {"count_prior": 0.5, "weight_concentration_prior": 3.0}},
    ),
    **_instances(
        "mixture.GaussianMixture",
        {
            "full": {"n_components": 3},
            "tied": {"n_components": 2, "covariance_type": "tied"},
            "diag": {"n_components": 3, "covariance_type": "diag"},
            "spherical": {"n_components": 2, "covariance_type": "spherical"},
            "n_jobs": {"n_components": 2, "n_jobs": 2, "n_init": 1},
            "k-means++": {"n_components": 2, "init_params": "k-means++"},
            "random_from_data": {"n_components": 2, "init_params": "random_from_data"},
            "random": {"n_components": 2, "init_params": "random"},
            "means_init": {
                "n_components": 2,
                "means_init": np.array([[-1.0, -1.0], [1.0, 1.0]]),
            },
        },
    ),
    **_instances(
        "mixture.TabularMixture",
        {
            "smooth": {"smoothing": 0.1, "n_init": 2},
            "diag": {"covariance_type": "diag", "keep_missing": False},
            "kmeans": {"n_components": 3, "init_params": "kmeans", "n_init": 2},
            "families": {"n_components": 2, "families": {0: "gaussian"}},
        },
    ),
    **_instances(
        "neural.GAN",
        {
            "wasserstein": {
                "max_iter": 60,
                "loss": "wgan-gp",
                "batch_size": 20,
                "early_stopping": False,
            },
        },
        max_iter=3,
    ),
    **_instances(
        "neural.NormalizingFlow",
        {
            "realnvp": {
                "architecture": "realnvp",
                "n_transforms": 2,
                "max_iter": 100,
                "early_stopping": False,
            },
        },
        max_iter=20,
    ),
    **_instances(
        "neural.VAE",
        {
            "normal": {
                "n_latent": 1,
                "prior": "normal",
                "beta": 1.0,
                "n_train_samples": 4,
                "n_importance_samples": 4,
                "max_iter": 10,
                "early_stopping": False,
            },
        },
        max_iter=5,
        n_importance_samples=16,
    ),
    **_instances(
        "topics.LDAMixture",
        {
            "four": {"n_components": 4, "n_topics": 3},
            "learned": {"n_topics": 2, "concentration": None, "method": "gibbs"},
        },
    ),
    **_instances(
        "topics.LatentDirichletAllocation",
        {
            "three": {"n_components": 3, "n_jobs": 2},
            "scvb0": {"n_components": 2, "method": "scvb0"},
            "gibbs": {"n_components": 2, "method": "gibbs"},
        },
    ),
    **_instances(
        "tree.AdversarialForest",
        {
            "coarse": {"n_estimators": 50, "min_samples_leaf": 12, "smoothing": 0.5},
            "values": {"n_estimators": 40, "max_rounds": 1, "keep_missing": False},
        },
    ),
    **_instances(
        "tree.BoostedAutoregressive",
        {
            "few": {
                "n_orders": 3,
                "n_bins": 8,
                "max_iter": 20,
                "n_particles": 16,
                "keep_missing": False,
            },
        },
        max_iter=10,
    ),
}

# Estimators that generate no rows: scikit-learn's checks apply, the contract does not.
OTHERS: dict[str, Callable[[], Any]] = {
    "DensityOutlierDetector": _around("DensityOutlierDetector", {"n_components": 2}),
    "DensityOutlierDetector-fifth": _around(
        "DensityOutlierDetector", {"n_components": 1}, contamination=0.2
    ),
    "GenerativeClassifier": _around("GenerativeClassifier", {"n_components": 1}),
    "GenerativeClassifier-diag": _around(
        "GenerativeClassifier",
        {"n_components": 1, "covariance_type": "diag"},
        tol=0.01,
    ),
    "GenerativeImputer": _around("GenerativeImputer", {"n_components": 2}),
    "GenerativeImputer-sample": _around(
        "GenerativeImputer",
        {"n_components": 1},
        strategy="sample",
        add_indicator=True,
        random_state=0,
    ),
    "GenerativeOverSampler": _around("GenerativeOverSampler", {"n_components": 1}),
    "GenerativeOverSampler-all": _around(
        "GenerativeOverSampler",
        {"n_components": 2, "covariance_type": "diag"},
        sampling_strategy="all",
    ),
    **_instances(
        "compose.TabularEncoder",
        {
            "atoms": {"atom_share": 0.0, "n_quantiles": 20},
            "labels": {"categorical_features": [0], "max_categories": 5},
            "numbers": {"passthrough": [0]},
        },
    ),
    **_instances(
        "mcmc.PosteriorClassifier",
        {"diagonal": {"metric": "diagonal", "target_accept": 0.9, "n_draws": 1500}},
    ),
    **_instances(
        "mcmc.PosteriorRegressor",
        {"chains": {"n_chains": 8, "n_warmup": 500, "n_draws": 500}},
    ),
}


def _log_density(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal log-density, up to a constant, and its gradient."""
    return -0.5 * (x**2).sum(axis=1), -x


# Estimators of what is no data: no checks apply.
DENSITIES: dict[str, Callable[[], Any]] = {
    "DensitySampler": partial(
        _make,
        "mcmc.DensitySampler",
        {"log_density": _log_density, "n_dim": 2, "grad": True},
    ),
}
