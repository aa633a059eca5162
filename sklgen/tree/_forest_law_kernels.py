"""Compiled passes over leaves: boxes, counts, and Gaussian laws within bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.tree._forest_kernels import Laws, Trees

# So few codes are sorted by insertion.
_FEW = 32


@njit(nogil=True, cache=True)
def _sort(codes: NDArray[np.int32]) -> None:
    """Sort in place; most leaves have few levels of a column."""
    if len(codes) > _FEW:
        codes.sort()
        return
    for i in range(1, len(codes)):
        code, at = codes[i], i
        while at > 0 and codes[at - 1] > code:
            codes[at] = codes[at - 1]
            at -= 1
        codes[at] = code


@njit(nogil=True, cache=True)
def count_levels(
    members: NDArray[np.int64],
    starts: NDArray[np.int64],
    codes: NDArray[np.int32],
    n_levels: NDArray[np.int64],
    sizes: NDArray[np.int64],
    levels: NDArray[np.int32],
    counts: Array,
) -> int:
    """Counts of the levels seen in each leaf and column, by level; returns how many.

    Leaf k has the rows `members[starts[k] : starts[k + 1]]`; `sizes` (K, c) takes the
    numbers of levels.
    """
    found = 0
    of_level = np.zeros(n_levels.max() if len(n_levels) else 0)
    seen = np.empty(len(of_level), np.int32)
    for k in range(len(starts) - 1):
        for j in range(codes.shape[1]):
            n_seen = 0
            for at in range(starts[k], starts[k + 1]):
                code = codes[members[at], j]
                if code >= 0:
                    if of_level[code] == 0.0:
                        seen[n_seen] = code
                        n_seen += 1
                    of_level[code] += 1.0
            _sort(seen[:n_seen])
            for code in seen[:n_seen]:
                levels[found] = code
                counts[found] = of_level[code]
                of_level[code] = 0.0
                found += 1
            sizes[k, j] = n_seen
    return found


@njit(nogil=True, cache=True)
def moments(
    members: NDArray[np.int64],
    starts: NDArray[np.int64],
    scores: Array,
    count: Array,
    mean: Array,
    square: Array,
) -> None:
    """Number, mean and sum of squares about it of the scores seen in each leaf."""
    for k in range(len(starts) - 1):
        for j in range(scores.shape[1]):
            n, middle, scatter = 0.0, 0.0, 0.0
            for at in range(starts[k], starts[k + 1]):
                score = scores[members[at], j]
                if not np.isnan(score):
                    n += 1.0
                    step = score - middle
                    middle += step / n
                    scatter += step * (score - middle)
            count[k, j], mean[k, j], square[k, j] = n, middle, scatter


@njit(nogil=True, cache=True)
def _between(
    mean: float,
    deviation: float,
    low: float,
    high: float,
    nodes: Array,
    weights: Array,
    reach_of: float,
) -> tuple[float, float, float, float]:
    """Bounds of a quadrature over a Gaussian law within bounds; its mean, variance."""
    peak = min(max(mean, low), high)
    left = max(low, peak - reach_of * deviation)
    right = min(high, peak + reach_of * deviation)
    middle, half = 0.5 * (left + right), 0.5 * (right - left)
    total, first, second = 0.0, 0.0, 0.0
    top = (peak - mean) / deviation
    for node in range(len(nodes)):
        step = half * nodes[node]
        error = (middle + step - mean) / deviation
        weight = weights[node] * math.exp(0.5 * (top * top - error * error))
        total += weight
        first += weight * step
        second += weight * step * step
    first /= total
    return middle, half, middle + first, second / total - first * first


@njit(nogil=True, cache=True)
def match_moments(
    target: Array,
    variance: Array,
    low: Array,
    high: Array,
    nodes: Array,
    weights: Array,
    n_steps: int,
    means: Array,
    deviations: Array,
) -> None:
    """Gaussian laws that have about the wanted moments within their bounds."""
    for k in range(target.shape[0]):
        for j in range(target.shape[1]):
            a, b = low[k, j], high[k, j]
            mean, deviation = target[k, j], math.sqrt(variance[k, j])
            if math.isinf(a) and math.isinf(b):
                means[k, j], deviations[k, j] = mean, deviation
                continue
            widest = max(2.0 * (b - a), deviation)
            for _ in range(n_steps):
                _, _, first, second = _between(
                    mean, deviation, a, b, nodes, weights, 6.0
                )
                ratio = math.sqrt(variance[k, j] / max(second, 1e-300))
                deviation *= min(max(ratio, 0.5), 2.0)
                deviation = min(deviation, widest)
                mean += target[k, j] - first
                mean = min(max(mean, a - 2.0 * deviation), b + 2.0 * deviation)
            means[k, j], deviations[k, j] = mean, deviation


@njit(nogil=True, cache=True)
def prior_moments(
    low: Array, high: Array, nodes: Array, weights: Array, mean: Array, variance: Array
) -> None:
    """Mean and variance of the standard normal law within bounds."""
    for k in range(low.shape[0]):
        for j in range(low.shape[1]):
            _, _, mean[k, j], variance[k, j] = _between(
                0.0, 1.0, low[k, j], high[k, j], nodes, weights, 8.0
            )


@njit(nogil=True, cache=True)
def mapped_means(
    laws: Laws,
    j: int,
    nodes: Array,
    weights: Array,
    first: float,
    density: float,
    values: Array,
    out: Array,
) -> None:
    """Mean in each leaf of the numbers whose scores are column j.

    The map is read from the table `values`, with so many entries a unit from `first`.
    """
    last = len(values) - 2
    for k in range(len(out)):
        mean, deviation = laws.means[k, j], laws.deviations[k, j]
        middle, half, _, _ = _between(
            mean, deviation, laws.low[k, j], laws.high[k, j], nodes, weights, 8.0
        )
        top = (min(max(mean, laws.low[k, j]), laws.high[k, j]) - mean) / deviation
        total, value = 0.0, 0.0
        for node in range(len(nodes)):
            score = middle + half * nodes[node]
            error = (score - mean) / deviation
            weight = weights[node] * math.exp(0.5 * (top * top - error * error))
            place = min(max((score - first) * density, 0.0), last + 1.0)
            at = min(int(place), last)
            value += weight * (
                values[at] + (place - at) * (values[at + 1] - values[at])
            )
            total += weight
        out[k] = value / total


@njit(nogil=True, cache=True)
def prune(
    left: NDArray[Any],
    right: NDArray[Any],
    counts: NDArray[np.int64],
    stands_for: NDArray[np.int64],
) -> None:
    """Drop splits that leave no rows on a side.

    `counts` holds rows of leaves, and takes those of all nodes. `stands_for` takes, for
    each node, the one that is kept in its place: the child with all rows where the
    other has none. Children have larger numbers than their parents.
    """
    for node in range(len(left) - 1, -1, -1):
        stands_for[node] = node
        if left[node] >= 0:
            a, b = left[node], right[node]
            counts[node] = counts[a] + counts[b]
            if min(counts[a], counts[b]) == 0:
                stands_for[node] = stands_for[a if counts[a] > 0 else b]


@njit(nogil=True, cache=True)
def bound(tree: Trees, low: Array, high: Array) -> None:
    """Bounds (K, axes) of the positions that reach each leaf of one tree.

    They come as those of all rows. Children have larger numbers than their parents.
    """
    n_axes = low.shape[1]
    below = np.full((len(tree.feature), n_axes), -np.inf)
    above = np.full((len(tree.feature), n_axes), np.inf)
    for node in range(len(tree.feature)):
        axis = tree.feature[node]
        if axis < 0:
            low[tree.left[node]] = below[node]
            high[tree.left[node]] = above[node]
            continue
        a, b, cut = tree.left[node], tree.right[node], tree.threshold[node]
        below[a], above[a] = below[node], above[node]
        below[b], above[b] = below[node], above[node]
        above[a, axis] = min(above[a, axis], cut)
        below[b, axis] = max(below[b, axis], cut)


# Calls kernels of other modules, as of 8a6c90c2baec.
