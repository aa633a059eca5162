"""Transforms against finite differences, and Stein's identities on exact draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sklgen.mcmc._transform_matrices import (
    CorrelationCholesky,
    Covariance,
    CovarianceByPrecision,
    CovarianceCholesky,
)
from sklgen.mcmc._transform_numbers import (
    Affine,
    Interval,
    LowerBounded,
    Real,
    UpperBounded,
)
from sklgen.mcmc._transform_vectors import Ordered, Simplex, UnitVector
from sklgen.mcmc._transforms import Joint, Stacked

BOUNDS = np.array([-1.0, 0.0, 5.0])


def lower_triangle(k):
    return lambda x: x[..., *np.tril_indices(x.shape[-1], k)]


def everything(x):
    return x


FRAME = np.array([[2.0, 0.0, 0.0], [0.5, 0.2, 0.0], [-1.0, 0.3, 5.0]])
# Transforms, and their free coordinates, those that the Jacobian is of.
CASES = {
    "real": (Real((3,)), everything),
    "positive": (LowerBounded(shape=(3,)), everything),
    "lower": (LowerBounded(BOUNDS, (3,)), everything),
    "upper": (UpperBounded(BOUNDS, (3,)), everything),
    "interval": (
        Interval(BOUNDS, BOUNDS + np.array([0.5, 2.0, 9.0]), (3,)),
        everything,
    ),
    "simplex": (Simplex(4), lambda x: x[..., :-1]),
    "ordered": (Ordered(4), everything),
    "positive ordered": (Ordered(4, positive=True), everything),
    "correlation": (CorrelationCholesky(4), lower_triangle(-1)),
    "factor": (CovarianceCholesky(3), lower_triangle(0)),
    "covariance": (Covariance(3), lower_triangle(0)),
    "precision": (CovarianceByPrecision(3), lower_triangle(0)),
    "framed precision": (CovarianceByPrecision(3, FRAME), lower_triangle(0)),
    "affine": (Affine(BOUNDS, FRAME), everything),
}
EVERY = {**CASES, "unit": (UnitVector(3), None)}
SCALAR = {
    "real": Real(),
    "positive": LowerBounded(),
    "one share": Simplex(1),
    "one number": Ordered(1),
    "one row": CorrelationCholesky(1),
    "variance": Covariance(1),
    "precision": CovarianceByPrecision(1),
}


@pytest.fixture(params=EVERY)
def transform(request):
    return EVERY[request.param][0]


def vectors(transform, *shape, scale=1.0):
    return np.random.default_rng(0).normal(size=(*shape, transform.size)) * scale


def central_differences(of, u, h=1e-5):
    steps = h * np.eye(len(u))
    return np.stack([(of(u + s) - of(u - s)) / (2.0 * h) for s in steps], axis=-1)


@pytest.mark.parametrize("name", CASES)
def test_jacobian_by_finite_differences(name):
    transform, free = CASES[name]
    for u in vectors(transform, 5):
        jacobian = central_differences(
            lambda u: free(transform.to_constrained(u)[0]), u
        )
        _, expected = np.linalg.slogdet(jacobian)
        assert_allclose(transform.to_constrained(u)[1], expected, atol=1e-7)


def test_gradient_by_finite_differences(transform):
    weight = np.random.default_rng(1).normal(size=transform.shape)

    def log_density(u):
        x, log_jacobian = transform.to_constrained(u)
        return np.sum(weight * x + 0.1 * x**2) + log_jacobian

    for u in vectors(transform, 5):
        x, _ = transform.to_constrained(u)
        found = transform.pull_back(weight + 0.2 * x, u)
        assert_allclose(found, central_differences(log_density, u), atol=1e-7)


def test_round_trips(transform):
    u = vectors(transform, 7, 2, scale=2.0)
    x, log_jacobian = transform.to_constrained(u)
    assert x.shape == (7, 2, *transform.shape)
    assert log_jacobian.shape == (7, 2)
    back = transform.to_unconstrained(x)
    assert back.shape == u.shape
    assert_allclose(transform.to_constrained(back)[0], x, rtol=1e-9, atol=1e-12)
    if not isinstance(transform, UnitVector):
        assert_allclose(back, u, rtol=1e-7, atol=1e-8)


def test_leading_axes(transform):
    u = vectors(transform, 3, 2)
    gradient = np.random.default_rng(2).normal(size=(3, 2, *transform.shape))
    x, log_jacobian = transform.to_constrained(u)
    pulled = transform.pull_back(gradient, u)
    for at in np.ndindex(3, 2):
        alone, own = transform.to_constrained(u[at])
        assert_allclose(x[at], alone, rtol=1e-13, atol=1e-15)
        assert_allclose(log_jacobian[at], own, rtol=1e-13)
        own = transform.pull_back(gradient[at], u[at])
        assert_allclose(pulled[at], own, rtol=1e-12, atol=1e-13)


# Logarithms among coordinates, by their places.
LOGS = {"positive": 1, "lower": 1, "upper": 1, "ordered": 2, "positive ordered": 0}
LOGS |= dict.fromkeys(("factor", "covariance", "precision", "framed precision"), 5)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("name", LOGS)
def test_jacobians_fall_off_beyond_the_largest_numbers(name, sign):
    # x stands still there, and with it any density: u must not find it better and
    # better to go on.
    transform, _ = CASES[name]
    u = np.zeros((3, transform.size))
    u[:, LOGS[name]] = sign * np.array([300.0, 750.0, 1e8])
    value = transform.to_constrained(u)[1]
    assert value[2] < -1e15
    jacobian = lambda u: transform.to_constrained(u)[1]
    slope = transform.pull_back(np.zeros((3, *transform.shape)), u)
    assert sign * slope[1, LOGS[name]] < -80
    assert_allclose(slope[1], central_differences(jacobian, u[1]), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("size", [30.0, 1000.0, 1e8])
def test_extreme_vectors_stay_in_the_support(transform, size):
    signs = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], (50, transform.size))
    u = np.concatenate([signs, np.ones((1, transform.size))]) * size
    x, log_jacobian = transform.to_constrained(u)
    assert np.isfinite(x).all()
    assert np.isfinite(log_jacobian).all()
    assert np.isfinite(transform.pull_back(np.ones(x.shape), u)).all()
    if isinstance(transform, LowerBounded):
        assert (x > transform.lower).all()
    if isinstance(transform, UpperBounded):
        assert (x < transform.upper).all()
    if isinstance(transform, Interval):
        assert ((x > transform.lower) & (x < transform.upper)).all()
    if isinstance(transform, Simplex):
        assert (x > 0.0).all()
    if isinstance(transform, (CorrelationCholesky, CovarianceCholesky)):
        assert (np.diagonal(x, axis1=-2, axis2=-1) > 0.0).all()


@pytest.mark.parametrize("transform", SCALAR.values(), ids=SCALAR)
def test_smallest_sizes(transform):
    u = vectors(transform, 5)
    x, log_jacobian = transform.to_constrained(u)
    assert x.shape == (5, *transform.shape)
    assert_allclose(transform.to_unconstrained(x), u, atol=1e-12)
    assert transform.pull_back(np.zeros(x.shape), u).shape == u.shape
    if transform.size == 0:
        assert_array_equal(x, np.ones(x.shape))
        assert_allclose(log_jacobian, 0.0, atol=1e-15)


def test_unit_vectors_are_directions_of_normal_vectors():
    """The uniform law of directions, of density Gamma(n/2) / (2 pi^(n/2))."""
    u = vectors(UnitVector(3), 10)
    x, log_jacobian = UnitVector(3).to_constrained(u)
    assert_allclose(np.linalg.norm(x, axis=-1), 1.0)
    normal = stats.norm.logpdf(u).sum(axis=-1)
    assert_allclose(log_jacobian - np.log(4.0 * np.pi), normal, rtol=1e-12)


def stein(transform, u, gradient):
    """Whether E grad = 0 and E (u - E u) grad' = -1, to five standard errors."""
    pulled = transform.pull_back(gradient, u)
    products = (u - u.mean(axis=0))[:, :, None] * pulled[:, None, :]
    identity = np.eye(transform.size)
    for found, expected in ((pulled, 0.0), (products, -identity)):
        error = found.std(axis=0) / np.sqrt(len(u))
        assert np.all(np.abs(found.mean(axis=0) - expected) < 5.0 * error)
        assert np.all(error < 0.05)


