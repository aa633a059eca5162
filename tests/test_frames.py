"""DataFrames in and out: exact dtypes, no wrapped integers, observed cells kept."""

import copy
import pickle
import subprocess
import sys
import weakref
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklgen._frames import Schema, check_numeric

BIG = 2**62 + 1  # no float64 holds it
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


def pandas_column(dtype):
    return lambda cells: pd.DataFrame({"a": pd.Series(cells, dtype=dtype)})


def polars_column(dtype):
    return lambda cells: pl.DataFrame({"a": pl.Series(cells, dtype=dtype)})


def capital(name):
    return name.replace("u", "U").replace("int", "Int")


# One column of integers, as a function of its cells, and the limits of its dtype.
WHOLE = {
    f"{library}-{spelling}": (make(spelling), np.iinfo(name))
    for name in INTEGERS
    for library, make, spelling in [
        ("pandas", pandas_column, name),
        ("pandas", pandas_column, capital(name)),
        ("pandas", pandas_column, f"{name}[pyarrow]"),
        ("polars", lambda s: polars_column(getattr(pl, s)), capital(name)),
    ]
}
BOOLEAN = {
    "pandas-bool": pandas_column("bool"),
    "pandas-boolean": pandas_column("boolean"),
    "pandas-pyarrow": pandas_column("bool[pyarrow]"),
    "polars-Boolean": polars_column(pl.Boolean),
}
DECIMAL = {
    "pandas-pyarrow": pandas_column(pd.ArrowDtype(pa.decimal128(6, 2))),
    "polars-Decimal": polars_column(pl.Decimal(6, 2)),
}
FLOAT = {
    "pandas-float32": pandas_column("float32"),
    "pandas-float64": pandas_column("float64"),
    "pandas-Float32": pandas_column("Float32"),
    "pandas-double[pyarrow]": pandas_column("double[pyarrow]"),
    "polars-Float32": polars_column(pl.Float32),
    "polars-Float64": polars_column(pl.Float64),
}
# Dtypes that can hold a missing cell.
NULLABLE = {
    name: (make, limits)
    for name, (make, limits) in WHOLE.items()
    if name not in {f"pandas-{integer}" for integer in INTEGERS}
}


def by_id(table):
    return pytest.mark.parametrize("case", table.values(), ids=table)


def column(*cells):
    return np.array(cells, dtype=np.float64)[:, None]


def same_kind(frame, other):
    """Whether two frames have the same library, columns and dtypes."""
    return (
        type(frame) is type(other)
        and list(frame.columns) == list(other.columns)
        and list(frame.dtypes) == list(other.dtypes)
    )


@by_id(WHOLE)
def test_restore_rounds_and_clips_integers(case):
    make, limits = case
    frame = make([1, 2])
    restored = Schema.of(frame, np.float64).restore(column(2.6, -1e30, 1e30, 2.0**63))
    assert same_kind(restored, frame)
    above = min(limits.max, 2**63)
    assert restored["a"].to_list() == [3, limits.min, limits.max, above]


@by_id(BOOLEAN)
def test_restore_rounds_booleans(case):
    frame = case([True, False])
    restored = Schema.of(frame, np.float64).restore(column(-3, 0.49, 0.5, 7))
    assert same_kind(restored, frame)
    assert restored["a"].to_list() == [False, False, True, True]


@by_id(DECIMAL)
def test_restore_rounds_and_clips_decimals(case):
    frame = case([Decimal("1.25")])
    restored = Schema.of(frame, np.float64).restore(column(1.239, -1e9))
    assert same_kind(restored, frame)
    assert restored["a"].to_list() == [Decimal("1.24"), Decimal("-9999.99")]


