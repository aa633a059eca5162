"""Pathfinder: Gaussians it should find, paths it should drop, starts it cannot have."""

import math

import numpy as np
import pytest
from scipy.linalg import eigvalsh
from scipy.special import softmax

from sklgen.mcmc import _pathfinder as pathfinder
from sklgen.mcmc._evaluate import Evaluator
from sklgen.mcmc._starts import Frame

MEAN = np.array([3.0, -200.0, 0.5, 0.0])
ROOT = np.array(
    [[1.0, 0, 0, 0], [30.0, 20.0, 0, 0], [0.01, 0.0, 0.02, 0], [0.5, 0.1, 0.3, 1.0]]
)


def gaussian(x):
    gradient = -np.linalg.solve(ROOT @ ROOT.T, (x - MEAN).T).T
    return 0.5 * ((x - MEAN) * gradient).sum(axis=1), gradient


def generators(n):
    return [np.random.default_rng(seed) for seed in range(n)]


def paths(density, n_dim, n=4):
    evaluate = Evaluator(density)
    rngs = generators(n)
    points = pathfinder.points(evaluate, n_dim, rngs)
    return pathfinder.starts(evaluate, points, rngs)


def test_gaussian_is_found_with_its_evidence():
    evidence = np.linalg.slogdet(ROOT)[1] + 2 * math.log(2 * math.pi)
    for path in paths(gaussian, 4):
        off = np.linalg.solve(ROOT, path.gaussian.location[0] - MEAN)
        assert np.abs(off).max() < 0.1
        found = path.gaussian.covariances()[0]
        ratio = eigvalsh(found, ROOT @ ROOT.T)
        np.testing.assert_allclose(np.log(ratio), 0.0, atol=math.log(2.5))
        assert abs(path.bound - evidence) < 0.5
        value, gradient = gaussian(path.draws)
        np.testing.assert_allclose(path.log_densities, value)
        np.testing.assert_allclose(path.gradients, gradient)


