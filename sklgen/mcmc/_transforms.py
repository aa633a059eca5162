"""Maps of all real vectors onto supports of parameters, with their Jacobians.

Samplers see u without bounds, models see x within its support. With the log of the
Jacobian determinant J, log p(u) = log p(x(u)) + log |J(u)|. All maps take leading axes
of any number, for chains and draws, and stay finite and within their support for any
finite u. Where x would be no floating point number it stands still, and J falls off: a
density of such an x alone would not, and u would run away.

References
----------
.. [1] Stan Development Team (2024). Stan reference manual: constraint transforms.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from sklgen._typing import Array

# exp of this, and of its negative, are ordinary numbers with room to the limits.
_LARGEST_LOG = 700.0


def bounded_exp(u: Array, largest: float = _LARGEST_LOG) -> Array:
    """exp(u), neither zero nor infinite.

    Parameters
    ----------
    u : ndarray
        Logarithms.
    largest : float, default=700.0
        Bound of their absolute values.

    Returns
    -------
    x : ndarray
        Positive numbers.
    """
    return np.asarray(np.exp(np.clip(u, -largest, largest)))


def beyond(u: Array, largest: float = _LARGEST_LOG) -> Array:
    """How far logarithms are out of the bounds of `bounded_exp`.

    Log-Jacobians lose its square there.

    Parameters
    ----------
    u : ndarray
        Logarithms.
    largest : float, default=700.0
        Bound of their absolute values.

    Returns
    -------
    distance : ndarray
        Zero within the bounds, and of the sign of u beyond.
    """
    return np.asarray(np.maximum(u - largest, 0.0) + np.minimum(u + largest, 0.0))


class Transform(ABC):
    """A smooth map of real vectors onto the support of a parameter."""

    # What elements of the support are, as the end of a sentence.
    support: ClassVar[str]
    # Whether an x is its u in another shape, so that nothing needs to be computed.
    is_identity: ClassVar[bool] = False

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of an x."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Length of a u."""

    @abstractmethod
    def _forward(self, u: Array) -> tuple[Array, Array]:
        """Elements x and the log of the Jacobian determinant."""

    @abstractmethod
    def _pull_back(self, gradient: Array, u: Array) -> Array:
        """Gradient in u of what has a gradient in x, plus the log-determinant."""

    @abstractmethod
    def _supports(self, x: Array) -> bool:
        """Whether all x are in the support, to rounding."""

    @abstractmethod
    def _inverse(self, x: Array) -> Array:
        """Vectors u for x in the support."""

    @final
    def to_constrained(self, u: ArrayLike) -> tuple[Array, Array]:
        """Map into the support.

        Parameters
        ----------
        u : array-like of shape (..., size)
            Vectors without bounds.

        Returns
        -------
        x : ndarray of shape (..., *shape)
            Elements of the support.
        log_jacobian : ndarray of shape (...)
            Log absolute determinant of the derivative of the free coordinates of x.
        """
        return self._forward(self._vectors(u))

    @final
    def pull_back(self, gradient: ArrayLike, u: ArrayLike) -> Array:
        """Turn the gradient of log p(x) into that of log p(u).

        Parameters
        ----------
        gradient : array-like of shape (..., *shape)
            Derivatives by all elements of x.
        u : array-like of shape (..., size)
            Where they were taken.

        Returns
        -------
        gradient : ndarray of shape (..., size)
            Derivatives by u of log p(x(u)) plus the log-determinant.
        """
        return self._pull_back(self._elements(gradient), self._vectors(u))

    @final
    def to_unconstrained(self, x: ArrayLike) -> Array:
        """Undo `to_constrained`.

        Parameters
        ----------
        x : array-like of shape (..., *shape)
            Elements of the support.

        Returns
        -------
        u : ndarray of shape (..., size)
            Vectors that are mapped to x.
        """
        given = self._elements(x)
        if not self._supports(given):
            raise ValueError(f"Values must be {self.support}, got {x!r}.")
        return self._inverse(given)

    def _vectors(self, u: ArrayLike) -> Array:
        given = np.asarray(u, dtype=np.float64)
        if given.shape[-1:] != (self.size,):
            raise ValueError(
                f"u must have the shape (..., {self.size}), got {given.shape}."
            )
        return given

    def _elements(self, x: ArrayLike) -> Array:
        given = np.asarray(x, dtype=np.float64)
        if given.shape[given.ndim - len(self.shape) :] != self.shape:
            raise ValueError(
                f"Values must have a shape that ends in {self.shape}, got "
                f"{given.shape}."
            )
        return given


