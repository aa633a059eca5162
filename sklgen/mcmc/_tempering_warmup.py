"""Warm-up of chains with lanes: starts, metrics, steps and temperatures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.mcmc import _nuts as nuts
from sklgen.mcmc import _run as run
from sklgen.mcmc import _tempering_ladder as ladder
from sklgen.mcmc._evaluate import Evaluator
from sklgen.mcmc._metric import Kind, Metric, stacked
from sklgen.mcmc._starts import Frame
from sklgen.mcmc._tempering import Exchange, Lanes, Parts, Tempered
from sklgen.mcmc._warmup import Window, adapted, first_step, pooled

# Depth that trees of all lanes may have, however short those of the coldest are.
_SHALLOW = 5


def warm_tempered(
    parts: Parts,
    n_dim: int,
    *,
    n_chains: int,
    n_warmup: int,
    rng: np.random.Generator,
    lowest: float = 0.0,
    n_lanes: int | None = None,
    target_accept: float = 0.8,
    metric: Kind = "dense",
    max_depth: int = 10,
    starts: Array | None = None,
    frame: Frame | None = None,
    monitor: run.Monitor | None = None,
) -> tuple[Tempered, int]:
    """Warm chains with lanes up.

    Parameters
    ----------
    parts : callable
        From positions (A, d) to log-prior and log-likelihood, with gradients.
    n_dim : int
        Number d of dimensions.
    n_chains, n_warmup : int
        Number of chains, and of draws of each lane.
    rng : Generator
        Seeds the chains, which have streams of their own.
    lowest : float
        Power of the likelihood in the hottest lane.
    n_lanes : int, optional
        Number of lanes of each chain, at least 2. By default half of the exchanges are
        to be rejected.
    target_accept : float
        Mean acceptance probability that steps are adapted to.
    metric : {"dense", "diagonal", "low_rank"}
        What is adapted to the shape of the law of each lane.
    max_depth : int
        Largest number of doublings of a tree.
    starts : ndarray of shape (n_chains, n_dim), optional
        Where all lanes of a chain start; by default Pathfinder finds out, for each.
    frame : Frame, optional
        Where it begins, and in which units.
    monitor : callable, optional
        Called with the stage, draws so far and draws in all.

    Returns
    -------
    tempered : Tempered
        Chains that are ready to draw.
    n_evaluations : int
        Number of positions that were asked for.
    """
    pool = _streams(rng, n_chains)
    powers = ladder.first(n_lanes or ladder.FIRST, lowest)
    n, kind = len(powers), run.chosen(metric, n_dim)
    lanes = Lanes(parts, Exchange.begun(powers, pool[-1]))
    evaluate = Evaluator(lanes)
    if starts is not None:
        starts = np.tile(starts, (n, 1))
    seeds = pool[:n].reshape(-1, 4)
    begun = run.start(evaluate, n_dim, seeds, kind, max_depth, starts, frame)
    rows = np.arange(len(seeds))
    own = _of_each(begun.metric, len(rows))
    x = own.positions(begun.state.positions, rows)
    state = begun.state
    state = lanes.placed(own, x, state.streams, state.mean_step_sizes, max_depth)
    learn = _Learner(lanes, kind, pool, max_depth, resize=n_lanes is None)
    sampler = run.warm_up(
        evaluate,
        run.Sampler(state, own, max_depth),
        n_warmup,
        target_accept,
        learn,
        monitor,
    )
    deepest = min(max_depth, lanes.max_depth)
    sampler = run.Sampler(sampler.state, sampler.metric, deepest)
    exchange = Exchange.begun(lanes.exchange.powers, lanes.exchange.streams)
    return Tempered(sampler, exchange), lanes.count


def _streams(rng: np.random.Generator, n_chains: int) -> NDArray[np.uint64]:
    """Seeds (n, C, 4) of lanes, and last those of exchanges.

    The first do not depend on how many chains there are.
    """
    n = ladder.MOST + 1
    seeds = nuts.streams(rng, n_chains * n).reshape(n_chains, n, 4)
    return np.ascontiguousarray(np.swapaxes(seeds, 0, 1))


def _of_each(metric: Metric, n: int) -> Metric:
    """Give each of n rows a metric of its own."""
    return metric if len(metric.location) == n else stacked([metric] * n)


class _Learner:
    """What lanes learn in warm-up: metrics and steps of each, and temperatures."""

    def __init__(
        self,
        lanes: Lanes,
        kind: Kind,
        pool: NDArray[np.uint64],
        max_depth: int,
        *,
        resize: bool,
    ) -> None:
        self._lanes, self._kind, self._pool = lanes, kind, pool
        self._max_depth, self._resize = max_depth, resize
        self._metrics: list[Metric] = []

    def __call__(
        self, state: nuts.State, metric: Metric, trace: nuts.Trace, window: Window
    ) -> tuple[nuts.State, Metric]:
        """Learn from a window of draws, and begin at the last of them."""
        exchange = self._lanes.exchange
        L, C = exchange.marks.shape
        x = metric.positions(state.positions, np.arange(L * C)).reshape(L, C, -1)
        steps = state.mean_step_sizes.reshape(L, C)
        deepest = int(trace.depths[:C].max())
        self._lanes.max_depth = max(_SHALLOW, deepest + 1)
        self._pool[:L] = state.streams.reshape(L, C, 4)
        if window.last:
            for lane, own in enumerate(self._metrics):
                steps[lane] = pooled(steps[lane], own)
        else:
            if window.early:
                steps = np.maximum(steps, first_step(x.shape[2]))
            self._metrics = self._adapted(metric, trace, L)
            chosen = self._respaced()
            x, steps = x[chosen], steps[chosen]
            self._metrics = [self._metrics[lane] for lane in chosen]
            metric = stacked([_of_each(own, C) for own in self._metrics])
        streams = self._pool[: len(x)].reshape(-1, 4)
        state = self._lanes.placed(
            metric, x.reshape(-1, x.shape[2]), streams, steps.ravel(), self._max_depth
        )
        return state, metric

    def _adapted(self, metric: Metric, trace: nuts.Trace, n_lanes: int) -> list[Metric]:
        """Metrics of lanes, each one for all chains unless they are apart."""
        parts = (
            metric.traced(trace.positions),
            metric.push(trace.gradients),
            trace.log_densities,
        )
        by_lane = [np.split(part, n_lanes) for part in parts]
        return [adapted(self._kind, *own) for own in zip(*by_lane, strict=True)]

    def _respaced(self) -> list[int]:
        """Change temperatures; tells for each new lane which one was nearest."""
        exchange = self._lanes.exchange
        before, rejection = exchange.powers, exchange.rejection
        n = ladder.wanted(rejection) if self._resize else len(before)
        powers = ladder.spaced(before, rejection, n)
        self._lanes.exchange = Exchange.begun(powers, exchange.streams)
        return ladder.nearest(powers, before)
