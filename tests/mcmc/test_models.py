"""Models of targets given rows: laws, derivatives, units, groups, and exact answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklgen.mcmc._diagnostics import mcse_mean
from sklgen.mcmc._posterior import NumpyPosterior
from sklgen.mcmc._run import sample_nuts
from sklgen.mcmc._transforms import Joint
from sklgen.mcmc.models import (
    LinearModel,
    LogisticModel,
    NegativeBinomialModel,
    PoissonModel,
    StudentModel,
    _rows,
)
from sklgen.mcmc.models import _row_kernels as kernels
from sklgen.mcmc.models._laws import Shifted, ZeroSum, ZeroSumNormal
from sklgen.mcmc.priors import Gamma


def _real(n, rng):
    return 3.0 + 2.0 * rng.standard_t(4, n)


def _binary(n, rng):
    return rng.integers(0, 2, n).astype(float)


def _classes(n, rng):
    return np.append(rng.integers(0, 3, n - 1), 2.0)


def _counts(n, rng):
    return rng.poisson(rng.gamma(2.0, 2.0, n)).astype(float)


@dataclass(frozen=True)
class Case:
    """A model, targets, and the law of a target as SciPy has it."""

    model: type
    targets: Any
    law: Any = None

    def __repr__(self):
        return self.model.__name__ + ("3" if self.targets is _classes else "")


CASES = [
    Case(LinearModel, _real, lambda eta, p: stats.norm(eta, p["sigma"])),
    Case(StudentModel, _real, lambda eta, p: stats.t(p["dof"], eta, p["sigma"])),
    Case(LogisticModel, _binary, lambda eta, p: stats.bernoulli(expit(eta))),
    Case(LogisticModel, _classes),
    Case(PoissonModel, _counts, lambda eta, p: stats.poisson(np.exp(eta))),
    Case(
        NegativeBinomialModel,
        _counts,
        lambda eta, p: stats.nbinom(
            1 / p["dispersion"], 1 / (1 + p["dispersion"] * np.exp(eta))
        ),
    ),
]
OPTIONS = [
    {},
    {"intercept": False},
    {"groups": 1},
    {"groups": -2, "random_slopes": True},
    {"groups": 1, "random_slopes": True, "intercept": False},
]
every_case = pytest.mark.parametrize("case", CASES, ids=repr)
every_option = pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(f"{k}={v}" for k, v in o.items()) or "-"
)


def rows(n, rng):
    X = np.column_stack(
        [rng.normal(5.0, 1.0, n), rng.choice([0.1, 0.7, 3.5], n), rng.normal(size=n)]
    )
    X[:3, 1] = [0.1, 0.7, 3.5]
    return X


def made(case, options, n=40, seed=0, **more):
    """A model, its priors, data, and three draws of its parameters."""
    rng = np.random.default_rng(seed)
    X, y = rows(n, rng), case.targets(n, rng)
    model = case.model(**options, **more)
    priors = model.parameters(X, y)
    params = {name: prior.draw(3, rng) for name, prior in priors.items()}
    return model, priors, X, y, params


def by_hand(options, params, X, training):
    """Linear predictor (3, [K,] n), from the definition."""
    has_groups = "groups" in options
    Z = np.delete(X, 1, axis=1) if has_groups else X
    T = np.delete(training, 1, axis=1) if has_groups else training
    coef = params["coef"]
    if options.get("intercept", True):
        Z = Z - T.mean(axis=0)
        eta = params["intercept"][..., None] + coef @ Z.T
    else:
        eta = coef @ Z.T
    if has_groups:
        known = np.unique(training[:, 1]).tolist()
        code = [known.index(g) if g in known else len(known) for g in X[:, 1]]
        sd = params["group_sd"]
        sd = sd.reshape(len(sd), *[1] * (coef.ndim - 2), 1, -1)
        effect = (params["group_effect"] * sd)[..., code, :]
        eta = eta + effect[..., 0]
        if options.get("random_slopes"):
            eta = eta + (effect[..., 1:] * Z).sum(axis=-1)
    return eta


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
        expected = (law.logpdf if case.targets is _real else law.logpmf)(target)
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
        if case.targets is not _real:  # spread the steps of the distribution function
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
    X, y = rows(30, rng), _real(30, rng)
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
    two = LogisticModel().parameters(X, _binary(50, rng))
    more = LogisticModel().parameters(X, _classes(50, rng))
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


def test_shifted_laws_are_told_from_their_bound():
    prior = Shifted(Gamma(2.0, 0.1), 2.0)
    x = prior.draw(4000, np.random.default_rng(0))
    law = stats.gamma(2.0, 2.0, 10.0)
    assert stats.kstest(x, law.cdf).pvalue > 1e-3
    np.testing.assert_allclose(prior.value_and_gradient(x)[0], law.logpdf(x))
    assert prior.transform.to_constrained(np.array([[-800.0]]))[0] > 2.0


def exact_linear(model, X, y):
    """Mean and variance of intercept and coefficients, by quadrature over sigma."""
    priors = model.parameters(X, y)
    Z = np.column_stack([np.ones(len(X)), X - model.column_means_])
    middle = np.append(priors["intercept"].loc, np.zeros(X.shape[1]))
    spread = np.append(priors["intercept"].scale, priors["coef"].scale)
    grid = np.linspace(-4.0, 3.0, 281)
    logs, means, squares = [], [], []
    for sigma in np.exp(grid):
        precision = np.diag(spread**-2.0) + Z.T @ Z / sigma**2
        covariance = np.linalg.inv(precision)
        mean = middle + covariance @ (Z.T @ (y - Z @ middle)) / sigma**2
        law = stats.multivariate_normal(
            Z @ middle, (Z * spread**2) @ Z.T + sigma**2 * np.eye(len(Z))
        )
        prior = priors["sigma"].value_and_gradient(np.array(sigma))[0]
        logs.append(law.logpdf(y) + prior + np.log(sigma))
        means.append(mean)
        squares.append(mean**2 + np.diag(covariance))
    weight = softmax(logs)
    mean = weight @ np.array(means)
    return mean, weight @ np.array(squares) - mean**2


def test_linear_posterior_is_exact():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 2)) * [1.0, 30.0] + [0.0, 500.0]
    y = X @ [0.5, 0.02] + rng.normal(size=12) * 0.7
    model = LinearModel(scale=1.0)
    mean, variance = exact_linear(model, X, y)
    posterior = NumpyPosterior(model, model.parameters(X, y), X, y, np.ones(12))
    run = sample_nuts(
        posterior.value_and_gradient,
        posterior.n_dim,
        n_chains=4,
        n_warmup=500,
        n_draws=2000,
        rng=np.random.default_rng(1),
    )
    params = posterior.constrain(run.positions)
    x = np.concatenate([params["intercept"][..., None], params["coef"]], axis=-1)
    assert (np.abs(x.mean(axis=(0, 1)) - mean) < 4 * mcse_mean(x)).all()
    squares = (x - mean) ** 2
    assert (np.abs(squares.mean(axis=(0, 1)) - variance) < 4 * mcse_mean(squares)).all()
    assert not run.divergent.any()


def test_least_squares_do_not_subtract_large_numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) + 1e6
    y = 1e9 + (X - X.mean(axis=0)) @ [1.0, 2.0, 3.0] + 1e-4 * rng.normal(size=200)
    model = LinearModel()
    model.parameters(X, y)
    params = {
        "intercept": np.full(1, y.mean()),
        "coef": np.array([[1.0, 2.0, 3.0]]),
        "sigma": np.full(1, 1e-4),
    }
    value, slopes = model.likelihood(X, y, np.ones(200))(params)
    error = (y - y.mean()) - (X - X.mean(axis=0)) @ params["coef"][0]
    np.testing.assert_allclose(
        value, stats.norm(0.0, 1e-4).logpdf(error).sum(), rtol=1e-3
    )
    # y has seven digits after the point at most: a unit in the last place matters.
    by_sigma = ((error / 1e-4) ** 2).sum() - 200
    np.testing.assert_allclose(slopes["sigma"] * 1e-4, by_sigma, atol=0.5)


@pytest.mark.parametrize("slopes", [False, True])
def test_groups_that_were_not_seen_have_the_law_of_groups(slopes):
    options = {"groups": 1, "random_slopes": slopes}
    model, _, X, _, _ = made(CASES[4], options, scale=0.2)
    rng = np.random.default_rng(7)
    new = X[:1].copy()
    new[0, 1] = -3.25
    S = 200_000
    r = 3 if slopes else 1
    sd = np.array([0.5, 0.3, 0.2])[:r]
    params = {
        "intercept": np.full(S, 1.0),
        "coef": np.tile([0.1, -0.2], (S, 1)),
        "group_sd": np.tile(sd, (S, 1)),
        # what was learned of groups that were seen must not matter
        "group_effect": np.full((S, 4, r), 50.0),
    }
    params["group_effect"][:, -1] = rng.normal(size=(S, r))
    z = (new - X.mean(axis=0))[0, [0, 2]]
    middle = 1.0 + z @ [0.1, -0.2]
    spread = np.sqrt((sd**2 * np.append(1.0, z**2)[:r]).sum())
    for count in (0.0, 2.0, 5.0):
        density = np.exp(model.log_likelihood(params, new, np.array([count])))[:, 0]
        exact, _ = quad(
            lambda e, k=count: (
                stats.norm.pdf(e, middle, spread) * stats.poisson.pmf(k, np.exp(e))
            ),
            middle - 9 * spread,
            middle + 9 * spread,
        )
        assert abs(density.mean() - exact) < 4.5 * density.std() / np.sqrt(S)


@every_case
def test_data_say_nothing_of_groups_that_were_not_seen(case):
    model, _, X, y, params = made(case, {"groups": 1, "random_slopes": True})
    _, slopes = model.likelihood(X, y, np.ones(40))(params)
    unseen = np.moveaxis(slopes["group_effect"], -2, 0)[-1]
    assert not unseen.any()
    assert np.moveaxis(slopes["group_effect"], -2, 0)[:-1].all()


def alone(kernel, eta, y, own=(), n_sums=1):
    """Sums and slopes of single rows."""
    found = []
    for x in np.atleast_1d(eta):
        line, sums = np.full((1, 1, 1), float(x)), np.zeros((1, n_sums))
        kernel(line, np.full(1, y), np.ones(1), np.array([own], dtype=float), sums)
        found.append([*sums[0], line[0, 0, 0]])
    return np.array(found).T


def test_compiled_log_odds_are_exact():
    margin = np.concatenate(
        [np.linspace(-40.0, 40.0, 801), [-1e4, -700.0, 800.0, 1e300]]
    )
    value, slope = alone(kernels.logistic, margin, 1.0)
    np.testing.assert_allclose(value, log_expit(margin), rtol=4e-16, atol=4e-16)
    usable = margin < 600  # beyond, they stand still
    near = margin[usable]
    wanted = 1.0 / (1.0 + np.exp(near))
    # that of the margin is all the error there is
    error = np.abs(slope[usable] / wanted - 1.0)
    assert (error < 1e-15 + np.finfo(float).eps * np.maximum(near, 0.0)).all()
    assert (slope[~usable] < 1e-260).all()


def test_compiled_logarithms_of_large_scores_are_exact():
    score = np.geomspace(1e-9, 1e180, 400)
    logs, shares, _ = alone(kernels.student, -score, 0.0, (1.0, 3.0), 2)
    wanted = np.log1p(np.minimum(score, 1e150) ** 2 / 3.0)
    np.testing.assert_allclose(logs, wanted, rtol=1e-15, atol=4e-16)
    np.testing.assert_allclose(shares, 1.0 / (1.0 + 3.0 / score / score), rtol=1e-14)


def test_hardly_dispersed_counts_are_those_of_poisson():
    negative, _, X, y, params = made(CASES[5], {}, scale=0.3)
    poisson = PoissonModel(scale=0.3)
    poisson.parameters(X, y)
    weight = np.ones(40)
    wanted, slopes = poisson.likelihood(X, y, weight)(params)
    eta = negative.predictor(params, X)
    # the next term of the series in the dispersion
    bend = 0.5 * ((y - np.exp(eta)) ** 2 - y).sum(axis=1)
    for dispersion in (1e-6, 1e-9, 1e-13, 1e-30, 1e-300):
        few = params | {"dispersion": np.full(3, dispersion)}
        found, others = negative.likelihood(X, y, weight)(few)
        np.testing.assert_allclose(found, wanted, rtol=3e3 * dispersion + 1e-13)
        np.testing.assert_allclose(
            negative.log_likelihood(few, X, y).sum(axis=1), found, rtol=1e-12
        )
        np.testing.assert_allclose(
            others["coef"], slopes["coef"], rtol=1e-9 + 1e3 * dispersion
        )
        assert np.isfinite(others["dispersion"]).all()
        if dispersion >= 1e-6:
            np.testing.assert_allclose(others["dispersion"], bend, rtol=1e-3)


@every_option
@every_case
def test_wild_parameters_have_finite_log_likelihoods(case, options):
    model, _, X, y, params = made(case, options)
    wild = params | {"coef": 1e5 * params["coef"]}
    value, slopes = model.likelihood(X, y, np.ones(40))(wild)
    assert np.isfinite(value).all()
    assert all(np.isfinite(slope).all() for slope in slopes.values())
    assert np.isfinite(model.log_likelihood(wild, X, y)).all()


@every_case
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 1), (8, 2)])
def test_few_rows_and_constant_columns(case, shape):
    rng = np.random.default_rng(0)
    X = np.full(shape, 0.1) if shape == (8, 2) else rng.normal(size=shape)
    y = case.targets(shape[0], rng)
    for options in ({}, {"intercept": False}, {"groups": 0}):
        model = case.model(**options)
        priors = model.parameters(X, y)
        posterior = NumpyPosterior(model, priors, X, y, np.ones(shape[0]))
        value, gradient = posterior.value_and_gradient(np.zeros((2, posterior.n_dim)))
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()
        new = model.simulate(
            posterior.constrain(np.zeros((2, posterior.n_dim))), X, rng
        )
        assert new.shape == (2, shape[0])


@every_case
def test_leading_axes_of_any_number(case):
    model, _, X, y, params = made(case, {"groups": 1, "random_slopes": True})
    flat = model.log_likelihood(params, X, y)
    stacked = {name: x[None, :, None] for name, x in params.items()}
    np.testing.assert_allclose(
        model.log_likelihood(stacked, X, y)[0, :, 0], flat, rtol=1e-12
    )
    single = {name: x[1] for name, x in params.items()}
    np.testing.assert_allclose(model.log_likelihood(single, X, y), flat[1], rtol=1e-12)


def test_inputs_are_not_written_to():
    for case in CASES:
        model, _, X, y, params = made(case, {"groups": 1, "random_slopes": True})
        for array in (X, y, *params.values()):
            array.flags.writeable = False
        model.parameters(X, y)
        model.likelihood(X, y, np.ones(40))(params)
        model.log_likelihood(params, X, y)


def test_errors_name_what_is_wrong():
    X = np.arange(6.0).reshape(3, 2)
    with pytest.raises(ValueError, match="y must have the labels 0, 1"):
        LogisticModel().parameters(X, np.array([-1.0, 1.0, 1.0]))
    for model in (PoissonModel(), NegativeBinomialModel()):
        with pytest.raises(ValueError, match="y must have counts"):
            model.parameters(X, np.array([0.5, 1.0, 1.0]))
    with pytest.raises(ValueError, match="groups must be the index"):
        LinearModel(groups=2).parameters(X, X[:, 0])
    with pytest.raises(ValueError, match="'scale' parameter of LinearModel"):
        LinearModel(scale=-1.0).parameters(X, X[:, 0])
    with pytest.raises(ValueError, match="needs a column"):
        PoissonModel(intercept=False).parameters(X[:, :0], X[:, 0])
    with pytest.raises(NotFittedError, match="has seen no data"):
        LinearModel().predictor({}, X)
