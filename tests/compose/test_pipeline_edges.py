"""Pipelines at the ends of what transformers reach, and in other containers."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import (
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from sklgen.compose import log_abs_det_jacobian, make_generative_pipeline
from sklgen.mixture import GaussianMixture, TabularMixture


def pairs(n=200):
    rng = np.random.default_rng(0)
    return rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], n)


def quantiles(**params):
    return QuantileTransformer(n_quantiles=50, output_distribution="normal", **params)


def test_rows_at_the_ends_of_quantiles_are_within_reach():
    X = pairs()
    model = make_generative_pipeline(quantiles(), GaussianMixture(1)).fit(X)
    least = X[[X[:, 0].argmin()]]
    assert np.array_equal(model.sample_conditional(least, random_state=0), least)
    gap = np.array([[least[0, 0], np.nan]])
    assert np.isfinite(model.impute(gap)).all()
    near = least + np.array([[1e-9, 0.0]])
    np.testing.assert_allclose(
        model.score_samples(least), model.score_samples(near), atol=0.1
    )
    other = gap + np.array([[1e-9, 0.0]])
    np.testing.assert_allclose(
        model.score_samples(gap), model.score_samples(other), atol=0.1
    )


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_draws_of_one_column_may_be_views(library):
    x = np.random.default_rng(0).normal(size=300)
    table = (pd if library == "pandas" else pl).DataFrame({"a": x})
    steps = (
        QuantileTransformer(n_quantiles=50).set_output(transform=library),
        GaussianMixture(1),
    )
    draws = make_generative_pipeline(*steps).fit(table).sample(500, random_state=0)
    assert type(draws) is type(table)
    low, high = draws["a"].min(), draws["a"].max()
    assert x.min() <= low < high <= x.max()


class Density(BaseEstimator):
    """A density without draws."""

    def fit(self, X, y=None):
        self.model_ = GaussianMixture(1).fit(X)
        return self

    def score_samples(self, X):
        return self.model_.score_samples(X)


def test_a_mass_that_no_draws_tell_leaves_no_density():
    bounded = make_generative_pipeline(QuantileTransformer(n_quantiles=50), Density())
    bounded.fit(pairs())
    assert not hasattr(bounded, "score_samples")
    with pytest.raises(AttributeError, match="score_samples") as caught:
        bounded.score_samples(pairs())
    assert "has no `sample`" in str(caught.value.__cause__)
    free = make_generative_pipeline(StandardScaler(), Density()).fit(pairs())
    assert np.isfinite(free.score_samples(pairs())).all()


def test_densities_of_decimals_are_in_the_units_of_the_column():
    values = np.round(np.random.default_rng(0).normal(size=300) * 1e6, 4)
    ours = pl.DataFrame({"a": values}).with_columns(pl.col("a").cast(pl.Decimal(20, 4)))
    floats = ours.with_columns(pl.col("a").cast(pl.Float64))
    scores = [
        TabularMixture(1, random_state=0).fit(table).score(table)
        for table in (ours, floats)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_jacobians_of_reordered_columns():
    frame = pd.DataFrame(pairs(), columns=["a", "b"])
    transformer = ColumnTransformer(
        [("a", StandardScaler(), ["a"]), ("b", PowerTransformer(), ["b"])]
    ).fit(frame)
    np.testing.assert_array_equal(
        log_abs_det_jacobian(transformer, frame[["b", "a"]]),
        log_abs_det_jacobian(transformer, frame),
    )
