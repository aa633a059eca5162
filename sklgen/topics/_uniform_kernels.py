"""Uniform numbers in compiled code, from a counter: splitmix64.

References
----------
Steele, G. L., Lea, D. and Flood, C. H. (2014). Fast splittable pseudorandom number
generators. OOPSLA.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Between the seeds of two streams that start from one.
_STEP = np.uint64(0xD1342543DE82EF95)


def stream(
    seeds: NDArray[np.uint64], number: NDArray[np.intp] | int
) -> NDArray[np.uint64]:
    """Seeds of other streams, by their number; number 0 keeps them."""
    return np.asarray(seeds + np.atleast_1d(number).astype(np.uint64) * _STEP)


@njit(nogil=True, cache=True)
def mixed(state: np.uint64) -> np.uint64:
    """Turn a counter, or a seed, into bits that look random."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(nogil=True, cache=True)
def uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Move a counter on, and make a number from 0 to 1, without 1, of it."""
    state += np.uint64(0x9E3779B97F4A7C15)
    return state, np.float64(mixed(state) >> np.uint64(11)) * 2.0**-53
