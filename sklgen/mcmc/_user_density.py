"""Log-densities as users write them, made ready for chains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._compiled import CompiledDensity, is_compiled
from sklgen.mcmc._evaluate import as_values
from sklgen.mcmc._runner import LogDensity

Grad = Callable[..., Any] | Literal["torch"] | bool | None


def density_of(
    log_density: Callable[..., Any],
    n_dim: int,
    *,
    grad: Grad,
    args: Sequence[Any],
    vectorized: bool,
    n_threads: int,
) -> LogDensity:
    """Make what chains are run on.

    Parameters
    ----------
    log_density : callable
        Function of a position, or of many, and of `args`.
    n_dim : int
        Number of dimensions.
    grad : callable, True, "torch" or None
        Where gradients come from.
    args : sequence
        What else the functions take.
    vectorized : bool
        Whether the functions take many positions at once.
    n_threads : int
        Number of threads that run chains of compiled functions.

    Returns
    -------
    LogDensity
        Log-density with gradients, if there are any.
    """
    if is_compiled(log_density) and grad is None:
        return CompiledDensity(log_density, n_dim, args, n_threads=n_threads)
    if grad == "torch":
        return _Torch(log_density, n_dim, args, vectorized=vectorized)
    return _Numpy(log_density, n_dim, args, grad=grad, vectorized=vectorized)


class _Callable(ABC):
    """A function of users, for many positions or one."""

    has_gradient: bool

    def __init__(
        self,
        log_density: Callable[..., Any],
        n_dim: int,
        args: Sequence[Any],
        *,
        vectorized: bool,
    ) -> None:
        self._log_density, self._args = log_density, tuple(args)
        self.n_dim, self._vectorized = n_dim, vectorized

    @abstractmethod
    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""

    @abstractmethod
    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""

    def _call(self, function: Callable[..., Any], u: Any) -> Any:
        """What a function returns for all positions, or a list of that for each."""
        if not self._vectorized:
            return [function(position, *self._args) for position in u]
        try:
            return function(u, *self._args)
        except Exception as error:
            error.add_note(_many(self.n_dim))
            raise

    def _values(self, answer: Any, n: int) -> Array:
        try:
            return as_values(answer, n)
        except (TypeError, ValueError) as error:
            if self._vectorized:
                error.add_note(_many(self.n_dim))
                raise
            raise ValueError(
                "With vectorized=False, log_density must return a number for a "
                f"position of shape ({self.n_dim},)."
            ) from error


def _many(n_dim: int) -> str:
    return (
        f"log_density is called with many positions at once, (n, {n_dim}): set "
        f"vectorized=False for a function of one position ({n_dim},)."
    )


class _Numpy(_Callable):
    """A function of arrays, with a gradient or without."""

    def __init__(
        self,
        log_density: Callable[..., Any],
        n_dim: int,
        args: Sequence[Any],
        *,
        grad: Any,
        vectorized: bool,
    ) -> None:
        super().__init__(log_density, n_dim, args, vectorized=vectorized)
        self._grad, self.has_gradient = grad, grad is not None

    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""
        if self._grad is True:
            return self.value_and_gradient(u)[0]
        return self._values(self._call(self._log_density, u), len(u))

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""
        if self._grad is not True:
            slopes = self._call(self._grad, u.copy())
            return self.value(u), self._gradients(slopes, u)
        answer = self._call(self._log_density, u)
        pairs = [answer] if self._vectorized else answer
        if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            raise TypeError(
                "With grad=True, log_density must return a tuple of the log-density "
                f"and its gradient, got {type(pairs[0]).__name__}."
            )
        value, gradient = answer if self._vectorized else zip(*answer, strict=True)
        return self._values(value, len(u)), self._gradients(gradient, u)

    def _gradients(self, answer: Any, u: Array) -> Array:
        gradient = np.array(answer, dtype=np.float64)
        if gradient.shape != u.shape:
            got = gradient.shape if self._vectorized else gradient.shape[1:]
            wanted = f"({'n, ' * self._vectorized}{self.n_dim})"
            raise ValueError(
                f"Gradients must have the shape of positions, {wanted}, got {got}"
                f"{f' for n = {len(u)}' * self._vectorized}."
            )
        return gradient


class _Torch(_Callable):
    """A function of tensors, which torch differentiates."""

    has_gradient = True

    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d), up to a constant."""
        import torch

        with torch.no_grad():
            return self._told(self._of(torch.tensor(u, dtype=torch.float64)), u)

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""
        import torch

        x = torch.tensor(u, dtype=torch.float64, requires_grad=True)
        value = self._of(x)
        told = self._told(value, u)
        if not value.requires_grad:  # it is constant
            return told, np.zeros(u.shape)
        (gradient,) = torch.autograd.grad(value.sum(), x)
        return told, np.asarray(gradient)

    def _of(self, x: Any) -> Any:
        import torch

        answer = self._call(self._log_density, x)
        answer = answer if self._vectorized else torch.stack(answer)
        if not isinstance(answer, torch.Tensor):
            raise TypeError(
                'With grad="torch", log_density gets and returns tensors, got '
                f"{type(answer).__name__}."
            )
        return answer

    def _told(self, value: Any, u: Array) -> Array:
        return self._values(value.detach().cpu().numpy(), len(u))
