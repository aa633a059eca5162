"""Hidden Markov models whose states emit from mixtures of Gaussians."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from sklgen.hmm import GMMHMM, GaussianHMM
from tests.hmm.brute_force import enumerate_paths

STATES = np.repeat([0, 1, 0, 1, 0], [80, 120, 100, 60, 140])
# Centres of the Gaussians of a state are further apart than the states.
CENTRES = np.array([[[-6.0, 0.0], [6.0, 0.0]], [[0.0, -6.0], [0.0, 6.0]]])


def rows(seed=0, states=STATES):
    rng = np.random.default_rng(seed)
    member = (rng.random(len(states)) < 0.7).astype(int)
    return CENTRES[states, member] + rng.normal(size=(len(states), 2))


def holes(X, seed=0, share=0.2):
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    X[1] = np.nan
    return X


def state_log(model, X):
    """Log-density (K, n) of the observed cells under the fitted attributes."""
    K, M, _ = model.means_.shape
    log = np.zeros((K, M, len(X)))
    for k, m in np.ndindex(K, M):
        for i, row in enumerate(X):
            seen = np.flatnonzero(~np.isnan(row))
            if len(seen):
                covariance = model.covariances_[k, m][np.ix_(seen, seen)]
                law = multivariate_normal(model.means_[k, m, seen], covariance)
                log[k, m, i] = law.logpdf(row[seen])
    return logsumexp(log + np.log(model.weights_)[:, :, None], axis=1)


@pytest.mark.parametrize("missing", [False, True])
def test_scores_and_posteriors_are_sums_over_all_paths(missing):
    model = GMMHMM(2, random_state=0, n_init=2).fit(holes(rows()))
    X = rows(1)[77:82]
    X = holes(X) if missing else X
    expected = enumerate_paths(state_log(model, X), model.startprob_, model.transmat_)
    assert_allclose(model.score_samples(X), expected.density, atol=1e-9)
    assert_allclose(model.predict_proba(X), expected.smoothed.T, atol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_one_gaussian_a_state_is_a_gaussian_hmm(covariance_type):
    X = holes(rows())
    params = {"covariance_type": covariance_type, "random_state": 0, "n_init": 2}
    mixed = GMMHMM(3, n_mix=1, **params).fit(X)
    plain = GaussianHMM(3, **params).fit(X)
    assert_allclose(mixed.score_samples(X), plain.score_samples(X), atol=1e-6)
    assert_allclose(mixed.means_[:, 0], plain.means_, atol=1e-5)
    assert mixed.bic(X) == pytest.approx(plain.bic(X), abs=1e-3)
    assert_allclose(mixed.weights_, 1.0)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_states_of_several_centres_are_found_and_found_again_in_draws(covariance_type):
    params = {"covariance_type": covariance_type, "random_state": 0}
    model = GMMHMM(2, **params).fit(rows())
    right = np.mean(model.predict(rows()) == STATES)
    assert max(right, 1 - right) > 0.99
    refit = GMMHMM(2, **params).fit(model.sample(3000, random_state=0))
    for one in (model, refit):
        for state in range(2):
            own = one.means_[state]
            k = 0 if np.abs(own[:, 0]).min() > 3 else 1
            order = np.argsort(own[:, k])
            assert_allclose(own[order], CENTRES[k], atol=0.4)
            assert_allclose(one.weights_[state][order], [0.3, 0.7], atol=0.1)
    shapes = {
        "full": (2, 2, 2, 2),
        "tied": (2, 2),
        "diag": (2, 2, 2),
        "spherical": (2, 2),
    }
    assert model.covariances_.shape == shapes[covariance_type]
    assert model.precisions_.shape == shapes[covariance_type]


def test_the_bound_never_falls_with_missing_cells():
    model = GMMHMM(3, random_state=1, n_init=1, tol=1e-8).fit(holes(rows()))
    assert np.diff(model.lower_bounds_).min() >= -1e-12


def test_batches_go_on_learning():
    model = GMMHMM(2, random_state=0, n_init=3).fit(rows())
    before = model.score(rows(3))
    for seed in (4, 5):
        model.partial_fit(rows(seed))
    assert model.score(rows(3)) > before - 0.01
    assert_allclose(model.weights_.sum(axis=1), 1.0)


COVARIANCES = {
    "full": np.array([[0.5, 1.0], [1.5, 2.0]])[:, :, None, None]
    * np.array([[1.0, 0.3], [0.3, 2.0]]),
    "tied": np.array([[1.0, 0.3], [0.3, 2.0]]),
    "diag": np.arange(1.0, 9.0).reshape(2, 2, 2),
    "spherical": np.array([[0.5, 1.0], [1.5, 2.0]]),
}


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_starts_that_are_given(covariance_type):
    given = {
        "weights": np.array([[0.1, 0.9], [0.6, 0.4]]),
        "means": CENTRES,
        "covariances": COVARIANCES[covariance_type],
    }
    inits = {f"{name}_init": values for name, values in given.items()}
    model = GMMHMM(
        2, covariance_type=covariance_type, max_iter=0, random_state=0, **inits
    ).fit(rows())
    for name, values in given.items():
        assert_allclose(getattr(model, f"{name}_"), values, rtol=1e-12)


def test_a_weight_of_zero_stays_zero():
    weights = [[1.0, 0.0], [0.5, 0.5]]
    model = GMMHMM(
        2, weights_init=weights, means_init=CENTRES, random_state=0, n_init=1
    ).fit(rows())
    assert_allclose(model.weights_[0], [1.0, 0.0])
    assert model.weights_[1].min() > 0.1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"means_init": CENTRES[0]}, "means_init has shape"),
        ({"weights_init": [0.5, 0.5]}, r"weights_init .* n_components and n_mix ask"),
        ({"weights_init": [[0.5, 0.6], [1.0, 0.0]]}, "weights_init must .* sum to 1"),
        ({"covariances_init": np.ones((2, 2))}, "covariances_init has shape"),
        ({"covariances_init": -COVARIANCES["full"]}, "covariances_init must be pos"),
        (
            {"covariances_init": COVARIANCES["full"] + [[0.0, 1.0], [0.0, 0.0]]},
            "symmetric",
        ),
    ],
)
def test_starts_that_cannot_be_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        GMMHMM(2, **params).fit(rows())
