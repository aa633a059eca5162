"""Compiled passes for paths of hidden states: the best ones, draws, new ones.

Arrays are laid out as in `_kernels`: a row of data in each column, the rows at one step
of all chains adjacent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@njit(nogil=True, cache=True)
def best_paths(
    log_emission: Array,
    log_transition: Array,
    start: Array,
    offset: Indices,
    back: NDArray[Any],
    end: Array,
) -> None:
    """Viterbi: fill `back` (K, n), the best state before, and `end` (K, m).

    `start` (K, m) are the log-probabilities of the best ways to each state at step 0,
    its own row excluded; `end` those to each state at the last step. They are shifted
    so that the highest is zero.
    """
    n_states = len(log_emission)
    n_steps = len(offset) - 1
    value = np.empty(n_states)
    for s in range(offset[1]):
        for t in range(n_steps):
            at = offset[t] + s
            if at >= offset[t + 1]:
                break
            for j in range(n_states):
                if t == 0:
                    value[j] = start[j, s]
                    continue
                best, chosen = -np.inf, 0
                for i in range(n_states):
                    candidate = end[i, s] + log_transition[i, j]
                    if candidate > best:
                        best, chosen = candidate, i
                value[j] = best
                back[j, at] = chosen
            highest = -np.inf
            for j in range(n_states):
                joint = value[j] + log_emission[j, at]
                highest = max(highest, joint)
            for j in range(n_states):
                seen = log_emission[j, at] if highest > -np.inf else 0.0
                end[j, s] = value[j] + seen
            shift = end[:, s].max()
            for j in range(n_states):
                end[j, s] -= shift


@njit(nogil=True, cache=True)
def trace_back(
    back: NDArray[Any], last: Indices, offset: Indices, path: Indices
) -> None:
    """Fill `path` (n,) from the states at the last step of each chain."""
    n_steps = len(offset) - 1
    for s in range(offset[1]):
        state = last[s]
        for t in range(n_steps - 1, -1, -1):
            at = offset[t] + s
            if at >= offset[t + 1]:
                continue
            path[at] = state
            state = back[state, at]


@njit(nogil=True, cache=True)
def draw_paths(
    log_filtered: Array,
    log_transition: Array,
    following: Indices,
    uniform: Array,
    offset: Indices,
    path: Indices,
) -> None:
    """Draw `path` (n,) from its law given all rows, from the last step to the first.

    `log_filtered` (K, n) are log-probabilities of the state given the rows so far, and
    `following` (m,) the state after the last row, or -1.
    """
    n_states = len(log_filtered)
    n_steps = len(offset) - 1
    share = np.empty(n_states)
    for s in range(offset[1]):
        state = following[s]
        for t in range(n_steps - 1, -1, -1):
            at = offset[t] + s
            if at >= offset[t + 1]:
                continue
            peak = -np.inf
            for j in range(n_states):
                onward = log_transition[j, state] if state >= 0 else 0.0
                share[j] = log_filtered[j, at] + onward
                peak = max(peak, share[j])
            whole = 0.0
            for j in range(n_states):
                whole += np.exp(share[j] - peak)
                share[j] = whole
            threshold = uniform[at] * whole
            state = 0
            while state < n_states - 1 and share[state] <= threshold:
                state += 1
            path[at] = state


@njit(nogil=True, cache=True)
def simulate(
    start: Array, transition: Array, uniform: Array, state: Indices, path: Any
) -> None:
    """Fill `path` (m, T) with chains; `start` and `transition` are cumulative.

    A chain goes on from `state` (m,), or starts anew where that is -1.
    """
    last = len(start) - 1
    for s in range(len(path)):
        now = state[s]
        for t in range(path.shape[1]):
            row = start if now < 0 else transition[now]
            threshold = uniform[s, t] * row[last]
            now = 0
            while now < last and row[now] <= threshold:
                now += 1
            path[s, t] = now