N = 40_000


def gamma(rng):
    x = rng.gamma([3.0, 5.0], size=(N, 2))
    return LowerBounded(shape=(2,)), x, np.array([2.0, 4.0]) / x - 1.0


def shifted_gamma(rng):
    _, x, gradient = gamma(rng)
    return LowerBounded(4.0, (2,)), 4.0 + x, gradient


def mirrored_gamma(rng):
    _, x, gradient = gamma(rng)
    return UpperBounded(4.0, (2,)), 4.0 - x, -gradient


def beta(rng):
    x = rng.beta(3.0, 4.0, size=(N, 1))
    return Interval(-2.0, 4.0, (1,)), 6.0 * x - 2.0, (2.0 / x - 3.0 / (1.0 - x)) / 6.0


def dirichlet(rng):
    alpha = np.array([3.0, 4.0, 2.5, 6.0])
    x = rng.dirichlet(alpha, size=N)
    return Simplex(4), x, (alpha - 1.0) / x


def dirichlets(rng):
    alpha = np.array([3.0, 4.0, 2.5])
    x = rng.dirichlet(alpha, size=(N, 2))
    return Stacked(Simplex(3), (2,)), x, (alpha - 1.0) / x


def normal_order_statistics(rng):
    x = np.sort(rng.normal(size=(N, 3)), axis=1)
    return Ordered(3), x, -x


