"""Which transitions are possible, and where chains may start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_array

from sklgen._typing import Array


def _ergodic(n: int) -> Array:
    return np.ones((n, n))


def _left_right(n: int) -> Array:
    return np.triu(np.ones((n, n)))


def _linear(n: int) -> Array:
    return np.eye(n) + np.eye(n, k=1)


TOPOLOGIES: dict[str, Callable[[int], Array]] = {
    "ergodic": _ergodic,
    "left-right": _left_right,
    "linear": _linear,
}


def possible_transitions(topology: str, n: int) -> Array:
    """One where a transition is possible, zero elsewhere, shape (K, K)."""
    return np.asarray(TOPOLOGIES[topology](n))


def transition_law(given: Any, topology: str, n: int) -> Array:
    """Transition probabilities as given, or even ones over what is possible."""
    possible = possible_transitions(topology, n)
    if given is not None:
        law = given_law(given, "transmat_init", (n, n))
        if (law[possible == 0] > 0).any():
            raise ValueError(
                f"transmat_init has transitions that topology={topology!r} rules out. "
                'Set them to zero, or topology="ergodic".'
            )
        return law
    return np.asarray(possible / possible.sum(axis=1, keepdims=True))


def is_connected(transition: Array) -> bool:
    """Whether every state can be reached from every other one."""
    n, _ = connected_components(transition > 0, directed=True, connection="strong")
    return bool(n == 1)


def start_law(given: Any, topology: str, n: int) -> Array:
    """Start probabilities as given, even ones, or the first state's alone."""
    if given is not None:
        return given_law(given, "startprob_init", (n,))
    if topology == "ergodic":
        return np.full(n, 1.0 / n)
    return np.asarray(np.eye(n)[0])


def given_law(
    values: Any, name: str, shape: tuple[int, ...], asks: str = "n_components asks"
) -> Array:
    """Probabilities along the last axis; `asks` names what sets their shape."""
    array = check_array(values, dtype=np.float64, ensure_2d=False, input_name=name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, but {asks} for {shape}.")
    sums = array.sum(axis=-1)
    if array.min() < 0 or not np.allclose(sums, 1.0):
        raise ValueError(
            f"{name} must be non-negative and sum to 1 along its last axis, got a "
            f"minimum of {array.min():.6g} and sums of {np.unique(sums)[:3].tolist()}. "
            "Divide it by its sums."
        )
    return np.asarray(array / sums[..., None])
