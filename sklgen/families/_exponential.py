"""Exponential components: independent columns of waiting times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._linear_columns import LinearColumns

_LOWEST, _HIGHEST = 1e-100, 1e100


@dataclass(frozen=True)
class Exponential(LinearColumns):
    """Components with independent columns of exponential laws.

    Parameters
    ----------
    means : ndarray of shape (K, d)
        Mean, the inverse of the rate, from 1e-100 to 1e100.
    prior : ColumnStatistics
        Pseudo-observations: their number, and their sum.
    """

    means: Array

    support: ClassVar[str] = "numbers from 0 on. Shift or negate the others."
    n_statistics: ClassVar[int] = 1
    origin: ClassVar[tuple[float, ...]] = (1.0,)

    @staticmethod
    def supports(cells: Array) -> NDArray[np.bool_]:
        return np.asarray(cells >= 0)

    @staticmethod
    def sufficient(cells: Array, out: Array) -> float:
        out[0] = cells
        return 0.0

    @property
    def natural(self) -> Array:
        return -1.0 / self.means[None]

    @property
    def log_normalizer(self) -> Array:
        return np.log(self.means)

    @staticmethod
    def estimate(mean: Array) -> tuple[Array, ...]:
        return (np.clip(mean[0], _LOWEST, _HIGHEST),)

    @property
    def moments(self) -> Array:
        return self.means[None]

    @staticmethod
    def location(moments: Array) -> Array:
        return np.asarray(moments[0])

    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        return rng.exponential(self.means[labels])

    def pack(self) -> Array:
        return np.log(self.means).ravel()

    def unpack(self, vector: Array) -> Self:
        logs = np.clip(vector, np.log(_LOWEST), np.log(_HIGHEST))
        return replace(self, means=np.exp(logs).reshape(self.shape))
