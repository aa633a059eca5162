"""The map to normal scores: monotone, smooth, invertible, the same in any unit."""

import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr

from sklgen.compose._quantile_map import (
    QuantileMap,
    through_cells,
    through_quantiles,
)

rng = np.random.default_rng(0)
SAMPLES = {
    "normal": rng.normal(size=2000),
    "lognormal": np.exp(2 * rng.normal(size=2000)),
    "cauchy": rng.standard_cauchy(2000),
    "uniform": rng.uniform(-1, 1, size=2000),
    "two clusters": np.concatenate([rng.normal(size=1000), rng.normal(1e6, size=1000)]),
    "far away": 1e6 + 1e-3 * rng.normal(size=2000),
    "tiny": 1e-300 * rng.normal(size=2000),
    "huge": 1e307 * rng.normal(size=2000),
    "ties": np.where(rng.random(2000) < 0.3, 0.25, rng.normal(size=2000)),
}
by_sample = pytest.mark.parametrize("x", SAMPLES.values(), ids=SAMPLES)


def learned(x, low=-np.inf, high=np.inf, n_knots=66):
    return through_quantiles(*np.unique(x, return_counts=True), n_knots, low, high)


def around(x):
    """Points in and around the range of a sample."""
    spread = np.ptp(x) / 4
    return np.sort(np.concatenate([x, np.linspace(-1, 5, 601) * spread + x.min()]))


@pytest.fixture(autouse=True)
def fresh_rng():
    """Each test draws alike, whichever tests ran before it."""
    global rng
    rng = np.random.default_rng(0)


@by_sample
def test_inverse(x):
    quantiles, points = learned(x), around(x)
    back = quantiles.inverse(quantiles.transform(points))
    assert np.abs(back - points).max() <= 1e-14 * np.ptp(x) + 4 * np.spacing(x.max())
    z = np.linspace(-9, 9, 1001)
    steepest = np.exp(quantiles.log_slope(quantiles.inverse(z)))
    rounding = np.spacing(np.abs(quantiles.inverse(z))) * steepest
    assert (
        np.abs(quantiles.transform(quantiles.inverse(z)) - z) < 1e-10 + rounding
    ).all()


@by_sample
def test_it_increases_and_keeps_its_knots(x):
    quantiles = learned(x)
    assert (np.diff(quantiles.transform(np.unique(around(x)))) > 0).all()
    assert (np.diff(quantiles.inverse(np.linspace(-9, 9, 5001))) >= 0).all()
    assert np.array_equal(quantiles.transform(quantiles.x), quantiles.z)
    assert np.allclose(quantiles.inverse(quantiles.z), quantiles.x, rtol=1e-15, atol=0)


@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (-2.0, 2.0), (-1.0, 1.5)])
def test_log_slope_is_that_of_the_map(bounds):
    x = np.clip(SAMPLES["uniform"], -0.99, 0.99)
    quantiles = learned(x, *bounds)
    points = np.linspace(max(bounds[0], -3) - 0.1, min(bounds[1], 3) + 0.1, 4001)
    h = 1e-6
    rise = quantiles.transform(points + h) - quantiles.transform(points - h)
    slope = np.exp(quantiles.log_slope(points))
    # Differences straddle where the tail towards a bound turns straight.
    near_bound = np.abs(points[:, None] - bounds).min(axis=1) < 1e-4
    ratio = (rise / (2 * h) / slope)[~near_bound]
    assert np.abs(ratio - 1).max() < 1e-4


def test_slope_is_continuous():
    quantiles = learned(SAMPLES["lognormal"], low=0.0)
    for knots in (quantiles.x, [1e-6 * quantiles.x[0]]):
        step = 1e-9 * np.asarray(knots)
        left, right = (quantiles.log_slope(knots + s) for s in (-step, step))
        assert np.abs(left - right).max() < 1e-5


@by_sample
def test_scores_are_normal(x):
    share = ndtr(learned(x).transform(x))
    _, counts = np.unique(x, return_counts=True)
    # Half of the largest tie, the quantiles that are no knots, and their number.
    allowed = counts.max() / 2 / len(x) + 1 / 66
    assert stats.kstest(share, "uniform").statistic < allowed


@by_sample
def test_other_units_give_the_same_scores(x):
    quantiles, z = learned(x), np.linspace(-5, 5, 101)
    for shift, scale in [(0, 2.0**-20), (0, 1e-3), (x.max(), 0.1)]:
        other = learned(shift + scale * x)
        moved = other.transform(shift + scale * quantiles.inverse(z))
        rounding = np.spacing(np.abs(shift + scale * x).max()) / (scale * np.ptp(x))
        tolerance = 1e-7 + 1e3 * rounding * np.exp(
            quantiles.log_slope(x)
        ).max() * np.ptp(x)
        assert np.abs(moved - z).max() < min(tolerance, 1e-2)


