"""Densities of one or two columns: of a model, or of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, check_scalar, get_tags
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from sklgen._frames import narwhals, open_frame
from sklgen._typing import Array
from sklgen.metrics._tables import read_tables
from sklgen.plotting._columns import plain, reach

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
        Places along one or two axes, at even distances.
    density : ndarray of shape (n_places,) or (n_y, n_x)
        Density there.
    names : list of str
        Names of the columns.
    rows : ndarray of shape (n_rows, n_columns), default=None
        Rows to draw beside the density. None draws none.
    binned : bool, default=False
        Whether places are the middles of bins, and the density that of a histogram.

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

        Returns
        -------
        display : DensityDisplay
            What was drawn.

        Raises
        ------
        TypeError
            If the model has no `score_samples`.
        ValueError
            If there are no such columns of numbers, or the model has others and takes
            no missing cells.

        Notes
        -----
        Models that know columns of integers or decimals as such, as `TabularMixture`
        does, tell the probability of a cell in place of a density.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        check_scalar(grid_resolution, "grid_resolution", int, min_val=2)
        if not hasattr(estimator, "score_samples"):
            raise TypeError(
                f"{type(estimator).__name__} has no score_samples and so no density to "
                "draw: SampleComparisonDisplay draws its rows."
            )
        chosen, names, rows, width = _columns_of(X, features)
        if width > len(chosen) and not get_tags(estimator).input_tags.allow_nan:
            raise ValueError(
                f"{type(estimator).__name__} has {width} columns and takes no missing "
                f"cells, so that it knows no density of {names} alone: fit it to these."
            )
        whole = [_is_whole(X, j) for j in chosen]
        grid = tuple(
            _places(values, grid_resolution, whole=one)
            for values, one in zip(rows.T, whole, strict=True)
        )
        points = np.stack(np.meshgrid(*grid), axis=-1).reshape(-1, len(grid))
        logs = np.asarray(estimator.score_samples(_at(X, chosen, points)), float)
        shape = tuple(len(places) for places in grid[::-1])
        display = cls(
            grid, np.exp(logs).reshape(shape), names, rows=rows if show_rows else None
        )
        return display.plot(ax=ax, cmap=cmap)

    @classmethod
    def from_samples(
        cls,
        X: Any,
        *,
        features: Any = None,
        bins: Any = None,
        ax: Any = None,
        cmap: Any = "Blues",
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
            As in `numpy.histogram_bin_edges`, for each axis. None takes "auto" for one
            column, and for two about one bin for each 5 rows, 10 to 40 a side.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of the cells of two columns.

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
        if bins is None:
            side = int(np.clip(np.sqrt(len(rows) / 5.0), 10, 40))
            bins = "auto" if rows.shape[1] == 1 else side
        edges = [
            np.histogram_bin_edges(values, bins, reach(values)) for values in rows.T
        ]
        heights, _ = np.histogramdd(rows, edges)
        for axis, edge in enumerate(edges):
            size = np.expand_dims(np.diff(edge), tuple({0, len(edges) - 1} - {axis}))
            heights = heights / (size if heights.ndim == 2 else size.ravel())
        grid = tuple((edge[:-1] + edge[1:]) / 2.0 for edge in edges)
        display = cls(grid, heights.T / len(rows), names, binned=True)
        return display.plot(ax=ax, cmap=cmap)

    def plot(self, *, ax: Any = None, cmap: Any = "Blues") -> Self:
        """Draw the density.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of contours.

        Returns
        -------
        display : DensityDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.line_: Any = None
        self.contours_: Any = None
        if len(self.grid) == 1:
            self._draw_curve(ax)
            ax.set_ylabel("density")
            ax.set_ylim(bottom=0.0)
        else:
            self._draw_contours(ax, cmap)
            ax.set_ylabel(plain(self.names[1]))
            ax.set_ylim(*self._limits(1))
        ax.set_xlabel(plain(self.names[0]))
        ax.set_xlim(*self._limits(0))
        ax.spines[["top", "right"]].set_visible(False)
        return self

    def _limits(self, axis: int) -> tuple[float, float]:
        places = self.grid[axis]
        low, *_, high = (_edges(places) if self.binned else places).tolist()
        return low, high

    def _draw_curve(self, ax: Axes) -> None:
        (places,) = self.grid
        if self.binned:
            self.line_ = ax.stairs(self.density, _edges(places), fill=True, alpha=0.6)
            return
        if self.rows is not None:
            values = self.rows[~np.isnan(self.rows[:, 0]), 0]
            inside = values[(values >= places[0]) & (values <= places[-1])]
            heights, edges = np.histogram(inside, "auto")
            shares = heights / np.diff(edges) / max(len(values), 1)
            ax.stairs(shares, edges, fill=True, color="0.85", label="rows")
        (self.line_,) = ax.plot(places, self.density, color="tab:blue", label="model")
        if self.rows is not None:
            ax.legend(frameon=False)

    def _draw_contours(self, ax: Axes, cmap: Any) -> None:
        x, y = self.grid
        if self.binned:
            self.contours_ = ax.pcolormesh(
                _edges(x), _edges(y), self.density, cmap=cmap
            )
            ax.figure.colorbar(self.contours_, ax=ax, label="density")
            return
        levels = mass_levels(self.density, _MASSES)
        if len(levels) > 1:
            top = max(float(self.density.max()), 1.0001 * levels[-1])
            self.contours_ = ax.contourf(
                x, y, self.density, levels=[*levels, top], cmap=cmap, alpha=0.85,
            )  # fmt: skip
        if self.rows is not None:
            few = self.rows[:: -(-len(self.rows) // _DOTS) or 1]
            opaque = float(np.clip(200.0 / max(len(few), 1), 0.2, 0.8))
            ax.scatter(
                few[:, 0], few[:, 1], s=6.0, color="0.25", linewidths=0, alpha=opaque
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
    asked = list(range(len(names))) if features is None else list(features)
    if len(asked) not in (1, 2):
        raise ValueError(
            f"features has {len(asked)} columns; a density is drawn of one or two of "
            f"them: {names}."
        )
    chosen = []
    for feature in asked:
        if feature in names:
            chosen.append(names.index(feature))
        elif isinstance(feature, (int, np.integer)) and 0 <= feature < len(names):
            chosen.append(int(feature))
        else:
            raise ValueError(f"features names {feature!r}, no column of {names}.")
    other = [names[j] for j in chosen if table[j].kind != "numbers"]
    if other:
        raise ValueError(
            f"features names {other}, which are no numbers: a density is drawn of "
            "numbers; SampleComparisonDisplay draws all columns."
        )
    rows = np.column_stack([table[j].values for j in chosen])
    return chosen, [str(names[j]) for j in chosen], rows, len(names)


def _is_whole(X: Any, j: int) -> bool:
    frame = open_frame(X, "X")
    if frame is None:
        return np.asarray(X).dtype.kind in "iu"
    return bool(frame.schema[frame.columns[j]].is_integer())


def _places(values: Array, n: int, *, whole: bool) -> Array:
    low, high = reach(values)
    margin = 0.1 * (high - low)
    # Positive numbers stay positive: some laws have no others.
    low = low - margin if low < 0.0 else max(low - margin, low / 2.0)
    high = high + margin
    if whole:
        step = max(1, round((high - low) / n))
        return np.arange(np.floor(low), np.ceil(high) + 1.0, step)
    return np.linspace(low, high, n)


def _at(X: Any, chosen: list[int], points: NDArray[Any]) -> Any:
    """Rows with these cells, in the container of X, which miss all others."""
    frame = open_frame(X, "X")
    if frame is None:
        rows = np.full((len(points), np.asarray(X).shape[1]), np.nan)
        rows[:, chosen] = points
        return rows
    nw = narwhals()
    rows = nw.from_native(_safe_indexing(X, np.zeros(len(points), dtype=int)))
    nothing = np.full(len(points), np.nan)
    columns: list[Any] = []
    for j, name in enumerate(frame.columns):
        if j in chosen or rows.schema[name].is_numeric():
            cells = points[:, chosen.index(j)] if j in chosen else nothing
            columns.append(nw.new_series(name, cells, backend=rows.implementation))
        else:
            columns.append(nw.when(nw.lit(value=False)).then(nw.col(name)).alias(name))
    return rows.select(*columns).to_native()


def _edges(middles: Array) -> Array:
    """Ends of bins of even width."""
    half = (middles[1] - middles[0]) / 2.0 if len(middles) > 1 else 0.5
    return np.append(middles - half, middles[-1] + half)
