"""Moves against detailed balance by quadrature, ensembles against known targets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from sklgen.mcmc import _ensemble
from sklgen.mcmc._diagnostics import mcse_mean, mcse_sd, r_hat
from sklgen.mcmc._ensemble import (
    DEFAULT_MOVES,
    cumulative_shares,
    resume_ensemble,
    sample_ensemble,
    step,
)
from sklgen.mcmc._ensemble_kernels import MOVES, distinct, move, propose, shuffle
from sklgen.mcmc._nuts import streams

MIXES = [{name: 1.0} for name in MOVES] + [DEFAULT_MOVES]


def skewed(x):
    """Log-density of a log-gamma number, and of others normal about the one before."""
    first = 3.0 * x[..., 0] - np.exp(x[..., 0])
    return first - 0.5 * (np.diff(x, axis=-1) ** 2).sum(axis=-1)


def skewed_draws(rng, *shape):
    noise = rng.normal(size=shape)
    noise[..., 0] = np.log(rng.gamma(3.0, size=shape[:-1]))
    return noise.cumsum(axis=-1)


def normal(x):
    return -0.5 * (x**2).sum(axis=1)


def grid(low, high, n):
    return low + (np.arange(n) + 0.5) * (high - low) / n


def quick(log_density=normal, n_dim=2, **changes):
    options = {"n_walkers": 10, "n_steps": 20, "n_warmup": 5, "n_ensembles": 2}
    options |= {"rng": np.random.default_rng(0)} | changes
    return sample_ensemble(log_density, n_dim, **options)


@njit
def moved(kind, x, others, noise, out, log_factor):
    a, b, c = others[0], others[1], others[2]
    for j in range(len(noise)):
        u, v = noise[j]
        for i in range(len(x)):
            log_factor[j, i] = move(kind, x[i], a, b, c, u, v, out[j, i])


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("kind", range(3), ids=MOVES)
def test_detailed_balance_by_quadrature(kind, d):
    """What flows from f to h flows back, for a log-gamma and a normal coordinate."""
    n, m = (400, 400) if d == 1 else (120, 48)
    axes = [grid(-6.0, 3.0, n), grid(-6.0, 6.0, n)][:d]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    others = np.array([[0.4, -0.3], [1.1, 0.8], [-0.2, 0.1]])[:, :d].copy()
    noise = np.stack(np.meshgrid(grid(0, 1, m), [0.05, 0.5], indexing="ij"), axis=-1)
    noise = noise.reshape(-1, 2)
    there, log_factor = np.empty((2 * m, *x.shape)), np.empty((2 * m, len(x)))
    here, log_here = np.broadcast_to(x, there.shape), skewed(x)
    flows = np.zeros(2)
    # The two whose difference counts are as probable in the one order as in the other.
    for order in ([0, 1, 2], [1, 0, 2]):
        moved(kind, x, others[order], noise, there, log_factor)
        log_ratio = skewed(there) - log_here + log_factor
        flow = np.exp(log_here + np.minimum(log_ratio, 0.0))
        for k, (start, end) in enumerate([(here, there), (there, here)]):
            f = np.exp(-((start[..., 0] - 1.0) ** 2) - 0.5 * start[..., -1] ** 2)
            h = np.tanh(end[..., -1]) + 1.0
            flows[k] += (flow * f * h).sum()
    assert_allclose(flows[0], flows[1], rtol=2e-3)


@pytest.mark.parametrize("moves", MIXES, ids=lambda moves: "+".join(moves))
def test_targets_stay(moves):
    """Exact draws, after 40 steps, are draws from the same law, and independent."""
    rng = np.random.default_rng(1)
    draws = quick(
        skewed,
        3,
        starts=skewed_draws(rng, 400, 8, 3),
        n_walkers=8,
        n_ensembles=400,
        n_warmup=0,
        n_steps=40,
        thin=40,
        moves=moves,
    )
    x = draws.positions[:, 0]
    assert draws.acceptance.mean() > 0.2
    assert stats.kstest(x[:, 0], stats.loggamma(3.0).cdf).pvalue > 1e-3
    for j in (1, 2):
        steps = x[:, j] - x[:, j - 1]
        assert stats.kstest(steps, stats.norm.cdf).pvalue > 1e-3
        assert stats.spearmanr(steps, x[:, 0]).pvalue > 1e-3


@pytest.mark.parametrize("moves", MIXES, ids=lambda moves: "+".join(moves))
def test_correlated_normal_law(moves):
    i = np.arange(5)
    scale = np.array([0.1, 0.5, 1.0, 3.0, 10.0])
    covariance = 0.7 ** np.abs(i[:, None] - i) * np.outer(scale, scale)
    precision = np.linalg.inv(covariance)
    draws = quick(
        lambda x: -0.5 * ((x - 1.0) @ precision * (x - 1.0)).sum(axis=1),
        5,
        n_walkers=30,
        n_ensembles=4,
        n_warmup=1000,
        n_steps=2000,
        moves=moves,
    )
    x = draws.positions
    assert r_hat(x).max() < 1.05
    assert np.all(np.abs(x.mean(axis=(0, 1)) - 1.0) < 5.0 * mcse_mean(x))
    assert np.all(np.abs(x.std(axis=(0, 1)) - scale) < 5.0 * mcse_sd(x))
    found = np.corrcoef(x.reshape(-1, 5), rowvar=False)
    assert_allclose(found, covariance / np.outer(scale, scale), atol=0.06)


def test_walkers_jump_between_modes():
    """Half of the walkers start in a mode that should have 30 % of them.

    An ensemble never leaves a mode altogether, as it could not come back; here that
    would have a probability of 0.7^20.
    """

    def two_modes(x):
        return np.logaddexp(
            np.log(0.3) - 0.5 * x[:, 0] ** 2, np.log(0.7) - 0.5 * (x[:, 0] - 20.0) ** 2
        )

    rng = np.random.default_rng(2)
    starts = rng.normal(size=(32, 20, 1))
    starts[:, ::2] += 20.0
    draws = quick(
        two_modes,
        1,
        starts=starts,
        n_walkers=20,
        n_ensembles=32,
        n_warmup=1000,
        n_steps=2000,
    )
    share = (draws.positions < 10.0).mean(axis=(1, 2)).reshape(32, 20).mean(axis=1)
    error = share.std() / np.sqrt(32.0)
    assert error < 0.01
    assert abs(share.mean() - 0.3) < 4.0 * error


@pytest.mark.parametrize("outside", [np.nan, -np.inf])
def test_targets_with_bounds(outside):
    """Exponential numbers: starts on the wrong side are drawn again."""

    def exponential(x):
        return np.where((x > 0.0).all(axis=1), -x.sum(axis=1), outside)

    start = quick(exponential, n_warmup=0, n_steps=0).ensembles
    flat = start.positions.reshape(-1, 2)
    assert_array_equal(start.log_densities.ravel(), -flat.sum(axis=1))
    x = quick(exponential, n_ensembles=4, n_warmup=200, n_steps=2000).positions
    assert (x > 0.0).all()
    assert np.all(np.abs(x.mean(axis=(0, 1)) - 1.0) < 5.0 * mcse_mean(x))
    assert np.all(np.abs(x.std(axis=(0, 1)) - 1.0) < 5.0 * mcse_sd(x))


def test_triples_of_others_are_distinct_and_equally_probable():
    noise = itertools.product(grid(0, 1, 5), grid(0, 1, 4), grid(0, 1, 3))
    found = [distinct(5, *numbers) for numbers in noise]
    assert sorted(found) == [*itertools.permutations(range(5), 3)]


def test_halves_are_permutations_and_equally_probable():
    seeds = streams(np.random.default_rng(4), 2)
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    order = np.empty((2, 4), dtype=np.int64)
    for _ in range(12_000):
        shuffle(order, seeds)
        for row in order.tolist():
            counts[tuple(row)] += 1
    assert stats.chisquare([*counts.values()]).pvalue > 1e-3


@pytest.mark.parametrize("spread", [0.0, 1.0])
@pytest.mark.parametrize(("name", "other"), [*itertools.permutations(MOVES, 2)])
def test_shares_of_moves(name, other, spread):
    """Only some moves change distances, and only one if others are at one place."""
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(size=(50, 2)) * spread, rng.normal(size=(50, 2))])
    E = 200
    x = np.ascontiguousarray(np.broadcast_to(x, (E, *x.shape)))
    fixed, moving = np.split(np.broadcast_to(np.arange(100), (E, 100)), 2, axis=1)
    proposal, log_factor = np.empty((E, 50, 2)), np.empty((E, 50))
    shares = cumulative_shares({name: 3.0, other: 1.0})
    propose(x, moving, fixed, shares, streams(rng, E), proposal, log_factor)
    changes = {"stretch": 1.0, "snooker": spread, "differential": 0.0}
    expected = 0.75 * changes[name] + 0.25 * changes[other]
    assert abs(np.mean(log_factor != 0.0) - expected) < 5.0 * np.sqrt(0.25 / E / 50)


def test_ensembles_do_not_see_each_other():
    together = quick(n_ensembles=3)
    alone = quick(n_ensembles=1)
    assert_array_equal(together.positions[:10], alone.positions)
    assert_array_equal(together.acceptance[:10], alone.acceptance)
    assert not np.isin(together.positions[10:], alone.positions).any()


def test_a_run_in_two_parts():
    whole = quick(n_steps=30, n_warmup=3)
    first = quick(n_steps=12, n_warmup=3)
    before = first.ensembles.positions.copy()
    rest = resume_ensemble(normal, first.ensembles, 18)
    joined = np.concatenate([first.positions, rest.positions], axis=1)
    assert_array_equal(joined, whole.positions)
    assert_array_equal(first.ensembles.positions, before)
    again = resume_ensemble(normal, first.ensembles, 18)
    assert_array_equal(again.positions, rest.positions)
    warm = resume_ensemble(normal, quick(n_steps=0, n_warmup=3).ensembles, 30)
    assert_array_equal(warm.positions, whole.positions)


def test_what_draws_tell():
    calls = []

    def counted(x):
        calls.append(len(x))
        return normal(x)

    draws = quick(counted, n_steps=21, thin=4)
    every = quick(n_steps=21)
    assert_array_equal(draws.positions, every.positions[:, 3::4])
    flat = draws.positions.reshape(-1, 2)
    assert_array_equal(draws.log_densities.ravel(), normal(flat))
    assert draws.n_evaluations == sum(calls) == 20 + 26 * 20
    moved = (np.diff(every.positions, axis=1) != 0.0).any(axis=2).sum(axis=1)
    assert np.all(np.abs(draws.acceptance * 21 - moved) <= 1.0)
    assert not draws.interrupted


def test_a_density_that_works_in_place():
    def in_place(x):
        x *= x
        return -0.5 * x.sum(axis=1)

    assert_array_equal(quick(in_place).positions, quick().positions)


def test_errors_tell_positions_that_the_density_wrote_over():
    def overwrites(x):
        bad = x[:, 0] > 1.5
        x[:] = 7.0
        if bad.any():
            raise ZeroDivisionError("one over nothing")
        return np.zeros(len(x))

    def infinite(x):
        x[:] = 7.0
        return np.full(len(x), np.inf)

    with pytest.raises(ZeroDivisionError) as caught:
        quick(overwrites)
    assert "asked for at [1." in caught.value.__notes__[0]
    with pytest.raises(ValueError, match=r"got inf at \[-?[01]\.\d+, -?[01]\.\d+\]"):
        quick(infinite)


def test_monitor_and_interruption():
    seen = []

    def monitor(stage, done, total):
        seen.append((stage, done, total))
        if stage == "sampling" and done == 8:
            raise KeyboardInterrupt

    draws = quick(monitor=monitor)
    assert seen[4:6] == [("warm-up", 5, 5), ("sampling", 1, 20)]
    assert draws.interrupted
    assert_array_equal(draws.positions, quick(n_steps=8).positions)


@pytest.mark.parametrize("thin", [1, 3])
def test_interruption_while_draws_are_written(monkeypatch, thin):
    """Draws are whole, and going on gives the rest."""
    whole = quick(n_steps=30, thin=thin).positions

    class Unreadable:
        positions = np.zeros((2, 10, 2))

        @property
        def log_densities(self):
            raise KeyboardInterrupt

    steps = itertools.count(1)

    def interrupted_step(*args):
        moved, accepted = step(*args)
        return (Unreadable() if next(steps) == 5 + 9 else moved), accepted

    with monkeypatch.context() as patch:
        patch.setattr(_ensemble, "step", interrupted_step)
        draws = quick(n_steps=30, thin=thin)
    assert draws.interrupted
    n = draws.positions.shape[1]
    assert n == 8 // thin
    assert_array_equal(draws.positions, whole[:, :n])
    assert_array_equal(draws.ensembles.positions, quick(n_steps=8).ensembles.positions)


def test_errors_of_the_density_tell_where():
    def fails(x):
        if (x[:, 0] > 1.5).any():
            raise ZeroDivisionError("one over nothing")
        return normal(x)

    with pytest.raises(ZeroDivisionError) as caught:
        quick(fails)
    assert "asked for at [1." in caught.value.__notes__[0]
    with pytest.raises(ValueError, match=r"shape \(n,\).*got \(20, 2\) for \(20, 2\)"):
        quick(lambda x: x)
    with pytest.raises(ValueError, match="less than infinity, got inf at"):
        quick(lambda x: np.full(len(x), np.inf))
    with pytest.raises(ValueError, match="No start was found"):
        quick(lambda x: np.full(len(x), np.nan))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="even and at least 6"):
        quick(n_walkers=7)
    with pytest.raises(ValueError, match="even and at least 6"):
        quick(n_dim=1, n_walkers=4)
    with pytest.raises(ValueError, match="even and at least 14"):
        quick(n_dim=6)
    with pytest.raises(ValueError, match="n_dim and n_ensembles"):
        quick(n_ensembles=0)
    with pytest.raises(ValueError, match="n_warmup must not be negative"):
        quick(n_warmup=-1)
    with pytest.raises(ValueError, match="thin at least 1"):
        quick(thin=0)
    with pytest.raises(ValueError, match="moves must be among"):
        quick(moves={"walk": 1.0})
    with pytest.raises(ValueError, match="not negative, got -1"):
        quick(moves={"stretch": -1.0})
    with pytest.raises(ValueError, match="must have a positive weight"):
        quick(moves={"stretch": 0.0})
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="starts must have the shape"):
        quick(starts=np.zeros((10, 2)))
    plane = np.repeat(rng.normal(size=(2, 10, 1)), 2, axis=2)
    with pytest.raises(ValueError, match="ensemble 0 do not span all 2"):
        quick(starts=plane)
    starts = rng.normal(size=(2, 10, 2))
    starts[1, 3] = 7.0
    with pytest.raises(
        ValueError, match=r"-inf for walker 3 of ensemble 1 at \[7, 7\]"
    ):
        quick(lambda x: np.where(x[:, 0] > 5.0, -np.inf, 0.0), starts=starts)
    starts[1, 3] = np.inf
    with pytest.raises(ValueError, match=r"0.0 for walker 3 of ensemble 1 at \[inf"):
        quick(lambda x: np.zeros(len(x)), starts=starts)
