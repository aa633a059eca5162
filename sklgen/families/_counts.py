"""What families of rows of counts share: sparse rows, lengths, draws."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, get_index_dtype, issparse, vstack

from sklgen._typing import Array
from sklgen.families._base import WholeRowFamily
from sklgen.families._count_kernels import draw_tokens
from sklgen.families._lengths import Lengths

# Rows are drawn so many cells at a time, where they are not drawn by tokens.
_CELLS = 2**20
# Smallest probability of a column that a draw knows of.
_SMALLEST = 1e-300


@dataclass(frozen=True)
class CountFamily(WholeRowFamily):
    """Components over rows of counts: laws of a row given its total, and of the total.

    Rows may be sparse. Totals have the same law in all components.

    Parameters
    ----------
    lengths : Lengths or None
        Law of the totals, which no M-step changes. None leaves it out: densities are
        those of a row given its total, and `draw` needs totals.
    """

    lengths: Lengths | None

    @abstractmethod
    def probabilities(self) -> Array:
        """Expected share of each column.

        Returns
        -------
        probabilities : ndarray of shape (K, d)
            Rows sum to one.
        """

    @abstractmethod
    def concentrations(self) -> Array:
        """Size of the Polya urn that each component draws from.

        Returns
        -------
        concentrations : ndarray of shape (K,)
            Infinite where draws are independent.
        """

    def draw(
        self,
        labels: NDArray[np.intp],
        rng: np.random.Generator,
        totals: NDArray[np.int64] | None = None,
    ) -> csr_array:
        """Draw rows.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Component of each row, from 0 to K - 1.
        rng : numpy.random.Generator
            Source of randomness.
        totals : ndarray of shape (n,) or None, default=None
            Total of each row. None draws it from the law of the lengths.

        Returns
        -------
        rows : csr_array of shape (n, d)
            One draw a row, in float64.

        Raises
        ------
        ValueError
            If there is neither a law of the lengths nor totals.
        """
        if totals is None:
            if self.lengths is None:
                raise ValueError(
                    "components without a law of lengths draw rows of given totals "
                    "only: pass totals, or make them with lengths."
                )
            totals = self.lengths.draw(len(labels), rng)
        # Tokens one by one cost their number, whole rows the number of columns.
        by_tokens = totals.sum() <= len(labels) * self.shape[1]
        draw = self._draw_tokens if by_tokens else self._draw_rows
        return draw(labels, totals, rng)

    def _draw_tokens(
        self, labels: NDArray[np.intp], totals: Any, rng: np.random.Generator
    ) -> csr_array:
        start = np.concatenate([[0], np.cumsum(totals)]).astype(np.int64)
        tokens = np.empty(start[-1], np.int32)
        draw_tokens(
            self.probabilities().cumsum(axis=1),
            self.concentrations(),
            labels,
            start,
            rng.random(len(tokens)),
            tokens,
        )
        shape = (len(labels), self.shape[1])
        rows = csr_array((np.ones(len(tokens)), tokens, start), shape=shape)
        rows.sum_duplicates()
        return rows

    def _draw_rows(
        self, labels: NDArray[np.intp], totals: Any, rng: np.random.Generator
    ) -> csr_array:
        shares, size = self.probabilities(), self.concentrations()
        step = max(1, _CELLS // shares.shape[1])
        parts = []
        for at in range(0, len(labels), step):
            own = labels[at : at + step]
            p = shares[own]
            if np.isfinite(size).all():
                p = dirichlet_draws(size[own, None] * p, rng)
            # The last column gets what the others leave: rounding must leave enough.
            p = p / p.sum(axis=1, keepdims=True)
            parts.append(csr_array(rng.multinomial(totals[at : at + step], p) * 1.0))
        return csr_array(vstack(parts, format="csr"))


def dirichlet_draws(alpha: Array, rng: np.random.Generator) -> Array:
    """Draw from Dirichlet laws, also from those whose parts are close to zero.

    Parameters
    ----------
    alpha : ndarray of shape (n, d)
        Positive parameters of each draw.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    draws : ndarray of shape (n, d)
        Rows are positive and sum to one.
    """
    # A gamma variable is one of a parameter larger by 1, times a power of a uniform
    # one: in logarithms it does not underflow.
    log_parts = np.log(rng.standard_gamma(alpha + 1.0))
    log_parts += np.log(1.0 - rng.random(alpha.shape)) / alpha
    parts = np.exp(log_parts - log_parts.max(axis=1, keepdims=True))
    parts = np.maximum(parts, _SMALLEST)
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def as_csr(X: Any) -> csr_array:
    """Rows of counts as a sparse array with sorted columns and no stored zeros.

    Indices have 32 bits where those are enough.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n, d)
        Rows.

    Returns
    -------
    rows : csr_array of shape (n, d)
        X itself where it is such an array.
    """
    rows = X if isinstance(X, csr_array) else csr_array(X)
    if not (rows.has_canonical_format and rows.data.all()):
        # A new array: rows made of a user's matrix share its memory.
        rows = rows.copy() if issparse(X) else rows
        rows.sum_duplicates()
        rows.eliminate_zeros()
    index = get_index_dtype(maxval=max(rows.nnz, *rows.shape))
    if rows.indices.dtype != index or rows.indptr.dtype != index:
        parts = rows.data, rows.indices.astype(index), rows.indptr.astype(index)
        rows = csr_array(parts, shape=rows.shape)
    return rows


def root_shares(rows: csr_array) -> csr_array:
    """Square roots of the shares of columns, for distances between rows.

    Parameters
    ----------
    rows : csr_array of shape (n, d)
        Counts, in canonical form.

    Returns
    -------
    points : csr_array of shape (n, d)
        Of each row with one more count that is in no column: short rows are closer to
        zero.
    """
    points = rows.copy()
    totals = rows.sum(axis=1, dtype=np.float64)
    points.data /= np.repeat(totals + 1.0, np.diff(rows.indptr))
    return points.sqrt()
