"""Weighted rows, cut into blocks that depend on the data alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklgen.em._tasks import Scratch, Tasks, size_within

T = TypeVar("T")

_BLOCK_BYTES = 640 * 1024
_FEWEST_ROWS = 256
_BLOCK_ROWS = 2048
_TASK_ROWS = 8192
_RAGGED_TASK_ROWS = 1024
_PATTERN_ROWS = 512


@dataclass(frozen=True)
class Block:
    """Rows few enough for their features to stay in cache.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, d)
        The rows, in the dtype of the data; NaN marks missing cells.
    weight : ndarray of shape (n,)
        Positive weight of each row.
    complete : bool
        Whether all rows have all their cells; otherwise all rows miss some.
    rows : slice or ndarray of shape (n,)
        Where in the data the rows lie.
    observed : ndarray of shape (d,) or None
        Which cells of patterned columns every row has, where many rows that miss some
        miss the same of them; None where rows are complete or differ.
    """

    X: Any
    weight: NDArray[np.float64]
    complete: bool
    rows: slice | NDArray[np.intp]
    observed: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class _Task:
    """Rows, as they lie or by index, that are all complete or all ragged."""

    rows: slice | NDArray[np.intp]
    complete: bool
    observed: NDArray[np.bool_] | None = None


class Rows(Tasks):
    """The rows of a data set, as tasks of blocks, run by threads in a fixed order.

    Use as a context manager: while it is open, native thread pools are held to one
    thread each.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n, d)
        Rows; NaN marks missing cells. Sparse rows have none.
    weight : ndarray of shape (n,) or None
        Non-negative weights; rows of weight zero are left out. None weighs all by one.
    n_features : int
        Statistics per row, which sets the size of a block.
    n_threads : int
        Threads that run the tasks.
    patterned : ndarray of int or None
        Columns of which it matters to have rows together that miss the same cells.
        None means all.

    Notes
    -----
    A block has 256 to 2048 rows, and a task 8192 rows; threads take one task at a
    time. Rows that miss the same cells have tasks of their own where they are at least
    512; the others have tasks of 1024, in which those with the same pattern are
    adjacent. All this depends on the data and on `n_features` alone, so results are
    the same to the last bit for any number of threads.
    """

    def __init__(
        self,
        X: Any,
        weight: NDArray[np.float64] | None,
        *,
        n_features: int,
        n_threads: int,
        patterned: NDArray[np.intp] | None = None,
    ) -> None:
        self.X = X
        self.weight = weight
        self._block = block_rows(n_features)
        self._tasks = list(tasks(X, weight, patterned))
        super().__init__(min(n_threads, len(self._tasks)))

    def _blocks(self, task: _Task) -> Iterator[Block]:
        for rows in pieces(task.rows, self._block):
            X = self.X[rows]
            weight = np.ones(X.shape[0]) if self.weight is None else self.weight[rows]
            yield Block(X, weight, task.complete, rows, task.observed)

    def map(self, function: Callable[[Iterator[Block], Scratch], T]) -> Iterator[T]:
        """Apply a function to every task.

        Parameters
        ----------
        function : callable
            `function(blocks, scratch)` reads an iterator of `Block` once. It runs in
            any thread; what it returns must not be memory of `scratch`, which the
            next task overwrites.

        Returns
        -------
        results : iterator
            One result a task, in the order of the tasks.
        """
        return self.run(
            lambda task, scratch: function(self._blocks(task), scratch), self._tasks
        )

    @staticmethod
    def _parts(task: Iterator[Block]) -> Iterator[Block]:
        return task


def block_rows(n_features: int, most: int = _BLOCK_ROWS) -> int:
    """Rows of a block, for its statistics to stay in cache."""
    return size_within(_BLOCK_BYTES, n_features, (_FEWEST_ROWS, most))


def tasks(
    X: Any, weight: NDArray[np.float64] | None, patterned: NDArray[np.intp] | None
) -> Iterator[_Task]:
    """Tasks of complete rows, then of ragged ones in order of what they miss."""
    used: slice | NDArray[np.intp] = slice(0, X.shape[0])
    if weight is not None and not weight.all():
        used = np.flatnonzero(weight)
    with np.errstate(all="ignore"):
        may_miss = bool(np.isnan(X.sum()))
    if not may_miss:
        yield from (_Task(rows, complete=True) for rows in pieces(used, _TASK_ROWS))
        return
    used = np.arange(X.shape[0]) if isinstance(used, slice) else used
    missing = np.isnan(X[used])
    ragged = missing.any(axis=1)
    for rows in pieces(used[~ragged], _TASK_ROWS):
        yield _Task(rows, complete=True)
    if patterned is None:
        patterned = np.arange(X.shape[1])
    yield from _ragged_tasks(used[ragged], missing[ragged], patterned)


def _ragged_tasks(
    used: NDArray[np.intp], missing: NDArray[np.bool_], patterned: NDArray[np.intp]
) -> Iterator[_Task]:
    """Tasks of common patterns, then of all other rows in order of what they miss."""
    if not len(patterned):
        for rows in pieces(used, _TASK_ROWS):
            yield _Task(rows, complete=False)
        return
    packed = np.packbits(missing[:, patterned], axis=1)
    order = np.lexsort(packed.T)
    changes = np.any(packed[order[1:]] != packed[order[:-1]], axis=1)
    ends = np.flatnonzero(np.append(changes, True)) + 1
    rare = []
    for start, end in zip(np.append(0, ends[:-1]), ends, strict=True):
        run = order[start:end]
        if end - start < _PATTERN_ROWS:
            rare.append(run)
            continue
        observed = np.zeros(missing.shape[1], dtype=bool)
        observed[patterned] = ~missing[run[0], patterned]
        for rows in pieces(used[run], _TASK_ROWS):
            yield _Task(rows, complete=False, observed=observed)
    if rare:
        for rows in pieces(used[np.concatenate(rare)], _RAGGED_TASK_ROWS):
            yield _Task(rows, complete=False)


def pieces(
    rows: slice | NDArray[np.intp], size: int
) -> Iterator[slice | NDArray[np.intp]]:
    """Cut rows into pieces of `size`, the last one shorter."""
    if isinstance(rows, slice):
        for start in range(rows.start, rows.stop, size):
            yield slice(start, min(start + size, rows.stop))
    else:
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
