"""Checks of models of sequences: groups, lists of tables, order, time."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone

from sklgen.utils.estimator_checks._asserts import assert_raises, assert_same
from sklgen.utils.estimator_checks._supports import support_of
from sklgen.utils.estimator_checks._tools import contract_check, frame_makers

_LENGTHS = (30, 1, 50, 7, 62)
_PER_ROW = ("score_samples", "predict", "predict_proba")


def _sequences(estimator: Any) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    X = support_of(estimator).rows(n_rows=sum(_LENGTHS))
    groups = np.repeat(np.arange(len(_LENGTHS)), _LENGTHS)
    return X, groups, np.split(X, np.cumsum(_LENGTHS)[:-1])


def _fit(estimator: Any, X: Any, **options: Any) -> Any:
    return clone(estimator).set_params(random_state=0).fit(X, **options)


@contract_check("score_samples", sequences=True)
def check_groups_and_lists(name: str, estimator: Any) -> None:
    """Check that a list of tables is rows with groups, and comes back as a list."""
    X, groups, parts = _sequences(estimator)
    model, other = _fit(estimator, X, groups=groups), _fit(estimator, parts)
    cuts = np.cumsum(_LENGTHS)[:-1]
    for method in _PER_ROW:
        if not hasattr(model, method):
            continue
        expected = getattr(model, method)(X, groups=groups)
        got = getattr(other, method)(parts)
        assert isinstance(got, list), f"{name}: {method} of a list gave {type(got)}"
        what = f"{method} with groups and with a list"
        for one, two in zip(np.split(expected, cuts), got, strict=True):
            assert_same(name, what, one, two)
    what = "score with groups and with a list"
    assert_same(name, what, model.score(X, groups=groups), other.score(parts))
    for library, make in frame_makers().items():
        columns = support_of(estimator).columns
        frames = [make(columns(part)) for part in parts]
        got = np.concatenate(_fit(estimator, frames).score_samples(frames))
        expected = model.score_samples(X, groups=groups)
        what = f"score_samples with groups and with a list of {library} DataFrames"
        assert_same(name, what, expected, got, atol=1e-8)


@contract_check("score_samples", sequences=True)
def check_sequences(name: str, estimator: Any) -> None:
    """Check that sequences are independent: neither order nor company matters."""
    X, groups, parts = _sequences(estimator)
    model = _fit(estimator, X, groups=groups)
    together = model.score_samples(parts)
    for part, found in zip(parts, together, strict=True):
        alone = model.score_samples([part])[0]
        what = "score_samples of a sequence alone and with others"
        assert_same(name, what, alone, found, atol=1e-10)
    turned = _fit(estimator, parts[::-1]).score_samples(parts)
    what = "score_samples after fits on sequences in two orders"
    for one, two in zip(together, turned, strict=True):
        assert_same(name, what, one, two, atol=1e-6)


@contract_check("score_samples", sequences=True)
def check_past_only(name: str, estimator: Any) -> None:
    """Check that the log-density of a row does not depend on the rows after it."""
    X, groups, parts = _sequences(estimator)
    model = _fit(estimator, X, groups=groups)
    whole = model.score_samples([parts[-1]])[0]
    half = model.score_samples([parts[-1][:31]])[0]
    what = "score_samples of a sequence and of its first half"
    assert_same(name, what, whole[:31], half, atol=1e-10)


@contract_check("fit", sequences=True)
def check_sequence_weight(name: str, estimator: Any) -> None:
    """Check that a weight of 2 is a sequence twice, and one of 0 its removal."""
    _, _, parts = _sequences(estimator)
    weight = np.array([2, 0, 1, 3, 1])
    repeated = [part for part, n in zip(parts, weight, strict=True) for _ in range(n)]
    one = _fit(estimator, parts, sequence_weight=weight).score_samples(parts)
    two = _fit(estimator, repeated).score_samples(parts)
    what = "score_samples after fits with weights and with repeated sequences"
    for found, expected in zip(one, two, strict=True):
        assert_same(name, what, expected, found, atol=1e-6)


@contract_check("fit", sequences=True)
def check_bad_groups(name: str, estimator: Any) -> None:
    """Check that groups that come back, or of another length, are errors."""
    X, groups, parts = _sequences(estimator)
    model = clone(estimator)
    for what, call in {
        "a group that comes back": partial(model.fit, X, groups=np.arange(len(X)) % 2),
        "too few groups": partial(model.fit, X, groups=groups[:-1]),
        "groups with a list": partial(model.fit, parts, groups=groups),
    }.items():
        assert_raises(name, what, call, ValueError, "")


@contract_check("sample", sequences=True)
def check_sample_sequences(name: str, estimator: Any) -> None:
    """Check that several sequences come as a list, and a seed repeats them."""
    X, groups, _ = _sequences(estimator)
    model = _fit(estimator, X, groups=groups)
    drawn = model.sample(6, n_sequences=3, random_state=0)
    assert isinstance(drawn, list), f"{name}: n_sequences=3 gave {type(drawn)}"
    assert len(drawn) == 3, f"{name}: n_sequences=3 gave {len(drawn)} tables"
    assert all(table.shape == (6, X.shape[1]) for table in drawn), (
        f"{name}: sample(6, n_sequences=3) gave {[t.shape for t in drawn]}"
    )
    again = model.sample(6, n_sequences=3, random_state=0)
    what = "sequences drawn with one int seed"
    assert_same(name, what, np.concatenate(drawn), np.concatenate(again))
