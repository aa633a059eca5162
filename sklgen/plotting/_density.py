"""Densities of one or two columns: of a model, or of rows."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import check_scalar, get_tags
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from sklgen._typing import Array
from sklgen.metrics._tables import read_tables
from sklgen.plotting._columns import REAL, label_of, plain, positions, reach, whole_bins
from sklgen.plotting._parts import given_axes
from sklgen.plotting._places import Places, density_of, rows_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Shares of the mass within the contours, and rows that are drawn.
_MASSES, _DOTS = (0.95, 0.8, 0.5, 0.2), 1000


class DensityDisplay:
    """Density of one column as a curve, or of two as contours.

    Contours bound the smallest regions that have 20, 50, 80 and 95 % of what the
    picture shows. Make one with `from_estimator` or `from_samples`, which draw it.

    Parameters
    ----------
    grid : tuple of ndarray
        Places along one or two axes, at even distances; or the edges of bins.
    density : ndarray of shape (n_places,) or (n_y, n_x)
        Density there.
    names : list of str
        Names of the columns.
    rows : ndarray of shape (n_rows, n_columns), default=None
        Rows to draw beside the density. None draws none.
    binned : bool, default=False
        Whether the density is that of a histogram, and `grid` has the edges of its
        bins, one more than there are bins.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn last.
    figure_ : matplotlib Figure
        Its figure.
    line_ : matplotlib Line2D, StepPatch or None
        The curve of one column.
    contours_ : matplotlib QuadContourSet, QuadMesh or None
        The contours of two columns, or the cells of their histogram.

    See Also
    --------
    SampleComparisonDisplay : Real rows beside those of a model, for any columns.

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.mixture import GaussianMixture
    >>> from sklgen.plotting import DensityDisplay
    >>> X = load_old_faithful(as_frame=True).data
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> display = DensityDisplay.from_estimator(model, X)
    >>> display.names
    ['duration', 'waiting']
    >>> DensityDisplay.from_estimator(model, X, features=["waiting"]).names
    ['waiting']
    """

    def __init__(
        self,
        grid: tuple[Array, ...],
        density: Array,
        names: list[str],
        *,
        rows: Array | None = None,
        binned: bool = False,
    ) -> None:
        self.grid = grid
        self.density = density
        self.names = names
        self.rows = rows
        self.binned = binned

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        features: Any = None,
        grid_resolution: int = 100,
        show_rows: bool = True,
        ax: Any = None,
        cmap: Any = "Blues",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the density of a fitted model.

        Parameters
        ----------
        estimator : estimator
            A fitted model with `score_samples`.
        X : array-like or DataFrame of shape (n_rows, n_features)
            Rows as the model takes them. They say where to draw, and are drawn.
        features : list of str or int, default=None
            Names or positions of one or two columns of numbers. None takes all, if
            there are no more. If there are more columns in the model, it must take
            missing cells: the density is the marginal one.
        grid_resolution : int, default=100
            Places along each axis, at least 2; in a column of integers these alone.
        show_rows : bool, default=True
            Whether to draw the rows of `X`: as a histogram, or as dots.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of contours.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`, which draws the curve of one
            column, such as its label.

        Returns
        -------
        display : DensityDisplay
            What was drawn.

        Raises
        ------
        TypeError
            If the model has no `score_samples`, or one for sequences.
        ValueError
            If there are no such columns of numbers, or the model has others and takes
            no missing cells.

        Notes
        -----
        Models that know columns of integers or decimals as such, as `TabularMixture`
        does, tell the probability of a cell. It is divided by its width, so that what
        is drawn is a density in the units of the column. Of one column, a place has the
        mean over the cells between it and its neighbours, or over 64 of them; and what
        is the probability of a single value, such as many zeros, is spread over that
        distance, so that the area is right. Of two columns, the most probable cell or
        value at each place stands for its neighbours, if the model takes missing cells.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        check_scalar(grid_resolution, "grid_resolution", Integral, min_val=2)
        if not hasattr(estimator, "score_samples"):
            raise TypeError(
                f"{type(estimator).__name__} has no score_samples and so no density to "
                "draw: SampleComparisonDisplay draws its rows."
            )
        if "groups" in signature(estimator.score_samples).parameters:
            raise TypeError(
                f"{type(estimator).__name__} scores rows given those before them and "
                "so has no one density to draw: SampleComparisonDisplay draws its rows."
            )
        chosen, names, rows, width = _columns_of(X, features)
        if width > len(chosen) and not get_tags(estimator).input_tags.allow_nan:
            raise ValueError(
                f"{type(estimator).__name__} has {width} columns and takes no missing "
                f"cells, so that it knows no density of {names} alone: fit it to these."
            )
        places = tuple(
            Places.of(estimator, X, j, values, int(grid_resolution))
            for j, values in zip(chosen, rows.T, strict=True)
        )
        takes_gaps = get_tags(estimator).input_tags.allow_nan
        density = density_of(
            places,
            _score(estimator, X, chosen),
            tuple(_score(estimator, X, [j]) if takes_gaps else None for j in chosen),
        )
        grid = tuple(one.middles for one in places)
        display = cls(grid, density, names, rows=rows if show_rows else None)
        return display.plot(ax=ax, cmap=cmap, line_kw=line_kw)

    @classmethod
    def from_samples(
        cls,
        X: Any,
        *,
        features: Any = None,
        bins: Any = None,
        ax: Any = None,
        cmap: Any = "Blues",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the histogram of rows: what they say by themselves.

        No kernel smooths them: a smooth curve of rows is a model of one's own. Fit one,
        and draw it with `from_estimator`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Rows.
        features : list of str or int, default=None
            Names or positions of one or two columns of numbers. None takes all, if
            there are no more.
        bins : int, str or sequence, default=None
            As in `numpy.histogram_bin_edges`, for each axis. None takes a bin for each
            integer of columns that have few; else "auto" for one column, and for two
            about one bin for each 5 rows, 10 to 40 a side.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of the cells of two columns.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.stairs`, which draws the histogram of one
            column, such as its label.

        Returns
        -------
        display : DensityDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If there are no such columns of numbers.
        """
        check_matplotlib_support(f"{cls.__name__}.from_samples")
        _, names, rows, _ = _columns_of(X, features)
        rows = rows[~np.isnan(rows).any(axis=1)]
        if not len(rows):
            raise ValueError(f"X has no row that has all of {names}.")
        edges = [_bins(values, bins, rows.shape) for values in rows.T]
        heights, _ = np.histogramdd(rows, edges)
        for axis, edge in enumerate(edges):
            size = np.expand_dims(np.diff(edge), tuple({0, len(edges) - 1} - {axis}))
            heights = heights / (size if heights.ndim == 2 else size.ravel())
        display = cls(tuple(edges), heights.T / len(rows), names, binned=True)
        return display.plot(ax=ax, cmap=cmap, line_kw=line_kw)

    def plot(
        self,
        *,
        ax: Any = None,
        cmap: Any = "Blues",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the density.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, beside what is there. None makes a figure.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of contours.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`, which draws the curve of one
            column, or `matplotlib.axes.Axes.stairs` for a histogram.

        Returns
        -------
        display : DensityDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(layout="constrained")
        (ax,) = given_axes(ax, 1, "density")
        self.ax_, self.figure_ = ax, ax.figure
        shown = (ax.get_xlim(), ax.get_ylim()) if ax.has_data() else ((), ())
        self.line_: Any = None
        self.contours_: Any = None
        if len(self.grid) == 1:
            self._draw_curve(ax, line_kw or {})
            ax.set_ylabel("density")
            ax.autoscale(axis="y")
            ax.set_ylim(bottom=0.0)
            shown = ((*shown[0], *ax.dataLim.intervalx), ())
        else:
            self._draw_contours(ax, cmap)
            ax.set_ylabel(plain(self.names[1]))
            ax.set_ylim(*self._limits(1, shown[1]))
        ax.set_xlabel(plain(self.names[0]))
        ax.set_xlim(*self._limits(0, shown[0]))
        ax.spines[["top", "right"]].set_visible(False)
        return self

    def _limits(self, axis: int, shown: tuple[float, ...]) -> tuple[float, float]:
        """From where to where an axis goes, with what it has shown already."""
        ends = [*self.grid[axis][[0, -1]].tolist(), *shown]
        return min(ends), max(ends)

    def _draw_curve(self, ax: Axes, line_kw: dict[str, Any]) -> None:
        (places,) = self.grid
        if self.binned:
            style = {"fill": True, "alpha": 0.6} | line_kw
            self.line_ = ax.stairs(self.density, places, **style)
        elif self.rows is not None:
            values = self.rows[~np.isnan(self.rows[:, 0]), 0]
            inside = values[(values >= places[0]) & (values <= places[-1])]
            edges = _bins(inside, None, self.rows.shape)
            heights, _ = np.histogram(inside, edges)
            shares = heights / np.diff(edges) / max(len(values), 1)
            ax.stairs(shares, edges, fill=True, color=REAL, alpha=0.4, label="rows")
        if not self.binned:
            style = {"label": "model"} | line_kw
            (self.line_,) = ax.plot(places, self.density, **style)
        if self.rows is not None or "label" in line_kw:
            ax.legend(frameon=False)

    def _draw_contours(self, ax: Axes, cmap: Any) -> None:
        x, y = self.grid
        if self.binned:
            ax.grid(visible=False)
            self.contours_ = ax.pcolormesh(x, y, self.density, cmap=cmap)
            ax.figure.colorbar(self.contours_, ax=ax, label="density")
            return
        levels = mass_levels(self.density, _MASSES)
        if levels:
            top = max(float(self.density.max()), 1.0001 * levels[-1])
            self.contours_ = ax.contourf(
                x, y, self.density, levels=[*levels, top], cmap=cmap, alpha=0.85,
            )  # fmt: skip
        if self.rows is not None:
            few = self.rows[:: -(-len(self.rows) // _DOTS) or 1]
            opaque = float(np.clip(200.0 / max(len(few), 1), 0.2, 0.8))
            ax.scatter(
                few[:, 0], few[:, 1], s=6.0, color="0.4", linewidths=0, alpha=opaque
            )


def mass_levels(density: Array, masses: tuple[float, ...]) -> list[float]:
    """Densities above which there are these shares of the mass of a grid, increasing.

    Parameters
    ----------
    density : ndarray
        Densities at even places.
    masses : tuple of float
        Shares.

    Returns
    -------
    levels : list of float
        Levels that differ.
    """
    falling = np.sort(density[np.isfinite(density)])[::-1]
    total = np.cumsum(falling)
    if not len(falling) or total[-1] <= 0.0:
        return []
    at = [np.searchsorted(total, mass * total[-1]) for mass in masses]
    return [float(level) for level in np.unique(falling[at])]


def _columns_of(X: Any, features: Any) -> tuple[list[int], list[str], Array, int]:
    """Positions and names of the columns, their cells, and how many columns X has."""
    (table,) = read_tables(X=X)
    names = [column.name for column in table]
    chosen = list(range(len(names))) if features is None else positions(features, names)
    if len(chosen) not in (1, 2):
        raise ValueError(
            f"features has {len(chosen)} columns; a density is drawn of one or two of "
            f"them: {names}."
        )
    other = [names[j] for j in chosen if table[j].kind != "numbers"]
    if other:
        raise ValueError(
            f"features names {other}, which are no numbers: a density is drawn of "
            "numbers; SampleComparisonDisplay draws all columns."
        )
    rows = np.column_stack([table[j].values for j in chosen])
    return chosen, [label_of(names[j]) for j in chosen], rows, len(names)


def _score(estimator: Any, X: Any, chosen: list[int]) -> Callable[[Array], Array]:
    """The log-density of cells of these columns, without the others."""
    return lambda cells: np.asarray(
        estimator.score_samples(rows_at(X, chosen, cells)), float
    )


def _bins(values: Array, bins: Any, shape: tuple[int, ...]) -> Array:
    """Edges of bins of a column of rows of this shape."""
    low, high = reach(values)
    if bins is None:
        whole = whole_bins(values, low, high)
        if whole is not None:
            return whole
        side = int(np.clip(np.sqrt(shape[0] / 5.0), 10, 40))
        bins = "auto" if shape[1] == 1 else side
    edges: Array = np.histogram_bin_edges(values, bins, (low, high))
    return edges
