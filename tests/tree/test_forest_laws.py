"""What a forest says of rows, against a search through all of its leaves."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import norm, truncnorm

from sklgen.tree import AdversarialForest
from sklgen.tree._forest_axes import Axis
from sklgen.tree._forest_kernels import log_masses
from sklgen.tree._forest_law_kernels import match_moments, prior_moments
from sklgen.tree._forest_laws import NODE_WEIGHTS, NODES


def rows(n=300, seed=0):
    """A label, whole numbers with an atom, and floats, which depend on each other."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "label": np.array(list("abcd"))[np.digitize(x, [-1, 0, 0.5])],
            "whole": np.where(x > 0.8, 7.0, np.rint(20 + 30 * x + rng.normal(size=n))),
            "float": x + 0.3 * rng.normal(size=n),
        }
    )


@pytest.fixture(scope="module")
def model():
    X = rows()
    X["label"] = X["label"].mask(np.random.default_rng(1).random(len(X)) < 0.2)
    return AdversarialForest(6, random_state=0).fit(X)


def boxes(trees, n_axes):
    """Every leaf of every tree and the box that leads to it, by recursion."""

    def walk(node, low, high):
        axis, cut = trees.feature[node], trees.threshold[node]
        if axis < 0:
            yield trees.left[node], low, high
            return
        below, above = high.copy(), low.copy()
        below[axis], above[axis] = min(high[axis], cut), max(low[axis], cut)
        yield from walk(trees.left[node], low, below)
        yield from walk(trees.right[node], above, high)

    ends = np.full(n_axes, -np.inf), np.full(n_axes, np.inf)
    return [list(walk(root, *ends)) for root in trees.roots]


class BruteForce:
    """Log-joint densities (n, K) of rows and leaves, each from its definition."""

    def __init__(self, model):
        self.axes, self.trees = model._model.axes, model._model.trees
        self.laws = model._model.leaves.laws
        self.boxes = boxes(self.trees, len(self.axes.all))
        self.leaves = {leaf: box for tree in self.boxes for leaf, *box in tree}

    def level(self, k, j, code):
        """Probability of a code in leaf k, from counts and shares within the box."""
        laws, axis = self.laws, self.axes.all[self.axes.of_codes[j]]
        low, high = (end[self.axes.of_codes[j]] for end in self.leaves[k])
        share = self.axes.shares[j].copy()
        share[~((axis.codes > low) & (axis.codes <= high)) & ~np.isnan(axis.codes)] = 0
        if np.isnan(axis.codes[0]):
            ends = axis.scores(np.array([low, high]))
            inside = axis.codes[1:][(axis.codes[1:] > low) & (axis.codes[1:] <= high)]
            cells = min(high, axis.map.high) - max(low, axis.map.low)
            share[0] *= (norm.cdf(ends[1]) - norm.cdf(ends[0])) * (
                not axis.coarse or cells > len(inside) + 0.5
            )
        at = slice(*laws.pointer[[k * laws.total.shape[1] + j + i for i in (0, 1)]])
        counts = np.zeros(len(share))
        counts[laws.levels[at]] = laws.counts[at]
        total = counts + 0.1 * share / share.sum()
        return (total / total.sum())[code]

    def score(self, k, j, value, low, high):
        """Density or mass of a score in leaf k."""
        laws = self.laws
        mean, scale = laws.means[k, j], laws.deviations[k, j]
        ends = [
            self.axes.all[self.axes.of_scores[j]].scores(end[[self.axes.of_scores[j]]])
            for end in self.leaves[k]
        ]
        law = truncnorm(*((end[0] - mean) / scale for end in ends), mean, scale)
        if low < high:
            return max(law.cdf(high) - law.cdf(low), 0.0)
        return law.pdf(value)

    def log_joint(self, typed):
        cells = self.axes.cells(typed)
        K, q = self.laws.means.shape
        joint = np.full((len(typed), K), -np.inf)
        for i, at in enumerate(cells.positions):
            for k, (low, high) in self.leaves.items():
                if not np.all(np.isnan(at) | ((at > low) & (at <= high))):
                    continue
                density = np.exp(self.laws.log_weight[k])
                for j, code in enumerate(cells.codes[i]):
                    density *= self.level(k, j, code) if code >= 0 else 1.0
                for j in range(q):
                    value, *ends = cells.scores[i, j::q]
                    if not np.isnan(value):
                        density *= self.score(k, j, value, *ends)
                with np.errstate(divide="ignore"):
                    joint[i, k] = np.log(density)
        return joint


def incomplete(n, seed):
    """Rows whose cells are there or not in all possible ways."""
    X = rows(n, seed)
    ways = np.arange(n) % 8
    for j, name in enumerate(X):
        X[name] = X[name].mask((ways >> j) % 2 == 1)
    return X


def test_boxes_of_a_tree_are_disjoint_and_hold_the_weight_of_their_rows(model):
    brute = BruteForce(model)
    axes, weights = brute.axes, np.exp(brute.laws.log_weight)
    positions = axes.positions(model._validate(rows(200, 5)).astype(float))
    positions[:, -1] = np.arange(200) % 2  # whether the label misses
    n = 300
    *trees, background = brute.boxes
    assert weights[background[0][0]] == pytest.approx(1 / (n + 1))
    for tree in trees:
        inside = [
            np.all((positions > low) & (positions <= high), axis=1)
            for _, low, high in tree
        ]
        assert np.all(np.sum(inside, axis=0) == 1)
        own = weights[[leaf for leaf, *_ in tree]] * len(trees) * (n + 1)
        assert own.sum() == pytest.approx(n)
        assert own == pytest.approx(np.rint(own))