def test_a_frame_is_a_change_of_units():
    rng = np.random.default_rng(0)
    origin, scale = rng.normal(size=4) * 1e-3, np.geomspace(1e-8, 1e-6, 4)

    def framed(x):
        value, gradient = gaussian((x - origin) / scale)
        return value, gradient / scale

    evaluate, frame = Evaluator(framed), Frame(origin, scale)
    points = pathfinder.points(evaluate, 4, generators(4), frame)
    np.testing.assert_allclose(
        points,
        origin + scale * pathfinder.points(Evaluator(gaussian), 4, generators(4)),
    )
    found = pathfinder.starts(evaluate, points, generators(4), frame)
    expected = pathfinder.starts(
        Evaluator(gaussian), (points - origin) / scale, generators(4)
    )
    for path, other in zip(found, expected, strict=True):
        back = (path.gaussian.location - origin) / scale
        np.testing.assert_allclose(back, other.gaussian.location, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(
            path.bound, other.bound + np.log(scale).sum(), rtol=1e-3
        )


def test_inverse_hessian_obeys_the_secant_equations():
    rng = np.random.default_rng(0)
    d, hessian = 6, np.diag(np.geomspace(1, 50, 6))
    pairs = [(move, hessian @ move) for move in rng.normal(size=(4, d))]
    move, change = pairs[-1]
    at = pathfinder._iterate(np.zeros(d), 0.0, change, rng.gamma(3, size=d), pairs)
    np.testing.assert_allclose(at.newton(), move)  # H change = move for the last pair
    covariance = at.gaussian().covariances()[0]
    np.testing.assert_allclose(covariance @ change, move, atol=1e-10)
    np.testing.assert_allclose(at.gaussian().location[0], move)


def two_modes(x):
    """A mode at 10 that has next to all of the mass, a wide trap at -10."""
    high = -0.5 * ((x[:, 0] - 10) ** 2)
    low = -60 - 0.5 * ((x[:, 0] + 10) ** 2)
    value = np.logaddexp(high, low)
    share = np.exp(high - value)
    return value, (share * (10 - x[:, 0]) + (1 - share) * (-10 - x[:, 0]))[:, None]


def test_paths_to_modes_without_mass_are_dropped():
    evaluate, rngs = Evaluator(two_modes), generators(4)
    points = np.array([[9.0], [-9.0], [-8.0], [7.0]])
    found = pathfinder.starts(evaluate, points, rngs)
    assert found[1].gaussian.location[0, 0] < -9
    chosen = pathfinder.gate(found)
    assert [path for path, _ in chosen[::3]] == [0, 3]
    assert {path for path, _ in chosen} == {0, 3}
    assert len(set(chosen)) == 4  # no draw is taken twice


def test_paths_to_equal_modes_are_kept():
    def twins(x):
        value, gradient = two_modes(np.abs(x))
        return value, np.sign(x) * gradient

    rngs = generators(2)
    found = pathfinder.starts(Evaluator(twins), np.array([[4.0], [-4.0]]), rngs)
    assert pathfinder.gate(found) == [(0, 0), (1, 0)]


def test_first_draws_have_the_law_of_importance_weights():
    """The mean weight of the first one is the mean sum of squared weights."""

    def skewed(x):
        return (0.7 * x - np.exp(x)).sum(axis=1), 0.7 - np.exp(x)

    weights = []
    for path in paths(skewed, 2, n=200):
        gaussian = path.gaussian
        z = gaussian.unit(path.draws[None])[0]
        log_weights = path.log_densities + 0.5 * (z**2).sum(axis=1)
        weights.append(softmax(log_weights))
    own = np.array(weights)
    difference = own[:, 0] - (own**2).sum(axis=1)
    error = difference.std() / math.sqrt(len(own))
    assert abs(difference.mean()) < 4 * error
    assert own[:, 0].mean() - own.mean() > 4 * error


def test_paths_stay_where_the_density_is_finite():
    """A spike takes all draws, so that the path is left with its last point."""

    def spike(x):
        inside = np.abs(x[:, 0]) < 0.9
        return np.where(inside, np.inf, -0.5 * x[:, 0] ** 2), -x

    start = np.array([[1.5]])
    (path,) = pathfinder.starts(Evaluator(spike), start, generators(1))
    assert path.bound == -math.inf
    np.testing.assert_array_equal(path.draws, start)
    np.testing.assert_array_equal(path.log_densities, [-0.5 * 1.5**2])


def test_points_are_tried_until_the_density_is_positive():
    def corner(x):
        inside = (x > 1).all(axis=1)
        return np.where(inside, -x.sum(axis=1), -np.inf), -np.ones_like(x)

    found = pathfinder.points(Evaluator(corner), 2, generators(5))
    assert (found > 1).all()
    alone = pathfinder.points(Evaluator(corner), 2, generators(1))
    np.testing.assert_array_equal(alone[0], found[0])


@pytest.mark.parametrize(
    ("value", "slope", "message"),
    [
        (-np.inf, 0.0, "the log-density is -inf at the last"),
        (np.nan, 0.0, "the log-density is nan at the last"),
        (0.0, np.nan, "the gradient of the log-density is not finite at the last"),
    ],
)
def test_hopeless_starts_are_told(value, slope, message):
    def nowhere(x):
        return np.full(len(x), value), np.full_like(x, slope)

    with pytest.raises(ValueError, match=message):
        pathfinder.points(Evaluator(nowhere), 3, generators(2))


def bounded(x):
    inside = (x > 0).all(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(inside, (2 * np.log(x) - x).sum(axis=1), -np.inf)
        return value, 2 / x - 1


def improper(x):
    return x.sum(axis=1), np.ones_like(x)


def unbounded(x):
    """Eight schools, centred: the density has no maximum."""
    log_scale, effects = x[:, 0], x[:, 1:]
    squares = np.exp(-2 * log_scale) * (effects**2).sum(axis=1)
    value = -0.5 * squares - 3 * log_scale - np.exp(log_scale)
    slope = squares - 3 - np.exp(log_scale)
    rest = -np.exp(-2 * log_scale)[:, None] * effects
    return value, np.column_stack([slope, rest])


@pytest.mark.parametrize("density", [bounded, improper, unbounded])
def test_awkward_densities_give_starts_with_finite_densities(density):
    with np.errstate(over="ignore", invalid="ignore"):
        found = paths(density, 4)
    for p, at in pathfinder.gate(found):
        assert np.isfinite(found[p].log_densities[at])
        assert np.isfinite(found[p].draws[at]).all()
        assert np.isfinite(found[p].gradients[at]).all()
