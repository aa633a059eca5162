"""What passes over a bundle of sequences give, and what segments tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array


@dataclass(frozen=True)
class Messages:
    """What segments of long sequences know of the rest of their sequence.

    Parameters
    ----------
    previous : ndarray of shape (m, C, K)
        Log-probabilities of the state before the first row of each segment, given all
        rows before; -inf where there are none.
    future : ndarray of shape (m, C, K)
        Log-probability of all rows after the segment given its last state, up to a
        constant.
    density : ndarray of shape (m, C)
        Log-density of the whole sequence under each chain, where it has more than one
        segment.
    leads : ndarray of shape (m,)
        Whether the segment is the first of its sequence.
    whole : ndarray of shape (m,)
        Whether the segment is all of its sequence.
    """

    previous: Array
    future: Array
    density: Array
    leads: NDArray[np.bool_]
    whole: NDArray[np.bool_]


class Emissions(NamedTuple):
    """What the components say of a bundle.

    `log` (C K, n) are log-densities, with states known to be wrong at -inf; `blocks`
    are, for each block of the bundle, its view and features.
    """

    log: Array
    blocks: list[tuple[Any, Any]]


class Filtered(NamedTuple):
    """A forward pass of one chain over a bundle.

    Parameters
    ----------
    safe : bool
        Whether nothing underflowed: then `emission` (K, n), `before` and `predicted`
        are those of the kernel `forward`; otherwise `predicted` has logarithms.
    log : ndarray of shape (K, n)
        Log-density of each row under each state.
    previous, past : ndarray of shape (K, m)
        Log-probabilities of the states before the first row, and at it.
    density : ndarray of shape (n,)
        Log-density of each row given the rows before.
    """

    safe: bool
    log: Array
    previous: Array
    past: Array
    emission: Array
    before: Array
    predicted: Array
    density: Array

    def log_filtered(self, at: Any = slice(None)) -> Array:
        """Log-probabilities of the states given the rows so far, at some columns."""
        predicted, density = self.predicted[:, at], self.density[at]
        predicted = log_of(predicted) if self.safe else predicted
        seen = density > -np.inf
        joint = predicted + np.where(seen, self.log[:, at], 0.0)
        return np.asarray(joint - np.where(seen, density, 0.0))


class Pass(NamedTuple):
    """What chains say of a bundle: `Chains.smooth`.

    Parameters
    ----------
    smoothed : ndarray of shape (C, K, n)
        Probability of each chain and state given all rows of the sequence.
    share : ndarray of shape (C, m)
        Probability of each chain for each segment.
    bound : ndarray of shape (m,)
        Log-density of the sequence of each segment that is the first of its sequence,
        zero for the others.
    pairs : ndarray of shape (C, K, K)
        Expected number of transitions, weighed by the weights of the sequences.
    """

    smoothed: Array
    share: Array
    bound: Array
    pairs: Array


def log_of(probabilities: Array) -> Array:
    """Logarithms of probabilities, -inf for zero."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(probabilities))
