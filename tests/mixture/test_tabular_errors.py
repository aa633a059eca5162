"""Errors of table mixtures name the estimator that the user called, and the column."""

import numpy as np
import pandas as pd
import pytest

from sklgen.mixture import TabularMixture

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
ARRAY = FRAME.to_numpy()
TWICE = FRAME.set_axis(["a", "a"], axis=1)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (TWICE, "TabularMixture takes columns with names of their own"),
        (FRAME[:0], "TabularMixture takes at least one row"),
        (FRAME[[]], "TabularMixture takes at least one column"),
        (ARRAY[:, :0], "required by TabularMixture"),
        (ARRAY[:0], "required by TabularMixture"),
        (FRAME[:1], "TabularMixture needs at least 2 rows"),
        (FRAME.assign(b=np.inf), "Column 'b' contains infinity"),
    ],
)
def test_fit_refuses_in_its_own_name(X, message):
    with pytest.raises(ValueError, match=message):
        TabularMixture(2).fit(X)


@pytest.fixture(scope="module")
def models():
    return {
        name: TabularMixture(2, random_state=0).fit(X)
        for name, X in (("frame", FRAME), ("array", ARRAY))
    }


@pytest.mark.parametrize("method", ["score_samples", "impute", "predict"])
@pytest.mark.parametrize(
    ("train", "X", "message"),
    [
        ("frame", TWICE, "TabularMixture takes columns with names of their own"),
        ("frame", FRAME[:0], "TabularMixture takes at least one row"),
        ("array", ARRAY[:, :1], "TabularMixture is expecting 2 features"),
        ("array", ARRAY[:0], "required by TabularMixture"),
        ("frame", FRAME[["b", "a"]], "must be in the same order"),
        ("frame", FRAME.assign(b="x"), "Column 'b' was of kind 'number' in fit"),
    ],
)
def test_methods_refuse_in_the_name_of_their_estimator(
    models, method, train, X, message
):
    with pytest.raises(ValueError, match=message):
        getattr(models[train], method)(X)
