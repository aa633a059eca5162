"""Rounds of forests that tell rows from rows resampled within leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from sklgen._typing import Array
from sklgen.tree._forest_axes import Axes
from sklgen.tree._forest_kernels import Trees
from sklgen.tree._forest_laws import LeafLaws
from sklgen.tree._forest_model import ForestModel
from sklgen.tree._forest_trees import STUMP, boxes, grown, joined, pruned

# Seeds of scikit-learn's forests are below this.
_SEEDS = 2**31 - 1
# Share of the axes, and number of them, in each of which one random cut is tried.
_TRIED_SHARE, _TRIED_LEAST = 0.4, 4
# Rows with independent cells, for each row, from the second round on: later forests
# find what the first one found too. They make completions worse, not draws.
_UNRELATED = 0.5


@dataclass(frozen=True)
class Partition:
    """The boxes of the leaves of trees, and where training rows are among them.

    Parameters
    ----------
    trees : list of Trees
        One for each tree.
    leaves : ndarray of shape (n_trees, n)
        Leaf of each row, from 0 in each tree.
    """

    trees: list[Trees]
    leaves: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        forest: Any,
        ranks: NDArray[np.float32],
        cuts: list[Array],
    ) -> Partition:
        """The leaves of a forest that are reached by the ranks of rows."""
        return cls._joined([grown(t.tree_, ranks, cuts) for t in forest.estimators_])

    def resampled(
        self, shape: tuple[int, ...], rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Rows to take cells from, (n, axes): those of a row are in one leaf.

        Without trees they may be any rows.
        """
        n, n_axes = shape
        if not self.trees:
            return rng.integers(self.leaves.shape[1], size=shape)
        chosen = rng.integers(len(self.trees), size=n)
        source = rng.integers(self.leaves.shape[1], size=n)
        at = np.empty((n, n_axes), np.intp)
        uniform = rng.random((n, n_axes))
        for b, leaves in enumerate(self.leaves):
            own = np.flatnonzero(chosen == b)
            sizes = np.bincount(leaves)
            starts = np.append(0, np.cumsum(sizes))
            members = np.argsort(leaves, kind="stable")
            leaf = leaves[source[own]]
            place = (uniform[own] * sizes[leaf, None]).astype(np.intp)
            at[own] = members[starts[leaf, None] + place]
        return at

    def redrawn(
        self,
        model: ForestModel,
        rows: NDArray[Any],
        gone: NDArray[np.bool_],
        rng: np.random.Generator,
        n_threads: int,
    ) -> Partition:
        """With leaves of rows that miss cells drawn anew, given what these have."""
        pairs, first = [], 0
        for at, (tree, leaves) in enumerate(zip(self.trees, self.leaves, strict=True)):
            drawn = model.single(at).draw_leaves(rows[gone], rng, n_threads)
            moved = leaves.copy()
            moved[gone] = drawn - first
            first += int((tree.feature < 0).sum())
            pairs.append(pruned(tree, moved))
        return self._joined(pairs)

    @classmethod
    def _joined(cls, pairs: list[tuple[Trees, NDArray[np.int32]]]) -> Partition:
        return cls([tree for tree, _ in pairs], np.stack([leaf for _, leaf in pairs]))


