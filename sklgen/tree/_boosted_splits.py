"""Laws of leaves given other columns: nested splits, each a boosted classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from sklgen._typing import Array
from sklgen.tree._boosted_trees import BoostedTrees

# A split with fewer rows than these, or fewer on one side, has one probability.
_FEWEST_ROWS, _FEWEST_OF_SIDE = 40, 3


@dataclass(frozen=True)
class Boosting:
    """How the classifiers are boosted; parameters are those of scikit-learn."""

    max_iter: int
    learning_rate: float
    max_leaf_nodes: int
    min_samples_leaf: int
    l2_regularization: float
    validation_fraction: float
    n_iter_no_change: int

    def fit(
        self,
        X: Array,
        y: NDArray[np.bool_],
        labels: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> Any:
        """A classifier of rows, stopped early; `labels` are columns without order."""
        # Each part has at least a row for each class, or scikit-learn refuses.
        held_out = math.ceil(self.validation_fraction * len(y))
        held_out = min(max(held_out, 2), len(y) - 2)
        model = HistGradientBoostingClassifier(
            **{**vars(self), "validation_fraction": held_out},
            categorical_features=labels,
            early_stopping=True,
            random_state=int(rng.integers(2**31)),
        )
        return model.fit(X, y)


@dataclass(frozen=True)
class Split:
    """Leaves from `first` to `last` (exclusive), cut at `middle`.

    `model` has the log-odds of the upper part of rows, or is these odds of all rows.
    `lower` and `upper` are the splits of the parts, -1 where a part is a single leaf.
    """

    first: int
    middle: int
    last: int
    lower: int
    upper: int
    model: BoostedTrees | float

    @property
    def n_iter(self) -> int:
        return 0 if isinstance(self.model, float) else self.model.n_iter

    def log_odds(self, X: Array, rows: NDArray[np.intp]) -> Array:
        if isinstance(self.model, float):
            return np.full(len(rows), self.model)
        return self.model.log_odds(X, rows)


class NestedSplits:
    """Probabilities of leaves: a binary tree of splits in halves of about equal weight.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        What the leaf depends on, NaN for missing cells.
    leaf : ndarray of shape (n,)
        The leaf of each row.
    n_leaves : int
        Number of leaves.
    labels : ndarray of bool of shape (d,)
        Columns of X without order.
    boosting : Boosting
        How classifiers are boosted.
    rng : Generator
        Randomness of rows held out.
    """

    def __init__(
        self,
        X: Array,
        leaf: NDArray[np.intp],
        n_leaves: int,
        labels: NDArray[np.bool_],
        boosting: Boosting,
        rng: np.random.Generator,
    ) -> None:
        counts = np.bincount(leaf, minlength=n_leaves)
        self.splits: list[Split] = []
        if n_leaves > 1:
            self._below = np.append(0, np.cumsum(counts))
            self._grow(0, n_leaves, X, leaf, labels, boosting, rng)
            del self._below

    def _grow(
        self,
        first: int,
        last: int,
        X: Array,
        leaf: NDArray[np.intp],
        labels: NDArray[np.bool_],
        boosting: Boosting,
        rng: np.random.Generator,
    ) -> int:
        """Split the leaves of the rows, and give the place of the split."""
        if last - first < 2:
            return -1
        inner = self._below[first + 1 : last]
        middle_mass = (self._below[first] + self._below[last]) / 2
        middle = first + 1 + int(np.abs(inner - middle_mass).argmin())
        upper = leaf >= middle
        model = _fitted(X, upper, labels, boosting, rng)
        place = len(self.splits)
        self.splits.append(Split(first, middle, last, -1, -1, model))
        below, above = (
            self._grow(a, b, X[rows], leaf[rows], labels, boosting, rng)
            for a, b, rows in ((first, middle, ~upper), (middle, last, upper))
        )
        self.splits[place] = Split(first, middle, last, below, above, model)
        return place

    @property
    def n_iter(self) -> int:
        """The largest number of iterations of a classifier."""
        return max((split.n_iter for split in self.splits), default=0)

    def log_masses(self, X: Array, leaves: NDArray[np.intp]) -> Array:
        """Log-probability (n, k) of k leaves for each row."""
        X, out = np.ascontiguousarray(X), np.zeros(leaves.shape)
        for split in self.splits:
            inside = (leaves >= split.first) & (leaves < split.last)
            rows = np.flatnonzero(inside.any(axis=1))
            if len(rows):
                odds = split.log_odds(X, rows)[:, None]
                sign = np.where(leaves[rows] < split.middle, 1.0, -1.0)
                out[rows] -= np.where(inside[rows], np.logaddexp(0, sign * odds), 0.0)
        return out

    def draw(self, X: Array, uniform: Array) -> tuple[NDArray[np.intp], Array]:
        """Leaves at uniform numbers, from the first leaf up, and what is left of these.

        What is left is uniform again, and grows with the number within a leaf.
        """
        X, n = np.ascontiguousarray(X), len(X)
        leaf = np.zeros(n, dtype=np.intp)
        at = np.full(n, 0 if self.splits else -1)
        left = uniform.copy()
        for place, split in enumerate(self.splits):
            rows = np.flatnonzero(at == place)
            if not len(rows):
                continue
            below = expit(-split.log_odds(X, rows))
            u = left[rows]
            upper = u >= below
            with np.errstate(divide="ignore", invalid="ignore"):
                left[rows] = np.where(upper, (u - below) / (1 - below), u / below)
            leaf[rows] = np.where(upper, split.middle, split.first)
            at[rows] = np.where(upper, split.upper, split.lower)
        return leaf, np.clip(left, 0.0, 1.0)


def _fitted(
    X: Array,
    upper: NDArray[np.bool_],
    labels: NDArray[np.bool_],
    boosting: Boosting,
    rng: np.random.Generator,
) -> BoostedTrees | float:
    """A classifier of rows, or log-odds where there is little to learn from."""
    n, n_upper = len(upper), int(upper.sum())
    few = n < _FEWEST_ROWS or min(n_upper, n - n_upper) < _FEWEST_OF_SIDE
    if few or X.shape[1] == 0:
        return float(np.log((n_upper + 0.5) / (n - n_upper + 0.5)))
    return BoostedTrees.of(boosting.fit(X, upper, labels, rng), labels)
