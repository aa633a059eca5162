"""Real and synthetic rows side by side: marginals, pairs, correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklgen._random import as_generator
from sklgen.metrics._association import associations
from sklgen.metrics._scorers import _draw
from sklgen.metrics._tables import Table, read_tables
from sklgen.plotting._columns import (
    REAL,
    SYNTHETIC,
    DrawnColumn,
    draw_bars,
    draw_histogram,
    positions,
    title_of,
    worst_columns,
)
from sklgen.plotting._parts import given_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["marginals", "pairs", "correlations"]
# Columns that are drawn unless they are asked for.
_MOST: dict[Kind, int] = {"marginals": 24, "pairs": 5, "correlations": 24}
# More dots hide each other; more columns leave no room for numbers in cells.
_DOTS, _NUMBERED = 1000, 8


class SampleComparisonDisplay:
    """Real rows beside synthetic ones: marginals, pairs of columns, or correlations.

    Tables may have numbers, labels, dates and missing cells. Real rows are grey,
    synthetic ones blue. Make one with `from_estimator` or `from_samples`, which draw
    it; `plot` draws the same rows in another way.

    Parameters
    ----------
    real, synthetic : tuple of columns
        The rows as `from_samples` reads them.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    axes_ : ndarray of matplotlib Axes
        One for each marginal; a square of pairs; or three of correlations.
    features_ : list
        Names of the columns that were drawn, or their positions in arrays.

    See Also
    --------
    DensityDisplay : The density of a model.
    sklgen.metrics.marginal_distances : Marginals as numbers.

    Notes
    -----
    Axes leave out numbers that are more than three times the width of the middle 90 %
    beyond it, if these are no more than 1 %; shares are of all rows. The eight most
    frequent levels are drawn, and the others as one.

    In the square of pairs, real rows are below the diagonal and synthetic ones above
    it: what is mirrored should look alike. Labels are spread about their place.

    Correlations are Spearman's for two numbers, the correlation ratio of ranks for a
    number and a label, and Cramér's V for two labels, where the last two have no sign.

    Examples
    --------
    >>> from sklgen.datasets import load_penguins
    >>> from sklgen.mixture import TabularMixture
    >>> from sklgen.plotting import SampleComparisonDisplay
    >>> X = load_penguins(as_frame=True).frame
    >>> model = TabularMixture(6, random_state=0).fit(X)
    >>> display = SampleComparisonDisplay.from_estimator(model, X, random_state=0)
    >>> len(display.axes_) == X.shape[1]
    True
    >>> display.plot(kind="correlations", features=["bill_depth_mm", "sex"]).features_
    ['bill_depth_mm', 'sex']
    """

    def __init__(self, real: Table, synthetic: Table) -> None:
        self.real = real
        self.synthetic = synthetic

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_samples: int | None = None,
        kind: Kind = "marginals",
        features: Any = None,
        ax: Any = None,
        random_state: Any = None,
    ) -> Self:
        """Draw rows beside those of a fitted model.

        Parameters
        ----------
        estimator : estimator
            A fitted model with `sample`.
        X : array-like or DataFrame of shape (n_rows, n_features)
            Real rows, best those that the model has not seen.
        n_samples : int, default=None
            Number of synthetic rows. None draws as many as there are real ones.
        kind : {"marginals", "pairs", "correlations"}, default="marginals"
            What to draw.
        features : list of str or int, default=None
            Names of columns, or their positions. None takes all, or of more than 24, or
            5 for pairs, those whose marginals differ most.
        ax : array of matplotlib Axes, default=None
            Where to draw, as many as `axes_` has. None makes a figure.
        random_state : int, RandomState instance or None, default=None
            Seed of the synthetic rows.

        Returns
        -------
        display : SampleComparisonDisplay
            What was drawn.
        """
        check_is_fitted(estimator)
        seed = int(as_generator(random_state).integers(2**31))
        rows = _draw(
            estimator, _num_samples(X) if n_samples is None else n_samples, seed
        )
        return cls.from_samples(X, rows, kind=kind, features=features, ax=ax)

    @classmethod
    def from_samples(
        cls,
        X_real: Any,
        X_synthetic: Any,
        *,
        kind: Kind = "marginals",
        features: Any = None,
        ax: Any = None,
    ) -> Self:
        """Draw two tables.

        Parameters
        ----------
        X_real, X_synthetic : array-like or DataFrame of shape (n_rows, n_features)
            The tables, with the same columns.
        kind : {"marginals", "pairs", "correlations"}, default="marginals"
            What to draw.
        features : list of str or int, default=None
            Names of columns, or their positions. None takes all, or of more than 24, or
            5 for pairs, those whose marginals differ most.
        ax : array of matplotlib Axes, default=None
            Where to draw, as many as `axes_` has. None makes a figure.

        Returns
        -------
        display : SampleComparisonDisplay
            What was drawn.
        """
        check_matplotlib_support(f"{cls.__name__}.from_samples")
        real, synthetic = read_tables(X_real=X_real, X_synthetic=X_synthetic)
        return cls(real, synthetic).plot(kind=kind, features=features, ax=ax)

    def plot(
        self, *, kind: Kind = "marginals", features: Any = None, ax: Any = None
    ) -> Self:
        """Draw the tables.

        Parameters
        ----------
        kind : {"marginals", "pairs", "correlations"}, default="marginals"
            What to draw.
        features : list of str or int, default=None
            Names of columns, or their positions. None takes all, or of more than 24, or
            5 for pairs, those whose marginals differ most.
        ax : array of matplotlib Axes, default=None
            Where to draw, as many as `axes_` has. None makes a figure.

        Returns
        -------
        display : SampleComparisonDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there is no such kind or column, or a wrong number of axes.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {get_args(Kind)}, got {kind!r}.")
        if features is None:
            chosen = worst_columns(self.real, self.synthetic, _MOST[kind])
        else:
            chosen = positions(features, [column.name for column in self.real])
        tables = [
            tuple(table[j] for j in chosen) for table in (self.real, self.synthetic)
        ]
        self.features_ = [column.name for column in tables[0]]
        draw = {
            "marginals": _draw_marginals,
            "pairs": _draw_pairs,
            "correlations": _draw_correlations,
        }[kind]
        self.axes_ = draw(tables[0], tables[1], ax)
        self.figure_ = self.axes_.flat[0].figure
        return self


