"""Associations against those of SciPy, for numbers and for labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr
from scipy.stats.contingency import association, crosstab

from sklgen.metrics._association import associations
from sklgen.metrics._tables import read_tables


def of(frame):
    (table,) = read_tables(X=frame)
    return associations(table)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    return pd.DataFrame(
        {
            "x": x,
            "y": -np.exp(x) + rng.normal(size=300),
            "a": np.where(x + rng.normal(size=300) > 0, "p", "q"),
            "b": np.digitize(x + rng.normal(size=300), [-1, 0, 1]).astype(str),
            "c": np.digitize(x + rng.normal(size=300), [-1, 1]).astype(str),
            "one": 1.0,
            "same": "s",
        }
    )


def test_two_numbers_have_spearmans_correlation(frame):
    expected = spearmanr(frame["x"], frame["y"]).statistic
    assert of(frame)[0, 1] == pytest.approx(expected)
    assert expected < -0.5


def test_missing_numbers_are_left_out_of_their_pairs(frame):
    gaps = frame[["x", "y"]].copy()
    gaps.loc[::5, "x"] = np.nan
    kept = gaps.dropna()
    expected = spearmanr(kept["x"], kept["y"]).statistic
    assert of(gaps)[0, 1] == pytest.approx(expected)


def test_two_labels_have_cramers_v(frame):
    for i, j in [(2, 3), (3, 4)]:
        table = crosstab(frame.iloc[:, i], frame.iloc[:, j]).count
        assert of(frame)[i, j] == pytest.approx(association(table, method="cramer"))


def test_number_and_label_have_the_correlation_ratio(frame):
    ranks = pd.Series(rankdata(frame["x"]))
    between = ranks.groupby(frame["b"]).transform("mean")
    expected = np.sqrt(between.var() / ranks.var())
    assert of(frame)[0, 3] == pytest.approx(expected)


def test_a_missing_label_is_a_level(frame):
    gaps = frame[["a", "b"]].copy()
    gaps.loc[gaps["a"] == "q", :] = None
    named = gaps.fillna("none")
    assert of(gaps)[0, 1] == pytest.approx(of(named)[0, 1])
    assert of(gaps)[0, 1] > 0.5


def test_matrix_is_symmetric_and_constants_go_with_nothing(frame):
    found = of(frame)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(found.diagonal(), 1.0)
    np.testing.assert_array_equal(found[5:, :5], 0.0)
