"""A synthetic table in one call."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.mixture import GaussianMixture as SklearnMixture

from sklgen.compose import synthesize
from sklgen.datasets import load_penguins
from sklgen.metrics import classifier_two_sample_test
from sklgen.mixture import GaussianMixture, TabularMixture


def test_rows_are_like_the_real_ones_and_in_their_container():
    X = load_penguins(as_frame=True).frame
    rows = synthesize(X, random_state=0)
    assert rows.shape == X.shape
    pd.testing.assert_series_equal(rows.dtypes, X.dtypes)
    assert classifier_two_sample_test(X, rows, random_state=0).auc < 0.65
    assert isinstance(synthesize(pl.from_pandas(X), 5, random_state=0), pl.DataFrame)


def test_seeds_repeat_and_differ():
    X = np.random.default_rng(0).normal(size=(100, 2))
    one, again, other = (synthesize(X, 20, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.isin(one, other).any()


@pytest.mark.parametrize("make", [GaussianMixture, SklearnMixture])
def test_any_generator_is_cloned_and_drawn_from(make):
    X = np.random.default_rng(1).normal(5.0, size=(400, 2))
    model = make(1)
    rows = synthesize(X, 2000, model, random_state=0)
    assert not hasattr(model, "means_")
    assert model.random_state is None
    assert rows.mean() == pytest.approx(5.0, abs=0.1)


def test_auto_is_a_mixture_of_tables():
    X = load_penguins(as_frame=True).frame
    one, other = (
        synthesize(X, 10, model, random_state=0) for model in ("auto", TabularMixture())
    )
    pd.testing.assert_frame_equal(one, other)


def test_what_draws_no_rows_is_refused():
    X = np.zeros((5, 1))
    with pytest.raises(ValueError, match="'auto' or a model"):
        synthesize(X, 5, "best")
    with pytest.raises(TypeError, match="model with fit"):
        synthesize(X, 5, 3)
    with pytest.raises(ValueError, match="n_samples"):
        synthesize(np.eye(5), 0)
