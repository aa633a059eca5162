"""How columns of any kind go with each other: one number a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from sklgen._typing import Array
from sklgen.metrics._encoding import _Label
from sklgen.metrics._tables import Column, Table, is_missing, n_rows


@dataclass(frozen=True, eq=False)
class _Block:
    """An orthonormal basis of what a column tells, and whether it has a direction."""

    basis: Array
    signed: bool


def associations(table: Table) -> Array:
    """Association of each pair of columns, from -1 to 1.

    Of two numbers it is Spearman's rank correlation, over rows that miss neither; of a
    number and a label the correlation ratio of ranks, of two labels Cramér's V. All
    are the root mean square of the canonical correlations of two blocks: ranks, or
    indicators of levels. A missing label is a level. A column of one value goes with
    none.

    Parameters
    ----------
    table : Table
        The rows.

    Returns
    -------
    association : ndarray of shape (n_columns, n_columns)
        Symmetric, and 1 on its diagonal.
    """
    d = len(table)
    seen = [
        np.ones(n_rows(table), dtype=bool) if column.is_label else ~is_missing(column)
        for column in table
    ]
    found = np.eye(d)
    for i in range(d):
        for j in range(i):
            both = seen[i] & seen[j]
            blocks = [_block(table[k], both) for k in (i, j)]
            found[i, j] = found[j, i] = _association(*blocks)
    return found


def _association(one: _Block, other: _Block) -> float:
    least = min(one.basis.shape[1], other.basis.shape[1])
    if least == 0:
        return 0.0
    inner = one.basis.T @ other.basis
    if one.signed and other.signed:
        return float(np.clip(inner[0, 0], -1.0, 1.0))
    return float(min(np.sqrt((inner**2).sum() / least), 1.0))


def _block(column: Column, rows: np.ndarray) -> _Block:
    part = Column(column.name, column.kind, column.values[rows])
    if not rows.any():
        return _Block(np.empty((0, 0)), signed=False)
    if column.is_label:
        learned = _Label.learn(part, np.ones(len(part.values)), independent=True)
        matrix = np.column_stack([*learned.encode(part), np.zeros(len(part.values))])
    else:
        matrix = rankdata(part.values)[:, None]
    matrix = matrix - matrix.mean(axis=0)
    if not column.is_label:
        norm = np.linalg.norm(matrix)
        kept = matrix / norm if norm > 0.0 else matrix[:, :0]
        return _Block(kept, signed=True)
    basis, values, _ = np.linalg.svd(matrix, full_matrices=False)
    return _Block(basis[:, values > 1e-9 * max(values.max(), 1e-9)], signed=False)