def test_densities_are_sums_over_all_leaves(model):
    X = incomplete(24, 2)
    typed = model._validate(X)
    expected = logsumexp(BruteForce(model).log_joint(typed), axis=1)
    expected += np.nan_to_num(typed[:, -1].astype(float))
    assert model.score_samples(X) == pytest.approx(expected, abs=1e-8)


def test_imputed_cells_are_posterior_means_and_modes(model):
    X = incomplete(16, 3)
    brute = BruteForce(model)
    joint = brute.log_joint(model._validate(X))
    posterior = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    filled = model.impute(X)
    column = model.encoder_.columns_[2]
    u = (np.arange(2000) + 0.5) / 2000
    means = []
    for k, (low, high) in brute.leaves.items():
        mean, scale = brute.laws.means[k, 1], brute.laws.deviations[k, 1]
        ends = (low[2] - mean) / scale, (high[2] - mean) / scale
        draws = column.map.inverse(truncnorm(*ends, mean, scale).ppf(u))
        means.append((k, draws.mean()))
    order, values = zip(*means, strict=True)
    gone = X["float"].isna().to_numpy()
    expected = posterior[:, list(order)] @ np.array(values)
    assert filled["float"].to_numpy()[gone] == pytest.approx(expected[gone], abs=5e-3)
    label = np.array([[brute.level(k, 0, c) for c in range(4)] for k in order])
    modes = np.array(list("abcd"))[(posterior[:, list(order)] @ label).argmax(axis=1)]
    gone = X["label"].isna().to_numpy()
    assert np.array_equal(filled["label"].to_numpy()[gone], modes[gone])


def test_draws_given_cells_have_the_posterior_law(model):
    X = incomplete(8, 4).iloc[[1, 4, 5]].reset_index(drop=True)  # the label, then more
    X["label"] = None
    brute = BruteForce(model)
    joint = brute.log_joint(model._validate(X))
    posterior = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    level = np.array(
        [[brute.level(k, 0, c) for c in range(4)] for k in range(posterior.shape[1])]
    )
    n = 4000
    for i, expected in enumerate(posterior @ level):
        many = X.iloc[[i]].loc[lambda x: x.index.repeat(n)].reset_index(drop=True)
        draws = model.sample_conditional(many, random_state=i)["label"]
        shares = [(draws == label).mean() for label in "abcd"]
        errors = np.sqrt(expected * (1 - expected) / n) + 1e-3
        assert np.all(np.abs(shares - expected) < 5 * errors)


def test_laws_within_bounds_have_the_wanted_moments():
    low, high = np.array([[-1.0, 0.5, -np.inf]]), np.array([[2.0, np.inf, np.inf]])
    mean, variance = np.array([[0.2, 1.0, 3.0]]), np.array([[0.3, 0.1, 2.0]])
    means, deviations = np.empty((2, 1, 3))
    bounds = low, high, NODES, NODE_WEIGHTS
    match_moments(mean, variance, *bounds, 60, means, deviations)
    for j in range(3):
        scaled = (end[0, j] - means[0, j] for end in (low, high))
        law = truncnorm(*(end / deviations[0, j] for end in scaled))
        assert means[0, j] + deviations[0, j] * law.mean() == pytest.approx(
            mean[0, j], abs=1e-3
        )
        own = deviations[0, j] ** 2 * law.var()
        assert own == pytest.approx(variance[0, j], rel=1e-2)


def test_moments_of_the_prior_are_those_of_a_normal_law_within_bounds():
    low = np.array([[-np.inf, -1.0, 2.0, 1.0, 6.0]])
    high = np.array([[np.inf, 0.5, np.inf, 1.001, 7.0]])
    mean, variance = np.empty((2, 1, 5))
    prior_moments(low, high, NODES, NODE_WEIGHTS, mean, variance)
    laws = [truncnorm(a, b) for a, b in zip(low[0], high[0], strict=True)]
    assert mean[0] == pytest.approx([law.mean() for law in laws], abs=1e-5)
    expected = [law.var() for law in laws[:3]] + [1e-6 / 12, laws[4].var()]
    assert variance[0] == pytest.approx(expected, rel=2e-3)
    mass = np.empty((1, 5))
    log_masses(np.zeros((1, 5)), np.ones((1, 5)), low, high, mass)
    expected = np.log(norm.sf(low[0]) - norm.sf(high[0]))
    assert mass[0] == pytest.approx(expected, rel=1e-9)


def test_frequent_labels_come_first_and_cuts_are_at_edges_of_cells(model):
    label, whole, _ = model._model.axes.own
    shares = model.encoder_.level_shares_[0]
    assert np.all(np.diff(shares[label.order]) <= 0)
    assert whole.coarse
    low, high = model.encoder_.limits(rows(50, 6))
    cuts = whole.scores(whole.between(np.array([3.0, 4.0, 8.0])))
    edges = whole.map.transform(np.array([3.5, 6.5]))
    assert np.array_equal(cuts, edges)
    at = model.encoder_.kinds_.index("normal")
    assert not np.any((low[:, [at]] < cuts) & (cuts < high[:, [at]]))


def test_a_box_between_atoms_has_no_room_for_other_numbers():
    axis = Axis(np.array([np.nan, 4.0, 6.0]), _Bounds(), coarse=True)
    low, high = np.array([3.5, 3.5, 4.5, -np.inf]), np.array([4.5, 5.5, 5.5, 0.5])
    assert axis.has_room(low, high).tolist() == [False, True, True, True]


class _Bounds:
    low, high = -0.5, np.inf
