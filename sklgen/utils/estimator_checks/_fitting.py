"""Checks of `fit`: weights, order, containers, threads, bounds, copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import joblib
import numpy as np
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from sklgen.utils.estimator_checks._asserts import (
    assert_same,
)
from sklgen.utils.estimator_checks._supports import Support, support_of
from sklgen.utils.estimator_checks._tools import (
    contract_check,
    fitted,
    frame_makers,
    has_array_parameter,
    outputs,
    takes_groups,
    takes_weights,
)


@contract_check("score_samples")
def check_fit_weights(name: str, estimator: Any) -> None:
    """Check that a weight of 2 is a row given twice and a weight of 0 is no row."""
    takes_weights(estimator)
    X = support_of(estimator).rows()
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, size=len(X))
    order = rng.permutation(np.repeat(np.arange(len(X)), weight))
    weighted = fitted(estimator, X, sample_weight=weight).score_samples(X)
    repeated = fitted(estimator, X[order]).score_samples(X)
    what = "score_samples after fits with integer weights and with repeated rows"
    assert_same(name, what, weighted, repeated, atol=1e-6)

    weight = np.minimum(weight, 1)
    weighted = fitted(estimator, X, sample_weight=weight).score_samples(X)
    removed = fitted(estimator, X[weight > 0]).score_samples(X)
    what = "score_samples after fits with zero weights and with those rows removed"
    assert_same(name, what, weighted, removed, atol=1e-6)


@contract_check("score_samples")
def check_fit_unit_weights(name: str, estimator: Any) -> None:
    """Check that unit weights change nothing, and bad ones are errors."""
    takes_weights(estimator)
    X = support_of(estimator).rows()
    plain = fitted(estimator, X).score_samples(X)
    unit = fitted(estimator, X, sample_weight=np.ones(len(X))).score_samples(X)
    what = "score_samples after fits without weights and with unit weights"
    assert_same(name, what, plain, unit, atol=1e-8)
    for bad, value in {"negative": -1.0, "all-zero": 0.0}.items():
        try:
            fitted(estimator, X, sample_weight=np.full(len(X), value))
        except ValueError:
            continue
        raise AssertionError(f"{name}: {bad} weights in fit must raise ValueError")


@contract_check("score_samples")
def check_row_order(name: str, estimator: Any) -> None:
    """Check that the order of the training rows does not matter, to rounding."""
    X = support_of(estimator).rows()
    if takes_groups(estimator):
        raise SkipTest("rows have an order; check_sequences is about that")
    plain = fitted(estimator, X).score_samples(X)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = fitted(estimator, X[order]).score_samples(X)
    what = "score_samples after fits on rows in two orders"
    assert_same(name, what, plain, shuffled, atol=1e-6)


def _containers(support: Support, X: np.ndarray) -> Iterator[tuple[str, Any]]:
    yield "a Fortran-ordered array", np.asfortranarray(X)
    yield "a list", X.tolist()
    for library, make in frame_makers().items():
        yield f"a {library} DataFrame", make(support.columns(X))


@contract_check("sample")
def check_containers(name: str, estimator: Any) -> None:
    """Check that arrays, lists and DataFrames of the same rows give the same model."""
    support = support_of(estimator)
    X = support.rows()
    expected = outputs(fitted(estimator, X), X)
    for container, other in _containers(support, X):
        for method, values in outputs(fitted(estimator, other), other).items():
            what = f"{method} for an array and for {container}"
            assert_same(name, what, expected[method], values, atol=1e-8)


@contract_check("sample", "score_samples", sparse=True)
def check_sparse(name: str, estimator: Any) -> None:
    """Check that sparse rows give the model of dense ones, and sparse draws."""
    X = support_of(estimator).rows()
    dense = fitted(estimator, X)
    expected = outputs(dense, X)
    for container in (csr_array, csr_matrix):
        rows = container(X)
        model = fitted(estimator, rows)
        draws = model.sample(7, random_state=0)
        kind = container.__name__
        assert type(draws) is container, f"{name}: {kind} in, {type(draws)} out"
        assert draws.shape == (7, X.shape[1]), f"{name}: sample(7) has {draws.shape}"
        assert draws.dtype == X.dtype, f"{name}: {kind} of {X.dtype} to {draws.dtype}"
        for what, values in {
            f"an array and for a {kind}": outputs(model, rows),
            f"an array and for an array after a fit on a {kind}": outputs(model, X),
            f"an array and for a {kind} after a fit on an array": outputs(dense, rows),
        }.items():
            for method, value in values.items():
                at = f"{method} for {what}"
                assert_same(name, at, expected[method], value, atol=1e-8)


@contract_check("sample")
def check_float32(name: str, estimator: Any) -> None:
    """Check that float32 rows give float32 results, close to those of float64."""
    X = support_of(estimator).rows()
    double = outputs(fitted(estimator, X), X)
    single = outputs(fitted(estimator, X.astype(np.float32)), X.astype(np.float32))
    for method, values in single.items():
        if method == "predict":
            continue
        assert values.dtype == np.float32, (
            f"{name}: {method} is {values.dtype} for float32 rows"
        )
        if method != "sample":
            what = f"{method} in float32 and in float64"
            assert_same(name, what, double[method], values, atol=0.01)


@contract_check("n_jobs")
def check_n_jobs(name: str, estimator: Any) -> None:
    """Check that any number of jobs gives the same bits: parameters, scores, draws."""
    X = support_of(estimator).rows(n_rows=2500)
    one, two = (fitted(estimator, X, n_jobs=n_jobs) for n_jobs in (1, 2))
    for attribute, value in vars(one).items():
        if attribute.endswith("_") and isinstance(value, (float, np.ndarray)):
            what = f"{attribute} with one job and with two"
            assert_same(name, what, value, getattr(two, attribute))
    second = outputs(two, X)
    for method, values in outputs(one, X).items():
        what = f"{method} with one job and with two"
        assert_same(name, what, values, second[method])


@contract_check("fit")
def check_bound_never_falls(name: str, estimator: Any) -> None:
    """Check that every step of `lower_bounds_`, if there is one, goes up or stays."""
    model = fitted(estimator)
    if not hasattr(model, "lower_bounds_"):
        return
    bounds = np.asarray(model.lower_bounds_, dtype=np.float64)
    assert np.all(np.isfinite(bounds)), f"{name}: lower_bounds_ has NaN or infinity"
    worst = float(np.min(np.diff(bounds), initial=0.0))
    allowed = -1e-9 * max(1.0, float(np.max(np.abs(bounds))))
    assert worst >= allowed, (
        f"{name}: the bound falls by {-worst:.3g} in one step of fit, "
        f"allowed is {-allowed:.3g}"
    )


@contract_check("score_samples", supports=("real",))
def check_affine_equivariance(name: str, estimator: Any) -> None:
    """Check that rows in another unit, far from zero, give the same model."""
    if has_array_parameter(estimator):
        raise SkipTest("an array among the parameters may be in the units of the data")
    X = support_of(estimator).rows()
    plain = fitted(estimator, X).score_samples(X)
    moved = 1e6 + 2 * X
    expected = plain - X.shape[1] * np.log(2)
    what = "score_samples for X and for 1e6 + 2 X, less the log of the unit"
    got = fitted(estimator, moved).score_samples(moved)
    assert_same(name, what, expected, got, atol=1e-4)


@contract_check("score_samples", supports=("composition",))
def check_scale_invariance(name: str, estimator: Any) -> None:
    """Check that the total of a row does not matter: parts may sum to anything."""
    X = support_of(estimator).rows()
    rng = np.random.default_rng(0)
    plain = fitted(estimator, X).score_samples(X)
    model = fitted(estimator, rng.uniform(0.1, 100, size=(len(X), 1)) * X)
    got = model.score_samples(rng.uniform(0.1, 100, size=(len(X), 1)) * X)
    what = "score_samples for X and for rows of X times positive numbers"
    assert_same(name, what, plain, got, atol=1e-6)


@contract_check("sample", "score_samples")
def check_refit_on_own_samples(name: str, estimator: Any) -> None:
    """Check that a fit on draws of the model scores new draws as the model does."""
    model = fitted(estimator)
    refit = fitted(estimator, model.sample(2000, random_state=0))
    new = model.sample(2000, random_state=1)
    gain = refit.score_samples(new) - model.score_samples(new)
    allowed = 0.05 + 5 * gain.std() / np.sqrt(len(gain))
    assert abs(gain.mean()) <= allowed, (
        f"{name}: refitted on its own samples, the model scores new ones by "
        f"{gain.mean():.4f} nats a row better, allowed is {allowed:.4f} either way"
    )


@contract_check("sample")
def check_copies(name: str, estimator: Any) -> None:
    """Check that pickles, deep copies and clones give the same scores and draws."""
    X = support_of(estimator).rows()
    model = fitted(estimator, X)
    copies = {
        "pickle": pickle.loads(pickle.dumps(model)),
        "deepcopy": copy.deepcopy(model),
        "a refitted clone": clone(model).fit(X),
    }
    expected = outputs(model, X)
    for kind, twin in copies.items():
        for method, values in outputs(twin, X).items():
            assert_same(name, f"{method} after {kind}", expected[method], values)


@contract_check("fit")
def check_inputs_unchanged(name: str, estimator: Any) -> None:
    """Check that `fit` changes neither its inputs nor a constructor parameter."""
    X = support_of(estimator).rows()
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(X))
    model = clone(estimator)
    before = joblib.hash(model.get_params()), X.copy(), weight.copy()
    weighted = has_fit_parameter(model, "sample_weight")
    result = model.fit(X, sample_weight=weight) if weighted else model.fit(X)
    assert result is model, f"{name}: fit must return self"
    assert joblib.hash(model.get_params()) == before[0], (
        f"{name}: fit changed a constructor parameter"
    )
    outputs(model, X)
    assert_same(name, "X before and after", before[1], X)
    assert_same(name, "sample_weight before and after", before[2], weight)
