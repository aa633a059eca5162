"""What the M-step of Markov chains keeps to: priors, fixed parts, stationarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.utils import check_array

from sklgen._typing import Array

# Expected counts below this share of all are none. EM would take them to zero in steps,
# and passes would be in logarithms on the way, lest what they count underflow.
_NEGLIGIBLE = 1e-100


@dataclass(frozen=True)
class Rules:
    """How start and transition probabilities are learned.

    A probability of zero stays zero: no data and no prior revive it.

    Parameters
    ----------
    start : ndarray of shape (K,)
        Pseudo-counts of the states at the first row, before the data.
    transition : ndarray of shape (K, K)
        Pseudo-counts of the transitions.
    stationary : bool, default=False
        Whether chains start from the stationary law of their transitions.
    fixed : frozenset of {"start", "transition", "emission"}, default=frozenset()
        What stays as it is.
    possible_start : ndarray of shape (K,) or None, default=None
        What was possible before the first data. None means what is.
    possible_transition : ndarray of shape (K, K) or None, default=None
        The same for transitions.
    """

    start: Array
    transition: Array
    stationary: bool = False
    fixed: frozenset[str] = frozenset()
    possible_start: NDArray[np.bool_] | None = None
    possible_transition: NDArray[np.bool_] | None = None

    @property
    def n_free_starts(self) -> int:
        """Number of free start probabilities of a chain."""
        if self.possible_start is None:
            return len(self.start) - 1
        return int(np.count_nonzero(self.possible_start)) - 1

    @property
    def n_free_transitions(self) -> int:
        """Number of free transition probabilities of a chain."""
        n = len(self.start)
        if self.possible_transition is None:
            return n * (n - 1)
        return int(np.count_nonzero(self.possible_transition)) - n

    def log_prior(self, start: Array, transition: Array) -> float:
        """Log-density of the priors at probabilities (C, K) and (C, K, K)."""
        total = _entropy(self.transition, transition)
        if not self.stationary:
            total += _entropy(self.start, start)
        return total

    def maximize(
        self, start: Array, transition: Array, starts: Array, pairs: Array
    ) -> tuple[Array, Array]:
        """Probabilities of the highest expected log-posterior, from expected counts."""
        if "transition" not in self.fixed:
            counts = pairs + np.where(transition > 0, self.transition, 0.0)
            updated = _shares(counts, transition)
            if self.stationary:
                updated = np.stack(
                    [
                        _stationary_step(*chain)
                        for chain in zip(
                            transition, updated, counts, starts, strict=True
                        )
                    ]
                )
            transition = updated
        if "start" not in self.fixed and not self.stationary:
            counts = starts + np.where(start > 0, self.start, 0.0)
            start = _shares(counts, start)
        return self.starts(start, transition), transition

    def reopen(
        self, start: Array, transition: Array, share: float
    ) -> tuple[Array, Array]:
        """Probabilities with a share spread over all that is possible.

        Data seen so far may have taken all probability from a state that comes first
        in sequences to come.
        """
        if "start" not in self.fixed and self.possible_start is not None:
            start = _spread(start, self.possible_start, share)
        if "transition" not in self.fixed and self.possible_transition is not None:
            transition = _spread(transition, self.possible_transition, share)
        return self.starts(start, transition), transition

    def starts(self, start: Array, transition: Array) -> Array:
        """Start probabilities that go with the transitions."""
        if not self.stationary:
            return start
        return np.stack([stationary_law(chain) for chain in transition])


def stationary_law(transition: Array) -> Array:
    """Probabilities (K,) that a step of the chain leaves as they are.

    Where there are several such laws, the one that is nearest to an even one.
    """
    n = len(transition)
    system = np.vstack([transition.T - np.eye(n), np.ones((1, n))])
    target = np.zeros(n + 1)
    target[-1] = 1.0
    even = np.full(n, 1.0 / n)
    step = np.linalg.lstsq(system, target - system @ even, rcond=None)[0]
    law = np.maximum(even + step, 0.0)
    return np.asarray(law / law.sum())


def _stationary_step(before: Array, free: Array, counts: Array, starts: Array) -> Array:
    """Transitions that maximise, the law of the first row being the stationary one.

    `free` maximises where the start does not count. There is no closed form: a
    quasi-Newton method climbs from the better of `free` and `before`.
    """
    open_ = before > 0

    def loss(vector: Array) -> tuple[float, Array]:
        logits = np.full(before.shape, -np.inf)
        logits[open_] = vector
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        value, slope = _stationary_objective(shares, counts, starts)
        centred = slope - np.sum(shares * slope, axis=1, keepdims=True)
        return -value, -(shares * centred)[open_]

    tiny = np.finfo(np.float64).tiny
    candidates = [np.log(np.maximum(c, tiny))[open_] for c in (before, free)]
    first = min(candidates, key=lambda vector: loss(vector)[0])
    found = minimize(loss, first, jac=True, method="L-BFGS-B").x
    vector = min((first, found), key=lambda vector: loss(vector)[0])
    result = np.zeros(before.shape)
    result[open_] = np.exp(vector)
    return np.asarray(result / result.sum(axis=1, keepdims=True))


def _stationary_objective(
    transition: Array, counts: Array, starts: Array
) -> tuple[float, Array]:
    """Expected log-likelihood of stationary chains and its slope in the transitions."""
    law = np.maximum(stationary_law(transition), np.finfo(np.float64).tiny)
    known = np.where(transition > 0, transition, 1.0)
    value = float(np.sum(counts * np.log(known)) + np.sum(starts * np.log(law)))
    # The law moves by law @ change @ fundamental.
    fundamental = np.linalg.pinv(np.eye(len(law)) - transition + law)
    slope = counts / known + np.outer(law, fundamental @ (starts / law))
    return value, slope


def _spread(law: Array, possible: NDArray[np.bool_], share: float) -> Array:
    even = possible / possible.sum(axis=-1, keepdims=True)
    return np.asarray((1.0 - share) * law + share * even)


def _shares(counts: Array, before: Array) -> Array:
    """Counts as probabilities; where there are none, those before."""
    totals = counts.sum(axis=-1, keepdims=True)
    counts = np.where(counts < _NEGLIGIBLE * totals, 0.0, counts)
    return np.where(totals > 0, counts / np.where(totals > 0, totals, 1.0), before)


def _entropy(counts: Array, probabilities: Array) -> float:
    """Sum of counts times log-probabilities, over those that are positive."""
    known = probabilities > 0
    logs = np.log(np.where(known, probabilities, 1.0))
    return float(np.sum(np.where(known, counts, 0.0) * logs))


def prior_counts(concentration: Any, name: str, shape: tuple[int, ...]) -> Array:
    """Pseudo-counts of a Dirichlet law from its concentration, one or an array."""
    array = check_array(
        concentration,
        dtype=np.float64,
        ensure_2d=False,
        allow_nd=True,
        ensure_min_samples=0,
        input_name=name,
    )
    if array.ndim and array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}, but n_components asks for {shape}, or "
            "for one number."
        )
    if not (array >= 1.0).all():
        raise ValueError(
            f"{name} must be at least 1 everywhere, got {array.min():g}: below, the "
            "posterior has no highest point."
        )
    return np.broadcast_to(array - 1.0, shape).copy()
