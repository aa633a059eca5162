"""Parallel tempering: exchanges, ladders of temperatures, and far modes."""

import itertools
import pickle
import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning

from sklgen.mcmc import DensitySampler
from sklgen.mcmc import _tempering_kernels as kernels
from sklgen.mcmc import _tempering_ladder as ladder
from sklgen.mcmc._diagnostics import ess_mean, r_hat
from sklgen.mcmc._metric import Dense, Diagonal, LowRank
from sklgen.mcmc._nuts import Trace, streams
from sklgen.mcmc._tempering import Exchange, Lanes, draw_tempered
from sklgen.mcmc._tempering_warmup import _streams, warm_tempered

APART, WEIGHT = 20.0, 0.7


def two_modes(x):
    """Normal laws around two points, 20 standard deviations apart, .3 and .7."""
    d = x.shape[1]
    error = x[:, None] - np.outer([-1.0, 1.0], np.full(d, APART / 2 / np.sqrt(d)))
    each = np.log([1 - WEIGHT, WEIGHT]) - 0.5 * (error**2).sum(axis=2)
    value = logsumexp(each, axis=1)
    share = np.exp(each - value[:, None])
    return value, -(share[:, :, None] * error).sum(axis=1)


def flat(density):
    """Take a density for a likelihood."""
    return lambda x: ((np.zeros(len(x)), np.zeros(x.shape)), density(x))


def normal(x):
    return -0.5 * (x * x).sum(axis=1), -x


def exact(density, power, low=-8.0, high=8.0):
    """Quantiles and distribution function of a power of a density on the line."""
    grid = np.linspace(low, high, 20_001)
    (prior, _), (likelihood, _) = density(grid[:, None])
    weight = np.exp(prior + power * likelihood)
    below = np.cumsum(weight) - 0.5 * weight
    below /= weight.sum()
    return lambda u: np.interp(u, below, grid), lambda x: np.interp(x, grid, below)


# ---------------------------------------------------------------------------- exchanges


def test_exchanges_keep_the_joint_law_of_two_lanes():
    rng = np.random.default_rng(0)
    prior, log_likelihood = rng.dirichlet(np.ones(5)), 3 * rng.normal(size=5)
    cold, hot = 0.9, 0.2
    laws = [prior * np.exp(power * log_likelihood) for power in (cold, hot)]
    joint = np.outer(laws[0] / laws[0].sum(), laws[1] / laws[1].sum())
    after = np.zeros((5, 5))
    for i, j in itertools.product(range(5), range(5)):
        accept = kernels.acceptance(cold, hot, log_likelihood[i], log_likelihood[j])
        back = kernels.acceptance(cold, hot, log_likelihood[j], log_likelihood[i])
        np.testing.assert_allclose(joint[i, j] * accept, joint[j, i] * back)
        assert max(accept, back) == 1.0  # no rule accepts more
        after[j, i] += joint[i, j] * accept
        after[i, j] += joint[i, j] * (1 - accept)
    np.testing.assert_allclose(after, joint, rtol=1e-12)


def test_neighbours_take_turns():
    even, odd = (kernels.partners(5, 2, clock).tolist() for clock in (6, 7))
    assert even == [2, 3, 0, 1, 6, 7, 4, 5, 8, 9]
    assert odd == [0, 1, 4, 5, 2, 3, 8, 9, 6, 7]


def begun(parts, powers, x, seed=0, step=1.0, metric=None):
    """Lanes (L, C, d) that begin at positions, and what they need to go on."""
    L, C, d = x.shape
    seeds = streams(np.random.default_rng(seed), (L + 1) * C)
    exchange = Exchange.begun(np.array(powers), seeds[:C])
    metric = metric or Diagonal(np.zeros((L * C, d)), np.ones((L * C, d)))
    steps = np.full(L * C, step)
    lanes = Lanes(parts, exchange)
    state = lanes.placed(metric, x.reshape(-1, d), seeds[C:], steps, 6)
    return lanes, state, metric


