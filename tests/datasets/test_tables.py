import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sklgen import datasets

LOADERS = [getattr(datasets, name) for name in datasets.__all__]


@pytest.mark.parametrize(
    ("loader", "shape", "sums"),
    [
        (datasets.load_acidity, (155, 1), [791.289947]),
        (datasets.load_diabetes_classes, (145, 3), [17688, 78414, 26987]),
        (datasets.load_earthquakes, (107, 2), [208971, 2072]),
        (datasets.load_galaxies, (82, 1), [1707910]),
        (datasets.load_old_faithful, (272, 2), [948.677, 19284]),
        (datasets.load_penguins, (344, 4), [15021.3, 5865.7, 68713, 1437000]),
    ],
)
def test_numbers(loader, shape, sums):
    data = loader().data
    assert data.shape == shape
    assert data.dtype == np.float64
    assert data.flags.c_contiguous
    np.testing.assert_allclose(np.nansum(data, axis=0), sums, rtol=1e-9)


@pytest.mark.parametrize(
    ("loader", "counts"),
    [
        (
            datasets.load_diabetes_classes,
            {"Chemical": 36, "Normal": 76, "Overt": 33},
        ),
        (datasets.load_old_faithful, {"long": 172, "short": 100}),
        (datasets.load_penguins, {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}),
    ],
)
def test_classes(loader, counts):
    bunch = loader()
    names, sizes = bunch.target_names.tolist(), np.bincount(bunch.target).tolist()
    assert dict(zip(names, sizes, strict=True)) == counts

    labels = loader(as_frame=True).target
    assert isinstance(labels.dtype, pd.CategoricalDtype)
    assert labels.cat.categories.tolist() == names
    np.testing.assert_array_equal(labels.cat.codes, bunch.target)


@pytest.mark.parametrize("loader", LOADERS)
def test_frame_and_array_agree(loader):
    bunch, framed = loader(), loader(as_frame=True)
    assert bunch.frame is None
    numbers = framed.data.select_dtypes("number")
    assert numbers.columns.tolist() == bunch.feature_names
    np.testing.assert_array_equal(numbers.to_numpy(float), bunch.data)
    assert framed.data.columns.tolist() == framed.feature_names
    target = [] if framed.target is None else [framed.target.name]
    assert set(framed.frame.columns) == {*framed.feature_names, *target}


@pytest.mark.parametrize("as_frame", [False, True])
@pytest.mark.parametrize("loader", LOADERS)
def test_return_x_y(loader, as_frame):
    bunch = loader(as_frame=as_frame)
    data, target = loader(return_X_y=True, as_frame=as_frame)
    assert type(data) is type(bunch.data)
    assert pd.DataFrame(data).equals(pd.DataFrame(bunch.data))
    np.testing.assert_array_equal(target, bunch.target)


@pytest.mark.parametrize("loader", LOADERS)
def test_origin(loader):
    bunch = loader()
    assert bunch.DESCR.startswith("Load ")
    assert "Licence: " in bunch.DESCR
    assert "Parameters" not in bunch.DESCR
    assert bunch.filename.endswith(".csv")


def test_penguins_are_mixed_and_incomplete():
    frame = datasets.load_penguins(as_frame=True).frame
    assert frame.isna().sum().to_dict() == {
        "species": 0,
        "island": 0,
        "bill_length_mm": 2,
        "bill_depth_mm": 2,
        "flipper_length_mm": 2,
        "body_mass_g": 2,
        "sex": 11,
    }
    assert frame["sex"].value_counts().to_dict() == {"MALE": 168, "FEMALE": 165}
    islands = frame["island"].value_counts().to_dict()
    assert islands == {"Biscoe": 168, "Dream": 124, "Torgersen": 52}


def test_earthquakes_are_in_order_of_time():
    year, _ = datasets.load_earthquakes().data.T
    np.testing.assert_array_equal(year, np.arange(1900, 2007))


def test_whole_numbers_stay_integers_in_frames():
    dtypes = datasets.load_old_faithful(as_frame=True).data.dtypes
    assert dtypes.to_dict() == {"duration": np.float64, "waiting": np.int64}


def test_pandas_is_needed_for_frames_only():
    code = """
import sys
sys.modules["pandas"] = None
from sklgen.datasets import load_galaxies
assert load_galaxies().data.shape == (82, 1)
try:
    load_galaxies(as_frame=True)
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "load_galaxies(as_frame=True) needs pandas" in done.stdout
    assert "as_frame=False" in done.stdout
