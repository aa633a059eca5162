"""Bernoulli components: independent binary columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from sklgen._typing import Array
from sklgen.families._linear_columns import LinearColumns

_LOWEST = 1e-10


@dataclass(frozen=True)
class Bernoulli(LinearColumns):
    """Components with independent columns of zeros and ones.

    Parameters
    ----------
    probabilities : ndarray of shape (K, d)
        Probability of a one, from 1e-10 to 1 - 1e-10.
    prior : ColumnStatistics
        Pseudo-observations: their number, and how many of them are ones.
    """

    probabilities: Array

    support: ClassVar[str] = "0 and 1. Encode other codes, or use Categorical."
    n_statistics: ClassVar[int] = 1
    origin: ClassVar[tuple[float, ...]] = (0.5,)

    @staticmethod
    def supports(cells: Array) -> NDArray[np.bool_]:
        return np.asarray((cells == 0) | (cells == 1))

    @staticmethod
    def sufficient(cells: Array, out: Array) -> float:
        out[0] = cells
        return 0.0

    @property
    def natural(self) -> Array:
        return np.asarray(logit(self.probabilities)[None])

    @property
    def log_normalizer(self) -> Array:
        return np.asarray(-np.log1p(-self.probabilities))

    @staticmethod
    def estimate(mean: Array) -> tuple[Array, ...]:
        return (np.clip(mean[0], _LOWEST, 1.0 - _LOWEST),)

    @property
    def moments(self) -> Array:
        return self.probabilities[None]

    @staticmethod
    def location(moments: Array) -> Array:
        return np.asarray(moments[0])

    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        p = self.probabilities[labels]
        return (rng.random(p.shape) < p).astype(np.float64)

    def pack(self) -> Array:
        return self.natural.ravel()

    def unpack(self, vector: Array) -> Self:
        odds = expit(vector.reshape(self.shape))
        return replace(self, probabilities=np.clip(odds, _LOWEST, 1.0 - _LOWEST))
