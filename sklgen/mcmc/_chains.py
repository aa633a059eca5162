"""Chains of an estimator: how they are run, kept, gone on with, and judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np

from sklgen.em import single_threaded_libraries
from sklgen.families._base import Array
from sklgen.mcmc import _run as run
from sklgen.mcmc._differences import Differences
from sklgen.mcmc._ensemble import resume_ensemble, sample_ensemble
from sklgen.mcmc._ensemble_state import Ensembles
from sklgen.mcmc._evaluate import Density, SelfDriven, told
from sklgen.mcmc._judge import diagnose
from sklgen.mcmc._metric import Kind
from sklgen.mcmc._nuts import Recorded
from sklgen.mcmc._nuts_kernels import N_RECORDS
from sklgen.mcmc._progress import Bar, in_bytes, memory, progress
from sklgen.mcmc._starts import Frame

__all__ = ["Chains", "LogDensity", "Settings", "diagnose", "draw"]

# Numbers of draws that are on their way at once, a share of memory to speak of.
_CHUNK = 1 << 22

State = TypeVar("State", run.Sampler, Ensembles)


class LogDensity(Protocol):
    """What chains are run on."""

    n_dim: int
    has_gradient: bool

    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""
        ...

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d), if there are any."""
        ...


@dataclass(frozen=True)
class Settings:
    """How chains are run: the parameters that estimators share, by their names."""

    sampler: Literal["nuts", "ensemble"] = "nuts"
    n_chains: int = 4
    n_warmup: int = 1000
    n_draws: int = 1000
    thin: int = 1
    target_accept: float = 0.8
    metric: Kind = "dense"
    max_depth: int = 10
    verbose: int = 0


@dataclass(frozen=True)
class Chains(Recorded):
    """Draws of C chains, and what it takes to go on. It pickles: it has no callables.

    Attributes
    ----------
    positions : ndarray of shape (C, n, d)
        Draws.
    records : ndarray of shape (C, n, 7)
        What is known of them. Chains of ensembles have no energies and step sizes.
    state : Sampler or Ensembles
        Where chains are after the last draw.
    settings : Settings
        How they were run.
    n_walkers : int
        Number of walkers whose draws a chain has in turn: 1, but for ensembles.
    n_evaluations : int
        Number of positions at which the density was asked for in all.
    interrupted : bool
        Whether the user has ended the run before its time.
    """

    positions: Array
    records: Array
    state: run.Sampler | Ensembles
    settings: Settings
    n_walkers: int
    n_evaluations: int
    interrupted: bool


def draw(
    density: LogDensity,
    n_dim: int,
    settings: Settings,
    rng: np.random.Generator,
    *,
    starts: Array | None = None,
    frame: Frame | None = None,
    going_on: Chains | None = None,
) -> Chains:
    """Run chains.

    Parameters
    ----------
    density : LogDensity
        What to draw from.
    n_dim : int
        Number of dimensions.
    settings : Settings
        How to draw; `n_draws` counts those of `going_on`.
    rng : Generator
        Seeds the chains, unless they go on.
    starts : ndarray of shape (n_chains, n_dim), optional
        Where chains start; by default that is found out. Walkers of an ensemble start
        from (n_chains, n_walkers, n_dim).
    frame : Frame, optional
        Where to look for starts, and in which units.
    going_on : Chains, optional
        What to go on from, with the metric and the step sizes as they are: the draws
        are those of one longer run.

    Returns
    -------
    Chains
        Those of `going_on`, and new ones.

    Raises
    ------
    KeyboardInterrupt
        If the user ends the run before there are draws. After that, draws so far are
        kept.
    MemoryError
        If draws would take more memory than the machine has.
    """
    own_threads = getattr(density, "own_threads", False)
    hold = nullcontext() if own_threads else single_threaded_libraries()
    with hold, progress(verbose=settings.verbose) as bar:
        _check_memory(settings, n_dim, bar)
        if settings.sampler == "nuts":
            return _Nuts(density, settings, bar).run(
                n_dim, rng, starts, frame, going_on
            )
        return _Walkers(density, settings, bar).run(n_dim, rng, starts, frame, going_on)


