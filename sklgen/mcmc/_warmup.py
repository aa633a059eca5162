"""Warm-up of chains: windows of draws, after each of which the metric is found anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._metric import Kind, Metric, separate, shared

# Draws of the first window, and depths that trees are held to in the first ones, where
# the metric may be bad and long trees a waste.
_FIRST = 20
_DEPTHS = (5, 6, 7)
# Share of the draws that is left to step sizes alone, and its bounds.
_LAST, _LAST_LEAST, _LAST_MOST = 0.1, 20, 60
# Variance of the chains' means over that within chains, beyond which they are apart.
_APART = 4.0


@dataclass(frozen=True)
class Window:
    """Draws of one metric.

    Attributes
    ----------
    n_draws : int
        Number of draws of each chain.
    max_depth : int
        Depth that trees are held to.
    early : bool
        Whether the metric of these draws may be bad.
    last : bool
        Whether the metric stays what it is afterwards.
    """

    n_draws: int
    max_depth: int
    early: bool
    last: bool


def schedule(n_warmup: int, max_depth: int) -> list[Window]:
    """Cut the warm-up into windows, each twice as long as the one before."""
    last = int(np.clip(_LAST * n_warmup, _LAST_LEAST, _LAST_MOST))
    left = n_warmup - last
    sizes: list[int] = []
    size = _FIRST
    while left >= size:
        fits = left - size >= 2 * size
        sizes.append(size if fits else left)
        left -= sizes[-1]
        size *= 2
    sizes.append(n_warmup - sum(sizes))
    caps = [*_DEPTHS, *[max_depth] * len(sizes)]
    windows = [
        Window(
            n,
            min(cap, max_depth),
            early=at < len(_DEPTHS),
            last=at == len(sizes) - 1,
        )
        for at, (n, cap) in enumerate(zip(sizes, caps, strict=False))
    ]
    return [window for window in windows if window.n_draws]


def adapted(kind: Kind, draws: Array, gradients: Array, log_densities: Array) -> Metric:
    """Find a metric from draws (C, n, d): one for all chains, unless they are apart."""
    if apart(draws, log_densities):
        return separate(kind, draws, gradients)
    return shared(kind, draws, gradients)


def apart(draws: Array, log_densities: Array) -> bool:
    """Tell whether some chains are where others do not come to."""
    values = np.concatenate([draws, log_densities[..., None]], axis=2)
    within = values.var(axis=1).mean(axis=0)
    between = values.mean(axis=1).var(axis=0)
    return bool((between > _APART * within).any())


def pooled(step_sizes: Array, metric: Metric) -> Array:
    """Give chains with one metric one step size, the geometric mean of theirs."""
    if len(metric.location) > 1:
        return step_sizes
    return np.full(len(step_sizes), np.exp(np.log(step_sizes).mean()))


def first_step(n_dim: int) -> float:
    """Step size that suits a standard normal law in so many dimensions."""
    return float(n_dim**-0.25)
