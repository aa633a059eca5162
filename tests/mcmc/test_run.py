"""Whole runs: from starts to draws, going on, and densities that misbehave."""

import math
import pickle

import numpy as np
import pytest
from scipy import stats

from sklgen.mcmc import _run
from sklgen.mcmc._diagnostics import ess_bulk, ess_mean, r_hat
from sklgen.mcmc._metric import Dense, Diagonal, LowRank


def gaussian(covariance, mean=0.0):
    precision = np.linalg.inv(covariance)

    def density(x):
        gradient = -np.einsum("ij,cj->ci", precision, x - mean)
        return 0.5 * ((x - mean) * gradient).sum(axis=1), gradient

    return density


def autoregressive(d, rho=0.9):
    lag = np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    scale = np.geomspace(0.1, 10, d)
    return rho**lag * np.outer(scale, scale)


def student(x, dof=5.0):
    value = -0.5 * (dof + 1) * np.log1p(x * x / dof)
    return value.sum(axis=1), -(dof + 1) * x / (dof + x * x)


def log_gamma(x, shape=0.7):
    return (shape * x - np.exp(x)).sum(axis=1), shape - np.exp(x)


def sample(density, n_dim, seed=0, **options):
    options = {"n_chains": 4, "n_warmup": 300, "n_draws": 500} | options
    rng = np.random.default_rng(seed)
    return _run.sample_nuts(density, n_dim, rng=rng, **options)


@pytest.mark.parametrize("metric", ["dense", "diagonal", "low_rank"])
def test_gaussian_is_recovered(metric):
    covariance = autoregressive(5)
    mean = np.array([100.0, 0.0, -3.0, 0.0, 5.0])
    run = sample(gaussian(covariance, mean), 5, metric=metric, n_draws=1_500)
    x = run.positions
    assert r_hat(x).max() < 1.01
    error = (x.mean(axis=(0, 1)) - mean) / np.sqrt(np.diag(covariance) / ess_mean(x))
    assert np.abs(error).max() < 4
    squares = (x - mean) ** 2
    error = (squares.mean(axis=(0, 1)) / np.diag(covariance) - 1) * np.sqrt(
        ess_mean(squares) / 2
    )
    assert np.abs(error).max() < 4
    assert not run.divergent.any()


def test_wide_gaussian_is_recovered_by_few_gradients():
    covariance = autoregressive(100)
    run = sample(gaussian(covariance), 100, n_warmup=500)
    assert isinstance(run.sampler.metric, Dense)
    white = np.linalg.solve(np.linalg.cholesky(covariance), run.positions[..., None])
    white = white[..., 0]
    assert r_hat(run.positions).max() < 1.03
    error = white.mean(axis=(0, 1)) * np.sqrt(ess_mean(white))
    assert np.abs(error).max() < 4.5
    assert abs((white**2).mean() - 1) < 0.02
    # without a good metric it takes trees of hundreds of gradients
    assert run.n_leapfrogs.mean() < 16


@pytest.mark.parametrize(
    ("density", "law"), [(student, stats.t(5)), (log_gamma, stats.loggamma(0.7))]
)
def test_laws_with_other_tails_are_recovered(density, law):
    run = sample(density, 2, n_draws=3_000)
    for column in np.moveaxis(run.positions, 2, 0):
        step = math.ceil(column.size / ess_bulk(column).min()) + 1
        thin = column[:, ::step].ravel()
        assert stats.kstest(thin, law.cdf).pvalue > 1e-3


def test_beyond_two_hundred_dimensions_metrics_are_of_low_rank():
    d = 220
    rng = np.random.default_rng(0)
    direction = np.linalg.qr(rng.normal(size=(d, 1)))[0]
    covariance = np.eye(d) + 900 * direction @ direction.T
    run = sample(gaussian(covariance), d, n_warmup=300, n_draws=200)
    assert isinstance(run.sampler.metric, LowRank)
    along = (run.positions @ direction)[..., 0]
    assert r_hat(along) < 1.05
    assert 0.5 < along.var() / 901 < 2
    assert run.n_leapfrogs.mean() < 32


