"""Number columns that stay in their own units, and come back in their own types."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklgen.compose import TabularEncoder

COUNTS = np.array([3, 1, 4, 1, 5, 9, 2, 6])
CELLS = {
    "pandas-int": pd.Series(COUNTS, dtype="int16"),
    "pandas-Int": pd.Series([3, None, 4, 1], dtype="Int64"),
    "pandas-float": pd.Series([0.5, np.nan, -2.25, 1e-300]),
    "pandas-float32": pd.Series([0.5, np.nan, -2.25], dtype="float32"),
    "pandas-objects": pd.Series([3, None, 4], dtype=object),
    "pandas-arrow": pd.Series([3, None, 4], dtype="int64[pyarrow]"),
    "polars-int": pl.Series([3, None, 4], dtype=pl.UInt8),
    "polars-float": pl.Series([0.5, None, -2.25]),
    "polars-decimal": pl.Series([Decimal("1.25"), None, Decimal("-0.50")]),
}


def frame_of(cells):
    labels = ["a", "b"] * (len(cells) // 2) + ["c"] * (len(cells) % 2)
    library = pd if isinstance(cells, pd.Series) else pl
    return library.DataFrame({"label": labels, "own": cells})


def kept(X, column="own"):
    return TabularEncoder(passthrough=[column]).fit(X)


@pytest.mark.parametrize("name", CELLS)
def test_numbers_are_typed_as_they_are_and_come_back(name):
    X = frame_of(CELLS[name])
    encoder = kept(X)
    assert encoder.kinds_ == ("category", "number")
    assert encoder.get_feature_names_out().tolist() == ["label", "own"]
    T = encoder.transform(X)
    cells = X["own"].to_list()
    expected = [np.nan if c is None or c is pd.NA else float(c) for c in cells]
    np.testing.assert_array_equal(T[:, 1], expected)
    again = encoder.inverse_transform(T)
    assert again.equals(X)
    assert again["own"].dtype == X["own"].dtype
    filled = encoder.complete(X, np.nan_to_num(T, nan=2.0))["own"].to_list()
    assert [float(c) for c in filled] == np.nan_to_num(expected, nan=2.0).tolist()


def test_arrays_keep_their_dtype():
    for dtype in ("int8", "uint64", "float32", "float64"):
        X = COUNTS[:, None].astype(dtype)
        encoder = kept(X, 0)
        T = encoder.transform(X)
        assert T.dtype == ("float32" if dtype == "float32" else "float64")
        again = encoder.inverse_transform(T)
        assert again.dtype == X.dtype
        np.testing.assert_array_equal(again, X)


def test_cells_have_neither_limits_nor_a_jacobian_nor_atoms():
    X = pd.DataFrame({"own": np.repeat([0.0, 7.0, 8.5], 40)})
    encoder = kept(X)
    np.testing.assert_array_equal(encoder.log_density_offset(X), np.zeros(len(X)))
    assert all(np.isnan(ends).all() for ends in encoder.limits(X))
    assert encoder.n_levels_.tolist() == [0]
    assert encoder.cell_variance_.tolist() == [0.0]
    assert encoder.level_shares_ == []


@pytest.mark.parametrize(
    ("values", "drawn", "expected"),
    [
        (COUNTS, [0.2, 0.7, 2.5, 2.51, -0.2], [1, 1, 2, 3, 0]),
        (np.append(COUNTS, 0), [0.2, 0.7, 1.2], [0, 1, 1]),
        (COUNTS.astype(np.int8), [300.0, -300.0], [127, -128]),
        (COUNTS.astype(np.uint64), [1e30, -3.0], [2**64 - 2048, 0]),
        (COUNTS.astype(np.float32), [1e-60, 1e60], [1e-45, 3.4028235e38]),
        (COUNTS.astype(np.float64), [1e-60, 0.2], [1e-60, 0.2]),
    ],
)
def test_draws_are_rounded_within_the_dtype_and_stay_positive(values, drawn, expected):
    """A law of positive numbers must be able to score its own draws."""
    encoder = kept(values[:, None], 0)
    got = encoder.inverse_transform(np.array(drawn)[:, None])[:, 0]
    assert got.dtype == values.dtype
    np.testing.assert_array_equal(got, np.array(expected, dtype=values.dtype))


def test_a_column_without_cells_misses_them_always():
    X = pd.DataFrame({"own": [np.nan] * 4, "x": [1.0, 2.0, 3.0, 4.0]})
    encoder = kept(X)
    assert encoder.kinds_[0] == "category"
    assert encoder.inverse_transform(encoder.transform(X))["own"].isna().all()


def test_other_dtypes_of_the_same_numbers_mean_the_same():
    encoder = kept(frame_of(CELLS["polars-decimal"]))
    cells = pl.DataFrame({"label": ["a", "b"], "own": [2.5, None]})
    np.testing.assert_array_equal(encoder.transform(cells)[:, 1], [2.5, np.nan])
    unknown = pd.DataFrame({"label": ["a"], "own": [None]})
    np.testing.assert_array_equal(encoder.transform(unknown), [[0.0, np.nan]])
    words = pd.DataFrame({"label": ["a"], "own": ["x"]})
    with pytest.raises(ValueError, match="'own' was of kind 'number' in fit"):
        encoder.transform(words)


TABLE = pd.DataFrame(
    {
        "label": ["a", "b", "a"],
        "flag": [True, False, True],
        "day": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-05"]),
        "x": [1.0, 2.0, 5.0],
    }
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["label"], "Column 'label' is of kind 'label' and cannot stay in its own"),
        (["flag"], "Column 'flag' is of kind 'label'"),
        (["day"], "Column 'day' is of kind 'datetime'"),
        (["y"], "passthrough names 'y', which is no column of X"),
        ([True, False], "passthrough is a mask of 2 columns, X has 4"),
    ],
)
def test_columns_that_cannot_stay_are_errors(given, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder(passthrough=given).fit(TABLE)


def test_a_column_cannot_be_labels_and_stay():
    with pytest.raises(ValueError, match="'x' is of kind 'label'"):
        TabularEncoder(["x"], passthrough=[3]).fit(TABLE)


def test_decimals_are_rounded_to_their_last_digit():
    encoder = kept(frame_of(CELLS["polars-decimal"]))
    T = np.column_stack([np.zeros(3), [0.001, 2.344, -1.0]])
    drawn = encoder.inverse_transform(T)["own"].to_list()
    assert drawn == [Decimal("0.01"), Decimal("2.34"), Decimal("-1.00")]
