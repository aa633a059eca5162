"""What segments of long sequences tell each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import Bundle, Scratch, Sequences
from sklgen.hmm._kernels import UNLIKELY, log_backward
from sklgen.hmm._message_kernels import pass_back, pass_on
from sklgen.hmm._passes import Filtered, Messages
from sklgen.hmm._structure import Chains

# Probabilities below this have underflowed.
_TINY = 1e-290
# Segments that a message passes at a time.
_STRIDE = 8

# Rows that are impossible after those before them, with the chain they are so under.
Lost = list[tuple[int, NDArray[np.intp]]]


def exchange(model: Chains[Any], sequences: Sequences) -> Messages | None:
    """Messages between the segments of long sequences; None where there are none.

    The passes forward and backward run side by side. Rows that turn out to be
    impossible after those before them count as missing: the pass backward, which could
    not know them, is then made again.
    """
    segments = sequences.segments
    if segments.whole.all():
        return None
    C, K, m = model.n_chains, model.n_states, len(segments.start)
    messages = Messages(
        np.full((m, C, K), -np.inf),
        np.zeros((m, C, K)),
        np.zeros((m, C)),
        np.diff(segments.sequence, prepend=-1) != 0,
        segments.whole,
    )
    runs = segments.runs()

    def work(task: tuple[NDArray[np.intp], Lost | None], scratch: Scratch) -> Lost:
        run, lost = task
        if lost is None:
            return _advance(model, sequences, run, messages, scratch)
        with np.errstate(invalid="ignore"):
            _retreat(model, sequences, run, messages, lost, scratch)
        return []

    tasks = [(run, way) for run in runs for way in (None, Lost())]
    found = list(sequences.run(work, tasks))[::2]
    again = [(run, lost) for run, lost in zip(runs, found, strict=True) if lost]
    for _ in sequences.run(work, again):
        pass
    return messages


def _strides(run: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [run[at : at + _STRIDE] for at in range(0, len(run), _STRIDE)]


def _advance(
    model: Chains[Any],
    sequences: Sequences,
    run: NDArray[np.intp],
    messages: Messages,
    scratch: Scratch,
) -> Lost:
    """Fill what each segment knows of the state before it, and the log-density."""
    lost: Lost = []
    density = np.zeros(model.n_chains)
    message = messages.previous[run[0]].copy()
    for part in _strides(run):
        messages.previous[part[0]] = message
        bundle = sequences.joined(part)
        ends = np.cumsum(sequences.segments.length[part]) - 1
        log = model.evaluate(sequences.X, bundle, scratch).log
        for chain in range(model.n_chains):
            values, filtered, rows = _filter(
                model, chain, log, bundle, message[chain], ends, scratch
            )
            density[chain] += values
            if len(rows):
                lost.append((chain, rows))
            messages.previous[part[1:], chain] = filtered[:-1]
            message[chain] = filtered[-1]
    messages.density[run] = density
    return lost


def _retreat(
    model: Chains[Any],
    sequences: Sequences,
    run: NDArray[np.intp],
    messages: Messages,
    lost: Lost,
    scratch: Scratch,
) -> None:
    """Fill what each segment knows of the rows after it; those lost are missing."""
    K = model.n_states
    message = np.zeros((model.n_chains, model.n_states))
    for part in _strides(run)[::-1]:
        messages.future[part[-1]] = message
        bundle = sequences.joined(part)
        lengths = sequences.segments.length[part]
        starts = np.cumsum(lengths) - lengths
        log = model.evaluate(sequences.X, bundle, scratch).log
        for chain, rows in lost:
            states = slice(chain * K, (chain + 1) * K)
            log[states, np.isin(bundle.rows, rows)] = -np.inf
        for chain in range(model.n_chains):
            future = message[chain][:, None]
            ahead = _ahead(model, chain, log, future, starts, scratch)
            messages.future[part[:-1], chain] = ahead[1:]
            message[chain] = ahead[0]


def _filter(
    model: Chains[Any],
    chain: int,
    log: Array,
    bundle: Bundle,
    message: Array,
    ends: NDArray[np.intp],
    scratch: Scratch,
) -> tuple[float, Array, NDArray[np.intp]]:
    """Log-density, logs (m, K) of the states at `ends` given the past, rows lost."""
    previous = message[:, None]
    transition = model.transition[chain]
    if transition.min() > UNLIKELY:
        emission, unit = model.relative(log, chain, scratch)
        start = np.exp(model.past(previous, chain)[:, 0])
        total, filtered = np.empty(len(unit)), np.empty((len(start), len(ends)))
        if pass_on(emission, transition, start, ends, total, filtered):
            with np.errstate(divide="ignore"):
                states = np.log(filtered).T
            return float((np.log(total) + unit).sum()), states, bundle.rows[:0]
    done = model.filter(log, chain, previous, bundle.offset, scratch)
    if done.safe and _underflows(done):
        done = model.in_logarithms(done, chain, bundle.offset)
    impossible = np.isneginf(done.density)
    if impossible.any():
        impossible &= done.log.max(axis=0) > -np.inf
    states = done.log_filtered(ends).T
    return float(done.density.sum()), states, bundle.rows[impossible]


def _underflows(done: Filtered) -> bool:
    """Whether a possible state has underflowed that later segments may need."""
    possible = (done.predicted[:, :-1] > 0) & (done.log[:, :-1] > -np.inf)
    return bool((possible & (done.before[:, 1:] < _TINY)).any())


def _ahead(
    model: Chains[Any],
    chain: int,
    log: Array,
    future: Array,
    starts: NDArray[np.intp],
    scratch: Scratch,
) -> Array:
    """Log-probability (m, K) of all rows from `starts` on given the state before."""
    if model.transition[chain].min() > UNLIKELY:
        emission, _ = model.relative(log, chain, scratch)
        ahead = np.empty((model.n_states, len(starts)))
        beta = np.exp(future - future.max())[:, 0]
        if pass_back(emission, model.transposed[chain], beta, starts, ahead):
            messages = np.log(ahead)
            return np.asarray((messages - messages.max(axis=0)).T)
    messages = _log_ahead(model, chain, log, future, starts)
    return np.asarray((messages - messages.max(axis=0)).T)


def _log_ahead(
    model: Chains[Any], chain: int, log: Array, future: Array, starts: NDArray[np.intp]
) -> Array:
    """As `_ahead`, in logarithms; (K, m)."""
    K, steps = model.n_states, model.log_transition[chain]
    own = log[chain * K : (chain + 1) * K]
    messages = np.empty((K, len(starts)))
    ends = np.append(starts[1:], own.shape[1])
    for at in range(len(starts) - 1, -1, -1):
        part = np.ascontiguousarray(own[:, starts[at] : ends[at]])
        n = part.shape[1]
        possible = np.where((part > -np.inf).any(axis=0), 0.0, -np.inf)
        first = np.empty((K, 1))
        log_backward(
            part,
            steps,
            future,
            np.arange(n + 1),
            np.full((K, n), -np.log(K)),
            possible,
            np.full((K, 1), -np.inf),
            first,
            np.zeros((K, K)),
            np.ones(1),
        )
        future = np.logaddexp.reduce(steps + first[:, 0], axis=1)[:, None]
        messages[:, at] = future[:, 0]
    return messages