def exponential_order_statistics(rng):
    x = np.sort(rng.exponential(size=(N, 3)), axis=1)
    return Ordered(3, positive=True), x, -np.ones(x.shape)


def correlations(rng):
    """Correlations of 7 normal rows, an LKJ law of concentration (7 - 3 + 1) / 2."""
    z = rng.normal(size=(N, 7, 3))
    covariance = np.swapaxes(z, 1, 2) @ z
    scale = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    L = np.linalg.cholesky(covariance / scale[:, :, None] / scale[:, None, :])
    gradient = np.zeros(L.shape)
    i = np.arange(3)
    power = np.where(i > 0, 3 - i - 1 + 2 * 2.5 - 2, 0)
    gradient[:, i, i] = power / L[:, i, i]
    return CorrelationCholesky(3), L, gradient


def bartlett(rng):
    i = np.arange(3)
    L = np.tril(rng.normal(size=(N, 3, 3)), -1)
    L[:, i, i] = np.sqrt(rng.chisquare(8.0 - i, size=(N, 3)))
    gradient = -L
    gradient[:, i, i] += (7.0 - i) / L[:, i, i]
    return CovarianceCholesky(3), L, gradient


def wishart(rng):
    _, L, _ = bartlett(rng)
    x = L @ np.swapaxes(L, 1, 2)
    return Covariance(3), x, 0.5 * (8 - 3 - 1) * np.linalg.inv(x) - 0.5 * np.eye(3)


def inverse_wishart(rng):
    _, L, _ = bartlett(rng)
    inverse = L @ np.swapaxes(L, 1, 2)
    slope = -0.5 * (8 + 3 + 1) * inverse + 0.5 * inverse @ inverse
    return CovarianceByPrecision(3), np.linalg.inv(inverse), slope


