"""Hidden Markov models of counts against enumeration, published numbers and draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import gammaln

from sklgen.datasets import load_earthquakes
from sklgen.em._rows import Rows
from sklgen.hmm import PoissonHMM
from sklgen.mixture._structure import Mixture
from tests.hmm.brute_force import enumerate_paths


def counts(seed=0, n=60):
    """Two columns of counts with a rate that changes now and then."""
    rng = np.random.default_rng(seed)
    state = np.cumsum(rng.random(n) < 0.2) % 3
    rates = np.array([[2.0, 9.0], [8.0, 1.0], [20.0, 15.0]])
    return rng.poisson(rates[state]).astype(float)


def holes(X, seed=0, share=0.25):
    """Rows with missing cells, one of them without any."""
    X = X.copy()
    X[np.random.default_rng(seed).random(X.shape) < share] = np.nan
    X[1] = np.nan
    return X


def earthquakes():
    return load_earthquakes().data[:, 1:]


def log_likelihood(X, **params):
    return PoissonHMM(**params).fit(X).score(X) * len(X)


@pytest.mark.parametrize("missing", [False, True])
def test_scores_and_posteriors_are_sums_over_all_paths(missing):
    model = PoissonHMM(3, random_state=0, n_init=3).fit(holes(counts()))
    X = counts(1)[:5]
    X = holes(X) if missing else X
    cells = stats.poisson(model.rates_[:, None]).logpmf(np.nan_to_num(X))
    log = np.where(np.isnan(X), 0.0, cells).sum(axis=2)
    expected = enumerate_paths(log, model.startprob_, model.transmat_)
    assert_allclose(model.score_samples(X), expected.density, atol=1e-10)
    assert_allclose(model.predict_proba(X), expected.smoothed.T, atol=1e-10)
    filtered = model.predict_proba(X, method="filter")
    assert_allclose(filtered, expected.filtered.T, atol=1e-10)
    best = expected.paths[expected.log_joint.argmax()]
    assert model.predict(X).tolist() == best.tolist()


def test_with_equal_rows_of_transitions_it_is_a_mixture():
    model = PoissonHMM(3, random_state=0, n_init=3).fit(counts())
    model.transmat_ = np.tile(model.startprob_ * 0.5 + 1 / 6, (3, 1))
    model.startprob_ = model.transmat_[0]
    X = holes(counts(1))
    mixture = Mixture(model.startprob_, model._components())
    with Rows(X, None, n_features=5, n_threads=1) as rows:
        statistics = rows.sum(mixture.e_step)
    assert_allclose(model.score_samples(X).sum(), statistics.bound, rtol=1e-12)
    assert_allclose(model.predict_proba(X).sum(axis=0), statistics.counts, rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("K", "published"), [(1, -391.919), (2, -341.879), (3, -328.528)]
)
def test_earthquakes_have_the_published_likelihood(K, published, seed):
    found = log_likelihood(earthquakes(), n_components=K, random_state=seed)
    assert found == pytest.approx(published, abs=2e-3)


@pytest.mark.parametrize(("K", "published"), [(2, -342.318), (3, -329.460)])
def test_earthquakes_from_a_stationary_start(K, published):
    params = {"n_components": K, "stationary": True, "n_init": 3}
    found = log_likelihood(earthquakes(), random_state=0, **params)
    assert found == pytest.approx(published, abs=2e-3)


@pytest.mark.slow
def test_four_states_of_earthquakes_from_most_seeds():
    found = [
        log_likelihood(earthquakes(), n_components=4, random_state=seed)
        for seed in range(20)
    ]
    assert np.sum(np.array(found) > -326.4115) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_earthquakes_for_every_seed(seed):
    for K, published in ((1, -391.919), (2, -341.879), (3, -328.528)):
        found = log_likelihood(earthquakes(), n_components=K, random_state=seed)
        assert found == pytest.approx(published, abs=2e-3)


@pytest.mark.slow
def test_four_states_of_stationary_earthquakes():
    params = {"n_components": 4, "stationary": True, "random_state": 0}
    assert log_likelihood(earthquakes(), **params) == pytest.approx(-327.832, abs=2e-3)


def test_the_bound_never_falls_and_rates_are_weighted_means():
    X = holes(counts(n=200))
    model = PoissonHMM(3, random_state=0, n_init=2, tol=1e-12).fit(X)
    bounds = np.array(model.lower_bounds_)
    assert np.diff(bounds).min() >= -1e-12
    weights = model.predict_proba(X)
    seen = ~np.isnan(X)
    means = weights.T @ np.nan_to_num(X) / (weights.T @ seen)
    assert_allclose(model.rates_, means, rtol=1e-3)


def test_a_fit_on_draws_recovers_the_model():
    model = PoissonHMM(3, random_state=0).fit(counts(n=300))
    refit = PoissonHMM(3, random_state=0, n_init=3).fit(
        model.sample(4000, random_state=0)
    )
    one, two = np.argsort(model.rates_[:, 0]), np.argsort(refit.rates_[:, 0])
    assert_allclose(refit.rates_[two], model.rates_[one], rtol=0.1)
    transitions = model.transmat_[np.ix_(one, one)]
    assert_allclose(refit.transmat_[np.ix_(two, two)], transitions, atol=0.06)


def test_fractions_have_the_factorial_of_the_gamma_function():
    X = np.array([[0.5], [2.25], [7.0]])
    model = PoissonHMM().fit(X)
    rate = X.mean()
    expected = X[:, 0] * np.log(rate) - rate - gammaln(X[:, 0] + 1)
    assert_allclose(model.score_samples(X), expected, rtol=1e-12)
    assert_allclose(model.rates_, [[rate]], rtol=1e-12)
    drawn = model.sample(50, random_state=0)
    assert np.array_equal(drawn, np.rint(drawn))


def test_negative_cells_are_an_error_that_names_the_column():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"calls": [1.0, 2.0], "balance": [3.0, -4.0]})
    with pytest.raises(ValueError, match=r"'balance'.*-4 in row 1.*GaussianHMM"):
        PoissonHMM().fit(frame)


def test_starts_that_are_given():
    X = counts(n=100)
    rates = np.array([[1.0, 5.0], [6.0, 3.0], [9.0, 9.0]])
    model = PoissonHMM(3, rates_init=rates, max_iter=0, random_state=0).fit(X)
    assert_allclose(model.rates_, rates)
    with pytest.raises(ValueError, match="rates_init must be positive"):
        PoissonHMM(3, rates_init=rates - 1.0).fit(X)
    fixed = PoissonHMM(3, rates_init=rates, fixed=["emission"], random_state=0).fit(X)
    assert_allclose(fixed.rates_, rates)
