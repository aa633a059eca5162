"""Tables of any library: what is equal in value is equal to the metrics."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklgen.metrics import marginal_distances

DAYS = [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 3), None]


def series(cells, dtype=None):
    return pd.DataFrame({"a": pd.Series(cells, dtype=dtype)})


def polars(cells, dtype=None):
    return pl.DataFrame({"a": pl.Series(cells, dtype=dtype)})


EQUAL = {
    "numbers": [
        series([1, 2, None], "Int64"),
        series([1, 2, np.nan], "float32"),
        series([1, 2, None], "int64[pyarrow]"),
        series([1, Decimal(2), None], object),
        polars([1, 2, None], pl.Int8),
        polars([1.0, 2.0, float("nan")]),
        polars([1, 2, None], pl.Decimal(10, 2)),
        np.array([[1.0], [2.0], [np.nan]]),
        [[1], [2], [None]],
        series([1, 2, None], "category"),
        series(pd.array([1, 2, np.nan], dtype="Sparse[float]")),
    ],
    "booleans": [
        series([True, False, None], "boolean"),
        series([True, False, None], object),
        polars([True, False, None]),
        series([1, 0, np.nan]),
    ],
    "labels": [
        series(["x", "y", None]),
        series(["x", "y", np.nan], object),
        series(["x", "y", None], "category"),
        series(["x", "y", None], "string[pyarrow]"),
        polars(["x", "y", None]),
        polars(["x", "y", None], pl.Categorical),
        polars(["x", "y", None], pl.Enum(["y", "x", "z"])),
        np.array([["x"], ["y"], [None]], dtype=object),
    ],
    "dates": [
        series(DAYS, "datetime64[ns]"),
        series(DAYS, "datetime64[s]"),
        series([day and day.date() for day in DAYS], object),
        polars(DAYS, pl.Datetime("ms")),
        polars([day and day.date() for day in DAYS]),
        np.array(DAYS, dtype="datetime64[D]")[:, None],
        np.array(DAYS, dtype=object)[:, None],
    ],
    "instants": [
        series(DAYS, "datetime64[ns, UTC]"),
        series(
            pd.Series(DAYS, dtype="datetime64[ns, UTC]").dt.tz_convert("Asia/Tokyo")
        ),
        polars(DAYS, pl.Datetime("us", "UTC")),
    ],
    "durations": [
        series([dt.timedelta(hours=1), dt.timedelta(2), None], "timedelta64[ns]"),
        series([dt.timedelta(hours=1), dt.timedelta(2), None], object),
        polars([dt.timedelta(hours=1), dt.timedelta(2), None]),
    ],
    "times": [
        series([dt.time(1, 2, 3), dt.time(4), None], object),
        polars([dt.time(1, 2, 3), dt.time(4), None]),
    ],
}


@pytest.mark.parametrize("tables", EQUAL.values(), ids=EQUAL)
def test_dtypes_and_libraries_are_no_differences(tables):
    for one in tables:
        for other in tables:
            assert marginal_distances(one, other).mean == 0.0


@pytest.mark.parametrize("tables", EQUAL.values(), ids=EQUAL)
def test_other_values_are_differences(tables):
    for one in tables:
        other = one[[0, 0, 1]] if isinstance(one, np.ndarray) else one
        if isinstance(one, list):
            other = [one[0], one[0], one[1]]
        elif isinstance(one, pd.DataFrame):
            other = one.iloc[[0, 0, 1]]
        elif isinstance(one, pl.DataFrame):
            other = one[[0, 0, 1]]
        assert marginal_distances(one, other).mean == pytest.approx(1 / 3)


def test_narrow_floats_and_days_round_the_other_table():
    exact = np.random.default_rng(0).normal(size=(50, 1))
    assert marginal_distances(exact, exact.astype(np.float32)).mean == 0.0
    assert marginal_distances(exact, exact.astype(np.float16)).mean == 0.0
    hours = pd.date_range("2020-01-01", periods=48, freq="h").to_frame(name="a")
    days = pd.DataFrame({"a": [moment.date() for moment in hours["a"]]})
    assert marginal_distances(hours, days).mean == 0.0


def test_a_column_of_missing_cells_has_any_kind():
    nothing = series([None, None])
    for other in (series(["x", None]), series([1.0, None]), series(DAYS[1:])):
        assert marginal_distances(other, nothing).mean == 0.5
        assert marginal_distances(nothing, other).mean == 0.5
    assert marginal_distances(nothing, nothing).mean == 0.0


def test_columns_are_matched_by_name():
    real = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert marginal_distances(real, real[["b", "a"]]).columns == {"a": 0.0, "b": 0.0}
    other = pl.DataFrame({"b": ["x", "y"], "a": [1, 2]})
    assert marginal_distances(real, other).mean == 0.0


@pytest.mark.parametrize(
    ("synthetic", "message"),
    [
        (pd.DataFrame({"a": [1], "c": [1]}), r"lacks the columns \['b'\].*\['c'\]"),
        (pd.DataFrame({"a": [1]}), r"lacks the columns \['b'\]"),
        (np.ones((2, 3)), "2 columns and X_synthetic has 3"),
        (pd.DataFrame({"a": ["1"], "b": [1]}), "'a' holds numbers in X_real, text in"),
        (pd.DataFrame({"a": [np.inf], "b": [1]}), "'a' of X_synthetic has infinite"),
        (pd.DataFrame({"a": [], "b": []}), "X_synthetic has 0 rows"),
        (np.ones(3), "X_synthetic must be a table"),
        (pd.Series([1.0]), "X_synthetic must be a table"),
        (pl.LazyFrame({"a": [1], "b": [1]}), "collect"),
        (np.ones((2, 2), dtype=complex), "array of complex128"),
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            "X_synthetic takes columns with names",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(synthetic, message):
    real = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    with pytest.raises(ValueError, match=message):
        marginal_distances(real, synthetic)


def test_instants_are_no_dates():
    with pytest.raises(
        ValueError, match="'a' holds dates in X_real, dates with a time"
    ):
        marginal_distances(series(DAYS), series(DAYS, "datetime64[ns, UTC]"))
