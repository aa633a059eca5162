"""Laws that are mixtures: each one of several members of another family."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em._kernels import normalize
from sklgen.families._base import Additive, Allocate, Family, Prefixed, View


@dataclass(frozen=True)
class MixedStatistics(Additive):
    """Weight of each member of each law, and the statistics of the members.

    Parameters
    ----------
    counts : ndarray of shape (K, M)
        Weights.
    family : Additive
        Statistics of the K M members.
    """

    counts: Array
    family: Any


@dataclass(frozen=True)
class Mixed(Family):
    """Laws that are mixtures of M members of a family each.

    The member that a row comes from is hidden: its posterior is part of the
    statistics, so that EM on the laws is EM on their members, too.

    Parameters
    ----------
    weights : ndarray of shape (K, M)
        Weight of each member in its law; rows sum to one.
    members : Family
        K M components, those of a law adjacent.

    Notes
    -----
    A block of n rows takes what the members take, and O(n K M) operations.
    """

    weights: Array
    members: Any

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.weights), int(self.members.shape[1])

    @property
    def n_features(self) -> int:
        return int(self.members.n_features) + int(self.weights.size)

    @property
    def n_parameters(self) -> int:
        K, M = self.weights.shape
        return int(self.members.n_parameters) + int(K * (M - 1))

    @property
    def log_prior(self) -> float:
        return float(self.members.log_prior)

    @cached_property
    def log_weights(self) -> Array:
        """Logarithms of the weights, of shape (K, M)."""
        with np.errstate(divide="ignore"):
            return np.log(self.weights)

    @cached_property
    def _views(self) -> dict[bool, View]:
        return {}

    def view(self, *, complete: bool) -> View:
        if complete not in self._views:
            view = self.members.view(complete=complete)
            self._views[complete] = MixedView(self.log_weights, view)
        return self._views[complete]

    @property
    def patterned(self) -> NDArray[np.intp]:
        return np.asarray(self.members.patterned)

    def pattern_view(self, observed: NDArray[np.bool_]) -> View:
        return MixedView(self.log_weights, self.members.pattern_view(observed))

    def maximize(self, statistics: MixedStatistics) -> Self:
        counts = statistics.counts
        totals = counts.sum(axis=1, keepdims=True)
        shares = counts / np.where(totals > 0, totals, 1.0)
        return type(self)(
            np.where(totals > 0, shares, self.weights),
            self.members.maximize(statistics.family),
        )

    def take(self, indices: NDArray[np.intp]) -> Self:
        M = self.weights.shape[1]
        members = np.asarray(indices)[:, None] * M + np.arange(M)
        return type(self)(self.weights[indices], self.members.take(members.ravel()))

    def settle(self, weights: Array, data: Self) -> Self:
        shares = (weights[:, None] * self.weights).ravel()
        return type(self)(self.weights, self.members.settle(shares, data.members))

    def recentre(self, statistics: MixedStatistics, target: Self) -> MixedStatistics:
        moved = self.members.recentre(statistics.family, target.members)
        return replace(statistics, family=moved)

    def responsibilities(self, X: NDArray[Any]) -> Array:
        """Probability of each member of each law given the observed cells of rows.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows; NaN marks missing cells.

        Returns
        -------
        probabilities : ndarray of shape (K, M, n)
            They sum to one for each law and row.
        """
        _, shares = self.view(complete=not np.isnan(X).any()).evaluate(
            X,
            lambda name, shape: np.empty(shape),
            np.empty((len(self.weights), len(X))),
        )
        return np.asarray(shares)

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        joint = self.responsibilities(X) * weights[:, None]
        members = joint.reshape(self.weights.size, -1)
        return np.asarray(self.members.conditional_mean(X, members))

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        shares = self.responsibilities(X)[labels, :, np.arange(len(X))]
        cumulative = shares.cumsum(axis=1)
        threshold = rng.random((len(X), 1)) * cumulative[:, -1:]
        drawn = (cumulative <= threshold).sum(axis=1)
        members = labels * self.weights.shape[1] + drawn
        return np.asarray(self.members.conditional_draw(X, members, rng))

    def pack(self) -> Array:
        logs = np.where(self.weights > 0, self.log_weights, 0.0)
        return np.concatenate([logs.ravel(), self.members.pack()])

    def unpack(self, vector: Array) -> Self:
        logits, rest = np.split(vector, [self.weights.size])
        logits = logits.reshape(self.weights.shape)
        logits = np.where(self.weights > 0, logits, -np.inf)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        return type(self)(weights, self.members.unpack(rest))


class MixedView(View):
    """Mixtures on blocks of rows. Features are the members' and their posteriors."""

    def __init__(self, log_weights: Array, members: Any) -> None:
        self._log_weights = log_weights
        self._members = members

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Any:
        (K, M), n = self._log_weights.shape, len(X)
        shares = allocate("shares", (K, M, n))
        own = Prefixed(allocate, "members: ")
        features = self._members.evaluate(X, own, shares.reshape(K * M, n))
        ones = allocate("ones", (n,))
        ones[:] = 1.0
        room = allocate("room", (2, n))
        counts = np.zeros(M)
        for law in range(K):
            normalize(
                shares[law], self._log_weights[law], ones, counts, out[law], *room
            )
        return features, shares

    def zeros(self) -> Any:
        return [np.zeros(self._log_weights.shape), self._members.zeros()]

    def accumulate(self, sums: Any, features: Any, responsibilities: Array) -> None:
        own, shares = features
        joint = shares * responsibilities[:, None]
        sums[0] += joint.sum(axis=2)
        self._members.accumulate(sums[1], own, joint.reshape(-1, joint.shape[2]))

    def complete(self, sums: Any) -> MixedStatistics:
        return MixedStatistics(sums[0].copy(), self._members.complete(sums[1]))
