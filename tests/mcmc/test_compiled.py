"""Densities of numba: the same draws as batched ones, errors, threads, data."""

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from numba import njit
from scipy import stats

from sklgen.mcmc import _compiled_kernels as kernels
from sklgen.mcmc import _run
from sklgen.mcmc._chains import draw
from sklgen.mcmc._compiled import CompiledDensity, is_compiled
from sklgen.mcmc._diagnostics import ess_bulk
from sklgen.mcmc._metric import Dense, Diagonal, LowRank
from sklgen.mcmc._runner import Settings


@njit
def gaussian(x, gradient, precision):
    value = 0.0
    for i in range(len(x)):
        slope = 0.0
        for j in range(len(x)):
            slope -= precision[i, j] * x[j]
        gradient[i] = slope
        value += 0.5 * slope * x[i]
    return value


@njit
def log_gamma(x, gradient, shape):
    value = 0.0
    for i in range(len(x)):
        value += shape * x[i] - math.exp(x[i])
        gradient[i] = shape - math.exp(x[i])
    return value


def autoregressive(d, rho=0.9):
    lag = np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    scale = np.geomspace(0.1, 10, d)
    return rho**lag * np.outer(scale, scale)


def correlated(d, **options):
    return CompiledDensity(gaussian, d, (np.linalg.inv(autoregressive(d)),), **options)


def sample(density, n_dim, seed=0, **options):
    options = {"n_chains": 4, "n_warmup": 200, "n_draws": 150} | options
    rng = np.random.default_rng(seed)
    return _run.sample_nuts(density, n_dim, rng=rng, **options)


def assert_same(one, other):
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.records, other.records)
    assert one.n_evaluations == other.n_evaluations


@pytest.mark.parametrize(
    ("metric", "kind"),
    [("dense", Dense), ("diagonal", Diagonal), ("low_rank", LowRank)],
)
def test_draws_are_those_of_the_batched_driver(metric, kind):
    density = correlated(7)
    inside = sample(density, 7, metric=metric)
    assert_same(inside, sample(density.value_and_gradient, 7, metric=metric))
    assert isinstance(inside.sampler.metric, kind)
    if kind is LowRank:
        assert inside.sampler.metric.spread.shape[1] > 0


@pytest.mark.parametrize("n_threads", [2, 3, 16])
def test_threads_change_no_bit(n_threads):
    assert_same(sample(correlated(5), 5), sample(correlated(5, n_threads=n_threads), 5))


def test_metrics_of_single_chains():
    @njit
    def two_modes(x, gradient):
        scale = 1.0 if x[0] > 0 else 0.01
        z = (x[0] - 50.0) if x[0] > 0 else (x[0] + 50.0) / scale
        gradient[0] = -z / scale
        return -0.5 * z * z - math.log(scale)

    density = CompiledDensity(two_modes, 1)
    starts = np.array([[50.0], [-50.0], [50.5], [-50.01]])
    inside = sample(density, 1, starts=starts)
    assert len(inside.sampler.metric.location) == 4
    assert_same(inside, sample(density.value_and_gradient, 1, starts=starts))


def test_law():
    density = CompiledDensity(log_gamma, 2, (0.7,))
    run = sample(density, 2, n_draws=3_000)
    for column in np.moveaxis(run.positions, 2, 0):
        step = math.ceil(column.size / ess_bulk(column).min()) + 1
        thin = column[:, ::step].ravel()
        assert stats.kstest(thin, stats.loggamma(0.7).cdf).pvalue > 1e-3


def test_all_kinds_of_data_arrive():
    @njit
    def strange(x, gradient, matrix, cube, flags, count, share, yes, none):
        gradient[0] = cube[0, 1, 2] + len(none)
        gradient[1] = matrix[0, 1] * count
        return share * x[0] + (1.0 if flags[1] and yes else -1.0) + matrix.shape[0]

    args = (
        np.asfortranarray(np.arange(6.0).reshape(3, 2)),
        np.arange(12, dtype=np.int32).reshape(2, 2, 3)[:, ::-1],
        np.array([False, True]),
        3,
        np.float32(0.5),
        True,
        np.empty(0),
    )
    value, gradient = CompiledDensity(strange, 2, args)(np.array([[4.0, 0.0]]))
    assert value[0] == 0.5 * 4 + 1 + 3
    np.testing.assert_array_equal(gradient, [[args[1][0, 1, 2], 3.0]])


def test_data_outlive_those_who_gave_them():
    density = CompiledDensity(gaussian, 50, (np.linalg.inv(autoregressive(50)),))
    x = np.ones((1, 50))
    before = density(x)[0]
    for _ in range(50):
        np.full((50, 50), np.nan)
    assert density(x)[0] == before


def test_one_driver_serves_all_densities():
    sample(correlated(3), 3, n_warmup=30, n_draws=5)
    for metric in ("dense", "diagonal", "low_rank"):
        density = CompiledDensity(log_gamma, 2, (1,))
        sample(density, 2, n_warmup=30, n_draws=5, metric=metric)
    assert len(kernels.drive.signatures) == 1
    assert len(kernels.ask_all.signatures) == 1


def test_compiled_once_for_a_kind_of_data():
    n = len(log_gamma.signatures)
    one = CompiledDensity(log_gamma, 2, (0.5,))
    other = CompiledDensity(log_gamma, 3, (2.5,))
    assert one._ask is other._ask
    assert len(log_gamma.signatures) <= n + 1