@by_id(FLOAT)
def test_restore_keeps_floats(case):
    frame = case([1.0])
    restored = Schema.of(frame, np.float64).restore(column(1.25, -3))
    assert same_kind(restored, frame)
    assert restored["a"].to_list() == [1.25, -3.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("X", [np.ones((2, 1), dtype=int), [[1], [2]], [[True]]])
def test_restore_of_arrays_and_lists_is_a_float_array(X, dtype):
    restored = Schema.of(X, dtype).restore(column(1.25))
    assert isinstance(restored, np.ndarray)
    assert restored.dtype == dtype
    assert restored.tolist() == [[1.25]]


def test_restore_keeps_columns_of_any_name_in_order():
    frame = pd.DataFrame({"b": [1, 2], 0: [0.5, 1.0], ("x", 1): [True, False]})
    frame.columns.name = "measured"
    restored = Schema.of(frame, np.float64).restore(np.array([[1.4, 2.5, 0.9]]))
    assert same_kind(restored, frame)
    assert restored.columns.name == "measured"
    assert restored.index.equals(pd.RangeIndex(1))
    assert restored.iloc[0].tolist() == [1, 2.5, True]


def test_restore_of_arrow_tables():
    table = pa.table({"a": pa.array([1, None], pa.int8()), "b": [0.5, 1.0]})
    restored = Schema.of(table, np.float64).restore(np.array([[200.0, 0.5]]))
    assert restored.schema == table.schema
    assert restored.to_pylist() == [{"a": 127, "b": 0.5}]


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.floats(-(2.0**70), 2.0**70), min_size=1))
def test_integers_never_wrap(cells):
    for dtype in INTEGERS:
        frame = pd.DataFrame({"a": np.array([0], dtype=dtype)})
        got = Schema.of(frame, np.float64).restore(column(*cells))["a"].to_list()
        limits = np.iinfo(dtype)
        expected = [min(max(round(cell), limits.min), limits.max) for cell in cells]
        assert got == expected


@by_id(NULLABLE)
def test_complete_keeps_integers_and_fills_rounded(case):
    make, limits = case
    large = min(BIG, limits.max)
    frame = make([large, None, 1, None])
    before = copy.deepcopy(frame)
    rows = column(float(large), np.nan, 1, np.nan)
    done = Schema.of(frame, np.float64).complete(frame, rows, column(0, 2.6, 0, 1e30))
    assert same_kind(done, frame)
    assert done["a"].to_list() == [large, 3, 1, limits.max]
    assert frame.equals(before)


@by_id({k: v for k, v in BOOLEAN.items() if k != "pandas-bool"})
def test_complete_booleans(case):
    frame = case([True, None, False, None])
    rows = column(1, np.nan, 0, np.nan)
    done = Schema.of(frame, np.float64).complete(frame, rows, column(0, 0.7, 1, 0.2))
    assert same_kind(done, frame)
    assert done["a"].to_list() == [True, True, False, False]


@by_id(FLOAT)
def test_complete_floats(case):
    frame = case([0.1, None, -0.0])
    cells = frame["a"].to_list()
    rows = column(0.1, np.nan, 0)
    done = Schema.of(frame, np.float64).complete(frame, rows, column(5, 0.25, 5))
    assert same_kind(done, frame)
    assert done["a"].to_list() == [cells[0], 0.25, 0.0]
    assert np.signbit(done["a"].to_list()[2])


def test_complete_fills_nan_and_null_of_polars():
    frame = pl.DataFrame({"a": [1.5, float("nan"), None]})
    rows = column(1.5, np.nan, np.nan)
    done = Schema.of(frame, np.float64).complete(frame, rows, column(0, 2.5, 3.5))
    assert done["a"].to_list() == [1.5, 2.5, 3.5]


def test_complete_rounds_what_was_integer_in_fit_though_nan_made_it_float():
    schema = Schema.of(pd.DataFrame({"n": [1, 2], "x": [0.5, 1.5]}), np.float64)
    rows = np.array([[np.nan, np.nan], [7, 0.25]])
    filled = np.array([[2.6, 2.6], [7, 0.25]])
    for X in (pd.DataFrame(rows, columns=["n", "x"]), rows):
        done = schema.complete(X, rows, filled)
        assert np.asarray(done).tolist() == [[3.0, 2.6], [7.0, 0.25]]
        assert type(done) is type(X)
        assert np.isnan(np.asarray(X)[0]).all()


