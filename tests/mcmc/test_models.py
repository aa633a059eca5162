"""Models of targets given rows: laws, derivatives, and units."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import log_softmax
from sklearn.base import clone

from sklgen.mcmc import PosteriorRegressor
from sklgen.mcmc._posterior import NumpyPosterior
from sklgen.mcmc._transforms import Joint
from sklgen.mcmc.models import (
    LinearModel,
    LogisticModel,
    PoissonModel,
    StudentModel,
    _rows,
)
from sklgen.mcmc.models._laws import (
    Shifted,
    StudentColumns,
    ZeroSum,
    ZeroSumNormal,
)
from sklgen.mcmc.priors import Gamma, Normal
from tests.line_models import (
    binary_targets,
    by_hand,
    classes_targets,
    every_case,
    every_option,
    made,
    real_targets,
    rows,
)


@every_option
@every_case
def test_log_likelihood_is_that_of_scipy(case, options):
    model, _, X, _, params = made(case, options, scale=0.3)
    new = rows(12, np.random.default_rng(1))
    new[-3:, 1] = 99.0
    target = case.targets(12, np.random.default_rng(2))
    eta = by_hand(options, params, new, X)
    np.testing.assert_allclose(model.predictor(params, new), eta, atol=1e-10)
    if case.law is None:
        logs = log_softmax(eta, axis=1)
        expected = logs[:, target.astype(int), np.arange(12)]
    else:
        law = case.law(eta, {k: v.reshape(3, -1) for k, v in params.items()})
        expected = (law.logpdf if case.targets is real_targets else law.logpmf)(target)
    found = model.log_likelihood(params, new, target)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


@every_option
@every_case
def test_likelihood_is_the_weighted_sum_with_its_derivatives(
    case, options, monkeypatch
):
    # Blocks of a few rows, of which the last is not full.
    monkeypatch.setattr(_rows, "_BLOCK", 64)
    monkeypatch.setattr(_rows, "_FEWEST", 9)
    model, _, X, y, params = made(case, options, scale=0.3)
    weight = np.random.default_rng(3).gamma(1.0, size=len(X))
    weight[4] = 0.0

    def total(params):
        return model.log_likelihood(params, X, y) @ weight

    value, slopes = model.likelihood(X, y, weight)(params)
    np.testing.assert_allclose(value, total(params), rtol=1e-11)
    assert set(slopes) == set(params)
    for name, x in params.items():
        assert slopes[name].shape == x.shape
        for at in np.ndindex(x.shape[1:]):
            place = (slice(None), *at)
            step = 1e-5 * np.maximum(np.abs(x[place]), 0.05)
            high, low = x.copy(), x.copy()
            high[place] += step
            low[place] -= step
            ups, downs = (total(params | {name: v}) for v in (high, low))
            size = 1e-10 * np.abs(value) / step
            error = (ups - downs) / (2 * step) - slopes[name][place]
            assert (np.abs(error) < 1e-5 * np.abs(slopes[name][place]) + size).all()


@every_case
def test_two_is_the_weight_of_rows_twice(case):
    model, _, X, y, params = made(case, {"groups": 1})
    twice = model.likelihood(np.repeat(X, 2, axis=0), np.repeat(y, 2), np.ones(80))
    double = model.likelihood(X, y, np.full(40, 2.0))
    (value, slopes), (other, others) = twice(params), double(params)
    np.testing.assert_allclose(value, other, rtol=1e-11)
    for name, slope in slopes.items():
        scale = np.abs(slope).max()
        np.testing.assert_allclose(slope, others[name], atol=1e-11 * scale)


@every_option
@every_case
def test_scores_of_joint_draws_have_mean_zero(case, options):
    """Stein's identities, over parameters from their priors and targets given them."""
    rng = np.random.default_rng(0)
    X = rows(6, rng)
    model = case.model(**options, scale=0.4, intercept_scale=0.4)
    priors = model.parameters(X, case.targets(6, rng))
    joint = Joint({name: prior.transform for name, prior in priors.items()})
    S = 1000
    params = {name: prior.draw(S, rng) for name, prior in priors.items()}
    u = joint.to_unconstrained(params)
    Y = model.simulate(params, X, rng)
    slopes = {name: np.empty(x.shape) for name, x in params.items()}
    for s in range(S):
        one = {name: x[s : s + 1] for name, x in params.items()}
        _, found = model.likelihood(X, Y[s].astype(float), np.ones(6))(one)
        for name in slopes:
            slopes[name][s] = found[name][0]
    for name, prior in priors.items():
        slopes[name] += prior.value_and_gradient(params[name])[1]
    score = joint.pull_back(slopes, u)
    for law in (score, u * score + 1.0):
        z = law.mean(axis=0) / (law.std(axis=0) / np.sqrt(S))
        assert np.abs(z).max() < 4.5


