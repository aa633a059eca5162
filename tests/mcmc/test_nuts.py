"""The No-U-Turn sampler: a plain recursion, invariance, and laws of its integrator."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from sklgen.mcmc import _nuts as nuts
from sklgen.mcmc import _nuts_kernels as kernels


def normal(x):
    return -0.5 * (x * x).sum(axis=1), -x


def correlated(covariance):
    precision = np.linalg.inv(covariance)

    def density(x):
        gradient = -np.einsum("ij,cj->ci", precision, x)  # row by row, no BLAS
        return 0.5 * (x * gradient).sum(axis=1), gradient

    return density


def autoregressive(d, rho=0.9):
    lag = np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    scale = np.geomspace(0.5, 2.0, d)
    return rho**lag * np.outer(scale, scale)


def log_gamma(x, shape=0.7):
    return (shape * x - np.exp(x)).sum(axis=1), shape - np.exp(x)


def student(x, dof=5.0):
    value = -0.5 * (dof + 1) * np.log1p(x * x / dof)
    return value.sum(axis=1), -(dof + 1) * x / (dof + x * x)


def half_normal(x):
    inside = (x > 0).all(axis=1)
    return np.where(inside, -0.5 * (x * x).sum(axis=1), -np.inf), -x


def half_normal_nan(x):
    value, gradient = half_normal(x)
    return np.where(np.isfinite(value), value, np.nan), gradient


def funnel(x):
    v, rest = x[:, 0], x[:, 1:]
    energy = 0.5 * np.exp(-v)[:, None] * rest**2
    n = rest.shape[1]
    value = -(v**2) / 18 - energy.sum(axis=1) - 0.5 * n * v
    slope = -v / 9 + energy.sum(axis=1) - 0.5 * n
    return value, np.column_stack([slope, -np.exp(-v)[:, None] * rest])


def sampler(density, starts, step_size=0.5, seed=0, max_depth=10, streams=None):
    if streams is None:
        streams = nuts.streams(np.random.default_rng(seed), len(starts))
    value, gradient = density(starts)
    return nuts.init(
        starts, value, gradient, streams, step_size=step_size, max_depth=max_depth
    )


def run(density, state, n_draws, max_depth=10, target_accept=0.0):
    d = state.positions.shape[1]
    trace = nuts.Trace.empty(state.n_chains, n_draws, d, gradients=True)
    rows = np.flatnonzero(state.n_drawn < n_draws)
    while len(rows):
        answer = density(nuts.queries(state)[rows])
        if nuts.advance(
            state,
            *answer,
            trace,
            rows=rows,
            max_depth=max_depth,
            target_accept=target_accept,
        ):
            rows = np.flatnonzero(state.n_drawn < n_draws)
    nuts.rewind(state)
    return trace


class Recursion:
    """Stan's NUTS as a recursion over half trees, on the numbers of one stream."""

    def __init__(self, density, x, stream, step, max_depth):
        self.density = lambda x: tuple(a[0] for a in density(x[None]))
        self.stream, self.step, self.max_depth = stream, step, max_depth
        self.x = x

    def uniform(self):
        return kernels.uniform(self.stream, 0)

    def leaf(self, end):
        x, p, g = end
        p = p + 0.5 * self.direction * self.step * g
        x = x + self.direction * self.step * p
        value, g = self.density(x)
        p = p + 0.5 * self.direction * self.step * g
        gap = 0.5 * p @ p - value - self.start
        gap = gap if math.isfinite(gap) else math.inf
        self.n += 1
        self.accept += math.exp(min(0.0, -gap))
        self.divergent = gap > 1000
        if self.divergent:
            return (x, p, g), None
        self.weight.append(-gap)
        share = -gap - np.logaddexp.reduce(self.weight)
        if len(self.weight) == 1 or math.log(self.uniform()) < share:
            self.fresh = x, value, self.start + gap
        return (x, p, g), (p, p, p)

    @staticmethod
    def joined(left, right):
        (a, b, left_sum), (c, d, right_sum) = left, right
        whole = left_sum + right_sum
        checks = [
            (a, d, whole),
            (a, c, left_sum + c),
            (b, d, right_sum + b),
        ]
        if any(p @ s <= 0 or q @ s <= 0 for p, q, s in checks):
            return None
        return a, d, whole

    def subtree(self, end, depth):
        if depth == 0:
            return self.leaf(end)
        end, left = self.subtree(end, depth - 1)
        if left is None:
            return end, None
        end, right = self.subtree(end, depth - 1)
        return end, None if right is None else self.joined(left, right)

    def draw(self):
        p = np.empty(len(self.x))
        kernels.normals(self.stream, 0, p)
        value, g = self.density(self.x)
        self.start = 0.5 * p @ p - value
        chosen, log_weight = (self.x, value, self.start), 0.0
        ends = {-1: (self.x, p, g), 1: (self.x, p, g)}
        span = p, p, p  # from the backward to the forward end
        self.n, self.accept, depth = 0, 0.0, 0
        while depth < self.max_depth:
            self.direction = kernels.sign(self.stream, 0)
            self.weight = []
            end, part = self.subtree(ends[self.direction], depth)
            if part is None:
                break
            ends[self.direction] = end
            depth += 1
            fresh = np.logaddexp.reduce(self.weight)
            if fresh >= log_weight or math.log(self.uniform()) < fresh - log_weight:
                chosen = self.fresh
            log_weight = np.logaddexp(log_weight, fresh)
            if self.direction == 1:
                span = self.joined(span, part)
            else:
                span = self.joined((part[1], part[0], part[2]), span)
            if span is None:
                break
        self.x = chosen[0]
        record = [chosen[1], chosen[2], self.accept / self.n, self.step]
        return self.x, np.array([*record, depth, self.n, self.divergent])


