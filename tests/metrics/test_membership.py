"""Membership inference: memorisers are caught, and chance is one half."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from sklgen.compose import make_generative_pipeline
from sklgen.datasets import load_penguins
from sklgen.metrics import membership_inference
from sklgen.mixture import GaussianMixture

MODELS = [None, KernelDensity(bandwidth=0.3), GaussianMixture(2, n_init=1)]


@pytest.mark.parametrize("model", MODELS, ids=["nearest", "kernels", "mixture"])
def test_strangers_are_told_apart_by_chance(model):
    rng = np.random.default_rng(0)
    found = [
        membership_inference(
            *rng.normal(size=(3, 60, 2)), estimator=model, random_state=seed
        )
        for seed in range(60)
    ]
    auc = np.array([one.auc for one in found])
    assert abs(auc.mean() - 0.5) < 3.5 * auc.std() / np.sqrt(len(auc))
    error = np.mean([one.std_error for one in found])
    assert 0.7 < error / auc.std() < 1.4


@pytest.mark.parametrize(
    "model", [None, KernelDensity(bandwidth=0.1)], ids=["nearest", "kernels"]
)
def test_a_memoriser_is_caught(model):
    rng = np.random.default_rng(1)
    train, holdout = rng.normal(size=(2, 200, 4))
    noisy = train + 0.05 * rng.normal(size=train.shape)
    found = membership_inference(train, holdout, noisy, estimator=model, random_state=0)
    assert found.auc > (0.9 if model is None else 0.7)
    assert found.advantage == pytest.approx(2 * found.auc - 1)


def test_overfitting_without_copies_is_seen_by_a_density():
    """A mixture of as many narrow components as it has rows for."""
    rng = np.random.default_rng(2)
    train, holdout = rng.normal(size=(100, 5)), rng.normal(size=(300, 5))
    few, many = (
        GaussianMixture(k, covariance_type="diag", random_state=0)
        .fit(train)
        .sample(1000, random_state=1)
        for k in (1, 40)
    )
    kernels = KernelDensity(bandwidth=0.4)
    seen = [
        membership_inference(train, holdout, rows, estimator=kernels, random_state=0)
        for rows in (few, many)
    ]
    assert seen[0].auc < 0.6 < 0.7 < seen[1].auc


def test_ties_of_copies_are_no_evidence():
    X = pd.DataFrame({"a": list("xyxy") * 10, "b": [0.0, 1.0, 1.0, 0.0] * 10})
    found = membership_inference(X, X, X, X_reference=X)
    assert found.auc == 0.5


def test_containers_do_not_matter():
    X = load_penguins(return_X_y=True, as_frame=True)[0]
    train, holdout, rows = X[::3], X[1::3], X[2::3]
    expected = membership_inference(train, holdout, rows, random_state=0)
    found = membership_inference(
        *(pl.from_pandas(one) for one in (train, holdout, rows)), random_state=0
    )
    assert found == expected


class Random(BaseEstimator):
    """A density of nothing but its seed."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y=None):
        self.direction_ = np.random.RandomState(self.random_state).normal(size=2)
        self.direction_ *= len(X)
        return self

    def score_samples(self, X):
        return X @ self.direction_


def test_seeds_that_are_not_set_are_set():
    rng = np.random.default_rng(3)
    train, holdout, rows = (rng.normal(size=(n, 2)) for n in (40, 50, 60))
    model = Random()
    one, again = (
        membership_inference(train, holdout, rows, estimator=model, random_state=0)
        for _ in range(2)
    )
    assert one == again
    assert model.random_state is None
    seeded, other = (
        membership_inference(
            train, holdout, rows, estimator=Random(7), X_reference=rows[:9],
            random_state=seed,
        )
        for seed in (0, 1)
    )  # fmt: skip
    assert seeded == other


def test_densities_without_overlap_are_no_numbers_less():
    class Interval(BaseEstimator):
        def fit(self, X):
            self.ends = X.min(), X.max()
            return self

        def score_samples(self, X):
            inside = (X[:, 0] >= self.ends[0]) & (X[:, 0] <= self.ends[1])
            return np.where(inside, -np.log(np.ptp(self.ends)), -np.inf)

    places = np.linspace(0.0, 1.0, 20)[:, None]
    found = membership_inference(
        places,
        places + 5.0,
        places,
        X_reference=places + 10.0,
        estimator=Interval(),
    )
    assert found.auc == 1.0


def test_a_row_cannot_be_split():
    X = np.arange(3.0)[:, None]
    with pytest.raises(ValueError, match="X_holdout has 1 rows"):
        membership_inference(X, X[:1], X)


def test_a_seed_reaches_models_within_pipelines():
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(3, 60, 2))
    model = make_generative_pipeline(StandardScaler(), GaussianMixture(4, max_iter=3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = {
            membership_inference(*tables, estimator=model, random_state=0).auc
            for _ in range(3)
        }
    assert len(found) == 1
