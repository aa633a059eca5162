"""Fits after fits: what a failure leaves, and what a warm start does not change."""

import numpy as np
import pytest
from scipy.stats import norm

from sklgen.mcmc import (
    BayesianModel,
    DensitySampler,
    PosteriorClassifier,
    PosteriorRegressor,
    PosteriorSampler,
)
from sklgen.mcmc.models import GaussianModel, LogisticModel
from sklgen.mcmc.priors import Normal

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SHORT = {"n_chains": 2, "n_warmup": 50, "n_draws": 20, "random_state": 0}


class Ended(LogisticModel):
    """A model that is fitted halfway."""

    error: type[BaseException] = ValueError

    def likelihood(self, X, y, weight):
        raise self.error

    compiled = likelihood


class Interrupted(Ended):
    error = KeyboardInterrupt


class Impossible(BayesianModel):
    """No start has a finite log-posterior."""

    def parameters(self, X, y):
        return {"mu": Normal(0.0, 1.0)}

    def log_likelihood(self, params, X, y):
        return norm.logpdf(y, np.asarray(params["mu"])[..., None]) - np.inf

    def probabilities(self, params, X):
        return np.ones((*np.shape(params["mu"]), len(X), 2)) / 2


def labelled(n_columns, n_classes):
    rng = np.random.default_rng(n_columns)
    return rng.normal(size=(30, n_columns)), np.arange(30) % n_classes


def assert_kept(estimator, before):
    assert vars(estimator).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(estimator).items())


@pytest.mark.parametrize(
    ("model", "error"),
    [
        (GaussianModel(), TypeError),
        (LogisticModel(scale=-1.0), ValueError),
        (Ended(), ValueError),
        (Interrupted(), KeyboardInterrupt),
        (Impossible(), ValueError),
    ],
)
@pytest.mark.parametrize("fitted", [True, False])
def test_a_fit_that_fails_changes_nothing(model, error, fitted):
    classifier = PosteriorClassifier(**SHORT)
    if fitted:
        classifier.fit(*labelled(3, 3))
    classifier.set_params(model=model)
    before = vars(classifier).copy()
    with pytest.raises(error):
        classifier.fit(*labelled(4, 2))
    assert_kept(classifier, before)


def test_rows_that_are_refused_change_nothing():
    X, y = labelled(3, 3)
    classifier = PosteriorClassifier(**SHORT).fit(X, y)
    before, expected = vars(classifier).copy(), classifier.predict_proba(X)
    with pytest.raises(ValueError, match="at least two classes"):
        classifier.fit(*labelled(4, 1))
    with pytest.raises(ValueError, match="inconsistent"):
        classifier.fit(labelled(4, 2)[0], y[:9])
    assert_kept(classifier, before)
    np.testing.assert_array_equal(classifier.predict_proba(X), expected)


def test_draws_that_are_not_judged_change_nothing(monkeypatch):
    def interrupted(chains, draws):
        raise KeyboardInterrupt

    X, _ = labelled(2, 2)
    density = DensitySampler(lambda x: -0.5 * (x**2).sum(axis=1), 2, **SHORT).fit()
    posterior = PosteriorSampler(**SHORT).fit(X)
    monkeypatch.setattr("sklgen.mcmc._chained.diagnose", interrupted)
    for estimator in (density, posterior):
        estimator.set_params(random_state=1)
        before = vars(estimator).copy()
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X)
        assert_kept(estimator, before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metric", "diagonal"),
        ("target_accept", 0.9),
        ("n_warmup", 60),
        ("thin", 2),
        ("n_chains", 3),
        ("sampler", "ensemble"),
    ],
)
def test_a_warm_start_refuses_what_it_would_not_do(name, value):
    X, _ = labelled(2, 2)
    sampler = PosteriorSampler(warm_start=True, **SHORT).fit(X)
    was = sampler.get_params()[name]
    with pytest.raises(ValueError, match=f"{name} must stay {was!r}, got {value!r}"):
        sampler.set_params(n_draws=30, **{name: value}).fit(X)
    sampler.set_params(warm_start=False).fit(X)
    assert len(sampler.posterior_["mean"]) == sampler.n_chains


def test_rows_that_cannot_be_left_out_are_told_of():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 1))
    y = X[:, 0] + 0.1 * rng.normal(size=40)
    regressor = PosteriorRegressor(random_state=0)
    regressor.fit(X, y).score_loo(X, y)  # without a warning
    X[0], y[0] = 30.0, -30.0
    with pytest.warns(
        UserWarning, match="unreliable for 1 of 40 rows.*cross_val_score"
    ) as told:
        result = regressor.fit(X, y).score_loo(X, y)
    assert np.flatnonzero(result.unreliable).tolist() == [0]
    assert told[0].filename == __file__
