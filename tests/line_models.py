"""Models of targets given rows, with what makes data for them, for tests."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from sklgen.mcmc.models import (
    LinearModel,
    LogisticModel,
    NegativeBinomialModel,
    PoissonModel,
    StudentModel,
)


def real_targets(n, rng):
    return 3.0 + 2.0 * rng.standard_t(4, n)


def binary_targets(n, rng):
    return rng.integers(0, 2, n).astype(float)


def classes_targets(n, rng):
    return np.append(rng.integers(0, 3, n - 1), 2.0)


def counts_targets(n, rng):
    return rng.poisson(rng.gamma(2.0, 2.0, n)).astype(float)


@dataclass(frozen=True)
class Case:
    """A model, targets, and the law of a target as SciPy has it."""

    model: type
    targets: Any
    law: Any = None

    def __repr__(self):
        return self.model.__name__ + ("3" if self.targets is classes_targets else "")


CASES = [
    Case(LinearModel, real_targets, lambda eta, p: stats.norm(eta, p["sigma"])),
    Case(StudentModel, real_targets, lambda eta, p: stats.t(p["dof"], eta, p["sigma"])),
    Case(LogisticModel, binary_targets, lambda eta, p: stats.bernoulli(expit(eta))),
    Case(LogisticModel, classes_targets),
    Case(PoissonModel, counts_targets, lambda eta, p: stats.poisson(np.exp(eta))),
    Case(
        NegativeBinomialModel,
        counts_targets,
        lambda eta, p: stats.nbinom(
            1 / p["dispersion"], 1 / (1 + p["dispersion"] * np.exp(eta))
        ),
    ),
]
OPTIONS = [
    {},
    {"intercept": False},
    {"prior_df": 7.0},
    {"groups": 1},
    {"groups": -2, "random_slopes": True},
    {"groups": 1, "random_slopes": True, "intercept": False},
]
every_case = pytest.mark.parametrize("case", CASES, ids=repr)
every_option = pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(f"{k}={v}" for k, v in o.items()) or "-"
)


def rows(n, rng):
    X = np.column_stack(
        [rng.normal(5.0, 1.0, n), rng.choice([0.1, 0.7, 3.5], n), rng.normal(size=n)]
    )
    X[:3, 1] = [0.1, 0.7, 3.5]
    return X


def made(case, options, n=40, seed=0, **more):
    """A model, its priors, data, and three draws of its parameters."""
    rng = np.random.default_rng(seed)
    X, y = rows(n, rng), case.targets(n, rng)
    model = case.model(**options, **more)
    priors = model.parameters(X, y)
    params = {name: prior.draw(3, rng) for name, prior in priors.items()}
    return model, priors, X, y, params


def by_hand(options, params, X, training):
    """Linear predictor (3, [K,] n), from the definition."""
    has_groups = "groups" in options
    Z = np.delete(X, 1, axis=1) if has_groups else X
    T = np.delete(training, 1, axis=1) if has_groups else training
    coef = params["coef"]
    if options.get("intercept", True):
        Z = Z - T.mean(axis=0)
        eta = params["intercept"][..., None] + coef @ Z.T
    else:
        eta = coef @ Z.T
    if has_groups:
        known = np.unique(training[:, 1]).tolist()
        code = [known.index(g) if g in known else len(known) for g in X[:, 1]]
        sd = params["group_sd"]
        sd = sd.reshape(len(sd), *[1] * (coef.ndim - 2), 1, -1)
        effect = (params["group_effect"] * sd)[..., code, :]
        eta = eta + effect[..., 0]
        if options.get("random_slopes"):
            eta = eta + (effect[..., 1:] * Z).sum(axis=-1)
    return eta