@pytest.mark.parametrize("low", [0.0, -1.0, -50.0])
def test_draws_stay_within_bounds_and_come_near(low):
    x = np.sort(rng.exponential(size=1000))
    quantiles = learned(x, low=low, high=x[-1] - low)
    draws = quantiles.inverse([-1e6, *np.linspace(-60, 60, 2001), 1e6])
    assert draws.min() == low
    assert draws.max() == x[-1] - low
    assert np.isfinite(quantiles.transform([low - 5, x[-1] - low + 5])).all()
    assert np.isfinite(quantiles.log_slope([low - 5, low, x[-1] - low + 5])).all()
    # Normal mass that the bound catches: hardly any.
    assert ndtr(quantiles.transform([low]))[0] < 1e-3


def test_the_last_stretch_to_a_bound_is_straight():
    quantiles = QuantileMap(np.array([1.0, 2.0, 4.0]), np.arange(3.0), low=0.0)
    near = np.array([2e-6, 1e-6 * (1 + 1e-9), 1e-6, 5e-7, 1e-7, 0.0, -1e-6])
    z = quantiles.transform(near)
    assert abs(z[1] - z[2]) < 1e-8
    assert np.allclose(
        np.diff(z[[2, 3, 5, 6]]) / np.diff(near[[2, 3, 5, 6]]), 1e6 / 3 * 2
    )
    assert np.allclose(quantiles.inverse(z), np.maximum(near, 0), rtol=1e-9, atol=1e-18)


def test_slopes_at_inner_knots_are_those_of_pchip():
    quantiles = learned(SAMPLES["lognormal"])
    expected = PchipInterpolator(quantiles.x, quantiles.z).derivative()(quantiles.x)
    slope = np.exp(quantiles.log_slope(quantiles.x))
    assert np.allclose(slope[1:-1], expected[1:-1], rtol=1e-9)


def test_a_mirrored_column_has_mirrored_scores():
    x = SAMPLES["lognormal"]
    z = learned(x, n_knots=67).transform(x)
    assert np.allclose(learned(-x, n_knots=67).transform(-x), -z, rtol=0, atol=1e-12)


def test_a_value_at_the_bound_is_given_by_all_lower_scores():
    quantiles = learned(np.append(SAMPLES["uniform"], -1.0), low=-1.0)
    assert quantiles.inverse([quantiles.z[0] - 3, quantiles.z[0]]).tolist() == [-1, -1]


def test_tails_are_straight_and_no_steeper_than_two_intervals():
    quantiles = QuantileMap(np.array([0.0, 1.0, 4.0]), np.array([-1.0, 0.0, 1.0]))
    assert quantiles.transform([-2.0, 7.0]).tolist() == [-2.0, 2.0]
    assert quantiles.inverse([-2.0, 2.0]).tolist() == [-2.0, 7.0]


@pytest.mark.parametrize("mean", [3, 20, 500])
def test_cells_have_their_shares(mean):
    x, counts = np.unique(rng.poisson(mean, size=20000) * 1.0, return_counts=True)
    none = np.empty(0)
    quantiles = through_cells(x, counts * 1.0, 1000, -0.5, np.inf, none)
    z = quantiles.transform
    below = np.where(x == 0, 0, ndtr(z(x - 0.5)))
    assert np.abs((ndtr(z(x + 0.5)) - below) / (counts / 20000) - 1).max() < 2e-3


def test_cells_of_little_weight_are_smoothed():
    own = np.random.default_rng(0)
    x = np.sort(own.choice(10**5, size=2000, replace=False)) * 1.0
    quantiles = through_cells(x, np.ones(2000), 66, -np.inf, np.inf, np.empty(0))
    assert 60 < len(quantiles.x) < 90
    grid = np.arange(10**5)
    mass = ndtr(quantiles.transform(grid + 0.5)) - ndtr(quantiles.transform(grid - 0.5))
    assert mass.max() < 3e-5


def test_atoms_get_no_weight():
    x = np.setdiff1d(np.arange(40.0), [10, 20, 21])
    atoms = np.array([-3, 10, 20, 21, 99])
    quantiles = through_cells(x, np.full(37, 50.0), 60, -np.inf, np.inf, atoms)
    mass = ndtr(quantiles.transform(atoms + 0.5)) - ndtr(
        quantiles.transform(atoms - 0.5)
    )
    assert mass.max() < 1e-4
    assert (
        np.abs(
            ndtr(quantiles.transform(x + 0.5))
            - ndtr(quantiles.transform(x - 0.5))
            - 1 / 37
        ).max()
        < 1e-4
    )


def test_atoms_between_light_cells_get_no_weight():
    x = np.arange(0.0, 4000, 2)
    for atom in (1001.0, 1003.0):
        quantiles = through_cells(
            x, np.ones(2000), 66, -np.inf, np.inf, np.array([atom])
        )
        mass = np.diff(ndtr(quantiles.transform([atom - 0.5, atom + 0.5])))
        assert mass < 1e-6


@pytest.mark.parametrize("n", [2, 3, 10])
def test_few_values(n):
    x = np.arange(n) * 1.0
    for quantiles in (
        through_quantiles(x, np.ones(n), 10, -np.inf, np.inf),
        through_cells(x, np.ones(n), 10, -0.5, np.inf, np.empty(0)),
        through_cells(x, np.ones(n), 2, -np.inf, np.inf, np.empty(0)),
    ):
        assert np.abs(quantiles.inverse(quantiles.transform(x)) - x).max() < 1e-12
