"""Laws of parameters of models with linear predictors."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.special import betaln, gammaln

from sklgen._typing import Array
from sklgen.mcmc._transform_numbers import LowerBounded
from sklgen.mcmc._transforms import Transform
from sklgen.mcmc.priors import Normal, Prior


@dataclass(frozen=True, eq=False)
class Shifted(Prior):
    """Law of a number above a bound, by how much it is above it.

    Parameters
    ----------
    law : Prior
        Law of a positive number.
    lower : float
        The bound.
    """

    law: Prior
    lower: float
    shape: tuple[int, ...] = field(default=(), init=False)

    @cached_property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return LowerBounded(self.lower)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (...)
            Values above the bound.

        Returns
        -------
        log_density, gradient : ndarray of shape (...)
            Of each value.
        """
        return self.law.value_and_gradient(x - self.lower)

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw values.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        rng : Generator
            Source of randomness.

        Returns
        -------
        x : ndarray of shape (n_draws,)
            Draws.
        """
        return self.lower + self.law.draw(n_draws, rng)


@dataclass(frozen=True)
class ZeroSum(Transform):
    """Arrays whose sums along the first axis are zero.

    Parameters
    ----------
    shape : tuple of int
        Shape of an x, with one axis or more.
    """

    shape: tuple[int, ...] = (1,)
    support: ClassVar[str] = "of sum zero along the first axis"

    @property
    def size(self) -> int:
        """Length of a u."""
        first, *rest = self.shape
        return (first - 1) * int(np.prod(rest, dtype=np.int64))

    @cached_property
    def contrasts(self) -> Array:
        """Orthonormal rows, each of one element against the mean of those before it."""
        n = self.shape[0]
        steps = np.arange(1.0, n)
        rows = np.tril(np.ones((n, n)), -1)[1:] - np.diag(steps, 1)[:-1]
        return np.asarray(rows / np.sqrt(steps * (steps + 1.0))[:, None])

    def _forward(self, u: Array) -> tuple[Array, Array]:
        lead = u.shape[:-1]
        free = u.reshape(*lead, self.shape[0] - 1, -1)
        x = (self.contrasts.T @ free).reshape(*lead, *self.shape)
        return x, np.zeros(lead)

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        return self._inverse(gradient)

    def _supports(self, x: Array) -> bool:
        axis = -len(self.shape)
        size = np.abs(x).sum(axis=axis)
        return bool((np.abs(x.sum(axis=axis)) <= 1e-8 * size).all())

    def _inverse(self, x: Array) -> Array:
        lead = x.shape[: x.ndim - len(self.shape)]
        flat = x.reshape(*lead, self.shape[0], -1)
        return np.asarray((self.contrasts @ flat).reshape(*lead, self.size))


@dataclass(frozen=True, eq=False)
class ZeroSumNormal(Prior):
    """Normal numbers less their mean along the first axis: no element is set apart.

    Parameters
    ----------
    scale : float or ndarray
        Standard deviation of the difference of any two elements along the axis; of a
        shape that broadcasts to the other axes.
    shape : tuple of int
        Shape of the parameter.
    """

    scale: Any
    shape: tuple[int, ...] = (1,)

    @cached_property
    def transform(self) -> ZeroSum:
        """Map of vectors without bounds onto the support of the law."""
        return ZeroSum(self.shape)

    @cached_property
    def _log_constant(self) -> float:
        scales = np.broadcast_to(self.scale, self.shape[1:])
        each = np.log(scales) + 0.5 * np.log(np.pi)
        return float((1 - self.shape[0]) * each.sum())

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density among arrays of sum zero, and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., ``*shape``)
            Values within the support.

        Returns
        -------
        log_density : ndarray of shape (...)
            Of the parameter.
        gradient : ndarray of shape (..., ``*shape``)
            Derivatives by each element.
        """
        gradient = -2.0 * x / np.square(self.scale)
        axes = tuple(range(-len(self.shape), 0))
        return 0.5 * (x * gradient).sum(axis=axes) + self._log_constant, gradient

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw values.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        rng : Generator
            Source of randomness.

        Returns
        -------
        x : ndarray of shape (n_draws, ``*shape``)
            Draws.
        """
        u = rng.normal(scale=np.sqrt(0.5), size=(n_draws, self.transform.size))
        return np.asarray(self.transform.to_constrained(u)[0] * self.scale)


@dataclass(frozen=True, eq=False)
class StudentColumns(Prior):
    """Columns of a normal law about zero, each times a random number of its own.

    Each has a multivariate Student law: all that a column has is small, or it is not.

    Parameters
    ----------
    normal : Normal or ZeroSumNormal
        Law of numbers of shape (p,), or of columns of sum zero, shape (K, p).
    df : float
        Degrees of freedom.
    """

    normal: Normal | ZeroSumNormal
    df: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return self.normal.shape

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return self.normal.transform

    @cached_property
    def _n_free(self) -> int:
        return self.transform.size // self.shape[-1]

    @cached_property
    def _log_constant(self) -> float:
        at_zero = self.normal.value_and_gradient(np.zeros(self.shape))[0]
        half = 0.5 * self._n_free
        each = (
            gammaln(half) - betaln(0.5 * self.df, half) - half * np.log(0.5 * self.df)
        )
        return float(at_zero + self.shape[-1] * each)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., ``*shape``)
            Values within the support.

        Returns
        -------
        log_density : ndarray of shape (...)
            Of the parameter.
        gradient : ndarray of shape (..., ``*shape``)
            Derivatives by each element.
        """
        slopes = self.normal.value_and_gradient(x)[1]
        squares = -x * slopes
        if len(self.shape) > 1:
            squares = squares.sum(axis=-2, keepdims=True)
        total = self.df + self._n_free
        axes = tuple(range(-len(self.shape), 0))
        value = -0.5 * total * np.log1p(squares / self.df).sum(axis=axes)
        return value + self._log_constant, slopes * (total / (self.df + squares))

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw values.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        rng : Generator
            Source of randomness.

        Returns
        -------
        x : ndarray of shape (n_draws, ``*shape``)
            Draws.
        """
        x = self.normal.draw(n_draws, rng)
        ones = (1,) * (len(self.shape) - 1)
        chi = rng.chisquare(self.df, (n_draws, *ones, self.shape[-1]))
        return np.asarray(x / np.sqrt(chi / self.df))
