"""Where the blocks run: our threads outside, the BLAS held to one thread inside."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from joblib import cpu_count, effective_n_jobs
from threadpoolctl import ThreadpoolController


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


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def single_threaded_libraries() -> AbstractContextManager[Any]:
    """Hold the native thread pools of the process to one thread each, for a while.

    Libraries are looked for once, at the first call; those loaded later are not held.

    Returns
    -------
    hold : context manager
        The pools are held from the call on, and released when it exits.
    """
    hold: AbstractContextManager[Any] = _controller().limit(limits=1)
    return hold