def test_complete_keeps_index_and_names_of_pandas():
    frame = pd.DataFrame({"b": [1.0, None, 3.0], 0: [1, 2, 3]}, index=[5, 5, 1])
    frame.columns.name = "measured"
    done = Schema.of(frame, np.float64).complete(
        frame, frame.to_numpy(), np.full((3, 2), 9.0)
    )
    expected = pd.DataFrame({"b": [1.0, 9.0, 3.0], 0: [1, 2, 3]}, index=[5, 5, 1])
    pd.testing.assert_frame_equal(done, expected, check_names=False)
    assert done.columns.name == "measured"


def test_complete_takes_another_library_than_fit():
    schema = Schema.of(pd.DataFrame({"a": [1, 2]}), np.float64)
    frame = pl.DataFrame({"a": [1.5, None]})
    done = schema.complete(frame, column(1.5, np.nan), column(1.5, 2.7))
    assert done.equals(pl.DataFrame({"a": [1.5, 3.0]}))


@pytest.mark.parametrize("library", [pd, pl])
def test_complete_column_of_nothing_but_none(library):
    """One of no dtype of its own takes that of `fit`, or floats."""
    fitted = library.DataFrame({"a": [1, 2], "b": [0.5, 1.0]})
    frame = library.DataFrame({"a": [None, None], "b": [0.5, 1.0]})
    check_numeric(frame, "Model")
    rows = np.array([[np.nan, 0.5], [np.nan, 1.0]])
    filled = np.array([[2.6, 0.5], [0.2, 1.0]])
    done = Schema.of(fitted, np.float64).complete(frame, rows, filled)
    assert same_kind(done, fitted)
    assert done["a"].to_list() == [3, 0]
    done = Schema.of(rows, np.float64).complete(frame, rows, filled)
    assert done["a"].to_list() == [2.6, 0.2]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_complete_arrays_in_their_own_dtype(dtype):
    X = np.array([[0.1, np.nan]], dtype=dtype, order="F")
    before = X.copy()
    rows = X.astype(np.float64)
    done = Schema.of(X, np.float64).complete(X, rows, np.array([[9, 2.5]]))
    assert done.dtype == X.dtype
    assert done[0, 0] == X[0, 0]
    assert done[0, 1] == 2.5
    assert np.array_equal(X, before, equal_nan=True)


def test_complete_arrays_with_nothing_missing_are_copied():
    X = np.array([[BIG, 1]])
    done = Schema.of(X, np.float64).complete(X, X.astype(float), np.zeros((1, 2)))
    assert done.tolist() == [[BIG, 1]]
    assert not np.shares_memory(done, X)


def test_complete_object_arrays_and_lists():
    cells = [[BIG, None], [1.5, 2]]
    rows = np.array([[float(BIG), np.nan], [1.5, 2.0]])
    filled = np.array([[0, 2.5], [0, 0]])
    schema = Schema.of(rows, np.float64)
    done = schema.complete(np.array(cells, dtype=object), rows, filled)
    assert done.tolist() == [[BIG, 2.5], [1.5, 2]]
    done = schema.complete(cells, rows, filled)
    assert done.dtype == np.float64
    assert done.tolist() == [[float(BIG), 2.5], [1.5, 2.0]]
    assert cells == [[BIG, None], [1.5, 2]]


def objects(*cells):
    return pd.Series(cells, dtype=object)


# What a model of numbers can't take, and what to do with it.
STRANGE = {
    "pandas-str": (pd.Series(["red"]), "OneHotEncoder"),
    "pandas-object": (objects({}), r"convert_dtypes\(\) or pd\.to_numeric"),
    "pandas-object-NA": (objects(1, pd.NA), "convert_dtypes"),
    "pandas-object-text": (objects(1, "2"), "convert_dtypes"),
    "pandas-category": (pd.Categorical([1]), "OrdinalEncoder"),
    "pandas-datetime": (pd.to_datetime(["2020"]), "days since a date"),
    "pandas-timedelta": (pd.to_timedelta([1], unit="s"), "days since a date"),
    "pandas-sparse": (pd.arrays.SparseArray([1.0]), r"\.sparse\.to_dense\(\)"),
    "polars-String": (pl.Series(["red"]), "OneHotEncoder"),
    "polars-Date": (pl.Series([date(2020, 1, 1)]), "days since a date"),
    "pyarrow-string": (pa.array(["red"]), "OneHotEncoder"),
}