def advanced(lanes, state, metric, n_draws, n_kept=None):
    trace = Trace.empty(
        n_kept or state.n_chains, n_draws, metric.location.shape[1], gradients=True
    )
    lanes.fill(
        state, metric, trace, max_depth=6, target_accept=0.0, tell=lambda done: None
    )
    return trace


def humps(x):
    """Normal prior, and a likelihood with a hump on either side."""
    prior = -0.5 * (x[:, 0] / 2) ** 2, -x / 4
    each = np.stack([-0.5 * (x[:, 0] + 2.5) ** 2 / 0.16, -((x[:, 0] - 2) ** 2) / 0.16])
    value = np.logaddexp(*each)
    share = np.exp(each - value)
    slope = share[0] * -(x[:, 0] + 2.5) / 0.16 + share[1] * -2 * (x[:, 0] - 2) / 0.16
    return prior, (value, slope[:, None])


def test_lanes_that_begin_with_exact_draws_keep_their_laws():
    powers, C = (1.0, 0.3, 0.05, 0.0), 3_000
    rng = np.random.default_rng(1)
    laws = [exact(humps, power) for power in powers]
    x = np.stack([quantile(rng.uniform(size=C)) for quantile, _ in laws])[..., None]
    lanes, state, metric = begun(humps, powers, x, step=0.4)
    trace = advanced(lanes, state, metric, 6)
    for lane, (_, cdf) in enumerate(laws):
        rows = slice(lane * C, (lane + 1) * C)
        for draws in (trace.positions[rows, -1, 0], state.positions[rows, 0]):
            assert stats.kstest(draws, cdf).pvalue > 1e-3
    # Positions did go from lane to lane, and far.
    assert (lanes.exchange.rejection < 0.6).all()
    moved = np.sign(trace.positions[:C, 0, 0]) != np.sign(trace.positions[:C, -1, 0])
    assert moved.mean() > 0.1


@pytest.mark.parametrize("kind", ["diagonal", "dense", "low_rank"])
def test_exchanged_positions_are_the_same_in_any_metric(kind):
    L, C, d = 3, 2, 4
    rng = np.random.default_rng(2)
    location, scale = rng.normal(size=(L * C, d)), rng.uniform(1, 2, (L * C, d))
    factor = np.tril(rng.normal(size=(L * C, d, d))) + 3 * np.eye(d)
    basis = np.linalg.qr(rng.normal(size=(L * C, d, 2)))[0].swapaxes(1, 2).copy()
    metric = {
        "diagonal": Diagonal(location, scale),
        "dense": Dense(location, factor),
        "low_rank": LowRank(location, scale, basis, rng.uniform(2, 3, (L * C, 2))),
    }[kind]
    x = rng.normal(size=(L, C, d))
    lanes, state, _ = begun(flat(normal), (1.0, 1.0, 1.0), x, metric=metric)
    lanes._exchange(state, metric)  # of equal powers all are accepted
    rows = np.arange(L * C)
    expected = x[[1, 0, 2]].reshape(-1, d)
    np.testing.assert_allclose(metric.positions(state.positions, rows), expected)
    value, slope = normal(expected)
    np.testing.assert_allclose(state.log_densities, value)
    np.testing.assert_allclose(metric.push(state.gradients[:, None])[:, 0], slope)


def test_positions_that_are_never_refused_go_straight_up_and_down():
    L, C, n = 5, 2, 47
    lanes, state, metric = begun(flat(normal), [1.0] * L, np.zeros((L, C, 1)))
    advanced(lanes, state, metric, n)
    # A way takes L - 1 steps and a turn one: 2 L rounds for each of L positions, whose
    # first complete way begins at the coldest lane.
    first = np.arange(1, n + 1)
    arrivals = [k for k in first if k % 2 == 1 and k > 2 * L - 1]
    assert lanes.exchange.trips.tolist() == [len(arrivals)] * C
    np.testing.assert_array_equal(lanes.exchange.rejection, 0.0)


