"""Estimators of posteriors: known posteriors, predictions, going on, what is told."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklgen.mcmc import (
    BayesianModel,
    PosteriorClassifier,
    PosteriorRegressor,
    PosteriorSampler,
)
from sklgen.mcmc._diagnostics import mcse_mean
from sklgen.mcmc.models import GaussianModel, LinearModel, LogisticModel, StudentModel
from sklgen.mcmc.priors import Normal

# Runs that are short are told of, and tested for that below.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SHORT = {"n_warmup": 300, "n_draws": 300, "random_state": 0}


class Mean(BayesianModel):
    """Normal rows of a known variance, without gradient: the posterior is known."""

    conditional = False

    def __init__(self, prior_sd=2.0, function=None):
        self.prior_sd = prior_sd
        self.function = function

    def parameters(self, X, y):
        return {"mu": Normal(0.0, self.prior_sd)}

    def log_likelihood(self, params, X, y):
        return stats.norm.logpdf(X[:, 0], np.asarray(params["mu"])[..., None])


def rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ np.array([[2.0, 1.0], [0.0, 0.5]]) + [5.0, -1.0]


def targets(n=80, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X @ [1.0, -2.0, 0.0] + 3.0 + rng.normal(size=n)


@pytest.fixture(scope="module")
def gaussian():
    return PosteriorSampler(model=GaussianModel(scale=1e4), random_state=0).fit(rows())


@pytest.fixture(scope="module")
def regressor():
    return PosteriorRegressor(random_state=0).fit(*targets())


def scatter_and_df(X):
    """Of the inverse Wishart posterior of a Gaussian under its default priors."""
    prior = np.diag(X.var(axis=0))
    return prior + len(X) * np.cov(X.T, bias=True), len(X) - 1 + X.shape[1] + 2.0


def test_the_gaussian_posterior_is_the_known_one(gaussian):
    X = rows()
    scatter, df = scatter_and_df(X)
    exact = {"mean": X.mean(axis=0), "covariance": scatter / (df - 3.0)}
    for name, expected in exact.items():
        draws = gaussian.posterior_[name]
        error = np.abs(draws.mean(axis=(0, 1)) - expected)
        assert (error < 5.0 * mcse_mean(draws)).all(), name
    law = stats.invgamma(0.5 * (df - 1.0), scale=0.5 * scatter[0, 0])
    variances = gaussian.posterior_["covariance"][:, ::5, 0, 0].ravel()
    assert stats.kstest(variances, law.cdf).pvalue > 1e-3


def test_the_predictive_density_is_a_student_law(gaussian):
    X = rows()
    scatter, df = scatter_and_df(X)
    dof = df - 1.0
    shape = scatter * (1.0 + 1.0 / len(X)) / dof
    new = rows(seed=1)
    expected = stats.multivariate_t(X.mean(axis=0), shape, dof).logpdf(new)
    assert_allclose(gaussian.score_samples(new), expected, atol=0.05)


def test_models_without_gradients_have_the_known_posterior():
    X = rows()[:, :1]
    precision = len(X) + 0.25
    law = stats.norm(X.sum() / precision, precision**-0.5)
    for sampler in ("nuts", "ensemble"):
        fitted = PosteriorSampler(Mean(), sampler=sampler, random_state=0).fit(X)
        draws = fitted.posterior_["mu"]
        assert abs(draws.mean() - law.mean()) < 5.0 * mcse_mean(draws)
        assert_allclose(draws.std(), law.std(), rtol=0.06)
        assert fitted.converged_


def test_weights_are_copies_and_order_is_nothing():
    X = rows(20)
    weight = np.random.default_rng(0).integers(0, 3, 20)
    model = PosteriorSampler(**SHORT)
    expected = model.fit(X, sample_weight=weight).posterior_["mean"].copy()
    repeated = np.random.default_rng(1).permutation(np.repeat(X, weight, axis=0))
    assert_array_equal(clone(model).fit(repeated).posterior_["mean"], expected)


def test_threads_change_no_bit():
    X = rows(30)
    one, two = (
        PosteriorSampler(n_jobs=n, **SHORT).fit(X).posterior_["mean"] for n in (1, 2)
    )
    assert_array_equal(one, two)


def test_a_warm_start_is_one_longer_run():
    X = rows(30)
    whole = PosteriorSampler(**SHORT).fit(X)
    model = PosteriorSampler(**(SHORT | {"n_draws": 100}), warm_start=True).fit(X)
    model.set_params(n_draws=300).fit(X)
    assert_array_equal(model.posterior_["mean"], whole.posterior_["mean"])
    again = pickle.loads(pickle.dumps(model)).set_params(n_draws=301).fit(X)
    assert_array_equal(again.posterior_["mean"][:, :300], whole.posterior_["mean"])
    with pytest.raises(ValueError, match="got other rows"):
        model.fit(X + 1.0)
    with pytest.raises(ValueError, match="n_draws"):
        model.set_params(n_draws=200).fit(X)
    with pytest.raises(ValueError, match="max_depth must stay 10, got 5"):
        model.set_params(n_draws=300, max_depth=5).fit(X)


def test_thinned_draws_are_some_of_all():
    X = rows(30)
    every = PosteriorSampler(**SHORT).fit(X).posterior_["covariance"]
    params = SHORT | {"n_draws": 100}
    some = PosteriorSampler(thin=3, dtype="float32", **params).fit(X).posterior_
    assert some["covariance"].dtype == np.float32
    assert_array_equal(some["covariance"], every[:, 2::3].astype(np.float32))


def test_methods_are_there_where_the_model_has_what_they_need(regressor):
    of_rows = PosteriorSampler()
    assert hasattr(of_rows, "sample")
    for name in ("predict", "predict_proba", "sample_y", "predict_quantiles"):
        assert not hasattr(of_rows, name)
    assert not hasattr(PosteriorSampler(Mean()), "sample")
    of_targets = PosteriorSampler(LinearModel())
    assert not hasattr(of_targets, "sample")
    for name in ("predict", "sample_y", "predict_quantiles"):
        assert hasattr(of_targets, name)
        assert hasattr(regressor, name)
    assert not hasattr(regressor, "predict_proba")
    assert hasattr(PosteriorSampler(LogisticModel()), "predict_proba")


def test_predictions_are_moments_of_simulated_targets(regressor):
    X, _ = targets(seed=1)
    mean, std = regressor.predict(X, return_std=True)
    drawn = regressor.sample_y(X, 20_000, random_state=0)
    error = std / np.sqrt(20_000)
    assert (np.abs(drawn.mean(axis=1) - mean) < 5.0 * error).all()
    assert_allclose(drawn.std(axis=1), std, rtol=0.04)
    quantiles = regressor.predict_quantiles(X, [0.1, 0.5, 0.9], random_state=0)
    expected = np.quantile(drawn, [0.1, 0.5, 0.9], axis=1).T
    assert_allclose(quantiles, expected, atol=0.15)


def test_the_density_of_targets_is_that_of_what_is_drawn(regressor):
    X, _ = targets(n=4, seed=1)
    y = regressor.sample_y(X, 4000, random_state=0)
    for x, own in zip(X, y, strict=True):
        log_density = regressor.score_targets(np.tile(x, (len(own), 1)), own)
        q = stats.norm(own.mean(), 0.7 * own.std())
        ratio = np.exp(q.logpdf(own) - log_density)
        assert abs(ratio.mean() - 1.0) < 5.0 * ratio.std() / np.sqrt(len(own))


def test_predictions_do_not_depend_on_blocks(regressor, monkeypatch):
    X, y = targets(seed=1)
    before = regressor.predict(X, return_std=True), regressor.score_targets(X, y)
    monkeypatch.setattr("sklgen.mcmc._predictive._BLOCK", 1000)
    monkeypatch.setattr("sklgen.mcmc._predictive._ROWS", 7)
    after = regressor.predict(X, return_std=True), regressor.score_targets(X, y)
    assert_allclose(after[0], before[0], rtol=1e-10)
    assert_allclose(after[1], before[1], rtol=1e-10)


def test_a_sampler_and_a_regressor_of_one_model_agree(regressor):
    X, y = targets()
    sampler = PosteriorSampler(LinearModel(), random_state=0).fit(X, y)
    assert_array_equal(sampler.posterior_["coef"], regressor.posterior_["coef"])
    assert_allclose(sampler.score(X, y), regressor.score_targets(X, y).mean())
    assert_array_equal(sampler.predict(X), regressor.predict(X))
    with pytest.raises(ValueError, match="requires y"):
        sampler.score(X)


@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c"]])
def test_probabilities_are_densities_of_labels(names):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    codes = (X[:, 0] + rng.logistic(size=90) > 0).astype(int) + (
        (X[:, 1] > 1) & (len(names) > 2)
    )
    y = np.array(names)[codes]
    model = PosteriorClassifier(**SHORT).fit(X, y)
    probabilities = model.predict_proba(X)
    assert_allclose(probabilities.sum(axis=1), 1.0)
    own = probabilities[np.arange(90), codes]
    assert_allclose(np.exp(model.score_targets(X, y)), own, rtol=1e-6)
    assert_array_equal(model.predict(X), np.array(names)[probabilities.argmax(axis=1)])
    drawn = model.sample_y(X, 4000, random_state=0)
    shares = np.stack([(drawn == name).mean(axis=1) for name in names], axis=1)
    assert_allclose(shares, probabilities, atol=0.06)
    with pytest.raises(ValueError, match="no other labels than in fit"):
        model.score_targets(X, ["other"] * 90)


def test_leave_one_out_is_what_refits_give():
    X = rows(12)
    model = PosteriorSampler(n_draws=4000, random_state=0)
    result = model.fit(X).score_loo(X)
    refits = [
        clone(model).fit(np.delete(X, i, axis=0)).score_samples(X[i : i + 1])[0]
        for i in range(len(X))
    ]
    good = ~result.unreliable
    assert good.sum() >= 9
    assert_allclose(result.elpd[good], np.array(refits)[good], atol=0.15)
    with pytest.raises(ValueError, match="the rows that the model was fitted to"):
        model.score_loo(X[1:])


def test_grid_search_over_a_parameter_of_the_model():
    X, y = targets(60)
    search = GridSearchCV(
        PosteriorRegressor(LinearModel(), **SHORT),
        {"model__scale": [1e-3, 2.5]},
        n_jobs=2,
        cv=3,
    ).fit(X, y)
    assert search.best_params_ == {"model__scale": 2.5}
    assert search.best_estimator_.model.scale == 2.5


def test_models_with_lambdas_are_cloned_and_pickled_by_joblib():
    X = rows()[:, :1]
    model = PosteriorSampler(Mean(function=lambda x: x), **SHORT)
    search = GridSearchCV(model, {"model__prior_sd": [0.1, 2.0]}, n_jobs=2, cv=2)
    assert search.fit(X).best_params_ == {"model__prior_sd": 2.0}
    again = pickle.loads(pickle.dumps(model.fit(X)))
    assert again.model.function(3) == 3
    assert_array_equal(again.score_samples(X), model.score_samples(X))


def test_models_cannot_write_into_what_they_are_given():
    class Writer(Mean):
        def log_likelihood(self, params, X, y):
            params["mu"] += 1.0
            return super().log_likelihood(params, X, y)

    with pytest.raises(ValueError, match="read-only"):
        PosteriorSampler(Writer(), **SHORT).fit(rows()[:, :1])


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_numbers_out_of_reach_are_refused(unit):
    X, y = targets(20)
    with pytest.raises(ValueError, match="change their unit"):
        PosteriorRegressor(**SHORT).fit(X, y * unit)
    with pytest.raises(ValueError, match="change their unit"):
        PosteriorSampler(**SHORT).fit(X * unit)


def test_data_are_the_same_however_they_lie_in_memory():
    X, y = targets(30)
    model = PosteriorRegressor(**SHORT).fit(X, y)
    twice = np.repeat(X, 2, axis=0)[::2]
    expected = model.score_loo(X, y).elpd
    for other in (np.asfortranarray(X), twice):
        assert_array_equal(model.score_loo(other, y).elpd, expected)


def test_few_draws_are_told_of_in_words():
    with pytest.warns(ConvergenceWarning) as told:
        model = PosteriorSampler(n_warmup=10, n_draws=8, random_state=0).fit(rows())
    assert not model.converged_
    (warning,) = told
    assert "PosteriorSampler" in str(warning.message)
    assert "n_draws" in str(warning.message)
    assert warning.filename == __file__


def test_defaults_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(5):
            assert PosteriorSampler(random_state=seed).fit(rows()).converged_


class Impossible(Mean):
    def log_likelihood(self, params, X, y):
        out = super().log_likelihood(params, X, y)
        out[:, 3:5] = -np.inf
        return out


def test_a_start_that_is_not_found_names_the_culprit():
    with pytest.raises(
        ValueError, match=r"of 2 rows is not finite.*at 3.*mu=|mu=.*2 r"
    ):
        PosteriorSampler(Impossible(), **SHORT).fit(rows()[:, :1])


def test_the_summary_is_a_table_of_all_numbers(gaussian):
    table = gaussian.summary()
    assert list(table.index[:3]) == ["mean[0]", "mean[1]", "covariance[0,0]"]
    assert_allclose(
        table.loc["mean[1]", "mean"], gaussian.posterior_["mean"][..., 1].mean()
    )
    assert (table["r_hat"] < 1.01).all()


def test_posterior_draws_belong_together(gaussian):
    drawn = gaussian.sample_posterior(50, random_state=0)
    flat = {k: x.reshape(-1, *x.shape[2:]) for k, x in gaussian.posterior_.items()}
    for mean, covariance in zip(drawn["mean"], drawn["covariance"], strict=True):
        at = (flat["mean"] == mean).all(axis=1)
        assert (flat["covariance"][at] == covariance).all()
        assert at.any()


def test_models_of_another_kind_are_refused():
    X, y = targets(20)
    for estimator, model, told in (
        (PosteriorRegressor, GaussianModel(), "no method `mean`"),
        (PosteriorRegressor, LogisticModel(), "no method `mean`"),
        (PosteriorClassifier, LinearModel(), "no method `probabilities`"),
    ):
        with pytest.raises(TypeError, match=told):
            estimator(model).fit(X, y > 0)
    with pytest.raises(AttributeError) as caught:
        _ = PosteriorSampler(LinearModel()).sample
    assert "sample_y" in str(caught.value.__cause__)
    with pytest.raises(AttributeError) as caught:
        _ = PosteriorSampler().predict
    assert "model of rows" in str(caught.value.__cause__)


def test_models_are_compared_by_leaving_rows_out():
    X, y = targets()
    fits = [PosteriorRegressor(random_state=0).fit(part, y) for part in (X, X[:, 1:])]
    full, part = fits[0].score_loo(X, y), fits[1].score_loo(X[:, 1:], y)
    difference, error = full.minus(part)
    assert_allclose(difference, full.total - part.total)
    assert difference > 2.0 * error > 0.0
    assert len(repr(full)) < 200
    with pytest.raises(ValueError, match="the same rows"):
        full.minus(PosteriorSampler(**SHORT).fit(X[:40]).score_loo(X[:40]))


def test_labels_of_no_weight_keep_their_column():
    X, y = targets(40)
    labels = (y > np.median(y)).astype(int)
    labels[:2] = 2
    model = PosteriorClassifier(**SHORT).fit(X, labels, sample_weight=labels < 2)
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (40, 3)
    assert_allclose(np.exp(model.score_targets(X[:1], [2])), probabilities[0, 2])


def test_priors_see_rows_as_often_as_they_come():
    x = np.zeros(200)
    x[:4] = 1.0
    y = np.random.default_rng(0).integers(3, size=200)  # so that rows come again
    model = PosteriorRegressor(**SHORT).fit(x[:, None], y)
    assert_allclose(model.model_.column_means_, 0.02)
    assert_allclose(model.model_.column_scales_, x.std())


@pytest.mark.parametrize("law", [LinearModel, StudentModel])
def test_lines_through_the_origin_may_be_steep(law):
    rng = np.random.default_rng(0)
    x = rng.normal(10.0, 0.1, (50, 1))
    y = 2.0 * x[:, 0] + 0.01 * rng.normal(size=50)
    model = PosteriorRegressor(law(intercept=False), **SHORT).fit(x, y)
    assert_allclose(model.posterior_["coef"].mean(), 2.0, rtol=1e-3)
