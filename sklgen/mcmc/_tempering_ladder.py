"""Ladders of temperatures: how many there are, and how far apart.

References
----------
Syed, Bouchard-Côté, Deligiannidis and Doucet (2022), Non-reversible parallel tempering:
a scalable highly parallel MCMC scheme, JRSS B 84.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import PchipInterpolator

from sklgen._typing import Array

# Lanes before anything is known of how many there should be, and their bounds.
FIRST, LEAST, MOST = 8, 4, 32
# Powers are compared by their fifth root, in which laws change at a steady pace from
# the prior to the posterior.
_ROOT = 0.2
# Shares of rejected exchanges below this tell nothing.
_NEGLIGIBLE = 1e-3


def first(n_lanes: int, lowest: float) -> Array:
    """Powers (L,) from 1 down to `lowest`, before anything is known of the target."""
    powers = np.linspace(1.0, lowest**_ROOT, n_lanes) ** (1 / _ROOT)
    powers[-1] = lowest
    return powers


def wanted(rejection: Array) -> int:
    """Number of lanes for which half of all exchanges are rejected.

    The sum of the shares (L - 1,) that are rejected between neighbours, the barrier
    between the ends, hardly depends on the ladder.
    """
    return int(np.clip(math.ceil(2 * rejection.sum()) + 1, LEAST, MOST))


def spaced(powers: Array, rejection: Array, n_lanes: int) -> Array:
    """Powers between the same ends for which all neighbours reject the same share.

    Parameters
    ----------
    powers : ndarray of shape (L,)
        Powers now, from 1 down.
    rejection : ndarray of shape (L - 1,)
        Share of the exchanges between neighbours that were rejected.
    n_lanes : int
        Number of new powers.

    Returns
    -------
    powers : ndarray of shape (n_lanes,)
        New powers.
    """
    barrier = np.cumsum([0.0, *np.maximum(rejection, _NEGLIGIBLE)])
    root = PchipInterpolator(barrier, powers**_ROOT)
    out: Array = root(np.linspace(0.0, barrier[-1], n_lanes)) ** (1 / _ROOT)
    out[0], out[-1] = powers[0], powers[-1]
    return out


def nearest(powers: Array, others: Array) -> list[int]:
    """Which of `others` is nearest to each of the powers."""
    gaps = np.abs(np.subtract.outer(powers**_ROOT, others**_ROOT))
    chosen: list[int] = gaps.argmin(axis=1).tolist()
    return chosen
