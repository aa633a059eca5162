"""Where chains start: somewhere within a frame, where the density is positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._evaluate import told

TRIES = 100
_REACH = 2.0


@dataclass(frozen=True)
class Frame:
    """Where to look for the target, and in what unit, before anything is known of it.

    Attributes
    ----------
    origin, scale : ndarray of shape (d,)
        Starts are within two `scale` of `origin`.
    """

    origin: Array
    scale: Array

    @staticmethod
    def standard(n_dim: int) -> Frame:
        """Give the frame of a target with numbers of about one."""
        return Frame(np.zeros(n_dim), np.ones(n_dim))

    def draw(self, rng: np.random.Generator, *shape: int) -> Array:
        """Draw positions (*shape, d)."""
        unit = rng.uniform(-_REACH, _REACH, (*shape, len(self.origin)))
        return self.origin + self.scale * unit


class NoStart(ValueError):
    """Nowhere that was looked at has a positive density and a finite gradient.

    Parameters
    ----------
    who : str
        What was to start.
    what : str
        What is wrong at the last position.
    position : ndarray of shape (d,)
        The last position.
    """

    def __init__(self, who: str, what: str, position: Array) -> None:
        super().__init__(
            f"No start was found: {TRIES} random points were tried for {who}, and "
            f"{what} at the last, {told(position)}. Give `starts` where the density is "
            "positive, or change the density."
        )
        self.position = position
