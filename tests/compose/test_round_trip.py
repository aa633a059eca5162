"""What went in comes out: every dtype, bit for bit, and completed in place."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklgen.compose import TabularEncoder

N = 60
rng = np.random.default_rng(0)
BITS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
x = rng.normal(size=N)
labels = rng.choice(["b", "a", "c"], N)
days = pd.Series(pd.Timestamp("2020") + pd.to_timedelta(rng.integers(0, 500, N), "D"))
instants = pd.Series(
    pd.Timestamp("2020") + pd.to_timedelta(rng.integers(0, 10**17, N), "ns")
)


def holed(series):
    return series.mask(np.arange(N) % 7 == 3)


def wide_integers(name):
    info = np.iinfo(name)
    values = rng.integers(info.min, info.max, N, dtype=name, endpoint=True)
    values[:2] = info.min, info.max
    return values


def pandas_columns():
    for name in BITS:
        values = wide_integers(name)
        yield name, pd.Series(values)
        for dtype in (name.replace("u", "U").replace("int", "Int"), f"{name}[pyarrow]"):
            yield dtype, holed(pd.Series(values, dtype=dtype))
    yield "identifiers", pd.Series(2**62 + np.arange(N))
    for dtype in ("float32", "float64", "Float32", "Float64", "double[pyarrow]"):
        columns = {
            "normal": x,
            "lognormal": np.exp(5 * x),
            "tenths": x.round(1),
            "whole": np.rint(100 * x),
            "zeros": np.where(x < 0, 0, x),
            "near": 1e6 + 1e-3 * x,
        }
        for name, values in columns.items():
            yield f"{dtype}-{name}", pd.Series(values, dtype=dtype)
        yield f"{dtype}-holes", holed(pd.Series(x, dtype=dtype))
        yield f"{dtype}-missing", pd.Series([None] * N, dtype=dtype)
        yield f"{dtype}-constant", pd.Series([0.1] * N, dtype=dtype)
    yield "bool", pd.Series(x > 0)
    yield "boolean", holed(pd.Series(x > 0, dtype="boolean"))
    yield "bool[pyarrow]", holed(pd.Series(x > 0, dtype="bool[pyarrow]"))
    for dtype in ("object", "str", "string", "string[pyarrow]", "category"):
        yield dtype, pd.Series(labels, dtype=dtype)
        yield f"{dtype}-holes", holed(pd.Series(labels, dtype=dtype))
        yield f"{dtype}-missing", pd.Series([None] * N, dtype=dtype)
    ordered = pd.Categorical(labels, categories=["z", "c", "b", "a"], ordered=True)
    yield "ordered", pd.Series(ordered)
    yield "ordered-holes", holed(pd.Series(ordered))
    numbers = pd.Categorical(rng.integers(0, 5, N), categories=[9, 4, 3, 2, 1, 0])
    yield "category of integers", pd.Series(numbers)
    for name, cells in {
        "mixed": [1, True, "1", 2.5, None, Decimal("1.1")] * 10,
        "beyond 64 bits": [2**70, None, 1] * 20,
        "integers": [None, *range(2**60, 2**60 + N - 1)],
        "floats": [None, *x[1:]],
        "booleans": [True, None, False] * 20,
        "NaN": [np.nan, "a", "b"] * 20,
        "NA": [pd.NA, 1, 2] * 20,
    }.items():
        yield f"object-{name}", pd.Series(cells, dtype=object)
    yield "periods", pd.Series(pd.period_range("2020", periods=N, freq="M"))
    for unit in ("s", "ms", "us", "ns"):
        for name, moments in {"days": days, "instants": instants}.items():
            naive = moments.dt.as_unit(unit)
            yield f"{name}-{unit}", naive
            zoned = naive.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
            yield f"{name}-{unit}-zone", holed(zoned)
            since = (naive - pd.Timestamp("2021")).dt.as_unit(unit)
            yield f"{name}-{unit}-delta", since
            yield f"{name}-{unit}-delta-holes", holed(since)
        yield f"arrow-{unit}", holed(naive.astype(f"timestamp[{unit}][pyarrow]"))
    yield "NaT", pd.Series([pd.NaT] * N)
    yield "instant", pd.Series([pd.Timestamp("2020")] * N)
    dates = [moment.date() for moment in days]
    yield "arrow-date", pd.Series(dates, dtype=pd.ArrowDtype(pa.date32()))
    cents = [Decimal(int(k)).scaleb(-2) for k in rng.integers(-999, 999, N)]
    yield "arrow-decimal", pd.Series(cents, dtype=pd.ArrowDtype(pa.decimal128(8, 2)))


def polars_columns():
    for name in BITS:
        dtype = getattr(pl, name.replace("u", "U").replace("int", "Int"))
        yield dtype, [None, *wide_integers(name).tolist()]
    yield pl.Float32, [None, *x]
    yield pl.Float64, [None, *x]
    yield pl.Boolean, [None, True, False]
    yield pl.String, [None, *labels]
    yield pl.Categorical, [None, *labels]
    yield pl.Enum(["z", "c", "a", "b"]), [None, *labels]
    yield pl.Binary, [None, b"a", b"b"]
    yield pl.Null, [None, None]
    yield pl.Time, [None, dt.time(1), dt.time(2)]
    yield pl.Date, [None, *(moment.date() for moment in days)]
    cents = [Decimal(int(k)).scaleb(-2) for k in rng.integers(-999, 999, N)]
    yield pl.Decimal(8, 2), [None, *cents]
    moments = [None, *instants.dt.floor("us").dt.to_pydatetime()]
    deltas = [None, *(moment - moments[1] for moment in moments[1:])]
    for unit in ("ms", "us", "ns"):
        yield pl.Datetime(unit), moments
        yield pl.Datetime(unit, "Europe/Berlin"), moments
        yield pl.Duration(unit), deltas


FRAMES = {
    **{f"pandas-{k}": pd.DataFrame({"a": s}) for k, s in pandas_columns()},
    **{
        f"polars-{dtype}": pl.DataFrame({"a": pl.Series(cells, dtype=dtype)})
        for dtype, cells in polars_columns()
    },
}
FRAMES |= {
    f"pyarrow-{name.removeprefix('polars-')}": frame.to_arrow()
    for name, frame in FRAMES.items()
    if name.startswith("polars")
}
by_frame = pytest.mark.parametrize("X", FRAMES.values(), ids=FRAMES)


def same_dtypes(frame, other):
    if isinstance(frame, pa.Table):
        return frame.schema == other.schema
    return list(frame.dtypes) == list(other.dtypes)


def filled(encoder, T):
    """Typed rows with something in every missing cell."""
    fill = np.where(np.array(encoder.kinds_) == "category", 0, 0.3)
    return np.where(np.isnan(T), fill, T)


@pytest.fixture(autouse=True)
def fresh_rng():
    """Each test draws alike, whichever tests ran before it."""
    global rng
    rng = np.random.default_rng(0)


@by_frame
def test_tables_come_back_as_they_were(X):
    encoder = TabularEncoder()
    T = encoder.fit_transform(X)
    back = encoder.inverse_transform(T)
    assert back.equals(X)
    assert same_dtypes(back, X)


@by_frame
def test_only_missing_cells_are_completed(X):
    encoder = TabularEncoder()
    T = encoder.fit_transform(X)
    done = encoder.complete(X, filled(encoder, T))
    again = encoder.transform(done)
    seen = ~np.isnan(T)
    assert np.array_equal(again[seen], T[seen])
    if encoder.columns_[0].levels or encoder.columns_[0].map:
        assert not np.isnan(again[:, 0]).any() or encoder.kinds_[0] == "normal"
        assert same_dtypes(done, X)
    assert encoder.complete(X, T).equals(X)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data())
def test_floats_and_integers_of_any_size(data):
    dtype = data.draw(st.sampled_from(["float64", "float32", "int64", "uint64"]))
    if dtype.startswith("float"):
        width = int(dtype[-2:])
        cells = st.floats(allow_nan=True, allow_infinity=False, width=width)
        if width == 64:
            # Narrower than the whole range of floats, whose differences are none.
            cells = st.floats(-1e300, 1e300) | st.just(np.nan)
    else:
        cells = st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = data.draw(st.lists(cells, min_size=1, max_size=60))
    X = pd.DataFrame({"a": np.array(values, dtype=dtype)})
    encoder = TabularEncoder(n_quantiles=data.draw(st.sampled_from([2, 10])))
    T = encoder.fit_transform(X)
    z = T[:, -1][~np.isnan(T[:, -1])]
    back = encoder.inverse_transform(T)
    assert np.isfinite(z).all()
    if len(np.unique(z)) == X["a"].nunique():  # values that z can tell apart
        assert back.equals(X)
    scale = np.abs(X["a"].astype(float)).max()
    error = np.abs(back["a"].astype(float) - X["a"].astype(float))
    assert not (error > 1e-9 * scale).any()


@pytest.mark.parametrize(
    "X",
    [
        rng.normal(size=(50, 2)),
        rng.normal(size=(50, 1)).round(1),
        np.where(rng.random((50, 2)) < 0.2, np.nan, rng.normal(size=(50, 2))),
        rng.normal(size=(50, 1)).astype(np.float16),
        rng.integers(0, 10**6, size=(50, 3)),
        rng.integers(0, 200, size=(50, 3), dtype=np.uint8),
        rng.random((50, 2)) < 0.5,
        np.array([["a", "b"], ["c", "b"]]),
        np.datetime64("2020-01-01") + rng.integers(0, 100, size=(50, 2)),
        np.array([[1, "x", None], [2.5, None, True], [3, "y", False]], dtype=object),
        np.full((5, 2), np.nan),
    ],
    ids=lambda X: f"{X.dtype}",
)
def test_arrays_come_back_in_their_dtype(X):
    encoder = TabularEncoder()
    back = encoder.inverse_transform(encoder.fit_transform(X))
    assert back.dtype == X.dtype
    if X.dtype.kind == "f":
        assert np.array_equal(back, X, equal_nan=True)
    else:
        assert back.tolist() == X.tolist()


def test_float32_arrays_stay_in_float32():
    X = rng.normal(size=(200, 2)).astype(np.float32)
    encoder = TabularEncoder().fit(X)
    T = encoder.transform(X)
    back = encoder.inverse_transform(T)
    assert T.dtype == back.dtype == np.float32
    assert np.abs(back - X).max() < 1e-6


def test_true_is_not_one():
    X = np.array([[1], [True], [0], [False], ["x"], [None]] * 2, dtype=object)
    encoder = TabularEncoder()
    T = encoder.fit_transform(X)
    assert encoder.n_levels_.tolist() == [5]
    assert repr(encoder.inverse_transform(T).tolist()) == repr(X.tolist())


def test_lists_of_mixed_cells_keep_their_types():
    X = [["a", 1.5, None], ["b", 2, True]]
    encoder = TabularEncoder()
    back = encoder.inverse_transform(encoder.fit_transform(X))
    assert back.tolist() == X
    done = encoder.complete(X, filled(encoder, encoder.transform(X)))
    assert done.tolist() == [["a", 1.5, True], ["b", 2, True]]


def test_columns_of_any_name_and_no_index():
    X = pd.DataFrame({3: x, 1: labels}, index=np.arange(N)[::-1])
    X.columns.name = "measured"
    encoder = TabularEncoder()
    back = encoder.inverse_transform(encoder.fit_transform(X))
    pd.testing.assert_frame_equal(back, X.reset_index(drop=True))


def test_completed_rows_keep_container_index_and_dtypes_of_x():
    fitted = pd.DataFrame({"n": rng.integers(0, 999, N), "b": x > 0, "c": labels})
    encoder = TabularEncoder().fit(fitted)
    X = fitted.astype({"n": "float64", "b": object, "c": "category"})
    X.index = np.arange(N) + 5
    X.loc[8, :] = np.nan
    before = X.copy()
    T = encoder.transform(X)
    assert np.isnan(T[3]).all()
    done = encoder.complete(X, np.where(np.isnan(T), [0.0, 1, 2], T))
    pd.testing.assert_frame_equal(X, before)
    assert done.dtypes.equals(X.dtypes)
    assert done.drop(8).equals(X.drop(8))
    assert done.loc[8, "n"] == np.rint(done.loc[8, "n"])
    assert done.loc[8, ["b", "c"]].tolist() == [True, "c"]


def test_missing_cells_that_fit_did_not_see():
    X = pd.DataFrame({"n": rng.integers(0, 999, N), "b": x > 0, "c": labels})
    for frame in (X, pl.from_pandas(X)):
        encoder = TabularEncoder().fit(frame)
        T = encoder.transform(frame)
        T[0] = np.nan
        back = encoder.inverse_transform(T)
        rows = back.to_dicts() if frame is not X else back.to_dict("records")
        assert all(pd.isna(cell) for cell in rows[0].values())
        assert [row["b"] for row in rows[1:]] == X["b"][1:].tolist()
        assert [row["n"] for row in rows[1:]] == X["n"][1:].tolist()


SHARED = {
    "text": ["u", "v"] * (N // 2),
    "flag": [True, False, False] * (N // 3),
    "when": instants.dt.floor("us").tolist(),
    "lasted": [dt.timedelta(seconds=int(s)) for s in rng.integers(0, 9999, N)],
}
LIBRARIES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "array": lambda columns: np.array(list(columns.values()), dtype=object).T,
}


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("seen", LIBRARIES)
@pytest.mark.parametrize("given_later", ["pandas", "polars"])
def test_frames_of_another_library_are_completed(seen, given_later):
    """Their cells come from columns that fit saw in a library of its own."""
    names = ["text", "flag"] if seen == "array" else list(SHARED)
    encoder = TabularEncoder().fit(LIBRARIES[seen]({n: SHARED[n] for n in names}))
    make = LIBRARIES[given_later]
    T = encoder.transform(make({name: SHARED[name] for name in names}))
    T[3] = np.nan
    blank = {name: [None, None, None, None, *SHARED[name][4:]] for name in names}
    completed = encoder.complete(make(blank), T)
    for name in names:
        cells = completed[name].to_list()
        assert pd.isna(cells[3])
        assert cells[:3] + cells[4:] == SHARED[name][:3] + SHARED[name][4:]
