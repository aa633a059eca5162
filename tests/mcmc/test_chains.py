"""Chains of estimators: going on, thinning, interrupts, memory, and what is judged."""

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

from sklgen.mcmc import _runner
from sklgen.mcmc._chains import draw
from sklgen.mcmc._diagnostics import ess_bulk, ess_tail, r_hat
from sklgen.mcmc._ensemble import sample_ensemble
from sklgen.mcmc._judge import diagnose
from sklgen.mcmc._nuts_kernels import N_RECORDS
from sklgen.mcmc._runner import Settings


class Target:
    has_gradient = True

    def __init__(self, function, n_dim):
        self.value_and_gradient, self.n_dim = function, n_dim

    def value(self, x):
        return self.value_and_gradient(x)[0]


def normal(x):
    return -0.5 * (x * x).sum(axis=1), -x


SHORT = Settings(n_warmup=100, n_draws=40, thin=3)


def run(settings=SHORT, function=normal, n_dim=3, seed=0, **options):
    rng = np.random.default_rng(seed)
    return draw(Target(function, n_dim), n_dim, settings, rng, **options)


def judged(chains):
    return diagnose(chains, {"x": chains.positions})


@pytest.mark.parametrize("sampler", ["nuts", "ensemble", "tempered"])
def test_going_on_is_one_longer_run(sampler):
    first = run(replace(SHORT, sampler=sampler))
    assert first.positions.shape == (4, 40, 3)
    longer = replace(SHORT, sampler=sampler, n_draws=61)
    again = run(longer, going_on=pickle.loads(pickle.dumps(first)), seed=9)
    whole = run(longer)
    np.testing.assert_array_equal(again.positions, whole.positions)
    np.testing.assert_array_equal(again.log_densities, whole.log_densities)
    assert again.n_evaluations == whole.n_evaluations > first.n_evaluations
    unchanged = run(longer, going_on=again)
    np.testing.assert_array_equal(unchanged.positions, again.positions)


@pytest.mark.parametrize("sampler", ["nuts", "ensemble", "tempered"])
def test_chunks_change_no_bit(sampler, monkeypatch):
    whole = run(replace(SHORT, sampler=sampler))
    monkeypatch.setattr(_runner, "CHUNK", 1)
    pieces = run(replace(SHORT, sampler=sampler))
    np.testing.assert_array_equal(pieces.positions, whole.positions)
    np.testing.assert_array_equal(pieces.log_densities, whole.log_densities)


def test_thinned_draws_are_those_of_all():
    every = run(replace(SHORT, thin=1, n_draws=120))
    np.testing.assert_array_equal(run().positions, every.positions[:, 2::3])
    np.testing.assert_array_equal(run().energies, every.energies[:, 2::3])


def test_walkers_take_turns():
    chains = run(replace(SHORT, sampler="ensemble", n_draws=64))
    assert chains.n_walkers == 16
    walkers = sample_ensemble(
        Target(normal, 3).value,
        3,
        n_walkers=16,
        n_ensembles=4,
        n_steps=64 * 3,
        n_warmup=100,
        rng=np.random.default_rng(0),
    ).positions.reshape(4, 16, 64 * 3, 3)
    for t in range(64):
        np.testing.assert_array_equal(
            chains.positions[:, t], walkers[:, t % 16, 3 * t + 2]
        )
    np.testing.assert_allclose(
        chains.log_densities, -0.5 * (chains.positions**2).sum(axis=2)
    )
    x = run(replace(SHORT, sampler="ensemble", n_draws=2_000)).positions
    assert np.abs(x.mean(axis=(0, 1))).max() < 0.15
    assert np.abs(x.var(axis=(0, 1)) - 1).max() < 0.15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_chains": 3}, r"n_chains must stay 4, got 3"),
        ({"thin": 1}, r"thin must stay 3, got 1"),
        ({"sampler": "ensemble"}, r"sampler must stay 'nuts', got 'ensemble'"),
        ({"n_draws": 39}, r"must be at least 40, got 39"),
    ],
)
def test_what_cannot_change_while_going_on(change, message):
    with pytest.raises(ValueError, match=message):
        run(replace(SHORT, **change), going_on=run())


