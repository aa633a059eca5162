"""Rows of a fit: which of them chains are run on."""

from __future__ import annotations

import joblib
import numpy as np

from sklgen._typing import Array
from sklgen.em._distinct import distinct_rows

# Rows that weights are written out as, for priors that look at them.
_MOST_ROWS = 10_000_000
# Numbers of a size whose squares, and sums of them, can be computed.
_LARGEST = 1e100


def with_labels(
    X: Array, y: Array | None, weight: Array, all_X: Array, all_y: Array
) -> tuple[Array, Array, Array]:
    """Add a row without weight of each label that would be lost otherwise."""
    rows, labels = [X], [np.asarray(y)]
    for label in np.setdiff1d(all_y, labels[0]):
        own = all_X[all_y == label].astype(np.float64)
        rows.append(own[np.lexsort(own.T)[:1]])
        labels.append(np.array([label]))
    weights = np.zeros(sum(map(len, labels)))
    weights[: len(weight)] = weight
    return np.concatenate(rows), np.concatenate(labels), weights


def repeated(X: Array, y: Array | None, weight: Array) -> tuple[Array, Array | None]:
    """Rows as often as their weights say, for weights that are whole numbers."""
    times = np.rint(weight)
    if (times != weight).any() or times.sum() > _MOST_ROWS:
        return X, y
    # Rows of no weight are there for their labels.
    which = np.repeat(np.arange(len(X)), np.maximum(times, 1).astype(np.intp))
    return X[which], None if y is None else y[which]


def check_reach(values: Array, name: str) -> None:
    """Raise an error for numbers whose squares are out of reach."""
    size = np.abs(values).max(initial=0.0)
    if size > _LARGEST or 0.0 < size < 1.0 / _LARGEST:
        raise ValueError(
            f"{name} must have numbers between {1.0 / _LARGEST:g} and {_LARGEST:g} in "
            f"size, got {size:.3g} for the largest: change their unit."
        )


def hash_of(*data: Array | None) -> str:
    """Tell data apart by their numbers alone, not by how they lie in memory."""
    plain = [None if x is None else np.array(x, np.float64, order="C") for x in data]
    return str(joblib.hash(plain))


def distinct(
    X: Array, y: Array | None, weight: Array
) -> tuple[Array, Array | None, Array]:
    """Distinct rows, sorted: the order of rows, and copies of them, change no bit."""
    table = X if y is None else np.column_stack([X, y])
    rows, weight = distinct_rows(table, weight, len(X), np.random.default_rng(0))
    if y is None:
        return rows, None, weight
    return np.ascontiguousarray(rows[:, :-1]), rows[:, -1].copy(), weight
