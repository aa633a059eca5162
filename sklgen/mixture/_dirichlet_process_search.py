"""Coordinate ascent for Dirichlet process mixtures, with merges and births."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from sklgen._typing import Array
from sklgen.em import Block, Rows, Scratch, run
from sklgen.mixture._dirichlet_process_model import ProcessPosterior
from sklgen.mixture._structure import MixtureStatistics

Index = NDArray[np.intp]


class Found(Protocol):
    """What a search among the rows of a component found."""

    @property
    def model(self) -> ProcessPosterior:
        """The components."""

    @property
    def gain(self) -> float:
        """What they gain over a single one, in nats."""


Discover = Callable[[Any, Array], Found]

# A move must gain more than this share of the bound, which rounding does not reach.
_LEAST_GAIN = 1e-10
# E-steps that a candidate may take before it must be better than what is there.
_TRIAL_STEPS = 3
_SETTLING_STEPS = 10
# A component with a smaller share of the weight is one that has died.
_NOTHING = 1e-14
# Pairs of components whose overlap is summed in one pass, the most promising ones.
_MOST_PAIRS = 200
# Components that share this part of their rows are the same from step to step.
_SAME = 0.9


class Ascent:
    """A posterior on its way up the bound on some rows.

    Every move is judged by the bound after an E-step on all rows, and kept only if
    that is higher.

    Parameters
    ----------
    model : ProcessPosterior
        The start.
    rows : Rows
        The rows, open.
    max_iter : int
        Largest number of E-steps after the first.
    monitor : callable
        Called with the mean bound after each step.
    """

    def __init__(
        self,
        model: ProcessPosterior,
        rows: Rows,
        *,
        max_iter: int,
        monitor: Callable[[float], object] = lambda bound: None,
    ) -> None:
        self._rows = rows
        self._max_iter = max_iter
        self._monitor = monitor
        # For each row, the component that could not be split when it was in it.
        self._whole: Index = np.full(rows.X.shape[0], -1)
        self._n_whole = 0
        self.n_iter = -1
        self.model = model
        self.statistics = self._expect(model)
        self.bounds = [self._mean_bound(self.statistics)]
        self.converged = False

    @property
    def exhausted(self) -> bool:
        """Whether all iterations are used up."""
        return self.n_iter >= self._max_iter

    def _expect(self, model: ProcessPosterior) -> MixtureStatistics:
        self.n_iter += 1
        return model.bounded(self._rows.sum(model.e_step))

    @staticmethod
    def _mean_bound(statistics: MixtureStatistics) -> float:
        return statistics.bound / statistics.weight

    def climb(self, tol: float, max_iter: int | None = None) -> None:
        """Take steps until the gain left per unit weight is below `tol`."""
        left = self._max_iter - self.n_iter
        start, known = self.model, self.statistics
        found = run(
            start,
            lambda model: known if model is start else self._expect(model),
            tol=tol,
            max_iter=left if max_iter is None else min(max_iter, left),
            monitor=self._monitor,
        )
        self.model, self.statistics = found.model, found.statistics
        self.bounds.extend(found.bounds[1:])
        self.converged = found.converged

    def propose(self, model: ProcessPosterior, n_steps: int = _TRIAL_STEPS) -> bool:
        """Move to a candidate if a few steps from it the bound is higher."""
        least = self.bounds[-1] + _LEAST_GAIN * max(1.0, abs(self.bounds[-1]))
        for _ in range(n_steps):
            if self.exhausted:
                break
            statistics = self._expect(model)
            bound = self._mean_bound(statistics)
            if bound > least:
                self.model, self.statistics = model, statistics
                self.bounds.append(bound)
                self._monitor(bound)
                return True
            model = model.m_step(statistics)
        return False

    def drop(self, least: float) -> None:
        """Leave out components with less weight than `least`."""
        counts = self.model.sticks.counts
        kept = counts > min(least, counts.max() / 2)
        if not kept.all():
            self.model = self.model.take(kept)
            self.statistics = self._expect(self.model)
            self.bounds.append(self._mean_bound(self.statistics))

    def merge(self, n_doubtful: int = 0) -> bool:
        """Merge pairs of components as long as that raises the bound.

        Where no pair promises a gain, up to `n_doubtful` are merged and given some
        steps to settle, one at a time.
        """
        self.drop(_NOTHING * self.statistics.weight)
        merged = False
        while len(self.model) > 1 and not self.exhausted:
            model = self.model.updated(self.statistics)
            first, second, gain = self._pairs(model)
            gained = self._merge_sure(model, first[gain > 0], second[gain > 0])
            for at in range(min(n_doubtful, len(gain))):
                pair = slice(at, at + 1)
                gained = gained or self.propose(
                    model.merged(first[pair], second[pair]), _SETTLING_STEPS
                )
            if not gained:
                break
            merged = True
        return merged

    def _merge_sure(self, model: ProcessPosterior, first: Index, second: Index) -> bool:
        """Merge pairs, each component once: all at once or only the best one."""
        used: set[int] = set()
        chosen = []
        for pair, both in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            if not used & {*both}:
                used |= {*both}
                chosen.append(pair)
        if not chosen:
            return False
        if self.propose(model.merged(first[chosen], second[chosen])):
            return True
        return len(chosen) > 1 and self.propose(model.merged(first[:1], second[:1]))

    def _pairs(self, updated: ProcessPosterior) -> tuple[Index, Index, Array]:
        """Pairs of components and what merging one gains, the labels being as they are.

        An E-step can only add to this gain, which is exact for complete rows.
        """
        first, second = np.triu_indices(len(updated), 1)
        gain = updated.merge_gains(first, second)
        likely = np.argsort(-gain, kind="stable")[:_MOST_PAIRS]
        first, second, gain = first[likely], second[likely], gain[likely]
        gain = gain - self._rows.sum(_Overlap(self.model, first, second))
        order = np.argsort(-gain, kind="stable")
        return first[order], second[order], gain[order]

    def split(self, discover: Discover, X: Any, weight: Array, limit: int) -> bool:
        """Replace components by what is found in their own rows, if the bound rises.

        All that promise a gain are replaced at once, up to a limit on the number of
        components; if that does not hold, the better half of them, and so on.
        """
        model = self.model.updated(self.statistics)
        if self.exhausted or len(model) >= limit:
            return False
        labels, share = self._labels(X.shape[0])
        births = self._births(model, discover, X, weight * share, labels)
        growth = np.cumsum([len(born) - 1 for _, born in births], dtype=int)
        births = births[: np.searchsorted(growth, limit - len(model), side="right")]
        while births:
            others = np.setdiff1d(np.arange(len(model)), [k for k, _ in births])
            candidate = model.take(others)
            for _, born in births:
                candidate = candidate.joined(born)
            if self.propose(candidate):
                return True
            for k, _ in births:
                self._remember(np.flatnonzero(labels == k))
            births = births[: len(births) // 2]
        return False

    def _births(
        self,
        model: ProcessPosterior,
        discover: Discover,
        X: Any,
        weight: Array,
        labels: Index,
    ) -> list[tuple[int, ProcessPosterior]]:
        """Components to split and what they split into, the highest gain first."""
        births = []
        for k, count in enumerate(model.sticks.counts):
            at = np.flatnonzero(labels == k)
            if len(at) < 2 or self._remembers(at):
                continue
            found = discover(X[at], weight[at])
            born = found.model
            if len(born) > 1 and found.gain > 0:
                factor = float(count / born.sticks.counts.sum())
                births.append((found.gain * factor, k, born.repeated(factor)))
            else:
                self._remember(at)
        births.sort(key=lambda birth: -birth[0])
        return [(k, born) for _, k, born in births]

    def _remember(self, at: Index) -> None:
        self._whole[at] = self._n_whole
        self._n_whole += 1

    def _remembers(self, at: Index) -> bool:
        """Whether these are the rows of a component that could not be split."""
        before = self._whole[at]
        before = before[before >= 0]
        if not before.size:
            return False
        ids, shared = np.unique(before, return_counts=True)
        most = shared.argmax()
        size = max(len(at), int(np.count_nonzero(self._whole == ids[most])))
        return bool(shared[most] >= _SAME * size)

    def _labels(self, n: int) -> tuple[Index, Array]:
        """The most probable component of each row, and its probability."""
        labels, share = np.full(n, -1), np.zeros(n)

        def read(block: Block, scratch: Scratch) -> Array:
            posterior, _ = self.model.mixture.posterior(block, scratch)
            labels[block.rows] = posterior.argmax(axis=0)
            return np.asarray(posterior.max(axis=0) / block.weight)

        self._rows.fill(share, read)
        return labels, share


class _Overlap:
    """What merging pairs of components loses: the entropy of telling them apart."""

    def __init__(self, model: ProcessPosterior, first: Index, second: Index) -> None:
        self._model = model
        self._first = first
        self._second = second

    def __call__(self, blocks: Iterator[Block], scratch: Scratch) -> Array:
        loss = np.zeros(len(self._first))
        for block in blocks:
            shares, _ = self._model.mixture.posterior(block, scratch)
            own = xlogy(shares, shares).sum(axis=1)
            for pair, (a, b) in enumerate(zip(self._first, self._second, strict=True)):
                both = shares[a] + shares[b]
                loss[pair] += xlogy(both, both).sum() - own[a] - own[b]
        return loss
