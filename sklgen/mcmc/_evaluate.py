"""Calls of the user's log-density, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from sklgen.families._base import Array

Answer = TypeVar("Answer")
# From positions (A, d) to log-densities (A,) and their gradients (A, d).
Density = Callable[[Array], tuple[Array, Array]]

# Numbers of a position, and positions, that are written out.
_FEW, _MANY = 8, 4


def told(x: Array) -> str:
    """Write out a position, or the beginning of a long one."""
    shown = ", ".join(f"{value:.6g}" for value in x[:_FEW])
    return f"[{shown}{', ...' if len(x) > _FEW else ''}]"


def ask(function: Callable[[Array], Answer], x: Array) -> Answer:
    """Call the user's function at positions (A, d); what it raises tells where.

    It gets copies: it may write into them.
    """
    try:
        return function(x.copy())
    except Exception as error:
        error.add_note(f"The log-density was asked for at {_culprit(function, x)}.")
        raise


def _culprit(function: Callable[[Array], object], x: Array) -> str:
    """The first position that fails alone; some of them if none does."""
    for row in x:
        try:
            function(row[None].copy())
        except Exception:
            return told(row)
    return " and ".join(told(row) for row in x[:_MANY])


class Evaluator:
    """A density that answers with arrays of the right shapes, and counts positions."""

    def __init__(self, density: Density) -> None:
        self._density = density
        self.count = 0

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d).

        The density may write into them at its next call: `kept` is for those who need
        them after that.
        """
        value, gradient = _pair(ask(self._density, x))
        if value.shape != x.shape[:1] or gradient.shape != x.shape:
            raise ValueError(
                "density must return log-densities of shape (n,) and gradients of "
                f"shape (n, d) for positions of shape (n, d): got {value.shape} and "
                f"{gradient.shape} for {x.shape}."
            )
        self.count += len(x)
        return value, gradient

    def kept(self, x: Array) -> tuple[Array, Array]:
        """Log-densities and gradients that are the caller's own."""
        value, gradient = self(x)
        return value.copy(), gradient.copy()


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
