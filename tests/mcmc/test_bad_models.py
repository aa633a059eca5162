"""Models that are wrong, or hard: errors and warnings say what is the matter."""

import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklgen.mcmc import BayesianModel, PosteriorSampler
from sklgen.mcmc._diagnostics import mcse_mean
from sklgen.mcmc.models import GaussianModel, LinearModel
from sklgen.mcmc.priors import Flat, HalfNormal, Normal

few_draws = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SHORT = {"n_warmup": 150, "n_draws": 200, "max_depth": 5, "random_state": 0}
PRIORS = {"mu": Normal(0.0, 2.0), "sigma": HalfNormal(2.0)}


def normal(params, X, y):
    sigma = params["sigma"][..., None]
    return -0.5 * ((y - params["mu"][..., None]) / sigma) ** 2 - np.log(sigma)


def slopes(params, y, weight):
    mu, sigma = params["mu"][:, None], params["sigma"][:, None]
    score = (y - mu) / sigma
    return {"mu": (score / sigma) @ weight, "sigma": ((score**2 - 1) / sigma) @ weight}


class Told(BayesianModel):
    """A model that does what its arguments tell it to."""

    def __init__(self, log_density=normal, priors=PRIORS):
        self.log_density = log_density
        self.priors = priors

    def parameters(self, X, y):
        return self.priors

    def log_likelihood(self, params, X, y):
        return self.log_density(params, X, y)


class Derived(Told):
    """One with derivatives, which may be changed."""

    def __init__(self, change=None, log_density=normal, priors=PRIORS):
        super().__init__(log_density, priors)
        self.change = change

    def likelihood(self, X, y, weight):
        def of(params):
            answer = normal(params, X, y) @ weight, slopes(params, y, weight)
            return answer if self.change is None else self.change(params, *answer)

        return of


def rows(n=20):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    return X, X @ [1.0, 2.0] + rng.normal(size=n)


def fit(model, data=None, **options):
    return PosteriorSampler(model, **(SHORT | options)).fit(*(data or rows()))


def told(error):
    return " ".join([str(error.value), *getattr(error.value, "__notes__", [])])


@pytest.mark.parametrize(
    "log_density",
    [
        lambda p, X, y: normal(p, X, y).sum(axis=-1),
        lambda p, X, y: normal(p, X, y)[..., :3],
        lambda p, X, y: -0.5 * (y - p["mu"]) ** 2,
        lambda p, X, y: None,
        lambda p, X, y: 0.0,
    ],
)
def test_wrong_shapes_of_likelihoods(log_density):
    with pytest.raises(ValueError, match="one number for each draw and row") as error:
        fit(Told(log_density))
    assert "(20, 20), got" in told(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, v, s: (v[:2], s), "one log-likelihood for each draw"),
        (lambda p, v, s: (v, {"mu": s["mu"]}), "derivatives by 'sigma' .* got none"),
        (lambda p, v, s: (v, s | {"mu": 0.0}), r"derivatives by 'mu' .* got \(\)"),
    ],
)
def test_wrong_shapes_of_derivatives(change, message):
    with pytest.raises(ValueError, match=message):
        fit(Derived(change))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("sampler", ["nuts", "ensemble"])
def test_likelihoods_that_are_finite_nowhere(value, sampler):
    model = Told(lambda p, X, y: normal(p, X, y) + value)
    with pytest.raises(ValueError, match="No start with a finite log-post") as error:
        fit(model, sampler=sampler)
    assert "log-likelihood of 20 rows is not finite" in told(error)
    assert "mu=" in told(error)


@pytest.mark.parametrize("sampler", ["nuts", "ensemble"])
def test_likelihoods_without_bounds(sampler):
    model = Told(lambda p, X, y: normal(p, X, y) + np.inf)
    with pytest.raises(ValueError, match=r"not finite|less than infinity"):
        fit(model, sampler=sampler)


def test_the_row_without_a_likelihood_is_named():
    _, y = rows()
    model = Told(lambda p, X, y: np.where(y == y.max(), np.nan, normal(p, X, y)))
    with pytest.raises(ValueError, match="log-likelihood of 1 rows") as error:
        fit(model)
    assert f"y={y.max():.6g}" in told(error)


def test_derivatives_that_are_finite_nowhere():
    model = Derived(lambda p, v, s: (v, s | {"mu": np.full(len(v), np.nan)}))
    with pytest.raises(ValueError, match="gradient is not finite"):
        fit(model)


def test_derivatives_that_are_finite_in_a_part():
    def change(params, value, slopes):
        return value, slopes | {"mu": np.where(params["mu"] > 1, np.nan, slopes["mu"])}

    with pytest.warns(ConvergenceWarning, match="transitions diverged"):
        sampler = fit(Derived(change))
    assert sampler.posterior_["mu"].max() <= 1


def test_wrong_derivatives_do_not_bias():
    # They only slow the chains down.
    less = lambda p, v, s: (v, {name: 0.7 * slope for name, slope in s.items()})
    right, wrong = (
        PosteriorSampler(model, random_state=0).fit(*rows()).posterior_["mu"]
        for model in (Derived(), Derived(less))
    )
    error = np.hypot(mcse_mean(right), mcse_mean(wrong))
    assert abs(right.mean() - wrong.mean()) < 4.5 * error


@pytest.mark.parametrize(
    "free", [Flat(), Flat(lower=0.0), Flat(upper=-1.0), Flat(shape=(2,))]
)
def test_improper_posteriors_run_away(free):
    model = Derived(
        lambda p, v, s: (v, s | {"free": np.zeros(p["free"].shape)}),
        priors=PRIORS | {"free": free},
    )
    with pytest.warns(ConvergenceWarning, match="free.* run away.* improper") as seen:
        sampler = fit(model, n_draws=1000)
    assert not sampler.converged_
    assert len(seen) == 1


