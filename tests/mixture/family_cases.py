"""Tables with a column of each family, and scipy's laws of fitted parameters."""

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import ive

FAMILIES = {
    "flag": "bernoulli",
    "wait": "exponential",
    "rain": "gamma",
    "size": "log_normal",
    "calls": "negative_binomial",
    "boats": "poisson",
    "wind": "von_mises",
    "level": "gaussian",
}
COUNTS = ["flag", "calls", "boats"]
LAWS = {
    "bernoulli": lambda p: stats.bernoulli(p["probabilities"]),
    "exponential": lambda p: stats.expon(scale=p["means"]),
    "gamma": lambda p: stats.gamma(p["shapes"], scale=p["means"] / p["shapes"]),
    "log_normal": lambda p: stats.lognorm(
        np.sqrt(p["variances"]), scale=np.exp(p["means"])
    ),
    "negative_binomial": lambda p: stats.nbinom(
        p["sizes"], p["sizes"] / (p["sizes"] + p["means"])
    ),
    "poisson": lambda p: stats.poisson(p["rates"]),
    "von_mises": lambda p: stats.vonmises(p["concentrations"], loc=p["directions"]),
    "gaussian": lambda p: stats.norm(p["means"], np.sqrt(p["variances"])),
}


def own_units(group, seed=0, missing=0.0):
    """A label, and a column of each family that tells two groups of rows apart."""
    rng = np.random.default_rng(seed)
    n = len(group)
    frame = pd.DataFrame(
        {
            "label": np.where(rng.random(n) < 0.9, np.array(["a", "b"])[group], "c"),
            "flag": (rng.random(n) < 0.2 + 0.6 * group).astype(float),
            "wait": rng.exponential(1.0 + 9.0 * group),
            "rain": rng.gamma(2.0, 1.0 + 3.0 * group),
            "size": np.exp(rng.normal(2.0 * group, 0.5)),
            "calls": rng.negative_binomial(3, 0.5 - 0.4 * group),
            "boats": rng.poisson(30 - 22 * group),
            "wind": rng.vonmises(np.pi * group, 2.0),
            "level": rng.normal(1e4 + 5.0 * group, 1.5),
        }
    )
    return frame.mask(rng.random(frame.shape) < missing) if missing else frame


def log_laws(model, X, families=FAMILIES):
    """Log-density (K, n) of the observed cells by scipy, from fitted attributes."""
    log = 0.0
    for name, family in families.items():
        parameters = model.family_parameters_[name]
        columns = {key: value[:, None] for key, value in parameters.items()}
        law = LAWS[family](columns)
        x = X[name].to_numpy(dtype=float, na_value=np.nan)
        seen = ~np.isnan(x)
        density = law.logpmf if name in COUNTS else law.logpdf
        log = log + np.where(seen, density(np.where(seen, x, 1.0)), 0.0)
    levels = model.encoder_.columns_[0].levels
    probabilities = model.level_probabilities_[0]
    table = np.hstack([probabilities, np.ones((len(probabilities), 1))])
    codes = [levels.index(c) if isinstance(c, str) else -1 for c in X["label"]]
    return log + np.log(table)[:, codes]


def mean_cells(model, name, weights):
    """What stands for cells (n,) of mixtures of laws with weights (K, n)."""
    parameters = model.family_parameters_[name]
    if FAMILIES[name] == "von_mises":
        kappa = parameters["concentrations"]
        lengths = ive(1, kappa) / ive(0, kappa)
        return np.angle(weights.T @ (lengths * np.exp(1j * parameters["directions"])))
    means = weights.T @ LAWS[FAMILIES[name]](parameters).mean()
    return np.rint(means) if name in COUNTS else means
