"""Calls of the user's log-density, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# From positions (A, d) to log-densities (A,) and their gradients (A, d).
Density = Callable[[Array], tuple[Array, Array]]

_FEW = 8


def told(x: Array) -> str:
    """Write out a position, or the beginning of a long one."""
    shown = ", ".join(f"{value:.6g}" for value in x[:_FEW])
    return f"[{shown}{', ...' if len(x) > _FEW else ''}]"


class Evaluator:
    """A density that answers with arrays of the right shapes, and counts positions."""

    def __init__(self, density: Density) -> None:
        self._density = density
        self.count = 0

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d).

        The density may write into `x`, and into what it returned at its next call:
        `kept` is for those who need them after that.
        """
        try:
            answer = self._density(x)
        except Exception as error:
            error.add_note(f"The log-density was asked for at {self._culprit(x)}.")
            raise
        value, gradient = _pair(answer)
        if value.shape != x.shape[:1] or gradient.shape != x.shape:
            raise ValueError(
                "density must return log-densities of shape (n,) and gradients of "
                f"shape (n, d) for positions of shape (n, d): got {value.shape} and "
                f"{gradient.shape} for {x.shape}."
            )
        self.count += len(x)
        return value, gradient

    def kept(self, x: Array) -> tuple[Array, Array]:
        """Log-densities and gradients that are the caller's own, and so is `x`."""
        value, gradient = self(x.copy())
        return value.copy(), gradient.copy()

    def _culprit(self, x: Array) -> str:
        """Positions that fail alone, the first of them; all if none does."""
        for row in x:
            try:
                self._density(row[None])
            except Exception:
                return told(row)
        return " and ".join(told(row) for row in x[:4])


def _pair(answer: Any) -> tuple[Array, Array]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(
            "density must return a tuple of log-densities and gradients, got "
            f"{type(answer).__name__}."
        )
    value, gradient = answer
    return (
        np.ascontiguousarray(value, dtype=np.float64),
        np.ascontiguousarray(gradient, dtype=np.float64),
    )
