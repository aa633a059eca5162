"""The law of the totals of rows of counts: how long a text is, whatever its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import digamma, gammaln, xlogy

from sklgen._typing import Array

# A negative binomial of a larger size is a Poisson law to six digits.
_LARGEST_SIZE = 1e6
_SMALLEST_SIZE = 1e-6
# Keeps lengths possible where all training rows are empty.
_SMALLEST_MEAN = 1e-10


@dataclass(frozen=True)
class Lengths:
    """A negative binomial law of lengths: of the totals of rows of counts.

    It has mean m and variance m + m^2 / size. An infinite size stands for the Poisson
    law, which is the most likely one where lengths vary less than a Poisson law would
    make them. At fractional lengths the formula is continued by gamma functions.

    Parameters
    ----------
    mean : float
        Positive mean length.
    size : float
        Positive number of failures, not necessarily whole; may be infinite.
    """

    mean: float
    size: float

    n_parameters: ClassVar[int] = 2

    @classmethod
    def fit(cls, lengths: Array, weight: Array) -> Self:
        """Find the most likely law.

        Parameters
        ----------
        lengths : ndarray of shape (n,)
            Non-negative lengths.
        weight : ndarray of shape (n,)
            Weight of each length.

        Returns
        -------
        law : Lengths
            The mean is that of the lengths; the size solves the equation of the
            profile likelihood, once for each distinct length.
        """
        distinct, weight = tabulate(lengths, weight)
        share = weight / weight.sum()
        mean = max(float(share @ distinct), _SMALLEST_MEAN)
        variance = float(share @ (distinct - mean) ** 2)

        def slope(log_size: float) -> float:
            size = np.exp(log_size)
            rise = share @ (digamma(distinct + size) - digamma(size))
            return float(rise - np.log1p(mean / size))

        low, high = np.log(_SMALLEST_SIZE), np.log(_LARGEST_SIZE)
        if variance <= mean or slope(high) >= 0:
            return cls(mean, np.inf)
        if slope(low) <= 0:
            return cls(mean, _SMALLEST_SIZE)
        return cls(mean, float(np.exp(brentq(slope, low, high))))

    def log_probability(self, lengths: Array) -> Array:
        """Log-probability of lengths.

        Parameters
        ----------
        lengths : ndarray
            Non-negative lengths.

        Returns
        -------
        log_probability : ndarray of the same shape
            In nats.
        """
        if np.isinf(self.size):
            log_odds = xlogy(lengths, self.mean) - self.mean
            return np.asarray(log_odds - gammaln(lengths + 1))
        total = self.mean + self.size
        ways = gammaln(lengths + self.size) - gammaln(self.size) - gammaln(lengths + 1)
        tried = xlogy(lengths, self.mean / total)
        return np.asarray(ways + tried - self.size * np.log1p(self.mean / self.size))

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw lengths.

        Parameters
        ----------
        n : int
            Number of lengths.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        lengths : ndarray of shape (n,)
            Whole numbers.
        """
        if np.isinf(self.size):
            return rng.poisson(self.mean, n)
        rate = rng.gamma(self.size, self.mean / self.size, n)
        return rng.poisson(rate)


def tabulate(lengths: Array, weight: Array) -> tuple[Array, Array]:
    """The distinct lengths and the weight of each.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
        Lengths.
    weight : ndarray of shape (n,)
        Weight of each length.

    Returns
    -------
    distinct : ndarray of shape (m,)
        Distinct lengths, sorted.
    weight : ndarray of shape (m,)
        Weight of each.
    """
    distinct, at = np.unique(lengths, return_inverse=True)
    return distinct.astype(np.float64), np.bincount(at, weight).astype(np.float64)
