"""Weighted sequences of rows, cut into bundles of segments that run side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklgen.em._rows import Block, block_rows, pieces, tasks
from sklgen.em._tasks import Scratch, Tasks, size_within

T = TypeVar("T")

_BUNDLE_BYTES = 2 * 1024 * 1024
_BUNDLE_ROWS = (2048, 16384)
# Blocks of bundles may be larger than others: all of their rows are passed at once.
_BLOCK_ROWS = 16384
# Longer sequences are cut into segments of at most this many rows.
_SEGMENT_ROWS = 1024


@dataclass(frozen=True)
class Segments:
    """Runs of adjacent rows, each within one sequence.

    Parameters
    ----------
    start, length : ndarray of shape (m,)
        The rows of each segment.
    sequence : ndarray of shape (m,)
        The sequence it belongs to.
    whole : ndarray of shape (m,)
        Whether it is all of its sequence.
    """

    start: NDArray[np.intp]
    length: NDArray[np.intp]
    sequence: NDArray[np.intp]
    whole: NDArray[np.bool_]

    def runs(self) -> list[NDArray[np.intp]]:
        """Give the segments of each sequence that has several, in order."""
        cut = np.flatnonzero(~self.whole)
        changes = np.flatnonzero(np.diff(self.sequence[cut])) + 1
        return [run for run in np.split(cut, changes) if len(run)]


@dataclass(frozen=True)
class Bundle:
    """Segments side by side, the longest first: their first rows, then their second.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Where in the data the rows lie, all those at one step adjacent.
    offset : ndarray of shape (T + 1,)
        The rows at step t lie from `offset[t]` to `offset[t + 1]`, in the order of the
        segments; a segment that has ended leaves no gap.
    lane : ndarray of shape (n,)
        Segment of each row, from 0 to m - 1.
    segments : ndarray of shape (m,)
        The same segments among all of them.
    blocks : list of (slice or ndarray, Block)
        The rows in blocks, each with the positions of its rows in `rows`. Blocks say
        where in the data their rows lie, and hold no copy of them.
    weight : ndarray of shape (m,)
        Weight of the sequence of each segment.
    labels : ndarray of shape (n,) or None
        What state is known for a row, -1 where none is.
    """

    rows: NDArray[np.intp]
    offset: NDArray[np.intp]
    lane: NDArray[np.intp]
    segments: NDArray[np.intp]
    blocks: list[tuple[slice | NDArray[np.intp], Block]]
    weight: NDArray[np.float64]
    labels: NDArray[np.intp] | None

    @cached_property
    def row_weight(self) -> NDArray[np.float64] | None:
        """Weight of each row; None where all weigh one."""
        return None if (self.weight == 1.0).all() else self.weight[self.lane]

    @property
    def total_weight(self) -> float:
        """Sum of the weights of the rows."""
        weight = self.row_weight
        return float(len(self.rows) if weight is None else weight.sum())


class Sequences(Tasks):
    """Sequences of rows as bundles of segments, run by threads in a fixed order.

    Use as a context manager: while it is open, native thread pools are held to one
    thread each.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows, those of a sequence adjacent; NaN marks missing cells.
    ends : ndarray of shape (m,)
        Where each sequence ends, its last row excluded; the last is n.
    weight : ndarray of shape (m,) or None
        Non-negative weights; sequences of weight zero are left out. None weighs all by
        one.
    n_features : int
        Statistics per row, which sets the size of a block.
    n_states : int
        Numbers per row that a pass keeps, which sets the size of a bundle.
    n_threads : int
        Threads that run the tasks.
    patterned : ndarray of int or None, default=None
        As in `Rows`.
    labels : ndarray of shape (n,) or None, default=None
        Known states, -1 where unknown.

    Notes
    -----
    Sequences of more than 1024 rows are cut into segments of equal length. Segments
    are bundled in order of their length, 2048 to 16384 rows a bundle. All this depends
    on the data and on the sizes alone, so results are the same to the last bit for any
    number of threads.
    """

    def __init__(
        self,
        X: NDArray[Any],
        ends: NDArray[np.intp],
        weight: NDArray[np.float64] | None,
        *,
        n_features: int,
        n_states: int,
        n_threads: int,
        patterned: NDArray[np.intp] | None = None,
        labels: NDArray[np.intp] | None = None,
    ) -> None:
        self.X = X
        self.ends = ends
        self.weight = np.ones(len(ends)) if weight is None else weight
        self.labels = labels
        self._patterned = patterned
        self._block = block_rows(n_features, _BLOCK_ROWS)
        self.segments = _cut(ends, self.weight > 0, _SEGMENT_ROWS)
        self._size = size_within(_BUNDLE_BYTES, n_states, _BUNDLE_ROWS)
        every = np.arange(len(self.segments.start))
        self._bundles = [self._bundle(lanes) for lanes in self._groups(every)]
        super().__init__(min(n_threads, len(self._bundles)))

    @property
    def n_rows(self) -> int:
        """Number of rows of all sequences."""
        return len(self.X)

    def _bundle(self, lanes: NDArray[np.intp]) -> Bundle:
        start, length = self.segments.start[lanes], self.segments.length[lanes]
        step = np.arange(length[0])
        present = step[:, None] < length
        rows = (start + step[:, None])[present]
        lane = np.broadcast_to(np.arange(len(lanes)), present.shape)[present]
        offset = np.concatenate([[0], present.sum(axis=1).cumsum()]).astype(np.intp)
        return self._of(lanes, rows, offset, lane)

    def _of(
        self,
        lanes: NDArray[np.intp],
        rows: NDArray[np.intp],
        offset: NDArray[np.intp],
        lane: NDArray[np.intp] | None = None,
    ) -> Bundle:
        return Bundle(
            rows,
            offset,
            np.zeros(len(rows), np.intp) if lane is None else lane,
            lanes,
            list(self._blocks(rows)),
            self.weight[self.segments.sequence[lanes]],
            None if self.labels is None else self.labels[rows],
        )

    def _groups(self, chosen: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        """Segments of similar length for each bundle, the longest first."""
        lengths = self.segments.length[chosen]
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(order):
            n_lanes = max(self._size // int(lengths[order[start]]), 1)
            yield chosen[order[start : start + n_lanes]]
            start += n_lanes

    def ordered(self) -> Iterator[list[Bundle]]:
        """Give bundles in lists, whose later members go on where the earlier ones end.

        Yields
        ------
        bundles : list of Bundle
            One bundle of whole sequences, or the segments of one sequence in order.
        """
        whole = self.segments.whole
        for lanes in self._groups(np.flatnonzero(whole)):
            yield [self._bundle(lanes)]
        for run in self.segments.runs():
            yield [self._bundle(run[at : at + 1]) for at in range(len(run))]

    def _blocks(
        self, rows: NDArray[np.intp]
    ) -> Iterator[tuple[slice | NDArray[np.intp], Block]]:
        """Blocks that hold no rows, with their positions."""
        for at, complete, observed in self._alike(rows):
            own = rows[at]
            yield at, Block(None, np.ones(len(own)), complete, own, observed)

    def _alike(self, rows: NDArray[np.intp]) -> Iterator[tuple[Any, bool, Any]]:
        """Positions of rows for each block, whether they are complete, and patterns."""
        X = np.take(self.X, rows, axis=0)
        with np.errstate(all="ignore"):
            complete = not np.isnan(X.sum())
        if complete:
            for at in pieces(slice(0, len(rows)), self._block):
                yield at, True, None
            return
        for task in tasks(X, None, self._patterned):
            for at in pieces(task.rows, self._block):
                yield at, task.complete, task.observed

    def joined(self, run: NDArray[np.intp]) -> Bundle:
        """Adjacent segments of one sequence as one segment, the only one of a bundle.

        Parameters
        ----------
        run : ndarray of int
            The segments, in order.

        Returns
        -------
        bundle : Bundle
            A bundle of their rows; its `segments` are the first one.
        """
        first = self.segments.start[run[0]]
        n = int(self.segments.length[run].sum())
        return self._of(run[:1], np.arange(first, first + n), np.arange(n + 1))

    def map(self, function: Callable[[Bundle, Scratch], T]) -> Iterator[T]:
        """Apply a function to every bundle.

        Parameters
        ----------
        function : callable
            `function(bundle, scratch)` runs in any thread; what it returns must not be
            memory of `scratch`.

        Returns
        -------
        results : iterator
            One result a bundle, in the order of the bundles.
        """
        return self.run(function, self._bundles)

    @staticmethod
    def _parts(task: Bundle) -> tuple[Bundle]:
        return (task,)


def _cut(ends: NDArray[np.intp], used: NDArray[np.bool_], longest: int) -> Segments:
    """Segments of sequences in use, of nearly equal length within a sequence."""
    starts = np.concatenate([[0], ends[:-1]]).astype(np.intp)
    lengths = ends - starts
    n_pieces = np.where(used, -(-lengths // longest), 0)
    sequence = np.repeat(np.arange(len(ends)), n_pieces)
    first = np.cumsum(n_pieces) - n_pieces
    rank = np.arange(len(sequence)) - first[sequence]
    low = rank * lengths[sequence] // n_pieces[sequence]
    high = (rank + 1) * lengths[sequence] // n_pieces[sequence]
    return Segments(
        starts[sequence] + low, high - low, sequence, n_pieces[sequence] == 1
    )