def test_same_seed_same_bits():
    density = gaussian(autoregressive(3))
    runs = [sample(density, 3, seed, n_draws=50) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0].positions, runs[1].positions)
    assert (runs[0].positions != runs[2].positions).all()


def test_chains_do_not_depend_on_their_number():
    density = gaussian(autoregressive(3))
    starts = np.random.default_rng(0).normal(size=(5, 3))
    runs = [
        sample(density, 3, n_chains=n, starts=starts[:n], n_warmup=0, n_draws=40)
        for n in (2, 5)
    ]
    np.testing.assert_array_equal(runs[0].positions, runs[1].positions[:2])


def test_going_on_is_one_longer_run():
    density = gaussian(autoregressive(3))
    whole = sample(density, 3, n_draws=60)
    part = sample(density, 3, n_draws=25)
    saved = pickle.loads(pickle.dumps(part.sampler))
    for sampler in (part.sampler, part.sampler, saved):  # which runs do not change
        rest = _run.resume(density, sampler, 35)
        both = np.concatenate([part.positions, rest.positions], axis=1)
        np.testing.assert_array_equal(both, whole.positions)
    assert part.n_evaluations + rest.n_evaluations >= whole.n_evaluations


def test_what_is_recorded_belongs_to_the_draws():
    density = gaussian(autoregressive(3))
    run = sample(density, 3, n_draws=100)
    value, _ = density(run.positions.reshape(-1, 3))
    np.testing.assert_allclose(run.log_densities.ravel(), value, rtol=1e-6)
    kinetic = run.energies + run.log_densities
    assert stats.kstest(2 * kinetic[:, ::2].ravel(), stats.chi2(3).cdf).pvalue > 1e-3
    assert (run.step_sizes == run.step_sizes[0, 0]).all()
    assert abs(run.accept_statistics.mean() - 0.8) < 0.07


def test_acceptance_can_be_chosen():
    accept = [
        sample(student, 5, target_accept=target).accept_statistics.mean()
        for target in (0.7, 0.95)
    ]
    np.testing.assert_allclose(accept, [0.7, 0.95], atol=0.07)


def two_modes(x):
    """Normal laws about -50 and 50 whose scales differ by a factor of 100."""
    scale = np.where(x > 0, 1.0, 0.01)
    center = np.where(x > 0, 50.0, -50.0)
    z = (x - center) / scale
    return (-0.5 * z**2 - np.log(scale)).sum(axis=1), -z / scale


def test_chains_in_modes_of_their_own_have_metrics_of_their_own():
    starts = np.array([[50.0], [-50.0], [50.5], [-50.01]])
    run = sample(two_modes, 1, starts=starts, metric="diagonal")
    assert isinstance(run.sampler.metric, Diagonal)
    scale = run.sampler.metric.scale[:, 0]
    np.testing.assert_allclose(scale, [1.0, 0.01, 1.0, 0.01], rtol=0.2)
    spread = run.positions[..., 0].std(axis=1)
    np.testing.assert_allclose(spread, [1.0, 0.01, 1.0, 0.01], rtol=0.3)
    assert run.n_leapfrogs.mean() < 5


def test_funnel_is_told_by_divergences():
    def funnel(x):
        v, rest = x[:, 0], x[:, 1:]
        energy = 0.5 * np.exp(-v)[:, None] * rest**2
        value = -(v**2) / 18 - energy.sum(axis=1) - 4.5 * v
        slope = -v / 9 + energy.sum(axis=1) - 4.5
        return value, np.column_stack([slope, -np.exp(-v)[:, None] * rest])

    with np.errstate(over="ignore", invalid="ignore"):
        assert sample(funnel, 10).divergent.sum() > 3


def test_improper_densities_come_to_an_end():
    def flat(x):
        return np.zeros(len(x)), np.zeros_like(x)

    def rising(x):
        return x.sum(axis=1), np.ones_like(x)

    for density in (flat, rising):
        with np.errstate(over="ignore", invalid="ignore"):
            run = sample(density, 2, n_warmup=60, n_draws=20, max_depth=6)
        assert run.positions.shape == (4, 20, 2)


