"""Data cut into tasks, and the threads that run them in a fixed order."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import reduce
from math import prod
from threading import local
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklgen.em._threads import single_threaded_libraries

T = TypeVar("T")


class Scratch:
    """Arrays to write into, kept from block to block to touch no page anew.

    `scratch(name, shape)` gives a float64 array of any content. It is good until the
    same name is asked for again, which may give the same memory. Each thread has a
    scratch of its own.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[np.float64]] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        size = prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.empty(size)
        return buffer[:size].reshape(shape)


class Tasks(ABC):
    """Data cut into tasks, run by threads in a fixed order.

    Use as a context manager: while it is open, native thread pools are held to one
    thread each.

    Hooks: `map`, and `_parts`, which gives the parts of what `map` gives a function;
    each knows by `rows` where in the data it lies.

    Parameters
    ----------
    n_threads : int
        Threads that run the tasks.
    """

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._local = local()
        self._stack = ExitStack()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self._stack.enter_context(single_threaded_libraries())
        if self._n_threads > 1:
            self._pool = self._stack.enter_context(ThreadPoolExecutor(self._n_threads))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def run(
        self, function: Callable[[Any, Scratch], T], tasks: Iterable[Any]
    ) -> Iterator[T]:
        """Apply a function to tasks.

        Parameters
        ----------
        function : callable
            `function(task, scratch)` runs in any thread; what it returns must not be
            memory of `scratch`, which the next task overwrites.
        tasks : iterable
            The tasks.

        Returns
        -------
        results : iterator
            One result a task, in the order of the tasks.
        """

        def call(task: Any) -> T:
            scratch = getattr(self._local, "scratch", None)
            if scratch is None:
                scratch = self._local.scratch = Scratch()
            return function(task, scratch)

        return map(call, tasks) if self._pool is None else self._pool.map(call, tasks)

    @abstractmethod
    def map(self, function: Callable[[Any, Scratch], T]) -> Iterator[T]:
        """Apply a function to every task.

        Parameters
        ----------
        function : callable
            `function(task, scratch)` runs in any thread; what it returns must not be
            memory of `scratch`, which the next task overwrites.

        Returns
        -------
        results : iterator
            One result a task, in the order of the tasks.
        """

    @staticmethod
    @abstractmethod
    def _parts(task: Any) -> Iterable[Any]: ...

    def sum(self, function: Callable[[Any, Scratch], T]) -> T:
        """Sum of a function over all tasks, added in a fixed order.

        Parameters
        ----------
        function : callable
            As in `map`, with results that can be added.

        Returns
        -------
        total : object
            The sum, of the type that `function` returns.

        Raises
        ------
        TypeError
            If nothing has a positive weight: there is nothing to add.
        """
        return total(self.map(function))

    def fill(
        self, out: NDArray[Any], function: Callable[[Any, Scratch], NDArray[Any]]
    ) -> NDArray[Any]:
        """Fill an array with one entry a row, at the places of the rows.

        Parameters
        ----------
        out : ndarray of shape (n, ...)
            Array to write into. Entries of rows without weight stay as they are.
        function : callable
            `function(part, scratch)` gives an array with one entry for each row of a
            part of a task. It runs in any thread.

        Returns
        -------
        out : ndarray of shape (n, ...)
            The array that was given.
        """

        def write(task: Any, scratch: Scratch) -> None:
            for part in self._parts(task):
                out[part.rows] = function(part, scratch)

        for _ in self.map(write):
            pass
        return out


def size_within(budget: int, n_numbers: int, limits: tuple[int, int]) -> int:
    """Rows of so many float64 numbers each that a budget of bytes holds."""
    return int(np.clip(budget // (8 * n_numbers), *limits))


def total(results: Iterable[T]) -> T:
    """Sum of results in their order."""
    return reduce(operator.add, results)
