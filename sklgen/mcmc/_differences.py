"""Gradients by finite differences, for densities that have none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._evaluate import as_values

# The step that balances errors of rounding and of truncation, for a scale of one.
_STEP = float(np.finfo(np.float64).eps ** (1 / 3))


class Differences:
    """Value and gradient of a log-density that gives its value alone.

    Leapfrogs are reversible and keep volumes under any force that is a function of the
    position, and trajectories are weighed by the density itself. So the sampler draws
    from the density exactly however rough the differences are; they only make it
    slower.

    Parameters
    ----------
    value : callable
        From positions (A, d) to log-densities (A,). It is asked for 2d + 1 positions
        of each gradient, in one call.
    """

    def __init__(self, value: Callable[[Array], Array]) -> None:
        self._value = value

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and central differences (A, d) at positions (A, d).

        Where one neighbour has no density, the difference is to the other; where
        neither has any, it is 0.
        """
        A, d = x.shape
        step = _STEP * np.sqrt(np.maximum(1.0, np.abs(x)))
        around = np.repeat(x[:, None], 2 * d + 1, axis=1)
        each = np.arange(d)
        around[:, 1 + each, each] += step
        around[:, 1 + d + each, each] -= step
        found = as_values(self._value(around.reshape(-1, d)), A * (2 * d + 1))
        found = found.reshape(A, 2 * d + 1)
        # What was stepped, after rounding.
        ahead = around[:, 1 + each, each] - x
        behind = x - around[:, 1 + d + each, each]
        centre = np.where(np.isfinite(found[:, :1]), found[:, :1], 0.0)
        up, down = found[:, 1 : 1 + d], found[:, 1 + d :]
        has_up, has_down = np.isfinite(up), np.isfinite(down)
        rise = np.where(has_up, up, centre) - np.where(has_down, down, centre)
        run = np.where(has_up, ahead, 0.0) + np.where(has_down, behind, 0.0)
        usable = np.isfinite(found[:, :1]) & (run > 0.0)
        gradient = np.zeros((A, d))
        np.divide(rise, run, out=gradient, where=usable)
        return found[:, 0].copy(), gradient
