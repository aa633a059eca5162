"""Laws of parameters against SciPy, finite differences and Stein's identities."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sklgen.mcmc.priors import (
    Beta,
    Cauchy,
    Dirichlet,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InverseGamma,
    InverseWishart,
    Laplace,
    LKJCholesky,
    LogNormal,
    MultivariateNormal,
    Normal,
    Ordered,
    Stacked,
    StudentT,
    Uniform,
    UnitVector,
    Wishart,
)

SHAPE = (2, 3)
A = np.array([0.7, 2.0, 5.0])
B = np.array([[0.5], [3.0]])
LOC = np.array([[-1.0, 0.0, 30.0]])

# Laws of numbers, and the same ones of SciPy.
NUMBERS = {
    "normal": (Normal(LOC, B, shape=SHAPE), stats.norm(LOC, B)),
    "half-normal": (HalfNormal(A, shape=SHAPE), stats.halfnorm(scale=A)),
    "Student": (StudentT(A, LOC, B, shape=SHAPE), stats.t(A, LOC, B)),
    "exponential": (Exponential(B, shape=SHAPE), stats.expon(scale=1.0 / B)),
    "gamma": (Gamma(A, B, shape=SHAPE), stats.gamma(A, scale=1.0 / B)),
    "Cauchy": (Cauchy(LOC, B, shape=SHAPE), stats.cauchy(LOC, B)),
    "half-Cauchy": (HalfCauchy(B, shape=SHAPE), stats.halfcauchy(scale=B)),
    "Laplace": (Laplace(LOC, B, shape=SHAPE), stats.laplace(LOC, B)),
    "log-normal": (
        LogNormal(LOC / 10.0, B, shape=SHAPE),
        stats.lognorm(B, scale=np.exp(LOC / 10.0)),
    ),
    "inverse gamma": (InverseGamma(A, B, shape=SHAPE), stats.invgamma(A, scale=B)),
    "beta": (Beta(A, B, shape=SHAPE), stats.beta(A, B)),
    "uniform": (Uniform(LOC, LOC + B, shape=SHAPE), stats.uniform(LOC, B)),
}
FOLDED = {
    "half-Student": (HalfStudentT(A, B, shape=SHAPE), stats.t(A, scale=B)),
}
MATRIX = np.array([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]])
ROWS = np.array([[0.5, 2.0, 4.0], [3.0, 3.0, 1.0]])


def stacked_last(law):
    """Log-densities by a law of SciPy that wants draws on the last axis."""
    return lambda x: law.logpdf(np.moveaxis(x, 0, -1))


# Other laws, and log-densities of n draws.
ARRAYS = {
    "Dirichlet": (Dirichlet(A), stacked_last(stats.dirichlet(A))),
    "Dirichlets": (
        Dirichlet(ROWS),
        lambda x: sum(stacked_last(stats.dirichlet(ROWS[k]))(x[:, k]) for k in (0, 1)),
    ),
    "multivariate normal": (
        MultivariateNormal(A, MATRIX),
        stats.multivariate_normal(A, MATRIX).logpdf,
    ),
    "Wishart": (Wishart(4.5, MATRIX), stacked_last(stats.wishart(4.5, MATRIX))),
    "Wishart of few": (Wishart(3.5, MATRIX), stacked_last(stats.wishart(3.5, MATRIX))),
    "inverse Wishart": (
        InverseWishart(4.5, MATRIX),
        stacked_last(stats.invwishart(4.5, MATRIX)),
    ),
}
OWN = {
    "correlations": LKJCholesky(4, 1.7),
    "one correlation": LKJCholesky(2, 0.5),
    "no correlation": LKJCholesky(1),
    "directions": UnitVector(3),
    "ordered": Ordered(Normal(3.0, 2.0, shape=(3,))),
    "ordered positives": Ordered(Gamma(2.0, np.full(3, 0.5), shape=(3,))),
    "stacked": Stacked(LKJCholesky(3), (2,)),
    "stacked twice": Stacked(MultivariateNormal(A, MATRIX), (2, 2)),
}
PROPER = {
    **{name: prior for name, (prior, _) in {**NUMBERS, **FOLDED, **ARRAYS}.items()},
    **OWN,
}
FLAT = {
    "flat": Flat(shape=SHAPE),
    "flat above": Flat(lower=LOC, shape=SHAPE),
    "flat below": Flat(upper=LOC, shape=SHAPE),
}
PRIORS = {**PROPER, **FLAT}
N = 40_000


def by_name(priors):
    return pytest.mark.parametrize("prior", priors.values(), ids=priors)


def values(prior, *shape):
    """Values within the support, far from each other."""
    u = np.random.default_rng(0).normal(size=(*shape, prior.transform.size))
    return prior.transform.to_constrained(u)[0]


def central_differences(of, x):
    gradient = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        h = 1e-5 * max(abs(x[at]), 1e-3)
        step = np.zeros(x.shape)
        step[at] = h
        gradient[at] = (of(x + step) - of(x - step)) / (2.0 * h)
    return gradient


@pytest.mark.parametrize("name", NUMBERS)
def test_densities_of_scipy(name):
    prior, law = NUMBERS[name]
    x = values(prior, 7)
    expected = law.logpdf(x).sum(axis=(-2, -1))
    assert_allclose(prior.value_and_gradient(x)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ARRAYS)
def test_densities_of_arrays_of_scipy(name):
    prior, log_density = ARRAYS[name]
    x = values(prior, 7)
    assert_allclose(prior.value_and_gradient(x)[0], log_density(x), rtol=1e-9)


@by_name(
    {
        "shares": Dirichlet([2.0, 3.0, 0.5]),
        "correlation": LKJCholesky(2, 0.7),
        "correlations": LKJCholesky(3, 1.5),
        "directions": UnitVector(3),
        "ordered": Ordered(Normal(1.0, 2.0, shape=(2,))),
        "ordered positives": Ordered(Gamma(2.0, shape=(3,))),
    }
)
def test_densities_integrate_to_one(prior):
    """By the trapezoidal rule over u, of spectral accuracy for smooth densities."""
    d = prior.transform.size
    line = np.linspace(-25.0, 25.0, 120 if d == 3 else 400)
    u = np.stack(np.meshgrid(*[line] * d), axis=-1)
    x, log_jacobian = prior.transform.to_constrained(u)
    total = np.exp(prior.value_and_gradient(x)[0] + log_jacobian).sum()
    assert_allclose(total * (line[1] - line[0]) ** d, 1.0, rtol=1e-4)


@pytest.mark.parametrize("name", FOLDED)
def test_densities_of_absolute_values(name):
    prior, law = FOLDED[name]
    x = values(prior, 7)
    expected = np.log(law.pdf(x) + law.pdf(-x)).sum(axis=(-2, -1))
    assert_allclose(prior.value_and_gradient(x)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("name", NUMBERS)
def test_draws_of_numbers(name):
    prior, law = NUMBERS[name]
    shares = law.cdf(prior.draw(2000, np.random.default_rng(1)))
    for at in np.ndindex(SHAPE):
        assert stats.kstest(shares[:, *at], "uniform").pvalue > 1e-4


@pytest.mark.parametrize("name", FOLDED)
def test_draws_of_absolute_values(name):
    prior, law = FOLDED[name]
    x = prior.draw(2000, np.random.default_rng(1))
    shares = law.cdf(x) - law.cdf(-x)
    for at in np.ndindex(SHAPE):
        assert stats.kstest(shares[:, *at], "uniform").pvalue > 1e-4


@pytest.mark.parametrize(("n", "concentration"), [(2, 0.5), (4, 1.7)])
def test_marginal_law_of_correlations(n, concentration):
    L = LKJCholesky(n, concentration).draw(2000, np.random.default_rng(5))
    R = L @ np.swapaxes(L, 1, 2)
    assert_allclose(np.diagonal(R, axis1=1, axis2=2), 1.0)
    beta = stats.beta(*[concentration + 0.5 * n - 1.0] * 2, -1.0, 2.0)
    for i, j in zip(*np.tril_indices(n, -1), strict=True):
        assert stats.kstest(R[:, i, j], beta.cdf).pvalue > 1e-4


def test_order_statistics():
    """Ranks of uniform numbers have beta laws; a flat law has that of its orders."""
    law = stats.norm(3.0, 2.0)
    prior = Ordered(Normal(3.0, 2.0, shape=(3,)))
    x = prior.draw(2000, np.random.default_rng(8))
    for i in range(3):
        beta = stats.beta(i + 1.0, 3.0 - i)
        assert stats.kstest(law.cdf(x[:, i]), beta.cdf).pvalue > 1e-4
    expected = np.log(6.0) + law.logpdf(x).sum(axis=1)
    assert_allclose(prior.value_and_gradient(x)[0], expected, rtol=1e-12)
    flat = Ordered(Flat(lower=0.0, shape=(4,)))
    assert flat.transform.to_constrained(np.full(4, -5.0))[0][0] > 0.0
    assert_allclose(flat.value_and_gradient(np.arange(4.0))[0], np.log(24.0))
    with pytest.raises(ValueError, match="improper"):
        flat.draw(1, np.random.default_rng(8))


def test_stacked_laws_add_up():
    one = Dirichlet(A)
    prior = Stacked(one, (2, 2))
    x = prior.draw(5, np.random.default_rng(9))
    expected = one.value_and_gradient(x)[0].sum(axis=(1, 2))
    assert_allclose(prior.value_and_gradient(x)[0], expected)
    same = Dirichlet(np.broadcast_to(A, (2, 2, 3)))
    assert_allclose(same.value_and_gradient(x)[0], expected)


def test_uniform_directions():
    x = UnitVector(3).draw(2000, np.random.default_rng(6))
    assert_allclose(np.linalg.norm(x, axis=1), 1.0)
    # Each coordinate of points of a sphere in three dimensions is uniform.
    for along in x.T:
        assert stats.kstest(along, stats.uniform(-1.0, 2.0).cdf).pvalue > 1e-4


def test_shares_of_small_concentration():
    """Almost all is one share, which is each as often as its concentration says."""
    prior = Dirichlet([1e-4, 3e-4])
    x = prior.draw(4000, np.random.default_rng(7))
    assert_allclose((x[:, 1] > 0.5).mean(), 0.75, atol=0.03)


@pytest.mark.parametrize("law", [Wishart, InverseWishart])
def test_singular_matrices_have_no_density(law):
    prior = law(3.0, np.eye(2))
    x = np.array([np.ones((2, 2)), np.eye(2)])
    value, gradient = prior.value_and_gradient(x)
    assert value[0] == -np.inf
    assert_array_equal(value[1], prior.value_and_gradient(x[1])[0])
    assert np.isfinite(gradient).all()


@by_name(PRIORS)
def test_gradient_by_finite_differences(prior):
    for x in values(prior, 3):
        found = prior.value_and_gradient(x)[1]
        expected = central_differences(lambda x: prior.value_and_gradient(x)[0], x)
        assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@by_name(PRIORS)
def test_leading_axes(prior):
    x = values(prior, 4, 2)
    assert x.shape == (4, 2, *prior.shape)
    value, gradient = prior.value_and_gradient(x)
    assert value.shape == (4, 2)
    assert gradient.shape == x.shape
    for at in np.ndindex(4, 2):
        own, slope = prior.value_and_gradient(x[at])
        assert np.shape(own) == ()
        assert_allclose(value[at], own, rtol=1e-12)
        assert_allclose(gradient[at], slope, rtol=1e-12)


def unconstrained(prior, x, rng):
    """Vectors u of draws; those of directions have a length of their own."""
    if isinstance(prior, UnitVector):
        return x * np.sqrt(rng.chisquare(prior.n, size=(len(x), 1)))
    return prior.transform.to_unconstrained(x)


@by_name(PROPER)
def test_stein_identities(prior):
    """E grad log p(u) = 0 and E (u - E u) grad' = -1, to five standard errors."""
    rng = np.random.default_rng(2)
    x = prior.draw(N, rng)
    u = unconstrained(prior, x, rng)
    pulled = prior.transform.pull_back(prior.value_and_gradient(x)[1], u)
    products = (u - u.mean(axis=0))[:, :, None] * pulled[:, None, :]
    identity = np.eye(prior.transform.size)
    for found, expected in ((pulled, 0.0), (products, -identity)):
        error = found.std(axis=0) / np.sqrt(N)
        assert np.all(np.abs(found.mean(axis=0) - expected) < 5.0 * error)