def test_parameters_that_nothing_tells_of_keep_their_prior():
    model = Told(priors=PRIORS | {"free": Normal(5.0, 3.0)})
    sampler = PosteriorSampler(model, random_state=0).fit(*rows())
    assert sampler.converged_
    free = sampler.posterior_["free"]
    assert abs(free.mean() - 5.0) < 4.5 * mcse_mean(free)
    np.testing.assert_allclose(free.std(), 3.0, rtol=0.1)


def test_no_rows():
    X, y = rows()
    for model in (None, Told()):
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            fit(model, (X[:0], y[:0]))


def test_errors_in_a_part_tell_the_parameters():
    def fragile(params, X, y):
        if (params["mu"] > 2.0).any():
            raise OverflowError("no more")
        return normal(params, X, y)

    with pytest.raises(OverflowError, match="no more") as error:
        fit(Told(fragile))
    mu = float(told(error).split("mu=")[1].split(",")[0])
    assert mu > 2.0


@few_draws
def test_likelihoods_of_zero_in_a_part():
    model = Told(
        lambda p, X, y: np.where(p["mu"][..., None] > 0, normal(p, X, y), -np.inf)
    )
    sampler = fit(model, n_draws=500)
    assert sampler.posterior_["mu"].min() > 0
    assert sampler.diagnostics_["n_divergent"] > 0
    assert not sampler.converged_


@few_draws
@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_of_data_are_those_of_draws(unit):
    X, y = rows()
    for model in (LinearModel(), GaussianModel()):
        one, other = (fit(model, (X * u, y * u)).posterior_ for u in (1.0, unit))
        power = {"intercept": 1, "coef": 0, "sigma": 1, "mean": 1, "covariance": 2}
        for name, draws in one.items():
            scaled = other[name] / unit ** power[name]
            error = np.hypot(mcse_mean(scaled), mcse_mean(draws))
            assert (abs((scaled - draws).mean(axis=(0, 1))) < 4.5 * error).all(), name


@few_draws
@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_flat_priors_find_data_of_any_size(unit):
    X, y = rows()
    priors = {"mu": Flat(), "sigma": Flat(lower=0.0)}
    mu = fit(Derived(priors=priors), (X, y * unit), n_draws=500).posterior_["mu"]
    assert abs(mu.mean() - y.mean() * unit) < 4.5 * mcse_mean(mu)


@few_draws
@pytest.mark.parametrize(
    "change",
    [
        lambda X, y: (np.c_[X, np.ones(len(X))], y),
        lambda X, y: (np.c_[X, X], y),
        lambda X, y: (X, np.ones(len(X))),
        lambda X, y: (X[:1], y[:1]),
        lambda X, y: (np.ones((5, 1)), np.ones(5)),
    ],
    ids=["constant column", "twins", "constant target", "one row", "all constant"],
)
def test_data_that_tell_little(change):
    X, y = change(*rows())
    for model in (LinearModel(), GaussianModel()):
        sampler = fit(model, (X, y))
        for name, draws in sampler.posterior_.items():
            assert np.isfinite(draws).all(), name
        assert sampler.diagnostics_["r_hat"] < 1.1
        assert np.isfinite(sampler.score_samples(X, y)).all()


@pytest.mark.parametrize(
    ("priors", "error", "message"),
    [
        (None, TypeError, "a mapping of names to priors, got NoneType"),
        ([Normal()], TypeError, "a mapping of names to priors, got list"),
        ({"mu": 1.0}, TypeError, "The prior of 'mu' must be a law"),
        ({"mu": Normal}, TypeError, "The prior of 'mu' must be a law"),
        ({}, ValueError, "at least one parameter, got none"),
        ({"mu": Normal(shape=(0,))}, ValueError, "at least one parameter, got none"),
    ],
)
def test_parameters_that_are_no_laws(priors, error, message):
    with pytest.raises(error, match=message):
        fit(Told(priors=priors))


def test_names_that_the_model_does_not_have():
    with pytest.raises(KeyError, match="nu") as error:
        fit(Told(lambda p, X, y: p["nu"]))
    assert "mu=" in told(error)


@few_draws
def test_interrupts_keep_draws():
    left = [10**9]

    def impatient(params, value, slopes):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return value, slopes

    model = Derived(impatient)
    whole = fit(model).posterior_["mu"]
    asked = 10**9 - left[0]
    left[0] = asked - 20
    with pytest.warns(ConvergenceWarning, match="was interrupted after .* warm_start"):
        part = fit(model)
    n = part.posterior_["mu"].shape[1]
    assert 0 < n < 200
    np.testing.assert_array_equal(part.posterior_["mu"], whole[:, :n])
    left[0] = 20
    with pytest.raises(KeyboardInterrupt):
        fit(model)


@few_draws
def test_data_and_priors_are_left_as_they_were():
    X, y = rows()
    kept = X.copy(), y.copy()
    model = Told()
    sampler = PosteriorSampler(model, **SHORT).fit(X, y)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])
    assert sampler.model is model
    again = clone(sampler).fit(X, y)
    np.testing.assert_array_equal(again.posterior_["mu"], sampler.posterior_["mu"])


@few_draws
def test_many_rows_take_memory_in_proportion():
    X, y = rows(6_000)
    tracemalloc.start()
    try:
        fit(LinearModel(), (X, y))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.7 * 8 * len(X) ** 2  # a matrix of rows by rows
