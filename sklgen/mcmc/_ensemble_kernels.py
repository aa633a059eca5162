"""Compiled moves of walkers along differences of other walkers.

The walkers of an ensemble are cut into two halves. Those of one half move, given where
those of the other half are, so that a move is one of a Markov chain with few numbers
held fixed. It proposes where a walker may go, and gives the log of what multiplies the
ratio of densities so that the target stays as it is.

References
----------
.. [1] ter Braak, C. J. F. (2006). A Markov chain Monte Carlo version of the genetic
   algorithm differential evolution. Statistics and Computing, 16.
.. [2] ter Braak, C. J. F. and Vrugt, J. A. (2008). Differential evolution Markov chain
   with snooker updater and fewer chains. Statistics and Computing, 18.
.. [3] Goodman, J. and Weare, J. (2010). Ensemble samplers with affine invariance.
   Communications in Applied Mathematics and Computational Science, 5.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.mcmc._stream_kernels import uniform

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Streams = NDArray[np.uint64]

# Names of moves, in the order of their numbers.
MOVES = ("differential", "snooker", "stretch")
_DIFFERENTIAL, _SNOOKER = 0, 1

# Steps of differential evolution: best for normal targets, over sqrt(2 d).
_BEST_STEP = 2.38
# Half the relative width of the law of steps: no walker stays on a lattice.
_SPREAD = 0.1
# Share of steps as long as the difference itself, which go from mode to mode.
_JUMPS = 0.1
_SHORTEST_SNOOKER, _LONGEST_SNOOKER = 1.2, 2.2
_LONGEST_STRETCH = 2.0


@njit(nogil=True, cache=True)
def move(
    kind: int, x: Array, a: Array, b: Array, c: Array, u: float, v: float, out: Array
) -> float:
    """Propose where walker `x` may go, given three others and two uniform numbers.

    - Differential evolution [1]_ goes along the difference of `a` and `b`. Going back
      is as probable.
    - Snooker [2]_ goes along the line through `c`, by a multiple of the difference of
      `a` and `b` along this line.
    - Stretch [3]_ goes closer to `c`, or farther, by a factor from 1/2 to 2 with a
      density that falls with its root.

    Returns d - 1 times the log of how much farther from `c` the walker gets.
    """
    d = len(x)
    if kind == _DIFFERENTIAL:
        step = _BEST_STEP / math.sqrt(2.0 * d) * (1.0 + _SPREAD * (2.0 * u - 1.0))
        if v < _JUMPS:
            step = 1.0
        for i in range(d):
            out[i] = x[i] + step * (a[i] - b[i])
        return 0.0
    if kind == _SNOOKER:
        factor = 1.0 + _along(x - c, a - b) * (
            _SHORTEST_SNOOKER + (_LONGEST_SNOOKER - _SHORTEST_SNOOKER) * u
        )
    else:
        factor = ((_LONGEST_STRETCH - 1.0) * u + 1.0) ** 2 / _LONGEST_STRETCH
    for i in range(d):
        out[i] = c[i] + factor * (x[i] - c[i])
    if d == 1:
        return 0.0
    return (d - 1.0) * math.log(abs(factor)) if factor != 0.0 else -math.inf


@njit(nogil=True, cache=True)
def _along(line: Array, difference: Array) -> float:
    """Length of the difference along the line, in lengths of the line."""
    product, squared = 0.0, 0.0
    for i in range(len(line)):
        product += line[i] * difference[i]
        squared += line[i] * line[i]
    # Walkers at one place have no line: they stay.
    return product / squared if squared > 0.0 else 0.0


@njit(nogil=True, cache=True)
def distinct(n: int, u: float, v: float, w: float) -> tuple[int, int, int]:
    """Three distinct numbers below `n`, given three uniform ones."""
    first, second, third = int(u * n), int(v * (n - 1)), int(w * (n - 2))
    if second >= first:
        second += 1
    if third >= min(first, second):
        third += 1
    if third >= max(first, second):
        third += 1
    return first, second, third


@njit(nogil=True, cache=True)
def shuffle(order: Index, streams: Streams) -> None:
    """Fill rows of `order` (E, W) with permutations."""
    for e in range(len(order)):
        row = order[e]
        for i in range(len(row)):
            j = int(uniform(streams, e) * (i + 1))
            row[i] = row[j]
            row[j] = i


@njit(nogil=True, cache=True)
def propose(
    x: Array,
    moving: Index,
    fixed: Index,
    shares: Array,
    streams: Streams,
    proposal: Array,
    log_factor: Array,
) -> None:
    """Let each walker of a half draw a move, and make a proposal.

    Parameters
    ----------
    x : ndarray of shape (E, W, d)
        Walkers.
    moving, fixed : ndarray of int of shape (E, W / 2)
        The halves.
    shares : ndarray of shape (3,)
        Cumulative probabilities of moves.
    streams : ndarray of uint64 of shape (E, 4)
        Random numbers of the ensembles.
    proposal : ndarray of shape (E, W / 2, d)
        Overwritten with where walkers may go.
    log_factor : ndarray of shape (E, W / 2)
        Overwritten with logs of what multiplies ratios of densities.
    """
    for e in range(len(x)):
        for w in range(moving.shape[1]):
            draw, kind = uniform(streams, e), 0
            while draw >= shares[kind]:
                kind += 1
            i, j, k = distinct(
                fixed.shape[1],
                uniform(streams, e),
                uniform(streams, e),
                uniform(streams, e),
            )
            log_factor[e, w] = move(
                kind,
                x[e, moving[e, w]],
                x[e, fixed[e, i]],
                x[e, fixed[e, j]],
                x[e, fixed[e, k]],
                uniform(streams, e),
                uniform(streams, e),
                proposal[e, w],
            )


@njit(nogil=True, cache=True)
def accept(
    x: Array,
    log_density: Array,
    moving: Index,
    proposal: Array,
    proposed: Array,
    log_factor: Array,
    streams: Streams,
    accepted: NDArray[np.bool_],
) -> None:
    """Move the walkers of a half whose proposals are accepted, by Metropolis' rule.

    Parameters
    ----------
    x : ndarray of shape (E, W, d)
        Walkers. Updated.
    log_density : ndarray of shape (E, W)
        Log-densities of walkers. Updated.
    moving : ndarray of int of shape (E, W / 2)
        The half.
    proposal : ndarray of shape (E, W / 2, d)
        Where walkers may go.
    proposed, log_factor : ndarray of shape (E, W / 2)
        Log-densities there, and logs of what multiplies ratios.
    streams : ndarray of uint64 of shape (E, 4)
        Random numbers of the ensembles.
    accepted : ndarray of bool of shape (E, W)
        Overwritten, for the half, with whether walkers move.
    """
    for e in range(len(x)):
        for w in range(moving.shape[1]):
            at = moving[e, w]
            log_ratio = proposed[e, w] - log_density[e, at] + log_factor[e, w]
            # Not so where the log-density is NaN.
            accepted[e, at] = math.log(uniform(streams, e)) < log_ratio
            if accepted[e, at]:
                log_density[e, at] = proposed[e, w]
                x[e, at] = proposal[e, w]


# Calls kernels of other modules, as of f29598230558.
