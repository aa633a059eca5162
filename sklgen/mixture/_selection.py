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
_SHORT_ITER = 15
# No component is learned from fewer rows than this on average.
_ROWS_EACH = 20


def choose_n_components(
    estimator: Any, X: NDArray[Any], weight: Array, rng: np.random.Generator
) -> int:
    """Largest number of components as good, on rows held out, as the best one.

    Numbers are doubled as long as the held-out log-likelihood does not fall by more
    than one standard error of the difference to the best so far. Rows are told apart
    by their values: a row given twice is on one side.
    """
    sample, sample_weight = distinct_rows(X, weight, _MOST_ROWS, rng)
    order = rng.permutation(len(sample))
    train, test = np.split(order, [round((1 - _HELD_OUT) * len(order))])
    chosen = 1
    best_density = None
    largest = max(len(train) // _ROWS_EACH, 1)
    for K in 2 ** np.arange(largest.bit_length()):
        estimator.n_components_ = int(K)
        model = _short_fit(estimator, sample[train], sample_weight[train], rng)
        density = _held_out(estimator, model, sample[test])
        if best_density is None or _mean(density, sample_weight[test]) > _mean(
            best_density, sample_weight[test]
        ):
            best_density, chosen = density, int(K)
        elif _is_worse(density - best_density, sample_weight[test]):
            break
        else:
            chosen = int(K)
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


def _held_out(estimator: Any, model: Mixture[Any], X: Array) -> Array:
    with estimator._rows(X, None, model.components) as rows:
        return np.asarray(
            rows.fill(np.empty(len(X)), lambda *block: model.posterior(*block)[1])
        )


def _mean(density: Array, weight: Array) -> float:
    return float(np.average(density, weights=weight))


def _is_worse(difference: Array, weight: Array) -> bool:
    """Whether the mean of a difference is negative by more than its error."""
    mean = _mean(difference, weight)
    variance = _mean((difference - mean) ** 2, weight)
    return bool(mean < -np.sqrt(variance / weight.sum()))
