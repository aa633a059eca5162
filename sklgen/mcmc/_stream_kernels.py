"""Compiled streams of random numbers: `streams` (C, 4) of xoshiro256++."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Streams = NDArray[np.uint64]


@njit(nogil=True, cache=True)
def _bits(streams: Streams, c: int) -> np.uint64:
    s0, s1, s2, s3 = streams[c, 0], streams[c, 1], streams[c, 2], streams[c, 3]
    x = s0 + s3
    out: np.uint64 = ((x << np.uint64(23)) | (x >> np.uint64(41))) + s0
    t = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    streams[c, 1] = s1 ^ s2
    streams[c, 0] = s0 ^ s3
    streams[c, 2] = s2 ^ t
    streams[c, 3] = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))
    return out


@njit(nogil=True, cache=True)
def uniform(streams: Streams, c: int) -> float:
    """Draw a number strictly between 0 and 1 from stream `c`."""
    return (np.float64(_bits(streams, c) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(nogil=True, cache=True)
def sign(streams: Streams, c: int) -> int:
    """Draw -1 or 1 from stream `c`."""
    return 1 if _bits(streams, c) >> np.uint64(63) == np.uint64(1) else -1


@njit(nogil=True, cache=True)
def normals(streams: Streams, c: int, out: Array) -> None:
    """Fill `out` (d,) with standard normal numbers from stream `c`."""
    d = len(out)
    for i in range(0, d, 2):
        radius = math.sqrt(-2.0 * math.log(uniform(streams, c)))
        angle = 2.0 * math.pi * uniform(streams, c)
        out[i] = radius * math.cos(angle)
        if i + 1 < d:
            out[i + 1] = radius * math.sin(angle)
