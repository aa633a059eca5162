"""Tables as matrices: one encoding for distances, one for trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen.metrics._tables import Column, Table, is_missing, n_rows

# Distances: levels with a smaller share of the rows are one level, and no level is
# further from the others than one with this share is.
_SMALLEST_SHARE = 0.01
# Trees: what a histogram of a categorical feature has room for.
_MOST_LEVELS = 255


@dataclass(frozen=True, eq=False)
class _Number:
    """A number as its distance to the mean in standard deviations, and an indicator."""

    mean: float
    scale: float
    missing_scale: float

    @classmethod
    def learn(cls, column: Column, weight: np.ndarray) -> _Number:
        missing = is_missing(column)
        values, w = column.values[~missing], weight[~missing]
        missing_scale = _indicator_scale(weight[missing].sum() / weight.sum())
        if w.sum() == 0.0:
            return cls(0.0, 1.0, missing_scale)
        origin = values[0]  # taken off first: large values would round the mean
        mean = origin + float(np.average(values - origin, weights=w))
        scale = float(np.sqrt(np.average((values - mean) ** 2, weights=w)))
        if scale <= 8.0 * np.finfo(float).eps * np.abs(values).max():
            scale = 1.0
        return cls(mean, scale, missing_scale)

    def encode(self, column: Column) -> list[np.ndarray]:
        missing = is_missing(column)
        values = np.where(missing, 0.0, (column.values - self.mean) / self.scale)
        return [values, missing / self.missing_scale]


@dataclass(frozen=True, eq=False)
class _Label:
    """A label as indicators: of each frequent level, of all others, of none.

    They add up to one. Where that must not show, the commonest one is left out.
    """

    levels: list[str]
    scales: dict[int, float]

    @classmethod
    def learn(cls, column: Column, weight: np.ndarray, *, independent: bool) -> _Label:
        observed = ~is_missing(column)
        names, counts = _count(column.values[observed], weight[observed])
        shares = counts / weight.sum()
        kept = shares >= _SMALLEST_SHARE
        shares = np.array([*shares[kept], shares[~kept].sum(), 1.0 - shares.sum()])
        scales = {k: _indicator_scale(share) for k, share in enumerate(shares)}
        if independent:
            del scales[int(shares.argmax())]
        return cls(names[kept].tolist(), scales)

    def encode(self, column: Column) -> list[np.ndarray]:
        codes = _codes(column, self.levels)
        codes[np.isnan(codes)] = len(self.levels) + 1
        return [(codes == k) / scale for k, scale in self.scales.items()]


def _indicator_scale(share: float) -> float:
    share = min(max(share, _SMALLEST_SHARE), 1.0 - _SMALLEST_SHARE)
    return float(np.sqrt(share * (1.0 - share)))


@dataclass(frozen=True, eq=False)
class NumericEncoding:
    """A table as floats without missing cells, in which distances make sense.

    Numbers are standardised; labels become indicators divided by their standard
    deviation; a missing cell is the mean, and an indicator tells it from one.

    Parameters
    ----------
    codes : tuple
        How each column is encoded.
    """

    codes: tuple[_Number | _Label, ...]

    @classmethod
    def learn(
        cls,
        table: Table,
        weight: np.ndarray | None = None,
        *,
        independent: bool = False,
    ) -> NumericEncoding:
        """Learn means, scales and levels from the rows of a table.

        With `independent`, the indicators of a label do not add up to one: no
        direction is without variance on account of that.
        """
        weight = np.ones(n_rows(table)) if weight is None else weight
        return cls(
            tuple(
                _Label.learn(column, weight, independent=independent)
                if column.is_label
                else _Number.learn(column, weight)
                for column in table
            )
        )

    def encode(self, *tables: Table) -> list[np.ndarray]:
        """The tables as matrices, less the columns that are one constant in all."""
        matrices = [
            np.column_stack(
                [
                    values
                    for code, column in zip(self.codes, table, strict=True)
                    for values in code.encode(column)
                ]
            )
            for table in tables
        ]
        varies = np.any([(matrices[0][0] != M).any(axis=0) for M in matrices], axis=0)
        varies[0] |= not varies.any()
        return [np.ascontiguousarray(M[:, varies]) for M in matrices]


def tree_matrices(*tables: Table) -> tuple[list[np.ndarray], list[int]]:
    """Tables as scikit-learn's histogram gradient boosting takes them.

    Missing cells are NaN; labels are codes below 255, learned on all tables together.
    Where there are more levels, the 254 most frequent ones stay and the others are
    one, and a column tells how many rows of all tables have the level: trees cannot
    see that names repeat otherwise. Nothing here knows which table a row is from.

    Returns
    -------
    matrices : list of ndarray of shape (n_rows, n_columns)
        One matrix a table.
    categorical : list of int
        The columns that are codes.
    """
    features: list[list[np.ndarray]] = []  # one array a table
    categorical = []
    for columns in zip(*tables, strict=True):
        if not columns[0].is_label:
            features.append([column.values for column in columns])
            continue
        names, counts = _count_all(columns)
        levels = names
        if len(names) > _MOST_LEVELS:
            order = np.argsort(-counts, kind="stable")
            levels = np.sort(names[order[: _MOST_LEVELS - 1]])
            table = np.append(counts, np.nan)
            codes = [_codes(column, names.tolist()) for column in columns]
            features.append(
                [table[np.nan_to_num(c, nan=-1).astype(int)] for c in codes]
            )
        categorical.append(len(features))
        features.append([_codes(column, levels.tolist()) for column in columns])
    return [np.column_stack(one) for one in zip(*features, strict=True)], categorical


def fit_trees(model: Any, X: np.ndarray, y: np.ndarray) -> Any:
    """Fit a model of trees, which cannot take a column of missing cells alone."""
    return model.fit(np.where(np.isnan(X).all(axis=0), 0.0, X), y)


def _count_all(columns: Sequence[Column]) -> tuple[np.ndarray, np.ndarray]:
    labels = np.concatenate([column.values[~is_missing(column)] for column in columns])
    return _count(labels, np.ones(len(labels)))


def _count(labels: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct labels in alphabetical order, and the weight of each."""
    names, inverse = np.unique(labels, return_inverse=True)
    counts = np.bincount(inverse, weights=weight, minlength=len(names))
    return names[counts > 0.0], counts[counts > 0.0]


def _codes(column: Column, levels: Sequence[str]) -> np.ndarray:
    """Position in `levels`, NaN for missing cells, and a last code for other labels."""
    lookup: dict[str | None, float] = {name: k for k, name in enumerate(levels)}
    lookup[None] = np.nan
    other = float(len(levels))
    return np.array([lookup.get(label, other) for label in column.values], float)
