"""Clusters of numbers: between them lie gaps, in which no draw may fall."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

# On both sides of a gap lie at least this share of the numbers, and this many; the gap
# is longer than the ranges of the nearest of them.
_SMALLEST_SHARE = 0.02
_FEWEST = 10


def clusters_of(
    column: Any, low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The clusters of a column of scores.

    Parameters
    ----------
    column : NumberColumn
        What the encoder learned of the column.
    low, high : ndarray of shape (n,)
        Scores of the ends of the cells of the grid that its numbers are in, or the
        scores themselves where there is no grid.

    Returns
    -------
    clusters : ndarray of shape (n_clusters, 2)
        Normal probabilities of the ends of each; a single one has 0 and 1.
    """
    order = np.lexsort([high, low])
    low, high = low[order], high[order]
    # Cells at the bounds of a column reach to infinity, about.
    begin = column.map.inverse(np.clip(low, -8.0, 8.0))
    end = column.map.inverse(np.clip(high, -8.0, 8.0))
    n = len(low)
    k = max(_FEWEST, round(_SMALLEST_SHARE * n))
    at = np.arange(k - 1, n - k)
    gap = begin[at + 1] - end[at]
    around = (end[at] - begin[at - k + 1]) + (end[at + k] - begin[at + 1])
    cuts = at[gap > around]
    begins = ndtr(np.concatenate([[-np.inf], low[cuts + 1]]))
    ends = ndtr(np.concatenate([high[cuts], [np.inf]]))
    return np.column_stack([begins, ends])
