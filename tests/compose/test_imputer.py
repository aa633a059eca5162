"""Completions by a generator: means, draws, indicators, and tables of their kind."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklgen.compose import GenerativeImputer
from sklgen.datasets import load_penguins
from sklgen.hmm import GaussianHMM
from sklgen.mixture import GaussianMixture, TabularMixture

ONE = GaussianMixture(1)


def pairs(n=2000, seed=0):
    """Two columns that correlate, with a fifth of the second one missing."""
    rng = np.random.default_rng(seed)
    X = rng.multivariate_normal([1, -2], [[1, 1.6], [1.6, 4]], n)
    X[rng.random(n) < 0.2, 1] = np.nan
    return X


def test_means_are_the_regression_on_observed_cells():
    X = pairs()
    imputer = GenerativeImputer(ONE)
    filled = imputer.fit_transform(X)
    gone = np.isnan(X[:, 1])
    law = imputer.estimator_
    slope = law.covariances_[0][0, 1] / law.covariances_[0][0, 0]
    expected = law.means_[0][1] + slope * (X[gone, 0] - law.means_[0][0])
    np.testing.assert_allclose(filled[gone, 1], expected, rtol=1e-6)
    assert np.array_equal(filled[~gone], X[~gone])


def test_draws_keep_how_much_cells_vary():
    X = pairs(20_000)
    gone = np.isnan(X[:, 1])
    spread = {}
    for strategy in ("mean", "sample"):
        imputer = GenerativeImputer(ONE, strategy=strategy, random_state=0)
        filled = imputer.fit_transform(X)
        spread[strategy] = (filled[gone, 1] - 1.6 * X[gone, 0]).std()
        assert np.array_equal(filled, imputer.transform(X))
    assert spread["mean"] < 0.05
    assert spread["sample"] == pytest.approx(1.2, rel=0.05)


def test_multiple_imputation_has_the_variance_of_a_mean():
    X = pairs(500)
    imputer = GenerativeImputer(ONE, n_imputations=400, random_state=0).fit(X)
    means = [table[:, 1].mean() for table in imputer.impute_multiple(X)]
    # Of each missing cell the variance given the other is 1.44.
    between = 1.44 * np.isnan(X).sum() / 500**2
    assert np.var(means) == pytest.approx(between, rel=0.3)
    again = imputer.impute_multiple(X)
    assert np.array_equal([table[:, 1].mean() for table in again], means)
    first = imputer.set_params(strategy="sample").transform(X)
    assert np.array_equal(first, again[0])


def test_indicators_are_of_columns_with_gaps_in_fit():
    X = pairs(50)
    imputer = GenerativeImputer(ONE, add_indicator=True).fit(X)
    new = pairs(30, seed=1)
    new[0, 0] = np.nan
    filled = imputer.transform(new)
    assert filled.shape == (30, 3)
    assert np.array_equal(filled[:, 2] == 1, np.isnan(new[:, 1]))
    names = ["x0", "x1", "missingindicator_x1"]
    assert imputer.get_feature_names_out().tolist() == names
    whole = GenerativeImputer(ONE, add_indicator=True).fit(np.nan_to_num(X))
    assert whole.transform(new).shape == (30, 2)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_keep_their_dtypes(library):
    X = load_penguins(as_frame=True).frame
    X.index = np.arange(len(X))[::-1]
    table = X if library == "pandas" else pl.from_pandas(X)
    density = TabularMixture(3, random_state=0)
    imputer = GenerativeImputer(density, add_indicator=True, random_state=0)
    filled = imputer.fit_transform(table)
    gaps = X.isna()
    names = [f"missingindicator_{name}" for name in X.columns[gaps.any()]]
    assert (
        [*filled.columns] == [*X.columns, *names] == [*imputer.get_feature_names_out()]
    )
    frame = filled if library == "pandas" else filled.to_pandas()
    assert not frame.isna().any().any()
    assert np.array_equal(frame[names], gaps.loc[:, gaps.any()])
    if library == "pandas":
        assert filled[X.columns].dtypes.equals(X.dtypes)
        assert filled.index.equals(X.index)
    else:
        assert filled.schema["species"] == table.schema["species"]


def test_pipelines_and_searches():
    frame = load_penguins(as_frame=True).frame
    X, y = frame.select_dtypes("number"), frame["species"]
    pipeline = make_pipeline(
        GenerativeImputer(GaussianMixture(random_state=0)),
        LogisticRegression(max_iter=5000),
    )
    grid = {"generativeimputer__estimator__n_components": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.95
    out = pipeline[0].set_output(transform="pandas").fit_transform(X)
    assert isinstance(out, pd.DataFrame)


def test_arrays_of_objects_and_words():
    words = np.array([["a", "x"], ["b", "y"], ["a", "x"], ["b", "y"]] * 10)
    imputer = GenerativeImputer(TabularMixture(2, random_state=0))
    assert np.array_equal(imputer.fit_transform(words), words)
    for gap in (None, np.nan, pd.NA):
        table = words.astype(object)
        table[0, 1] = gap
        filled = imputer.set_params(add_indicator=True).fit_transform(table)
        assert np.array_equal(filled[:, :2], words)
        assert filled[:, 2].tolist() == [True] + [False] * 39
        assert table[0, 1] is gap


def test_sequences_are_completed():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 2)).cumsum(axis=0) for n in (6, 9, 7) * 5]
    sequences[1][3] = np.nan
    imputer = GenerativeImputer(GaussianHMM(2, random_state=0), add_indicator=True)
    filled = imputer.fit(sequences).transform(sequences)
    assert [own.shape for own in filled] == [(len(own), 4) for own in sequences]
    assert not any(np.isnan(own).any() for own in filled)
    assert np.array_equal(filled[1][:, 2:].any(axis=1), np.arange(9) == 3)
    alone = GaussianHMM(2, random_state=0).fit(sequences).impute(sequences)
    assert all(
        np.array_equal(one[:, :2], other)
        for one, other in zip(filled, alone, strict=True)
    )


def test_indicators_replace_no_column():
    X = pd.DataFrame(pairs(30), columns=["a", "b"])
    X["missingindicator_b"] = np.arange(30.0)
    imputer = GenerativeImputer(ONE, add_indicator=True).fit(X)
    with pytest.raises(ValueError, match="already"):
        imputer.transform(X)


def test_rows_without_cells_become_means_and_teach_nothing():
    X = pairs(100)
    more = np.vstack([X, np.full((3, 2), np.nan)])
    weight = np.tile([1.0, 2.0], 52)[:103]
    imputer = GenerativeImputer(ONE).fit(more, sample_weight=weight)
    alone = GaussianMixture(1).fit(X, sample_weight=weight[:100])
    np.testing.assert_allclose(imputer.estimator_.means_, alone.means_)
    np.testing.assert_allclose(imputer.transform(more)[100:], [alone.means_[0]] * 3)
