"""Where fits of mixtures of hidden Markov models start."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em._distinct import distinct_rows
from sklgen.hmm._base import expectation
from sklgen.hmm._hmm import BaseHMM
from sklgen.hmm._paths import decode
from sklgen.hmm._start import Labels, Start, agreed, labelled
from sklgen.hmm._structure import Chains
from sklgen.mixture._starts import STARTS, nearest

# Short runs see the beginnings of at least this many sequences for each cluster.
_SEQUENCES_PER_CLUSTER = 32
_SAMPLE_ROWS = 8192
_SHORTEST = 64
# Pairs of more labels than this are too many to tell sequences apart by.
_MOST_LABELS = 16
_POOLED_ITER = 10


class MixtureStart:
    """A sample of sequences, and mixtures of chains to start from.

    A start gives each row a label, each sequence a profile of how often its labels
    come and follow each other, and clusters the profiles. The rows of a cluster then
    give its emissions, and its labels the transitions. Labels are clusters of rows, or
    states of one HMM of all sequences: the first see what clusters of sequences emit,
    the second in which order they do so.

    Parameters
    ----------
    emitter : BaseHMM
        What emissions are asked of, with C chains.
    X, ends, weight, labels
        The sequences, their weights, and known states or None.
    equal : Chains
        C chains with equal components, at the transitions to start from.
    """

    def __init__(
        self,
        emitter: BaseHMM,
        X: NDArray[Any],
        ends: NDArray[np.intp],
        weight: Array,
        labels: Labels | None,
        equal: Chains[Any],
    ) -> None:
        self._emitter = emitter
        self._equal = equal
        self._pooled = copy.copy(emitter)
        self._pooled._n_chains = 1
        one = replace(
            equal,
            weights=np.ones(1),
            start=equal.start[:1],
            transition=equal.transition[:1],
            components=self._pooled._equal_components(),
        )
        if emitter.topology == "ergodic":
            wanted = _SEQUENCES_PER_CLUSTER * equal.n_chains
            longest = _SAMPLE_ROWS // min(wanted, int(np.count_nonzero(weight)))
            X, ends, labels = _beginnings(X, ends, labels, max(longest, _SHORTEST))
        self._sample = Start(self._pooled, X, ends, weight, labels, one)
        self._rng = self._sample.rng
        self.rows, self.parts = self._sample.rows, self._sample.parts

    def starts(self, n_init: int) -> Iterator[Chains[Any]]:
        """Chains to start short runs from, `n_init` of them."""
        ways = (
            (self._row_labels, "kmeans"),
            (self._pooled_states, "kmeans"),
            (self._row_labels, "random_from_data"),
            (self._pooled_states, "random_from_data"),
        )
        for read, init in islice(cycle(ways), n_init):
            labels, n_labels, are_states = read()
            clusters = self._clusters(labels, n_labels, init)
            states = labels if are_states else self._states(clusters)
            yield self._start(clusters, states)

    def _row_labels(self) -> tuple[Labels, int, bool]:
        """Clusters of rows, as many as laws."""
        n = min(self._equal.n_laws, _MOST_LABELS)
        every = np.ones(len(self.rows[0]), bool)
        return self._group_rows(every, n), n, False

    def _pooled_states(self) -> tuple[Labels, int, bool]:
        """States of one HMM of all sequences."""
        return self._decoded, self._equal.n_states, True

    @cached_property
    def _decoded(self) -> Labels:
        emitter = self._emitter
        model = next(self._sample.starts())
        with emitter._sequences(*self.rows, model, *self.parts) as sequences:
            step = expectation(sequences)
            for _ in range(_POOLED_ITER):
                model = model.m_step(step(model))
            return decode(model, sequences)

    def _group_rows(self, chosen: NDArray[np.bool_], n: int) -> Labels:
        """Labels from 0 to n - 1 of the chosen rows, by values alone."""
        X = self._sample.X[chosen]
        rows, weight = distinct_rows(
            X, self._sample.row_weight[chosen], len(X), self._rng
        )
        Z, init = self._pooled._standardized(rows), self._emitter.init_params
        return _spread(Z, weight, n, init, self._rng, self._pooled._standardized(X))

    def _clusters(self, labels: Labels, n_labels: int, init: str) -> Labels:
        """A cluster for each sequence, by its labels."""
        profiles = label_profiles(labels, self._sample.ends, n_labels)
        rows, weight = distinct_rows(
            profiles, self._sample.weight, len(profiles), self._rng
        )
        C = self._equal.n_chains
        return _spread(rows, weight, C, init, self._rng, profiles)

    def _states(self, clusters: Labels) -> Labels:
        """States of the rows of each cluster: by values, or by time."""
        K, known = self._equal.n_states, self._sample.labels
        lanes = np.repeat(clusters, self._lengths)
        states = np.zeros(len(lanes), np.intp)
        if self._emitter.topology != "ergodic":
            states = self._sample.times(K)
        for cluster in np.unique(clusters):
            chosen = lanes == cluster
            if self._emitter.topology == "ergodic":
                states[chosen] = self._group_rows(chosen, K)
            if known is not None:
                states[chosen] = agreed(states[chosen], known[chosen], K)
        return states

    @property
    def _lengths(self) -> NDArray[np.intp]:
        return np.diff(self._sample.ends, prepend=0)

    def _start(self, clusters: Labels, states: Labels) -> Chains[Any]:
        """The chains of sequences and rows with labels."""
        equal, sample = self._equal, self._sample
        C, K = equal.start.shape
        laws = np.repeat(clusters, self._lengths) * K + states
        first = np.append(0, sample.ends[:-1])
        starts = np.bincount(laws[first], sample.weight, C * K).reshape(C, K)
        going = np.delete(np.arange(len(laws)), sample.ends - 1)
        pairs = np.bincount(
            laws[going] * K + states[going + 1],
            sample.row_weight[going],
            minlength=C * K * K,
        ).reshape(C, K, K)
        sizes = np.bincount(clusters, sample.weight, C) + 1.0
        fixed = equal.rules.fixed
        start = equal.start if "start" in fixed else _counted(starts, equal.start)
        transition = equal.transition
        if "transition" not in fixed:
            transition = _counted(pairs, transition)
        return replace(
            equal,
            weights=sizes / sizes.sum(),
            start=equal.rules.starts(start, transition),
            transition=transition,
            components=self._components(laws),
        )

    def _components(self, laws: Labels) -> Any:
        """Components of rows with labels; what the user gave is given to each chain."""
        equal, emitter, sample = self._equal, self._emitter, self._sample
        components = labelled(emitter, sample.X, sample.row_weight, laws, equal)
        own = components.take(np.arange(equal.n_states))
        given = emitter._with_given(own)
        if given is own:
            return components
        return given.take(np.arange(equal.n_laws) % equal.n_states)


def label_profiles(labels: Labels, ends: NDArray[np.intp], n_labels: int) -> Array:
    """Square roots of how often labels come, and follow each other, in each sequence.

    Distances between them are Hellinger's. Of more than 16 labels the pairs say only
    how often a label comes twice.
    """
    m = len(ends)
    lengths = np.diff(ends, prepend=0)
    lane = np.repeat(np.arange(m), lengths)
    cells = np.bincount(lane * n_labels + labels, minlength=m * n_labels)
    going = np.delete(np.arange(len(labels)), ends - 1)
    here, then = labels[going], labels[going + 1]
    if n_labels <= _MOST_LABELS:
        pair, n_pairs = here * n_labels + then, n_labels**2
    else:
        pair, n_pairs = np.where(here == then, here, n_labels), n_labels + 1
    pairs = np.bincount(lane[going] * n_pairs + pair, minlength=m * n_pairs)
    shares = [
        cells.reshape(m, n_labels) / lengths[:, None],
        pairs.reshape(m, n_pairs) / np.maximum(lengths - 1, 1)[:, None],
    ]
    return np.asarray(np.sqrt(np.hstack(shares)))


def _spread(
    Z: Array,
    weight: Array,
    n: int,
    init: str,
    rng: np.random.Generator,
    everything: Any,
) -> Labels:
    """Labels of distinct rows Z, given on to all rows by the nearest mean."""
    if len(Z) <= n:
        return nearest(everything, Z)
    labels = STARTS[init](Z, weight, n, rng)
    used, labels = np.unique(labels, return_inverse=True)
    one_hot = (labels == np.arange(len(used))[:, None]) * weight
    return nearest(everything, one_hot @ Z / one_hot.sum(axis=1, keepdims=True))


def _beginnings(
    X: NDArray[Any], ends: NDArray[np.intp], labels: Labels | None, longest: int
) -> tuple[NDArray[Any], NDArray[np.intp], Labels | None]:
    """The first rows of each sequence, at most `longest`."""
    lengths = np.diff(ends, prepend=0)
    if lengths.max() <= longest:
        return X, ends, labels
    kept = np.minimum(lengths, longest)
    cut = np.cumsum(kept)
    rows = np.arange(cut[-1]) + np.repeat(ends - lengths - cut + kept, kept)
    return X[rows], cut, None if labels is None else labels[rows]


def _counted(counts: Any, before: Array) -> Array:
    """Probabilities by counts and one more for each cell, shared out as before."""
    extra = before.shape[-1] * before
    known = np.where(before > 0, counts + extra, 0.0)
    return np.asarray(known / known.sum(axis=-1, keepdims=True))
