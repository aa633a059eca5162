"""How each sampler draws for an estimator."""

from __future__ import annotations

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc import _run as run
from sklgen.mcmc._differences import Differences
from sklgen.mcmc._ensemble import resume_ensemble, sample_ensemble
from sklgen.mcmc._ensemble_state import Ensembles
from sklgen.mcmc._evaluate import Density, SelfDriven
from sklgen.mcmc._nuts_kernels import N_RECORDS
from sklgen.mcmc._posterior import Posterior
from sklgen.mcmc._progress import Bar
from sklgen.mcmc._runner import LogDensity, Runner, Settings
from sklgen.mcmc._starts import Frame
from sklgen.mcmc._tempering import Parts, Tempered, draw_tempered
from sklgen.mcmc._tempering_warmup import warm_tempered

# Power of a density without prior in the hottest lane: a normal law is seven times as
# wide there.
_LOWEST = 0.02


class Nuts(Runner[run.Sampler]):
    """The No-U-Turn sampler, with differences for gradients where there are none."""

    def __init__(self, density: LogDensity, settings: Settings, bar: Bar) -> None:
        super().__init__(density, settings, bar)
        self._ask, self._cost = _with_gradients(density)
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


class Walkers(Runner[Ensembles]):
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


class Lanes(Runner[Tempered]):
    """Parallel tempering: the draws of the coldest of several lanes of each chain."""

    def __init__(self, density: LogDensity, settings: Settings, bar: Bar) -> None:
        super().__init__(density, settings, bar)
        whole, self._cost = _with_gradients(density)
        self._parts, self._lowest = _bare(whole), _LOWEST
        if isinstance(density, Posterior):
            self._parts = density.split
            self._lowest = 0.0 if density.is_proper_prior else _LOWEST

    def _width(self, n_dim: int) -> int:
        return 1

    def _warm_up(
        self,
        n_dim: int,
        rng: np.random.Generator,
        starts: Array | None,
        frame: Frame | None,
    ) -> tuple[Tempered, int]:
        s = self._settings
        tempered, n_asked = warm_tempered(
            self._parts,
            n_dim,
            n_chains=s.n_chains,
            n_warmup=s.n_warmup,
            rng=rng,
            lowest=self._lowest,
            target_accept=s.target_accept,
            metric=s.metric,
            max_depth=s.max_depth,
            starts=starts,
            frame=frame,
            monitor=self._bar,
        )
        return tempered, n_asked * self._cost

    def _advance(
        self, state: Tempered, n_draws: int, n_before: int
    ) -> tuple[Tempered, tuple[Array, Array], int, bool]:
        thin = self._settings.thin
        ended, state = draw_tempered(
            self._parts, state, n_draws * thin, monitor=self._bar
        )
        kept = slice(thin - 1, None, thin)
        return (
            state,
            (ended.positions[:, kept], ended.records[:, kept]),
            ended.n_evaluations * self._cost,
            ended.interrupted,
        )

    def _check_same_density(self, state: Tempered) -> None:
        sampler, cold = state.sampler, slice(len(state.exchange.streams))
        x = sampler.metric.positions(
            sampler.state.positions, np.arange(sampler.state.n_chains)
        )
        self._check_same(x[cold], sampler.state.log_densities[cold])


def _with_gradients(density: LogDensity) -> tuple[Density, int]:
    """Give log-densities and gradients, and how many of the former they cost."""
    if density.has_gradient:
        return density.value_and_gradient, 1
    return Differences(density.value), 2 * density.n_dim + 1


def _bare(whole: Density) -> Parts:
    """Give a density without prior as if its prior were flat."""
    return lambda x: ((np.zeros(len(x)), np.zeros(x.shape)), whole(x))
