"""Labels as codes: their order, rare and unknown ones, and numbers named as such."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from sklgen.compose import TabularEncoder

rng = np.random.default_rng(0)


def test_codes_follow_the_order_of_categories():
    levels = ["small", "large", "huge"]
    labels = pd.Categorical(["huge", "small", "huge"], levels, ordered=True)
    for frame in (pd.DataFrame({"a": labels}), pd.DataFrame({"a": labels.astype("O")})):
        encoder = TabularEncoder().fit(frame)
        ordered = frame["a"].dtype == "category"
        assert encoder.columns_[0].levels == (
            ("small", "huge") if ordered else ("huge", "small")
        )
        assert encoder.n_levels_.tolist() == [2]


def test_rare_labels_share_a_code_and_come_back_by_frequency():
    labels = np.repeat(["a", "b", "c", "d", "e"], [50, 5, 40, 15, 2])
    frame = pd.DataFrame({"a": labels})
    encoder = TabularEncoder(max_categories=3).fit(frame)
    assert encoder.n_levels_.tolist() == [3]
    assert encoder.columns_[0].levels == ("a", "c", "b", "d", "e")
    assert np.allclose(encoder.level_shares_[0], np.array([50, 40, 22]) / 112)
    T = encoder.transform(frame)
    assert T[:, 0].tolist() == [*[0] * 50, *[2] * 5, *[1] * 40, *[2] * 17]
    offset = pd.Series(encoder.log_density_offset(frame)).groupby(labels).first()
    expected = np.log([1, 5 / 22, 1, 15 / 22, 2 / 22])
    assert np.allclose(offset, expected)
    draws = encoder.inverse_transform(np.full((22000, 1), 2.0), random_state=0)["a"]
    counts = draws.value_counts()[["b", "d", "e"]]
    assert stats.chisquare(counts, np.array([5, 15, 2]) * 1000).pvalue > 1e-3
    again = encoder.inverse_transform(np.full((22000, 1), 2.0), random_state=0)["a"]
    assert again.equals(draws)
    kept = encoder.inverse_transform(T)["a"]
    assert (kept[T[:, 0] < 2] == labels[T[:, 0] < 2]).all()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_unknown_labels(frame):
    encoder = TabularEncoder().fit(frame({"a": ["x", "y"], "b": [True, False]}))
    new = frame({"a": ["y", "z"], "b": [True, None]})
    assert np.array_equal(
        encoder.transform(new), [[1, 1], [np.nan, np.nan]], equal_nan=True
    )
    encoder.set_params(handle_unknown="error").fit(frame({"a": ["x"], "b": [True]}))
    with pytest.raises(
        ValueError, match=r"Column 'a' .* did not see: 'y', 'z'.*missing"
    ):
        encoder.transform(new)


@pytest.mark.parametrize("given", [["n"], [1], [False, True], np.array([1])])
def test_numbers_named_as_categories(given):
    frame = pd.DataFrame({"x": rng.normal(size=90), "n": rng.integers(0, 50, 90)})
    encoder = TabularEncoder(given).fit(frame)
    assert encoder.kinds_ == ("normal", "category")
    assert encoder.columns_[1].levels == tuple(sorted(frame["n"].unique()))
    T = encoder.transform(frame.astype({"n": "float64"}))
    assert encoder.inverse_transform(T).equals(frame)
    assert encoder.transform(frame.assign(n=-1))[:, 1].tolist() != [0] * 90
    assert np.isnan(encoder.transform(frame.assign(n=-1))[:, 1]).all()