@njit
def fragile(x, gradient, limit):
    gradient[:] = -x
    if x[1] > limit:
        raise OverflowError("no more")
    return -0.5 * (x * x).sum()


@njit
def divides(x, gradient):
    gradient[:] = -x
    return -0.5 * (x * x).sum() + 0.0 / max(1.5 - x[1], 0.0)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    ("function", "args", "error"),
    [(fragile, (1.5,), OverflowError), (divides, (), ZeroDivisionError)],
)
def test_errors_tell_the_position(function, args, error, n_threads):
    density = CompiledDensity(function, 2, args, n_threads=n_threads)
    with pytest.raises(error) as told:
        sample(density, 2, starts=np.zeros((4, 2)))
    (note,) = told.value.__notes__
    assert note.count("[") == 1
    position = [float(part) for part in note.split("[")[1].split("]")[0].split(",")]
    assert position[1] >= 1.5


def test_no_density_is_a_divergence():
    @njit
    def half(x, gradient):
        gradient[:] = -x
        return -0.5 * (x * x).sum() if x[0] > 0 else -np.inf

    run = sample(CompiledDensity(half, 1), 1, n_draws=3_000, starts=np.ones((4, 1)))
    x = run.positions
    assert (x > 0).all()
    assert run.divergent.any()
    assert abs(x.mean() - math.sqrt(2 / math.pi)) < 0.1


def test_gradients_that_are_not_written_are_found_out():
    @njit
    def forgetful(x, gradient):
        return -0.5 * (x * x).sum()

    with pytest.raises(ValueError, match="gradient of the log-density is not finite"):
        sample(CompiledDensity(forgetful, 2), 2)


def test_functions_that_do_not_compile():
    @njit
    def two(x, gradient):
        return x[0], x[1]

    with pytest.raises(TypeError, match=r"takes \(x, gradient, \*args\).*with 0 args"):
        CompiledDensity(two, 2)
    with pytest.raises(TypeError, match=r"log_gamma could not be compiled with 2 args"):
        CompiledDensity(log_gamma, 2, (1.0, 2.0))
    with pytest.raises(TypeError, match=r"numbers, got list of <U1 at 1"):
        CompiledDensity(log_gamma, 2, (1.0, ["a"]))


def test_interrupted_runs_keep_their_draws():
    density = correlated(3, n_threads=2)

    def impatient(stage, done, total):
        if stage == "sampling" and done > 1_000:
            raise KeyboardInterrupt

    run = sample(density, 3, n_draws=100_000, monitor=impatient)
    n = run.positions.shape[1]
    assert run.interrupted
    assert 0 < n < 100_000
    whole = sample(density, 3, n_draws=n)
    np.testing.assert_array_equal(run.positions, whole.positions)


def test_chains_have_no_pointers():
    settings = Settings(n_warmup=100, n_draws=20)
    density = correlated(3)
    chains = draw(density, 3, settings, np.random.default_rng(0))
    again = pickle.loads(pickle.dumps(chains))
    more = Settings(n_warmup=100, n_draws=45)
    rng = np.random.default_rng(1)
    longer = draw(correlated(3), 3, more, rng, going_on=again)
    whole = draw(density, 3, more, np.random.default_rng(0))
    np.testing.assert_array_equal(longer.positions, whole.positions)


def test_what_numba_compiles():
    assert is_compiled(gaussian)
    assert not is_compiled(gaussian.py_func)
    assert not is_compiled(np.sum)


def test_densities_with_threads_of_their_own():
    @njit(parallel=True)
    def rows(x, gradient, y):
        gradient[0] = (y - x[0]).sum()
        return -0.5 * ((y - x[0]) ** 2).sum()

    y = np.random.default_rng(0).normal(size=50)
    density = CompiledDensity(rows, 1, (y,), n_threads=2)
    run = sample(density, 1, n_draws=2_000)
    assert abs(run.positions.std() * np.sqrt(50) - 1) < 0.1


KEPT = """
from numba import njit

@njit(cache=True)
def scaled(x, gradient, scale):
    gradient[0] = -scale
    return -scale * x[0]

def times(factor):
    @njit(cache=True)
    def density(x, gradient):
        gradient[0] = factor
        return factor * x[0]
    return density
"""
ASKED = """
import kept, numpy as np
from sklgen.mcmc._compiled import CompiledDensity

densities = [
    CompiledDensity(kept.scaled, 1, (2.0,)),
    CompiledDensity(kept.scaled, 1, (np.float32(2.0),)),
    CompiledDensity(kept.times(3.0), 1),
    CompiledDensity(kept.times(4.0), 1),
]
for density in densities:
    print(density.value(np.ones((1, 1)))[0], *density._ask[0].stats.cache_hits.values())
"""


def test_densities_that_are_kept_on_disk_are_compiled_once(tmp_path):
    (tmp_path / "kept.py").write_text(KEPT)
    code = f"import sys; sys.path.append({str(tmp_path)!r}); {ASKED}"
    told = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for _ in range(2)
    ]
    # Those that depend on a closure are compiled anew.
    assert told[0][:4] == ["-2.0", "-2.0", "3.0", "4.0"]
    assert told[1][:4] == ["-2.0 1", "-2.0 1", "3.0", "4.0"]
