"""Where fits of hidden Markov models start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.utils import column_or_1d

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.em import Rows, best, n_threads
from sklgen.em._distinct import distinct_rows
from sklgen.hmm._groups import SequenceData, check_one_a_row
from sklgen.hmm._structure import Chains
from sklgen.mixture._starts import STARTS, nearest
from sklgen.mixture._structure import Mixture

Labels = NDArray[np.intp]

# Rows that short runs see, or a little more, and rows of a window that they come in.
_SAMPLE_ROWS = 8192
_WINDOW = 512
_SAMPLE_ROWS_PER_STATE = 64
# Distinct rows that clusters are found in, or more where clusters need covariances.
_CLUSTERED_ROWS = 1024
_ROWS_PER_COLUMN = 4
# Steps that a few starts take. Of more starts all take some, then the better half.
_SHORT_ITER = 10
_FEW_ROWS = 2048
_FEW_ROWS_ITER = (10, 30)
_MANY_ROWS_ITER = (5, 5)
# How many starts go on, at least.
_KEPT = 2


class Start:
    """A sample of sequences, and chains to start from.

    Parameters
    ----------
    estimator : BaseHMM
        What is fitted.
    X, ends, weight, labels
        Its sequences.
    equal : Chains
        Chains with equal components, at the transitions to start from.
    """

    def __init__(
        self,
        estimator: Any,
        X: NDArray[Any],
        ends: NDArray[np.intp],
        weight: Array,
        labels: Labels | None,
        equal: Chains[Any],
    ) -> None:
        self._estimator = estimator
        self._equal = equal
        self.rng = as_generator(estimator.random_state)
        limit = max(_SAMPLE_ROWS, _SAMPLE_ROWS_PER_STATE * equal.n_laws)
        anywhere = estimator.topology == "ergodic" and bool(equal.start.min() > 0)
        pieces, chosen = _choose(ends, weight, limit, self.rng, anywhere=anywhere)
        self.X = np.concatenate([X[piece] for piece in pieces])
        self.ends = np.cumsum([piece.stop - piece.start for piece in pieces])
        self.weight = weight[chosen]
        self.labels = (
            None
            if labels is None
            else np.concatenate([labels[piece] for piece in pieces])
        )

    @property
    def rows(self) -> tuple[NDArray[Any], NDArray[np.intp]]:
        return self.X, self.ends

    @property
    def parts(self) -> tuple[Array, Labels | None]:
        return self.weight, self.labels

    @cached_property
    def row_weight(self) -> Array:
        return np.repeat(self.weight, np.diff(self.ends, prepend=0))

    def starts(self) -> Iterator[Chains[Any]]:
        """Chains to start short runs from, `n_init` of them."""
        estimator = self._estimator
        alone = self._equal.n_laws * estimator._n_members == 1
        n_init = 1 if alone else estimator.n_init
        for number in range(n_init):
            by_time = estimator._n_members > 1 and number % 2 == 0
            components = estimator._with_given(self._components(by_time=by_time))
            start, transition = self._equal.start, self._equal.transition
            if estimator.transmat_init is None and number:
                transition = self._sticky(transition)
            rules = self._equal.rules
            yield replace(
                self._equal,
                start=rules.starts(start, transition),
                transition=transition,
                components=components,
            )

    def _sticky(self, transition: Array) -> Array:
        """Even transitions, of which a random share stay where they are."""
        share = self.rng.random()
        stay = np.eye(transition.shape[1])
        return (1.0 - share) * transition + share * stay

    def _components(self, *, by_time: bool) -> Any:
        """Components of rows with labels."""
        estimator, equal = self._estimator, self._equal
        if self.labels is not None or estimator.topology != "ergodic":
            X, weight = self.X, self.row_weight
            labels = self._row_labels()
        else:
            X, weight = self._distinct
            find = self._company if by_time else self._clusters
            labels = find(X, weight)
        return labelled(estimator, X, weight, labels, equal)

    @cached_property
    def _distinct(self) -> tuple[NDArray[Any], Array]:
        """Distinct rows to find clusters in, and their weights."""
        n_clusters = self._equal.n_laws * self._estimator._n_members
        per_cluster = max(_SAMPLE_ROWS_PER_STATE, _ROWS_PER_COLUMN * self.X.shape[1])
        limit = max(_CLUSTERED_ROWS, per_cluster * n_clusters)
        return distinct_rows(self.X, self.row_weight, limit, self.rng)

    def _clusters(self, X: NDArray[Any], weight: Array) -> Labels:
        estimator, K = self._estimator, self._equal.n_laws
        Z = estimator._standardized(X)
        if len(Z) <= K:
            return np.arange(len(Z))
        return np.asarray(STARTS[estimator.init_params](Z, weight, K, self.rng))

    def _row_labels(self) -> Labels:
        """Labels by clusters or by time, with the known states where there are any."""
        K = self._equal.n_laws
        if self._estimator.topology != "ergodic":
            labels = self.times(K)
        else:
            labels = self._clusters(self.X, self.row_weight)
        return labels if self.labels is None else agreed(labels, self.labels, K)

    def _company(self, X: NDArray[Any], weight: Array) -> Labels:
        """States of several clusters each: those that the same clusters surround.

        The clusters of a state may be far apart, but come before and after the same
        ones.
        """
        estimator, K = self._estimator, self._equal.n_laws
        n = K * estimator._n_members
        Z = estimator._standardized(X)
        if len(Z) <= n or K == 1:
            return self._clusters(X, weight)
        labels = np.asarray(STARTS[estimator.init_params](Z, weight, n, self.rng))
        totals = np.bincount(labels, weight, n).astype(np.float64)
        sums = np.stack([np.bincount(labels, weight * z, n) for z in Z.T], axis=1)
        used = totals > 0
        centres = sums[used] / totals[used, None]
        if len(centres) <= K:
            return nearest(Z, centres)
        times = nearest(estimator._standardized(self.X), centres)
        going = np.setdiff1d(np.arange(len(times) - 1), self.ends - 1)
        pairs = np.zeros((len(centres), len(centres)))
        moves = (times[going], times[going + 1])
        np.add.at(pairs, moves, self.row_weight[going])
        around = np.hstack([pairs, pairs.T]) + np.finfo(np.float64).tiny
        profiles = np.sqrt(around / around.sum(axis=1, keepdims=True))
        states = STARTS["kmeans"](profiles, totals[used], K, self.rng)
        return states[nearest(Z, centres)]

    def times(self, K: int) -> Labels:
        """States in their order, each for a random share of every sequence."""
        shares = self.rng.dirichlet(np.full(K, 4.0)).cumsum()[:-1]
        lengths = np.diff(self.ends, prepend=0)
        place = np.concatenate([(np.arange(n) + 0.5) / n for n in lengths])
        return np.searchsorted(shares, place).astype(np.intp)


def labelled(
    estimator: Any, X: NDArray[Any], weight: Array, labels: Labels, equal: Chains[Any]
) -> Any:
    """Components of rows with labels; `equal` has equal ones."""
    mixture = Mixture(np.full(equal.n_laws, 1.0 / equal.n_laws), equal.components)
    with Rows(
        X,
        weight,
        n_features=max(equal.components.n_features, equal.n_laws),
        n_threads=n_threads(estimator.n_jobs),
        patterned=equal.components.patterned,
    ) as rows:
        return estimator._labelled(rows, labels, mixture).components


def agreed(labels: Labels, known: Labels, K: int) -> Labels:
    """Labels with the names that agree best with those known, which replace them."""
    at = known >= 0
    table = np.zeros((K, K))
    np.add.at(table, (labels[at], known[at]), 1.0)
    _, names = linear_sum_assignment(table, maximize=True)
    return np.where(at, known, names[labels])


def promising(
    starts: Iterable[Chains[Any]], expectation: Any, *, n_rows: int, max_iter: int
) -> list[Chains[Any]]:
    """The starts that are worth a full run: the best after a few steps.

    Chains that differ in a rare state take long to part. Where rows are few and steps
    cost little, they take more of them.
    """
    runs = list(starts)
    half = (len(runs) + 1) // 2
    rounds = [(_SHORT_ITER, _KEPT)]
    if half > _KEPT:
        short, further = _FEW_ROWS_ITER if n_rows <= _FEW_ROWS else _MANY_ROWS_ITER
        rounds = [(short, half), (further, _KEPT)]
    for n_iter, keep in rounds:
        runs = best(runs, expectation, n_iter=min(n_iter, max_iter), keep=keep)
    return runs


def _choose(
    ends: NDArray[np.intp],
    weight: Array,
    limit: int,
    rng: np.random.Generator,
    *,
    anywhere: bool,
) -> tuple[list[slice], NDArray[np.intp]]:
    """Random pieces with `limit` rows or a little more, and the sequence of each.

    Pieces are sequences of positive weight, or, where they are too many rows and chains
    may start anywhere, windows of them: a long sequence may change on its way.
    """
    sequence = np.flatnonzero(weight > 0)
    start = np.append(0, ends[:-1])[sequence]
    length = ends[sequence] - start
    if length.sum() > limit and anywhere:
        n_windows = -(-length // _WINDOW)
        rank = np.concatenate([np.arange(n) for n in n_windows])
        sequence = np.repeat(sequence, n_windows)
        start = np.repeat(start, n_windows) + rank * _WINDOW
        length = np.minimum(ends[sequence] - start, _WINDOW)
    if length.sum() > limit:
        order = rng.permutation(len(sequence))
        n = int(np.searchsorted(length[order].cumsum(), limit)) + 1
        kept = np.sort(order[:n])
        sequence, start, length = sequence[kept], start[kept], length[kept]
    stop = start + np.minimum(length, limit)
    return [slice(a, b) for a, b in zip(start, stop, strict=True)], sequence


def training_parts(
    data: SequenceData, sequence_weight: Any, state_labels: Any, n_states: int
) -> tuple[Array, Labels | None]:
    """Weights of sequences and known states of rows, validated."""
    m, n = len(data.ends), int(data.ends[-1])
    weight = np.ones(m)
    if sequence_weight is not None:
        weight = column_or_1d(sequence_weight, dtype=np.float64)
        if len(weight) == n and n != m:
            starts = np.append(0, data.ends[:-1])
            if not np.array_equal(weight, data.per_row(weight[starts])):
                raise ValueError(
                    "sequence_weight differs between rows of one sequence. Give one "
                    "weight a sequence, or the same one to all its rows."
                )
            weight = weight[starts]
        if len(weight) != m:
            raise ValueError(
                f"sequence_weight has {len(weight)} entries for {m} sequences of {n} "
                "rows in all: give one a sequence, or one a row."
            )
        if not (np.isfinite(weight) & (weight >= 0)).all() or not weight.any():
            raise ValueError(
                "sequence_weight must be finite, non-negative and not all zero, got "
                f"values from {weight.min():g} to {weight.max():g}."
            )
    if state_labels is None:
        return weight, None
    return weight, _known_states(data, state_labels, n_states)


def _known_states(data: SequenceData, state_labels: Any, n_states: int) -> Labels:
    if data.parts is not None and np.ndim(state_labels[0]) == 1:
        state_labels = np.concatenate(state_labels)
    labels = column_or_1d(np.asarray(state_labels))
    check_one_a_row(np.empty((int(data.ends[-1]), 0)), labels, "state_labels")
    if labels.dtype.kind not in "iuf" or np.isnan(labels).any():
        raise ValueError(
            "state_labels must be whole numbers, -1 where the state is unknown, got "
            f"values such as {labels[:3].tolist()}."
        )
    whole: Labels = labels.astype(np.intp)
    if (whole != labels).any() or whole.min() < -1 or whole.max() >= n_states:
        raise ValueError(
            f"state_labels must be whole numbers from -1 (unknown) to {n_states - 1}, "
            f"got {np.unique(labels)[:10].tolist()}."
        )
    return whole