@by_name(PROPER)
def test_draws_depend_on_the_generator_alone(prior):
    first, again = (prior.draw(3, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (3, *prior.shape)
    assert_array_equal(first, again)
    assert prior.draw(0, np.random.default_rng(3)).shape == (0, *prior.shape)


@by_name(PRIORS)
def test_copies(prior):
    x = values(prior, 3)
    expected = prior.value_and_gradient(x)
    for twin in (copy.deepcopy(prior), pickle.loads(pickle.dumps(prior))):
        for found, own in zip(twin.value_and_gradient(x), expected, strict=True):
            assert_array_equal(found, own)
    assert repr(prior).startswith(f"{type(prior).__name__}(")


def test_parameters_are_copied():
    loc = np.zeros(3)
    prior = Normal(loc, shape=(3,))
    loc += 5.0
    assert_array_equal(prior.value_and_gradient(np.zeros((1, 3)))[1], 0.0)


@by_name(
    {
        "gamma": Gamma(1e-4, 10.0),
        "inverse gamma": InverseGamma(1e-4, 10.0),
        "log-normal": LogNormal(scale=1e3),
        "beta": Beta(1e-4, 1e-4),
        "uniform": Uniform(1.0, 1.0 + 1e-15),
        "shares": Dirichlet([1e-4, 1e-4]),
    }
)
def test_extreme_draws_stay_in_the_support(prior):
    x = prior.draw(100, np.random.default_rng(4))
    assert np.isfinite(prior.transform.to_unconstrained(x)).all()


def test_flat_priors_keep_to_their_bounds():
    assert (values(FLAT["flat above"], 9) > LOC).all()
    assert (values(FLAT["flat below"], 9) < LOC).all()
    for prior in FLAT.values():
        assert_array_equal(prior.value_and_gradient(values(prior, 9))[0], 0.0)


def test_flat_priors_have_no_draws():
    with pytest.raises(ValueError, match="improper and cannot be drawn"):
        Flat().draw(1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(scale=0.0), r"scale must be positive and finite, got 0\.0"),
        (lambda: Normal(np.nan), "loc must be finite, got nan"),
        (lambda: Normal("a"), "loc must be a number or an array of numbers, got 'a'"),
        (lambda: Normal(scale=HalfNormal()), "scale must be a number .* HalfNormal"),
        (lambda: Normal(np.zeros(3), shape=(2,)), r"loc must broadcast to shape=\(2,"),
        (lambda: Normal(np.zeros(3)), r"broadcast to shape=\(\), got the shape \(3,"),
        (lambda: Normal(shape=3), r"shape must be a tuple of ints, got 3; .* \(3,\)"),
        (lambda: Normal(shape=(2.0,)), r"shape must be a tuple .* got \(2\.0,\)"),
        (lambda: Normal(shape=(-1,)), r"shape must be a tuple .* got \(-1,\)"),
        (lambda: Exponential(-1.0), r"rate must be positive and finite, got -1\.0"),
        (lambda: Gamma(np.inf), "concentration must be positive and finite, got inf"),
        (lambda: Flat(0.0, 1.0), r"Flat takes one bound.* use Uniform\(lower, upper\)"),
        (lambda: Uniform(1.0, 1.0), r"lower must be less than upper, got 1\.0 and 1\."),
        (lambda: Uniform(-np.inf), "lower must be finite, got -inf"),
        (lambda: Beta(0.0, 1.0), "alpha must be positive and finite"),
        (lambda: Ordered(Normal()), r"shape \(n,\), such as Normal"),
        (lambda: Ordered(Normal(shape=(0,))), r"shape \(n,\), such as Normal"),
        (lambda: Ordered(Dirichlet(A)), "law of independent numbers .* got Dirichlet"),
        (lambda: Ordered(Normal(A, shape=(3,))), "same law for each number"),
        (lambda: Ordered(Beta(2.0, 2.0, shape=(3,))), "or of positive ones, got Beta"),
        (lambda: Ordered(Flat(1.0, shape=(3,))), "or of positive ones, got Flat"),
        (lambda: Stacked(stats.norm(), (2,)), "prior must be a law of sklgen"),
        (lambda: Stacked(UnitVector(2), 2), "stack must be a tuple of ints, got 2"),
        (lambda: Dirichlet(1.0), r"one number for each share.* got the shape \(\)"),
        (lambda: Dirichlet([1.0, 0.0]), "concentration must be positive and finite"),
        (lambda: MultivariateNormal(0.0, 1.0), r"have a shape \(n, n\), got \(\)"),
        (
            lambda: MultivariateNormal(np.zeros(2), MATRIX),
            r"mean must broadcast to shape=\(3,\), got the shape \(2,\)",
        ),
        (
            lambda: MultivariateNormal(0.0, [[1.0, 2.0], [2.0, 1.0]]),
            "covariance must be symmetric and positive definite",
        ),
        (
            lambda: InverseWishart(3.0, [[1.0, 0.2], [0.1, 1.0]]),
            "scale must be symmetric and positive definite",
        ),
        (lambda: Wishart(2.0, MATRIX), r"df must be larger than 2.* got 2\.0"),
        (lambda: Wishart([5.0, 6.0], MATRIX), r"df must broadcast to shape=\(\)"),
        (lambda: LKJCholesky(0), "n must be an int of at least 1, got 0"),
        (lambda: LKJCholesky(2.0), r"n must be an int of at least 1, got 2\.0"),
        (lambda: LKJCholesky(2, -1.0), "concentration must be positive"),
        (lambda: UnitVector(1), "n must be an int of at least 2, got 1"),
        (lambda: Flat(shape=2), "shape must be a tuple of ints, got 2"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