LAWS = [
    gamma,
    shifted_gamma,
    mirrored_gamma,
    beta,
    dirichlet,
    dirichlets,
    normal_order_statistics,
    exponential_order_statistics,
    correlations,
    bartlett,
    wishart,
    inverse_wishart,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_stein_identities(law):
    transform, x, gradient = law(np.random.default_rng(4))
    stein(transform, transform.to_unconstrained(x), gradient)


def test_stein_identities_of_directions():
    rng = np.random.default_rng(5)
    pole = np.array([0.6, 0.0, 0.8])
    x = stats.vonmises_fisher(pole, 2.0).rvs(N, random_state=rng)
    u = x * np.sqrt(rng.chisquare(3, size=(N, 1)))
    stein(UnitVector(3), u, np.broadcast_to(2.0 * pole, x.shape))


@pytest.mark.parametrize("transform", [CorrelationCholesky(3), CovarianceCholesky(3)])
def test_derivatives_by_elements_above_the_diagonal_do_not_count(transform):
    gradient = np.arange(9.0).reshape(3, 3)
    u = vectors(transform)
    expected = transform.pull_back(gradient, u)
    gradient[np.triu_indices(3, 1)] = np.nan
    assert_array_equal(transform.pull_back(gradient, u), expected)


def test_joint_of_parameters():
    joint = Joint({"mu": Real(), "sigma": LowerBounded(shape=(2,)), "p": Simplex(3)})
    assert joint.size == 5
    u = np.random.default_rng(6).normal(size=(4, 5))
    x, log_jacobian = joint.to_constrained(u)
    assert [part.shape for part in x.values()] == [(4,), (4, 2), (4, 3)]
    assert_allclose(joint.to_unconstrained(x), u)
    p, by_shares = Simplex(3).to_constrained(u[:, 3:])
    assert_allclose(x["p"], p)
    assert_allclose(log_jacobian, u[:, 1] + u[:, 2] + by_shares)

    def log_density(u):
        x, log_jacobian = joint.to_constrained(u)
        return sum(np.sum(part**2) for part in x.values()) + log_jacobian

    pulled = joint.pull_back({name: 2.0 * part for name, part in x.items()}, u)
    for own, at in zip(pulled, u, strict=True):
        assert_allclose(own, central_differences(log_density, at), atol=1e-7)
    assert Joint({}).to_constrained(np.empty((4, 0)))[1].shape == (4,)


@pytest.mark.parametrize(
    ("transform", "x"),
    [
        (Real(), np.nan),
        (LowerBounded(2.0), 2.0),
        (UpperBounded(2.0), 2.5),
        (Interval(0.0, 1.0), 1.0),
        (Simplex(2), [0.5, 0.6]),
        (Simplex(2), [1.5, -0.5]),
        (Ordered(2), [1.0, 1.0]),
        (Ordered(2, positive=True), [-1.0, 1.0]),
        (UnitVector(2), [1.0, 1.0]),
        (CorrelationCholesky(2), [[1.0, 0.0], [0.5, 0.5]]),
        (CorrelationCholesky(2), [[1.0, 0.5], [0.6, 0.8]]),
        (CorrelationCholesky(2), [[0.8, 0.6], [0.6, 0.8]]),
        (CovarianceCholesky(2), [[1.0, 0.0], [0.5, -0.5]]),
        (CovarianceCholesky(2), [[1.0, 0.2], [0.5, 0.5]]),
        (Covariance(2), [[1.0, 2.0], [2.0, 1.0]]),
        (Covariance(2), [[1.0, 0.2], [0.1, 1.0]]),
        (Stacked(Simplex(2), (1,)), [[0.5, 0.6]]),
    ],
)
def test_values_outside_of_the_support(transform, x):
    with pytest.raises(ValueError, match="Values must be"):
        transform.to_unconstrained(x)
    with pytest.raises(ValueError, match="Parameter 'a': Values must be"):
        Joint({"a": transform}).to_unconstrained({"a": x})


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 3\)"):
        Simplex(4).to_constrained(np.zeros(4))
    with pytest.raises(ValueError, match=r"ends in \(4,\)"):
        Simplex(4).to_unconstrained(np.ones(3) / 3.0)
    with pytest.raises(ValueError, match="lower must be less than upper"):
        Interval(1.0, 1.0)
    with pytest.raises(ValueError, match="lower must be finite"):
        LowerBounded(-np.inf)
    with pytest.raises(ValueError, match="upper must broadcast"):
        UpperBounded(np.zeros(2))
    with pytest.raises(
        ValueError, match=r"lower must broadcast .* got the shape \(3,\)"
    ):
        LowerBounded(np.zeros(3), (2,))
    with pytest.raises(ValueError, match="n must be at least 2"):
        UnitVector(1)
    for transform in (Simplex, Ordered, CorrelationCholesky, Covariance):
        with pytest.raises(ValueError, match="n must be at least 1"):
            transform(0)