@pytest.mark.parametrize("size", [1.0, 100.0, 3000.0])
def test_weights_of_leaves_in_any_unit_add_up(size):
    gaps = size * np.random.default_rng(0).normal(size=60)
    numbers = np.zeros((1, kernels.N_NUMBERS))
    numbers[0, kernels.WEIGHT] = 1.0
    for gap in gaps:
        fresh = kernels._weigh(numbers, 0, gap)
        numbers[0, kernels.FRESH_WEIGHT] += fresh
    unit = numbers[0, kernels.LOG_UNIT]
    total = math.log(numbers[0, kernels.FRESH_WEIGHT]) + unit
    assert total == pytest.approx(logsumexp(-gaps), rel=1e-12)
    start = math.exp(max(-unit, -700.0))
    assert numbers[0, kernels.WEIGHT] == pytest.approx(start, rel=1e-9, abs=1e-300)
    accept = np.exp(np.minimum(-gaps, 0.0)).sum()
    assert numbers[0, kernels.ACCEPT] == pytest.approx(accept, rel=1e-12)


@pytest.mark.parametrize(
    ("density", "d", "step", "max_depth", "away"),
    [
        (normal, 1, 0.3, 10, 0.0),
        (normal, 2, 0.7, 10, 100.0),  # leaves weigh e^1000 times what starts do
        (correlated(autoregressive(3)), 3, 0.2, 10, 0.0),
        (correlated(autoregressive(5)), 5, 0.05, 4, 0.0),
        (funnel, 4, 0.7, 8, 0.0),
        (student, 2, 1.5, 10, 0.0),
        (half_normal, 2, 0.4, 10, 0.0),
    ],
)
def test_trees_are_those_of_the_recursion(density, d, step, max_depth, away):
    starts = away + np.abs(np.random.default_rng(3).normal(size=(3, d)))
    streams = nuts.streams(np.random.default_rng(4), 3)
    state = sampler(density, starts, step, max_depth=max_depth, streams=streams)
    trace = run(density, state, 40, max_depth)
    for c in range(3):
        plain = Recursion(
            density, starts[c], streams[c : c + 1].copy(), step, max_depth
        )
        for at in range(40):
            x, record = plain.draw()
            np.testing.assert_allclose(trace.records[c, at], record, rtol=1e-6)
            np.testing.assert_allclose(trace.positions[c, at], x, rtol=1e-5, atol=1e-7)
            plain.x = trace.positions[c, at].copy()  # rounding does not add up


