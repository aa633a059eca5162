"""Compiled sums and M-step of Polya urns, the components of overdispersed counts.

Tables have one row a column of the data and one entry a component, as in
`_count_kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen.families._count_kernels import log_rising, slope_rising

Array = NDArray[np.float64]
Cells = NDArray[Any]
Index = NDArray[Any]

# Sums of parameters that the M-step looks among, and smallest step of their logarithm.
_SMALLEST, _LARGEST = 1e-10, 1e10
_RESOLUTION = 1e-13
_STEPS = 200


# Beyond this, not every whole number is a double.
_LARGEST_WHOLE = 2.0**53


@njit(nogil=True, cache=True)
def log_odds(alpha: float, count: float) -> float:
    """Sum of log(alpha + 0, 1, ...), as many terms as counted.

    A fraction of a count is a last term of that weight.
    """
    whole = np.floor(count)
    value = log_rising(alpha, whole)
    return value if count == whole else value + (count - whole) * np.log(alpha + whole)


@njit(nogil=True, cache=True)
def urn_densities(
    cells: Cells,
    columns: Index,
    start: Index,
    alpha: Array,
    log_alpha: Array,
    sums: Array,
    base: Array,
    totals: Array,
    out: Array,
) -> None:
    """Dirichlet-multinomial log-densities `out` (K, n) of rows with these totals (n,).

    `alpha` and `log_alpha` are (d, K), `sums` (K,) those of alpha over columns.
    """
    total = np.empty(alpha.shape[1])
    for i in range(len(base)):
        for k in range(len(total)):
            total[k] = base[i] - log_odds(sums[k], totals[i])
        for at in range(start[i], start[i + 1]):
            count, column = np.float64(cells[at]), columns[at]
            if count == 1.0:
                row = log_alpha[column]
                for k in range(len(total)):
                    total[k] += row[k]
            else:
                for k in range(len(total)):
                    total[k] += log_odds(alpha[column, k], count)
        for k in range(len(total)):
            out[k, i] = total[k]


@njit(nogil=True, cache=True)
def add_urns(
    cells: Cells,
    columns: Index,
    start: Index,
    alpha: Array,
    sums: Array,
    totals: Array,
    weights: Array,
    counts: Array,
    new: Array,
    lengths: Array,
    shared: Array,
) -> None:
    """Add what rows say about alpha, weighed by `weights` (K, n).

    `counts` (d, m, K) gains the counts of each column from 1 to m, and `lengths`
    (l, K) the totals from 1 to l; a fraction is shared out between the whole numbers
    next to it. Terms beyond m and l are bounded from below by their tangents: by `new`
    (d, K) times log alpha, less `shared` (K,) times the sum of alpha.
    """
    weight = np.empty(len(weights))
    for i in range(weights.shape[1]):
        for k in range(len(weight)):
            weight[k] = weights[k, i]
        _add(totals[i], weight, lengths)
        beyond = totals[i] - len(lengths)
        if beyond > 0:
            for k in range(len(weight)):
                shared[k] += weight[k] * _slope(sums[k] + len(lengths), beyond)
        for at in range(start[i], start[i + 1]):
            count, column = np.float64(cells[at]), columns[at]
            table = counts[column]
            _add(count, weight, table)
            beyond = count - len(table)
            if beyond > 0:
                for k in range(len(weight)):
                    a = alpha[column, k]
                    slope = _slope(a + len(table), beyond)
                    new[column, k] += weight[k] * a * slope


@njit(nogil=True, cache=True)
def _add(count: float, weight: Array, table: Array) -> None:
    """Add a count to a table of the counts 1, 2, ...; the last is for all larger."""
    # Compared before the cast, which large counts overflow.
    whole = len(table) if count >= len(table) else int(count)
    part = count - whole if whole < len(table) else 0.0
    if whole > 0:
        row = table[whole - 1]
        for k in range(len(weight)):
            row[k] += (1.0 - part) * weight[k]
    if part > 0:
        row = table[whole]
        for k in range(len(weight)):
            row[k] += part * weight[k]


@njit(nogil=True, cache=True)
def _slope(alpha: float, count: float) -> float:
    """Derivative by alpha of `log_odds`."""
    whole = int(min(count, _LARGEST_WHOLE))
    return float(slope_rising(alpha, whole) + (count - whole) / (alpha + whole))


@njit(nogil=True, cache=True)
def maximize_urn(
    alpha: Array, tails: Array, new: Array, lengths: Array, shared: float
) -> Array:
    """Parameters (d,) of one urn that maximise what `add_urns` has summed up.

    That is the sum over columns of tails (d, m) times log(a + 0, 1, ...), plus `new`
    log a; less `lengths` (l,) times log(A + 0, 1, ...), less `shared` A, for the sum A
    of the parameters. Given the slope in A, each column has one
    maximum. The sum of those is compared with A, from the current A towards where the
    objective rises, until both agree.
    """
    found = np.empty(len(alpha))
    data = (tails, new, lengths, shared, found)
    at = np.log(alpha.sum())
    excess = _excess(at, *data)
    step = 0.5 if excess > 0 else -0.5
    before, behind = at, excess
    for _ in range(_STEPS):
        before, behind = at, excess
        at = min(max(at + step, np.log(_SMALLEST)), np.log(_LARGEST))
        excess = _excess(at, *data)
        if (excess > 0) != (step > 0) or at == before:
            break
        step *= 2.0
    # The root is between: false position, with the end that stays weighed down.
    for _ in range(_STEPS):
        if abs(at - before) < _RESOLUTION or excess == behind:
            break
        middle = (before * excess - at * behind) / (excess - behind)
        value = _excess(middle, *data)
        if (value > 0) != (excess > 0):
            before, behind = at, excess
        else:
            behind *= 0.5
        at, excess = middle, value
    _excess(at, *data)
    return found


@njit(nogil=True, cache=True)
def maximize_urn_of(total: float, tails: Array, new: Array) -> Array:
    """Parameters (d,) of one urn that sum to `total`, and maximise as `maximize_urn`.

    The slope that all columns have in common is found by bisection of its logarithm:
    the sum of the parameters falls as it grows.
    """
    found = np.empty(len(new))
    whole = new.sum() + tails.sum()
    # At the slope of all tokens over the total, each column has no more than its part.
    low = np.log(max(new.sum() + tails[:, 0].sum(), 1e-300) / total) - 1.0
    while _sum_at(low, tails, new, found) < total:
        low -= 1.0
    high = np.log(max(whole, 1e-300) / total) + 1.0
    while _sum_at(high, tails, new, found) > total:
        high += 1.0
    while high - low > _RESOLUTION:
        middle = 0.5 * (low + high)
        if middle <= low or middle >= high:
            break
        if _sum_at(middle, tails, new, found) > total:
            low = middle
        else:
            high = middle
    found *= total / _sum_at(high, tails, new, found)
    return found


@njit(nogil=True, cache=True)
def _sum_at(log_slope: float, tails: Array, new: Array, found: Array) -> float:
    """Fill `found` given the slope of all columns; its sum."""
    slope = np.exp(log_slope)
    for j in range(len(found)):
        found[j] = _one_column(tails[j], new[j], slope)
    return float(found.sum())


@njit(nogil=True, cache=True)
def _excess(
    log_sum: float,
    tails: Array,
    new: Array,
    lengths: Array,
    shared: float,
    found: Array,
) -> float:
    """Fill `found` given the slope at a sum; the share by which its sum is larger."""
    total = np.exp(log_sum)
    slope = shared
    for step in range(len(lengths)):
        if lengths[step] == 0.0:
            break
        slope += lengths[step] / (total + step)
    for j in range(len(found)):
        found[j] = _one_column(tails[j], new[j], slope)
    return float(found.sum() / total - 1.0)


@njit(nogil=True, cache=True)
def _one_column(tail: Array, new: float, slope: float) -> float:
    """The a with tail[0] / a + tail[1] / (a + 1) + ... + new / a = slope.

    The left side falls and is convex: Newton's method rises to the root from a start
    below it.
    """
    a = (tail[0] + new) / slope
    if len(tail) == 1 or tail[1] == 0.0:
        return float(a)
    for _ in range(_STEPS):
        value, change = new / a - slope, -new / (a * a)
        for step in range(len(tail)):
            if tail[step] == 0.0:
                break
            part = tail[step] / (a + step)
            value += part
            change -= part / (a + step)
        move = -value / change
        a += move
        if move < 1e-14 * a:
            break
    return float(a)


# Calls kernels of other modules, as of 4c61c2c44eb4.
