"""Compiled steps of the No-U-Turn sampler, each chain a finite-state machine.

A chain that waits for a density has its query in `vectors[POSITION]`. Trees grow by
doubling; the leaves of the subtree that is being built are merged as bits of a binary
counter are carried, so that at most one span of each size is kept. A span is its first
and last momentum and the sum of all. Slot 0 of the stack is the tree so far, with its
far end first.

State is four arrays for C chains: `vectors` (n_vectors, C, d), `numbers` and `counts`
(C, ...) and `streams` (C, 4) of xoshiro256++. Rows and columns have the names below.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.mcmc._stream_kernels import normals, sign, uniform

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Streams = NDArray[np.uint64]

# vectors: the end of the tree that moves and the other, the draw from the tree and from
# the subtree, then the stack
POSITION, MOMENTUM, GRADIENT = 0, 1, 2
FAR_POSITION, FAR_MOMENTUM, FAR_GRADIENT = 3, 4, 5
CHOSEN, CHOSEN_GRADIENT = 6, 7
FRESH, FRESH_GRADIENT = 8, 9
STACK = 10
# numbers
START_ENERGY, WEIGHT, FRESH_WEIGHT, ACCEPT, STEP = 0, 1, 2, 3, 4
LOG_DENSITY, ENERGY, FRESH_LOG_DENSITY, FRESH_ENERGY = 5, 6, 7, 8
ANCHOR, SHORTFALL, LOG_STEP_MEAN, LOG_UNIT = 9, 10, 11, 12
N_NUMBERS = 13
# counts
DEPTH, LEAF, LEAPFROGS, DIRECTION, UPDATES, DRAWS = 0, 1, 2, 3, 4, 5
N_COUNTS = 6
# what is recorded of a draw
N_RECORDS = 7

# A larger error of the energy is a divergence.
_DIVERGENCE = 1000.0
# Logarithm of a weight for which others are told in a new unit.
_HEAVY = 300.0
# Dual averaging as in Hoffman and Gelman (2014), with steps that vary less: the mean
# of those that vary much is accepted too often.
_REGULARITY, _DELAY, _FORGETTING = 0.2, 10.0, 0.75

_SUMS = {"contract", "nsz", "reassoc"}


@njit(nogil=True, cache=True)
def _copy(vectors: Array, c: int, source: int, target: int) -> None:
    for i in range(vectors.shape[2]):
        vectors[target, c, i] = vectors[source, c, i]


@njit(nogil=True, cache=True)
def _swap(vectors: Array, c: int, one: int, other: int) -> None:
    for i in range(vectors.shape[2]):
        kept = vectors[one, c, i]
        vectors[one, c, i] = vectors[other, c, i]
        vectors[other, c, i] = kept


@njit(nogil=True, cache=True)
def _push(vectors: Array, c: int, slot: int) -> None:
    """Put the momentum of the moving end on the stack, a span of one leaf."""
    at = STACK + 3 * slot
    for i in range(vectors.shape[2]):
        momentum = vectors[MOMENTUM, c, i]
        vectors[at, c, i] = momentum
        vectors[at + 1, c, i] = momentum
        vectors[at + 2, c, i] = momentum


@njit(nogil=True, cache=True, fastmath=_SUMS)
def _merge(vectors: Array, c: int, slot: int) -> bool:
    """Merge span `slot` into the one before; tell whether the whole makes no U-turn.

    Besides the whole, each half is held against the leaf next to it in the other one,
    as in Stan.
    """
    right = STACK + 3 * slot
    left = right - 3
    ahead = behind = 0.0
    left_first = left_next = right_last = right_next = 0.0
    for i in range(vectors.shape[2]):
        first, left_end = vectors[left, c, i], vectors[left + 1, c, i]
        right_start, last = vectors[right, c, i], vectors[right + 1, c, i]
        left_sum, right_sum = vectors[left + 2, c, i], vectors[right + 2, c, i]
        whole = left_sum + right_sum
        behind += first * whole
        ahead += last * whole
        left_sum += right_start
        left_first += first * left_sum
        left_next += right_start * left_sum
        right_sum += left_end
        right_next += left_end * right_sum
        right_last += last * right_sum
        vectors[left + 1, c, i] = last
        vectors[left + 2, c, i] = whole
    return (
        behind > 0.0
        and ahead > 0.0
        and left_first > 0.0
        and left_next > 0.0
        and right_next > 0.0
        and right_last > 0.0
    )


@njit(nogil=True, cache=True)
def _leap(vectors: Array, numbers: Array, counts: Counts, c: int) -> None:
    """Move on to the next query: half a step of the momentum, one of the position."""
    step = numbers[c, STEP] * counts[c, DIRECTION]
    half = 0.5 * step
    for i in range(vectors.shape[2]):
        momentum = vectors[MOMENTUM, c, i] + half * vectors[GRADIENT, c, i]
        vectors[MOMENTUM, c, i] = momentum
        vectors[POSITION, c, i] += step * momentum


@njit(nogil=True, cache=True, fastmath=_SUMS)
def _land(
    vectors: Array, numbers: Array, counts: Counts, c: int, gradient: Array
) -> float:
    """Take the other half step of the momentum; returns the kinetic energy."""
    half = 0.5 * numbers[c, STEP] * counts[c, DIRECTION]
    total = 0.0
    for i in range(vectors.shape[2]):
        slope = gradient[i]
        momentum = vectors[MOMENTUM, c, i] + half * slope
        vectors[GRADIENT, c, i] = slope
        vectors[MOMENTUM, c, i] = momentum
        total += momentum * momentum
    return 0.5 * total


@njit(nogil=True, cache=True)
def _extend(
    vectors: Array, numbers: Array, counts: Counts, streams: Streams, c: int
) -> None:
    """Begin a subtree at one end of the tree, drawn at random."""
    direction = sign(streams, c)
    if direction != counts[c, DIRECTION]:
        counts[c, DIRECTION] = direction
        _swap(vectors, c, POSITION, FAR_POSITION)
        _swap(vectors, c, MOMENTUM, FAR_MOMENTUM)
        _swap(vectors, c, GRADIENT, FAR_GRADIENT)
        _swap(vectors, c, STACK, STACK + 1)
    counts[c, LEAF] = 0
    numbers[c, FRESH_WEIGHT] = 0.0
    _leap(vectors, numbers, counts, c)


@njit(nogil=True, cache=True, fastmath=_SUMS)
def _begin(
    vectors: Array, numbers: Array, counts: Counts, streams: Streams, c: int
) -> None:
    """Begin a tree at the last draw, with a new momentum."""
    normals(streams, c, vectors[MOMENTUM, c])
    _copy(vectors, c, CHOSEN, POSITION)
    _copy(vectors, c, CHOSEN_GRADIENT, GRADIENT)
    _copy(vectors, c, POSITION, FAR_POSITION)
    _copy(vectors, c, MOMENTUM, FAR_MOMENTUM)
    _copy(vectors, c, GRADIENT, FAR_GRADIENT)
    _push(vectors, c, 0)
    kinetic = 0.0
    for i in range(vectors.shape[2]):
        kinetic += vectors[MOMENTUM, c, i] ** 2
    energy = 0.5 * kinetic - numbers[c, LOG_DENSITY]
    numbers[c, START_ENERGY] = energy
    numbers[c, ENERGY] = energy
    numbers[c, LOG_UNIT] = 0.0
    numbers[c, WEIGHT] = 1.0
    numbers[c, ACCEPT] = 0.0
    counts[c, DEPTH] = 0
    counts[c, LEAPFROGS] = 0
    _extend(vectors, numbers, counts, streams, c)


@njit(nogil=True, cache=True)
def _adapt(
    numbers: Array, counts: Counts, c: int, accept: float, target: float
) -> None:
    """Dual averaging of the logarithm of the step size."""
    counts[c, UPDATES] += 1
    n = float(counts[c, UPDATES])
    rate = 1.0 / (n + _DELAY)
    numbers[c, SHORTFALL] += rate * (target - accept - numbers[c, SHORTFALL])
    log_step = numbers[c, ANCHOR] - math.sqrt(n) / _REGULARITY * numbers[c, SHORTFALL]
    numbers[c, LOG_STEP_MEAN] += n**-_FORGETTING * (
        log_step - numbers[c, LOG_STEP_MEAN]
    )
    numbers[c, STEP] = math.exp(log_step)


@njit(nogil=True, cache=True)
def _weigh(numbers: Array, c: int, gap: float) -> float:
    """Weight of a leaf with an energy `gap` above the start; also adds its acceptance.

    Weights are told in units of that of the start, or of a leaf that is far heavier.
    """
    weight = math.exp(-gap - numbers[c, LOG_UNIT])
    accept = 1.0
    if gap > 0.0:
        accept = weight if numbers[c, LOG_UNIT] == 0.0 else math.exp(-gap)
    numbers[c, ACCEPT] += accept
    if -gap - numbers[c, LOG_UNIT] > _HEAVY:
        shrink = math.exp(numbers[c, LOG_UNIT] + gap)
        numbers[c, WEIGHT] *= shrink
        numbers[c, FRESH_WEIGHT] *= shrink
        numbers[c, LOG_UNIT] = -gap
        weight = 1.0
    return weight


@njit(nogil=True, cache=True)
def _choose_fresh(
    vectors: Array,
    numbers: Array,
    counts: Counts,
    streams: Streams,
    c: int,
    log_density: float,
    gap: float,
    weight: float,
) -> None:
    """Let the leaf be the draw from its subtree with its share of the weight."""
    total = numbers[c, FRESH_WEIGHT] + weight
    numbers[c, FRESH_WEIGHT] = total
    if not counts[c, LEAF] or uniform(streams, c) * total < weight:
        _copy(vectors, c, POSITION, FRESH)
        _copy(vectors, c, GRADIENT, FRESH_GRADIENT)
        numbers[c, FRESH_LOG_DENSITY] = log_density
        numbers[c, FRESH_ENERGY] = numbers[c, START_ENERGY] + gap


@njit(nogil=True, cache=True)
def _choose(vectors: Array, numbers: Array, streams: Streams, c: int) -> None:
    """Prefer the draw from a finished subtree, by the ratio of the weights."""
    old, new = numbers[c, WEIGHT], numbers[c, FRESH_WEIGHT]
    if new >= old or uniform(streams, c) * old < new:
        _copy(vectors, c, FRESH, CHOSEN)
        _copy(vectors, c, FRESH_GRADIENT, CHOSEN_GRADIENT)
        numbers[c, LOG_DENSITY] = numbers[c, FRESH_LOG_DENSITY]
        numbers[c, ENERGY] = numbers[c, FRESH_ENERGY]
    numbers[c, WEIGHT] = old + new


@njit(nogil=True, cache=True)
def _grow(
    vectors: Array,
    numbers: Array,
    counts: Counts,
    streams: Streams,
    c: int,
    log_density: float,
    gap: float,
    weight: float,
    max_depth: int,
) -> bool:
    """Add a leaf with an energy `gap` above the start; tell whether to go on."""
    _choose_fresh(vectors, numbers, counts, streams, c, log_density, gap, weight)
    leaf = counts[c, LEAF]
    slot = 1
    bits = leaf
    while bits:
        slot += bits & 1
        bits >>= 1
    _push(vectors, c, slot)
    bits = leaf
    while bits & 1:
        if not _merge(vectors, c, slot):
            return False
        slot -= 1
        bits >>= 1
    counts[c, LEAF] = leaf + 1
    if leaf + 1 < 1 << counts[c, DEPTH]:
        _leap(vectors, numbers, counts, c)
        return True
    counts[c, DEPTH] += 1
    _choose(vectors, numbers, streams, c)
    if not _merge(vectors, c, 1) or counts[c, DEPTH] >= max_depth:
        return False
    _extend(vectors, numbers, counts, streams, c)
    return True


@njit(nogil=True, cache=True)
def start(
    vectors: Array, numbers: Array, counts: Counts, streams: Streams, rows: Counts
) -> None:
    """Begin trees of the chains `rows` at their last draws."""
    for c in rows:
        _begin(vectors, numbers, counts, streams, c)


@njit(nogil=True, cache=True)
def answer(
    vectors: Array,
    numbers: Array,
    counts: Counts,
    streams: Streams,
    c: int,
    log_density: float,
    gradient: Array,
    max_depth: int,
    target: float,
    draws: Array,
    slopes: Array,
    records: Array,
) -> bool:
    """Answer the query of chain `c`, which then has the next one.

    A chain whose tree ends writes its draw into `draws` (C, n, d), the gradient there
    into `slopes`, if it has room, and what is known of it into `records`, and begins
    the next tree. With a `target` above 0 it also adapts its step size. Tells whether
    it has written its n-th draw.
    """
    energy = _land(vectors, numbers, counts, c, gradient) - log_density
    gap = energy - numbers[c, START_ENERGY]
    if not math.isfinite(gap):
        gap = math.inf
    counts[c, LEAPFROGS] += 1
    weight = _weigh(numbers, c, gap)
    divergent = gap > _DIVERGENCE
    if not divergent and _grow(
        vectors, numbers, counts, streams, c, log_density, gap, weight, max_depth
    ):
        return False
    accept = numbers[c, ACCEPT] / counts[c, LEAPFROGS]
    at = counts[c, DRAWS]
    for i in range(vectors.shape[2]):
        draws[c, at, i] = vectors[CHOSEN, c, i]
    if at < slopes.shape[1]:
        for i in range(vectors.shape[2]):
            slopes[c, at, i] = vectors[CHOSEN_GRADIENT, c, i]
    records[c, at, 0] = numbers[c, LOG_DENSITY]
    records[c, at, 1] = numbers[c, ENERGY]
    records[c, at, 2] = accept
    records[c, at, 3] = numbers[c, STEP]
    records[c, at, 4] = counts[c, DEPTH]
    records[c, at, 5] = counts[c, LEAPFROGS]
    records[c, at, 6] = divergent
    counts[c, DRAWS] = at + 1
    if target > 0.0:
        _adapt(numbers, counts, c, accept, target)
    _begin(vectors, numbers, counts, streams, c)
    last: bool = at + 1 == draws.shape[1]
    return last


@njit(nogil=True, cache=True)
def advance(
    vectors: Array,
    numbers: Array,
    counts: Counts,
    streams: Streams,
    rows: Counts,
    log_density: Array,
    gradient: Array,
    max_depth: int,
    target: float,
    draws: Array,
    slopes: Array,
    records: Array,
) -> bool:
    """Answer the queries of the chains `rows`; tell whether some trace is full."""
    full = False
    for a in range(len(rows)):
        full |= answer(
            vectors,
            numbers,
            counts,
            streams,
            rows[a],
            log_density[a],
            gradient[a],
            max_depth,
            target,
            draws,
            slopes,
            records,
        )
    return full


# Calls kernels of other modules, as of f29598230558.
