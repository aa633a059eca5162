import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from sklgen.datasets import load_penguins
from sklgen.metrics import train_synthetic_test_real


def rows(seed, n=1500):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y = x[:, 0] - x[:, 1] + 0.5 * rng.normal(size=n)
    return pd.DataFrame({"y": y, "a": x[:, 0], "b": x[:, 1]})


def test_numbers_have_r2():
    train, test = rows(0), rows(1)
    model = HistGradientBoostingRegressor(early_stopping=False)
    expected = model.fit(train[["a", "b"]], train["y"]).score(test[["a", "b"]], test.y)
    found = train_synthetic_test_real(train, test, "y", random_state=0)
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0.8 < found < 1 - 0.25 / 2.25  # the share of variance that is noise


@pytest.mark.parametrize("labels", [("no", "yes"), (False, True), (0, 1)])
def test_two_values_have_the_area_under_the_curve(labels):
    train, test = rows(0), rows(1)
    for table in (train, test):
        table["y"] = np.array(labels)[(table["y"] > 0).astype(int)]
    found = train_synthetic_test_real(train, test, "y", random_state=0)
    assert 0.9 < found < 0.98
    flipped = train.assign(
        y=train["y"].map(dict(zip(labels, labels[::-1], strict=True)))
    )
    wrong = train_synthetic_test_real(flipped, test, "y", random_state=0)
    assert wrong == pytest.approx(1 - found, abs=0.01)


def test_more_labels_have_accuracy():
    X, y = load_penguins(return_X_y=True, as_frame=True)
    table = X.assign(species=y)
    train, test = table[::2], table[1::2]
    found = train_synthetic_test_real(train, test, "species", random_state=0)
    X = X.astype({"island": "category", "sex": "category"})
    model = HistGradientBoostingClassifier(early_stopping=False)
    plain = model.fit(X[::2], y[::2]).score(X[1::2], y[1::2])
    assert found == pytest.approx(plain, abs=1e-12)
    as_polars = train_synthetic_test_real(
        pl.from_pandas(train), test, "species", random_state=0
    )
    assert as_polars == found


def test_independent_columns_are_useless():
    train, test = rows(0), rows(1)
    shuffled = train.assign(y=train["y"].sample(frac=1, random_state=0).to_numpy())
    assert train_synthetic_test_real(shuffled, test, "y", random_state=0) < 0.1


def test_one_class_has_nothing_to_teach():
    test = pd.DataFrame({"y": ["a", "b", "b", "c"], "x": [1, 2, 3, 4]})
    train = test.assign(y="b")
    assert train_synthetic_test_real(train, test, "y") == 0.5
    assert train_synthetic_test_real(train, test[:3], "y") == 0.5
    assert train_synthetic_test_real(train.assign(y="a"), test, "y") == 0.25


def test_rows_without_target_are_left_out():
    train, test = rows(0), rows(1)
    expected = train_synthetic_test_real(train[200:], test, "y", random_state=0)
    train.loc[:199, "y"] = np.nan
    assert train_synthetic_test_real(train, test, "y", random_state=0) == expected


def test_a_target_that_is_none_is_refused():
    train = rows(0, n=20)
    with pytest.raises(ValueError, match="target is 'z'"):
        train_synthetic_test_real(train, train, "z")
    with pytest.raises(ValueError, match=r"'y' has 1 value\(s\) in X_test"):
        train_synthetic_test_real(train, train.assign(y=1.0), "y")


def test_a_target_of_two_numbers_may_be_synthetic_floats():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 1))
    real = np.hstack([x, x > 0])
    blurred = np.hstack([x, (x > 0) + rng.normal(0, 0.2, (600, 1))])
    assert train_synthetic_test_real(blurred, real, target=1, random_state=0) > 0.95


def test_draws_that_are_arrays_have_the_names_of_the_other_table():
    rows = np.random.default_rng(0).normal(size=(200, 2))
    frame = pd.DataFrame(rows, columns=["a", "b"])
    frame["b"] += 3 * frame["a"]
    array = frame.to_numpy()
    named = train_synthetic_test_real(array[:100], frame[100:], "b", random_state=0)
    plain = train_synthetic_test_real(array[:100], array[100:], 1, random_state=0)
    assert named == plain
