"""Calls of the user's log-density, checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc import _nuts as nuts
from sklgen.mcmc._metric import Metric

Answer = TypeVar("Answer")
# From positions (A, d) to log-densities (A,) and their gradients (A, d).
Density = Callable[[Array], tuple[Array, Array]]

# Numbers of a position, and positions, that are written out.
_FEW, _MANY = 8, 4
_TELL_EVERY = 64


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
        note(error, function, x)
        raise


def note(error: Exception, function: Callable[[Array], object], x: Array) -> None:
    """Let an error tell at which of the positions (A, d) the function raised it."""
    error.add_note(f"The log-density was asked for at {_culprit(function, x)}.")


def first_failure(call: Callable[[slice], object], n: int) -> int | None:
    """Find the first of n places that fails when it is asked for alone."""
    for place in range(n):
        try:
            call(slice(place, place + 1))
        except Exception:
            return place
    return None


def _culprit(function: Callable[[Array], object], x: Array) -> str:
    """The first position that fails alone; some of them if none does."""
    place = first_failure(lambda at: function(x[at].copy()), len(x))
    if place is None:
        return " and ".join(told(row) for row in x[:_MANY])
    return told(x[place])


class SelfDriven(ABC):
    """A density that advances chains by itself, faster than it can be asked."""

    @abstractmethod
    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""

    @abstractmethod
    def fill(
        self,
        state: nuts.State,
        metric: Metric,
        trace: nuts.Trace,
        *,
        max_depth: int,
        target_accept: float,
        tell: Callable[[nuts.Index], None],
    ) -> int:
        """Advance chains until the trace is full; returns the number of gradients."""


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

    def fill(
        self,
        state: nuts.State,
        metric: Metric,
        trace: nuts.Trace,
        *,
        max_depth: int,
        target_accept: float = 0.0,
        tell: Callable[[nuts.Index], None],
    ) -> None:
        """Advance chains until the trace is full.

        A chain that has come to its end is asked for no more. `tell` is called with
        the numbers of draws now and then, and at the end.
        """
        if isinstance(self._density, SelfDriven):
            self.count += self._density.fill(
                state,
                metric,
                trace,
                max_depth=max_depth,
                target_accept=target_accept,
                tell=tell,
            )
            return
        n_draws = trace.positions.shape[1]
        nuts.rewind(state)
        rows = np.arange(state.n_chains if n_draws else 0)
        tick = 0
        while len(rows):
            unit = nuts.queries(state)
            if len(rows) < len(unit):
                unit = unit[rows]
            value, gradient = self(metric.positions(unit, rows))
            if nuts.advance(
                state,
                value,
                metric.pull(gradient, rows),
                trace,
                rows=rows,
                max_depth=max_depth,
                target_accept=target_accept,
            ):
                rows = np.flatnonzero(state.n_drawn < n_draws)
            tick += 1
            if tick % _TELL_EVERY == 0:
                tell(state.n_drawn)
        tell(state.n_drawn)

    def kept(self, x: Array) -> tuple[Array, Array]:
        """Log-densities and gradients that are the caller's own."""
        value, gradient = self(x)
        return value.copy(), gradient.copy()


def as_values(answer: Any, n: int) -> Array:
    """Log-densities (n,) that a function gave for n positions."""
    value = np.asarray(answer, dtype=np.float64)
    if value.shape != (n,):
        raise ValueError(
            "log_density must return an array of shape (n,) for positions of shape "
            f"(n, d): got {value.shape} for {n} positions."
        )
    return value


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
