"""Compiled exchanges between lanes of different temperatures.

Lane 0 is the target. Row l * C + c of the state of the No-U-Turn sampler is lane l of
chain c, which has a stream of random numbers for its exchanges.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.mcmc import _nuts_kernels as nuts
from sklgen.mcmc._metric_kernels import bend_row
from sklgen.mcmc._stream_kernels import uniform

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Streams = NDArray[np.uint64]

# What a position has seen of the ends of the ladder: the coldest lane, or that and then
# the hottest one; 0 is nothing yet.
_COLD, _HOT = 1, 2


@njit(nogil=True, cache=True)
def partners(n_lanes: int, n_chains: int, clock: int) -> Counts:
    """Row that each row may exchange positions with: its own, if with none.

    Lanes 2k and 2k + 1 are paired when the clock is even, 2k + 1 and 2k + 2 when it is
    odd.
    """
    out = np.arange(n_lanes * n_chains)
    for low in range(clock % 2, n_lanes - 1, 2):
        for c in range(n_chains):
            one, other = low * n_chains + c, (low + 1) * n_chains + c
            out[one], out[other] = other, one
    return out


@njit(nogil=True, cache=True)
def acceptance(cold: float, hot: float, at_cold: float, at_hot: float) -> float:
    """Probability of an exchange, given powers and log-likelihoods of two lanes."""
    gain = (cold - hot) * (at_hot - at_cold)
    return 1.0 if gain >= 0.0 else math.exp(gain)


@njit(nogil=True, cache=True)
def _to_unit(metric: tuple[Array, ...], row: int, x: Array, out: Array) -> None:
    """Write the coordinates of position `row` in the metric of the row."""
    location, scale, factor, basis, shortage = metric
    d = x.shape[1]
    for i in range(d):
        out[0, i] = x[row, i] - location[row, i]
    if not factor.shape[1]:
        for i in range(d):
            out[1, i] = out[0, i] / scale[row, i]
        bend_row(basis, shortage, row, out, 1, out, 0)
        return
    for i in range(d):
        for j in range(i):
            out[0, i] -= factor[row, i, j] * out[0, j]
        out[0, i] /= factor[row, i, i]


@njit(nogil=True, cache=True)
def exchange(
    state: tuple[Array, Array, Counts, Streams],
    metric: tuple[Array, ...],
    log_likelihood: Array,
    theirs: tuple[Array, Array, Array],
    powers: Array,
    kept: tuple[Streams, Counts, Counts, Array, Counts, Counts],
) -> None:
    """Exchange positions of neighbours, with the probabilities that keep all laws.

    `metric` has the parameters of each row, with the excess of the inverse map.
    `log_likelihood` (L C,) belongs to the positions of the rows; `theirs` is what rows
    get if they exchange: positions of their partners, and in their own lane
    log-densities and gradients, these in their own coordinates. Rows with a new
    position begin a new tree. `kept` are the other arrays of an `Exchange`.
    """
    vectors, numbers, counts, streams = state
    x, log_density, gradient = theirs
    own_streams, marks, trips, rejected, tried, clock = kept
    n_lanes, n_chains = marks.shape
    pair, unit = np.empty(2, np.int64), np.empty((2, x.shape[1]))
    for low in range(clock[0] % 2, n_lanes - 1, 2):
        for c in range(n_chains):
            pair[0], pair[1] = low * n_chains + c, (low + 1) * n_chains + c
            accept = acceptance(
                powers[low],
                powers[low + 1],
                log_likelihood[pair[0]],
                log_likelihood[pair[1]],
            )
            rejected[low] += 1.0 - accept
            tried[low] += 1
            if uniform(own_streams, c) >= accept:
                continue
            for row in (pair[0], pair[1]):
                _to_unit(metric, row, x, unit)
                for i in range(x.shape[1]):
                    vectors[nuts.CHOSEN, row, i] = unit[0, i]
                    vectors[nuts.CHOSEN_GRADIENT, row, i] = gradient[row, i]
                numbers[row, nuts.LOG_DENSITY] = log_density[row]
            nuts.start(vectors, numbers, counts, streams, pair)
            mark = marks[low, c]
            marks[low, c] = marks[low + 1, c]
            marks[low + 1, c] = mark
    for c in range(n_chains):
        trips[c] += marks[0, c] == _HOT
        marks[0, c] = _COLD
        if marks[n_lanes - 1, c] == _COLD:
            marks[n_lanes - 1, c] = _HOT
    clock[0] += 1


# Calls kernels of other modules, as of 84109864d980.