@pytest.mark.parametrize("sampler", ["nuts", "ensemble", "tempered"])
def test_going_on_with_another_density_is_refused(sampler):
    settings = replace(SHORT, sampler=sampler)
    shifted = lambda x: normal(x + 1.0)
    with pytest.raises(ValueError, match="chains of the same density"):
        run(replace(settings, n_draws=50), shifted, going_on=run(settings))
    with pytest.raises(ValueError, match="in 3 dimensions, got 2"):
        run(replace(settings, n_draws=50), n_dim=2, going_on=run(settings))


@pytest.mark.parametrize("sampler", ["nuts", "ensemble", "tempered"])
def test_interrupts_keep_what_there_is(sampler):
    settings = replace(SHORT, sampler=sampler, thin=2, n_draws=500)
    whole = run(settings)

    def impatient(x):
        impatient.left -= len(x)
        if impatient.left < 0:
            raise KeyboardInterrupt
        return normal(x)

    impatient.left = whole.n_evaluations * 2 // 3
    chains = run(settings, impatient)
    n = chains.positions.shape[1]
    assert chains.interrupted
    assert 10 < n < 500
    np.testing.assert_array_equal(chains.positions, whole.positions[:, :n])
    problems = judged(chains)[1]
    assert f"interrupted after {n} of 500 draws" in problems[0]
    assert "warm_start=True" in problems[0]
    more = run(settings, going_on=chains)
    assert not more.interrupted
    assert more.positions.shape == (4, 500, 3)
    impatient.left = 50
    with pytest.raises(KeyboardInterrupt):
        run(settings, impatient)


def test_too_much_memory_is_told_before_it_is_taken():
    with pytest.raises(MemoryError, match=r"take \d+ TiB of memory.*thin=30"):
        run(replace(SHORT, n_draws=10**12))


def test_bar(capsys):
    quiet = run()
    assert capsys.readouterr() == ("", "")
    loud = run(replace(SHORT, verbose=1))
    out = "".join(capsys.readouterr())
    np.testing.assert_array_equal(loud.positions, quiet.positions)
    assert "The draws of 4 chains take" in out
    assert re.search(r"warm-up: .*/400", out)
    assert re.search(r"sampling: 100%.* 480/480", out)


def made(x, **columns):
    """Chains with given draws, and with columns of records that tell no problem."""
    chains = run(replace(SHORT, n_draws=4))
    records = np.zeros((*x.shape[:2], N_RECORDS))
    noise = np.random.default_rng(1).normal(size=(2, *x.shape[:2]))
    names = ["log_densities", "energies", "accept", "step", "depth", "n", "divergent"]
    given = {"log_densities": noise[0], "energies": noise[1], "accept": 0.8} | columns
    for name, column in given.items():
        records[..., names.index(name)] = column
    settings = replace(SHORT, n_draws=x.shape[1])
    return replace(chains, positions=x, records=records, settings=settings)


def noise(n_draws=1000, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(4, n_draws, d))


def test_good_draws_have_no_problems():
    x = noise()
    diagnostics, problems = judged(made(x))
    assert problems == []
    assert diagnostics["r_hat"] >= r_hat(x).max()
    assert diagnostics["ess_bulk"] <= ess_bulk(x).min()
    assert diagnostics["accept_statistic"] == pytest.approx(0.8)


def test_short_chains_of_independent_draws_agree():
    chains = made(noise(100))
    told = [diagnose(chains, {"x": noise(100, seed=seed)})[1] for seed in range(100)]
    assert not [p for problems in told for p in problems if "R-hat" in p]
    worst = [r_hat(noise(100, seed=seed)).max() for seed in range(100)]
    assert np.mean(np.array(worst) > 1.01) > 0.2


def test_disagreeing_chains_are_told_by_name():
    x = noise()
    x[0, :, 1] += 1.0
    x[:, :, 2] *= np.array([1, 1, 1, 5.0])[:, None]
    _, (problem, *_) = judged(made(x))
    assert re.search(r"R-hat is above 1.01 for x\[2\] \(1\.\d+\), x\[1\]", problem)
    assert "x[0]" not in problem


