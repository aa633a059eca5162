"""Maps of real vectors onto simplices, ordered vectors and the sphere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from scipy.linalg import helmert
from scipy.special import gammaln, log_softmax

from sklgen._typing import Array
from sklgen.mcmc._transforms import Transform, beyond, bounded_exp

_SMALLEST = np.finfo(np.float64).tiny
_NEAR = 1e-8


class OfLength(Transform):
    """What has `n` elements, or rows."""

    n: int
    fewest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.n < self.fewest:
            raise ValueError(f"n must be at least {self.fewest}, got {self.n}.")


class _Vector(OfLength):
    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an x."""
        return (self.n,)


@lru_cache(maxsize=32)
def _contrasts(n: int) -> Array:
    """Orthonormal rows (n - 1, n) that each sum up to zero."""
    rows = np.asarray(helmert(n)) if n > 1 else np.empty((0, 1))
    rows.flags.writeable = False
    return rows


@dataclass(frozen=True)
class Simplex(_Vector):
    """Shares that sum up to one, by isometric log-ratios [1]_.

    No share is treated otherwise than the others, up to a rotation of u.

    Parameters
    ----------
    n : int
        Number of shares.

    References
    ----------
    .. [1] Egozcue, J. J. et al. (2003). Isometric logratio transformations for
       compositional data analysis. Mathematical Geology, 35.
    """

    n: int
    support: ClassVar[str] = "positive and sum up to one"

    @property
    def size(self) -> int:
        """Length of a u."""
        return self.n - 1

    def _forward(self, u: Array) -> tuple[Array, Array]:
        logs = log_softmax(u @ _contrasts(self.n), axis=-1)
        return bounded_exp(logs), logs.sum(axis=-1) + 0.5 * np.log(self.n)

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        x, _ = self._forward(u)
        weighted = x * gradient
        by_log_ratio = weighted - x * (weighted.sum(axis=-1, keepdims=True) + self.n)
        # The constant in 1 - n x is none of the contrasts'.
        return np.asarray(by_log_ratio @ _contrasts(self.n).T)

    def _supports(self, x: Array) -> bool:
        near = np.abs(x.sum(axis=-1) - 1.0) < _NEAR
        return bool((x > 0.0).all() and near.all())

    def _inverse(self, x: Array) -> Array:
        return np.asarray(np.log(x) @ _contrasts(self.n).T)


@dataclass(frozen=True)
class Ordered(_Vector):
    """Numbers in increasing order: the first, and logs of what is between neighbours.

    Parameters
    ----------
    n : int
        How many there are.
    positive : bool, default=False
        Whether the first one is positive, so that all are.
    """

    n: int
    positive: bool = False
    support: ClassVar[str] = "finite and increasing, and positive where they should be"

    @property
    def size(self) -> int:
        """Length of a u."""
        return self.n

    @property
    def _first(self) -> int:
        """Index of the first step that is a logarithm."""
        return 0 if self.positive else 1

    def _steps(self, u: Array) -> Array:
        steps = u.copy()
        steps[..., self._first :] = bounded_exp(u[..., self._first :])
        return steps

    def _forward(self, u: Array) -> tuple[Array, Array]:
        x = np.cumsum(self._steps(u), axis=-1)
        logs = u[..., self._first :]
        return x, np.asarray((logs - beyond(logs) ** 2).sum(axis=-1))

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        by_step = np.cumsum(gradient[..., ::-1], axis=-1)[..., ::-1].copy()
        logs = (..., slice(self._first, None))
        bend = 1.0 - 2.0 * beyond(u[logs])
        by_step[logs] = by_step[logs] * bounded_exp(u[logs]) + bend
        return by_step

    def _supports(self, x: Array) -> bool:
        above = not self.positive or (x[..., 0] > 0.0).all()
        return bool(np.isfinite(x).all() and above and (np.diff(x) > 0.0).all())

    def _inverse(self, x: Array) -> Array:
        first = x[..., :1]
        start = np.log(first) if self.positive else first
        return np.concatenate([start, np.log(np.diff(x))], axis=-1)


@dataclass(frozen=True)
class UnitVector(_Vector):
    """Directions u / |u|.

    The length of u is one coordinate too many. The Jacobian gives it the chi law of a
    standard normal u, so that u has a density which is proper where that of x is.

    Parameters
    ----------
    n : int
        Number of dimensions, at least two.
    """

    n: int
    support: ClassVar[str] = "of length one"
    fewest: ClassVar[int] = 2

    @property
    def size(self) -> int:
        """Length of a u."""
        return self.n

    def _length(self, u: Array) -> Array:
        length = np.sqrt((u**2).sum(axis=-1, keepdims=True))
        return np.asarray(np.maximum(length, _SMALLEST))

    def _forward(self, u: Array) -> tuple[Array, Array]:
        length = self._length(u)
        half = 0.5 * self.n
        constant = (half - 1.0) * np.log(2.0) + gammaln(half)
        return u / length, -0.5 * length[..., 0] ** 2 - constant

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        length = self._length(u)
        x = u / length
        along = (gradient * x).sum(axis=-1, keepdims=True)
        return np.asarray((gradient - along * x) / length - u)

    def _supports(self, x: Array) -> bool:
        return bool((np.abs((x**2).sum(axis=-1) - 1.0) < _NEAR).all())

    def _inverse(self, x: Array) -> Array:
        return np.asarray(x * np.sqrt(self.n))
