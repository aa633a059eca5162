"""Grids: found where values lie on one, and only there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklgen.compose._resolution import Decimals, Floats, Integers, learn_scale

rng = np.random.default_rng(0)
STEPS = {
    "integers": (np.arange(5, 40), "int64", 1),
    "hundreds": (np.arange(-20, 20) * 100, "int16", 100),
    "hundreds and one": (np.append(np.arange(20) * 100, 1950), "int64", 10),
    "whole floats": (np.arange(20.0), "float64", 1.0),
    "thousands in floats": (np.arange(20.0) * 1000, "float64", 1000.0),
    "tenths": (np.arange(-20, 20) / 10, "float64", 0.1),
    "cents": (np.arange(-20, 2000, 7) / 100, "float64", 0.01),
    "quarters": (np.arange(50) / 4, "float64", 0.01),
    "tenths in float32": (np.float32(np.arange(30) / 10), "float32", 0.1),
    "far tenths": (1e6 + np.arange(30) / 10, "float64", 0.1),
}
NO_GRID = {
    "floats": (rng.normal(size=50), "float64"),
    "float32": (rng.normal(size=50).astype(np.float32), "float32"),
    "float32 of large numbers": (np.float32(3e7 + 4 * np.arange(50)), "float32"),
    "float16": (rng.uniform(size=50).astype(np.float16), "float16"),
    "sums of tenths": (np.cumsum(np.full(50, 0.1)), "float64"),
    "large floats": (1e300 * np.arange(1.0, 30), "float64"),
    "small floats": (1e-300 * np.arange(1.0, 30), "float64"),
    "many cells": (np.append(np.arange(30) / 10, 1e12), "float64"),
}


def sorted_values(values, dtype):
    wide = {"f": np.float64, "i": np.int64, "u": np.uint64}[np.dtype(dtype).kind]
    return np.unique(np.asarray(values).astype(wide))


@pytest.fixture(autouse=True)
def fresh_rng():
    """Each test draws alike, whichever tests ran before it."""
    global rng
    rng = np.random.default_rng(0)


@pytest.mark.parametrize(("values", "dtype", "step"), STEPS.values(), ids=STEPS)
def test_grids_are_found(values, dtype, step):
    values = sorted_values(values, dtype)
    scale = learn_scale(values, np.dtype(dtype), None)
    assert scale.coarse
    assert scale.step == step
    x = scale.coordinates(values)
    assert np.array_equal(x, np.rint(x))
    assert np.array_equal(scale.values(x + 0.49).astype(dtype), values.astype(dtype))


@pytest.mark.parametrize(("values", "dtype"), NO_GRID.values(), ids=NO_GRID)
def test_no_grid_is_seen_where_there_is_none(values, dtype):
    values = sorted_values(values, dtype)
    assert isinstance(learn_scale(values, np.dtype(dtype), None), Floats)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("seconds", [86400, 3600, 60, 1])
def test_units_of_time(unit, seconds):
    ticks = seconds * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    values = 12345 + ticks * np.arange(20)
    scale = learn_scale(values, np.dtype("int64"), unit)
    assert scale.step == ticks
    assert np.array_equal(scale.values(scale.coordinates(values)), values)


def test_days_and_ticks_without_unit_are_their_own_step():
    for unit in ("d", "other"):
        scale = learn_scale(np.arange(20) * 7, np.dtype("int64"), unit)
        assert scale.step == 1


def test_instants_finer_than_floats_have_no_coarse_grid():
    scale = learn_scale(np.arange(20) * 10**17 + 1, np.dtype("int64"), "ns")
    assert not scale.coarse


@settings(deadline=None, max_examples=50, derandomize=True)
@given(
    st.sampled_from(["int8", "uint8", "int64", "uint64"]),
    st.lists(st.floats(-(2.0**70), 2.0**70), min_size=1),
    st.randoms(use_true_random=False),
)
def test_integers_stay_in_their_dtype(dtype, coordinates, random):
    info = np.iinfo(dtype)
    wide = np.uint64 if dtype == "uint64" else np.int64
    origin = random.randint(info.min, info.max)
    scale = Integers(origin, 3, info.min, info.max, wide)
    got = scale.values(np.array(coordinates)).tolist()
    for value, coordinate in zip(got, coordinates, strict=True):
        assert info.min <= value <= info.max
        assert (value - origin) % 3 == 0
        wanted = origin + 3 * round(coordinate)
        clipped = min(max(wanted, info.min), info.max)
        assert abs(value - clipped) <= max(2, 2**-50 * abs(clipped - origin), 1024 * 3)


def test_differences_of_large_integers_are_exact():
    values = 2**62 + np.arange(20)
    scale = learn_scale(values, np.dtype("int64"), None)
    assert np.diff(scale.coordinates(values)).tolist() == [1.0] * 19
    assert np.array_equal(scale.values(scale.coordinates(values)), values)
    far = Integers(-(2**63), 1, -(2**63), 2**63 - 1, np.int64)
    assert far.coordinates(np.array([2**63 - 1])).tolist() == [2.0**64]


@pytest.mark.parametrize("digits", range(-3, 8))
def test_decimals_are_the_floats_they_are_printed_as(digits):
    scale = Decimals(digits, np.dtype("float64"))
    whole = np.arange(-1000, 1000)
    printed = [float(f"{k}e{-digits}") for k in whole]
    assert scale.values(whole.astype(float)).tolist() == printed
    assert scale.coordinates(np.array(printed)).tolist() == whole.tolist()
    assert not np.signbit(scale.values(np.array([-0.0, -0.3]))).any()
