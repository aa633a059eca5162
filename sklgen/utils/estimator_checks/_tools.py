"""What every check needs: the registry, fitted models, what they say about rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any
from unittest import SkipTest

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from sklgen.utils.estimator_checks._supports import SUPPORTS, support_of

Check = Callable[[str, Any], None]


@dataclass(frozen=True)
class Entry:
    """A check and the estimators it is for.

    Parameters
    ----------
    check : callable
        Takes the name of a class and an instance of it.
    needs : tuple of str
        Attributes that an estimator must have.
    supports : tuple of str
        Kinds of rows that the check makes sense for.
    sparse : bool
        Whether the check is only for estimators that take sparse rows.
    sequences : bool
        Whether the check is only for models of sequences.
    """

    check: Check
    needs: tuple[str, ...]
    supports: tuple[str, ...]
    sparse: bool
    sequences: bool

    def applies(self, estimator: Any) -> bool:
        """Whether the check is for an estimator."""
        return (
            all(hasattr(estimator, attribute) for attribute in self.needs)
            and support_of(estimator).kind in self.supports
            and (not self.sparse or get_tags(estimator).input_tags.sparse)
            and (not self.sequences or takes_groups(estimator))
        )


REGISTRY: list[Entry] = []


def contract_check(
    *needs: str,
    supports: tuple[str, ...] = tuple(SUPPORTS),
    sparse: bool = False,
    sequences: bool = False,
) -> Callable[[Check], Check]:
    """Register a check for the estimators that have all the attributes it needs."""

    def register(check: Check) -> Check:
        REGISTRY.append(Entry(check, needs, supports, sparse, sequences))
        return check

    return register


def takes_groups(estimator: Any) -> bool:
    """Whether rows have an order: groups tell which of them follow each other."""
    method = getattr(estimator, "score_samples", None)
    return method is not None and "groups" in signature(method).parameters


def apart(estimator: Any, X: Any) -> dict[str, Any]:
    """Arguments that say that no row of X follows another one."""
    return {"groups": np.arange(len(X))} if takes_groups(estimator) else {}


def densities(model: Any, X: Any) -> np.ndarray:
    """Log-density of each row of X on its own."""
    found: np.ndarray = model.score_samples(X, **apart(model, X))
    return found


def with_missing(X: np.ndarray, seed: int = 0) -> np.ndarray:
    """Copy X with one cell missing in a third of its rows."""
    rng = np.random.default_rng(seed)
    X = X.copy()
    rows = rng.choice(len(X), size=len(X) // 3, replace=False)
    X[rows, rng.integers(X.shape[1], size=len(rows))] = np.nan
    return X


def fitted(
    estimator: Any, X: Any = None, sample_weight: Any = None, **params: Any
) -> Any:
    """Fit a clone with a fixed seed, by default on training rows of its kind."""
    model = clone(estimator).set_params(**params)
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=0)
    X = support_of(estimator).rows() if X is None else X
    if sample_weight is None:
        return model.fit(X)
    return model.fit(X, sample_weight=sample_weight)


def takes_weights(estimator: Any) -> None:
    """Skip the check for an estimator whose `fit` takes no weights."""
    if not has_fit_parameter(estimator, "sample_weight"):
        raise SkipTest("fit takes no sample_weight")


def has_array_parameter(estimator: Any) -> bool:
    """Whether a parameter is an array, a list or a table, fixing units and columns.

    The steps of a pipeline do not count: each is a parameter of its own.
    """
    params = estimator.get_params()
    return any(
        isinstance(value, (list, tuple)) or getattr(value, "shape", ()) != ()
        for name, value in params.items()
        if name.rpartition("__")[2] != "steps"
    )


def frame_makers() -> dict[str, Callable[[dict[str, np.ndarray]], Any]]:
    """DataFrame constructors of the installed libraries."""
    makers: dict[str, Callable[[dict[str, np.ndarray]], Any]] = {}
    for library in ("pandas", "polars"):
        try:
            makers[library] = __import__(library).DataFrame
        except ImportError:
            continue
    if not makers:
        raise SkipTest("neither pandas nor polars is installed")
    return makers


def outputs(model: Any, X: Any) -> dict[str, np.ndarray]:
    """Compute everything a fitted model says about rows and its own draws."""
    draws = model.sample(20, random_state=0)
    result = {"sample": draws.toarray() if issparse(draws) else np.asarray(draws)}
    for method in ("score_samples", "predict", "predict_proba"):
        if hasattr(model, method):
            result[method] = np.asarray(getattr(model, method)(X))
    return result
