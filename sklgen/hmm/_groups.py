"""Sequences in: rows with groups, or a list of tables."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils import column_or_1d
from sklearn.utils._missing import is_pandas_na, is_scalar_nan

from sklgen._frames import narwhals, open_frame


@dataclass(frozen=True)
class SequenceData:
    """Rows of several sequences, and the shape in which they came.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n, d)
        The rows as one table.
    ends : ndarray of shape (m,)
        Where each sequence ends, its last row excluded.
    parts : sequence or None
        The tables, where they were several.
    """

    X: Any
    ends: NDArray[np.intp]
    parts: Sequence[Any] | None

    def give_back(self, values: Any) -> Any:
        """One entry a row, as an array or as a list with an array a sequence."""
        return values if self.parts is None else np.split(values, self.ends[:-1])

    def complete(self, rows: Any, complete: Callable[..., Any], filled: Any) -> Any:
        """What `complete(X, rows, filled)` makes of the table, or of each one."""
        if self.parts is None:
            return complete(self.X, rows, filled)
        cuts = self.ends[:-1]
        tables = zip(
            self.parts, np.split(rows, cuts), np.split(filled, cuts), strict=True
        )
        return [complete(*table) for table in tables]

    def per_row(self, values: NDArray[Any]) -> NDArray[Any]:
        """An entry for each sequence, as one for each row."""
        return np.repeat(values, np.diff(self.ends, prepend=0), axis=0)


def read_sequences(X: Any, groups: Any = None, *, alone: bool = False) -> SequenceData:
    """Read rows with groups, or a list of tables, or a 3-D array.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
        Rows in the order of time; a list, or an array of three dimensions, has a
        table for each sequence.
    groups : array-like of shape (n_samples,), default=None
        The sequence of each row; rows of a sequence are adjacent.
    alone : bool, default=False
        Whether rows without groups are sequences of one row each. Otherwise they are
        one sequence.

    Returns
    -------
    data : SequenceData
        The rows as one table, and where sequences end.

    Raises
    ------
    ValueError
        If a group comes back after another one, or `groups` is given with a list.
    """
    if _is_list(X):
        if groups is not None:
            raise ValueError(
                "groups is for rows in one table, but X is a list of tables, one a "
                "sequence. Leave groups out."
            )
        lengths = np.array([_n_rows(part) for part in X], dtype=np.intp)
        if not lengths.all():
            empty = int(np.flatnonzero(lengths == 0)[0])
            raise ValueError(f"X[{empty}] has no rows. Drop empty sequences.")
        return SequenceData(_concatenate(X), np.cumsum(lengths), X)
    n = _n_rows(X)
    if groups is not None:
        return SequenceData(X, group_ends(X, groups), None)
    if alone and n:
        return SequenceData(X, np.arange(1, n + 1), None)
    _warn_of_gaps(X)
    return SequenceData(X, np.array([n], dtype=np.intp), None)


def groups_from_lengths(lengths: Any) -> NDArray[np.intp]:
    """Make groups of rows from the lengths of sequences, which hmmlearn takes.

    Parameters
    ----------
    lengths : array-like of shape (n_sequences,)
        Number of rows of each sequence, at least 1.

    Returns
    -------
    groups : ndarray of shape (n_samples,)
        Number of the sequence of each row, from 0.

    Raises
    ------
    ValueError
        If a length is not a positive whole number.

    Examples
    --------
    >>> from sklgen.hmm import groups_from_lengths
    >>> groups_from_lengths([2, 3])
    array([0, 0, 1, 1, 1])
    """
    values = column_or_1d(np.asarray(lengths))
    if values.size and (values.dtype.kind not in "iu" or values.min() < 1):
        raise ValueError(
            f"lengths must be positive whole numbers, got {values.tolist()[:5]}. Drop "
            "empty sequences."
        )
    return np.repeat(np.arange(len(values)), values.astype(np.intp))


def group_ends(X: Any, groups: Any) -> NDArray[np.intp]:
    """Where groups of adjacent rows end.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        The rows.
    groups : array-like of shape (n_samples,)
        The group of each row.

    Returns
    -------
    ends : ndarray of shape (n_groups,)
        The end of each group, its last row excluded.

    Raises
    ------
    ValueError
        If there is not one group a row, or a group comes back after another one.
    """
    groups = column_or_1d(np.asarray(groups))
    check_one_a_row(X, groups, "groups")
    if groups.dtype.kind in "fO":
        missing = [g is None or is_pandas_na(g) or is_scalar_nan(g) for g in groups]
        if any(missing):
            raise ValueError(
                f"groups is missing for {sum(missing)} row(s), the first at row "
                f"{missing.index(True)}. Give every row the name of its sequence."
            )
    changes = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    first = np.concatenate([[0], changes]).astype(np.intp)
    seen: set[Any] = set()
    for row in first:
        group = groups[row].item() if hasattr(groups[row], "item") else groups[row]
        if group in seen:
            raise ValueError(
                f"groups must be contiguous, but group {group!r} comes back at row "
                f"{row} after another one. Bring the rows of each sequence together, "
                'in order of time: in pandas by df.sort_values("group", '
                'kind="stable").'
            )
        seen.add(group)
    return np.append(first[1:], len(groups)).astype(np.intp)


def check_one_a_row(X: Any, values: NDArray[Any], name: str) -> None:
    """Check that an argument has one entry for each row."""
    n = _n_rows(X)
    if len(values) != n:
        raise ValueError(
            f"{name} has {len(values)} entries for {n} rows: give one for each row."
        )


def _is_list(X: Any) -> bool:
    """Whether X has a table for each sequence."""
    if getattr(X, "ndim", None) == 3:
        return True
    kind = getattr(getattr(X, "dtype", None), "kind", "")
    is_object = kind == "O" and getattr(X, "ndim", 0) == 1
    if not (is_object or isinstance(X, (list, tuple))) or not len(X):
        return False
    return all(
        getattr(part, "ndim", len(getattr(part, "shape", ()))) == 2 for part in X
    )


def _n_rows(X: Any) -> int:
    return int(X.shape[0]) if getattr(X, "shape", ()) else len(np.asarray(X))


def _concatenate(parts: Sequence[Any]) -> Any:
    frames = [open_frame(part, "an HMM") for part in parts]
    kinds = {None if frame is None else frame.implementation for frame in frames}
    if len(kinds) > 1:
        raise ValueError(
            "X is a list of tables of different kinds, such as arrays and DataFrames. "
            "Turn all of them into one kind."
        )
    if None not in kinds:
        return _stack(frames)
    widths = {np.shape(part)[1] for part in parts}
    if len(widths) > 1:
        raise ValueError(
            f"X is a list of tables with different numbers of columns: "
            f"{sorted(widths)}. All sequences need the same columns."
        )
    return np.concatenate([np.asarray(part) for part in parts])


def _stack(frames: list[Any]) -> Any:
    """Data frames below each other; numbers of different dtypes become floats."""
    nw = narwhals()
    names = frames[0].columns
    for at, frame in enumerate(frames):
        if set(frame.columns) != set(names):
            raise ValueError(
                f"X[{at}] has the columns {frame.columns}, but X[0] has {names}. All "
                "sequences need the same columns."
            )
    frames = [frame.select(names) for frame in frames]
    schemas = [frame.schema for frame in frames]
    mixed = [
        name
        for name in names
        if len({str(schema[name]) for schema in schemas}) > 1
        and all(schema[name].is_numeric() for schema in schemas)
    ]
    casts = [nw.col(name).cast(nw.Float64()) for name in mixed]
    frames = [frame.with_columns(*casts) for frame in frames] if casts else frames
    return nw.concat(frames, how="vertical").to_native()


def _warn_of_gaps(X: Any) -> None:
    """Warn where rows were taken out of a table and are not adjacent in it.

    That is what cross-validation does; without metadata routing it keeps the groups
    to itself.
    """
    index = getattr(X, "index", None)
    steps = getattr(index, "dtype", None)
    if steps is None or getattr(steps, "kind", "") != "i" or len(X) < 2:
        return
    gaps = np.flatnonzero(np.diff(np.asarray(index)) != 1) + 1
    if len(gaps) and not get_config()["enable_metadata_routing"]:
        warnings.warn(
            f"the rows of X are taken as one sequence, but its index jumps at "
            f"{len(gaps)} place(s), the first at row {gaps[0]}. Where cross-validation "
            "chose the rows, pass groups and turn on "
            "sklearn.set_config(enable_metadata_routing=True): without it groups do "
            "not reach the model. Otherwise X.reset_index(drop=True) says that rows "
            "are adjacent.",
            UserWarning,
            stacklevel=4,
        )
