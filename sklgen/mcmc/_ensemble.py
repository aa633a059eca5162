"""Ensembles of walkers, for densities without gradients.

The walkers of an ensemble are cut into two halves at random, anew at each step. Those
of one half move, given where those of the other half are; then the other half moves.
So each half asks for its log-densities at once, and so do all ensembles. Ensembles do
not see each other, and have streams of random numbers of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklgen._typing import Array
from sklgen.mcmc import _ensemble_kernels as kernels
from sklgen.mcmc._ensemble_state import Ensembles, Evaluator, LogDensity, init
from sklgen.mcmc._starts import Frame

# Called at each step with the stage, steps so far and steps in all.
Monitor = Callable[[str, int, int], None]

DEFAULT_MOVES: Mapping[str, float] = {"differential": 0.8, "snooker": 0.2}


@dataclass(frozen=True)
class EnsembleDraws:
    """Draws of ensembles, a chain for each walker.

    Parameters
    ----------
    positions : ndarray of shape (E * W, n, d)
        Draws; the walkers of an ensemble are neighbours.
    log_densities : ndarray of shape (E * W, n)
        Log-densities of draws.
    acceptance : ndarray of shape (E * W,)
        Share of the proposals that were accepted.
    ensembles : Ensembles
        The walkers at the end, to go on from.
    n_evaluations : int
        Number of positions at which the density was asked for in this run, its warm-up
        included.
    interrupted : bool
        Whether a KeyboardInterrupt ended the run before its time.
    """

    positions: Array
    log_densities: Array
    acceptance: Array
    ensembles: Ensembles
    n_evaluations: int
    interrupted: bool


def step(
    log_density: Callable[[Array], Array],
    ensembles: Ensembles,
    shares: Array,
) -> tuple[Ensembles, NDArray[np.bool_]]:
    """Let each walker move once.

    Parameters
    ----------
    log_density : callable
        From positions (..., d) to log-densities (...).
    ensembles : Ensembles
        Where walkers are.
    shares : ndarray of shape (3,)
        Cumulative probabilities of moves.

    Returns
    -------
    ensembles : Ensembles
        Where they are then.
    accepted : ndarray of bool of shape (E, W)
        Whether they moved.
    """
    E, W, d = ensembles.positions.shape
    x, value = ensembles.positions.copy(), ensembles.log_densities.copy()
    streams = ensembles.streams.copy()
    order, accepted = np.empty((E, W), np.int64), np.empty((E, W), np.bool_)
    proposal, log_factor = np.empty((E, W // 2, d)), np.empty((E, W // 2))
    kernels.shuffle(order, streams)
    first, second = order[:, : W // 2], order[:, W // 2 :]
    for moving, fixed in ((first, second), (second, first)):
        kernels.propose(x, moving, fixed, shares, streams, proposal, log_factor)
        proposed = log_density(proposal)
        kernels.accept(
            x, value, moving, proposal, proposed, log_factor, streams, accepted
        )
    return Ensembles(x, value, streams), accepted


def cumulative_shares(moves: Mapping[str, float]) -> Array:
    """Cumulative probabilities of moves.

    Parameters
    ----------
    moves : mapping of str to float
        Weights of moves.

    Returns
    -------
    shares : ndarray of shape (3,)
        From the first of the kernels' moves on.
    """
    for name, weight in moves.items():
        if name not in kernels.MOVES:
            raise ValueError(f"moves must be among {kernels.MOVES}, got {name!r}.")
        if not 0.0 <= weight < np.inf:
            raise ValueError(
                f"Weights of moves must be finite and not negative, got {weight} for "
                f"{name!r}."
            )
    total = np.cumsum([moves.get(name, 0.0) for name in kernels.MOVES])
    if not total[-1] > 0.0:
        raise ValueError(f"moves must have a positive weight, got {dict(moves)}.")
    return np.asarray(total / total[-1])


def sample_ensemble(
    log_density: LogDensity,
    n_dim: int,
    *,
    n_walkers: int,
    n_steps: int,
    n_warmup: int,
    rng: np.random.Generator,
    n_ensembles: int = 1,
    moves: Mapping[str, float] = DEFAULT_MOVES,
    thin: int = 1,
    starts: ArrayLike | None = None,
    frame: Frame | None = None,
    monitor: Monitor | None = None,
) -> EnsembleDraws:
    """Draw from a density that has no gradient.

    Parameters
    ----------
    log_density : callable
        From positions (A, d) to their log-densities (A,), up to a constant; minus
        infinity or NaN outside of the support.
    n_dim : int
        Number d of dimensions.
    n_walkers : int
        Number of walkers in an ensemble, even and at least 6 and 2 (d + 1); several
        times as many are better.
    n_steps, n_warmup : int
        Number of steps, and of those before, whose draws are not kept.
    rng : numpy.random.Generator
        Seeds the ensembles: their draws do not depend on how many run together.
    n_ensembles : int, default=1
        Number of ensembles. The walkers of one depend on each other, so that only
        several tell by R-hat whether they have converged.
    moves : mapping of str to float
        Weights of "differential", "snooker" and "stretch".
    thin : int, default=1
        Every how many steps draws are kept.
    starts : array-like of shape (n_ensembles, n_walkers, n_dim), optional
        Where walkers start; by default they are drawn from the frame.
    frame : Frame, optional
        Where to look for starts; by default numbers from -2 to 2.
    monitor : callable, optional
        Called with the stage, steps so far and steps in all.

    Returns
    -------
    draws : EnsembleDraws
        With the walkers at the end.

    Notes
    -----
    Walkers jump between modes along the difference of two that are in different ones.
    So an ensemble that has no walker in a mode finds none, and one that has does not
    lose the last: weights of modes are right only if there are enough walkers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc._ensemble import sample_ensemble
    >>> draws = sample_ensemble(
    ...     lambda x: -0.5 * (x**2).sum(axis=1),
    ...     2,
    ...     n_walkers=20,
    ...     n_steps=500,
    ...     n_warmup=100,
    ...     rng=np.random.default_rng(0),
    ... )
    >>> draws.positions.shape
    (20, 500, 2)
    """
    if n_warmup < 0:
        raise ValueError(f"n_warmup must not be negative, got {n_warmup}.")
    evaluate = Evaluator(log_density)
    ensembles = init(
        evaluate,
        n_dim,
        n_walkers=n_walkers,
        n_ensembles=n_ensembles,
        rng=rng,
        starts=starts,
        frame=frame,
    )
    shares = cumulative_shares(moves)
    for done in range(1, n_warmup + 1):
        ensembles, _ = step(evaluate, ensembles, shares)
        if monitor is not None:
            monitor("warm-up", done, n_warmup)
    return _draw(evaluate, ensembles, shares, n_steps, thin, monitor)


def resume_ensemble(
    log_density: LogDensity,
    ensembles: Ensembles,
    n_steps: int,
    *,
    moves: Mapping[str, float] = DEFAULT_MOVES,
    thin: int = 1,
    monitor: Monitor | None = None,
) -> EnsembleDraws:
    """Draw more: the same draws as those of one longer run.

    This is so if `thin` divides the number of steps before.

    Parameters
    ----------
    log_density : callable
        From positions (A, d) to their log-densities (A,), up to a constant.
    ensembles : Ensembles
        Walkers at the end of a run.
    n_steps : int
        Number of steps.
    moves : mapping of str to float
        Weights of "differential", "snooker" and "stretch".
    thin : int, default=1
        Every how many steps draws are kept.
    monitor : callable, optional
        Called with the stage, steps so far and steps in all.

    Returns
    -------
    draws : EnsembleDraws
        With the walkers at the end.
    """
    shares = cumulative_shares(moves)
    evaluate = Evaluator(log_density)
    return _draw(evaluate, ensembles, shares, n_steps, thin, monitor)


def _draw(
    evaluate: Evaluator,
    ensembles: Ensembles,
    shares: Array,
    n_steps: int,
    thin: int,
    monitor: Monitor | None,
) -> EnsembleDraws:
    if n_steps < 0 or thin < 1:
        raise ValueError(
            "n_steps must not be negative and thin at least 1, got "
            f"{n_steps} and {thin}."
        )
    E, W, d = ensembles.positions.shape
    positions = np.empty((E * W, n_steps // thin, d))
    log_densities = np.empty(positions.shape[:2])
    n_accepted = np.zeros((E, W))
    done, interrupted = 0, False
    try:
        while done < n_steps:
            moved, accepted = step(evaluate, ensembles, shares)
            if (done + 1) % thin == 0:
                positions[:, done // thin] = moved.positions.reshape(-1, d)
                log_densities[:, done // thin] = moved.log_densities.ravel()
            n_accepted += accepted
            # Together and at the end: a step that is interrupted was not made.
            ensembles, done = moved, done + 1
            if monitor is not None:
                monitor("sampling", done, n_steps)
    except KeyboardInterrupt:
        interrupted = True
    kept = slice(done // thin)
    return EnsembleDraws(
        positions[:, kept],
        log_densities[:, kept],
        n_accepted.ravel() / max(done, 1),
        ensembles,
        evaluate.count,
        interrupted,
    )