@every_case
def test_draws_have_the_law_that_is_told(case):
    model, _, X, _, params = made(case, {"groups": 1}, scale=0.2, intercept_scale=0.3)
    one = {name: np.repeat(x[:1], 20_000, axis=0) for name, x in params.items()}
    rng = np.random.default_rng(5)
    Y = model.simulate(one, X[:4], rng)
    assert Y.shape == (20_000, 4)
    first = {name: x[0] for name, x in params.items()}
    assert np.abs(np.corrcoef(Y.T) - np.eye(4)).max() < 0.05  # errors are independent
    for i in range(4):
        if hasattr(model, "probabilities"):
            share = model.probabilities(first, X[:4])[i]
            labels = np.arange(len(share), dtype=float)
            logs = [
                model.log_likelihood(first, X[i : i + 1], labels[k : k + 1])[0]
                for k in range(len(share))
            ]
            np.testing.assert_allclose(np.exp(logs), share, rtol=1e-12)
            seen = np.bincount(Y[:, i], minlength=len(share))
            usable = share * 20_000 > 5
            counts = np.append(seen[usable], seen[~usable].sum())
            wanted = np.append(share[usable], share[~usable].sum()) * 20_000
            keep = wanted > 0
            assert stats.chisquare(counts[keep], wanted[keep]).pvalue > 1e-4
            continue
        law = case.law(model.predictor(first, X[:4])[i], first)
        mean, variance = (f(first, X[:4])[i] for f in (model.mean, model.variance))
        np.testing.assert_allclose([mean, variance], [law.mean(), law.var()], rtol=1e-9)
        below = law.cdf(Y[:, i])
        if (
            case.targets is not real_targets
        ):  # spread the steps of the distribution function
            below -= rng.random(20_000) * law.pmf(Y[:, i])
        assert stats.kstest(below, "uniform").pvalue > 1e-4


