"""Which numbers stand out: atoms, and those that others were rounded to."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import betainc

from sklgen._typing import Array
from sklgen.compose._cells import Mask

# Where fewer distinct values than this are light, or left, all are levels.
_FEWEST_VALUES = 10
# Weight that a value has at least to stand out.
_LEAST_WEIGHT = 10
# Values to each side, between which the density counts as even.
_NEIGHBOURS = 5
# On a coarser grid, neighbours have at least this part of the weight of a value, and
# there are as many: two or three heavy values are no grid.
_AS_HEAVY = 0.5
_FEWEST_HEAVY = 3
# Bound on the probability that a column without such values is found to have one.
_LEVEL = 0.01


def find_atoms(values: np.ndarray, counts: Array, share: float) -> Mask:
    """Find the values that are levels of their own.

    A density that is smooth on the grid gives the cells of a small window equal parts
    of its weight. An atom has more than that, by more than the share of all weight that
    heavier atoms leave, and by more than chance: a binomial test of its part, corrected
    for the number of values, says so. Where many values were rounded to a coarser grid,
    this has to hold there too, so a value is also compared with others as heavy.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Distinct values, sorted.
    counts : ndarray of shape (n_values,)
        Weight of each.
    share : float
        Share of weight that makes an atom.

    Returns
    -------
    atom : ndarray of bool of shape (n_values,)
        The atoms. All values where few are light, or few are left.
    """
    light = (counts <= share * counts.sum()) | (counts < _LEAST_WEIGHT)
    if light.sum() < _FEWEST_VALUES:
        return np.ones(len(counts), dtype=bool)
    x = _unit_free(values)
    atom = np.zeros(len(counts), dtype=bool)
    while (~atom).sum() >= _FEWEST_VALUES:
        least = share * counts[~atom].sum()
        found = np.flatnonzero((counts > least) & (counts >= _LEAST_WEIGHT) & ~atom)
        for window, fewest in ((_neighbours, 0), (_heavy_neighbours, _FEWEST_HEAVY)):
            near = window(counts, found)
            expected, chance = _test(x, counts, atom, found, near, fewest)
            found = found[(chance < _LEVEL) & (counts[found] - expected > least)]
        if not len(found):
            return atom
        atom[found] = True
    return np.ones(len(counts), dtype=bool)


def find_heaps(x: Array, counts: Array, atoms: Array) -> Mask:
    """Find the cells of a grid that weigh more than the two beside them by no chance.

    Parameters
    ----------
    x : ndarray of shape (n_values,)
        Distinct whole numbers, sorted.
    counts : ndarray of shape (n_values,)
        Weight of each.
    atoms : ndarray
        Whole numbers that are not among them, which tell nothing about cells beside.

    Returns
    -------
    heap : ndarray of bool of shape (n_values,)
        Values that others were rounded to.
    """
    adjacent = np.diff(x) == 1
    beside = np.zeros(len(x))
    beside[1:] += np.where(adjacent, counts[:-1], 0.0)
    beside[:-1] += np.where(adjacent, counts[1:], 0.0)
    n_cells = 3.0 - np.isin(x - 1, atoms) - np.isin(x + 1, atoms)
    chance = betainc(counts, beside + 1, 1 / n_cells) * len(x)
    return np.asarray((counts >= _LEAST_WEIGHT) & (chance < _LEVEL))


def _unit_free(values: np.ndarray) -> Array:
    largest = max(abs(float(values[0])), abs(float(values[-1])))
    return values / largest if largest > 0 else np.zeros(len(values))


def _neighbours(counts: Any, found: Any) -> Any:
    """Positions of values and of their neighbours; those beyond an end repeat it."""
    window = found[:, None] + np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)
    return np.clip(window, 0, len(counts) - 1)


def _heavy_neighbours(counts: Array, found: Any) -> Any:
    """The same among values with enough weight, per value."""
    window = np.empty((len(found), 2 * _NEIGHBOURS + 1), dtype=np.intp)
    for row, i in zip(window, found, strict=True):
        heavy = np.flatnonzero(counts >= _AS_HEAVY * counts[i])
        row[:] = heavy[_neighbours(heavy, np.searchsorted(heavy, [i]))]
    return window


def _test(
    x: Array, counts: Array, atom: Mask, found: Any, window: Any, fewest: int = 0
) -> tuple[Array, Array]:
    """Expected weight of values, and a bound on the probability of as much by chance.

    The grid is as fine as the smallest step of a window; its cells without values
    count, those of atoms do not. Of both sides, the one that explains more counts: a
    density may fall, or end. Fewer neighbours than `fewest` explain nothing.
    """
    steps = np.diff(x[window], axis=1)
    step = np.where(steps > 0, steps, np.inf).min(axis=1)
    other = np.insert(np.diff(window, axis=1) > 0, 0, True, axis=1)
    other &= window != found[:, None]
    known, other = other & atom[window], other & ~atom[window]
    weights = np.where(other, counts[window], 0.0)
    weights[other.sum(axis=1) < fewest] = 0.0
    expected, chance = np.zeros((2, len(found)))
    for side in (slice(None, _NEIGHBOURS), slice(_NEIGHBOURS, None)):
        beside = side if side.start is None else slice(_NEIGHBOURS + 1, None)
        n_cells = steps[:, side].sum(axis=1) / step - known[:, beside].sum(axis=1)
        n_cells = np.maximum(n_cells, 1.0)
        weight = weights[:, beside].sum(axis=1)
        by_chance = betainc(counts[found], weight + 1, 1 / (n_cells + 1))
        expected = np.maximum(expected, weight / n_cells)
        chance = np.maximum(chance, np.where(weight > 0, by_chance, 0.0))
    return expected, chance * len(counts)
