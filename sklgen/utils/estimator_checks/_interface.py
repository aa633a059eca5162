"""Checks of errors, column names, and scikit-learn's search and pipelines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import SkipTest

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from sklgen.utils.estimator_checks._asserts import (
    assert_raises,
)
from sklgen.utils.estimator_checks._supports import support_of
from sklgen.utils.estimator_checks._tools import (
    contract_check,
    fitted,
    frame_makers,
)

_ON_ROWS = (
    "score", "score_samples", "predict", "predict_proba", "transform",
    "sample_conditional", "impute", "aic", "bic", "icl",
)  # fmt: skip


def _calls(model: Any, X: Any) -> dict[str, Callable[[], Any]]:
    """Every public method of a model on rows, as a call without arguments."""
    return {
        method: partial(getattr(model, method), X)
        for method in _ON_ROWS
        if hasattr(model, method)
    }


@contract_check("fit")
def check_mixin_order(name: str, estimator: Any) -> None:
    """Check that mixins are to the left of `BaseEstimator`."""
    mro = type(estimator).__mro__
    right = mro[mro.index(BaseEstimator) :] if BaseEstimator in mro else ()
    late = [
        base.__name__
        for base in right
        if base.__name__.endswith("Mixin") and base not in BaseEstimator.__mro__
    ]
    assert not late, (
        f"{name}: put {', '.join(late)} to the left of BaseEstimator among the bases "
        "of the class"
    )


@contract_check("sample")
def check_not_fitted(name: str, estimator: Any) -> None:
    """Check that every method says so when the model is not fitted."""
    model = clone(estimator)
    calls = {**_calls(model, support_of(estimator).rows()), "sample": model.sample}
    if hasattr(model, "sample_latent"):
        calls["sample_latent"] = model.sample_latent
    for method, call in calls.items():
        what = f"{method} before fit"
        assert_raises(name, what, call, NotFittedError, "not fitted")


@contract_check("sample")
def check_n_features(name: str, estimator: Any) -> None:
    """Check that rows with another number of columns than in `fit` are an error."""
    d = support_of(estimator).n_columns
    for method, call in _calls(fitted(estimator), np.ones((3, 5))).items():
        what = f"{method} with 5 columns after a fit on {d}"
        assert_raises(name, what, call, ValueError, "features")


@contract_check("fit")
def check_categorical_column(name: str, estimator: Any) -> None:
    """Check that a column of strings is an error which names that column."""
    support = support_of(estimator)
    if get_tags(estimator).input_tags.categorical:
        raise SkipTest("takes categorical columns")
    X = support.rows()
    columns = support.columns(X)
    _, values = columns.popitem()
    columns["colour"] = np.where(values > np.median(values), "red", "blue")
    for library, make in frame_makers().items():
        call = partial(fitted, estimator, make(columns))
        what = f"fit on a {library} DataFrame with a column of strings"
        assert_raises(name, what, call, ValueError, "colour")


@contract_check("sample")
def check_column_order(name: str, estimator: Any) -> None:
    """Check that columns in another order than in `fit` are an error."""
    support = support_of(estimator)
    X = support.rows()
    columns = [*support.columns(X)]
    for library, make in frame_makers().items():
        frame = make(support.columns(X))
        model = fitted(estimator, frame)
        assert list(model.feature_names_in_) == columns, (
            f"{name}: feature_names_in_ is {model.feature_names_in_}"
        )
        for method, call in _calls(model, frame[columns[::-1]]).items():
            what = f"{method} on a {library} DataFrame with columns reversed"
            assert_raises(name, what, call, ValueError, "order")


@contract_check("score")
def check_grid_search(name: str, estimator: Any) -> None:
    """Check that a grid search runs with the estimator's own `score`."""
    X = support_of(estimator).rows()
    search = GridSearchCV(clone(estimator), {}, cv=3, error_score="raise").fit(X)
    assert np.isfinite(search.best_score_), (
        f"{name}: GridSearchCV found the score {search.best_score_}"
    )


@contract_check("score")
def check_pipeline_routing(name: str, estimator: Any) -> None:
    """Check that a pipeline with metadata routing passes weights on."""
    support = support_of(estimator)
    X = support.rows()
    weight = np.random.default_rng(0).integers(1, 4, size=len(X))
    with config_context(enable_metadata_routing=True):
        scaler, model = support.scaler(), clone(estimator)
        model.set_score_request(sample_weight=True)
        if has_fit_parameter(model, "sample_weight"):
            scaler.set_fit_request(sample_weight=True)
            model.set_fit_request(sample_weight=True)
            pipeline = make_pipeline(scaler, model).fit(X, sample_weight=weight)
        else:
            pipeline = make_pipeline(scaler, model).fit(X)
        score = pipeline.score(X, sample_weight=weight)
        plain = pipeline.score(X)
    last = pipeline[-1]
    scaled = pipeline[0].transform(X)
    for what, got, expected in (
        ("with weights", score, last.score(scaled, sample_weight=weight)),
        ("without weights", plain, last.score(scaled)),
    ):
        assert abs(got - expected) <= 1e-10, (
            f"{name}: Pipeline.score {what} is {got:.6g}, the model's is {expected:.6g}"
        )
