"""Paths of hidden states: the best one, and draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import Bundle, Scratch, Sequences
from sklgen.hmm._messages import exchange
from sklgen.hmm._passes import Messages
from sklgen.hmm._path_kernels import best_paths, draw_paths, simulate, trace_back
from sklgen.hmm._structure import Chains

States = NDArray[np.intp]


def decode(model: Chains[Any], sequences: Sequences) -> States:
    """Most probable path of each sequence under the first chain (Viterbi).

    Long sequences keep what they need of one segment at a time.
    """
    path = np.empty(sequences.n_rows, np.intp)

    def work(task: list[Bundle], scratch: Scratch) -> None:
        if len(task) == 1:
            start = np.repeat(model.log_start[0][:, None], len(task[0].segments), 1)
            back, end = _climb(model, sequences.X, task[0], start, scratch)
            last = end.argmax(axis=0)
            path[task[0].rows] = _descend(back, last, task[0].offset)
            return
        ends = [model.log_start[0][:, None]]
        for part in task:
            ends.append(
                _climb(model, sequences.X, part, _onward(model, ends), scratch)[1]
            )
        last = ends[-1].argmax(axis=0)
        for at in range(len(task) - 1, -1, -1):
            start = _onward(model, ends[: at + 1])
            back, _ = _climb(model, sequences.X, task[at], start, scratch)
            states = _descend(back, last, task[at].offset)
            path[task[at].rows] = states
            steps = ends[at] + model.log_transition[0][:, states[0], None]
            last = steps.argmax(axis=0)

    for _ in sequences.run(work, sequences.ordered()):
        pass
    return path


def _onward(model: Chains[Any], ends: list[Array]) -> Array:
    """Best ways (K, 1) to the first state after the last of the segments so far."""
    if len(ends) == 1:
        return ends[0]
    pairs = ends[-1] + model.log_transition[0]
    return np.asarray(pairs.max(axis=0)[:, None])


def _climb(
    model: Chains[Any], X: Any, bundle: Bundle, start: Array, scratch: Scratch
) -> tuple[NDArray[Any], Array]:
    """Best states before (K, n), and log-probabilities (K, m) of the best ends."""
    log = model.evaluate(X, bundle, scratch).log
    back = np.empty(log.shape, np.int32)
    end = np.empty(start.shape)
    best_paths(log, model.log_transition[0], start, bundle.offset, back, end)
    return back, end


def _descend(back: NDArray[Any], last: States, offset: States) -> States:
    path = np.empty(back.shape[1], np.intp)
    trace_back(back, last, offset, path)
    return path


def draw(model: Chains[Any], sequences: Sequences, uniform: Array) -> States:
    """Draw the path of each sequence from its law given all rows; (n,) laws.

    `uniform` has two numbers in [0, 1) for each row; the second ones choose chains.
    """
    messages = exchange(model, sequences)
    path = np.empty(sequences.n_rows, np.intp)
    chains = _draw_chains(model, sequences, messages, uniform[1])

    def work(task: list[Bundle], scratch: Scratch) -> None:
        following = np.full(len(task[0].segments), -1, np.intp)
        for bundle in task[::-1]:
            own = np.empty(len(bundle.rows), np.intp)
            chain = chains[sequences.segments.sequence[bundle.segments]]
            log = model.evaluate(sequences.X, bundle, scratch).log
            for c in np.unique(chain):
                previous, _ = model.begin(bundle, messages, c)
                done = model.filter(log, c, previous, bundle.offset, scratch)
                states = np.empty_like(own)
                draw_paths(
                    done.log_filtered(),
                    model.log_transition[c],
                    following,
                    uniform[0][bundle.rows],
                    bundle.offset,
                    states,
                )
                mine = chain[bundle.lane] == c
                own[mine] = c * model.n_states + states[mine]
            path[bundle.rows] = own
            following = own[: len(following)] % model.n_states

    for _ in sequences.run(work, sequences.ordered()):
        pass
    return path


def _draw_chains(
    model: Chains[Any], sequences: Sequences, messages: Messages | None, uniform: Array
) -> States:
    """A chain for each sequence, from its law given the rows."""
    chains = np.zeros(len(sequences.ends), np.intp)
    if model.n_chains == 1:
        return chains
    share = shares(model, sequences, messages)
    cumulative = share.cumsum(axis=1)
    starts = np.append(0, sequences.ends[:-1])
    threshold = uniform[starts] * cumulative[:, -1]
    return np.asarray((cumulative <= threshold[:, None]).sum(axis=1))


def shares(
    model: Chains[Any], sequences: Sequences, messages: Messages | None
) -> Array:
    """Probability (m, C) of each chain for each sequence."""
    out = np.empty((len(sequences.ends), model.n_chains))

    def work(bundle: Bundle, scratch: Scratch) -> None:
        emissions = model.evaluate(sequences.X, bundle, scratch)
        found = model.smooth(emissions, bundle, messages, scratch).share
        out[sequences.segments.sequence[bundle.segments]] = found.T

    for _ in sequences.map(work):
        pass
    return out


def simulate_paths(
    model: Chains[Any],
    chains: States,
    n_steps: int,
    rng: np.random.Generator,
    last: States | None = None,
) -> States:
    """Draw laws (m, T) of one sequence for each of the given chains.

    Sequences start anew, or go on from the states `last` (m,).
    """
    path = np.empty((len(chains), n_steps), np.intp)
    uniform = rng.random(path.shape)
    last = np.full(len(chains), -1) if last is None else last
    for c in np.unique(chains):
        mine = np.flatnonzero(chains == c)
        own = np.empty((len(mine), n_steps), np.intp)
        start = model.start[c].cumsum()
        transition = model.transition[c].cumsum(axis=1)
        simulate(start, transition, uniform[mine], last[mine], own)
        path[mine] = c * model.n_states + own
    return path
