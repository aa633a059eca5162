"""Threads that run tasks in a fixed order."""

from __future__ import annotations

import operator
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


class Pool:
    """Runs functions of a task and a scratch, and gives results in the tasks' order.

    Use as a context manager: while it is open, native thread pools are held to one
    thread each.

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


def total(results: Iterable[T]) -> T:
    """Sum of results in their order."""
    return reduce(operator.add, results)
