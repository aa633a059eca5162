"""Compiled passes over rows and the leaves of forests that they may be in."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em._kernels import _LOWEST_LOG
from sklgen.families._gaussian import LOG_2_PI
from sklgen.families._grid_gaussian import _NARROW, _log_mass, _narrow

# A product of probabilities below this goes on as a sum of logarithms.
_SMALL = 1e-200
# Leaves with less posterior probability than this add nothing to a mean.
_NEGLIGIBLE = 1e-9


class Trees(NamedTuple):
    """Nodes of all trees, side by side.

    A node sends a row to `left` if its position on the axis `feature` is at most
    `threshold`. A leaf has the feature -1, and its number in `left`.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Array
    left: NDArray[np.int32]
    right: NDArray[np.int32]


class Laws(NamedTuple):
    """Laws of cells in K leaves: of c columns of codes, and of q columns of scores.

    A code has the probability (count + prior share) / total, with the counts of leaf k
    and column j at `pointer[k c + j]` and after, in order of their levels, and the
    shares of all columns side by side, from `start` on. Where a column is `mixed`, code
    0 stands for its continuous part, of which the share `rest` is within the box. A
    score has a Gaussian law between `low` and `high`, where it has the mass
    exp(`log_mass`).
    """

    log_weight: Array
    pointer: NDArray[np.int64]
    levels: NDArray[np.int32]
    counts: Array
    total: Array
    prior: Array
    share: Array
    start: NDArray[np.int64]
    mixed: NDArray[np.bool_]
    rest: Array
    means: Array
    deviations: Array
    low: Array
    high: Array
    log_mass: Array


class Cells(NamedTuple):
    """Rows as kernels read them; what is missing is NaN, or a code of -1.

    Positions (n, axes) say where the rows are among the boxes of leaves. Scores are
    numbers, lower ends and upper ends of their intervals, (n, 3 q).
    """

    positions: Array
    codes: NDArray[np.int32]
    scores: Array


@njit(nogil=True, cache=True)
def reach(
    row: Array, trees: Trees, stack: NDArray[np.int32], leaves: NDArray[np.int32]
) -> int:
    """Write the leaves whose boxes agree with a row, and return how many there are."""
    count = 0
    for root in trees.roots:
        stack[0] = root
        waiting = 1
        while waiting > 0:
            waiting -= 1
            node = stack[waiting]
            axis = trees.feature[node]
            while axis >= 0:
                position = row[axis]
                if np.isnan(position):
                    stack[waiting] = trees.right[node]
                    waiting += 1
                    node = trees.left[node]
                elif position <= trees.threshold[node]:
                    node = trees.left[node]
                else:
                    node = trees.right[node]
                axis = trees.feature[node]
            leaves[count] = trees.left[node]
            count += 1
    return count


@njit(nogil=True, cache=True)
def log_mass(low: float, high: float) -> float:
    """Log of the standard normal mass of an interval, narrow ones included."""
    centre, width = 0.5 * (low + high), high - low
    if width * (1.0 + abs(centre)) < _NARROW:
        log_width = math.log(width) - 0.5 * LOG_2_PI
        return float(log_width + _narrow(centre * centre, width * width))
    return float(_log_mass(low, high))


@njit(nogil=True, cache=True)
def log_masses(
    means: Array, deviations: Array, low: Array, high: Array, out: Array
) -> None:
    """Log of the mass of Gaussian laws within bounds, elementwise."""
    for k in range(means.shape[0]):
        for j in range(means.shape[1]):
            scale = 1.0 / deviations[k, j]
            below = (low[k, j] - means[k, j]) * scale
            out[k, j] = log_mass(below, (high[k, j] - means[k, j]) * scale)


@njit(nogil=True, cache=True)
def _log_joint(i: int, k: int, cells: Cells, laws: Laws) -> float:
    """Log of the weight of a leaf and of the densities of what was observed."""
    total, product = float(laws.log_weight[k]), 1.0
    n_codes, q = laws.total.shape[1], laws.means.shape[1]
    for j in range(n_codes):
        code = cells.codes[i, j]
        if code < 0:
            continue
        share = laws.share[laws.start[j] + code]
        if code == 0 and laws.mixed[j]:
            share = laws.rest[k, j]
        mass = laws.prior[k, j] * share
        at = k * n_codes + j
        for entry in range(laws.pointer[at], laws.pointer[at + 1]):
            if laws.levels[entry] >= code:
                if laws.levels[entry] == code:
                    mass += laws.counts[entry]
                break
        product *= mass / laws.total[k, j]
        if product < _SMALL:
            total += math.log(product)
            product = 1.0
    total += math.log(product)
    for j in range(q):
        score = cells.scores[i, j]
        if np.isnan(score):
            continue
        scale = 1.0 / laws.deviations[k, j]
        low, high = cells.scores[i, q + j], cells.scores[i, 2 * q + j]
        if low < high:
            inside = max(low, laws.low[k, j]), min(high, laws.high[k, j])
            if inside[0] < inside[1]:
                low, high = inside
            mean = laws.means[k, j]
            total += log_mass((low - mean) * scale, (high - mean) * scale)
        else:
            error = (score - laws.means[k, j]) * scale
            total += math.log(scale) - 0.5 * (error * error + LOG_2_PI)
        total -= laws.log_mass[k, j]
    # Squares overflow far out: all leaves are alike then.
    return total if total > _LOWEST_LOG else _LOWEST_LOG