@every_option
@every_case
def test_units_of_columns_do_not_matter(case, options):
    model, priors, X, y, params = made(case, options)
    factor = np.array([1e5, 3.0, 1e-4])
    shift = np.array([-40.0, 0.0, 2.0]) if options.get("intercept", True) else 0.0
    other = clone(model)
    others = other.parameters((X + shift) * factor, y)
    own = np.delete(factor, 1) if "groups" in options else factor
    moved = params | {"coef": params["coef"] / own}
    if "group_sd" in params:
        r = params["group_sd"].shape[1]
        moved["group_sd"] = params["group_sd"] / np.append(1.0, own)[:r]
    laws = []
    for priors_, params_ in ((priors, params), (others, moved)):
        each = [priors_[k].value_and_gradient(x)[0] for k, x in params_.items()]
        laws.append(np.sum(each, axis=0))
    np.testing.assert_allclose(np.diff(laws[0]), np.diff(laws[1]), rtol=1e-9)
    np.testing.assert_allclose(
        other.log_likelihood(moved, (X + shift) * factor, y),
        model.log_likelihood(params, X, y),
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.parametrize("model", [LinearModel(), StudentModel()])
def test_units_of_targets_do_not_matter(model):
    rng = np.random.default_rng(0)
    X, y = rows(30, rng), real_targets(30, rng)
    priors = model.parameters(X, y)
    params = {name: prior.draw(3, rng) for name, prior in priors.items()}
    others = clone(model).parameters(X, 1e6 * (y - 20.0))
    moved = params | {name: 1e6 * params[name] for name in ("coef", "sigma")}
    moved["intercept"] = 1e6 * (params["intercept"] - 20.0)
    for name in params:
        value, other = (
            law[name].value_and_gradient(x[name])[0]
            for law, x in ((priors, params), (others, moved))
        )
        np.testing.assert_allclose(np.diff(value), np.diff(other), rtol=1e-8)
    # errors are at least a millionth, for exact targets to have a proper posterior
    least, other = (
        law["sigma"].transform.to_constrained(np.array([-700.0]))[0]
        for law in (priors, others)
    )
    np.testing.assert_allclose([least, other / 1e6], 1e-6 * model._unit(y)[1])


def test_outliers_do_not_move_the_priors_of_the_robust_model():
    rng = np.random.default_rng(0)
    X, y = rows(101, rng), rng.normal(size=101)
    y[:5] = 1e9
    priors = StudentModel().parameters(X, y)
    assert 0.5 < np.median(priors["sigma"].draw(999, rng)) / np.log(2) < 2
    assert abs(np.median(priors["intercept"].draw(999, rng))) < 1


def test_any_two_classes_have_the_prior_of_two():
    rng = np.random.default_rng(0)
    X = rows(50, rng)
    two = LogisticModel().parameters(X, binary_targets(50, rng))
    more = LogisticModel().parameters(X, classes_targets(50, rng))
    for name in ("intercept", "coef"):
        x = more[name].draw(20_000, rng)
        np.testing.assert_allclose(x.sum(axis=1), 0.0, atol=1e-9)
        for a, b in ((0, 1), (2, 0)):
            spread = (x[:, a] - x[:, b]).std(axis=0) / two[name].draw(20_000, rng).std(
                0
            )
            np.testing.assert_allclose(spread, 1.0, atol=0.03)


def test_sums_of_zero_are_an_isometry():
    transform = ZeroSum((4, 2))
    u = np.random.default_rng(0).normal(size=(5, 6))
    x, log_jacobian = transform.to_constrained(u)
    np.testing.assert_allclose(x.sum(axis=1), 0.0, atol=1e-14)
    np.testing.assert_allclose((x**2).sum(axis=(1, 2)), (u**2).sum(axis=1))
    np.testing.assert_allclose(transform.to_unconstrained(x), u, atol=1e-14)
    assert not log_jacobian.any()
    prior = ZeroSumNormal(np.array([0.5, 3.0]), (4, 2))
    law = stats.norm(0.0, np.tile([0.5, 3.0], 3) / np.sqrt(2.0))
    value, gradient = prior.value_and_gradient(x)
    np.testing.assert_allclose(value, law.logpdf(u).sum(axis=1))
    np.testing.assert_allclose(
        transform.pull_back(gradient, u), -u / law.kwds.get("scale", law.args[1]) ** 2
    )
    draws = transform.to_unconstrained(prior.draw(20_000, np.random.default_rng(1)))
    np.testing.assert_allclose(draws.std(axis=0), law.std(), rtol=0.03)
    with pytest.raises(ValueError, match="sum zero"):
        transform.to_unconstrained(x + 0.1)


def test_columns_of_student_laws_are_those_of_scipy():
    rng = np.random.default_rng(0)
    scale = np.array([0.5, 3.0])
    alone = StudentColumns(Normal(0.0, scale, shape=(2,)), 4.0)
    x = alone.draw(4000, rng)
    law = stats.t(4.0, scale=scale)
    value, gradient = alone.value_and_gradient(x)
    np.testing.assert_allclose(value, law.logpdf(x).sum(axis=1))
    np.testing.assert_allclose(gradient, -5.0 * x / (4.0 * scale**2 + x**2))
    assert (stats.kstest(x / scale, stats.t(4.0).cdf).pvalue > 1e-3).all()

    together = StudentColumns(ZeroSumNormal(scale, (3, 2)), 4.0)
    x = together.draw(4000, rng)
    free = together.transform.to_unconstrained(x).reshape(-1, 2, 2)
    wanted = sum(
        stats.multivariate_t(shape=0.5 * s**2 * np.eye(2), df=4.0).logpdf(free[..., j])
        for j, s in enumerate(scale)
    )
    np.testing.assert_allclose(together.value_and_gradient(x)[0], wanted)
    for a, b in ((0, 1), (2, 0)):  # as with two classes
        apart = (x[:, a] - x[:, b]) / scale
        assert (stats.kstest(apart, stats.t(4.0).cdf).pvalue > 1e-3).all()
    # Columns are independent, but numbers of a column are large together.
    size = stats.rankdata(np.abs(free), axis=0).reshape(-1, 4)
    linked = np.corrcoef(size.T) > 0.06
    np.testing.assert_array_equal(linked, np.tile(np.eye(2, dtype=bool), (2, 2)))


def test_many_degrees_of_freedom_are_the_normal_law():
    normal = ZeroSumNormal(np.array([0.5, 3.0]), (3, 2))
    x = normal.draw(5, np.random.default_rng(0))
    found = StudentColumns(normal, 1e12).value_and_gradient(x)
    for one, other in zip(found, normal.value_and_gradient(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("intercept", [True, False])
@every_case
def test_compiled_posteriors_have_the_same_student_prior(case, intercept):
    model, priors, X, y, _ = made(case, {"intercept": intercept, "prior_df": 3.0})
    target = NumpyPosterior(model, priors, X, y, np.ones(40))
    u = np.random.default_rng(1).normal(size=(6, target.n_dim))
    u[0] *= 5.0
    value, gradient = target.value_and_gradient(u)
    others = target.density(1)
    compiled = case.model in (LogisticModel, PoissonModel)
    assert (others is not target) == compiled
    other, slopes = others.value_and_gradient(u)
    np.testing.assert_allclose(np.diff(value), np.diff(other), rtol=1e-9)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-9, atol=1e-9)


@every_case
def test_gradients_of_posteriors_with_student_priors(case):
    model, priors, X, y, _ = made(case, {"prior_df": 3.0}, scale=0.5)
    target = NumpyPosterior(model, priors, X, y, np.ones(40))
    u = 0.5 * np.random.default_rng(1).normal(size=(1, target.n_dim))
    gradient = target.value_and_gradient(u)[1][0]
    steps = 1e-5 * np.eye(target.n_dim)
    found = (target.value(u + steps) - target.value(u - steps)) / 2e-5
    np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-4)


def test_few_large_coefficients_are_shrunk_less_than_by_a_normal_prior():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8))
    y = X[:, 0] * 4.0 + rng.normal(size=300) * 4.0
    means = []
    for df in (None, 3.0):
        model = LinearModel(scale=0.05, prior_df=df)
        fitted = PosteriorRegressor(model, random_state=0, n_draws=500).fit(X, y)
        means.append(fitted.posterior_["coef"].mean(axis=(0, 1)))
    least = np.linalg.lstsq(X, y - y.mean(), rcond=None)[0]
    (normal, student), others = np.array(means), slice(1, None)
    assert abs(student[0] - least[0]) < 0.5 * abs(normal[0] - least[0])
    assert np.abs(student[others]).sum() < np.abs(least[others]).sum()


def test_shifted_laws_are_told_from_their_bound():
    prior = Shifted(Gamma(2.0, 0.1), 2.0)
    x = prior.draw(4000, np.random.default_rng(0))
    law = stats.gamma(2.0, 2.0, 10.0)
    assert stats.kstest(x, law.cdf).pvalue > 1e-3
    np.testing.assert_allclose(prior.value_and_gradient(x)[0], law.logpdf(x))
    assert prior.transform.to_constrained(np.array([[-800.0]]))[0] > 2.0
