"""Distances between the marginal distributions of two tables, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen.metrics._tables import Column, is_missing, read_tables


@dataclass(frozen=True)
class MarginalDistances:
    """The distance between two tables in each column.

    Parameters
    ----------
    columns : dict
        Distance, between 0 and 1, by name of the column, or by position in arrays.

    See Also
    --------
    marginal_distances : Makes it.

    Examples
    --------
    >>> from sklgen.metrics import MarginalDistances
    >>> MarginalDistances({"age": 0.1, "sex": 0.2}).mean
    0.15...
    """

    columns: dict[Any, float]

    @property
    def mean(self) -> float:
        """Mean distance over the columns.

        Returns
        -------
        mean : float
            Between 0 and 1, lower is better.
        """
        return float(np.mean([*self.columns.values()]))


def marginal_distances(X_real: Any, X_synthetic: Any) -> MarginalDistances:
    """Kolmogorov-Smirnov or total variation distance of each column.

    Blind to dependence between columns: a table of independent columns does best. Read
    it beside `classifier_two_sample_test`, to see which columns are wrong.

    Parameters
    ----------
    X_real, X_synthetic : array-like or DataFrame of shape (n_rows, n_features)
        The tables, with the same columns.

    Returns
    -------
    distances : MarginalDistances
        Object with `columns`, a dict, and their `mean`.

    Raises
    ------
    ValueError
        If the tables have different columns, or a column with numbers in one table
        and text in the other.

    See Also
    --------
    classifier_two_sample_test : Sees dependence too.

    Notes
    -----
    Numbers, booleans and dates have the greatest difference between the two cumulative
    distribution functions; a missing cell counts as a number below all others. Labels
    have half the sum of the absolute differences between shares; a missing cell is a
    label. Neither is zero on average for two tables from one distribution: both shrink
    as one over the root of the number of rows. Time is n log n for each column.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.metrics import marginal_distances
    >>> real = np.array([[0.0, 1.0], [1.0, 2.0]])
    >>> marginal_distances(real, real + [0.0, 5.0]).columns
    {0: 0.0, 1: 1.0}
    """
    real, synthetic = read_tables(X_real=X_real, X_synthetic=X_synthetic)
    distances = {
        one.name: (_total_variation if one.is_label else _largest_gap)(one, other)
        for one, other in zip(real, synthetic, strict=True)
    }
    return MarginalDistances(distances)


def _largest_gap(one: Column, other: Column) -> float:
    a, b = (
        np.sort(np.where(is_missing(column), -np.inf, column.values))
        for column in (one, other)
    )
    points = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(v, points, side="right") for v in (a, b))
    return float(np.abs(below_a / len(a) - below_b / len(b)).max())


def _total_variation(one: Column, other: Column) -> float:
    labels = np.concatenate([one.values, other.values])
    missing = np.concatenate([is_missing(one), is_missing(other)])
    codes = np.full(len(labels), -1)
    codes[~missing] = np.unique(labels[~missing], return_inverse=True)[1]
    n = len(one.values)
    size = codes.max() + 2
    shares = [
        np.bincount(part + 1, minlength=size) / len(part)
        for part in (codes[:n], codes[n:])
    ]
    return float(np.abs(shares[0] - shares[1]).sum() / 2.0)