def test_slow_chains_are_told_by_name():
    x = noise(1000)
    x[..., 2] = np.sin(np.arange(1000) / 30) * 3 + x[..., 2] / 10
    _, problems = judged(made(x))
    (problem,) = (p for p in problems if "effective" in p)
    assert re.search(r"below 100 a chain for x\[2\] \(\d+\)\. Raise n_draws", problem)


def test_a_hundred_effective_draws_a_chain_are_enough():
    def walk(rho):
        return lfilter([1.0], [1.0, -rho], noise(4_000), axis=1)[:, -1_000:]

    ess = lambda x: min(ess_bulk(x).min(), ess_tail(x).min())
    slow, quick = walk(0.92), walk(0.7)
    assert 100 < ess(slow) < 400 < ess(quick)
    assert any("effective" in p for p in judged(made(slow))[1])
    assert not any("effective" in p for p in judged(made(quick))[1])


def test_slow_log_densities_are_told():
    slow = np.sin(np.arange(1000) / 30) * 3
    _, problems = judged(made(noise(), log_densities=slow))
    assert any("a chain for log density" in p for p in problems)


def test_long_lists_are_cut():
    x = noise(d=8) + 3 * np.arange(4)[:, None, None]
    _, problems = judged(made(x))
    assert "and 5 more" in problems[0]


def test_numbers_that_never_change_are_no_problem():
    x = noise()
    x[..., 0] = 1.0
    assert judged(made(x))[1] == []


def test_records_are_judged():
    x = noise()
    few = np.zeros((4, 1000))
    few[1, :5] = 1
    assert judged(made(x, divergent=few))[1][0].startswith("5 of 4000 transitions")
    assert judged(made(x, divergent=np.roll(few, 1, axis=1) * few))[1] == []
    walk = np.cumsum(noise(1000, 1, 3)[..., 0], axis=1)
    (problem,) = judged(made(x, energies=walk))[1]
    assert "E-BFMI is 0.0" in problem
    assert judged(made(x, depth=few * 10))[1] == []
    (problem,) = judged(made(x, depth=np.full((4, 1000), 10)))[1]
    assert "100% of the trajectories were cut short at max_depth=10" in problem


def test_stuck_chains_are_told():
    x = noise()
    x[2] = x[2, 0]
    assert "Chain 2 of 4 hardly moved" in judged(made(x))[1][0]
    accept = np.full((4, 1000), 0.8)
    accept[[0, 3]] = 1e-4
    assert "Chain 0, 3 of 4 hardly moved" in judged(made(noise(), accept=accept))[1][0]


def test_improper_densities_are_told():
    flat = lambda x: (np.zeros(len(x)), np.zeros_like(x))
    rising = lambda x: (x.sum(axis=1), np.ones_like(x))
    settings = Settings(n_warmup=100, n_draws=100, max_depth=6)
    for function in (flat, rising):
        with np.errstate(over="ignore", invalid="ignore"):
            problems = judged(run(settings, function, 2))[1]
        assert "run away" in problems[0]
        assert "improper" in problems[0]


def eight_schools(x):
    """The centred form: a funnel."""
    y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    sigma = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    mu, log_tau, theta = x[:, :1], x[:, 1:2], x[:, 2:]
    tau = np.exp(log_tau)
    z, e = (theta - mu) / tau, (y - theta) / sigma
    ratio = (tau / 5) ** 2
    value = -0.5 * ((z * z).sum(axis=1) + (e * e).sum(axis=1) + (mu[:, 0] / 5) ** 2)
    value += (-7 * log_tau - np.log1p(ratio))[:, 0]
    slope_mu = (z / tau).sum(axis=1, keepdims=True) - mu / 25
    slope_tau = (z * z).sum(axis=1, keepdims=True) - 7 - 2 * ratio / (1 + ratio)
    return value, np.concatenate([slope_mu, slope_tau, e / sigma - z / tau], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_funnels_warn_even_without_divergences(seed):
    with np.errstate(over="ignore", invalid="ignore"):
        chains = run(Settings(), eight_schools, 10, seed)
    records = chains.records.copy()
    records[..., 6] = 0.0
    assert judged(chains)[1]
    assert judged(replace(chains, records=records))[1]


@pytest.mark.parametrize("d", [1, 10])
def test_calm_densities_raise_no_alarm(d):
    for seed in range(10):
        assert judged(run(Settings(), n_dim=d, seed=seed))[1] == []
