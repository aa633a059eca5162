"""Densities that numba has compiled, and chains that never leave compiled code."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import joblib
import numba
import numpy as np
from numba.core.errors import NumbaError
from numba.extending import is_jitted
from numba.np.numpy_support import carray

from sklgen._typing import Array
from sklgen.mcmc import _compiled_kernels as kernels
from sklgen.mcmc import _nuts as nuts
from sklgen.mcmc._evaluate import SelfDriven, note
from sklgen.mcmc._metric import Metric

# Seconds after which Python has a look at signals.
_PAUSE = 0.1
# Kind of an argument of a density: its dtype and its number of dimensions.
_Kind = tuple[np.dtype[Any], int]


class CompiledDensity(SelfDriven):
    """A log-density compiled by numba that writes its gradient.

    Parameters
    ----------
    function : numba function
        ``function(x, gradient, *args)`` returns the log-density at `x` (d,) and writes
        its derivatives into `gradient` (d,).
    n_dim : int
        Number d of dimensions.
    args : sequence of ndarray or numbers
        What else it takes. It is given as addresses: arrays are kept, not copied, if
        they are contiguous.
    n_threads : int
        Number of threads that run chains.
    """

    has_gradient = True

    def __init__(
        self,
        function: Any,
        n_dim: int,
        args: Sequence[Any] = (),
        *,
        n_threads: int = 1,
    ) -> None:
        self.n_dim = n_dim
        # Not all of numba's thread pools can be entered by several threads.
        own_threads = function.targetoptions.get("parallel", False)
        self._n_threads = 1 if own_threads else n_threads
        self._args = [np.asarray(arg, order="C") for arg in args]
        for k, arg in enumerate(self._args):
            if arg.dtype.kind not in "biufc":
                raise TypeError(
                    "args of a compiled log_density must be numbers and arrays of "
                    f"numbers, got {type(args[k]).__name__} of {arg.dtype} at {k}."
                )
        self._ask = _compiled(
            function, tuple((arg.dtype, arg.ndim) for arg in self._args)
        )
        self._data = np.array(
            [n for arg in self._args for n in (arg.ctypes.data, *arg.shape)],
            dtype=np.int64,
        )

    def value(self, u: Array) -> Array:
        """Log-densities (A,) at positions (A, d)."""
        return self(u)[0]

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""
        return self(u)

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Log-densities (A,) and gradients (A, d) at positions (A, d)."""
        x = np.array(x, dtype=np.float64, order="C")
        values, gradients = np.empty(len(x)), np.full(x.shape, np.nan)
        kernels.ask_all(self._ask[1], self._data, x, values, gradients)
        return values, gradients

    def fill(
        self,
        state: nuts.State,
        metric: Metric,
        trace: nuts.Trace,
        *,
        max_depth: int,
        target_accept: float,
        tell: Callable[[nuts.Index], None],
    ) -> int:
        """Advance chains until the trace is full; returns the number of gradients."""
        nuts.rewind(state)
        n_draws = trace.positions.shape[1]
        n_threads = min(self._n_threads, state.n_chains)
        rows = np.arange(state.n_chains)
        groups = [np.ascontiguousarray(rows[k::n_threads]) for k in range(n_threads)]
        parts = (
            tuple(np.ascontiguousarray(part) for part in metric.arrays()),
            (state.vectors, state.numbers, state.counts, state.streams),
            (trace.positions, trace.records, trace.gradients),
        )
        n_asked, n_ticks = 0, 1
        with _pool(n_threads) as pool:
            while (state.n_drawn < n_draws).any():
                begin = time.perf_counter()
                how = n_ticks, max_depth, target_accept
                jobs = [
                    (self._ask[1], self._data, *parts, group, *how) for group in groups
                ]
                try:
                    n_asked += sum(_map(pool, jobs))
                except Exception as error:
                    note(error, self, metric.positions(nuts.queries(state), rows))
                    raise
                passed = time.perf_counter() - begin
                n_ticks = max(1, int(n_ticks * min(10.0, _PAUSE / max(passed, 1e-9))))
                tell(state.n_drawn)
        return n_asked


def is_compiled(function: Any) -> bool:
    """Whether numba has compiled, or will compile, a function."""
    return bool(is_jitted(function))


def _pool(n_threads: int) -> AbstractContextManager[Executor | None]:
    return ThreadPoolExecutor(n_threads) if n_threads > 1 else nullcontext()


def _map(pool: Executor | None, jobs: Sequence[tuple[Any, ...]]) -> list[int]:
    """Drive chains, all jobs to their end: they write into what others read."""
    if pool is None:
        return [kernels.drive(*job) for job in jobs]
    futures = [pool.submit(kernels.drive, *job) for job in jobs]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.exception()


def _is_kept(function: Any) -> bool:
    """Whether numba keeps a function on disk, whose code does not hang on a closure."""
    called = function.py_func
    kept = function.stats.cache_path is not None and called.__closure__ is None
    return bool(kept and called.__module__ != "__main__")


@lru_cache(maxsize=64)
def _compiled(function: Any, kinds: tuple[_Kind, ...]) -> tuple[Any, int]:
    """Compile a function of the one signature that drivers take; also its address.

    It makes arrays and numbers out of addresses, and hands them on.
    """
    names: dict[str, Any] = {"function": function, "carray": carray}
    names["pointer"] = kernels.pointer
    arguments, at = [], 0
    for k, (dtype, ndim) in enumerate(kinds):
        names[f"dtype{k}"] = dtype
        shape = ", ".join(f"data[{at + 1 + axis}]" for axis in range(ndim))
        whole = f"carray(pointer(data[{at}]), ({shape or '1'},), dtype{k})"
        arguments.append(whole if ndim else f"{whole}[0]")
        at += 1 + ndim
    handed = ", ".join(["x", "gradient", *arguments])
    called = function.py_func
    lines = called.__qualname__, called.__code__.co_firstlineno, str(kinds)
    name = f"ask_{joblib.hash(lines)}"  # what numba tells functions of a file apart by
    names["__name__"] = called.__module__
    source = f"def {name}(x, gradient, data):\n    return function({handed})\n"
    exec(compile(source, called.__code__.co_filename, "exec"), names)
    ask = numba.njit(nogil=True, cache=_is_kept(function))(names[name])
    try:
        ask.compile(kernels.ASK)
    except NumbaError as error:
        raise TypeError(
            "A compiled log_density takes (x, gradient, *args), writes derivatives "
            f"into gradient and returns a float; {function.__name__} could not be "
            f"compiled with {len(kinds)} args. {error}"
        ) from error
    result: Any = ask.get_compile_result(kernels.ASK)
    name = result.fndesc.llvm_func_name
    return ask, int(result.library.get_pointer_to_function(name))