@dataclass(frozen=True)
class Stacked(Transform):
    """An array of parameters that have one support each.

    Parameters
    ----------
    transform : Transform
        Map of one of them.
    stack : tuple of int
        Shape of the array.
    """

    transform: Transform
    stack: tuple[int, ...]
    support: ClassVar[str] = "in the support of what is stacked"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an x."""
        return self.stack + self.transform.shape

    @property
    def size(self) -> int:
        """Length of a u."""
        return math.prod(self.stack) * self.transform.size

    def _forward(self, u: Array) -> tuple[Array, Array]:
        x, log_jacobian = self.transform.to_constrained(self._cut(u))
        return x, np.asarray(log_jacobian.reshape((*u.shape[:-1], -1)).sum(axis=-1))

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        return self.transform.pull_back(gradient, self._cut(u)).reshape(u.shape)

    def _supports(self, x: Array) -> bool:
        return self.transform._supports(x)

    def _inverse(self, x: Array) -> Array:
        u = self.transform.to_unconstrained(x)
        return u.reshape((*x.shape[: x.ndim - len(self.shape)], self.size))

    def _cut(self, u: Array) -> Array:
        return u.reshape((*u.shape[:-1], *self.stack, self.transform.size))


class Coordinates(ABC):
    """A map of vectors onto all parameters of a model."""

    size: int
    # Whether posteriors are about standard normal in them. If not, their places and
    # units are those of the priors.
    is_standard: ClassVar[bool] = True

    @abstractmethod
    def to_constrained(self, u: ArrayLike) -> tuple[dict[str, Array], Array]:
        """Parameters (..., *shape) and log-Jacobians (...) at vectors (..., size)."""

    @abstractmethod
    def pull_back(self, gradient: Mapping[str, ArrayLike], u: ArrayLike) -> Array:
        """Gradient (..., size) by u of what has gradients by the parameters."""


@final
class Joint(Coordinates):
    """Maps of all parameters of a model, which share one vector.

    Parameters
    ----------
    parts : mapping of str to Transform
        Map of each parameter; their vectors follow one another in this order.
    """

    def __init__(self, parts: Mapping[str, Transform]) -> None:
        self.parts = dict(parts)
        ends = np.cumsum([part.size for part in self.parts.values()], dtype=np.int64)
        self.size = int(ends[-1]) if len(ends) else 0
        self.slices = {
            name: slice(int(end) - part.size, int(end))
            for end, (name, part) in zip(ends, self.parts.items(), strict=True)
        }

    def to_constrained(self, u: ArrayLike) -> tuple[dict[str, Array], Array]:
        """Map into the supports.

        Parameters
        ----------
        u : array-like of shape (..., size)
            Vectors without bounds.

        Returns
        -------
        x : dict of str to ndarray of shape (..., *shape)
            Parameters.
        log_jacobian : ndarray of shape (...)
            Log absolute determinant of all maps.
        """
        given = np.asarray(u, dtype=np.float64)
        lead = given.shape[:-1]
        x, total = {}, np.zeros(lead)
        for name, part in self.parts.items():
            own = given[..., self.slices[name]]
            if part.is_identity:
                x[name] = own.reshape(lead + part.shape)
            else:
                x[name], log_jacobian = part.to_constrained(own)
                total += log_jacobian
        return x, total

    def pull_back(self, gradient: Mapping[str, ArrayLike], u: ArrayLike) -> Array:
        """Turn gradients of log p(x) into that of log p(u).

        Parameters
        ----------
        gradient : mapping of str to array-like of shape (..., *shape)
            Derivatives by each parameter.
        u : array-like of shape (..., size)
            Where they were taken.

        Returns
        -------
        gradient : ndarray of shape (..., size)
            Derivatives by u, those of the log-determinant included.
        """
        given = np.asarray(u, dtype=np.float64)
        out = np.empty(given.shape)
        for name, part in self.parts.items():
            own = (..., self.slices[name])
            if part.is_identity:
                out[own] = np.reshape(gradient[name], (*given.shape[:-1], part.size))
            else:
                out[own] = part.pull_back(gradient[name], given[own])
        return out

    def to_unconstrained(self, x: Mapping[str, ArrayLike]) -> Array:
        """Undo `to_constrained`.

        Parameters
        ----------
        x : mapping of str to array-like of shape (..., *shape)
            Parameters.

        Returns
        -------
        u : ndarray of shape (..., size)
            Vectors that are mapped to x.
        """
        parts = []
        for name, part in self.parts.items():
            try:
                parts.append(part.to_unconstrained(x[name]))
            except ValueError as error:
                raise ValueError(f"Parameter {name!r}: {error}") from error
        return np.concatenate(parts, axis=-1) if parts else np.empty(0)
