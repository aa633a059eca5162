"""Laws of arrays of independent numbers: what they share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._transform_numbers import LowerBounded, Real
from sklgen.mcmc._transforms import Transform
from sklgen.mcmc.priors._base import Prior, settle
from sklgen.mcmc.priors._checks import as_parameter, check_shape


class Elementwise(Prior):
    """A law of independent numbers, whose parameters broadcast to its shape.

    Derive frozen dataclasses from it; what depends on the parameters alone is made
    once. A density takes a few operations of NumPy, and each counts: most arrays are
    tiny.
    """

    shape: tuple[int, ...]
    # The parameters in the order of the fields, and what each must be.
    _kinds: ClassVar[Mapping[str, str]]
    _parameters: list[Array]
    _coefficients: tuple[Any, ...]
    _log_constant: float
    _axes: tuple[int, ...]

    def __post_init__(self) -> None:
        check_shape("shape", self.shape)
        given = [
            as_parameter(name, getattr(self, name), kind, self.shape)
            for name, kind in self._kinds.items()
        ]
        coefficients, log_constant = self._prepare(*given)
        # Operations with floats are faster than those with arrays of one number.
        settle(
            self,
            _parameters=given,
            _coefficients=tuple(c if np.ndim(c) else float(c) for c in coefficients),
            _log_constant=float(np.broadcast_to(log_constant, self.shape).sum()),
            _axes=tuple(range(-len(self.shape), 0)),
        )

    @abstractmethod
    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        """What `_kernel` needs, and the log-densities that it leaves out."""

    @abstractmethod
    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        """Log-densities of elements, up to constants, and their derivatives."""

    @abstractmethod
    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        """Independent draws of elements."""

    @final
    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., ``*shape``)
            Values within the support.

        Returns
        -------
        log_density : ndarray of shape (...)
            Sum over the elements of the parameter.
        gradient : ndarray of shape (..., ``*shape``)
            Derivatives by each element.
        """
        value, gradient = self._kernel(x, *self._coefficients)
        if self._axes:
            value = np.add.reduce(value, axis=self._axes)
        return value + self._log_constant, gradient

    @final
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
        return self._elements((n_draws, *self.shape), rng, *self._parameters)


class OnReals(Elementwise):
    """A law of numbers without bounds."""

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return Real(self.shape)


class OnPositives(Elementwise):
    """A law of positive numbers."""

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return LowerBounded(shape=self.shape)


def identical(prior: Elementwise) -> bool:
    """Whether all elements have the same law.

    Parameters
    ----------
    prior : Elementwise
        Law of an array of numbers.

    Returns
    -------
    same : bool
        True where each parameter is one number, or the same one throughout.
    """
    return all(bool((p == p.flat[0]).all()) for p in prior._parameters if p.size)
