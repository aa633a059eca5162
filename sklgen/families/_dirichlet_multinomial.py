"""Dirichlet-multinomial components: rows of counts with words that come in bursts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from sklgen.families._base import Additive, Allocate, Array, View
from sklgen.families._count_kernels import add_urns, log_orders, urn_densities
from sklgen.families._counts import CountFamily, as_csr
from sklgen.families._lengths import Lengths

# Rate of the exponential factor of the prior on each parameter.
_RATE = 1e-3
# Parameters stay where their gamma functions are finite and resolved.
_BOUNDS = (1e-100, 1e10)


@dataclass(frozen=True)
class UrnStatistics(Additive):
    """What rows say about a Polya urn, in expectation.

    Parameters
    ----------
    new : ndarray of shape (K, d)
        Number of tokens in each column that were no copies of earlier tokens.
    exposure : ndarray of shape (K, d)
        Number of them that one unit of the column's parameter makes one expect.
    """

    new: Array
    exposure: Array


@dataclass(frozen=True)
class DirichletMultinomial(CountFamily):
    """Components whose rows are multinomial counts with shares from a Dirichlet law.

    A row is drawn from a Polya urn: a token copies an earlier one of its row, or is
    new, so that counts are overdispersed. Counts may be fractional.

    The M-step is Minka's fixed point [1]_, which maximises a lower bound that touches
    the likelihood at the current parameters. So the likelihood never falls, but a step
    is not a maximum. For a count below one, where that bound does not hold, another
    one takes its place. The prior of each parameter is a gamma law with the density
    a^`prior` exp(-0.001 a) by the logarithm of a, up to a constant: it keeps
    parameters positive, and finite where counts are not overdispersed.

    Parameters
    ----------
    lengths : Lengths or None
        Law of the totals; None leaves it out.
    alpha : ndarray of shape (K, d)
        Positive parameters of the Dirichlet laws.
    prior : float
        Positive pseudo-count of new tokens in each column.

    Notes
    -----
    A block of rows with m positive cells takes O(m K) operations.

    References
    ----------
    .. [1] Minka, T. (2000). Estimating a Dirichlet distribution. Technical report,
       MIT.
    """

    alpha: Array
    prior: float

    @classmethod
    def equal(
        cls,
        n: int,
        shares: Array,
        concentration: float,
        prior: float,
        lengths: Lengths | None,
    ) -> Self:
        """Make equal components.

        Parameters
        ----------
        n : int
            Number of components.
        shares : ndarray of shape (d,)
            Positive expected share of each column.
        concentration : float
            Sum of the parameters of each component.
        prior : float
            Positive pseudo-count of new tokens in each column.
        lengths : Lengths or None
            Law of the totals.

        Returns
        -------
        components : DirichletMultinomial
            Components that are all alike.
        """
        return cls(lengths, np.tile(concentration * shares, (n, 1)), prior)

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.alpha.shape
        return n, d

    @property
    def n_features(self) -> int:
        return self.shape[1]

    @property
    def n_parameters(self) -> int:
        return self.alpha.size + (self.lengths.n_parameters if self.lengths else 0)

    @property
    def log_prior(self) -> float:
        return float(self.prior * np.log(self.alpha).sum() - _RATE * self.alpha.sum())

    def probabilities(self) -> Array:
        return np.asarray(self.alpha / self.alpha.sum(axis=1, keepdims=True))

    def concentrations(self) -> Array:
        return np.asarray(self.alpha.sum(axis=1))

    @cached_property
    def _view(self) -> View:
        return UrnView(self)

    def view(self, *, complete: bool) -> View:
        return self._view

    def maximize(self, statistics: UrnStatistics) -> Self:
        new = statistics.new + self.prior
        return self._with(new / (statistics.exposure + _RATE))

    def _with(self, alpha: Array) -> Self:
        return replace(self, alpha=np.ascontiguousarray(np.clip(alpha, *_BOUNDS)))

    def settle(self, weights: Array, data: Self) -> Self:
        return replace(self, prior=data.prior)

    def recentre(self, statistics: UrnStatistics, target: Self) -> UrnStatistics:
        """The same statistics: expectations of what happened in the urns."""
        return statistics

    def pack(self) -> Array:
        return np.log(self.alpha).ravel()

    def unpack(self, vector: Array) -> Self:
        with np.errstate(over="ignore"):
            return self._with(np.exp(vector.reshape(self.alpha.shape)))


class UrnView(View):
    """Polya urns on blocks of rows. Features are the rows and their totals."""

    def __init__(self, model: DirichletMultinomial) -> None:
        self._lengths = model.lengths
        self._alpha = np.ascontiguousarray(model.alpha.T)
        self._log_alpha = np.log(self._alpha)
        self._sums = model.concentrations()

    def evaluate(self, X: Any, allocate: Allocate, out: Array) -> Any:
        rows = as_csr(X)
        base, totals = allocate("base", (2, rows.shape[0]))
        log_orders(rows.data, rows.indptr, base, totals)
        if self._lengths is not None:
            base += self._lengths.log_probability(totals)
        urn_densities(
            rows.data, rows.indices, rows.indptr, self._alpha, self._log_alpha,
            self._sums, base, totals, out,
        )  # fmt: skip
        return rows, totals

    def zeros(self) -> list[Array]:
        shape = self._alpha.shape
        return [np.zeros(shape), np.zeros(shape), np.zeros(shape[1])]

    def accumulate(
        self, sums: list[Array], features: Any, responsibilities: Array
    ) -> None:
        rows, totals = features
        add_urns(
            rows.data, rows.indices, rows.indptr, self._alpha, self._sums, totals,
            responsibilities, *sums,
        )  # fmt: skip

    def complete(self, sums: list[Array]) -> UrnStatistics:
        new, own, shared = sums
        return UrnStatistics(new.T, own.T + shared[:, None])
