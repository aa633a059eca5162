"""Parallel tempering: lanes of the No-U-Turn sampler that exchange positions.

Each chain has lanes for the prior times powers of the likelihood, from 1 down. All
lanes of all chains are chains to the sampler, which advances them in lock step. When
each has made a draw, neighbours exchange positions, pairs that begin with an even lane
and pairs that begin with an odd one in turn: so what comes from hot lanes, which cross
between modes, goes on to the cold one and does not diffuse. The draws are those of the
coldest lanes.

References
----------
Syed, Bouchard-Côté, Deligiannidis and Doucet (2022), Non-reversible parallel tempering:
a scalable highly parallel MCMC scheme, JRSS B 84; Okabe, Kawata, Okamoto and Mikami
(2001), Replica-exchange Monte Carlo method for the isobaric-isothermal ensemble,
Chemical Physics Letters 335, for the turns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.mcmc import _nuts as nuts
from sklgen.mcmc import _nuts_kernels as nuts_kernels
from sklgen.mcmc import _run as run
from sklgen.mcmc import _tempering_kernels as kernels
from sklgen.mcmc._evaluate import Evaluator, SelfDriven, ask
from sklgen.mcmc._metric import Metric

Answer = tuple[Array, Array]
# From positions (A, d) to the log-prior (A,) and its gradient (A, d), and to those of
# the log-likelihood.
Parts = Callable[[Array], tuple[Answer, Answer]]

_TELL_EVERY = 8


@dataclass(frozen=True)
class Exchange:
    """Lanes of C chains, and how exchanges went since warm-up.

    Attributes
    ----------
    powers : ndarray of shape (L,)
        Power of the likelihood in each lane, from 1 down.
    streams : ndarray of uint64 of shape (C, 4)
        Random numbers of the chains, for exchanges.
    marks : ndarray of int64 of shape (L, C)
        Which ends of the ladder positions have seen.
    trips : ndarray of int64 of shape (C,)
        How many positions went from the coldest lane to the hottest and back.
    rejected, tried : ndarray of shape (L - 1,)
        Sum of the probabilities that exchanges were rejected with, and their number.
    clock : ndarray of int64 of shape (1,)
        Number of rounds of exchanges.
    """

    powers: Array
    streams: NDArray[np.uint64]
    marks: nuts.Index
    trips: nuts.Index
    rejected: Array
    tried: nuts.Index
    clock: nuts.Index

    @staticmethod
    def begun(powers: Array, streams: NDArray[np.uint64]) -> Exchange:
        """No exchange was made yet."""
        n_lanes, n_chains = len(powers), len(streams)
        return Exchange(
            powers,
            streams.copy(),
            np.zeros((n_lanes, n_chains), np.int64),
            np.zeros(n_chains, np.int64),
            np.zeros(n_lanes - 1),
            np.zeros(n_lanes - 1, np.int64),
            np.zeros(1, np.int64),
        )

    def copy(self) -> Exchange:
        """Give one that shares no memory with this one."""
        return Exchange(*(getattr(self, field.name).copy() for field in fields(self)))

    @property
    def rejection(self) -> Array:
        """Share (L - 1,) of the exchanges of neighbours that were rejected."""
        return self.rejected / np.maximum(self.tried, 1)


@dataclass(frozen=True)
class Tempered:
    """Chains with lanes after warm-up, from which runs start; never changed by them.

    Attributes
    ----------
    sampler : Sampler
        All lanes: row l * C + c is lane l of chain c.
    exchange : Exchange
        Their temperatures.
    """

    sampler: run.Sampler
    exchange: Exchange


class Lanes(SelfDriven):
    """Densities of all lanes, which advance together.

    Parameters
    ----------
    parts : callable
        Log-prior and log-likelihood.
    exchange : Exchange
        Temperatures; exchanges are written into it.

    Attributes
    ----------
    count : int
        Number of positions that were asked for.
    max_depth : int
        Largest number of doublings of a tree, if smaller than what `fill` is told. The
        hottest lane may have the longest trees, for which the others would wait.
    """

    def __init__(self, parts: Parts, exchange: Exchange) -> None:
        self._parts, self.exchange = parts, exchange
        self.count, self.max_depth = 0, sys.maxsize

    def __call__(self, x: Array) -> Answer:
        """Log-densities (A,) and gradients (A, d) of the coldest lane."""
        return _joined(self._ask(x), np.ones(len(x)))

    def placed(
        self,
        metric: Metric,
        x: Array,
        streams: NDArray[np.uint64],
        steps: Array,
        max_depth: int,
    ) -> nuts.State:
        """Give lanes that begin at positions (L C, d)."""
        value, gradient = _joined(self._ask(x), self._powers())
        slope = metric.pull(gradient, np.arange(len(x)))
        return nuts.init(
            metric.unit(x), value, slope, streams, step_size=steps, max_depth=max_depth
        )

    def fill(
        self,
        state: nuts.State,
        metric: Metric,
        trace: nuts.Trace,
        *,
        max_depth: int,
        target_accept: float,
        tell: Callable[[nuts.Index], None],
    ) -> int:
        """Advance lanes until the trace, of all or of the coldest, is full."""
        n_kept, n_draws, d = trace.positions.shape
        n_chains = self.exchange.marks.shape[1]
        one = nuts.Trace.empty(state.n_chains, 1, d, gradients=True)
        done, before = 0, self.count
        max_depth = min(max_depth, self.max_depth)
        try:
            while done < n_draws:
                self._draw(state, metric, one, max_depth, target_accept)
                trace.positions[:, done] = one.positions[:n_kept, 0]
                trace.records[:, done] = one.records[:n_kept, 0]
                if trace.gradients.size:
                    trace.gradients[:, done] = one.gradients[:n_kept, 0]
                done += 1
                self._exchange(state, metric)
                if done % _TELL_EVERY == 0 or done == n_draws:
                    tell(np.full(n_chains, done))
        finally:
            state.counts[:, nuts_kernels.DRAWS] = done
        return self.count - before

    def _draw(
        self,
        state: nuts.State,
        metric: Metric,
        trace: nuts.Trace,
        max_depth: int,
        target_accept: float,
    ) -> None:
        """Let each lane make one draw."""
        nuts.rewind(state)
        powers = self._powers()
        rows = np.arange(state.n_chains)
        while len(rows):
            x = metric.positions(nuts.queries(state)[rows], rows)
            value, gradient = _joined(self._ask(x), powers[rows])
            if nuts.advance(
                state,
                value,
                metric.pull(gradient, rows),
                trace,
                rows=rows,
                max_depth=max_depth,
                target_accept=target_accept,
            ):
                rows = np.flatnonzero(state.n_drawn < 1)

    def _exchange(self, state: nuts.State, metric: Metric) -> None:
        """Let neighbours exchange positions."""
        e, rows = self.exchange, np.arange(state.n_chains)
        x = metric.positions(state.positions, rows)
        (prior, slope), (likelihood, rise) = self._ask(x)
        n_lanes, n_chains = e.marks.shape
        other = kernels.partners(n_lanes, n_chains, int(e.clock[0]))
        theirs = (prior[other], slope[other]), (likelihood[other], rise[other])
        value, gradient = _joined(theirs, self._powers())
        *arrays, excess = metric.arrays()
        kernels.exchange(
            (state.vectors, state.numbers, state.counts, state.streams),
            (*arrays, 1 / (1 + excess) - 1),
            np.ascontiguousarray(likelihood),
            (x[other], value, metric.pull(gradient, rows)),
            e.powers,
            (e.streams, e.marks, e.trips, e.rejected, e.tried, e.clock),
        )

    def _ask(self, x: Array) -> tuple[Answer, Answer]:
        self.count += len(x)
        return ask(self._parts, x)

    def _powers(self) -> Array:
        """Power of each row."""
        return np.repeat(self.exchange.powers, self.exchange.marks.shape[1])


def _joined(parts: tuple[Answer, Answer], powers: Array) -> Answer:
    """Put prior and likelihood together; NaN where neither is."""
    (prior, slope), (likelihood, rise) = parts
    with np.errstate(invalid="ignore"):
        return prior + powers * likelihood, slope + powers[:, None] * rise


def draw_tempered(
    parts: Parts,
    tempered: Tempered,
    n_draws: int,
    *,
    monitor: run.Monitor | None = None,
) -> tuple[run.Draws, Tempered]:
    """Draw from chains that are warm.

    Parameters
    ----------
    parts : callable
        From positions (A, d) to log-prior and log-likelihood, with gradients.
    tempered : Tempered
        Chains with lanes, which do not change.
    n_draws : int
        Number of draws of each chain.
    monitor : callable, optional
        Called with the stage, draws so far and draws in all.

    Returns
    -------
    draws : Draws
        Draws of the coldest lanes.
    tempered : Tempered
        The chains at the end, to go on from: the same draws as one longer run.
    """
    lanes = Lanes(parts, tempered.exchange.copy())
    n_chains = len(lanes.exchange.streams)
    draws = run.draw(Evaluator(lanes), tempered.sampler, n_draws, monitor, n_chains)
    return draws, Tempered(draws.sampler, lanes.exchange)
