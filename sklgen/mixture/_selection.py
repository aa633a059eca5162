"""The number of components, by the likelihood of rows held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import best
from sklgen.em._distinct import distinct_rows
from sklgen.mixture._base import expectation
from sklgen.mixture._structure import Mixture

_HELD_OUT = 0.15
_SHORT_ITER = 10
# No component is learned from fewer rows than this on average.
_ROWS_EACH = 30
# So many are tried in any case, with this many rows each: two alone may be worse than
# one, and a small table may have several kinds of rows.
_TRIED = 8
_ROWS_EACH_TRIED = 15


@dataclass(frozen=True)
class Purpose:
    """What components are for, which decides how many of them pay.

    Parameters
    ----------
    most_rows : int
        Number of rows to choose by.
    tolerance : float
        Share of the gain over one component that more components may cost.
    """

    most_rows: int
    tolerance: float


# More components than needed copy a table more faithfully.
COPY = Purpose(most_rows=32768, tolerance=0.1)
# They complete rows worse, and rows with missing cells say less.
COMPLETE = Purpose(most_rows=8192, tolerance=0.0)


def choose_components(
    estimator: Any,
    X: NDArray[Any],
    weight: Array,
    purpose: Purpose,
    rng: np.random.Generator,
) -> Mixture[Any]:
    """Largest number of components about as good, on rows held out, as the best one.

    As good means: what it loses against the best is within the tolerated share of what
    that one gained over a single component. Numbers are doubled until one loses a
    standard error more than that. Rows are told apart by their values: a row given
    twice is on one side. What is returned is where the few steps of the chosen number
    ended, which is a start for more of them.
    """
    sample, sample_weight = distinct_rows(X, weight, purpose.most_rows, rng)
    order = rng.permutation(len(sample))
    train, test = np.split(order, [round((1 - _HELD_OUT) * len(order))])
    tried = min(len(train) // _ROWS_EACH_TRIED, _TRIED)
    largest = max(len(train) // _ROWS_EACH, tried, 1)
    chosen = _short_fit(estimator, 1, sample[train], sample_weight[train], rng)
    if largest == 1:
        return chosen
    highest = single = _density(estimator, chosen, sample[test])
    counts = sample_weight[test]
    for n_components in 2 ** np.arange(1, largest.bit_length()):
        model = _short_fit(
            estimator, int(n_components), sample[train], sample_weight[train], rng
        )
        found = _density(estimator, model, sample[test])
        loss, error = _mean(highest - found, counts)
        allowed = purpose.tolerance * _mean(highest - single, counts)[0]
        if n_components > _TRIED and loss > allowed + error:
            break
        if loss <= allowed:
            chosen = model
        if loss < 0:
            highest = found
    return chosen


def _mean(values: Array, weight: Array) -> tuple[float, float]:
    """Weighted mean, and its standard error."""
    mean = float(np.average(values, weights=weight))
    spread = float(np.average((values - mean) ** 2, weights=weight))
    return mean, float(np.sqrt(spread / weight.sum()))


def _short_fit(
    estimator: Any, K: int, X: Array, weight: Array, rng: np.random.Generator
) -> Mixture[Any]:
    estimator.n_components_ = K
    equal = Mixture(np.full(K, 1.0 / K), estimator._equal_components())
    with estimator._rows(X, weight, equal.components) as rows:
        labels = next(estimator._labels(X, weight, rng))
        start = estimator._labelled(rows, labels, equal).settle(equal)
        models: list[Mixture[Any]] = best(
            [start], expectation(rows), n_iter=_SHORT_ITER, keep=1
        )
    return models[0]


def _density(estimator: Any, model: Mixture[Any], X: Array) -> Array:
    with estimator._rows(X, None, model.components) as rows:
        return np.asarray(
            rows.fill(np.empty(len(X)), lambda *block: model.posterior(*block)[1])
        )
