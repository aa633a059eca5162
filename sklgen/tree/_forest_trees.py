"""Trees as boxes: those of scikit-learn without what no row reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.tree._forest_kernels import Trees
from sklgen.tree._forest_law_kernels import bound, prune

# A tree that is one leaf.
STUMP = Trees(
    roots=np.zeros(1, np.int32),
    feature=np.full(1, -1, np.int32),
    threshold=np.zeros(1),
    left=np.zeros(1, np.int32),
    right=np.full(1, -1, np.int32),
)


def grown(
    tree: Any, ranks: NDArray[np.float32], cuts: list[Array]
) -> tuple[Trees, NDArray[np.int32]]:
    """A tree of scikit-learn without leaves that no row reaches, and where rows are.

    Parameters
    ----------
    tree : Tree
        A tree that was grown on ranks.
    ranks : ndarray of shape (n, axes)
        Ranks of rows among the distinct positions of each axis, from 0.
    cuts : list of ndarray
        Cuts between the distinct positions of each axis.

    Returns
    -------
    tree : Trees
        The tree, which cuts positions.
    leaves : ndarray of shape (n,)
        Leaf of each row.
    """
    leaf = tree.children_left < 0
    number = (np.cumsum(leaf) - 1).astype(np.int32)
    feature = np.where(leaf, -1, tree.feature).astype(np.int32)
    threshold = np.zeros(len(leaf))
    for j, own in enumerate(cuts):
        here = feature == j
        threshold[here] = own[tree.threshold[here].astype(np.intp)]
    left = np.where(leaf, number, tree.children_left).astype(np.int32)
    right = tree.children_right.astype(np.int32)
    nodes = Trees(np.zeros(1, np.int32), feature, threshold, left, right)
    return pruned(nodes, number[tree.apply(ranks)])


def pruned(tree: Trees, leaves: NDArray[np.int32]) -> tuple[Trees, NDArray[np.int32]]:
    """A tree without leaves that no row is in, and the leaves of the rows then."""
    leaf = tree.feature < 0
    left, right = np.where(leaf, -1, tree.left), tree.right
    counts, kept = np.zeros((2, len(left)), np.int64)
    counts[leaf] = np.bincount(leaves, minlength=int(leaf.sum()))
    prune(left, right, counts, kept)
    old = np.flatnonzero((counts > 0) & (kept == np.arange(len(left))))
    new = np.full(len(left), -1, np.int32)
    new[old] = np.arange(len(old))
    still = leaf[old]
    number = (np.cumsum(still) - 1).astype(np.int32)
    renumbered = np.full(int(leaf.sum()), -1, np.int32)
    renumbered[tree.left[old[still]]] = number[still]
    nodes = Trees(
        new[kept[tree.roots]],
        tree.feature[old],
        tree.threshold[old],
        np.where(still, number, new[kept[left[old]]]),
        np.where(still, -1, new[kept[right[old]]]).astype(np.int32),
    )
    return nodes, renumbered[leaves]


def boxes(tree: Trees, n_axes: int) -> tuple[Array, Array]:
    """Bounds (leaves, axes) of the positions that reach each leaf."""
    low, high = np.empty((2, int((tree.feature < 0).sum()), n_axes))
    bound(tree, low, high)
    return low, high


def joined(trees: list[Trees]) -> Trees:
    """All trees, nodes and leaves side by side."""
    sizes = [len(tree.feature) for tree in trees]
    n_leaves = [int((tree.feature < 0).sum()) for tree in trees]
    nodes = np.append(0, np.cumsum(sizes))[:-1].astype(np.int32)
    leaves = np.append(0, np.cumsum(n_leaves))[:-1].astype(np.int32)
    moved = [
        Trees(
            tree.roots + node,
            tree.feature,
            tree.threshold,
            tree.left + np.where(tree.feature < 0, leaf, node),
            tree.right + node,
        )
        for tree, node, leaf in zip(trees, nodes, leaves, strict=True)
    ]
    return Trees(*(np.concatenate(parts) for parts in zip(*moved, strict=True)))
