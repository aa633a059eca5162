"""Rows of rare classes: how many, of which law, and in which container."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import DataConversionWarning

from sklgen.compose import GenerativeOverSampler
from sklgen.datasets import load_penguins
from sklgen.hmm import GaussianHMM
from sklgen.mixture import GaussianMixture, TabularMixture

ONE = GaussianMixture(1)
COUNTS = {"a": 60, "b": 30, "c": 10}


def rows():
    rng = np.random.default_rng(0)
    y = np.repeat([*COUNTS], [*COUNTS.values()])
    return rng.normal(size=(100, 2)) + 10.0 * (y == "c")[:, None], y


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("auto", [60, 60, 60]),
        ("not majority", [60, 60, 60]),
        ("minority", [60, 30, 60]),
        ("not minority", [60, 60, 10]),
        ("all", [60, 60, 60]),
        ({"c": 25}, [60, 30, 25]),
        (lambda y: {"b": int((y == "a").sum())}, [60, 60, 10]),
    ],
)
def test_classes_end_with_the_rows_asked_for(strategy, expected):
    X, y = rows()
    sampler = GenerativeOverSampler(ONE, sampling_strategy=strategy, random_state=0)
    more, labels = sampler.fit_resample(X, y)
    assert [np.sum(labels == name) for name in COUNTS] == expected
    assert np.array_equal(more[:100], X)
    assert np.array_equal(labels[:100], y)
    again, _ = sampler.fit_resample(X, y)
    assert np.array_equal(more, again)


def test_a_share_is_that_of_the_rarer_class():
    X, y = rows()
    two = y != "b"
    sampler = GenerativeOverSampler(ONE, sampling_strategy=0.5, random_state=0)
    _, labels = sampler.fit_resample(X[two], y[two])
    assert np.sum(labels == "c") == 30
    with pytest.raises(ValueError, match="y has 3 classes"):
        sampler.fit(X, y)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [({"d": 5}, "names class 'd'"), ({"a": 5}, "never removed")],
)
def test_what_can_not_be_asked_for(strategy, message):
    with pytest.raises(ValueError, match=message):
        GenerativeOverSampler(ONE, sampling_strategy=strategy).fit(*rows())


def test_rows_are_drawn_from_their_class():
    X, y = rows()
    sampler = GenerativeOverSampler(ONE, sampling_strategy={"c": 4000}, random_state=0)
    more, labels = sampler.fit_resample(X, y)
    drawn = more[100:]
    law = sampler.estimators_["c"]
    assert np.all(labels[100:] == "c")
    error = 5 * np.sqrt(np.diag(law.covariances_[0]) / len(drawn))
    assert np.all(np.abs(drawn.mean(axis=0) - X[y == "c"].mean(axis=0)) < error)


def test_tables_and_labels_keep_their_kind():
    X = load_penguins(as_frame=True).frame
    y = X.pop("species")
    y.index = X.index = np.arange(len(X)) + 7
    sampler = GenerativeOverSampler(TabularMixture(2, random_state=0), random_state=0)
    more, labels = sampler.fit_resample(X, y)
    assert more.dtypes.equals(X.dtypes)
    assert labels.dtype == y.dtype
    assert labels.name == "species"
    assert labels.value_counts().tolist() == [152] * 3
    assert more.index.equals(pd.RangeIndex(456))
    assert labels.index.equals(more.index)
    words = pl.Series("kind", y.astype(str))
    table, column = sampler.fit_resample(pl.from_pandas(X), words)
    assert isinstance(table, pl.DataFrame)
    assert isinstance(column, pl.Series)
    assert len(table) == len(column) == 456


@pytest.mark.parametrize(
    "dtype", ["Int64", "float64", "string", "boolean", "category", "Sparse[int]"]
)
def test_labels_of_pandas_keep_their_exact_dtype(dtype):
    X, y = rows()
    labels = pd.Series((y == "c").astype(int), name="rare").astype(dtype)
    _, more = GenerativeOverSampler(ONE, random_state=0).fit_resample(X, labels)
    assert more.dtype == labels.dtype
    assert more.name == "rare"
    pd.testing.assert_series_equal(more[:100], labels)
    assert more.value_counts().tolist() == [90, 90]


def test_other_containers_of_labels():
    X, y = rows()
    sampler = GenerativeOverSampler(ONE, random_state=0)
    assert isinstance(sampler.fit_resample(X, pd.Categorical(y))[1], np.ndarray)
    with pytest.warns(DataConversionWarning):
        _, more = sampler.fit_resample(X, pd.DataFrame({"kind": y}))
    assert more["kind"].value_counts().tolist() == [60] * 3
    with pytest.warns(DataConversionWarning):
        _, more = sampler.fit_resample(X, pl.DataFrame({"kind": y}))
    assert more["kind"].value_counts()["count"].to_list() == [60] * 3


def test_sequences_are_drawn_whole():
    rng = np.random.default_rng(0)
    y = np.array([0] * 12 + [1] * 4)
    sequences = [5.0 * k + rng.normal(size=(4 + 3 * k, 2)) for k in y]
    sampler = GenerativeOverSampler(GaussianHMM(1, random_state=0), random_state=0)
    more, labels = sampler.fit_resample(sequences, y)
    assert len(more) == len(labels) == 24
    assert all(one is other for one, other in zip(more, sequences, strict=False))
    assert all(own.shape == (7, 2) for own in more[16:])
    assert np.mean(more[16:], axis=(0, 1)) == pytest.approx([5.0, 5.0], abs=0.7)