@by_id(STRANGE)
def test_columns_that_are_not_numeric_are_named_with_what_to_do(case):
    cells, advice = case
    make = {pl.Series: pl.DataFrame, pa.StringArray: pa.table}.get(
        type(cells), pd.DataFrame
    )
    frame = make({"a": [1] * len(cells), "colour": cells})
    message = rf"^MyModel takes .* got 'colour' \([^)]*\)?\): .*{advice}"
    with pytest.raises(ValueError, match=message) as error:
        check_numeric(frame, "MyModel")
    assert "'a'" not in str(error.value)


def test_columns_of_one_kind_share_their_advice():
    frame = pd.DataFrame({"a": ["x"], "b": pd.to_datetime(["2020"]), "c": ["y"]})
    with pytest.raises(ValueError, match=r"got 'a' .*, 'c' .*; 'b' ") as error:
        check_numeric(frame, "MyModel")
    assert str(error.value).count("OneHotEncoder") == 1


def test_objects_that_are_numbers_pass_and_keep_their_cells():
    frame = pd.DataFrame({"a": objects(BIG, None, np.bool_(1), Decimal("1.5"), 0)})
    check_numeric(frame, "MyModel")
    rows = column(float(BIG), np.nan, 1, 1.5, 0)
    schema = Schema.of(frame, np.float64)
    assert schema.restore(rows)["a"].dtype == np.float64
    done = schema.complete(frame, rows, column(0, 2.5, 0, 0, 0))
    assert same_kind(done, frame)
    assert done["a"].to_list() == [BIG, 2.5, np.bool_(1), Decimal("1.5"), 0]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.LazyFrame({"a": [1.0]}), r"lazy LazyFrame: call \.collect\(\)"),
        (pd.DataFrame(index=range(3)), "X has no columns"),
        (pl.DataFrame(), "X has no columns"),
        (
            pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]),
            "MyModel .* rename them.* 'a' 2 times",
        ),
    ],
)
def test_frames_that_are_no_table_of_rows_are_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        check_numeric(frame, "MyModel")


@pytest.mark.parametrize(
    "X", [None, "text", [["x"]], np.array([["x"]], object), pd.Series([1]), 3.0]
)
def test_what_is_no_frame_is_left_to_scikit_learn(X):
    check_numeric(X, "MyModel")


@pytest.mark.parametrize("library", [pd, pl])
def test_schema_survives_pickling_and_keeps_no_rows(library):
    frame = library.DataFrame({"a": np.arange(10**5), "b": np.ones(10**5)})
    schema = Schema.of(frame, np.float64)
    assert len(pickle.dumps(schema)) < 5000
    for twin in (pickle.loads(pickle.dumps(schema)), copy.deepcopy(schema)):
        assert same_kind(twin.restore(np.ones((3, 2))), frame)


def test_schema_does_not_keep_the_training_rows_alive():
    cells = np.arange(4.0)[:, None].copy()
    frame = pd.DataFrame(cells, columns=["a"], copy=False)
    assert np.shares_memory(cells, frame["a"].to_numpy())
    alive = weakref.ref(cells)
    schema = Schema.of(frame, np.float64)
    del frame, cells
    assert alive() is None
    assert schema.template.shape == (0, 1)


def test_importing_loads_no_dataframe_library():
    code = "import sys, sklgen._frames; print({'pandas', 'polars'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "set()"


@pytest.mark.parametrize("kind", ["M8[D]", "m8[s]", "U3", "S3"])
def test_arrays_of_dates_and_strings_are_refused(kind):
    with pytest.raises(ValueError, match="takes numbers, got an array of"):
        check_numeric(np.zeros((3, 2), dtype=kind), "Model")