class _Runner(ABC, Generic[State]):
    """Draws chunk by chunk, of which every `thin`-th is kept."""

    def __init__(self, density: LogDensity, settings: Settings, bar: Bar) -> None:
        self._density, self._settings, self._bar = density, settings, bar

    def run(
        self,
        n_dim: int,
        rng: np.random.Generator,
        starts: Array | None,
        frame: Frame | None,
        before: Chains | None,
    ) -> Chains:
        s = self._settings
        n_before = 0
        if before is None:
            state, n_evaluations = self._warm_up(n_dim, rng, starts, frame)
        else:
            _check_continues(before, s, n_dim)
            state, n_evaluations = before.state, before.n_evaluations  # type: ignore[assignment]
            n_before = before.positions.shape[1]
            self._check_same_density(state)
        positions = np.empty((s.n_chains, s.n_draws, n_dim))
        records = np.empty((s.n_chains, s.n_draws, N_RECORDS))
        if before is not None:
            positions[:, :n_before], records[:, :n_before] = (
                before.positions,
                before.records,
            )
        done, interrupted = n_before, False
        size = max(1, _CHUNK // (s.n_chains * self._width(n_dim) * n_dim * s.thin))
        while done < s.n_draws and not interrupted:
            n = min(size, s.n_draws - done)
            each = s.n_chains * s.thin
            self._bar.begin((done - n_before) * each, (s.n_draws - n_before) * each)
            state, chunk, n_asked, interrupted = self._advance(state, n, done)
            got = slice(done, done + chunk[0].shape[1])
            positions[:, got], records[:, got] = chunk
            n_evaluations += n_asked
            done = got.stop
        if not done:
            raise KeyboardInterrupt
        return Chains(
            positions[:, :done],
            records[:, :done],
            state,
            s,
            self._width(n_dim),
            n_evaluations,
            interrupted,
        )

    @abstractmethod
    def _width(self, n_dim: int) -> int:
        """Number of walkers of a chain."""

    @abstractmethod
    def _warm_up(
        self,
        n_dim: int,
        rng: np.random.Generator,
        starts: Array | None,
        frame: Frame | None,
    ) -> tuple[State, int]:
        """Chains that are ready to draw, and the number of evaluations."""

    @abstractmethod
    def _advance(
        self, state: State, n_draws: int, n_before: int
    ) -> tuple[State, tuple[Array, Array], int, bool]:
        """Chains after more draws, these and their records.

        Also the number of evaluations, and whether the user ended it.
        """

    @abstractmethod
    def _check_same_density(self, state: State) -> None:
        """Raise a ValueError if the density is not what it was."""

    def _check_same(self, x: Array, before: Array) -> None:
        found = np.asarray(self._density.value(x), dtype=np.float64)
        same = np.isclose(found, before, rtol=1e-6, atol=1e-6)
        if not same.all():
            c = int(np.argmin(same))
            raise ValueError(
                "warm_start=True goes on with chains of the same density, but at "
                f"{told(x[c])} its logarithm was {before[c]:.6g} and now is "
                f"{found[c]:.6g}. Set warm_start=False to draw from the new one."
            )


class _Nuts(_Runner[run.Sampler]):
    """The No-U-Turn sampler, with differences for gradients where there are none."""

    def __init__(self, density: LogDensity, settings: Settings, bar: Bar) -> None:
        super().__init__(density, settings, bar)
        self._ask: Density = Differences(density.value)
        self._cost = 2 * density.n_dim + 1
        if density.has_gradient:
            self._ask, self._cost = density.value_and_gradient, 1
        if isinstance(density, SelfDriven):
            self._ask = density

    def _width(self, n_dim: int) -> int:
        return 1

    def _warm_up(
        self,
        n_dim: int,
        rng: np.random.Generator,
        starts: Array | None,
        frame: Frame | None,
    ) -> tuple[run.Sampler, int]:
        s = self._settings
        ended = run.sample_nuts(
            self._ask,
            n_dim,
            n_chains=s.n_chains,
            n_warmup=s.n_warmup,
            n_draws=0,
            rng=rng,
            target_accept=s.target_accept,
            metric=s.metric,
            max_depth=s.max_depth,
            starts=starts,
            frame=frame,
            monitor=self._bar,
        )
        return ended.sampler, ended.n_evaluations * self._cost

    def _advance(
        self, state: run.Sampler, n_draws: int, n_before: int
    ) -> tuple[run.Sampler, tuple[Array, Array], int, bool]:
        thin = self._settings.thin
        ended = run.resume(self._ask, state, n_draws * thin, monitor=self._bar)
        kept = slice(thin - 1, None, thin)
        return (
            ended.sampler,
            (ended.positions[:, kept], ended.records[:, kept]),
            ended.n_evaluations * self._cost,
            ended.interrupted,
        )

    def _check_same_density(self, state: run.Sampler) -> None:
        chains = state.state
        x = state.metric.positions(chains.positions, np.arange(chains.n_chains))
        self._check_same(x, chains.log_densities)


class _Walkers(_Runner[Ensembles]):
    """Ensembles, one a chain, whose draws are those of its walkers in turn."""

    def _width(self, n_dim: int) -> int:
        return max(16, 4 * (n_dim + 1))

    def _warm_up(
        self,
        n_dim: int,
        rng: np.random.Generator,
        starts: Array | None,
        frame: Frame | None,
    ) -> tuple[Ensembles, int]:
        ended = sample_ensemble(
            self._density.value,
            n_dim,
            n_walkers=self._width(n_dim),
            n_ensembles=self._settings.n_chains,
            n_steps=0,
            n_warmup=self._settings.n_warmup,
            rng=rng,
            starts=starts,
            frame=frame,
            monitor=self._bar.steps(self._settings.n_chains),
        )
        return ended.ensembles, ended.n_evaluations

    def _advance(
        self, state: Ensembles, n_draws: int, n_before: int
    ) -> tuple[Ensembles, tuple[Array, Array], int, bool]:
        thin = self._settings.thin
        E, W, d = state.positions.shape
        ended = resume_ensemble(
            self._density.value,
            state,
            n_draws * thin,
            thin=thin,
            monitor=self._bar.steps(E),
        )
        n = ended.positions.shape[1]
        at, turn = np.arange(n), (n_before + np.arange(n)) % W
        records = np.zeros((E, n, N_RECORDS))
        records[..., 0] = ended.log_densities.reshape(E, W, n)[:, turn, at]
        records[..., [1, 3]] = np.nan
        records[..., 2] = ended.acceptance.reshape(E, W).mean(axis=1)[:, None]
        positions = ended.positions.reshape(E, W, n, d)[:, turn, at]
        return (
            ended.ensembles,
            (positions, records),
            ended.n_evaluations,
            ended.interrupted,
        )

    def _check_same_density(self, state: Ensembles) -> None:
        flat = state.positions.reshape(-1, state.positions.shape[-1])
        self._check_same(flat, state.log_densities.ravel())


def _check_continues(before: Chains, settings: Settings, n_dim: int) -> None:
    """Raise a ValueError for what cannot change from run to run."""
    fixed = ("sampler", "n_chains", "thin")
    for name in fixed:
        old, new = getattr(before.settings, name), getattr(settings, name)
        if old != new:
            raise ValueError(
                f"warm_start=True goes on with the chains there are: {name} must stay "
                f"{old!r}, got {new!r}. Set warm_start=False to start anew."
            )
    if before.positions.shape[2] != n_dim:
        raise ValueError(
            "warm_start=True goes on with the chains there are, in "
            f"{before.positions.shape[2]} dimensions, got {n_dim}. Set "
            "warm_start=False to start anew."
        )
    if settings.n_draws < before.positions.shape[1]:
        raise ValueError(
            "With warm_start=True, n_draws is the number of all draws of a chain: it "
            f"must be at least {before.positions.shape[1]}, got {settings.n_draws}."
        )


def _check_memory(settings: Settings, n_dim: int, bar: Bar) -> None:
    """Tell how much memory draws take, before they do."""
    s = settings
    needed = 8 * s.n_chains * s.n_draws * (n_dim + N_RECORDS) + 16 * _CHUNK
    bar.write(f"The draws of {s.n_chains} chains take {in_bytes(needed)} of memory.")
    there = memory()
    if there is not None and needed > there:
        raise MemoryError(
            f"n_chains={s.n_chains} times n_draws={s.n_draws} draws in {n_dim} "
            f"dimensions take {in_bytes(needed)} of memory, and this machine has "
            f"{in_bytes(there)}. Lower n_draws; thin={10 * s.thin} would keep every "
            f"{10 * s.thin}th draw, which tells almost as much as all."
        )
