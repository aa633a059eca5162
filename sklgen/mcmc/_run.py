"""Runs of the No-U-Turn sampler: starts, warm-up, draws, and going on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.mcmc import _nuts as nuts
from sklgen.mcmc import _pathfinder as pathfinder
from sklgen.mcmc._evaluate import Density, Evaluator, told
from sklgen.mcmc._metric import Kind, Metric, convert, identity, stacked
from sklgen.mcmc._starts import Frame
from sklgen.mcmc._warmup import Window, adapted, first_step, pooled, schedule

# Called now and then with what is going on, draws so far and draws in all.
Monitor = Callable[[str, int, int], None]

# What chains learn from a window of warm-up: they get a metric and begin anew.
Learn = Callable[[nuts.State, Metric, nuts.Trace, Window], tuple[nuts.State, Metric]]

# Dimensions beyond which a dense metric costs more than it gives.
_DENSE = 200


@dataclass(frozen=True)
class Sampler:
    """Chains after warm-up, from which runs start; never changed by them.

    Attributes
    ----------
    state : State
        Where the chains are, in the coordinates of the metric.
    metric : Metric
        The map to positions.
    max_depth : int
        Largest number of doublings of a tree.
    """

    state: nuts.State
    metric: Metric
    max_depth: int


@dataclass(frozen=True)
class Draws(nuts.Recorded):
    """Draws of C chains.

    Attributes
    ----------
    positions : ndarray of shape (C, n, d)
        In the coordinates of the density.
    records : ndarray of shape (C, n, 7)
        What is known of them.
    sampler : Sampler
        The chains at the end, to go on from.
    n_evaluations : int
        Number of positions at which the density was asked for in this run, its starts
        and warm-up included.
    interrupted : bool
        Whether a KeyboardInterrupt ended the run before its time.
    """

    positions: Array
    records: Array
    sampler: Sampler
    n_evaluations: int
    interrupted: bool


def sample_nuts(
    density: Density,
    n_dim: int,
    *,
    n_chains: int,
    n_warmup: int,
    n_draws: int,
    rng: np.random.Generator,
    target_accept: float = 0.8,
    metric: Kind = "dense",
    max_depth: int = 10,
    starts: Array | None = None,
    frame: Frame | None = None,
    monitor: Monitor | None = None,
) -> Draws:
    """Warm chains up and draw from them.

    Parameters
    ----------
    density : callable
        From positions (A, d) to their log-densities (A,) and gradients (A, d).
    n_dim : int
        Number d of dimensions.
    n_chains, n_warmup, n_draws : int
        Number of chains, and of draws of each of them before and after adaptation.
    rng : Generator
        Seeds the chains, which have streams of their own.
    target_accept : float
        Mean acceptance probability that steps are adapted to.
    metric : {"dense", "diagonal", "low_rank"}
        What is adapted to the shape of the target; "dense" is "low_rank" beyond 200
        dimensions.
    max_depth : int
        Largest number of doublings of a tree.
    starts : ndarray of shape (n_chains, n_dim), optional
        Where chains start; by default Pathfinder finds out.
    frame : Frame, optional
        Where it begins, and in which units.
    monitor : callable, optional
        Called with the stage, draws so far and draws in all.

    Returns
    -------
    Draws
        With the state of the chains at the end.
    """
    evaluate = Evaluator(density)
    kind = chosen(metric, n_dim)
    streams = nuts.streams(rng, n_chains)
    sampler = start(evaluate, n_dim, streams, kind, max_depth, starts, frame)
    learn = partial(_learn, kind)
    sampler = warm_up(evaluate, sampler, n_warmup, target_accept, learn, monitor)
    return draw(evaluate, sampler, n_draws, monitor)


def chosen(metric: Kind, n_dim: int) -> Kind:
    """Give the kind of metric for so many dimensions."""
    return "low_rank" if metric == "dense" and n_dim > _DENSE else metric


def resume(
    density: Density, sampler: Sampler, n_draws: int, *, monitor: Monitor | None = None
) -> Draws:
    """Draw more from chains that are warm: the same draws as one longer run."""
    return draw(Evaluator(density), sampler, n_draws, monitor)


def start(
    evaluate: Evaluator,
    n_dim: int,
    streams: NDArray[np.uint64],
    kind: Kind,
    max_depth: int,
    starts: Array | None,
    frame: Frame | None,
) -> Sampler:
    """Put a chain for each of the streams (C, 4) where it starts."""
    n_chains = len(streams)
    if starts is None:
        rngs = [np.random.default_rng(seed) for seed in streams]
        points = pathfinder.points(evaluate, n_dim, rngs, frame)
        paths = pathfinder.starts(evaluate, points, rngs, frame)
        chosen = pathfinder.gate(paths)
        x, value, gradient = (
            np.stack([getattr(paths[p], name)[at] for p, at in chosen])
            for name in ("draws", "log_densities", "gradients")
        )
        metric = convert(stacked([paths[p].gaussian for p, _ in chosen]), kind)
    else:
        x = np.array(starts, dtype=np.float64)
        metric = identity(n_dim)
        value, gradient = _at_starts(evaluate, x, n_chains, n_dim)
    state = nuts.init(
        metric.unit(x),
        value,
        metric.pull(gradient, np.arange(n_chains)),
        streams,
        step_size=first_step(n_dim),
        max_depth=max_depth,
    )
    return Sampler(state, metric, max_depth)


def _at_starts(
    evaluate: Evaluator, x: Array, n_chains: int, n_dim: int
) -> tuple[Array, Array]:
    if x.shape != (n_chains, n_dim):
        raise ValueError(
            f"starts must have the shape (n_chains, n_dim) = {(n_chains, n_dim)}, got "
            f"{x.shape}."
        )
    value, gradient = evaluate.kept(x)
    bad = np.flatnonzero(~(np.isfinite(value) & np.isfinite(gradient).all(axis=1)))
    if len(bad):
        c = bad[0]
        raise ValueError(
            f"starts must have a finite log-density and gradient, got {value[c]} and "
            f"{told(gradient[c])} for chain {c} at {told(x[c])}. Give other `starts`, "
            "or None to have them found."
        )
    return value, gradient


def warm_up(
    evaluate: Evaluator,
    sampler: Sampler,
    n_warmup: int,
    target_accept: float,
    learn: Learn,
    monitor: Monitor | None,
) -> Sampler:
    """Let chains learn from draws, window by window."""
    state, metric = sampler.state, sampler.metric
    done = 0
    for window in schedule(n_warmup, sampler.max_depth):
        n_chains, d = state.positions.shape
        trace = nuts.Trace.empty(n_chains, window.n_draws, d, gradients=True)
        tell = _Told(monitor, "warm-up", done, n_warmup)
        evaluate.fill(
            state,
            metric,
            trace,
            max_depth=window.max_depth,
            target_accept=target_accept,
            tell=tell,
        )
        done += window.n_draws
        state, metric = learn(state, metric, trace, window)
    return Sampler(state, metric, sampler.max_depth)


def _learn(
    kind: Kind, state: nuts.State, metric: Metric, trace: nuts.Trace, window: Window
) -> tuple[nuts.State, Metric]:
    n_chains, d = state.positions.shape
    rows = np.arange(n_chains)
    x = metric.positions(state.positions, rows)
    gradient = metric.push(state.gradients)
    if window.last:
        steps = pooled(state.mean_step_sizes, metric)
    else:
        metric = adapted(
            kind,
            metric.traced(trace.positions),
            metric.push(trace.gradients),
            trace.log_densities,
        )
        steps = state.mean_step_sizes
        if window.early:  # small steps may have been for want of a metric
            steps = np.maximum(steps, first_step(d))
    unit, slope = metric.unit(x), metric.pull(gradient, rows)
    nuts.restart(state, unit, slope, step_size=steps)
    return state, metric


def draw(
    evaluate: Evaluator,
    sampler: Sampler,
    n_draws: int,
    monitor: Monitor | None,
    n_kept: int | None = None,
) -> Draws:
    """Draw from chains, of which the first `n_kept` are recorded: all, by default."""
    state = sampler.state.copy()
    n_chains, d = state.positions.shape
    trace = nuts.Trace.empty(n_kept or n_chains, n_draws, d, gradients=False)
    tell = _Told(monitor, "sampling", 0, n_draws)
    interrupted = False
    try:
        evaluate.fill(
            state, sampler.metric, trace, max_depth=sampler.max_depth, tell=tell
        )
    except KeyboardInterrupt:
        interrupted = True
    kept = slice(int(state.n_drawn.min()))
    nuts.rewind(state)
    return Draws(
        sampler.metric.traced(trace.positions[:, kept]),
        trace.records[:, kept],
        Sampler(state, sampler.metric, sampler.max_depth),
        evaluate.count,
        interrupted,
    )


@dataclass(frozen=True)
class _Told:
    """What a monitor is told, if there is one."""

    monitor: Monitor | None
    stage: str
    done: int
    n_draws: int

    def __call__(self, n_drawn: NDArray[np.int64]) -> None:
        if self.monitor is not None:
            done = self.done * len(n_drawn) + int(n_drawn.sum())
            self.monitor(self.stage, done, self.n_draws * len(n_drawn))
