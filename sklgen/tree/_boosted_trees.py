"""Boosted trees of scikit-learn, without what it costs to ask them about few rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen._typing import Array

# Words of 32 bits that say of each level, 255 at most, which way it goes.
_N_WORDS = 8
# Rows that go through a tree together, which stays in the cache.
_BLOCK = 256


class BoostedTrees(NamedTuple):
    """Nodes of all trees of a classifier of two classes, side by side.

    A leaf has the feature -1, and adds `threshold` to the log-odds, which start at
    `baseline`. Other nodes send numbers up to `threshold` to the left, levels by the
    bits of `levels[of_levels]`, where there are any, and missing cells to `absent`.
    """

    baseline: float
    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Array
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    absent: NDArray[np.int32]
    of_levels: NDArray[np.int32]
    levels: NDArray[np.uint32]

    @classmethod
    def of(cls, model: Any, labels: NDArray[np.bool_]) -> BoostedTrees:
        """The trees of a HistGradientBoostingClassifier of two classes.

        `labels` are the columns of levels, which are whole numbers from 0.
        """
        trees = [predictors[0] for predictors in model._predictors]
        nodes = np.concatenate([tree.nodes for tree in trees])
        sizes = np.array([len(tree.nodes) for tree in trees])
        roots = np.append(0, np.cumsum(sizes)[:-1])
        first = np.repeat(roots, sizes)
        left, right = nodes["left"] + first, nodes["right"] + first
        leaf = nodes["is_leaf"].astype(bool)
        # scikit-learn puts columns of levels first.
        order = np.concatenate([np.flatnonzero(labels), np.flatnonzero(~labels)])
        feature = np.where(leaf, -1, order[nodes["feature_idx"]])
        of_tree = np.repeat(np.arange(len(trees)), sizes)
        split = np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf)
        words = np.zeros((len(split), _N_WORDS), np.uint32)
        of_levels = np.full(len(nodes), -1, np.int32)
        of_levels[split] = np.arange(len(split))
        values = _values(model)
        for place, at in enumerate(split):
            bits = trees[of_tree[at]].raw_left_cat_bitsets[nodes["bitset_idx"][at]]
            own = values[nodes["feature_idx"][at]]
            goes_left = np.full(32 * _N_WORDS, bool(nodes["missing_go_to_left"][at]))
            goes_left[own] = _bits(bits)[: len(own)]
            words[place] = np.packbits(goes_left, bitorder="little").view("<u4")
        return cls(
            float(model._baseline_prediction[0, 0]),
            roots.astype(np.int32),
            feature.astype(np.int32),
            np.where(leaf, nodes["value"], nodes["num_threshold"]),
            left.astype(np.int32),
            right.astype(np.int32),
            np.where(nodes["missing_go_to_left"], left, right).astype(np.int32),
            of_levels,
            words,
        )

    @property
    def n_iter(self) -> int:
        """Number of trees."""
        return len(self.roots)

    def log_odds(self, X: Array, rows: NDArray[np.intp]) -> Array:
        """Log-odds of the second class in some rows of X, which is C-contiguous."""
        out = np.full(len(rows), self.baseline)
        _add_up(X, rows, self, out)
        return out


def _values(model: Any) -> list[NDArray[np.intp]]:
    """Levels that a classifier has seen, in the order of its codes, by column."""
    if model._preprocessor is None:
        return []
    encoder = model._preprocessor.named_transformers_["encoder"]
    return [own[~np.isnan(own)].astype(np.intp) for own in encoder.categories_]


def _bits(words: NDArray[np.uint32]) -> NDArray[np.bool_]:
    octets = np.ascontiguousarray(words, dtype="<u4").view(np.uint8)
    return np.unpackbits(octets, bitorder="little").astype(bool)


@njit(nogil=True, cache=True)
def _add_up(X: Array, rows: NDArray[np.intp], trees: BoostedTrees, out: Array) -> None:
    """Add what the trees say of rows."""
    for start in range(0, len(rows), _BLOCK):
        stop = min(start + _BLOCK, len(rows))
        for root in trees.roots:
            for at in range(start, stop):
                node, row = root, rows[at]
                feature = trees.feature[node]
                while feature >= 0:
                    value, place = X[row, feature], trees.of_levels[node]
                    if np.isnan(value):
                        node = trees.absent[node]
                    elif place >= 0:
                        level = int(value)
                        word = trees.levels[place, level >> 5]
                        to_left = (word >> np.uint32(level & 31)) & np.uint32(1)
                        node = trees.left[node] if to_left else trees.right[node]
                    elif value <= trees.threshold[node]:
                        node = trees.left[node]
                    else:
                        node = trees.right[node]
                    feature = trees.feature[node]
                out[at] += trees.threshold[node]