def test_recorded_log_densities_and_gradients_are_those_at_the_draws():
    density = correlated(autoregressive(4))
    trace = run(density, sampler(density, np.zeros((2, 4)), 0.3), 50)
    value, gradient = density(trace.positions.reshape(-1, 4))
    np.testing.assert_array_equal(trace.log_densities.ravel(), value)
    np.testing.assert_array_equal(trace.gradients.reshape(-1, 4), gradient)


def test_chains_are_the_same_alone_and_together():
    density = correlated(autoregressive(6))
    starts = np.random.default_rng(0).normal(size=(5, 6))
    together = run(density, sampler(density, starts), 30)
    streams = nuts.streams(np.random.default_rng(0), 5)
    for c in range(5):
        state = sampler(density, starts[c : c + 1], streams=streams[c : c + 1])
        alone = run(density, state, 30)
        np.testing.assert_array_equal(alone.positions[0], together.positions[c])
        np.testing.assert_array_equal(alone.records[0], together.records[c])


def test_streams_do_not_depend_on_how_many_there_are():
    few = nuts.streams(np.random.default_rng(1), 2)
    many = nuts.streams(np.random.default_rng(1), 7)
    np.testing.assert_array_equal(few, many[:2])
    assert len(np.unique(many)) == many.size


def test_going_on_from_a_copy_is_one_run():
    density = correlated(autoregressive(3))
    state = sampler(density, np.zeros((3, 3)))
    whole = run(density, state.copy(), 40)
    first = run(density, state, 15)
    saved = state.copy()
    run(density, state, 5)  # what is copied shares nothing with what goes on
    second = run(density, saved, 25)
    both = np.concatenate([first.positions, second.positions], axis=1)
    np.testing.assert_array_equal(both, whole.positions)


def test_normals_and_uniforms_have_their_laws():
    streams = nuts.streams(np.random.default_rng(5), 1)
    draws = np.empty(20_001)
    kernels.normals(streams, 0, draws)
    assert stats.kstest(draws, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-2:2], draws[1:-1:2])[0, 1]) < 0.04
    uniforms = np.array([kernels.uniform(streams, 0) for _ in range(5_000)])
    assert stats.kstest(uniforms, "uniform").pvalue > 1e-3
    signs = np.array([kernels.sign(streams, 0) for _ in range(5_000)])
    assert set(signs) == {-1, 1}
    assert abs(signs.mean()) < 0.06


def exact(name, size):
    rng = np.random.default_rng(8)
    draws = {
        "normal": lambda: rng.normal(size=size),
        "log_gamma": lambda: np.log(rng.gamma(0.7, size=size)),
        "student": lambda: rng.standard_t(5, size=size),
        "half_normal": lambda: np.abs(rng.normal(size=size)),
    }
    return draws[name]()


@pytest.mark.parametrize(
    ("density", "law", "name", "step", "max_depth"),
    [
        (normal, stats.norm, "normal", 1.3, 10),
        (normal, stats.norm, "normal", 0.3, 2),
        (log_gamma, stats.loggamma(0.7), "log_gamma", 1.0, 10),
        (student, stats.t(5), "student", 1.2, 10),
        (half_normal, stats.halfnorm, "half_normal", 0.5, 10),
        (half_normal_nan, stats.halfnorm, "half_normal", 0.5, 10),
    ],
)
@pytest.mark.parametrize("d", [1, 2])
def test_exact_draws_stay_exact(density, law, name, step, max_depth, d):
    starts = exact(name, (8_000, d))
    trace = run(density, sampler(density, starts, step), 4, max_depth)
    last = trace.positions[:, -1]
    assert (last != starts).any(axis=1).mean() > 0.9
    for column in last.T:
        assert stats.kstest(column, law.cdf).pvalue > 1e-3
    if name == "half_normal":
        assert trace.divergent.any()
    energies = trace.energies[:, -1] + trace.log_densities[:, -1]
    assert (energies >= -1e-9).all()  # kinetic energies


