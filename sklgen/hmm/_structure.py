"""Chains: sequences of rows, each from one of C Markov chains over hidden states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import Bundle, Scratch
from sklgen.em._kernels import relative_to_peak
from sklgen.em._tasks import total
from sklgen.families._base import Additive, Learner, Prefixed
from sklgen.hmm._kernels import (
    UNLIKELY,
    add_lanes,
    backward,
    forward,
    log_backward,
    log_forward,
)
from sklgen.hmm._passes import Emissions, Filtered, Messages, Pass, log_of
from sklgen.hmm._rules import Rules
from sklgen.mixture._structure import view_of

C = TypeVar("C", bound=Learner)

# Log-densities below this are those of impossible rows.
_IMPOSSIBLE = -1e290
# Logs of probabilities below this underflow.
_LOWEST = -660.0


@dataclass(frozen=True)
class ChainStatistics(Additive):
    """Sums over sequences: clusters, first states, transitions, the family's, bound."""

    clusters: Array
    starts: Array
    transitions: Array
    family: Any
    bound: float
    weight: float

    def recentred(self, source: Learner, target: Learner) -> Self:
        """The same sums, the family's about `target` in place of `source`."""
        return replace(self, family=source.recentre(self.family, target))


@dataclass(frozen=True)
class Chains(Generic[C]):
    """C Markov chains of K states each at fixed parameters.

    Parameters
    ----------
    weights : ndarray of shape (C,)
        Probability of each chain.
    start : ndarray of shape (C, K)
        Probabilities of the states at the first row.
    transition : ndarray of shape (C, K, K)
        Probability of each next state given the state.
    components : Learner
        C K laws of a row, the states of a chain adjacent.
    rules : Rules
        What the M-step keeps to.
    """

    weights: Array
    start: Array
    transition: Array
    components: C
    rules: Rules

    @property
    def n_chains(self) -> int:
        return len(self.weights)

    @property
    def n_states(self) -> int:
        return int(self.start.shape[1])

    @property
    def n_laws(self) -> int:
        return self.start.size

    @cached_property
    def transposed(self) -> Array:
        return np.ascontiguousarray(self.transition.mT)

    @cached_property
    def log_weights(self) -> Array:
        return log_of(self.weights)

    @cached_property
    def log_start(self) -> Array:
        return log_of(self.start)

    @cached_property
    def log_transition(self) -> Array:
        return log_of(self.transition)

    def evaluate(self, X: Any, bundle: Bundle, scratch: Scratch) -> Emissions:
        """Log-densities of the rows of a bundle under all laws."""
        n = len(bundle.rows)
        log = scratch("log", (self.n_laws, n))
        alone = len(bundle.blocks) == 1 and bundle.blocks[0][1].complete
        views: dict[Any, Any] = {}
        blocks = []
        for number, (at, block) in enumerate(bundle.blocks):
            key = block.complete if block.observed is None else block.observed.tobytes()
            if key not in views:
                views[key] = view_of(self.components, block)
            out = log if alone else scratch("block", (self.n_laws, len(block.weight)))
            own = Prefixed(scratch, f"block {number}: ")
            features = views[key].evaluate(
                np.take(X, bundle.rows[at], axis=0), own, out
            )
            if not alone:
                log[:, at] = out
            blocks.append((views[key], features))
        if bundle.labels is not None:
            known = bundle.labels >= 0
            wrong = np.arange(self.n_laws)[:, None] % self.n_states != bundle.labels
            log[wrong & known] = -np.inf
        return Emissions(log, blocks)

    def relative(self, log: Array, chain: int, scratch: Scratch) -> tuple[Array, Array]:
        """Probabilities (K, n) of rows under states in units of the largest, its log.

        A row impossible under all states has ones, and a log of -inf.
        """
        K, n = self.n_states, log.shape[1]
        emission = scratch(f"emission {chain}", (K, n))
        unit = scratch(f"unit {chain}", (n,))
        room = scratch("room", (2, n))
        relative_to_peak(log[chain * K : (chain + 1) * K], emission, unit, *room)
        impossible = unit < _IMPOSSIBLE
        if impossible.any():
            emission[:, impossible] = 1.0
            unit[impossible] = -np.inf
        return emission, unit

    def begin(
        self, bundle: Bundle, messages: Messages | None, chain: int
    ) -> tuple[Array, Array]:
        """Logs (K, m) of the states before each segment, and of its future."""
        if messages is None:
            shape = (self.n_states, len(bundle.segments))
            return np.full(shape, -np.inf), np.zeros(shape)
        at = bundle.segments
        return messages.previous[at, chain].T, messages.future[at, chain].T

    def past(self, previous: Array, chain: int) -> Array:
        """Log-probabilities (K, m) of first states, given those before or none."""
        start = np.broadcast_to(self.log_start[chain][:, None], previous.shape).copy()
        known = np.flatnonzero(previous.max(axis=0) > -np.inf)
        if len(known):
            pairs = previous[:, None, known] + self.log_transition[chain][:, :, None]
            start[:, known] = np.logaddexp.reduce(pairs, axis=0)
        return start

    def filter(
        self,
        log: Array,
        chain: int,
        previous: Array,
        offset: NDArray[np.intp],
        scratch: Scratch,
    ) -> Filtered:
        """Forward pass of one chain, in logarithms where need be."""
        shape = (self.n_states, log.shape[1])
        emission, unit = self.relative(log, chain, scratch)
        before = scratch(f"before {chain}", shape)
        predicted = scratch(f"predicted {chain}", shape)
        total = scratch(f"total {chain}", shape[1:])
        past = self.past(previous, chain)
        # A state that underflows on the way in may be the only one in the end.
        lost = (past > -np.inf) & (past < _LOWEST)
        safe = not (lost.any() and self.transition[chain].min() < UNLIKELY) and forward(
            emission,
            self.transition[chain],
            np.exp(previous),
            np.exp(past),
            offset,
            before,
            predicted,
            total,
        )
        own = log[chain * self.n_states : (chain + 1) * self.n_states]
        density = np.log(total) + unit if safe else np.empty(shape[1])
        done = Filtered(safe, own, previous, past, emission, before, predicted, density)
        return done if safe else self.in_logarithms(done, chain, offset)

    def in_logarithms(
        self, done: Filtered, chain: int, offset: NDArray[np.intp]
    ) -> Filtered:
        """The same pass made again, into the same arrays, where nothing underflows."""
        steps = self.log_transition[chain]
        log_forward(done.log, steps, done.past, offset, done.predicted, done.density)
        return done._replace(safe=False)

    def smooth(
        self,
        emissions: Emissions,
        bundle: Bundle,
        messages: Messages | None,
        scratch: Scratch,
    ) -> Pass:
        """Forward and backward pass of all chains over a bundle."""
        n = len(bundle.rows)
        C, K = self.n_chains, self.n_states
        densities = np.zeros((C, len(bundle.segments)))
        passes = []
        for chain in range(C):
            previous, future = self.begin(bundle, messages, chain)
            done = self.filter(emissions.log, chain, previous, bundle.offset, scratch)
            add_lanes(done.density, bundle.offset, densities[chain])
            passes.append((done, future))
        share, bound = self._shares(bundle, messages, densities)
        smoothed = scratch("smoothed", (C, K, n)) if C > 1 else None
        pairs = np.zeros((C, K, K))
        for chain, (done, future) in enumerate(passes):
            weight = share[chain] * bundle.weight
            pairs[chain] = self._backward(done, chain, future, bundle, weight, scratch)
            if smoothed is not None:
                smoothed[chain] = done.predicted * share[chain][bundle.lane]
        if smoothed is None:
            smoothed = passes[0][0].predicted[None]
        return Pass(smoothed, share, bound, pairs)

    def _shares(
        self, bundle: Bundle, messages: Messages | None, totals: Array
    ) -> tuple[Array, Array]:
        """Probability (C, m) of each chain, and log-density (m,) of the sequences.

        `totals` (C, m) are the log-densities of the segments.
        """
        leads = np.ones(len(bundle.segments), bool)
        if messages is not None:
            whole = messages.whole[bundle.segments]
            leads = messages.leads[bundle.segments]
            totals = np.where(whole, totals, messages.density[bundle.segments].T)
        joint = totals + self.log_weights[:, None]
        bound = np.logaddexp.reduce(joint, axis=0)
        possible = np.where(bound > -np.inf, bound, 0.0)
        share = np.where(
            bound > -np.inf, np.exp(joint - possible), self.weights[:, None]
        )
        return share, np.where(leads, bound, 0.0)

    def _backward(
        self,
        done: Filtered,
        chain: int,
        future: Array,
        bundle: Bundle,
        weight: Array,
        scratch: Scratch,
    ) -> Array:
        """Smooth in place; expected transitions (K, K) of sequences with weights."""
        K = self.n_states
        first = np.empty((K, len(weight)))
        if done.safe and backward(
            done.emission,
            self.transposed[chain],
            np.exp(future - future.max(axis=0)),
            bundle.offset,
            done.predicted,
            first,
        ):
            before = done.before
            if (weight != 1.0).any():
                before = before * weight[bundle.lane]
            expected = np.dot(before, done.emission.T)
            return np.asarray(self.transition[chain] * expected)
        done = self.in_logarithms(done, chain, bundle.offset)
        pairs = np.zeros((K, K))
        log_backward(
            done.log,
            self.log_transition[chain],
            future,
            bundle.offset,
            done.predicted,
            done.density,
            done.previous,
            first,
            pairs,
            weight,
        )
        return pairs

    def e_step(
        self, X: Any, messages: Messages | None, bundle: Bundle, scratch: Scratch
    ) -> ChainStatistics:
        """Statistics of a bundle, under the probabilities of this model."""
        emissions = self.evaluate(X, bundle, scratch)
        done = self.smooth(emissions, bundle, messages, scratch)
        smoothed = done.smoothed.reshape(self.n_laws, -1)
        if bundle.row_weight is not None:
            smoothed *= bundle.row_weight
        sums: dict[int, tuple[Any, Any]] = {}
        for (at, _), (view, features) in zip(
            bundle.blocks, emissions.blocks, strict=True
        ):
            _, own = sums.setdefault(id(view), (view, view.zeros()))
            view.accumulate(own, features, np.ascontiguousarray(smoothed[:, at]))
        family = total(view.complete(own) for view, own in sums.values())
        leads = bundle.weight
        if messages is not None:
            leads = leads * messages.leads[bundle.segments]
        first = done.smoothed[:, :, : len(leads)]
        if messages is not None:
            first = first[:, :, messages.leads[bundle.segments]]
        return ChainStatistics(
            done.share @ leads,
            first.sum(axis=2),
            done.pairs,
            family,
            float(bundle.weight @ done.bound),
            bundle.total_weight,
        )

    @property
    def log_prior(self) -> float:
        """What the priors of the parameters add to the log-likelihood."""
        return self.rules.log_prior(self.start, self.transition) + float(
            self.components.log_prior
        )

    def posterior_bound(self, statistics: ChainStatistics) -> ChainStatistics:
        """The same sums, their bound one on the log-posterior of the parameters."""
        return replace(statistics, bound=statistics.bound + self.log_prior)

    def settle(self, data: Self) -> Self:
        """The same chains as the start of a run; `data` has equal components."""
        shares = np.full(self.n_laws, 1.0 / self.n_laws)
        return replace(self, components=self.components.settle(shares, data.components))

    def reopened(self, share: float) -> Self:
        """The same chains with a share of probability on all that is possible."""
        start, transition = self.rules.reopen(self.start, self.transition, share)
        return replace(self, start=start, transition=transition)

    def m_step(self, statistics: ChainStatistics) -> Self:
        rules = self.rules
        start, transition = rules.maximize(
            self.start, self.transition, statistics.starts, statistics.transitions
        )
        components = self.components
        if "emission" not in rules.fixed:
            components = components.maximize(statistics.family)
        clusters = statistics.clusters
        return replace(
            self,
            weights=clusters / clusters.sum(),
            start=start,
            transition=transition,
            components=components,
        )

    def pack(self) -> Array:
        """Logarithms of probabilities, zero where they are, and the components'."""
        laws = (self.weights, self.start, self.transition)
        logs = [np.where(law > 0, log_of(law), 0.0).ravel() for law in laws]
        return np.concatenate([*logs, self.components.pack()])

    def unpack(self, vector: Array) -> Self:
        laws = (self.weights, self.start, self.transition)
        cuts = np.cumsum([law.size for law in laws])
        *logs, rest = np.split(vector, cuts)
        found = [
            _probabilities(np.where(law > 0, part.reshape(law.shape), -np.inf))
            for law, part in zip(laws, logs, strict=True)
        ]
        start = self.rules.starts(found[1], found[2])
        components = self.components.unpack(rest)
        return replace(
            self,
            weights=found[0],
            start=start,
            transition=found[2],
            components=components,
        )


def _probabilities(logits: Array) -> Array:
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))
