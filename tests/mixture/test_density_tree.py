"""Trees that start mixtures over tables: splits by enumeration, weights, cells."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from sklgen.mixture import TabularMixture
from sklgen.mixture._density_tree import _LEAVES, tree_cells, tree_leaves


def rows(n=400, seed=0):
    """Two related labels, a score that follows one of them, and noise; some missing."""
    rng = np.random.default_rng(seed)
    a = rng.integers(3, size=n)
    b = np.where(rng.random(n) < 0.7, a, rng.integers(4, size=n))
    x = rng.normal(size=n) + (b == 2)
    X = np.column_stack([a, b, rng.integers(2, size=n), x, rng.normal(size=n)])
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


SCORES = np.array([False, False, False, True, True])
# Sixteen equally likely intervals of a score.
EDGES = ndtri(np.arange(1, 16) / 16)


def sides(X):
    """Every split that leaves five rows on each side, and the column it is by."""
    for j, score in enumerate(SCORES):
        values = EDGES if score else np.unique(X[~np.isnan(X[:, j]), j])
        for value in values:
            side = X[:, j] < value if score else X[:, j] == value
            if min(side.sum(), (~side).sum()) >= 5:
                yield j, side


def information(side, x):
    """Mutual information in nats over all rows, less its mean without dependence."""
    seen = ~np.isnan(x)
    values, codes = np.unique(x[seen], return_inverse=True)
    counts = np.zeros((2, len(values)))
    np.add.at(counts, (side[seen].astype(int), codes), 1)
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    present = counts > 0
    total = np.sum(counts[present] * np.log((counts / expected)[present]))
    return total - (counts.shape[1] - 1) / 2


def gain(X, j, side):
    columns = X.copy()
    for at in np.flatnonzero(SCORES):
        seen = ~np.isnan(X[:, at])
        columns[seen, at] = np.searchsorted(EDGES, X[seen, at], side="right")
    return sum(information(side, columns[:, o]) for o in range(X.shape[1]) if o != j)


@pytest.mark.parametrize("seed", range(3))
def test_first_split_is_the_best_of_all(seed):
    X = rows(seed=seed)
    found = tree_leaves(X, np.ones(len(X)), SCORES, 2, np.random.default_rng(0))
    best = max(sides(X), key=lambda split: gain(X, *split))[1]
    np.testing.assert_array_equal(found == found[best.argmax()], best)


def test_leaf_with_most_to_gain_is_split_first():
    X = rows()
    weight = np.ones(len(X))
    three, four = (
        tree_leaves(X, weight, SCORES, n, np.random.default_rng(0)) for n in (3, 4)
    )
    gains = [
        max(gain(X[three == leaf], *split) for split in sides(X[three == leaf]))
        for leaf in range(3)
    ]
    cut = [len(np.unique(four[three == leaf])) for leaf in range(3)]
    assert cut[int(np.argmax(gains))] == 2
    assert sum(cut) == 4


def test_weight_is_repetition():
    X = rows(200)
    weight = np.random.default_rng(1).integers(1, 4, len(X))
    twice = np.repeat(np.arange(len(X)), weight)
    once = tree_leaves(X, weight.astype(float), SCORES, 12, np.random.default_rng(0))
    again = tree_leaves(
        X[twice], np.ones(len(twice)), SCORES, 12, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(once[twice], again)


@pytest.mark.parametrize("n_cells", [1, 2, 30, 399])
def test_cells_are_filled_and_lie_within_leaves(n_cells):
    X = rows()
    weight = np.ones(len(X))
    labels = tree_cells(
        X,
        np.nan_to_num(X),
        weight,
        np.flatnonzero(SCORES),
        n_cells,
        np.random.default_rng(0),
    )
    assert np.array_equal(np.unique(labels), np.arange(n_cells))
    leaves = tree_leaves(
        X, weight, SCORES, max(round(_LEAVES * n_cells), 1), np.random.default_rng(0)
    )
    for cell in range(n_cells):
        assert len(np.unique(leaves[labels == cell])) == 1


def test_many_columns_and_levels_are_told_apart():
    """The two columns that matter are found among fifty; one has 300 levels."""
    rng = np.random.default_rng(0)
    n = 2000
    X = rng.integers(2, size=(n, 50)).astype(float)
    group = rng.integers(2, size=n)
    X[:, 7] = np.where(group, rng.integers(3, size=n), rng.integers(3, 300, n))
    X[:, 30:] = group[:, None]
    leaves = tree_leaves(X, np.ones(n), np.zeros(50, bool), 2, rng)
    assert len(np.unique(leaves)) == 2
    assert len(np.unique(group[leaves == 0])) == len(np.unique(group[leaves == 1])) == 1


def test_rare_levels_that_decide_a_label_are_kept_apart():
    """A flag that follows from rare codes is drawn with them, whatever the rest."""
    rng = np.random.default_rng(0)
    n = 2000
    code = rng.choice(8, n, p=[0.86] + [0.02] * 7)
    flag = np.where(code == 0, rng.random(n) < 0.3, code % 2 == 1)
    noise = {f"n{j}": rng.integers(5, size=n).astype(str) for j in range(6)}
    table = pd.DataFrame({"code": code.astype(str), "flag": flag, **noise})

    def mistakes(init):
        model = TabularMixture(24, init_params=init, max_iter=20, random_state=0)
        model.fit(table)
        draws = model.sample(20000, random_state=0)
        drawn = draws["code"].astype(int)
        return np.mean((draws["flag"] != (drawn % 2 == 1))[drawn > 0])

    assert mistakes("tree") < 0.05
    assert mistakes("tree") < mistakes("random_from_data") / 2
