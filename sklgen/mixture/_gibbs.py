"""Collapsed Gibbs sampling of the clusters of rows of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklgen._typing import Array
from sklgen.em._distinct import hash_sparse
from sklgen.mixture._gibbs_kernels import (
    add_rows,
    close_ranks,
    sweep_fractional,
    sweep_whole,
)

Labels = NDArray[np.int64]
# Whole counts are summed up in 32 bits below this total.
_LARGEST_TOTAL = 2.0**31


@dataclass(frozen=True)
class Clusters:
    """What rows have told about clusters.

    Parameters
    ----------
    weights : ndarray of shape (K,)
        Positive weight of the rows of each cluster.
    counts : ndarray of shape (K, d)
        Sum of the rows of each cluster.
    """

    weights: Array
    counts: Array


class Walkers:
    """Rows that move between clusters: weighted rows as copies, in a random order.

    A row of weight w is as many copies as are whole in w, and one with the rest. The
    order depends on the values of the rows alone.
    """

    def __init__(self, X: csr_array, weight: Array, rng: np.random.Generator) -> None:
        order = np.argsort(hash_sparse(X, rng), kind="stable")
        whole = np.floor(weight[order]).astype(np.intp)
        rest = weight[order] - whole
        parts = [np.repeat(order, whole), order[rest > 0]]
        masses = [np.ones(whole.sum()), rest[rest > 0]]
        self.rows = np.concatenate(parts)
        self.mass = np.concatenate(masses)
        self.X = X
        self.whole = not np.any(rest > 0) and not np.any(X.data != np.rint(X.data))

    def __len__(self) -> int:
        return len(self.rows)


def sample_clusters(
    walkers: Walkers,
    labels: Labels,
    before: Clusters | None,
    *,
    n_clusters: int,
    n_sweeps: int,
    alpha: float,
    beta: float,
    rng: np.random.Generator,
) -> tuple[Labels, Clusters]:
    """Draw labels of rows from their posterior, by sweeps over all rows.

    Parameters
    ----------
    walkers : Walkers
        The rows.
    labels : ndarray of shape (n_walkers,)
        Clusters to start from, from 0 to `n_clusters` - 1.
    before : Clusters or None
        Clusters of rows that do not move; they are the first ones.
    n_clusters : int
        Largest number of clusters.
    n_sweeps : int
        Number of sweeps.
    alpha, beta : float
        Concentrations of the priors of weights and of shares, per cluster and column.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    labels : ndarray of shape (n_walkers,)
        Clusters in the end, the heaviest first.
    clusters : Clusters
        Those that are not empty.

    Notes
    -----
    A sweep takes O(m K) operations for m tokens and K clusters that are not empty.
    """
    state = _State(walkers, labels, before, n_clusters)
    for _ in range(n_sweeps):
        state.close_ranks()
        state.sweep(alpha, beta, rng.random(len(walkers)))
    return state.result()


class _State:
    """Labels and tables of a chain, in the layout of the kernels."""

    def __init__(
        self, walkers: Walkers, labels: Labels, before: Clusters | None, K: int
    ) -> None:
        X = walkers.X
        self._walkers = walkers
        self._columns, self._start = X.indices, X.indptr
        known = [] if before is None else [before.counts, before.weights]
        total: float = walkers.mass @ X.sum(axis=1, dtype=np.float64)[walkers.rows]
        total += sum(values.sum() for values in known)
        whole = walkers.whole and total < _LARGEST_TOTAL
        whole = whole and not any(np.any(part != np.rint(part)) for part in known)
        self._whole = whole
        self._cells = X.data.astype(np.int64 if whole else np.float64)
        self._labels = labels.astype(np.int64)
        self._table = np.zeros((X.shape[1], K), np.int32 if whole else np.float64)
        self._weights = np.bincount(labels, walkers.mass, K).astype(np.float64)
        self._members = np.bincount(labels, minlength=K).astype(np.float64)
        add_rows(
            self._cells, self._columns, self._start, walkers.rows, walkers.mass,
            self._labels, self._table,
        )  # fmt: skip
        if before is not None:
            size = len(before.weights)
            self._table[:, :size] += before.counts.T.astype(self._table.dtype)
            self._weights[:size] += before.weights
            self._members[:size] += before.weights if whole else 1.0
        self._tokens = self._table.sum(axis=0, dtype=np.float64)
        self._top = K

    def sweep(self, alpha: float, beta: float, uniform: Array) -> None:
        rows, data = self._walkers.rows, (self._cells, self._columns, self._start)
        if self._whole:
            self._top = sweep_whole(
                *data, rows, self._labels, self._table, self._tokens, self._members,
                self._top, alpha, beta, uniform,
            )  # fmt: skip
            self._weights = self._members.copy()
        else:
            self._top = sweep_fractional(
                *data, rows, self._walkers.mass, self._labels, self._table,
                self._tokens, self._weights, self._members, self._top, alpha, beta,
                uniform,
            )  # fmt: skip

    def close_ranks(self) -> None:
        """Put the clusters that are not empty first."""
        kept = np.flatnonzero(self._members[: self._top])
        if len(kept) == self._top:
            return
        close_ranks(self._table, kept, self._top)
        place = np.zeros(self._top, np.int64)
        place[kept] = np.arange(len(kept))
        self._labels = place[self._labels]
        for values in (self._tokens, self._weights, self._members):
            values[: len(kept)] = values[kept]
            values[len(kept) :] = 0.0
        self._top = len(kept)

    def result(self) -> tuple[Labels, Clusters]:
        self.close_ranks()
        weights = self._weights[: self._top]
        order = np.argsort(-weights, kind="stable")
        place = np.empty(self._top, np.int64)
        place[order] = np.arange(self._top)
        counts = self._table[:, order].T.astype(np.float64)
        return place[self._labels], Clusters(weights[order], counts)


def labels_of_rows(walkers: Walkers, labels: Labels, n_rows: int) -> Any:
    """Label of each row: that of its first copy, or -1 where it has none."""
    found = np.full(n_rows, -1, np.int64)
    found[walkers.rows[::-1]] = labels[::-1]
    return found