def _drawn(real: Table, synthetic: Table) -> list[DrawnColumn]:
    return [DrawnColumn.of(*pair) for pair in zip(real, synthetic, strict=True)]


def _draw_marginals(real: Table, synthetic: Table, ax: Any) -> NDArray[Any]:
    columns = _drawn(real, synthetic)
    n = len(columns)
    if ax is None:
        across = min(n, 4)
        down = -(-n // across)
        made = _figure(down, across, (3.0 * across, 0.5 + 2.3 * down)).ravel()
        for empty in made[n:]:
            empty.remove()
        axes = made[:n]
    else:
        axes = given_axes(ax, n, "columns")
    for one, column in zip(axes, columns, strict=True):
        one.set_title(column.name, fontsize="medium")
        if column.levels is not None:
            draw_bars(one, column)
        else:
            draw_histogram(one, column)
            if any(column.missing):
                shares = " | ".join(f"{100 * gone:.1f} %" for gone in column.missing)
                one.set_xlabel(f"missing: {shares}", fontsize="small")
        _tidy(one)
    _explain(axes, own=ax is None)
    return axes


def _draw_pairs(real: Table, synthetic: Table, ax: Any) -> NDArray[Any]:
    columns = _drawn(real, synthetic)
    n = len(columns)
    if ax is None:
        side = max(4.0, 2.1 * n)
        axes = _figure(n, n, (side, side))
    else:
        axes = given_axes(ax, n * n, "pairs").reshape(n, n)
    rng = np.random.default_rng(0)
    spread = [_spread(column, rng) for column in columns]
    for i, j in np.ndindex(n, n):
        one: Any = axes[i, j]
        if i == j:
            draw_histogram(one, columns[i])
            one.set_yticks([])
        else:
            below = i > j
            x, y = (spread[k][0 if below else 1] for k in (j, i))
            colour = "0.3" if below else SYNTHETIC
            style: dict[str, Any] = {"s": 6.0, "color": colour, "linewidths": 0}
            one.scatter(x, y, alpha=_opacity(len(x)), **style)
            one.set_xlim(*columns[j].limits())
            one.set_ylim(*columns[i].limits())
            columns[j].mark(one.xaxis)
            columns[i].mark(one.yaxis)
        _tidy(one)
        one.tick_params(
            labelsize="x-small", labelbottom=i == n - 1, labelleft=j == 0 < i
        )
        if i == n - 1:
            one.set_xlabel(columns[j].name)
            if columns[j].levels is not None or columns[j].dates:
                one.tick_params(axis="x", labelrotation=90)
        if j == 0:
            one.set_ylabel(columns[i].name)
    _explain(axes[0], own=ax is None)
    return np.asarray(axes)


def _spread(column: DrawnColumn, rng: np.random.Generator) -> list[NDArray[Any]]:
    """Places of some rows; those of labels are spread."""
    some = []
    for at in column.places:
        at = at[:: -(-len(at) // _DOTS) or 1]  # rows may be sorted
        jitter = rng.uniform(-0.25, 0.25, size=len(at))
        some.append(at if column.levels is None else at + jitter)
    return some


def _opacity(n: int) -> float:
    return float(np.clip(150.0 / max(n, 1), 0.25, 0.8))


def _draw_correlations(real: Table, synthetic: Table, ax: Any) -> NDArray[Any]:
    found = [associations(table) for table in (real, synthetic)]
    n = len(real)
    if ax is None:
        side = float(np.clip(0.45 * n, 2.6, 7.0))
        axes = _figure(1, 3, (3 * side + 2.4, side + 1.4)).ravel()
    else:
        axes = given_axes(ax, 3, "matrices")
    names = [title_of(column.name) for column in real]
    panels = [
        ("real", found[0], "RdBu_r", 1.0),
        ("synthetic", found[1], "RdBu_r", 1.0),
        ("synthetic - real", found[1] - found[0], "PuOr_r", 0.5),
    ]
    for one, (title, values, cmap, most) in zip(axes, panels, strict=True):
        image = one.imshow(values, cmap=cmap, vmin=-most, vmax=most)
        one.set_title(title, fontsize="medium")
        one.grid(visible=False)
        one.set_xticks(range(n), names, rotation=90, fontsize="small")
        one.set_yticks(range(n), names if one is axes[0] else [], fontsize="small")
        if n <= _NUMBERED:
            _number(one, values, most)
        if title != "real":
            beside = [*axes[:2]] if title == "synthetic" else one
            one.figure.colorbar(image, ax=beside, shrink=0.7)
    return axes


def _number(ax: Axes, values: NDArray[Any], most: float) -> None:
    for (i, j), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.6 * most else "black"
        ax.text(
            j, i, f"{round(value, 2) + 0.0:.2f}", color=colour, fontsize="x-small",
            ha="center", va="center",
        )  # fmt: skip


def _figure(down: int, across: int, size: tuple[float, float]) -> NDArray[Any]:
    import matplotlib.pyplot as plt

    _, made = plt.subplots(
        down, across, squeeze=False, figsize=size, layout="constrained"
    )
    return np.asarray(made)


def _tidy(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize="small")


def _explain(axes: NDArray[Any], *, own: bool) -> None:
    """Say which colour is which: above a figure of our own, else in the first axes."""
    if not own:
        axes[0].legend(frameon=False, fontsize="small")
        return
    from matplotlib.patches import Patch

    handles = [Patch(color=REAL, alpha=0.6), Patch(color=SYNTHETIC)]
    axes[0].figure.legend(
        handles, ["real", "synthetic"], loc="outside upper right", ncols=2,
        frameon=False,
    )  # fmt: skip
