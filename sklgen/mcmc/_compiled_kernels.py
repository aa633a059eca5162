"""The No-U-Turn sampler around a compiled density, of which it has the address.

So the driver is compiled once for all densities, and kept on disk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from sklgen.mcmc._metric_kernels import (
    bend_row,
    lower_row,
    lower_transposed_row,
    shrink_row,
    stretch_row,
)
from sklgen.mcmc._nuts_kernels import DRAWS, POSITION, answer

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
_intrinsic: Any = intrinsic  # what it returns is called with fewer arguments
# What densities are compiled to: from a position (d,), a gradient (d,) to write into
# and addresses of data to the log-density.
_ROW, _ADDRESSES = types.Array(types.float64, 1, "C"), types.Array(types.int64, 1, "C")
ASK = types.float64(_ROW, _ROW, _ADDRESSES)


@_intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """Make a pointer of an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


@_intrinsic
def call(typing: Any, function: Any, x: Any, gradient: Any, data: Any) -> Any:
    """Call the compiled function at an address; what it raises is raised here.

    It is what numba does for first-class functions, without their search for the
    address at each entry from Python.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        convention = context.call_conv
        kind = convention.get_function_type(ASK.return_type, ASK.args)
        at = builder.inttoptr(args[0], kind.as_pointer())
        status, value = convention.call_function(
            builder, at, ASK.return_type, ASK.args, args[1:]
        )
        with builder.if_then(status.is_error, likely=False):
            convention.return_status_propagate(builder, status)
        return value

    return ASK.return_type(types.int64, *ASK.args), generate


@njit(nogil=True, cache=True)
def ask_all(ask: int, data: Counts, x: Array, values: Array, gradients: Array) -> None:
    """Write log-densities (A,) and gradients (A, d) at positions (A, d)."""
    for a in range(len(x)):
        values[a] = call(ask, x[a], gradients[a], data)


@njit(nogil=True, cache=True)
def drive(
    ask: int,
    data: Counts,
    metric: tuple[Array, ...],
    state: tuple[Any, ...],
    trace: tuple[Array, ...],
    rows: Counts,
    n_ticks: int,
    max_depth: int,
    target: float,
) -> int:
    """Let the chains `rows` take `n_ticks` leapfrogs each, or fewer to fill the trace.

    Returns the number of leapfrogs in all.
    """
    location, scale, factor, basis, excess = metric
    vectors, numbers, counts, streams = state
    draws, records, slopes = trace
    d, n_draws = vectors.shape[2], draws.shape[1]
    x, gradient = np.empty((1, d)), np.empty((1, d))
    shrunk, slope = np.empty((1, d)), np.empty((1, d))
    # Views are made once: each costs as much as a small density.
    unit = vectors[POSITION]
    one_x, one_gradient, one_slope = x[0], gradient[0], slope[0]
    n_asked = 0
    for _ in range(n_ticks):
        before = n_asked
        for c in rows:
            if counts[c, DRAWS] >= n_draws:
                continue
            m = c if len(location) > 1 else 0
            if factor.shape[1]:
                lower_row(location, factor, m, unit, c, x, 0)
            else:
                bend_row(basis, excess, m, unit, c, x, 0)
                stretch_row(location, scale, m, x, 0, x, 0)
            value = call(ask, one_x, one_gradient, data)
            if factor.shape[1]:
                lower_transposed_row(factor, m, gradient, 0, slope, 0)
            else:
                shrink_row(scale, m, gradient, 0, shrunk, 0)
                bend_row(basis, excess, m, shrunk, 0, slope, 0)
            n_asked += 1
            answer(
                vectors,
                numbers,
                counts,
                streams,
                c,
                value,
                one_slope,
                max_depth,
                target,
                draws,
                slopes,
                records,
            )
        if n_asked == before:
            break
    return n_asked


# Calls kernels of other modules, as of b13154d83f10.
