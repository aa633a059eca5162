"""Columns of tables as what can be drawn: places on an axis, and names of levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sklgen._typing import Array
from sklgen.metrics._encoding import _codes
from sklgen.metrics._marginals import _largest_gap, _total_variation
from sklgen.metrics._tables import Column, Table, is_missing
from sklgen.plotting._scalars import span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REAL, SYNTHETIC = "0.55", "tab:blue"
# Levels that are drawn; most bins of a histogram.
_LEVELS, _BINS = 8, 50
# Letters of names that are drawn: of levels, and of columns.
_SHORT, _LONG = 16, 24
# Share of numbers that may be left out of a picture; beyond, they are no outliers.
_FAR = 0.01
_DAY = 864e8
_UNITS = {"durations": (_DAY, " (days)"), "times of day": (_DAY / 24.0, " (hours)")}
_DATES = ("dates", "dates with a time zone")


@dataclass(frozen=True, eq=False)
class DrawnColumn:
    """A column of two tables, as places on one axis.

    Parameters
    ----------
    name : str
        What the axis is called.
    places : tuple of ndarray
        Place of each row of the real and of the synthetic table; NaN for those that
        miss.
    levels : list of str or None
        Names of the places 0, 1, ... of labels; None for numbers.
    dates : bool
        Whether places are days since 1970.
    missing : tuple of float
        Share of rows that miss.
    """

    name: str
    places: tuple[Array, Array]
    levels: list[str] | None
    dates: bool
    missing: tuple[float, float]

    @classmethod
    def of(cls, real: Column, synthetic: Column) -> DrawnColumn:
        """Bring a column of both tables to one axis."""
        pair = (real, synthetic)
        missing = tuple(float(is_missing(column).mean()) for column in pair)
        gone = (missing[0], missing[1])
        if real.is_label or real.is_boolean:
            places, levels = _labelled(*pair)
            return cls(title_of(real.name), places, levels, dates=False, missing=gone)
        dates = real.kind in _DATES
        scale, unit = (_DAY, "") if dates else _UNITS.get(real.kind, (1.0, ""))
        places = (real.values / scale, synthetic.values / scale)
        return cls(title_of(real.name) + unit, places, None, dates=dates, missing=gone)

    def limits(self) -> tuple[float, float]:
        """From where to where the axis goes."""
        if self.levels is not None:
            return -0.6, len(self.levels) - 0.4
        low, *_, high = self.bins().tolist()
        return low - 0.03 * (high - low), high + 0.03 * (high - low)

    def bins(self) -> Array:
        """Edges of the bins of both histograms."""
        if self.levels is not None:
            return np.arange(len(self.levels) + 1.0) - 0.5
        values = np.concatenate(self.places)
        low, high = reach(values)
        whole = whole_bins(values, low, high)
        if whole is not None:
            return whole
        real = self.places[0]
        real = real[(real >= low) & (real <= high)]
        automatic = np.histogram_bin_edges(real, "auto", (low, high)).size - 1
        edges: Array = np.linspace(low, high, int(np.clip(automatic, 8, _BINS)) + 1)
        return edges

    def shares(self) -> tuple[Array, tuple[Array, Array]]:
        """Edges of bins, and the share of all rows of each table that is in each."""
        edges = self.bins()
        one, other = (np.histogram(at, edges)[0] / len(at) for at in self.places)
        return edges, (one, other)

    def mark(self, axis: Any) -> None:
        """Write numbers, dates or names of levels on an axis."""
        from matplotlib import dates

        make: Any = dates  # matplotlib has no types for these
        if self.levels is not None:
            axis.set_ticks(range(len(self.levels)), self.levels, fontsize="small")
        elif self.dates:
            locator = make.AutoDateLocator(minticks=2, maxticks=5)
            axis.set_major_locator(locator)
            axis.set_major_formatter(make.ConciseDateFormatter(locator))


def reach(values: Array) -> tuple[float, float]:
    """From where to where numbers are drawn: all, but for a few very far out.

    Parameters
    ----------
    values : ndarray
        The numbers; NaN for those that miss.

    Returns
    -------
    low, high : float
        The ends of the axis, which are never the same.
    """
    seen = values[np.isfinite(values)]
    low, high = span(seen)
    outside = (seen < low) | (seen > high)
    if outside.sum() > _FAR * len(seen):
        return float(seen.min()), float(seen.max())
    return low, high


def whole_bins(values: Array, low: float, high: float) -> Array | None:
    """Make a bin for each integer.

    Parameters
    ----------
    values : ndarray
        The numbers; NaN for those that miss.
    low, high : float
        From where to where they are drawn.

    Returns
    -------
    edges : ndarray or None
        Edges of bins; None if there are many, or other numbers than integers.
    """
    inside = values[(values >= low) & (values <= high)]
    whole = len(inside) and (inside == np.rint(inside)).all()
    if not whole or high - low >= _BINS:
        return None
    return np.asarray(np.arange(np.ceil(low), np.floor(high) + 2.0) - 0.5)


def positions(features: Any, names: list[Any]) -> list[int]:
    """Positions of the columns that were asked for.

    Parameters
    ----------
    features : str, int, or list of them
        Names or positions.
    names : list
        Names of all columns.

    Returns
    -------
    chosen : list of int
        Positions.

    Raises
    ------
    ValueError
        If there is no such column, none is asked for, or one twice.
    """
    asked = (
        [features] if isinstance(features, (str, int, np.integer)) else list(features)
    )
    chosen: list[int] = []
    for feature in asked:
        if feature in names:
            at = names.index(feature)
        elif isinstance(feature, (int, np.integer)) and 0 <= feature < len(names):
            at = int(feature)
        else:
            raise ValueError(
                f"features names {feature!r}, no column of {names}: give one of these, "
                f"or a position from 0 to {len(names) - 1}."
            )
        if at in chosen:
            raise ValueError(f"features names {feature!r} twice: name it once.")
        chosen.append(at)
    if not chosen:
        raise ValueError(f"features is empty: name one or more of {names}.")
    return chosen


def plain(name: Any) -> str:
    """Text that matplotlib takes as it is: a dollar sign starts no formula."""
    return str(name).replace("$", r"\$")


def label_of(name: Any) -> str:
    """Name of a column as text; of arrays, where it is a position, as x0, x1, ..."""
    return f"x{name}" if isinstance(name, (int, np.integer)) else str(name)


def title_of(name: Any) -> str:
    """Name of a column where there is little room."""
    return plain(_short(label_of(name), _LONG))


def _labelled(real: Column, synthetic: Column) -> tuple[tuple[Array, Array], list[str]]:
    """Codes of both columns, the most frequent levels first."""
    pair = [_as_labels(column) for column in (real, synthetic)]
    labels = np.concatenate([column.values for column in pair])
    shares = np.concatenate(
        [np.full(len(column.values), 1.0 / len(column.values)) for column in pair]
    )
    observed = np.array([label is not None for label in labels])
    names, inverse = np.unique(labels[observed], return_inverse=True)
    total = np.bincount(inverse, weights=shares[observed], minlength=len(names))
    order = np.argsort(-total, kind="stable")
    kept = order if len(order) <= _LEVELS else order[: _LEVELS - 1]
    levels = names[kept].tolist()
    shown = [plain(_short(name, _SHORT)) for name in levels]
    if len(kept) < len(order):
        shown.append(f"{len(order) - len(kept)} others")
    return (_codes(pair[0], levels), _codes(pair[1], levels)), shown


def _as_labels(column: Column) -> Column:
    if column.is_label:
        return column
    names = {0.0: "False", 1.0: "True"}
    labels = np.array([names.get(v) for v in column.values.tolist()], dtype=object)
    return Column(column.name, "text", labels)


def _short(name: str, letters: int) -> str:
    """The name, or its beginning and its end."""
    half = letters // 2
    return name if len(name) <= letters else f"{name[: half - 1]}…{name[-half:]}"


def worst_columns(real: Table, synthetic: Table, most: int) -> list[int]:
    """Positions of the columns whose marginals differ most, in the order of tables."""
    distances = [
        (_total_variation if one.is_label else _largest_gap)(one, other)
        for one, other in zip(real, synthetic, strict=True)
    ]
    kept = np.argsort(-np.array(distances), kind="stable")[:most]
    return sorted(kept.tolist())


def draw_histogram(ax: Axes, column: DrawnColumn) -> None:
    """Draw shares of both tables above the places of a column."""
    edges, (real, synthetic) = column.shares()
    ax.stairs(real, edges, fill=True, color=REAL, alpha=0.6, label="real")
    ax.stairs(synthetic, edges, color=SYNTHETIC, linewidth=1.4, label="synthetic")
    ax.set_xlim(*column.limits())
    ax.set_ylim(bottom=0.0)
    column.mark(ax.xaxis)


def draw_bars(ax: Axes, column: DrawnColumn) -> None:
    """Draw shares of levels as bars to the right, with one for cells that miss."""
    _, shares = column.shares()
    levels = list(column.levels or [])
    if any(column.missing):
        levels.append("missing")
        real, synthetic = (
            np.append(share, gone)
            for share, gone in zip(shares, column.missing, strict=True)
        )
    else:
        real, synthetic = shares
    at = np.arange(len(levels))
    ax.barh(at - 0.2, real, 0.4, color=REAL, alpha=0.6, label="real")
    ax.barh(at + 0.2, synthetic, 0.4, color=SYNTHETIC, label="synthetic")
    ax.set_yticks(at, levels, fontsize="small")
    ax.invert_yaxis()
