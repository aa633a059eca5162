"""Mixed tables, and mixtures of them that take little time."""

import itertools

import numpy as np
import pandas as pd
import pytest

from sklgen.mixture import TabularMixture

COVARIANCES = ["full", "diag"]
both = pytest.mark.parametrize("covariance_type", COVARIANCES)


def mixture(n_components=3, **options):
    options = {"random_state": 0, "max_iter": 15, **options}
    return TabularMixture(n_components, **options)


def table(n=800, seed=0, missing=0.0):
    """Two groups of rows; a label, a flag, a number, a grid and a skewed amount."""
    rng = np.random.default_rng(seed)
    group = rng.random(n) < 0.4
    x = np.where(group, 2.0, -1.0) + 0.7 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "label": np.where(
                rng.random(n) < 0.8,
                np.where(group, "a", "b"),
                rng.choice(["c", "d"], n),
            ),
            "flag": rng.random(n) < np.where(group, 0.9, 0.3),
            "x": x,
            "count": np.rint(40 + 9 * x + 6 * rng.normal(size=n)).astype(int),
            "amount": np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2.0, 3.0, n)),
        }
    )
    if missing:
        frame["flag"] = frame["flag"].astype("boolean")
        frame["count"] = frame["count"].astype("Int64")
        holes = rng.random(frame.shape) < missing
        frame = frame.mask(holes)
    return frame


def discrete(n=600, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=n)
    return pd.DataFrame(
        {
            "label": np.array(list("abc"))[(group + (rng.random(n) < 0.2)) % 3],
            "flag": rng.random(n) < 0.2 + 0.3 * group,
            "rating": rng.integers(1, 4, n) + group,
            "level": rng.choice([0.0, 0.5, 7.25], n),
        }
    )


def every(frame):
    """All rows that can be made of the values of each column."""
    values = [frame[name].dropna().unique() for name in frame]
    rows = pd.DataFrame(list(itertools.product(*values)), columns=frame.columns)
    return rows.astype(frame.dtypes)


def probability(model, rows):
    return np.exp(model.score_samples(rows))
