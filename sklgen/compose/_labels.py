"""Columns of labels: strings, categories, booleans, and numbers named as such."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen._typing import Array
from sklgen.compose._cells import Cells, Mask, Stub
from sklgen.compose._columns import (
    NANOSECONDS,
    Column,
    Rules,
    refuse_kind,
    refuse_unknown,
)


@dataclass(frozen=True, eq=False)
class LabelColumn(Column):
    """Labels, booleans, categories: one column of codes."""

    name: Any
    levels: tuple[Any, ...]
    shares: Array
    rare_shares: Array
    weight: float
    stub: Stub
    handle_unknown: str
    of_numbers: bool
    kind = "label"
    kinds = ("category",)
    resolution = None
    atoms = np.empty(0)
    bounds = (-np.inf, np.inf)
    map = None
    cell_variance = 0.0

    @classmethod
    def learn(cls, cells: Cells, weight: Array, rules: Rules) -> LabelColumn:
        """Learn the labels of a column and the share of each."""
        of_numbers = cells.kind != "label"
        cells = as_labels(cells)
        seen = [
            c for c, gone in zip(cells.values, cells.missing, strict=True) if not gone
        ]
        levels = _sorted(dict.fromkeys(seen), cells.order)
        rows = _positions(cells, levels)
        observed = rows >= 0
        counts = np.bincount(
            rows[observed], weights=weight[observed], minlength=len(levels)
        )
        n_codes = min(rules.max_categories or len(levels), len(levels))
        order = np.arange(len(levels))
        if n_codes < len(levels):
            common = np.sort(np.argsort(-counts, kind="stable")[: n_codes - 1])
            order = np.concatenate([common, np.setdiff1d(order, common)])
        first = np.zeros(len(levels), dtype=np.intp)
        first[rows[observed][::-1]] = np.flatnonzero(observed)[::-1]
        shares, rare = np.ones(1), np.ones(0)
        if len(levels):
            counts = counts[order]
            rare = counts[n_codes - 1 :] / counts[n_codes - 1 :].sum()
            shares = np.append(counts[: n_codes - 1], counts[n_codes - 1 :].sum())
            shares = shares / counts.sum()
        return cls(
            cells.name,
            tuple(levels[i] for i in order),
            shares,
            rare,
            float(counts.sum()),
            cells.stub.keep(first[order].tolist()),
            rules.handle_unknown,
            of_numbers,
        )

    def encode(self, cells: Cells) -> Array:
        rows = self._rows(cells)
        codes = np.minimum(rows, len(self.shares) - 1).astype(np.float64)
        return np.where(rows < 0, np.nan, codes)[:, None]

    def decode(
        self, typed: Array, rng: np.random.Generator, precision: float
    ) -> tuple[Any, Mask]:
        missing = np.isnan(typed[:, 0])
        last = len(self.shares) - 1
        rows = np.clip(np.rint(np.where(missing, 0, typed[:, 0])), 0, last)
        rows = rows.astype(np.intp)
        if len(self.rare_shares) > 1:
            rare = (rows == last) & ~missing
            rows[rare] += rng.choice(
                len(self.rare_shares), rare.sum(), p=self.rare_shares
            )
        if not self.levels:
            missing = np.ones_like(missing)
        rows[missing] = -1
        return rows, missing

    def build(self, decoded: Any, missing: Mask, stub: Stub | None = None) -> Any:
        return self.stub.take(decoded)

    def limits(self, cells: Cells) -> tuple[Array, Array]:
        nothing = np.full((len(cells.missing), 1), np.nan)
        return nothing, nothing

    def log_density_offset(self, cells: Cells) -> Array:
        rows, last = self._rows(cells), len(self.shares) - 1
        offset = np.zeros(len(rows))
        rare = rows >= last
        if len(self.rare_shares) > 1:
            offset[rare] = np.log(self.rare_shares[rows[rare] - last])
        offset[(rows < 0) & ~cells.missing] = -np.log1p(self.weight)
        return offset

    def _rows(self, cells: Cells) -> Any:
        if self.of_numbers:
            cells = as_labels(cells)
        if cells.kind == "label" or cells.missing.all():
            rows = _positions(cells, self.levels)
        elif self.levels:
            refuse_kind(self, cells)
        else:
            rows = np.full(len(cells.missing), -1)
        unknown = (rows < 0) & ~cells.missing
        if self.handle_unknown == "error" and unknown.any():
            found = [cells.values[i] for i in np.flatnonzero(unknown)[:3]]
            refuse_unknown(self.name, found)
        return rows


def as_labels(cells: Cells) -> Cells:
    """Numbers as labels; instants and durations in nanoseconds, whatever their unit."""
    if cells.kind == "label":
        return cells
    factor = NANOSECONDS.get(cells.unit or "", 1)
    labels = [value * factor for value in cells.values.tolist()]
    return Cells(cells.name, labels, cells.missing, cells.stub)


def _positions(cells: Cells, levels: Sequence[Any]) -> Any:
    """Position of each label among the levels; -1 where missing or unknown."""
    index = {level: i for i, level in enumerate(levels)}
    rows = np.array([index.get(label, -1) for label in cells.values], dtype=np.intp)
    rows[cells.missing] = -1
    return rows


def _sorted(labels: Any, order: tuple[Any, ...] | None) -> list[Any]:
    """Labels in the order of the dtype, else sorted, whatever the order of rows."""
    if order is not None:
        return [label for label in order if label in labels]
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=lambda label: (type(label).__name__, repr(label)))
