"""Posteriors as densities: terms that add up, gradients, frames, errors that tell."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.optimize import approx_fprime

from sklgen.mcmc import BayesianModel, PosteriorRegressor
from sklgen.mcmc._compiled import CompiledDensity
from sklgen.mcmc._posterior import NumpyPosterior, frame_of
from sklgen.mcmc._transforms import Joint
from sklgen.mcmc.models import (
    GaussianModel,
    LinearModel,
    LogisticModel,
    PoissonModel,
    StudentModel,
)
from sklgen.mcmc.priors import Flat, Gamma, HalfNormal, Normal


class Line(BayesianModel):
    """A line through points, written as its author would."""

    def parameters(self, X, y):
        return {"slope": Normal(0.0, 3.0, shape=(1,)), "sigma": HalfNormal(2.0)}

    def log_likelihood(self, params, X, y):
        sigma = np.asarray(params["sigma"])[..., None]
        return stats.norm.logpdf(y, params["slope"] @ X.T, sigma)


class LineWithGradient(Line):
    def likelihood(self, X, y, weight):
        def at(params):
            sigma = params["sigma"]
            error = y - params["slope"] @ X.T
            scaled = weight * error / sigma[:, None] ** 2
            value = self.log_likelihood(params, X, y) @ weight
            by_sigma = (scaled * error).sum(axis=1) / sigma - weight.sum() / sigma
            return value, {"slope": scaled @ X, "sigma": by_sigma}

        return at


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 1))
    return X, 2.0 * X[:, 0] + rng.normal(size=30), rng.integers(1, 4, 30).astype(float)


def posterior(model, X, y, weight):
    return NumpyPosterior(model, model.parameters(X, y), X, y, weight)


@pytest.mark.parametrize("model", [Line(), LineWithGradient()])
def test_the_value_is_the_sum_of_priors_rows_and_jacobian(model, data):
    X, y, weight = data
    u = np.array([[1.5, -0.3], [0.0, 0.2]])
    slope, sigma = u[:, 0], np.exp(u[:, 1])
    expected = stats.norm(0, 3).logpdf(slope) + stats.halfnorm(0, 2).logpdf(sigma)
    expected += stats.norm.logpdf(y, slope[:, None] * X.T, sigma[:, None]) @ weight
    expected += u[:, 1]
    assert_allclose(posterior(model, X, y, weight).value(u), expected)


def test_gradients_are_those_of_the_value(data):
    target = posterior(LineWithGradient(), *data)
    u = np.array([[1.5, -0.3], [0.0, 0.2]])
    value, gradient = target.value_and_gradient(u)
    assert_allclose(value, target.value(u))
    for row, slope in zip(u, gradient, strict=True):
        found = approx_fprime(row, lambda x: target.value(x[None])[0], 1e-7)
        assert_allclose(slope, found, rtol=1e-4)


def test_terms_add_up(data):
    X, y, weight = data
    target = posterior(Line(), X, y, weight)
    u = np.array([0.7, 0.1])
    terms = target.terms(u)
    rows = terms.pop("")
    assert rows.shape == (30,)
    total = sum(float(term[0]) for term in terms.values()) + rows @ weight + u[1]
    assert_allclose(total, target.value(u[None])[0])


def test_blocks_of_rows_are_all_rows(data, monkeypatch):
    X, y, weight = data
    u = np.array([[1.5, -0.3], [0.0, 0.2]])
    expected = posterior(Line(), X, y, weight).value(u)
    monkeypatch.setattr("sklgen.mcmc._posterior.BLOCK", 14)
    asked = []

    class Watched(Line):
        def log_likelihood(self, params, X, y):
            asked.append(len(X))
            return super().log_likelihood(params, X, y)

    assert_allclose(posterior(Watched(), X, y, weight).value(u), expected)
    assert asked == [7, 7, 7, 7, 2]
    Watched.independent_rows = False
    asked.clear()
    assert_allclose(posterior(Watched(), X, y, weight).value(u), expected)
    assert asked == [30]


def test_frames_have_the_units_of_the_priors(data):
    class Scaled(Line):
        def parameters(self, X, y):
            return {
                "slope": Normal(1e6, 20.0, shape=(1,)),
                "free": Flat(),
                "sigma": Gamma(400.0, 4e5),
            }

    frame = posterior(Scaled(), *data).frame
    assert abs(frame.origin[0] - 1e6) < 4.0
    assert 17.0 < frame.scale[0] < 23.0
    assert frame.origin[1] == 0.0
    assert frame.scale[1] == 1.0
    assert_allclose(frame.origin[2], np.log(1e-3), atol=0.01)
    assert_allclose(frame.scale[2], 0.05, rtol=0.15)


def test_frames_of_draws_that_tell_nothing_are_standard():
    draws = np.column_stack([np.full(9, np.nan), np.full(9, 3.0), np.arange(9.0)])
    frame = frame_of(draws)
    assert_allclose(frame.origin, [0.0, 0.0, 4.0])
    assert_allclose(frame.scale, [1.0, 1.0, 4.0 / 1.349], rtol=1e-3)


def test_shapes_are_told(data):
    class Total(Line):
        def log_likelihood(self, params, X, y):
            return super().log_likelihood(params, X, y).sum(axis=-1)

    with pytest.raises(
        ValueError, match=r"one number for each draw and row.*\(2, 30\)"
    ):
        posterior(Total(), *data).value(np.zeros((2, 2)))

    class Wrong(LineWithGradient):
        def __init__(self, change=None):
            self.change = change

        def likelihood(self, X, y, weight):
            right = super().likelihood(X, y, weight)
            return lambda params: self.change(*right(params))

    def ask(change):
        posterior(Wrong(change), *data).value_and_gradient(np.zeros((3, 2)))

    with pytest.raises(ValueError, match=r"one log-likelihood for each draw.*\(3,\)"):
        ask(lambda value, slopes: (value.sum(), slopes))
    with pytest.raises(
        ValueError, match=r"by 'slope' of the shape \(3, 1\), got \(3,\)"
    ):
        ask(lambda value, slopes: (value, slopes | {"slope": slopes["slope"][:, 0]}))
    with pytest.raises(ValueError, match=r"by 'sigma' .* got none"):
        ask(lambda value, slopes: (value, {"slope": slopes["slope"]}))
    with pytest.raises(TypeError, match="a tuple of log-likelihoods and a dict"):
        ask(lambda value, slopes: value)
    with pytest.raises(TypeError, match="a tuple of log-likelihoods and a dict"):
        posterior(Wrong(lambda value, slopes: value), *data).split(np.zeros((3, 2)))


def test_errors_tell_of_the_parameters_that_cause_them(data):
    class Angry(Line):
        def log_likelihood(self, params, X, y):
            if (params["slope"] > 1.0).any():
                raise RuntimeError("no")
            return super().log_likelihood(params, X, y)

    with pytest.raises(RuntimeError, match="no") as caught:
        posterior(Angry(), *data).value(np.array([[0.0, 0.0], [1.25, 0.0]]))
    (told,) = caught.value.__notes__
    assert "slope=[1.25], sigma=1.0" in told


def gaussian_data(seed=0, n=50, d=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3.0
    return X, rng.integers(1, 4, n).astype(float)


def line_data(n_columns, law):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, n_columns)) * 3.0 + 1.0  # more rows than a block
    eta = X @ rng.normal(size=n_columns) / 3.0
    y = {
        "linear": eta + rng.normal(size=600),
        "two": (eta > 0).astype(float),
        "three": rng.integers(3, size=600).astype(float),
        "counts": rng.poisson(np.exp(np.minimum(eta, 3.0))).astype(float),
    }[law]
    return X, y, rng.integers(1, 4, 600).astype(float)


COMPILED = {
    "gaussian": (GaussianModel(), (*gaussian_data()[:1], None, gaussian_data()[1])),
    "one column": (GaussianModel(), (gaussian_data(d=1)[0], None, np.ones(50))),
    "linear": (LinearModel(), line_data(3, "linear")),
    "linear, no intercept": (LinearModel(intercept=False), line_data(2, "linear")),
    "logistic": (LogisticModel(), line_data(3, "two")),
    "logistic, no intercept": (LogisticModel(intercept=False), line_data(3, "two")),
    "softmax": (LogisticModel(scale=0.7), line_data(2, "three")),
    "softmax, no intercept": (LogisticModel(intercept=False), line_data(2, "three")),
    "poisson": (PoissonModel(), line_data(2, "counts")),
}


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_posteriors_are_those_of_their_parts(name):
    model, data = COMPILED[name]
    target = posterior(model, *data)
    compiled = target.density(1)
    assert isinstance(compiled, CompiledDensity)
    u = np.random.default_rng(1).normal(size=(6, target.n_dim))
    value, gradient = compiled.value_and_gradient(u)
    assert_allclose(np.ptp(value - target.value(u)), 0.0, atol=1e-9 * abs(value).max())
    for row, slope in zip(u, gradient, strict=True):
        found = approx_fprime(row, lambda x: compiled.value(x[None])[0], 1e-7)
        assert_allclose(slope, found, rtol=1e-4, atol=1e-6 * np.abs(value).max())


def test_data_that_do_not_stay_in_the_cache_are_read_for_all_chains_at_once():
    X, y, weight = line_data(3, "two")
    X, y, weight = (np.concatenate([part] * 20) for part in (X, y, weight))
    target = posterior(LogisticModel(), X, y, weight)
    assert target.density(1) is target


def test_the_log_likelihood_of_a_gaussian_is_scipys():
    X, _ = gaussian_data()
    params = {
        "mean": np.array([[1.0, 2.0, 3.0], [3.0, 3.0, 3.0]]),
        "covariance": np.stack([np.eye(3) + 0.5, np.diag([1.0, 4.0, 9.0])]),
    }
    expected = [
        stats.multivariate_normal(*pair).logpdf(X)
        for pair in zip(params["mean"], params["covariance"], strict=True)
    ]
    assert_allclose(GaussianModel().log_likelihood(params, X), expected)


def test_columns_that_do_not_vary_have_some_spread():
    X = np.column_stack([np.zeros(5), np.full(5, 1e6), np.arange(5.0)])
    target = posterior(GaussianModel(), X, None, np.ones(5))
    value, gradient = target.density(1).value_and_gradient(np.zeros((1, target.n_dim)))
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


def grouped_data(n_groups=6, n_rows=80):
    rng = np.random.default_rng(0)
    code = rng.integers(n_groups, size=n_rows)
    X = np.column_stack([code, rng.normal(size=(n_rows, 2)) * 2.0 + 1.0])
    y = X[:, 1] + rng.normal(size=n_groups)[code] + rng.normal(size=n_rows)
    return X, y, rng.integers(1, 4, n_rows).astype(float)


COORDINATES = {
    "whitened": (LinearModel(), line_data(2, "linear")),
    "more columns than rows": (
        LinearModel(),
        (np.random.default_rng(0).normal(size=(3, 5)), np.arange(3.0), np.ones(3)),
    ),
    "columns that are the same": (
        LinearModel(),
        (np.ones((6, 2)) * np.arange(6.0)[:, None], np.arange(6.0) ** 2, np.ones(6)),
    ),
    "groups": (LinearModel(groups=0), grouped_data()),
    "slopes": (LinearModel(groups=0, random_slopes=True), grouped_data()),
    "logistic": (
        LogisticModel(groups=0),
        (lambda X, y, w: (X, (y > 1.0).astype(float), w))(*grouped_data()),
    ),
    "counts": (
        PoissonModel(groups=0, random_slopes=True),
        (lambda X, y, w: (X, np.floor(np.abs(y)), w))(*grouped_data()),
    ),
    "robust": (StudentModel(groups=0), grouped_data()),
}


@pytest.mark.parametrize("name", COORDINATES)
def test_coordinates_of_models_are_changes_of_variables(name):
    model, data = COORDINATES[name]
    target = posterior(model, *data)
    coordinates = target._coordinates
    assert not isinstance(coordinates, Joint)

    def flat(u):
        return np.concatenate([x.ravel() for x in target.constrain(u).values()])

    found, told = [], []
    for u in np.random.default_rng(1).normal(size=(3, target.n_dim)):
        jacobian = approx_fprime(u, flat, 1e-7)
        found.append(np.linalg.slogdet(jacobian)[1])
        told.append(coordinates.to_constrained(u)[1])
        value, gradient = target.value_and_gradient(u[None])
        assert_allclose(value, target.value(u[None]))
        expected = approx_fprime(u, lambda x: target.value(x[None])[0], 1e-7)
        atol = 1e-6 * abs(value[0])
        assert_allclose(gradient[0], expected, rtol=1e-4, atol=atol)
    assert_allclose(np.ptp(np.subtract(found, told)), 0.0, atol=1e-4)


@pytest.mark.parametrize("n_rows", [5, 200])
def test_groups_of_any_size_are_sampled_well(n_rows):
    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(20), n_rows)
    X = np.column_stack([code, rng.normal(size=len(code))])
    y = X[:, 1] + rng.normal(size=20)[code] + rng.normal(size=len(code))
    model = LinearModel(groups=0)
    fitted = PosteriorRegressor(model, n_draws=500, random_state=0).fit(X, y)
    assert fitted.diagnostics_["n_divergent"] == 0
    assert fitted.diagnostics_["ess_tail"] > 400


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_starts_of_groups_have_the_units_of_columns(unit):
    X, y, weight = grouped_data()
    model = LinearModel(groups=0)
    frame = posterior(model, X, y, weight).frame
    other = posterior(model, X * [1.0, unit, unit], y, weight).frame
    scale = np.ones(len(frame.scale))
    scale[1:3] = unit  # coefficients come after the intercept
    assert_allclose(other.scale * scale, frame.scale, rtol=1e-6)