@pytest.mark.parametrize(("d", "step"), [(10, 0.25), (100, 0.15)])
def test_correlated_gaussian_stays_invariant(d, step):
    covariance = autoregressive(d)
    density = correlated(covariance)
    root = np.linalg.cholesky(covariance)
    starts = np.random.default_rng(2).normal(size=(600, d)) @ root.T
    trace = run(density, sampler(density, starts, step), 4)
    white = np.linalg.solve(root, trace.positions[:, -1].T).T
    squares = (white**2).sum(axis=1)
    assert stats.kstest(squares, stats.chi2(d).cdf).pvalue > 1e-3
    assert stats.kstest(white.ravel(), "norm").pvalue > 1e-3
    assert abs(np.mean(white[:, 1:] * white[:, :-1])) < 5 / math.sqrt(white.size)


def test_long_runs_recover_a_gaussian_far_from_its_start():
    covariance = autoregressive(4, 0.5)
    density = correlated(covariance)
    state = sampler(density, np.full((8, 4), 5.0), 0.6)
    run(density, state, 50)
    draws = run(density, state, 1_500).positions.reshape(-1, 4)
    np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=0.09)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.2)


def test_positions_of_a_tree_obey_a_rule_that_is_its_own_reverse():
    density = correlated(autoregressive(3))
    step = 0.05
    state = sampler(density, np.ones((1, 3)), step)
    trace = nuts.Trace.empty(1, 1, 3, gradients=False)
    path = [state.positions[0].copy()]
    done = False
    while not done:
        query = nuts.queries(state).copy()
        forward = state.counts[0, kernels.DIRECTION] == 1
        path.insert(len(path) if forward else 0, query[0])
        done = nuts.advance(
            state, *density(query), trace, rows=np.arange(1), max_depth=10
        )
    at = np.array(path)
    assert len(at) > 16
    force = density(at)[1]
    bend = at[2:] - 2 * at[1:-1] + at[:-2]
    np.testing.assert_allclose(bend, step**2 * force[1:-1], rtol=1e-6, atol=1e-12)


def test_energy_error_falls_with_the_square_of_the_step():
    starts = exact("student", (4_000, 2))
    lost = []
    for depth, step in [(3, 0.2), (4, 0.1), (5, 0.05)]:  # trajectories of one length
        trace = run(student, sampler(student, starts, step, seed=depth), 1, depth)
        lost.append(1 - trace.accept_statistics.mean())
    ratio = np.array(lost[:-1]) / lost[1:]
    np.testing.assert_allclose(ratio, 4.0, rtol=0.15)


def test_funnel_has_divergences():
    state = sampler(funnel, np.zeros((4, 10)), 0.6)
    trace = run(funnel, state, 500)
    assert trace.divergent.sum() > 5
    assert not run(normal, sampler(normal, np.zeros((4, 10))), 500).divergent.any()


def test_trees_end_at_the_depth_allowed():
    trace = run(normal, sampler(normal, np.zeros((2, 2)), 1e-3), 20, max_depth=5)
    assert (trace.depths == 5).all()
    assert (trace.n_leapfrogs == 31).all()


@pytest.mark.parametrize("target", [0.6, 0.8, 0.95])
def test_dual_averaging_reaches_its_target(target):
    density = correlated(autoregressive(5, 0.5))
    state = sampler(density, np.zeros((4, 5)), 5.0)
    run(density, state, 1_000, target_accept=target)
    nuts.restart(
        state, state.positions, state.gradients, step_size=state.mean_step_sizes
    )
    trace = run(density, state, 1_000)
    assert abs(trace.accept_statistics.mean() - target) < 0.05
