"""Dirichlet-multinomial components: rows of counts with words that come in bursts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from sklgen._typing import Array
from sklgen.families._base import Additive, Allocate, View
from sklgen.families._count_kernels import log_orders
from sklgen.families._counts import CountFamily, as_csr
from sklgen.families._lengths import Lengths
from sklgen.families._urn_kernels import (
    add_urns,
    maximize_urn,
    maximize_urn_of,
    urn_densities,
)

# Prior of the sum of the parameters: A^_SHAPE exp(-_RATE A), by the logarithm of A.
_SHAPE, _RATE = 1.0, 1e-3
# Parameters stay where their gamma functions are finite and resolved.
_BOUNDS = (1e-100, 1e10)
# Whole counts of each column are told apart up to 64 or so that a table of them all has
# no more entries than this; totals are up to a longest one.
_COUNTS, _ENTRIES = 64, 2**20
_LONGEST = 1024


@dataclass(frozen=True)
class UrnStatistics(Additive):
    """What rows say about the parameters a of Polya urns, and about their sum A.

    The log-likelihood is the sum of `tails` log(a + 0, 1, ...), less that of `lengths`
    log(A + 0, 1, ...). What the tables have no place for is bounded from below by
    `new` log a - `shared` A, up to a constant.

    Parameters
    ----------
    tails : ndarray of shape (K, d, m)
        Weight of the rows with a count of more than 0, 1, ... in each column.
    new : ndarray of shape (K, d)
        Expected number of other tokens that are no copies of earlier ones.
    lengths : ndarray of shape (K, l)
        Weight of the rows with a total of more than 0, 1, ...
    shared : ndarray of shape (K,)
        Slopes of bounds in the sum of the parameters.
    """

    tails: Array
    new: Array
    lengths: Array
    shared: Array


@dataclass(frozen=True)
class DirichletMultinomial(CountFamily):
    """Components whose rows are multinomial counts with shares from a Dirichlet law.

    A row is drawn from a Polya urn: a token copies an earlier one of its row, or is
    new, so that counts are overdispersed. A fraction of a count is one more token of
    that weight.

    The log-likelihood is a sum of terms log(a + 0, 1, ...), of which the weights of
    counts of more than 0, 1, ... are sufficient statistics. The M-step finds its
    maximum: given the slope in the sum of the parameters, each of them is the root of
    an equation of its own. Counts beyond a table are bounded from below by tangents at
    the current parameters, as in Minka's fixed point [1]_: then a step raises the
    likelihood, but need not end at its maximum.

    The prior of the expected shares is a Dirichlet law with `prior` pseudo-counts. That
    of the sum A of the parameters is a weak exponential law with mean 1000, whose
    density by log A is A exp(-A / 1000) up to a constant: it keeps A finite where
    counts are not overdispersed.

    Parameters
    ----------
    lengths : Lengths or None
        Law of the totals; None leaves it out.
    alpha : ndarray of shape (K, d)
        Positive parameters of the Dirichlet laws.
    prior : float
        Positive pseudo-count of each column.
    total : float or None, default=None
        The sum that the parameters of each component are to have. None learns it.

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
    total: float | None = None

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
            Positive pseudo-count of each column.
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
        n_fixed = 0 if self.total is None else len(self.alpha)
        n_lengths = self.lengths.n_parameters if self.lengths else 0
        return self.alpha.size - n_fixed + n_lengths

    @property
    def log_prior(self) -> float:
        size = self.concentrations()
        logs = self._pseudo_count * np.log(self.alpha).sum()
        logs -= self.prior * self.shape[1] * np.log(size).sum()
        return float(logs - _RATE * size.sum())

    @property
    def _pseudo_count(self) -> float:
        """Weight of the logarithm of each parameter in the prior."""
        return self.prior + _SHAPE / self.shape[1]

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
        new = statistics.new + self._pseudo_count
        if self.total is not None:
            pairs = zip(statistics.tails, new, strict=True)
            found = [maximize_urn_of(self.total, *pair) for pair in pairs]
            return self._with(np.stack(found))
        lengths = statistics.lengths.copy()
        lengths[:, 0] += self.prior * self.shape[1]
        parts = zip(
            self.alpha,
            statistics.tails,
            new,
            lengths,
            statistics.shared + _RATE,
            strict=True,
        )
        return self._with(np.stack([maximize_urn(*part) for part in parts]))

    def _with(self, alpha: Array) -> Self:
        return replace(self, alpha=np.ascontiguousarray(np.clip(alpha, *_BOUNDS)))

    def settle(self, weights: Array, data: Self) -> Self:
        return replace(self, prior=data.prior)

    def recentre(self, statistics: UrnStatistics, target: Self) -> UrnStatistics:
        # A bound stays one, wherever it touches.
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
        d, n = self._alpha.shape
        most = int(np.clip(_ENTRIES // (d * n), 1, _COUNTS))
        shapes = [(d, most, n), (d, n), (_LONGEST, n), (n,)]
        return [np.zeros(shape) for shape in shapes]

    def accumulate(
        self, sums: list[Array], features: Any, responsibilities: Array
    ) -> None:
        rows, totals = features
        add_urns(
            rows.data, rows.indices, rows.indptr, self._alpha, self._sums, totals,
            responsibilities, *sums,
        )  # fmt: skip

    def complete(self, sums: list[Array]) -> UrnStatistics:
        counts, new, lengths, shared = sums
        return UrnStatistics(
            _tails(counts.transpose(2, 0, 1)),
            np.ascontiguousarray(new.T),
            _tails(lengths.T),
            shared,
        )


def _tails(counts: Array) -> Array:
    """Weight of what is as large or larger, along the last axis."""
    reverse = np.cumsum(counts[..., ::-1], axis=-1)
    return np.ascontiguousarray(reverse[..., ::-1])
