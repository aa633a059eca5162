"""Fits of hidden Markov models: what they keep to, and what they find."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklgen.hmm import GaussianHMM, groups_from_lengths
from sklgen.hmm._base import expectation
from sklgen.hmm._rules import Rules

STICKY = 0.1 * np.ones((3, 3)) + 0.7 * np.eye(3)
MEANS = np.array([[0.0, 0.0], [3.0, 1.0], [0.0, 4.0]])
GIVEN = {
    "startprob_init": np.full(3, 1 / 3),
    "transmat_init": STICKY,
    "means_init": MEANS,
    "covariances_init": np.tile(np.eye(2), (3, 1, 1)),
    "n_init": 1,
}


def planted(lengths, seed=0):
    """Rows of three states, their groups and states."""
    rng = np.random.default_rng(seed)
    states = []
    for n in lengths:
        state = rng.integers(3)
        for _ in range(n):
            states.append(state)
            state = rng.choice(3, p=STICKY[state])
    states = np.array(states)
    X = MEANS[states] + rng.normal(size=(len(states), 2))
    return X, groups_from_lengths(lengths), states


def sums_of(model, X, groups):
    """What an E-step at the fitted parameters adds up."""
    chains = model._fitted()
    ends = np.append(np.flatnonzero(np.diff(groups)) + 1, len(X))
    with model._sequences(X, ends, chains) as sequences:
        return expectation(sequences)(chains)


CONFIGURATIONS = {
    "plain": {},
    "diag": {"covariance_type": "diag"},
    "tied": {"covariance_type": "tied"},
    "spherical": {"covariance_type": "spherical"},
    "sticky": {"stickiness": 20.0, "startprob_prior": 3.0, "transmat_prior": 2.0},
    "left-right": {"topology": "left-right"},
    "linear": {"topology": "linear"},
    "stationary": {"stationary": True, "transmat_prior": 2.0},
    "fixed": {"fixed": ["transition"], "transmat_init": STICKY},
}


@pytest.mark.parametrize("parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_bound_never_falls(parameters):
    X, groups, _ = planted([30, 1, 50, 80])
    X[::7, 0] = np.nan
    X[40:45] = np.nan
    model = GaussianHMM(3, random_state=0, n_init=2, max_iter=60, tol=1e-4)
    model.set_params(**parameters).fit(X, groups=groups)
    bounds = np.array(model.lower_bounds_)
    assert len(bounds) > 3
    assert np.diff(bounds).min() > -1e-9
    assert_allclose(model.lower_bound_, bounds[-1])


def test_threads_leave_the_bits_as_they_are():
    X, groups, _ = planted([3000, 5, 2500, *[40] * 60])
    fits = [
        GaussianHMM(3, random_state=0, n_init=2, max_iter=10, tol=0.01, n_jobs=n).fit(
            X, groups=groups
        )
        for n in (1, 4)
    ]
    for name in ("startprob_", "transmat_", "means_", "covariances_", "lower_bounds_"):
        assert_array_equal(*(getattr(model, name) for model in fits))
    for method in ("predict", "predict_proba", "score_samples", "impute"):
        assert_array_equal(*(getattr(model, method)(X, groups) for model in fits))


def test_memory_does_not_grow_with_rows_times_states():
    """Long sequences keep arrays over rows and states for a few segments alone."""
    K = 32
    model = GaussianHMM(
        K,
        covariance_type="spherical",
        startprob_init=np.full(K, 1 / K),
        transmat_init=np.full((K, K), 1 / K),
        means_init=np.linspace(-2, 2, K)[:, None],
        covariances_init=np.ones(K),
        n_init=1,
        max_iter=0,
        n_jobs=1,
    )
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120_000, 1))
    model.fit(X[:1000])
    peaks = []
    for n in (40_000, 120_000):
        groups = np.zeros(n)
        tracemalloc.start()
        sums_of(model, X[:n], groups)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    per_row = (peaks[1] - peaks[0]) / 80_000
    assert per_row < 8 * K / 2


@pytest.mark.parametrize("parameters", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_fit_ends_where_a_step_changes_nothing(parameters):
    X, groups, _ = planted([60, 40, 80])
    model = GaussianHMM(3, random_state=0, n_init=1, tol=1e-10)
    model.set_params(**parameters).fit(X, groups=groups)
    chains = model._fitted()
    after = chains.m_step(sums_of(model, X, groups))
    assert_allclose(after.start, chains.start, atol=2e-4)
    assert_allclose(after.transition, chains.transition, atol=2e-4)
    assert_allclose(after.components.means, chains.components.means, atol=1e-3)


def test_priors_are_pseudo_counts():
    X, groups, _ = planted([60, 40, 80])
    model = GaussianHMM(
        3,
        stickiness=5.0,
        startprob_prior=[1.0, 2.0, 4.0],
        transmat_prior=1.5,
        max_iter=0,
        **GIVEN,
    ).fit(X, groups=groups)
    sums = sums_of(model, X, groups)
    after = model._fitted().m_step(sums)
    counts = sums.transitions[0] + 0.5 + 5.0 * np.eye(3)
    assert_allclose(after.transition[0], counts / counts.sum(axis=1, keepdims=True))
    starts = sums.starts[0] + [0.0, 1.0, 3.0]
    assert_allclose(after.start[0], starts / starts.sum())


def test_stickier_states_stay_longer():
    X, groups, _ = planted([50, 50])
    stay = [
        np.diag(
            GaussianHMM(3, stickiness=s, random_state=0, n_init=2, tol=1e-4)
            .fit(X, groups=groups)
            .transmat_
        ).mean()
        for s in (0.0, 50.0, 1000.0)
    ]
    assert stay[0] < stay[1] < stay[2]
    assert stay[2] > 0.95


def test_impossible_transitions_stay_impossible():
    X, groups, _ = planted([60, 40, 80])
    first = {"transmat_prior": 2.0, "startprob_prior": 2.0}
    first |= {"random_state": 0, "n_init": 2, "tol": 1e-4}
    upper = GaussianHMM(3, topology="left-right", **first).fit(X, groups=groups)
    assert_array_equal(upper.startprob_, [1.0, 0.0, 0.0])
    assert_array_equal(upper.transmat_[np.tril_indices(3, -1)], 0.0)
    assert (upper.transmat_[np.triu_indices(3)] > 0).all()
    linear = GaussianHMM(3, topology="linear", **first).fit(X, groups=groups)
    assert linear.transmat_[0, 2] == 0.0
    ring = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
    cycle = GaussianHMM(3, transmat_init=ring, **first).fit(X, groups=groups)
    assert_array_equal(cycle.transmat_ > 0, ring > 0)
    for states in np.split(
        cycle.predict(X, groups), np.flatnonzero(np.diff(groups)) + 1
    ):
        assert (ring[states[:-1], states[1:]] > 0).all()


def test_free_parameters_are_those_that_can_move():
    X, groups, _ = planted([60, 40, 80])
    count = {}
    for name in ("plain", "left-right", "stationary", "fixed"):
        model = GaussianHMM(3, random_state=0, n_init=1, max_iter=20, tol=1e-2)
        model.set_params(**CONFIGURATIONS[name]).fit(X, groups=groups)
        count[name] = model._n_parameters()
    emissions = 3 * 2 + 3 * 3
    assert count == {
        "plain": 2 + 6 + emissions,
        "left-right": 0 + 3 + emissions,
        "stationary": 6 + emissions,
        "fixed": 2 + emissions,
    }
    total = model.score(X, groups=groups) * len(X)
    expected = (2 + emissions) * np.log(len(X)) - 2 * total
    assert_allclose(model.bic(X, groups), expected)


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("start", ["startprob_"]),
        ("transition", ["transmat_"]),
        ("emission", ["means_", "covariances_"]),
    ],
)
def test_fixed_parts_stay(part, names):
    X, groups, _ = planted([60, 40, 80])
    model = GaussianHMM(3, fixed=[part], **GIVEN).fit(X, groups=groups)
    given = {
        "startprob_": "startprob_init",
        "transmat_": "transmat_init",
        "means_": "means_init",
        "covariances_": "covariances_init",
    }
    for attribute, parameter in given.items():
        same = np.allclose(getattr(model, attribute), GIVEN[parameter], rtol=1e-12)
        assert same == (attribute in names)


def test_stationary_chains_start_from_their_stationary_law():
    X, groups, _ = planted([60, 40, 80])
    model = GaussianHMM(3, stationary=True, random_state=0, n_init=2, tol=1e-3).fit(
        X, groups=groups
    )
    assert_allclose(model.startprob_ @ model.transmat_, model.startprob_, atol=1e-12)


def test_known_states_everywhere_are_counted():
    X, groups, states = planted([60, 40, 80])
    model = GaussianHMM(3, random_state=0, reg_covar=0.0)
    model.fit(X, groups=groups, state_labels=states)
    for state in range(3):
        own = X[states == state]
        assert_allclose(model.means_[state], own.mean(axis=0))
        assert_allclose(model.covariances_[state], np.cov(own.T, bias=True))
    counts = np.zeros((3, 3))
    within = np.diff(groups) == 0
    np.add.at(counts, (states[:-1][within], states[1:][within]), 1)
    assert_allclose(model.transmat_, counts / counts.sum(axis=1, keepdims=True))
    first = np.bincount(states[[0, 60, 100]], minlength=3) / 3
    assert_allclose(model.startprob_, first, atol=1e-12)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_a_few_known_states_name_the_others(order):
    X, groups, states = planted([200, 200])
    names = np.array(order)[states]
    known = np.full(len(X), -1)
    known[::10] = names[::10]
    model = GaussianHMM(3, random_state=0).fit(X, groups=groups, state_labels=known)
    assert np.mean(model.predict(X, groups) == names) > 0.9
    assert_allclose(model.means_[order], MEANS, atol=0.6)


def test_known_states_that_contradict_the_topology():
    X, groups, _ = planted([20, 20])
    known = np.full(40, -1)
    known[[3, 9]] = [2, 0]
    model = GaussianHMM(3, topology="left-right", random_state=0)
    with pytest.raises(ValueError, match="sequences are impossible"):
        model.fit(X, groups=groups, state_labels=known)


def test_weights_of_sequences_are_copies():
    X, groups, _ = planted([30, 40, 50, 20])
    weight = np.array([2, 0, 1, 3])
    copies = np.repeat([0, 2, 3], [2, 1, 3])
    again = np.concatenate([X[groups == g] for g in copies])
    lengths = [int((groups == g).sum()) for g in copies]
    weighted = GaussianHMM(3, **GIVEN).fit(X, groups=groups, sequence_weight=weight)
    repeated = GaussianHMM(3, **GIVEN).fit(again, groups=groups_from_lengths(lengths))
    assert_allclose(weighted.lower_bounds_, repeated.lower_bounds_, rtol=1e-9)
    assert_allclose(weighted.means_, repeated.means_, rtol=1e-6)
    by_row = GaussianHMM(3, **GIVEN)
    by_row.fit(X, groups=groups, sequence_weight=weight[groups])
    assert_array_equal(by_row.means_, weighted.means_)


def test_sequences_in_batches():
    X, groups, _ = planted([50] * 20)
    model = GaussianHMM(3, random_state=0)
    for at in range(0, 1000, 250):
        model.partial_fit(X[at : at + 250], groups=groups[at : at + 250])
    whole = GaussianHMM(3, random_state=0).fit(X, groups=groups)
    assert whole.score(X, groups=groups) - model.score(X, groups=groups) < 0.05


def test_finds_the_planted_model():
    X, groups, states = planted([100] * 20)
    model = GaussianHMM(3, random_state=0).fit(X, groups=groups)
    order = np.array([np.argmin(((model.means_ - m) ** 2).sum(axis=1)) for m in MEANS])
    assert_allclose(model.means_[order], MEANS, atol=0.2)
    assert_allclose(model.transmat_[np.ix_(order, order)], STICKY, atol=0.08)
    assert np.mean(order[states] == model.predict(X, groups)) > 0.93


def test_starts_see_all_of_a_long_sequence():
    rng = np.random.default_rng(0)
    state = np.concatenate(
        [rng.integers(2, size=20_000), 2 * rng.integers(2, size=500)]
    )
    X = np.array([0.0, 5.0, 20.0])[state][:, None] + rng.normal(size=(20_500, 1))
    for topology, highest in (("ergodic", 20), ("left-right", 5)):
        start = GaussianHMM(
            3, topology=topology, n_init=1, max_iter=0, random_state=0
        ).fit(X)
        assert start.means_.max() == pytest.approx(highest, abs=3.0)


def test_transitions_that_no_row_asks_for_end_at_zero():
    even, counts = np.full((1, 2, 2), 0.5), np.array([[[3.0, 3e-101], [1e-90, 1.0]]])
    rules = Rules(np.zeros(2), np.zeros((2, 2)))
    _, updated = rules.maximize(even[:, 0], even, np.ones((1, 2)), counts)
    assert_array_equal(updated[0, 0], [1.0, 0.0])
    assert_allclose(updated[0, 1], [1e-90, 1.0], rtol=1e-12)