# ------------------------------------------------------------------------------- ladder


@pytest.mark.parametrize("lowest", [0.0, 0.02])
def test_ladders_begin_and_end_where_they_should(lowest):
    powers = ladder.first(6, lowest)
    assert powers[[0, -1]].tolist() == [1.0, lowest]
    again = ladder.spaced(powers, np.array([0.9, 0.1, 0.5, 0.0, 0.3]), 9)
    for found in (powers, again):
        assert found[[0, -1]].tolist() == [1.0, lowest]
        assert (np.diff(found) < 0).all()


def test_ladders_are_denser_where_exchanges_are_refused():
    powers = ladder.first(5, 0.0)
    even = ladder.spaced(powers, np.full(4, 0.4), 5)
    np.testing.assert_allclose(even, powers, atol=1e-12)
    between = ladder.spaced(powers, np.array([0.1, 0.9, 0.1, 0.1]), 13)
    assert ((between > powers[2]) & (between < powers[1])).sum() == 8
    assert ladder.wanted(np.full(7, 0.5)) == 8
    assert ladder.wanted(np.full(7, 1e-9)) == ladder.LEAST
    assert ladder.wanted(np.full(60, 0.9)) == ladder.MOST


# ---------------------------------------------------------------------------- far modes


def sample(density, n_dim, n_draws, seed=0, **options):
    options = {"n_chains": 4, "n_warmup": 300, "lowest": 0.02} | options
    rng = np.random.default_rng(seed)
    warm, _ = warm_tempered(flat(density), n_dim, rng=rng, **options)
    return draw_tempered(flat(density), warm, n_draws)


@pytest.fixture(scope="module", params=[2, 5])
def far(request):
    return sample(two_modes, request.param, 1_500)


def test_each_chain_finds_the_weights_of_far_modes(far):
    draws, _ = far
    x = draws.positions
    right = (x.sum(axis=2) > 0).astype(float)
    for chain in right:
        n = ess_mean(chain[None])
        assert n > 5
        assert abs(chain.mean() - WEIGHT) < 4 * np.sqrt(WEIGHT * (1 - WEIGHT) / n)
    n = ess_mean(right)
    assert abs(right.mean() - WEIGHT) < 3 * np.sqrt(WEIGHT * (1 - WEIGHT) / n)
    assert r_hat(x).max() < 1.05
    # Within a mode the law is normal.
    d = x.shape[2]
    error = x[right > 0] - APART / 2 / np.sqrt(d)
    np.testing.assert_allclose(error.std(axis=0), 1.0, atol=0.08)
    np.testing.assert_allclose(draws.log_densities[0], two_modes(x[0])[0])


def test_temperatures_are_learned_so_that_all_refuse_alike(far):
    _, tempered = far
    exchange = tempered.exchange
    assert np.ptp(exchange.rejection) < 0.12
    assert abs(exchange.rejection.mean() - 0.45) < 0.12
    # Within modes the density is normal: the best powers are geometric.
    steps = np.diff(np.log(exchange.powers))
    assert steps.std() < 0.12 * abs(steps.mean())
    assert (exchange.trips > 50).all()
    # No lane makes the others wait for long trees.
    assert tempered.sampler.max_depth <= 6


def test_one_temperature_does_not_find_them_and_says_so():
    sampler = DensitySampler(
        two_modes,
        2,
        grad=True,
        starts=np.repeat([-7.0, 7.0], 4).reshape(4, 2),
        n_warmup=300,
        n_draws=300,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match="Chains do not agree"):
        sampler.fit()
    right = (sampler.draws_.sum(axis=2) > 0).mean(axis=1)
    assert right.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert sampler.diagnostics_["r_hat"] > 1.5


# --------------------------------------------------------------------- seeds, going on


