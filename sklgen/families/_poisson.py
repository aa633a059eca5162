"""Poisson components: independent columns of counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import lgamma
from typing import ClassVar, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammaln

from sklgen._typing import Array
from sklgen.families._linear_columns import LinearColumns

_LOWEST, _HIGHEST = 1e-10, 1e15
# Log-factorials of smaller counts are looked up.
_LOG_FACTORIALS = gammaln(np.arange(1.0, 1025.0))


@dataclass(frozen=True)
class Poisson(LinearColumns):
    """Components with independent columns of Poisson counts.

    Parameters
    ----------
    rates : ndarray of shape (K, d)
        Mean count, from 1e-10 to 1e15.
    prior : ColumnStatistics
        Pseudo-observations: their number, and the sum of their counts.
    """

    rates: Array

    support: ClassVar[str] = (
        "counts: whole numbers from 0 on. Round fractional ones, or use a law of "
        "positive numbers."
    )
    n_statistics: ClassVar[int] = 1
    origin: ClassVar[tuple[float, ...]] = (1.0,)

    @staticmethod
    def supports(cells: Array) -> NDArray[np.bool_]:
        return np.asarray((cells >= 0) & (cells == np.floor(cells)))

    @staticmethod
    def sufficient(cells: Array, out: Array) -> Array:
        out[0] = cells
        base = np.empty_like(cells)
        log_inverse_factorial(cells, _LOG_FACTORIALS, base)
        return base

    @property
    def natural(self) -> Array:
        return np.log(self.rates)[None]

    @property
    def log_normalizer(self) -> Array:
        return self.rates

    @staticmethod
    def estimate(mean: Array) -> tuple[Array, ...]:
        return (np.clip(mean[0], _LOWEST, _HIGHEST),)

    @property
    def moments(self) -> Array:
        return self.rates[None]

    @staticmethod
    def location(moments: Array) -> Array:
        return np.asarray(moments[0])

    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        return rng.poisson(self.rates[labels]).astype(np.float64)

    def pack(self) -> Array:
        return np.log(self.rates).ravel()

    def unpack(self, vector: Array) -> Self:
        logs = np.clip(vector, np.log(_LOWEST), np.log(_HIGHEST))
        return replace(self, rates=np.exp(logs).reshape(self.shape))


@njit(nogil=True, cache=True)
def log_inverse_factorial(cells: Array, known: Array, out: Array) -> None:
    """Write -log(x!) of cells (d, n), x! of fractions being Gamma(x + 1).

    Those of counts below the length of `known` are read there. Negative cells, which
    have no factorial, count as zero.
    """
    for j in range(len(cells)):
        for i in range(cells.shape[1]):
            x = max(cells[j, i], 0.0)
            if x < len(known) and x == np.floor(x):
                out[j, i] = -known[int(x)]
            else:
                out[j, i] = -lgamma(x + 1.0)


# Calls kernels of other modules, as of 5b4483990772.
