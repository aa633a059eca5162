"""The way back through transformers, for rows that have one."""

from __future__ import annotations

from functools import singledispatch
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from sklgen.compose._jacobian import Mask, rule_of
from sklgen.compose._jacobian_steps import Steps, acting, leaves, named, parts, unused


def as_cells(Z: Any) -> NDArray[Any]:
    """Rows as an array of floats, or of objects where they hold anything else."""
    cells = Z.toarray() if issparse(Z) else np.asarray(Z)
    if cells.dtype.kind == "f":
        return cells
    numbers = cells.dtype.kind in "biu" or (
        cells.dtype.kind == "O"
        and all(isinstance(cell, Real) for cell in cells.ravel().tolist())
    )
    return cells.astype(np.float64 if numbers else object)


def backward(steps: Steps, Z: Any, state: np.random.RandomState) -> tuple[Any, Mask]:
    """Rows whose transforms are Z, where there are such rows, and where that is."""
    inside = np.ones(len(as_cells(Z)), dtype=bool)
    for name, step in reversed(steps):
        if not inside.any():
            break
        with named(name, step):
            Z, here = invert(step, Z, state)
            inside[inside] = here
    return Z, inside


def bounded(steps: Steps) -> bool:
    """Whether fitted steps leave some rows without an original."""
    for _, step in leaves(steps):
        image = rule_of(step).image
        if image is not None and any(np.isfinite(end).any() for end in image()):
            return True
    return False


@singledispatch
def invert(transformer: Any, Z: Any, state: np.random.RandomState) -> tuple[Any, Mask]:
    """Originals of the rows that have one, and which rows these are."""
    rows = as_cells(Z)
    inside = np.ones(len(rows), dtype=bool)
    image = rule_of(transformer).image
    if image is not None:
        low, high = image()
        inside = ~((rows < low) | (rows > high)).any(axis=1)
    if not inside.any():
        return rows[:0], inside
    back = getattr(transformer, "inverse_transform", None)
    if back is None:
        raise AttributeError(
            f"{type(transformer).__name__} has no inverse_transform, so that draws "
            "can't be taken back to the units of X: use a transformer that has one."
        )
    # The encoder draws one of several rare labels.
    draws = "random_state" in signature(back).parameters
    return back(rows[inside], **({"random_state": state} if draws else {})), inside


@invert.register(Pipeline)
def _pipeline(pipeline: Any, Z: Any, state: Any) -> tuple[Any, Mask]:
    return backward(acting(pipeline.steps), Z, state)


@invert.register(ColumnTransformer)
def _columns(transformer: Any, Z: Any, state: Any) -> tuple[Any, Mask]:
    trouble = unused(transformer)
    if trouble:
        raise ValueError(f"ColumnTransformer {trouble}.")
    rows = as_cells(Z)
    columns: list[NDArray[Any]] = [rows[:, 0]] * transformer.n_features_in_
    inside = np.ones(len(rows), dtype=bool)
    for name, step, at in parts(transformer):
        block = rows[:, transformer.output_indices_[name]]
        if step is not None:
            with named(name, step):
                block, here = invert(step, block, state)
            inside &= here
        for j, cells in zip(at, as_cells(block).T, strict=True):
            columns[j] = cells if len(cells) == len(rows) else _scattered(cells, here)
    return np.column_stack([cells[inside] for cells in columns]), inside


def _scattered(cells: NDArray[Any], rows: Mask) -> NDArray[Any]:
    """Cells at their rows; at others, anything."""
    column = np.zeros(len(rows), dtype=cells.dtype)
    column[rows] = cells
    return column
