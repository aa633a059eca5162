"""Chains of an estimator: how they are kept, and gone on with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc import _run as run
from sklgen.mcmc._ensemble_state import Ensembles
from sklgen.mcmc._evaluate import told
from sklgen.mcmc._metric import Kind
from sklgen.mcmc._nuts import Recorded
from sklgen.mcmc._nuts_kernels import N_RECORDS
from sklgen.mcmc._progress import Bar
from sklgen.mcmc._starts import Frame
from sklgen.mcmc._tempering import Tempered

# Numbers of draws that are on their way at once, a share of memory to speak of.
CHUNK = 1 << 22

State = TypeVar("State", run.Sampler, Ensembles, Tempered)


SamplerName = Literal["nuts", "ensemble", "tempered"]


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

    sampler: SamplerName = "nuts"
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
    state : Sampler, Ensembles or Tempered
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
    state: run.Sampler | Ensembles | Tempered
    settings: Settings
    n_walkers: int
    n_evaluations: int
    interrupted: bool


class Runner(ABC, Generic[State]):
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
        size = max(1, CHUNK // (s.n_chains * self._width(n_dim) * n_dim * s.thin))
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


def _check_continues(before: Chains, settings: Settings, n_dim: int) -> None:
    """Raise a ValueError for what cannot change from run to run."""
    fixed = (
        "sampler",
        "n_chains",
        "n_warmup",
        "thin",
        "target_accept",
        "metric",
        "max_depth",
    )
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
