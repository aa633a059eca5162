"""Where the blocks run: our threads outside, the BLAS held to one thread inside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from numbers import Integral
from threading import Lock
from typing import Any

from joblib import cpu_count, effective_n_jobs
from sklearn.utils._param_validation import Interval
from threadpoolctl import OpenBLASController, ThreadpoolController

# What every estimator takes for its number of threads.
N_JOBS: list[Any] = [
    Interval(Integral, 1, None, closed="left"),
    Interval(Integral, None, -1, closed="right"),
    None,
]


def n_threads(n_jobs: int | None) -> int:
    """Number of threads for scikit-learn's `n_jobs`.

    Parameters
    ----------
    n_jobs : int or None
        A number of threads; -1 means all cores, -2 all but one, and so on. None means
        as many as the native libraries would take: the cores this process may use, or
        fewer where OMP_NUM_THREADS says so, as it does in joblib's workers.

    Returns
    -------
    n_threads : int
        At least 1.

    Raises
    ------
    ValueError
        If `n_jobs` is 0.
    """
    if n_jobs is not None:
        return int(effective_n_jobs(n_jobs))
    limit = os.environ.get("OMP_NUM_THREADS", "")
    cores = int(cpu_count())
    return max(1, min(cores, int(limit))) if limit.isdigit() else cores


class _Hold:
    """Counts who asks for single-threaded libraries; the last to leave restores them.

    The limit belongs to the process: if each of two overlapping fits restored what it
    found, the later one would leave the limit behind for good.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._holders = 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._limiter = _controller().limit(limits=1)
                _let_any_thread_restore()
            self._holders += 1

    def leave(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._limiter.restore_original_limits()
                _let_any_thread_restore()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def _let_any_thread_restore() -> None:
    """Since threadpoolctl 3.8 only the thread that set a limit could lift it."""
    OpenBLASController.clear_controlling_thread(force=True)


_hold = _Hold()


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Hold the native thread pools of the process to one thread each, for a while.

    Libraries are looked for once, at the first call; those loaded later are not held.
    Any number of threads may hold at once: the last to leave restores what was there.

    Yields
    ------
    None
        The pools are held until the context is left.
    """
    _hold.enter()
    try:
        yield
    finally:
        _hold.leave()
