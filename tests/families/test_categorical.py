"""Categorical columns: enumeration, the prior's mode, draws, additive counts."""

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

from sklgen.em import Scratch
from sklgen.families import Categorical
from sklgen.families._categorical import invert

LEVELS = (3, 1, 2, 5, 2)
K = 3
EVERY = np.array(list(itertools.product(*map(range, LEVELS))), dtype=float)


def shares(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.ones(n)) for n in LEVELS]


def components(seed=0, strength=0.7):
    equal = Categorical.equal(K, shares(seed), strength)
    logits = np.random.default_rng(seed + 1).normal(size=(K, sum(LEVELS)))
    return equal.unpack(logits.ravel())


def rows(n=50, missing=0.3, seed=2):
    """Distinct from the size of a tile, so that its remainder is used."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.integers(k, size=n) for k in LEVELS]).astype(float)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def densities(model, X, view=None):
    view = model.view(complete=False) if view is None else view
    out = np.full((len(model.log_probabilities), len(X)), np.nan)
    view.evaluate(X, Scratch(), out)
    return out


def responsibilities(n, seed=3):
    return np.random.default_rng(seed).dirichlet(np.ones(K), n).T.copy()


def statistics(model, X, R, cuts=(19,)):
    view = model.view(complete=False)
    sums = view.zeros()
    scratch = Scratch()
    for at in np.split(np.arange(len(X)), cuts):
        out = np.empty((K, len(at)))
        features = view.evaluate(X[at], scratch, out)
        view.accumulate(sums, features, np.ascontiguousarray(R[:, at]))
    return view.complete(sums)


def test_probabilities_of_all_rows_sum_to_one():
    found = np.exp(densities(components(), EVERY))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("d", range(1, 9))
def test_log_probabilities_add_up_over_any_number_of_columns(d):
    """The kernel takes columns three at a time."""
    rng = np.random.default_rng(d)
    laws = [rng.dirichlet(np.ones(2 + j), K) for j in range(d)]
    logs = np.hstack([np.log(law) for law in laws])
    model = Categorical(logs, tuple(2 + j for j in range(d)), np.zeros(logs.shape[1]))
    X = np.column_stack([rng.integers(2 + j, size=21) for j in range(d)])
    expected = sum(np.log(law[:, X[:, j]]) for j, law in enumerate(laws))
    np.testing.assert_allclose(densities(model, X.astype(float)), expected)


def test_missing_cells_are_summed_over():
    model = components()
    for X in rows(12, missing=0.5)[:, None]:
        seen = ~np.isnan(X[0])
        match = np.all(EVERY[:, seen] == X[0, seen], axis=1)
        expected = np.exp(densities(model, EVERY[match])).sum(axis=1)
        np.testing.assert_allclose(np.exp(densities(model, X)[:, 0]), expected)


def test_rows_that_miss_everything_have_probability_one_and_no_counts():
    model, X = components(), np.full((11, len(LEVELS)), np.nan)
    np.testing.assert_array_equal(densities(model, X), 0.0)
    found = statistics(model, X, responsibilities(11), cuts=())
    np.testing.assert_array_equal(found.counts, 0.0)


def test_views_of_patterns_are_those_of_rows():
    model = components()
    X = np.full((9, len(LEVELS)), np.nan)
    X[:, 3] = np.arange(9) % 5
    view = model.pattern_view(~np.isnan(X[0]))
    np.testing.assert_array_equal(densities(model, X, view), densities(model, X))


def test_statistics_count_levels_and_add_up():
    model, X = components(), rows()
    R = responsibilities(len(X))
    found = statistics(model, X, R)
    expected = [R @ (X[:, j, None] == np.arange(n)) for j, n in enumerate(LEVELS)]
    np.testing.assert_allclose(found.counts, np.hstack(expected))
    parts = [
        statistics(model, X[at], R[:, at], ()) for at in np.array_split(range(50), 3)
    ]
    total = parts[0] + parts[1] + parts[2]
    np.testing.assert_allclose(total.counts, found.counts)
    np.testing.assert_allclose((found * 2.5).counts, 2.5 * found.counts)


@pytest.mark.parametrize("strength", [0.0, 0.02, 0.7])
def test_m_step_is_the_highest_expected_posterior(strength):
    model, X = components(strength=strength), rows()
    R = responsibilities(len(X))
    found = model.maximize(statistics(model, X, R))

    def expected(candidate):
        return float((R * densities(candidate, X)).sum()) + candidate.log_prior

    best = expected(found)
    assert best > expected(model)
    rng = np.random.default_rng(4)
    for _ in range(50):
        step = rng.normal(size=found.log_probabilities.size)
        near = [expected(found.unpack(found.pack() + h * step)) for h in (-1e-2, 1e-2)]
        assert max(near) < best
        # The slope vanishes: what is left is second order.
        assert abs(near[1] - near[0]) < 0.05 * (2 * best - sum(near))


def test_m_step_is_the_share_of_counts_and_pseudo_counts():
    """Three rows by hand: (2 + 3 * 0.1 * p) / (3 + 0.3) and so on."""
    p = np.array([0.5, 0.3, 0.2])
    model = Categorical.equal(1, [p], 0.1)
    view = model.view(complete=True)
    sums = view.zeros()
    features = view.evaluate(
        np.array([[0.0], [0.0], [2.0]]), Scratch(), np.empty((1, 3))
    )
    view.accumulate(sums, features, np.ones((1, 3)))
    found = model.maximize(view.complete(sums)).probabilities()[0][0]
    np.testing.assert_allclose(found, (np.array([2, 0, 1]) + 0.3 * p) / 3.3)


def test_a_component_without_weight_goes_to_the_mode_of_the_prior():
    model, X = components(), rows()
    R = np.zeros((K, len(X)))
    R[0] = 1.0
    found = model.maximize(statistics(model, X, R)).probabilities()
    for own, share in zip(found, shares(), strict=True):
        np.testing.assert_allclose(own[1:], np.tile(share, (K - 1, 1)))


def test_without_a_prior_a_component_without_weight_keeps_its_parameters():
    model, X = components(strength=0.0), rows()
    R = np.zeros((K, len(X)))
    R[0] = 1.0
    found = model.maximize(statistics(model, X, R))
    np.testing.assert_array_equal(
        found.log_probabilities[1:], model.log_probabilities[1:]
    )


def test_levels_without_share_stay_impossible_and_finite():
    model = Categorical.equal(2, [np.array([0.0, 1.0]), np.array([0.4, 0.6])], 0.5)
    assert np.isfinite(model.log_prior)
    X = np.array([[1.0, 0.0], [np.nan, 1.0]])
    R = np.full((2, 2), 0.5)
    view = model.view(complete=False)
    sums, out = view.zeros(), np.empty((2, 2))
    view.accumulate(sums, view.evaluate(X, Scratch(), out), R)
    found = model.maximize(view.complete(sums))
    assert np.isfinite(found.log_prior)
    np.testing.assert_array_equal(found.probabilities()[0], [[0.0, 1.0]] * 2)
    drawn = found.conditional_draw(
        np.full((1000, 2), np.nan), np.zeros(1000, int), np.random.default_rng(0)
    )
    assert np.all(drawn[:, 0] == 1)


def test_pack_and_unpack_are_inverse_and_any_vector_is_valid():
    model = components()
    again = model.unpack(model.pack())
    np.testing.assert_allclose(again.log_probabilities, model.log_probabilities)
    vector = 300.0 * np.random.default_rng(0).normal(size=model.pack().size)
    for own in model.unpack(vector).probabilities():
        np.testing.assert_allclose(own.sum(axis=1), 1.0)
    np.testing.assert_array_equal(again.prior, model.prior)


def test_draws_follow_the_probabilities_of_the_component():
    model, n = components(), 30_000
    labels = np.arange(n) % K
    X = np.full((n, len(LEVELS)), np.nan)
    drawn = model.conditional_draw(X, labels, np.random.default_rng(5))
    for k in range(K):
        index = drawn[labels == k] @ np.cumprod((1, *LEVELS[:0:-1]))[::-1]
        counts = np.bincount(index.astype(int), minlength=len(EVERY))
        expected = np.exp(densities(model, EVERY)[k]) * counts.sum()
        rare = expected < 5
        cells = np.where(rare, 0, 1 + np.arange(len(EVERY)))
        found, wanted = (np.bincount(cells, weights=w) for w in (counts, expected))
        found, wanted = found[wanted > 0], wanted[wanted > 0]
        assert chisquare(found, wanted).pvalue > 1e-4


def test_the_conditional_mean_is_the_mode_of_the_mixed_law():
    model = components()
    weights = responsibilities(20)
    found = model.conditional_mean(np.full((20, len(LEVELS)), np.nan), weights)
    for j, own in enumerate(model.probabilities()):
        mixed = np.einsum("kn,kl->nl", weights, own)
        np.testing.assert_array_equal(found[:, j], mixed.argmax(axis=1))


def test_settle_takes_the_prior_of_the_data():
    data = Categorical.equal(K, shares(7), 2.0)
    settled = components().settle(np.full(K, 1 / K), data)
    np.testing.assert_array_equal(settled.prior, data.prior)
    np.testing.assert_array_equal(
        settled.log_probabilities, components().log_probabilities
    )


def test_float32_codes_are_read_as_well():
    model, X = components(), rows()
    np.testing.assert_array_equal(
        densities(model, X.astype(np.float32)), densities(model, X)
    )


def test_a_draw_at_the_very_edge_is_a_level_that_exists():
    """Uniform numbers can be 0, and the sum of probabilities above or below 1."""
    cumulative = np.array([[0.0, 0.0, 0.3, 0.3, 1.0 - 1e-16]])
    drawn = np.empty(4)
    threshold = np.array([0.0, 0.2999, 0.3, 1.0])
    invert(cumulative, np.zeros(4, dtype=np.intp), threshold, drawn)
    np.testing.assert_array_equal(drawn, [2.0, 2.0, 4.0, 4.0])