def test_same_seed_same_bits():
    x = [sample(normal, 2, 20, seed, n_warmup=60)[0].positions for seed in (1, 1, 2)]
    np.testing.assert_array_equal(x[0], x[1])
    assert (x[0] != x[2]).all()


def test_chains_do_not_depend_on_their_number():
    starts = np.random.default_rng(0).normal(size=(5, 2))
    x = [
        sample(two_modes, 2, 30, n_chains=n, n_warmup=0, starts=starts[:n])
        for n in (2, 5)
    ]
    np.testing.assert_array_equal(x[0][0].positions, x[1][0].positions[:2])


def test_lanes_and_exchanges_have_streams_of_their_own():
    seeds = _streams(np.random.default_rng(0), 4)
    assert len(np.unique(seeds.reshape(-1, 4), axis=0)) == 4 * (ladder.MOST + 1)
    _, tempered = sample(normal, 2, 0, n_warmup=0)
    np.testing.assert_array_equal(tempered.exchange.streams, seeds[-1])


def test_going_on_is_one_longer_run():
    parts = flat(two_modes)
    warm, _ = warm_tempered(
        parts, 2, n_chains=2, n_warmup=60, rng=np.random.default_rng(0), lowest=0.02
    )
    whole, ended = draw_tempered(parts, warm, 60)
    part, then = draw_tempered(parts, warm, 25)
    for tempered in (then, then, pickle.loads(pickle.dumps(then))):
        rest, last = draw_tempered(parts, tempered, 35)
        both = np.concatenate([part.positions, rest.positions], axis=1)
        np.testing.assert_array_equal(both, whole.positions)
        np.testing.assert_array_equal(last.exchange.trips, ended.exchange.trips)
        assert last.exchange.clock == ended.exchange.clock == 60


# ---------------------------------------------------------------- densities of users


@pytest.mark.parametrize("way", ["gradient", "none", "torch", "pair"])
def test_densities_of_any_kind_are_tempered(way):
    import torch

    centre = np.array([-4.0, 4.0])
    value = lambda x: np.logaddexp(*(-0.5 * ((x - c) ** 2).sum(axis=1) for c in centre))
    tensors = lambda x: torch.logaddexp(
        *(-0.5 * ((x - c) ** 2).sum(dim=1) for c in centre)
    )

    def grad(x):
        # tanh of half the difference of the two quadratic forms
        return -x + 4.0 * np.tanh(4.0 * x.sum(axis=1))[:, None]

    function, given = {
        "gradient": (value, grad),
        "none": (value, None),
        "torch": (tensors, "torch"),
        "pair": (lambda x: (value(x), grad(x)), True),
    }[way]
    sampler = DensitySampler(
        function,
        1,
        grad=given,
        sampler="tempered",
        n_chains=2,
        n_warmup=150,
        n_draws=1_000,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        x = sampler.fit().draws_[..., 0]
    right = (x > 0).astype(float)
    assert abs(right.mean() - 0.5) < 4 * np.sqrt(0.25 / ess_mean(right))
    error = np.abs(x) - 4.0
    assert abs(error.mean()) < 4 / np.sqrt(ess_mean(error))
    np.testing.assert_allclose(sampler.log_densities_.ravel(), value(x.reshape(-1, 1)))
    again = pickle.loads(pickle.dumps(sampler))
    np.testing.assert_array_equal(again.draws_, sampler.draws_)
    assert again._chains.state.exchange.clock == 1_000


def test_few_ways_through_all_temperatures_are_told():
    sampler = DensitySampler(
        two_modes, 5, grad=True, sampler="tempered", n_warmup=100, n_draws=8
    )
    with pytest.warns(ConvergenceWarning, match="Only [0-4] times, in chain"):
        sampler.fit()
    assert sampler.diagnostics_["n_round_trips"] < 5
    calm = DensitySampler(
        normal, 2, grad=True, sampler="tempered", n_warmup=200, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calm.fit()
    assert calm.diagnostics_["n_round_trips"] > 20
