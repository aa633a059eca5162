"""The number of components, by the likelihood of rows held out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen.em import best
from sklgen.families._base import Array
from sklgen.mixture._base import expectation
from sklgen.mixture._starts import distinct_rows
from sklgen.mixture._structure import Mixture

_MOST_ROWS = 32768
_HELD_OUT = 0.15
_SHORT_ITER = 10
# No component is learned from fewer rows than this on average.
_ROWS_EACH = 30
# Share of the gain over one component that more components may cost.
_TOLERANCE = 0.1


def choose_n_components(
    estimator: Any, X: NDArray[Any], weight: Array, rng: np.random.Generator
) -> int:
    """Largest number of components about as good, on rows held out, as the best one.

    Numbers are doubled until one loses, against the best so far, more than a tenth of
    what that one gained over a single component. Rows are told apart by their values: a
    row given twice is on one side.
    """
    sample, sample_weight = distinct_rows(X, weight, _MOST_ROWS, rng)
    order = rng.permutation(len(sample))
    train, test = np.split(order, [round((1 - _HELD_OUT) * len(order))])
    chosen, highest, single = 1, -np.inf, None
    if not len(test):
        return chosen
    largest = max(len(train) // _ROWS_EACH, 1)
    for n_components in 2 ** np.arange(largest.bit_length()):
        estimator.n_components_ = int(n_components)
        model = _short_fit(estimator, sample[train], sample_weight[train], rng)
        held_out = _density(estimator, model, sample[test])
        score = float(np.average(held_out, weights=sample_weight[test]))
        single = score if single is None else single
        if score < highest - _TOLERANCE * (highest - single):
            break
        highest, chosen = max(highest, score), int(n_components)
    return chosen


def _short_fit(
    estimator: Any, X: Array, weight: Array, rng: np.random.Generator
) -> Mixture[Any]:
    K = estimator.n_components_
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
