"""Dirichlet components: rows of parts that are positive and sum to one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammaln

from sklgen._typing import Array
from sklgen.families._base import EMPTY_SHARE, Additive, Allocate, View, WholeRowFamily
from sklgen.families._count_kernels import digamma
from sklgen.families._counts import dirichlet_draws
from sklgen.families._kernels import add_products

# Sums of parameters between which the M-step looks, how closely, and in how many steps.
_RANGE = (1e-8, 1e12)
_RESOLUTION = 1e-13
_STEPS = 100
# Parameters below it stay there: their gamma functions would overflow.
_SMALLEST = 1e-100


@dataclass(frozen=True)
class LogParts(Additive):
    """Weighted sums of the logarithms of parts.

    Parameters
    ----------
    count : ndarray of shape (K,)
        Weight of each component.
    sums : ndarray of shape (K, d)
        Sums of the logarithms.
    """

    count: Array
    sums: Array


@dataclass(frozen=True)
class Dirichlet(WholeRowFamily):
    """Components over compositions: rows of d positive parts that sum to one.

    The density is the usual one, with respect to the volume of the first d - 1 parts.
    The prior is an exponential law of the sum of the parameters: a component that has
    shrunk to one row stays as wide as `rate` says, and no other one moves.

    Parameters
    ----------
    alpha : ndarray of shape (K, d)
        Positive parameters.
    rate : float
        Positive rate of the prior. Twice the sum of the parameters is about d - 1,
        divided by the spread of a component plus `rate` / weight.

    Notes
    -----
    A block of n rows takes O(n K d) operations: a matrix product each for densities
    and statistics. The M-step solves one equation a component, for the sum of its
    parameters; its parameters follow by the inverse of the digamma function [1]_.

    References
    ----------
    .. [1] Minka, T. (2000). Estimating a Dirichlet distribution. Technical report,
       MIT.
    """

    alpha: Array
    rate: float

    @classmethod
    def equal(cls, n: int, alpha: Array, rate: float) -> Self:
        """Make equal components.

        Parameters
        ----------
        n : int
            Number of components.
        alpha : ndarray of shape (d,)
            Positive parameters.
        rate : float
            Positive rate of the prior.

        Returns
        -------
        components : Dirichlet
            Components that are all alike.
        """
        return cls(np.tile(alpha, (n, 1)), rate)

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.alpha.shape
        return n, d

    @property
    def n_features(self) -> int:
        return 1 + self.shape[1]

    @property
    def n_parameters(self) -> int:
        return self.alpha.size

    @property
    def log_prior(self) -> float:
        return float(-self.rate * self.alpha.sum())

    @cached_property
    def _view(self) -> View:
        return DirichletView(self)

    def view(self, *, complete: bool) -> View:
        return self._view

    def maximize(self, statistics: LogParts) -> Self:
        count = statistics.count
        alive = count > EMPTY_SHARE * count.sum()
        weight = count[alive, None]
        mean = (statistics.sums[alive] - self.rate) / weight
        alpha = self.alpha.copy()
        alpha[alive] = most_likely(mean, alpha[alive].sum(axis=1))
        return replace(self, alpha=alpha)

    def settle(self, weights: Array, data: Self) -> Self:
        return replace(self, rate=data.rate)

    def recentre(self, statistics: LogParts, target: Self) -> LogParts:
        return statistics

    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        return dirichlet_draws(self.alpha[labels], rng)

    def pack(self) -> Array:
        return np.log(self.alpha).ravel()

    def unpack(self, vector: Array) -> Self:
        low, high = np.log(_SMALLEST), np.log(_RANGE[1])
        logs = np.clip(vector.reshape(self.alpha.shape), low, high)
        return replace(self, alpha=np.exp(logs))


class DirichletView(View):
    """Dirichlet components on blocks of rows. Features are one and log-parts."""

    def __init__(self, model: Dirichlet) -> None:
        constant = gammaln(model.alpha.sum(axis=1)) - gammaln(model.alpha).sum(axis=1)
        self._natural = np.column_stack([constant, model.alpha - 1.0])

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Array:
        table = allocate("features", (self._natural.shape[1], len(X)))
        table[0] = 1.0
        np.log(X.T, out=table[1:])
        np.dot(self._natural, table, out=out)
        return table

    def zeros(self) -> list[Array]:
        return [np.zeros(self._natural.shape)]

    def accumulate(
        self, sums: list[Array], features: Array, responsibilities: Array
    ) -> None:
        add_products(responsibilities, features, sums[0])

    def complete(self, sums: list[Array]) -> LogParts:
        return LogParts(sums[0][:, 0].copy(), sums[0][:, 1:].copy())


@njit(nogil=True, cache=True)
def most_likely(mean: Array, guess: Array) -> Array:
    """Dirichlet parameters with these expected logarithms of parts.

    Parameters
    ----------
    mean : ndarray of shape (K, d)
        Mean logarithms, whose exponentials sum to less than one in each row.
    guess : ndarray of shape (K,)
        Where to start to look for the sums of the parameters.

    Returns
    -------
    alpha : ndarray of shape (K, d)
        The parameters with digamma(alpha) - digamma(sum of alpha) = mean.
    """
    alpha = np.empty(mean.shape)
    for k in range(len(mean)):
        low, high = _RANGE
        total = min(max(guess[k], low), high)
        for _ in range(_STEPS):
            level, excess, slope = digamma(total), -total, -1.0
            pace = trigamma(total)
            for j in range(mean.shape[1]):
                alpha[k, j] = inverse_digamma(mean[k, j] + level)
                excess += alpha[k, j]
                slope += pace / trigamma(alpha[k, j])
            # Too small a total asks for more, too large a one for less. The excess is
            # nearly linear, so that Newton's method is exact from far away.
            if excess > 0:
                low = total
            else:
                high = total
            before, total = total, total - excess / slope
            if not low < total < high:
                total = np.sqrt(low * high)
            if abs(total - before) <= _RESOLUTION * before:
                break
        for j in range(mean.shape[1]):
            alpha[k, j] = max(alpha[k, j], _SMALLEST)
    return alpha


@njit(nogil=True, cache=True)
def trigamma(x: float) -> float:
    """Derivative of the digamma function, for positive x."""
    total = 0.0
    while x < 10.0:
        total += 1.0 / (x * x)
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 6 - y * (1 / 30 - y * (1 / 42 - y * (1 / 30 - y * 5 / 66))))
    return total + (1.0 + 0.5 / x + series) / x


@njit(nogil=True, cache=True)
def inverse_digamma(value: float) -> float:
    """The positive x with digamma(x) = `value`, by Newton's method.

    It starts from Minka's approximation, and squares its error in each step.
    """
    x = np.exp(value) + 0.5 if value >= -2.22 else -1.0 / (value + np.euler_gamma)
    for _ in range(5):
        step = (digamma(x) - value) / trigamma(x)
        x -= step
        if abs(step) < 1e-9 * x:
            break
    return float(x)


# Calls kernels of other modules, as of 0f5c20441d67.