@dataclass(frozen=True)
class Rounds:
    """How forests are grown.

    Parameters
    ----------
    n_estimators : int
        Number of trees.
    splitter : {"best", "random"}
        How trees cut.
    min_samples_leaf : int
        Smallest number of rows in a leaf.
    max_rounds : int
        Largest number of forests.
    tol : float
        Rounds end when the accuracy of a forest is at most this above a half.
    smoothing : float
        Rows that the laws of codes count before the data.
    n_threads : int
        Threads that grow trees.
    """

    n_estimators: int
    splitter: str
    min_samples_leaf: int
    max_rounds: int
    tol: float
    smoothing: float
    n_threads: int

    def run(
        self,
        axes: Axes,
        rows: NDArray[Any],
        rng: np.random.Generator,
        advance: Callable[[float], object],
    ) -> tuple[ForestModel, list[float]]:
        """What was learned, and the accuracy of each forest, which `advance` gets."""
        n, seen = len(rows), axes.positions(rows)
        gone = np.asarray(np.isnan(seen).any(axis=1))
        partition = Partition([], np.empty((0, n), np.int32))
        model = self._learn(axes, rows, partition)
        accuracies: list[float] = []
        done = False
        while not done and len(accuracies) < self.max_rounds:
            positions = seen.copy()
            # One tree is enough for a row, and costs less than all of them.
            parts = np.array_split(rng.permutation(np.flatnonzero(gone)), model.n_trees)
            for tree, part in enumerate(parts):
                own = model.single(tree)
                drawn = own.draw_missing(rows[part], rng, self.n_threads)
                positions[part] = axes.positions(drawn)
            at = partition.resampled(positions.shape, rng)
            if partition.trees and self.splitter == "random":
                shape = int(_UNRELATED * n), at.shape[1]
                at = np.concatenate([at, rng.integers(n, size=shape)])
            forest, ranks, cuts = self._grown(axes, positions, at, rng)
            accuracy = _out_of_bag(forest, ranks, n)
            advance(accuracy)
            done = accuracy <= 0.5 + self.tol or accuracy >= min(accuracies, default=2)
            accuracies.append(accuracy)
            if not done or not partition.trees:
                partition = Partition.of(forest, ranks[:n], cuts)
                if gone.any():
                    # The leaves of rows were those of cells that the last forest drew.
                    model = self._learn(axes, rows, partition)
                    args = rows, gone, rng, self.n_threads
                    partition = partition.redrawn(model, *args)
                    model = self._learn(axes, rows, partition)
        return model if gone.any() else self._learn(axes, rows, partition), accuracies

    def _grown(
        self,
        axes: Axes,
        positions: Array,
        at: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> tuple[Any, NDArray[np.float32], list[Array]]:
        """A forest that tells rows from resampled ones, their ranks, and its cuts."""
        n, n_axes = positions.shape
        ranks = np.empty((n + len(at), n_axes), np.float32)
        cuts = []
        for j, axis in enumerate(axes.all):
            values, rank = np.unique(positions[:, j], return_inverse=True)
            ranks[:n, j], ranks[n:, j] = rank, rank[at[:, j]]
            cuts.append(axis.between(values))
        options: dict[str, Any] = {
            "n_estimators": self.n_estimators,
            "min_samples_leaf": self.min_samples_leaf,
            "random_state": int(rng.integers(_SEEDS)),
            "n_jobs": self.n_threads,
        }
        if self.splitter == "best":
            forest: Any = RandomForestClassifier(**options)
        else:
            forest = ExtraTreesClassifier(
                **options,
                criterion="entropy",
                max_features=min(n_axes, max(int(_TRIED_SHARE * n_axes), _TRIED_LEAST)),
                bootstrap=True,
            )
        return forest.fit(ranks, np.repeat([1, 0], [n, len(at)])), ranks, cuts

    def _learn(
        self, axes: Axes, rows: NDArray[Any], partition: Partition
    ) -> ForestModel:
        """Laws of leaves, and of one leaf for all rows that weighs as one row more."""
        n, n_trees = len(rows), len(partition.trees)
        trees = [*partition.trees, STUMP]
        leaves = [*partition.leaves, np.zeros(n, np.int32)]
        cells = axes.cells(rows)
        parts = [
            LeafLaws.learn(axes, cells, at, *boxes(tree, len(axes.all)), self.smoothing)
            for tree, at in zip(trees, leaves, strict=True)
        ]
        weights = np.append(np.full(n_trees, n / max(n_trees, 1)), 1.0)
        laws = LeafLaws.join(parts, weights / weights.sum())
        return ForestModel(axes, joined(trees), laws)


def _out_of_bag(forest: Any, ranks: NDArray[np.float32], n: int) -> float:
    """Share of rows that the trees which did not see them tell by their mean vote.

    The first n rows are real, and as many resampled ones follow.
    """
    ranks, real = ranks[: 2 * n], np.arange(2 * n) < n
    votes, seen = np.zeros(len(ranks)), np.zeros(len(ranks))
    samples = forest.estimators_samples_
    for tree, sample in zip(forest.estimators_, samples, strict=True):
        out = np.ones(len(ranks), dtype=bool)
        out[sample[sample < len(ranks)]] = False
        share = tree.tree_.predict(ranks[out])
        votes[out] += share[:, -1] / share.sum(axis=1)
        seen[out] += 1.0
    known = seen > 0
    if not known.any():
        return 0.5
    right = np.sign(votes[known] / seen[known] - 0.5) * np.where(real[known], 1, -1)
    return float(np.mean((right + 1.0) / 2.0))
