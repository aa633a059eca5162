"""Compiled sums over the cells of sparse rows of counts.

Rows come as the three arrays of a CSR matrix. Tables have one row a column of the data
and one entry a component, so that inner loops run over components side by side.
"""

from __future__ import annotations

from math import lgamma, log
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Cells = NDArray[Any]
Index = NDArray[Any]

# Up to this whole number, rising factorials are products.
_PRODUCT = 16


@njit(nogil=True, cache=True)
def log_orders(cells: Cells, start: Index, out: Array, totals: Array) -> None:
    """Log of the multinomial coefficient (n,) of each row, and its total (n,)."""
    for i in range(len(out)):
        total, log_ways = 0.0, 0.0
        for at in range(start[i], start[i + 1]):
            count = np.float64(cells[at])
            total += count
            if count != 1.0:
                log_ways -= lgamma(count + 1.0)
        totals[i] = total
        out[i] = log_ways + lgamma(total + 1.0)


@njit(nogil=True, cache=True)
def multiply(
    cells: Cells, columns: Index, start: Index, table: Array, base: Array, out: Array
) -> None:
    """Make `out` (K, n) the product of rows and `table` (d, K), plus `base` (n,)."""
    total = np.empty(table.shape[1])
    for i in range(len(base)):
        total[:] = base[i]
        for at in range(start[i], start[i + 1]):
            count, row = np.float64(cells[at]), table[columns[at]]
            for k in range(len(total)):
                total[k] += count * row[k]
        for k in range(len(total)):
            out[k, i] = total[k]


@njit(nogil=True, cache=True)
def add_counts(
    cells: Cells, columns: Index, start: Index, weights: Array, sums: Array
) -> None:
    """Add the cells of rows, weighed by `weights` (K, n), to `sums` (d, K)."""
    weight = np.empty(len(weights))
    for i in range(weights.shape[1]):
        for k in range(len(weight)):
            weight[k] = weights[k, i]
        for at in range(start[i], start[i + 1]):
            count, row = np.float64(cells[at]), sums[columns[at]]
            for k in range(len(weight)):
                row[k] += count * weight[k]


@njit(nogil=True, cache=True)
def log_rising(alpha: float, count: float) -> float:
    """Log of gamma(alpha + count) / gamma(alpha)."""
    if count <= _PRODUCT and count == np.floor(count):
        product = 1.0
        for step in range(int(count)):
            product *= alpha + step
        if 1e-290 < product < 1e290:
            return log(product)
    return lgamma(alpha + count) - lgamma(alpha)


@njit(nogil=True, cache=True)
def digamma(x: float) -> float:
    """Derivative of the log of the gamma function, for positive x."""
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))
    return total + log(x) - 0.5 / x - series


@njit(nogil=True, cache=True)
def slope_rising(alpha: float, count: int) -> float:
    """Derivative by alpha of `log_rising` at a whole count."""
    if count <= _PRODUCT:
        total = 0.0
        for step in range(count):
            total += 1.0 / (alpha + step)
        return total
    return float(digamma(alpha + count) - digamma(alpha))


@njit(nogil=True, cache=True)
def draw_tokens(
    cumulative: Array,
    concentration: Array,
    labels: NDArray[np.intp],
    start: NDArray[np.int64],
    uniform: Array,
    tokens: NDArray[np.int32],
) -> None:
    """Draw the tokens of each row from a Polya urn.

    A token copies an earlier one of its row, or is a draw from row `labels` of
    `cumulative` (K, d) with the odds of the `concentration` (K,), which may be
    infinite, against the number of earlier ones. `uniform` has one entry a token.
    """
    for i in range(len(labels)):
        k = labels[i]
        row = cumulative[k]
        for at in range(start[i], start[i + 1]):
            earlier = at - start[i]
            u = uniform[at]
            if not np.isinf(concentration[k]):
                u *= concentration[k] + earlier
                if u < earlier:
                    tokens[at] = tokens[start[i] + int(u)]
                    continue
                u = (u - earlier) / concentration[k]
            token = np.searchsorted(row, u * row[-1], side="right")
            tokens[at] = min(token, len(row) - 1)
