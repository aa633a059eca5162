"""Families of sets of columns, as users name them."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]


def parts_of(
    family: Any, names: NDArray[Any], allowed: Collection[str]
) -> tuple[list[str], tuple[Index, ...]]:
    """Families by name, and the positions of the columns of each.

    Parameters
    ----------
    family : list or tuple of pairs
        Pairs (family, columns).
    names : ndarray of shape (d,)
        Names of the columns, or their positions if they have none.
    allowed : collection of str
        Names of families.

    Returns
    -------
    families : list of str
        Family of each part.
    columns : tuple of ndarray of int
        Columns of each part; each of the d columns is in one of them.

    Raises
    ------
    ValueError
        If parts are no such pairs, or a column is not named once.
    """
    if not family:
        raise ValueError(
            f"family={family!r} is empty. Allowed are one of {sorted(allowed)}, or "
            "pairs (family, columns)."
        )
    pairs = [_pair(part, allowed) for part in family]
    columns = tuple(_positions(at, names) for _, at in pairs)
    found = np.bincount(np.concatenate(columns), minlength=len(names))
    if np.any(found != 1):
        raise ValueError(
            f"family must name each of the {len(names)} columns of X once; never named "
            f"are {names[found == 0].tolist()}, more than once "
            f"{names[found > 1].tolist()}."
        )
    return [name for name, _ in pairs], columns


def _pair(part: Any, allowed: Collection[str]) -> tuple[str, Any]:
    if not isinstance(part, (tuple, list)) or len(part) != 2:
        raise ValueError(
            f"family has a part {part!r}. Allowed are pairs (family, columns), such as "
            "('gaussian', [0, 2]), or one name of a family for all columns."
        )
    name, at = part
    if not isinstance(name, str) or name not in allowed:
        raise ValueError(f"family has a part {name!r}, allowed are {sorted(allowed)}.")
    return name, at


def _positions(at: Any, names: NDArray[Any]) -> Index:
    """Positions of columns that are given by position, by name or by a mask."""
    values = np.atleast_1d(np.array(at, dtype=object))
    cells = values.tolist() if values.ndim == 1 else []
    d = len(names)
    if cells and all(isinstance(cell, (bool, np.bool_)) for cell in cells):
        if len(cells) != d or not any(cells):
            raise ValueError(
                f"family has a mask of {len(cells)} columns, {sum(cells)} of them "
                f"chosen. Allowed are masks of all {d} columns of X that choose some."
            )
        return np.flatnonzero(cells)
    if cells and all(isinstance(cell, str) for cell in cells):
        known = {name: j for j, name in enumerate(names.tolist())}
        unknown = [cell for cell in cells if cell not in known]
        if unknown:
            raise ValueError(
                f"family names the columns {unknown}, which X does not have. Allowed "
                f"are {names.tolist()}; names need a DataFrame."
            )
        return np.array([known[cell] for cell in cells], np.intp)
    whole = all(isinstance(c, Integral) and not isinstance(c, bool) for c in cells)
    if not cells or not whole or not all(0 <= cell < d for cell in cells):
        raise ValueError(
            f"family has the columns {at!r}. Allowed are positions from 0 to {d - 1}, "
            "names of columns of a DataFrame, or a mask; at least one column."
        )
    return np.array(cells, np.intp)
