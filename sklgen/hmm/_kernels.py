"""Compiled passes over Markov chains that run side by side.

Arrays of shape (K, n) hold a row of data in each column. The rows at step t of all
chains lie from `offset[t]` to `offset[t + 1]`, in the order of the chains, the longest
first: chain s has its row at step t in column `offset[t] + s`. Inner loops are over
chains, which lie side by side, so that they compile to vector instructions for any
number of states.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

# Predicted probabilities below this are of states that no chain gets to.
_UNREACHED = 1e-290
# Probabilities below this may have lost digits, or all of them.
UNDERFLOW = 1e-250
# Where a transition is less likely, a state may live on what underflows elsewhere.
UNLIKELY = 1e-30
# The largest probability of a row that is taken for zero, in units of the row's sum.
_FLUSHED = 1e-307
# What underflow may cost, as a share of the likelihood, before it is an error.
_LOSS = 1e-17
# Fewer chains than this side by side leave no room for vectors.
_FEW = 8


@njit(nogil=True, cache=True)
def mix(M: Array, x: Array, at: int, out: Array, to: int, width: int) -> None:
    """Write the transpose of M (K, K) times columns of x to columns of `out`."""
    n_states = len(M)
    for pair in range(0, n_states, 2):
        # Two states at a time; where their number is odd, the last two overlap.
        j = max(min(pair, n_states - 2), 0)
        k = min(j + 1, n_states - 1)
        left, right = out[j, to : to + width], out[k, to : to + width]
        a, e = M[0, j], M[0, k]
        first = x[0, at : at + width]
        for s in range(width):
            left[s] = a * first[s]
            right[s] = e * first[s]
        i = 1
        while i + 4 <= n_states:
            a, b, c, d = M[i, j], M[i + 1, j], M[i + 2, j], M[i + 3, j]
            e, f, g, h = M[i, k], M[i + 1, k], M[i + 2, k], M[i + 3, k]
            first, second = x[i, at : at + width], x[i + 1, at : at + width]
            third, fourth = x[i + 2, at : at + width], x[i + 3, at : at + width]
            for s in range(width):
                left[s] += (a * first[s] + b * second[s]) + (
                    c * third[s] + d * fourth[s]
                )
                right[s] += (e * first[s] + f * second[s]) + (
                    g * third[s] + h * fourth[s]
                )
            i += 4
        while i < n_states:
            a, e = M[i, j], M[i, k]
            first = x[i, at : at + width]
            for s in range(width):
                left[s] += a * first[s]
                right[s] += e * first[s]
            i += 1


@njit(nogil=True, cache=True)
def mix_few(
    M: Array, x: Array, at: int, out: Array, to: int, width: int, room: Array
) -> None:
    """As `mix`, for few columns: the inner loop is over states. `room` is (2, K)."""
    n_states = len(M)
    column, result = room[0], room[1]
    for s in range(width):
        for j in range(n_states):
            column[j] = x[j, at + s]
            result[j] = 0.0
        for i in range(n_states):
            a, row = column[i], M[i]
            for j in range(n_states):
                result[j] += a * row[j]
        for j in range(n_states):
            out[j, to + s] = result[j]


@njit(nogil=True, cache=True, error_model="numpy")
def forward(
    emission: Array,
    transition: Array,
    previous: Array,
    start: Array,
    offset: Indices,
    before: Array,
    predicted: Array,
    total: Array,
) -> bool:
    """Filter: fill `before`, `predicted` (K, n) and `total` (n,).

    `emission` (K, n) is proportional to the probability of each row under each state;
    `start` (K, m) are probabilities of the states at step 0, and `previous` those of
    the states one step earlier, zero where there is no such step. `predicted` becomes
    the probabilities of the states given all rows before, `before` those of the state
    one step earlier given the same rows, and `total` the sum of predicted times
    emission. Returns whether underflow may have cost digits.
    """
    n_states = len(emission)
    n_steps = len(offset) - 1
    sparse = transition.min() < UNLIKELY
    lost = np.zeros(offset[1])
    inverse = np.empty(offset[1])
    room = np.empty((2, n_states))
    safe = True
    for j in range(n_states):
        for s in range(offset[1]):
            before[j, s] = previous[j, s]
            predicted[j, s] = start[j, s]
    for t in range(n_steps):
        low, high = offset[t], offset[t + 1]
        width = high - low
        if t > 0:
            if width < _FEW:
                mix_few(transition, before, low, predicted, low, width, room)
            else:
                mix(transition, before, low, predicted, low, width)
        sums = total[low:high]
        for s in range(width):
            sums[s] = 0.0
        for j in range(n_states):
            p, e = predicted[j, low:high], emission[j, low:high]
            for s in range(width):
                sums[s] += p[s] * e[s]
        smallest = 1.0
        for s in range(width):
            smallest = min(smallest, sums[s])
        if not smallest > UNDERFLOW:
            return False
        for s in range(width):
            inverse[s] = 1.0 / sums[s]
        n_left = offset[t + 2] - high if t + 1 < n_steps else 0
        for j in range(n_states):
            p, e = predicted[j, low:high], emission[j, low:high]
            after = before[j, high : high + n_left]
            for s in range(n_left):
                after[s] = p[s] * e[s] * inverse[s]
        if sparse:
            for s in range(width):
                lost[s] *= inverse[s]
                safe = safe and lost[s] < _LOSS
            for s in range(n_left):
                for j in range(n_states):
                    if predicted[j, low + s] > 0.0 and (
                        before[j, high + s] < _UNREACHED
                    ):
                        lost[s] = max(lost[s], _UNREACHED, _FLUSHED * inverse[s])
    return safe


@njit(nogil=True, cache=True, error_model="numpy")
def backward(
    emission: Array,
    transposed: Array,
    future: Array,
    offset: Indices,
    predicted: Array,
    first: Array,
) -> bool:
    """Smooth: `predicted` becomes the probabilities of the states given all rows.

    `transposed` (K, K) is the transition matrix with rows and columns exchanged;
    `future` (K, m) is proportional to the probability of what follows the last row of
    each chain. In place of `emission` come the factors w by which the probability of a
    pair of states exceeds `before` times the transition. `first` (K, m) becomes
    proportional to the probability of all rows given the state at step 0. Returns
    whether underflow may have cost digits.
    """
    n_states, n_chains = first.shape
    n_steps = len(offset) - 1
    norm = np.empty(n_chains)
    room = np.empty((2, n_states))
    n_after = 0
    for t in range(n_steps - 1, -1, -1):
        low, high = offset[t], offset[t + 1]
        width = high - low
        if n_after:
            if n_after < _FEW:
                mix_few(transposed, emission, high, first, 0, n_after, room)
            else:
                mix(transposed, emission, high, first, 0, n_after)
        for j in range(n_states):
            for s in range(n_after, width):
                first[j, s] = future[j, s]
        for s in range(width):
            norm[s] = 0.0
        for j in range(n_states):
            p, e = predicted[j, low:high], emission[j, low:high]
            beta = first[j, :width]
            for s in range(width):
                value = e[s] * beta[s]
                e[s] = value
                norm[s] += p[s] * value
        smallest = 1.0
        for s in range(width):
            smallest = min(smallest, norm[s])
        if not smallest > UNDERFLOW:
            return False
        for s in range(width):
            norm[s] = 1.0 / norm[s]
        if t == 0:
            for j in range(n_states):
                for s in range(width):
                    first[j, s] = emission[j, s] * norm[s]
        for j in range(n_states):
            p, e = predicted[j, low:high], emission[j, low:high]
            for s in range(width):
                reached = 1.0 if p[s] > _UNREACHED else 0.0
                value = e[s] * norm[s] if reached else 0.0
                e[s] = value
                p[s] = p[s] * value
        n_after = width
    return True


@njit(nogil=True, cache=True)
def add_lanes(values: Array, offset: Indices, totals: Array) -> None:
    """Add the `values` (n,) of each chain to `totals` (m,)."""
    for t in range(len(offset) - 1):
        width = offset[t + 1] - offset[t]
        row = values[offset[t] : offset[t + 1]]
        for s in range(width):
            totals[s] += row[s]


@njit(nogil=True, cache=True)
def log_sum_exp(values: Array) -> float:
    """Log of the sum of exponentials, without overflow."""
    peak = values.max()
    if peak == -np.inf:
        return -np.inf
    return float(peak + np.log(np.sum(np.exp(values - peak))))


@njit(nogil=True, cache=True)
def log_forward(
    log_emission: Array,
    log_transition: Array,
    log_start: Array,
    offset: Indices,
    log_predicted: Array,
    log_total: Array,
) -> None:
    """Filter in logarithms: nothing underflows, at an exponential a transition.

    `log_predicted` (K, n) and `log_total` (n,) become the logs of what `forward`
    gives. A row that is impossible counts as missing, and has a log of -inf.
    """
    n_states = len(log_emission)
    filtered = np.empty(n_states)
    for s in range(offset[1]):
        for t in range(len(offset) - 1):
            at = offset[t] + s
            if at >= offset[t + 1]:
                break
            for j in range(n_states):
                log_predicted[j, at] = (
                    log_start[j, s]
                    if t == 0
                    else log_sum_exp(filtered + log_transition[:, j])
                )
            joint = log_predicted[:, at] + log_emission[:, at]
            log_total[at] = log_sum_exp(joint)
            if log_total[at] == -np.inf:
                filtered[:] = log_predicted[:, at]
            else:
                filtered[:] = joint - log_total[at]


@njit(nogil=True, cache=True)
def log_backward(
    log_emission: Array,
    log_transition: Array,
    log_future: Array,
    offset: Indices,
    log_predicted: Array,
    log_total: Array,
    log_previous: Array,
    first: Array,
    pairs: Array,
    weight: Array,
) -> None:
    """Smooth in logarithms, after `log_forward`.

    `log_predicted` becomes probabilities of the states given all rows, `first` as in
    `backward`, but its log; `log_previous` is the log of the `previous` of `forward`.
    The expected number of transitions (K, K), weighed by `weight` (m,), is added to
    `pairs`.
    """
    n_states = len(log_emission)
    n_steps = len(offset) - 1
    ahead = np.empty(n_states)
    for s in range(offset[1]):
        beta = log_future[:, s].copy()
        for t in range(n_steps - 1, -1, -1):
            at = offset[t] + s
            if at >= offset[t + 1]:
                continue
            seen = log_total[at] > -np.inf
            for j in range(n_states):
                ahead[j] = beta[j] + (log_emission[j, at] if seen else 0.0)
            norm = log_sum_exp(log_predicted[:, at] + ahead)
            ahead -= norm
            for j in range(n_states):
                log_predicted[j, at] = np.exp(log_predicted[j, at] + ahead[j])
            if t == 0:
                first[:, s] = ahead
                joint = log_previous[:, s].copy()
            else:
                past = offset[t - 1] + s
                joint = log_predicted[:, past].copy()
                if log_total[past] > -np.inf:
                    joint += log_emission[:, past] - log_total[past]
            for i in range(n_states):
                for j in range(n_states):
                    pair = joint[i] + log_transition[i, j] + ahead[j]
                    pairs[i, j] += weight[s] * np.exp(pair)
                beta[i] = log_sum_exp(log_transition[i] + ahead)


@njit(nogil=True, cache=True)
def mix_increments(
    density: Array, log_weights: Array, ends: Indices, out: Array
) -> None:
    """Log-density (n,) of each row given those before, under a mixture of chains.

    `density` (n, C) are those under each chain. A row that no chain allows counts as
    missing.
    """
    joint = np.empty(len(log_weights))
    start = 0
    for end in ends:
        joint[:] = log_weights
        before = 0.0
        for row in range(start, end):
            peak = -np.inf
            for c in range(len(joint)):
                peak = max(peak, joint[c] + density[row, c])
            if peak == -np.inf:
                out[row] = -np.inf
                continue
            whole = 0.0
            for c in range(len(joint)):
                joint[c] += density[row, c]
                whole += np.exp(joint[c] - peak)
            now = peak + np.log(whole)
            out[row] = now - before
            before = now
        start = end
