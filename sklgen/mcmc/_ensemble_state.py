"""Where the walkers of ensembles are, and where they start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklgen._typing import Array
from sklgen.mcmc._evaluate import ask, told
from sklgen.mcmc._nuts import streams
from sklgen.mcmc._starts import TRIES, Frame, NoStart

# From positions (A, d) to log-densities (A,).
LogDensity = Callable[[Array], ArrayLike]

# Half of the width of the box in which walkers start, and how often they try.


@dataclass(frozen=True)
class Ensembles:
    """E ensembles of W walkers each; never changed by what starts from it.

    Parameters
    ----------
    positions : ndarray of shape (E, W, d)
        Where walkers are.
    log_densities : ndarray of shape (E, W)
        Log-densities there.
    streams : ndarray of uint64 of shape (E, 4)
        Random numbers of the ensembles.
    """

    positions: Array
    log_densities: Array
    streams: NDArray[np.uint64]


class Evaluator:
    """A log-density that answers with numbers below infinity, and counts positions."""

    def __init__(self, log_density: LogDensity) -> None:
        self._log_density = log_density
        self.count = 0

    def __call__(self, x: Array) -> Array:
        """Log-densities (...) at positions (..., d); NaN means none there."""
        flat = x.reshape(-1, x.shape[-1])
        value = np.array(ask(self._log_density, flat), dtype=np.float64)
        if value.shape != flat.shape[:1]:
            raise ValueError(
                "log_density must return an array of shape (n,) for positions of shape "
                f"(n, d): got {value.shape} for {flat.shape}."
            )
        self.count += len(flat)
        if (value == np.inf).any():
            raise ValueError(
                "log_density must be less than infinity, got inf at "
                f"{told(flat[np.argmax(value)])}."
            )
        return value.reshape(x.shape[:-1])


def init(
    log_density: Callable[[Array], Array],
    n_dim: int,
    *,
    n_walkers: int,
    n_ensembles: int,
    rng: np.random.Generator,
    starts: ArrayLike | None = None,
    frame: Frame | None = None,
) -> Ensembles:
    """Ensembles before their first step.

    Parameters
    ----------
    log_density : callable
        From positions (..., d) to log-densities (...), minus infinity or NaN outside
        of the support.
    n_dim : int
        Number d of dimensions.
    n_walkers, n_ensembles : int
        Number of walkers in an ensemble, and of ensembles.
    rng : numpy.random.Generator
        Seeds the ensembles: their draws do not depend on how many run together.
    starts : array-like of shape (n_ensembles, n_walkers, n_dim), optional
        Where walkers start; by default they are drawn from the frame.
    frame : Frame, optional
        Where to look for starts; by default numbers from -2 to 2.

    Returns
    -------
    ensembles : Ensembles
        Walkers of finite log-density.
    """
    _check_sizes(n_dim, n_walkers, n_ensembles)
    seeds = streams(rng, n_ensembles)
    shape = (n_ensembles, n_walkers, n_dim)
    if starts is None:
        return _found(log_density, frame or Frame.standard(n_dim), n_walkers, seeds)
    x = np.array(starts, dtype=np.float64)
    if x.shape != shape:
        raise ValueError(
            "starts must have the shape (n_ensembles, n_walkers, n_dim) = "
            f"{shape}, got {x.shape}."
        )
    value = log_density(x)
    bad = np.argwhere(~np.isfinite(value) | ~np.isfinite(x).all(axis=2))
    if len(bad):
        e, w = bad[0]
        raise ValueError(
            f"starts must have a finite log-density, got {value[e, w]} for walker {w} "
            f"of ensemble {e} at {told(x[e, w])}. Give other `starts`, or None to have "
            "them drawn."
        )
    _check_spread(x)
    return Ensembles(x, value, seeds)


def _check_sizes(n_dim: int, n_walkers: int, n_ensembles: int) -> None:
    if n_dim < 1 or n_ensembles < 1:
        raise ValueError(
            f"n_dim and n_ensembles must be at least 1, got {n_dim} and {n_ensembles}."
        )
    least = max(6, 2 * (n_dim + 1))
    if n_walkers < least or n_walkers % 2:
        raise ValueError(
            f"n_walkers must be even and at least {least} in {n_dim} dimensions, got "
            f"{n_walkers}: the differences in half of them must span all directions."
        )


def _check_spread(x: Array) -> None:
    centred = x - x.mean(axis=1, keepdims=True)
    scale = np.abs(centred).max(axis=1, keepdims=True)
    for e, own in enumerate(centred / np.where(scale > 0.0, scale, 1.0)):
        if np.linalg.matrix_rank(own) < x.shape[2]:
            raise ValueError(
                f"starts of ensemble {e} do not span all {x.shape[2]} dimensions, so "
                "that its walkers could never leave a plane. Add small random numbers "
                "to them."
            )


def _found(
    log_density: Callable[[Array], Array],
    frame: Frame,
    n_walkers: int,
    seeds: NDArray[np.uint64],
) -> Ensembles:
    """Draw starts until all have a finite log-density."""
    rngs = [np.random.default_rng(seed) for seed in seeds]
    value = np.full((len(rngs), n_walkers), -np.inf)
    x = np.empty((*value.shape, len(frame.origin)))
    for _ in range(TRIES):
        bad = ~np.isfinite(value)
        x[bad] = np.stack([frame.draw(rng, n_walkers) for rng in rngs])[bad]
        value[bad] = log_density(x[bad])
        if np.isfinite(value).all():
            return Ensembles(x, value, seeds)
    e, w = np.argwhere(~np.isfinite(value))[0]
    what = f"the log-density is {value[e, w]}"
    raise NoStart(f"walker {w} of ensemble {e}", what, x[e, w])