@njit(nogil=True, cache=True)
def _posterior(
    i: int,
    cells: Cells,
    trees: Trees,
    laws: Laws,
    stack: NDArray[np.int32],
    leaves: NDArray[np.int32],
    joint: Array,
) -> tuple[int, float]:
    """Leaves a row may be in: their number, exp(joint - peak) of each, and the peak."""
    count = reach(cells.positions[i], trees, stack, leaves)
    peak = -np.inf
    for at in range(count):
        joint[at] = _log_joint(i, leaves[at], cells, laws)
        peak = max(peak, joint[at])
    for at in range(count):
        joint[at] = math.exp(joint[at] - peak)
    return count, peak


@njit(nogil=True, cache=True)
def log_densities(cells: Cells, trees: Trees, laws: Laws, out: Array) -> None:
    """Log-density of each row, over all leaves that it may be in."""
    stack = np.empty(len(trees.feature), np.int32)
    leaves, joint = np.empty(len(laws.means), np.int32), np.empty(len(laws.means))
    for i in range(len(out)):
        count, peak = _posterior(i, cells, trees, laws, stack, leaves, joint)
        out[i] = peak + math.log(joint[:count].sum())


@njit(nogil=True, cache=True)
def draw_leaves(
    cells: Cells, trees: Trees, laws: Laws, uniform: Array, out: NDArray[np.int32]
) -> None:
    """A leaf of each row, drawn from the posterior law by uniform numbers."""
    stack = np.empty(len(trees.feature), np.int32)
    leaves, joint = np.empty(len(laws.means), np.int32), np.empty(len(laws.means))
    for i in range(len(out)):
        count, _ = _posterior(i, cells, trees, laws, stack, leaves, joint)
        left = uniform[i] * joint[:count].sum()
        at = 0
        while at < count - 1 and left >= joint[at]:
            left -= joint[at]
            at += 1
        out[i] = leaves[at]


@njit(nogil=True, cache=True)
def draw_codes(
    leaves: NDArray[np.int32],
    uniform: Array,
    laws: Laws,
    order: NDArray[np.int32],
    below: Array,
    first: NDArray[np.int32],
    last: NDArray[np.int32],
    codes: NDArray[np.int32],
) -> None:
    """Draw the missing codes (n, c) of rows in leaves.

    Draws that no count explains are from the prior: the continuous part, then the
    levels from `first` to `last` in `order`, with shares `below` them.
    """
    n, n_codes = codes.shape
    for i in range(n):
        k = leaves[i]
        for j in range(n_codes):
            if codes[i, j] >= 0:
                continue
            left, at = uniform[i, j] * laws.total[k, j], k * n_codes + j
            for entry in range(laws.pointer[at], laws.pointer[at + 1]):
                left -= laws.counts[entry]
                if left < 0.0:
                    codes[i, j] = laws.levels[entry]
                    break
            if left < 0.0:
                continue
            left = left / laws.prior[k, j] - laws.rest[k, j]
            start, stop = first[k, j], last[k, j]
            if left < 0.0 or start == stop:
                codes[i, j] = 0
                continue
            base = laws.start[j] + j
            sums = below[base + start + 1 : base + stop]
            place = np.searchsorted(sums, left + below[base + start], side="right")
            codes[i, j] = order[laws.start[j] + start + place]


@njit(nogil=True, cache=True)
def average(
    cells: Cells,
    trees: Trees,
    laws: Laws,
    numbers: NDArray[np.int64],
    values: Array,
    order: NDArray[np.int32],
    first: NDArray[np.int32],
    last: NDArray[np.int32],
    means: Array,
    modes: NDArray[np.int32],
) -> None:
    """Means (n, numbers) of missing numbers, and modes (n, c) of missing codes.

    `numbers` are the axes of the numbers, and `values` (K, numbers) their means in
    leaves.
    """
    stack = np.empty(len(trees.feature), np.int32)
    leaves, joint = np.empty(len(laws.means), np.int32), np.empty(len(laws.means))
    n_codes = modes.shape[1]
    sums, changes = np.zeros(len(laws.share)), np.zeros(len(laws.share) + n_codes)
    for i in range(len(means)):
        count, _ = _posterior(i, cells, trees, laws, stack, leaves, joint)
        total = joint[:count].sum()
        means[i] = 0.0
        sums[:] = 0.0
        changes[:] = 0.0
        for at in range(count):
            posterior, k = joint[at] / total, leaves[at]
            if posterior < _NEGLIGIBLE:
                continue
            for j in range(len(numbers)):
                if np.isnan(cells.positions[i, numbers[j]]):
                    means[i, j] += posterior * values[k, j]
            for j in range(n_codes):
                if cells.codes[i, j] >= 0:
                    continue
                share, here = posterior / laws.total[k, j], k * n_codes + j
                for entry in range(laws.pointer[here], laws.pointer[here + 1]):
                    level = laws.start[j] + laws.levels[entry]
                    sums[level] += share * laws.counts[entry]
                changes[laws.start[j] + j + first[k, j]] += share * laws.prior[k, j]
                changes[laws.start[j] + j + last[k, j]] -= share * laws.prior[k, j]
        for j in range(n_codes):
            density, start = 0.0, laws.start[j]
            for place in range(laws.start[j + 1] - start):
                density += changes[start + j + place]
                level = order[start + place]
                if level >= 0:
                    sums[start + level] += density * laws.share[start + level]
            modes[i, j] = sums[start : laws.start[j + 1]].argmax()


# Calls kernels of other modules, as of d1803c068b04.
