"""Dirichlet components: rows of parts that are positive and sum to one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, polygamma

from sklgen.families._base import (
    EMPTY_SHARE,
    Additive,
    Allocate,
    Array,
    View,
    WholeRowFamily,
)
from sklgen.families._counts import dirichlet_draws
from sklgen.families._kernels import add_products

# Logs of sums of parameters between which the M-step looks, and its steps.
_RANGE = (np.log(1e-8), np.log(1e12))
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
        low, high = np.log(_SMALLEST), _RANGE[1]
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
    low, high = (np.full(len(mean), bound) for bound in _RANGE)
    at = np.clip(np.log(guess), low, high)
    for _ in range(_STEPS):
        total = np.exp(at)
        alpha = inverse_digamma(mean + digamma(total)[:, None])
        excess = alpha.sum(axis=1) - total
        # Too small a total asks for more, too large a one for less.
        low, high = np.where(excess > 0, at, low), np.where(excess > 0, high, at)
        trigamma = polygamma(1, total)
        slope = (trigamma[:, None] / polygamma(1, alpha)).sum(axis=1) - 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = at - excess / (slope * total)
        inside = (newton > low) & (newton < high)
        after = np.where(inside, newton, 0.5 * (low + high))
        done = np.abs(after - at).max(initial=0.0) < 1e-12
        at = after
        if done:
            break
    alpha = inverse_digamma(mean + digamma(np.exp(at))[:, None])
    return np.maximum(alpha, _SMALLEST)


def inverse_digamma(values: Array) -> Array:
    """The positive x with digamma(x) = `values`.

    Parameters
    ----------
    values : ndarray
        Any numbers.

    Returns
    -------
    x : ndarray of the same shape
        By Newton's method from Minka's approximation, to rounding.
    """
    x = np.where(
        values >= -2.22,
        np.exp(np.minimum(values, 300.0)) + 0.5,
        -1.0 / (np.minimum(values, -1.0) + np.euler_gamma),
    )
    for _ in range(5):
        x = x - (digamma(x) - values) / polygamma(1, x)
    return np.asarray(x)
