"""Moves of walkers along differences of other walkers.

A move takes walkers x (..., d), three distinct others (..., 3, d), which stay where
they are, and two uniform numbers (..., 2). It proposes where x may go, and gives the
log of what multiplies the ratio of densities so that the target stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sklgen.families._base import Array

Move = Callable[[Array, Array, Array], tuple[Array, Array]]

# Steps of differential evolution: best for normal targets, over sqrt(2 d).
_BEST_STEP = 2.38
# Share of steps as long as the difference itself, which go from mode to mode.
_JUMPS = 0.1
# Relative width of the law of steps: no walker stays on a lattice.
_SPREAD = 0.1
_SNOOKER_STEPS = (1.2, 2.2)
_LONGEST_STRETCH = 2.0


def differential(x: Array, others: Array, noise: Array) -> tuple[Array, Array]:
    """Go along the difference of two others, as differential evolution does [1]_.

    Parameters
    ----------
    x : ndarray of shape (..., d)
        Walkers.
    others : ndarray of shape (..., 3, d)
        Walkers that stay.
    noise : ndarray of shape (..., 2)
        Uniform numbers.

    Returns
    -------
    proposal : ndarray of shape (..., d)
        Where walkers may go.
    log_factor : ndarray of shape (...)
        Zero, as going back is as probable.

    References
    ----------
    .. [1] ter Braak, C. J. F. (2006). A Markov chain Monte Carlo version of the genetic
       algorithm differential evolution. Statistics and Computing, 16.
    """
    best = _BEST_STEP / np.sqrt(2.0 * x.shape[-1])
    scale = best * (1.0 + _SPREAD * (2.0 * noise[..., 0] - 1.0))
    scale = np.where(noise[..., 1] < _JUMPS, 1.0, scale)
    difference = others[..., 0, :] - others[..., 1, :]
    return x + scale[..., None] * difference, np.zeros(x.shape[:-1])


def snooker(x: Array, others: Array, noise: Array) -> tuple[Array, Array]:
    """Go along the line through another walker [1]_.

    The length of the step is that of the difference of two more along this line.

    Parameters
    ----------
    x : ndarray of shape (..., d)
        Walkers.
    others : ndarray of shape (..., 3, d)
        Walkers that stay.
    noise : ndarray of shape (..., 2)
        Uniform numbers.

    Returns
    -------
    proposal : ndarray of shape (..., d)
        Where walkers may go.
    log_factor : ndarray of shape (...)
        d - 1 times the log of how much farther from the other walker that is.

    References
    ----------
    .. [1] ter Braak, C. J. F. and Vrugt, J. A. (2008). Differential evolution Markov
       chain with snooker updater and fewer chains. Statistics and Computing, 18.
    """
    low, high = _SNOOKER_STEPS
    scale = low + (high - low) * noise[..., 0]
    line = x - others[..., 0, :]
    squared = (line**2).sum(axis=-1)
    along = (line * (others[..., 1, :] - others[..., 2, :])).sum(axis=-1)
    # Walkers at one place have no line: they stay.
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(squared > 0.0, scale * along / squared, 0.0)
        return x + step[..., None] * line, _dilation(np.abs(1.0 + step), x.shape[-1])


def stretch(x: Array, others: Array, noise: Array) -> tuple[Array, Array]:
    """Go closer to another walker, or farther, by a factor from 1/2 to 2 [1]_.

    Parameters
    ----------
    x : ndarray of shape (..., d)
        Walkers.
    others : ndarray of shape (..., 3, d)
        Walkers that stay.
    noise : ndarray of shape (..., 2)
        Uniform numbers.

    Returns
    -------
    proposal : ndarray of shape (..., d)
        Where walkers may go.
    log_factor : ndarray of shape (...)
        d - 1 times the log of the factor.

    References
    ----------
    .. [1] Goodman, J. and Weare, J. (2010). Ensemble samplers with affine invariance.
       Communications in Applied Mathematics and Computational Science, 5.
    """
    # The factor has a density that falls with its root.
    factor = ((_LONGEST_STRETCH - 1.0) * noise[..., 0] + 1.0) ** 2 / _LONGEST_STRETCH
    fixed = others[..., 0, :]
    moved = fixed + factor[..., None] * (x - fixed)
    return moved, _dilation(factor, x.shape[-1])


def _dilation(factor: Array, d: int) -> Array:
    return np.asarray((d - 1.0) * np.log(factor)) if d > 1 else np.zeros(factor.shape)


MOVES: dict[str, Move] = {
    "differential": differential,
    "snooker": snooker,
    "stretch": stretch,
}


def check_moves(moves: Mapping[str, float]) -> dict[str, float]:
    """Probabilities of moves, which sum up to one.

    Parameters
    ----------
    moves : mapping of str to float
        Weights of moves.

    Returns
    -------
    probabilities : dict of str to float
        Those of the moves of positive weight.
    """
    for name, weight in moves.items():
        if name not in MOVES:
            raise ValueError(f"moves must be among {sorted(MOVES)}, got {name!r}.")
        if not 0.0 <= weight < np.inf:
            raise ValueError(
                f"Weights of moves must be finite and not negative, got {weight} for "
                f"{name!r}."
            )
    total = sum(moves.values())
    if not total > 0.0:
        raise ValueError(f"moves must have a positive weight, got {dict(moves)}.")
    return {name: weight / total for name, weight in moves.items() if weight > 0.0}
