"""Maps of real numbers onto half-lines and intervals."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit

from sklgen._typing import Array
from sklgen.mcmc._transforms import Transform, beyond, bounded_exp


class Elementwise(Transform):
    """A map of each number by itself."""

    @abstractmethod
    def _map(self, u: Array) -> tuple[Array, Array]:
        """x, and the log of its derivative."""

    @abstractmethod
    def _derivatives(self, u: Array) -> tuple[Array, Array]:
        """Derivative of x, and that of the log of the first."""

    @abstractmethod
    def _unmap(self, x: Array) -> Array:
        """Vectors u for x in the support."""

    @property
    def size(self) -> int:
        """Length of a u."""
        return math.prod(self.shape)

    def _forward(self, u: Array) -> tuple[Array, Array]:
        x, log_slope = self._map(self._shaped(u))
        return x, np.asarray(log_slope.reshape(u.shape).sum(axis=-1))

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        slope, bend = self._derivatives(self._shaped(u))
        return np.asarray(gradient * slope + bend).reshape(u.shape)

    def _inverse(self, x: Array) -> Array:
        return self._unmap(x).reshape((*x.shape[: x.ndim - len(self.shape)], self.size))

    def _shaped(self, u: Array) -> Array:
        return u.reshape((*u.shape[:-1], *self.shape))


@dataclass(frozen=True)
class Real(Elementwise):
    """Numbers without bounds.

    Parameters
    ----------
    shape : tuple of int, default=()
        Shape of an x.
    """

    shape: tuple[int, ...] = ()
    support: ClassVar[str] = "finite"
    is_identity: ClassVar[bool] = True

    def _map(self, u: Array) -> tuple[Array, Array]:
        return u, np.zeros(u.shape)

    def _derivatives(self, u: Array) -> tuple[Array, Array]:
        return np.ones(u.shape), np.zeros(u.shape)

    def _supports(self, x: Array) -> bool:
        return bool(np.isfinite(x).all())

    def _unmap(self, x: Array) -> Array:
        return x


@dataclass(frozen=True, eq=False)
class LowerBounded(Elementwise):
    """Numbers above a bound, bound + exp(u): positive ones by default.

    Parameters
    ----------
    lower : float or ndarray, default=0.0
        Bounds, of a shape that broadcasts to `shape`.
    shape : tuple of int, default=()
        Shape of an x.
    """

    lower: float | Array = 0.0
    shape: tuple[int, ...] = ()
    support: ClassVar[str] = "finite and above their lower bound"

    def __post_init__(self) -> None:
        _check_bound("lower", self.lower, self.shape)

    def _map(self, u: Array) -> tuple[Array, Array]:
        x = np.maximum(self.lower + bounded_exp(u), _after(self.lower, np.inf))
        return x, u - beyond(u) ** 2

    def _derivatives(self, u: Array) -> tuple[Array, Array]:
        return bounded_exp(u), 1.0 - 2.0 * beyond(u)

    def _supports(self, x: Array) -> bool:
        return bool((np.isfinite(x) & (x > self.lower)).all())

    def _unmap(self, x: Array) -> Array:
        return np.asarray(np.log(x - self.lower))


@dataclass(frozen=True, eq=False)
class UpperBounded(Elementwise):
    """Numbers below a bound, bound - exp(u).

    Parameters
    ----------
    upper : float or ndarray
        Bounds, of a shape that broadcasts to `shape`.
    shape : tuple of int, default=()
        Shape of an x.
    """

    upper: float | Array
    shape: tuple[int, ...] = ()
    support: ClassVar[str] = "finite and below their upper bound"

    def __post_init__(self) -> None:
        _check_bound("upper", self.upper, self.shape)

    def _map(self, u: Array) -> tuple[Array, Array]:
        x = np.minimum(self.upper - bounded_exp(u), _after(self.upper, -np.inf))
        return x, u - beyond(u) ** 2

    def _derivatives(self, u: Array) -> tuple[Array, Array]:
        return -bounded_exp(u), 1.0 - 2.0 * beyond(u)

    def _supports(self, x: Array) -> bool:
        return bool((np.isfinite(x) & (x < self.upper)).all())

    def _unmap(self, x: Array) -> Array:
        return np.asarray(np.log(self.upper - x))


@dataclass(frozen=True, eq=False)
class Interval(Elementwise):
    """Numbers between two bounds, by the logistic function.

    Parameters
    ----------
    lower, upper : float or ndarray
        Bounds, of shapes that broadcast to `shape`.
    shape : tuple of int, default=()
        Shape of an x.
    """

    lower: float | Array
    upper: float | Array
    shape: tuple[int, ...] = ()
    support: ClassVar[str] = "between their bounds"

    def __post_init__(self) -> None:
        _check_bound("lower", self.lower, self.shape)
        _check_bound("upper", self.upper, self.shape)
        if not np.all(self.lower < np.asarray(self.upper)):
            raise ValueError(
                f"lower must be less than upper, got {self.lower} and {self.upper}."
            )

    def _map(self, u: Array) -> tuple[Array, Array]:
        width = np.subtract(self.upper, self.lower)
        # From the nearer bound, so that neither end loses digits.
        x = np.where(
            u < 0.0, self.lower + width * expit(u), self.upper - width * expit(-u)
        )
        least, most = _after(self.lower, self.upper), _after(self.upper, self.lower)
        distance = np.abs(u)
        log_slope = np.log(width) - distance - 2.0 * np.log1p(np.exp(-distance))
        return np.clip(x, least, most), log_slope

    def _derivatives(self, u: Array) -> tuple[Array, Array]:
        width = np.subtract(self.upper, self.lower)
        return width * expit(u) * expit(-u), -np.tanh(0.5 * u)

    def _supports(self, x: Array) -> bool:
        return bool(((x > self.lower) & (x < self.upper)).all())

    def _unmap(self, x: Array) -> Array:
        return np.asarray(np.log(x - self.lower) - np.log(self.upper - x))


@dataclass(frozen=True, eq=False)
class Affine(Transform):
    """Vectors x = location + factor u.

    Parameters
    ----------
    location : ndarray of shape (n,)
        The x of u = 0.
    factor : ndarray of shape (n, n)
        A regular matrix.
    """

    location: Array
    factor: Array
    support: ClassVar[str] = "finite"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an x."""
        return self.location.shape

    @property
    def size(self) -> int:
        """Length of a u."""
        return len(self.location)

    def _forward(self, u: Array) -> tuple[Array, Array]:
        volume = np.linalg.slogdet(self.factor)[1]
        return self.location + u @ self.factor.T, np.full(u.shape[:-1], volume)

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        return np.asarray(gradient @ self.factor)

    def _supports(self, x: Array) -> bool:
        return bool(np.isfinite(x).all())

    def _inverse(self, x: Array) -> Array:
        centred = (x - self.location)[..., None]
        return np.asarray(np.linalg.solve(self.factor, centred)[..., 0])


def _after(bound: float | Array, towards: float | Array) -> Array:
    return np.asarray(np.nextafter(bound, towards))


def _check_bound(name: str, bound: Any, shape: tuple[int, ...]) -> None:
    given = np.asarray(bound)
    if not np.isfinite(given).all():
        raise ValueError(
            f"{name} must be finite, got {bound}; leave out a bound that is infinite."
        )
    try:
        np.broadcast_to(given, shape)
    except ValueError:
        raise ValueError(
            f"{name} must broadcast to the shape {shape}, got the shape {given.shape}."
        ) from None