def normal(x):
    return -0.5 * (x * x).sum(axis=1), -x


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda x: normal(x)[0], TypeError, "a tuple of log-densities and gradients"),
        (lambda x: (-x, -x), ValueError, r"got \(4, 2\) and \(4, 2\) for \(4, 2\)"),
        (lambda x: (-x[:, 0], -x[0]), ValueError, r"got \(4,\) and \(2,\)"),
    ],
)
def test_answers_of_the_wrong_shape_are_told(answer, error, message):
    with pytest.raises(error, match=message):
        sample(answer, 2)


def test_errors_of_the_density_come_with_the_position():
    def fragile(x):
        bad = (x[:, 1] > 1.5).any()
        value, gradient = normal(x)
        x[:] = np.nan
        if bad:
            raise ZeroDivisionError("no more")
        return value, gradient

    with pytest.raises(ZeroDivisionError, match="no more") as told:
        sample(fragile, 2, starts=np.zeros((4, 2)))
    note = told.value.__notes__[0]
    position = [float(part) for part in note.split("[")[1].split("]")[0].split(",")]
    assert len(position) == 2
    assert note.count("[") == 1
    assert position[1] > 1.5


def test_starts_are_checked():
    with pytest.raises(ValueError, match=r"starts must have the shape .* \(4, 2\)"):
        sample(normal, 2, starts=np.zeros((3, 2)))
    starts = np.zeros((4, 2))
    starts[2, 0] = np.nan
    with pytest.raises(ValueError, match=r"for chain 2 at \[nan, 0\]"):
        sample(normal, 2, starts=starts)
    starts[2, 0] = 1.0
    kept = starts.copy()
    sample(normal, 2, starts=starts, n_warmup=10, n_draws=3)
    np.testing.assert_array_equal(starts, kept)


def test_interrupted_runs_keep_their_draws():
    def impatient(stage, done, total):
        if stage == "sampling" and done > total / 3:
            raise KeyboardInterrupt

    density = gaussian(autoregressive(3))
    run = sample(density, 3, n_draws=1_000, monitor=impatient)
    n = run.positions.shape[1]
    assert run.interrupted
    assert 200 < n < 1_000
    assert run.log_densities.shape == (4, n)
    whole = sample(density, 3, n_draws=1_000)
    assert not whole.interrupted
    np.testing.assert_array_equal(run.positions, whole.positions[:, :n])


def test_monitor_sees_all_draws():
    seen = []
    sample(normal, 2, n_warmup=100, n_draws=70, monitor=lambda *a: seen.append(a))
    assert [a for a in seen if a[0] == "warm-up"][-1] == ("warm-up", 400, 400)
    assert seen[-1] == ("sampling", 280, 280)
    done = [a[1] for a in seen if a[0] == "warm-up"]
    assert done == sorted(done)


@pytest.mark.parametrize("given", [True, False])
def test_densities_may_use_one_buffer_and_write_into_positions(given):
    plain = gaussian(autoregressive(3))
    buffers = {}

    def careless(x):
        value, gradient = buffers.setdefault(
            len(x), (np.empty(len(x)), np.empty(x.shape))
        )
        value[:], gradient[:] = plain(x)
        x[:] = np.nan
        return value, gradient

    starts = np.full((4, 3), 0.5) if given else None
    runs = [sample(f, 3, starts=starts, n_draws=20) for f in (plain, careless)]
    np.testing.assert_array_equal(runs[0].positions, runs[1].positions)


@pytest.mark.parametrize(("n_warmup", "n_draws"), [(0, 5), (1, 1), (7, 0)])
def test_short_runs(n_warmup, n_draws):
    run = sample(normal, 2, n_warmup=n_warmup, n_draws=n_draws)
    assert run.positions.shape == (4, n_draws, 2)
    assert np.isfinite(run.positions).all()
