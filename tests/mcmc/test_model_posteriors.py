"""Models of targets given rows: exact answers, groups, and wild parameters."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import log_expit, softmax
from sklearn.exceptions import NotFittedError

from sklgen.mcmc._diagnostics import mcse_mean
from sklgen.mcmc._posterior import NumpyPosterior
from sklgen.mcmc._run import sample_nuts
from sklgen.mcmc.models import (
    LinearModel,
    LogisticModel,
    NegativeBinomialModel,
    PoissonModel,
)
from sklgen.mcmc.models import _row_kernels as kernels
from tests.line_models import CASES, every_case, every_option, made


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
