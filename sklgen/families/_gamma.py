"""Gamma components: independent columns of positive numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._special import (
    HALF_LOG_2_PI,
    climb,
    digamma_excess,
    digamma_excess_slope,
    stirling_remainder,
)
from sklgen._typing import Array
from sklgen.families._linear_columns import LinearColumns

_LOWEST_MEAN, _HIGHEST_MEAN = 1e-100, 1e100
_LOWEST_SHAPE, _HIGHEST_SHAPE = 1e-4, 1e8
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Gamma(LinearColumns):
    """Components with independent columns of gamma laws.

    Parameters
    ----------
    means : ndarray of shape (K, d)
        Mean, from 1e-100 to 1e100: the shape times the scale.
    shapes : ndarray of shape (K, d)
        Shape, from 1e-4 to 1e8. The deviation is the mean over its square root; beyond
        the bound, sums of logarithms no longer resolve it.
    prior : ColumnStatistics
        Pseudo-observations: their number, their sum and the sum of their logarithms.

    References
    ----------
    Minka, T. P. (2002). Estimating a gamma distribution. Technical report.
    """

    means: Array
    shapes: Array

    support: ClassVar[str] = "positive numbers. Shift the others, or drop them."
    n_statistics: ClassVar[int] = 2
    origin: ClassVar[tuple[float, ...]] = (1.0, 1.0)

    @staticmethod
    def supports(cells: Array) -> NDArray[np.bool_]:
        return np.asarray(cells > 0)

    @staticmethod
    def sufficient(cells: Array, out: Array) -> Array:
        out[0] = cells
        np.log(cells, out=out[1])
        return np.asarray(-out[1])

    @property
    def natural(self) -> Array:
        return np.stack([-self.shapes / self.means, self.shapes])

    @property
    def log_normalizer(self) -> Array:
        """Log Gamma(a) - a log a + a log m, for the shape a and the mean m."""
        a = self.shapes
        excess = a * (np.log(self.means) - 1.0) - 0.5 * np.log(a)
        return np.asarray(excess + HALF_LOG_2_PI + stirling_remainder(a))

    @staticmethod
    def estimate(mean: Array) -> tuple[Array, ...]:
        means = np.clip(mean[0], _LOWEST_MEAN, _HIGHEST_MEAN)
        # Log of the arithmetic over the geometric mean: about 1 / (2 shape).
        ratio = np.maximum(np.log(means) - mean[1], 0.25 / _HIGHEST_SHAPE)

        def score(shape: Array) -> tuple[Array, Array]:
            return -digamma_excess(shape) - ratio, -digamma_excess_slope(shape)

        root = np.sqrt((ratio - 3.0) ** 2 + 24.0 * ratio)
        start = (3.0 - ratio + root) / (12.0 * ratio)
        return means, climb(score, start, _LOWEST_SHAPE, _HIGHEST_SHAPE)

    @property
    def moments(self) -> Array:
        return self.means[None]

    @staticmethod
    def location(moments: Array) -> Array:
        return np.asarray(moments[0])

    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        drawn = rng.gamma(self.shapes[labels], (self.means / self.shapes)[labels])
        return np.maximum(drawn, _TINY)

    def pack(self) -> Array:
        return np.log(np.stack([self.means, self.shapes])).ravel()

    def unpack(self, vector: Array) -> Self:
        means, shapes = vector.reshape(2, *self.shape)
        low, high = np.log([_LOWEST_MEAN, _HIGHEST_MEAN])
        means = np.exp(np.clip(means, low, high))
        low, high = np.log([_LOWEST_SHAPE, _HIGHEST_SHAPE])
        return replace(self, means=means, shapes=np.exp(np.clip(shapes, low, high)))
