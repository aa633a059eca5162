"""Cases in which hidden Markov models once were wrong."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklgen.hmm import GaussianHMM, HMMMixture, PoissonHMM, TabularHMM
from sklgen.mixture import GaussianMixture

COVARIANCES = ["full", "tied", "diag", "spherical"]


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("model", [GaussianHMM, GaussianMixture])
def test_a_missing_row_of_one_column_says_nothing(model, covariance_type):
    X = np.random.default_rng(0).normal(size=(50, 1))
    fitted = model(covariance_type=covariance_type).fit(X)
    assert fitted.score_samples([[np.nan]])[0] == 0.0


def test_missing_rows_of_one_column_leave_all_covariances_alike():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (100, 1)), rng.normal(6, 1, (100, 1))])
    X[::3] = np.nan
    bounds = [
        GaussianHMM(2, covariance_type=kind, random_state=0).fit(X).lower_bound_
        for kind in ("full", "diag", "spherical")
    ]
    np.testing.assert_allclose(bounds, bounds[0], rtol=1e-6)


def test_emissions_that_underflow_where_transitions_are_unlikely():
    """A path of logarithms: state 1 is left for a row of state 0, and kept after."""
    transmat = np.array([[1.0, 1e-200], [1e-160, 1.0]])
    X = np.array([[40.0], [0.0], [40.0]])
    model = GaussianHMM(
        2,
        startprob_init=[0.5, 0.5],
        transmat_init=transmat,
        means_init=[[0.0], [40.0]],
        covariances_init=[[[1.0]], [[1.0]]],
        n_init=1,
        max_iter=0,
    ).fit(X)
    log_emission = -0.5 * (X - [0.0, 40.0]) ** 2 - 0.5 * np.log(2 * np.pi)
    joint = np.log([0.5, 0.5]) + log_emission[0]
    for row in log_emission[1:]:
        joint = np.logaddexp.reduce(joint[:, None] + np.log(transmat), axis=0) + row
    expected = np.logaddexp.reduce(joint)
    assert model.score_samples(X).sum() == pytest.approx(expected, rel=1e-12)
    assert model.predict_proba(X)[1, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("n_components", [2, 3])
def test_parameters_are_counted_where_estimates_are_zero(n_components):
    rng = np.random.default_rng(0)
    means = 30.0 * np.arange(n_components)
    parts = [
        np.repeat(means, 5)[:, None] + rng.normal(size=(5 * n_components, 1))
        for _ in range(5)
    ]
    model = GaussianHMM(n_components, random_state=0).fit(parts)
    assert (model.transmat_ == 0).any()
    K = n_components
    log_likelihood = sum(part.sum() for part in model.score_samples(parts))
    expected = 2 * (K - 1 + K * (K - 1) + 2 * K) - 2 * log_likelihood
    assert model.aic(parts) == pytest.approx(expected)
    clusters = HMMMixture(1, K, random_state=0).fit(parts)
    assert clusters.aic(parts) == pytest.approx(expected, rel=1e-6)


def test_a_stationary_start_needs_states_that_come_back():
    X = np.arange(20.0)[:, None]
    with pytest.raises(ValueError, match="stationary=True needs transitions"):
        GaussianHMM(2, topology="left-right", stationary=True).fit(X)
    with pytest.raises(ValueError, match="transmat_init"):
        GaussianHMM(2, transmat_init=[[0.5, 0.5], [0.0, 1.0]], stationary=True).fit(X)


def test_a_topology_rules_transitions_out():
    X = np.arange(20.0)[:, None]
    with pytest.raises(ValueError, match="that topology='left-right' rules out"):
        GaussianHMM(
            2, topology="left-right", transmat_init=[[0.5, 0.5], [0.5, 0.5]]
        ).fit(X)


@pytest.mark.parametrize(
    "groups",
    [[0.0, 0.0, np.nan, 1.0], ["a", "a", None, "b"], pd.array([0, 0, None, 1])],
)
def test_groups_that_miss_are_an_error(groups):
    with pytest.raises(ValueError, match=r"groups is missing .* first at row 2"):
        GaussianHMM().fit(np.arange(4.0)[:, None], groups=groups)


def test_lists_of_tables_that_do_not_match():
    one = pd.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0]})
    with pytest.raises(ValueError, match=r"X\[1\] has the columns"):
        GaussianHMM().fit([one, one.rename(columns={"b": "c"})])
    with pytest.raises(ValueError, match="of different kinds"):
        GaussianHMM().fit([one, one.to_numpy()])
    turned = GaussianHMM().fit([one, one[["b", "a"]]])
    assert turned.means_.tolist() == [[1.5, 0.5]]
    counts = [pl.DataFrame({"n": [1.0, 3.0]}), pl.DataFrame({"n": [2, 6]})]
    assert PoissonHMM().fit(counts).rates_.tolist() == [[3.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state_labels": ["a"] * 6}, "state_labels must be whole numbers"),
        ({"state_labels": [0.0] * 5 + [np.nan]}, "state_labels must be whole"),
        ({"state_labels": [0] * 5}, "state_labels has 5 entries for 6 rows"),
        ({"groups": [0] * 5}, "groups has 5 entries for 6 rows"),
    ],
)
def test_errors_name_the_argument(options, message):
    with pytest.raises(ValueError, match=message):
        GaussianHMM(2).fit(np.arange(6.0)[:, None], **options)


@pytest.mark.parametrize("name", ["transmat_prior", "startprob_prior"])
def test_priors_are_finite(name):
    prior = np.full((2, 2) if name == "transmat_prior" else 2, np.inf)
    with pytest.raises(ValueError, match=name):
        GaussianHMM(2, **{name: prior}).fit(np.arange(6.0)[:, None])


def test_a_stationary_start_has_no_prior_of_its_own():
    X = np.random.default_rng(0).normal(size=(60, 1))
    plain, prior = (
        GaussianHMM(2, stationary=True, startprob_prior=concentration, random_state=0)
        for concentration in (1.0, 9.0)
    )
    assert plain.fit(X).lower_bound_ == prior.fit(X).lower_bound_
    assert prior.lower_bound_ == pytest.approx(prior.score(X), rel=1e-12)


def test_later_batches_may_start_where_no_earlier_one_did():
    rng = np.random.default_rng(0)
    up = np.array([0.0, 0.0, 5.0, 5.0] * 3)[:, None] + 0.1 * rng.normal(size=(12, 1))
    model = GaussianHMM(2, random_state=0).fit(up)
    low = int(np.argmin(model.means_))
    assert model.startprob_[low] == 1.0
    for _ in range(20):
        model.partial_fit(5.0 - up)
    assert model.startprob_[1 - low] > 0.8
    closed = GaussianHMM(2, startprob_init=np.eye(2)[0], random_state=0).fit(up)
    for _ in range(5):
        closed.partial_fit(5.0 - up)
    assert closed.startprob_.tolist() == [1.0, 0.0]


def test_clusters_of_tables_are_read_in_the_units_of_the_table():
    rng = np.random.default_rng(0)
    parts = [rng.normal(10 * (i % 2), 1.0, size=(30, 2)) for i in range(8)]
    frames = [pd.DataFrame(part, columns=["a", "b"]) for part in parts]
    model = HMMMixture(2, hmm=TabularHMM(), random_state=0).fit(frames)
    joint = [[s.sum() for s in hmm.score_samples(frames)] for hmm in model.hmms_]
    expected = np.logaddexp(*(np.log(model.weights_)[:, None] + joint))
    found = [s.sum() for s in model.score_samples(frames)]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
