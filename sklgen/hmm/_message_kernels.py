"""Compiled passes over one chain that keep what is known at a few rows alone."""

from __future__ import annotations

import numpy as np
from numba import njit

from sklgen.hmm._kernels import UNDERFLOW, Array, Indices


@njit(nogil=True, cache=True, error_model="numpy")
def pass_on(
    emission: Array,
    transition: Array,
    start: Array,
    ends: Indices,
    total: Array,
    filtered: Array,
) -> bool:
    """Filter one chain, keeping what is known at a few rows alone.

    `emission`, `start` (K,) and `total` are as in `forward`; `filtered` (K, m) becomes
    the probabilities of the states at the rows `ends`, given all rows so far. All
    transitions are possible. Returns whether nothing underflowed.
    """
    n_states, n_rows = emission.shape
    state, ahead = np.empty(n_states), start.copy()
    at = 0
    for t in range(n_rows):
        if t > 0:
            ahead[:] = 0.0
            for i in range(n_states):
                share, row = state[i], transition[i]
                for j in range(n_states):
                    ahead[j] += share * row[j]
        whole = 0.0
        for j in range(n_states):
            state[j] = ahead[j] * emission[j, t]
            whole += state[j]
        if not whole > UNDERFLOW:
            return False
        total[t] = whole
        for j in range(n_states):
            state[j] /= whole
        if at < len(ends) and t == ends[at]:
            filtered[:, at] = state
            at += 1
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def pass_back(
    emission: Array, transposed: Array, future: Array, starts: Indices, ahead: Array
) -> bool:
    """Probability of the rows from each of `starts` on, given the state before them.

    `emission`, `transposed` and `future` (K,) are as in `backward`; `ahead` (K, m) is
    up to a factor for each start. Returns whether nothing underflowed.
    """
    n_states, n_rows = emission.shape
    beta, joint = future.copy(), np.empty(n_states)
    at = len(starts) - 1
    for t in range(n_rows - 1, -1, -1):
        whole = 0.0
        for j in range(n_states):
            joint[j] = beta[j] * emission[j, t]
            whole += joint[j]
        if not whole > UNDERFLOW:
            return False
        beta[:] = 0.0
        for j in range(n_states):
            share, row = joint[j] / whole, transposed[j]
            for i in range(n_states):
                beta[i] += share * row[i]
        if at >= 0 and t == starts[at]:
            ahead[:, at] = beta
            at -= 1
    return True


# Calls kernels of other modules, as of d5ef3327828f.
