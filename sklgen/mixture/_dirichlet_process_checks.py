"""Which cells components of a Dirichlet process mixture can have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Most levels of a column of codes.
_MOST_LEVELS = 2**16
# Largest count of which the predictive law, a negative binomial one, is exact.
_MOST_COUNT = 2**32 - 1


def check_counts(X: NDArray[Any], names: NDArray[Any]) -> None:
    """Counts must not be too large for the predictive law."""
    largest = np.fmax.reduce(X, axis=0, initial=0.0)
    huge = np.flatnonzero(largest > _MOST_COUNT)
    if huge.size:
        j = int(huge[0])
        raise ValueError(
            f"Column {names.tolist()[j]!r} of X has the count {largest[j]:.17g}, but "
            "family='poisson' allows counts up to 2**32 - 1. Count in larger units, or "
            "use family='gaussian' for this column."
        )


def check_codes(X: NDArray[Any], names: NDArray[Any]) -> None:
    """Codes of levels are small whole numbers from 0 on."""
    with np.errstate(invalid="ignore"):
        wrong = (X < 0) | (np.floor(X) != X) | (X >= _MOST_LEVELS)
    wrong &= ~np.isnan(X)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise ValueError(
            f"Column {names.tolist()[j]!r} of X has {int(wrong[:, j].sum())} cell(s) "
            f"that are no codes of levels, the first in row {i}: {X[i, j]}. Allowed "
            f"are whole numbers from 0 to {_MOST_LEVELS - 1}; encode others with an "
            "OrdinalEncoder."
        )


def check_known(X: NDArray[Any], names: NDArray[Any], n_levels: NDArray[Any]) -> None:
    """Codes must be those of levels that were there before."""
    new = np.flatnonzero(np.fmax.reduce(X, axis=0, initial=-1.0) >= n_levels)
    if new.size:
        j = int(new[0])
        raise ValueError(
            f"Column {names.tolist()[j]!r} of X has the code {np.nanmax(X[:, j]):.0f}, "
            f"but fit saw codes up to {n_levels[j] - 1} only. Give new levels as "
            "missing (NaN)."
        )
