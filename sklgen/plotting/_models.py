"""Measures of several models side by side."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklgen._typing import Array
from sklgen.plotting._columns import REAL, SYNTHETIC, plain
from sklgen.plotting._parts import given_axes

_SECONDS = "_seconds"
# A half is the best of these.
_HALVES = ("c2st_auc", "closest_record_share")


class ModelComparisonDisplay:
    """Measures of models: one panel a measure, one line a model, one dot a fold.

    Bars are at the means over folds. Anchors, which are no models, are grey. Make one
    with `from_comparison`, which draws it.

    Parameters
    ----------
    values : dict of dict of ndarray of shape (n_folds,)
        Values of each fold, by measure and model; NaN where there is none. A measure
        need not have all models.
    anchors : tuple of str, default=()
        Which models are anchors.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    axes_ : ndarray of matplotlib Axes of shape (n_measures,)
        One for each measure.

    See Also
    --------
    SampleComparisonDisplay : Draws of one model beside real rows.
    sklgen.compose.compare : What is drawn.

    Examples
    --------
    >>> from sklgen.plotting import ModelComparisonDisplay
    >>> energy = {"one": np.array([0.3, 0.2]), "two": np.array([0.1, 0.1])}
    >>> display = ModelComparisonDisplay({"energy": energy}).plot()
    >>> [label.get_text() for label in display.axes_[0].get_yticklabels()]
    ['one', 'two']
    """

    def __init__(
        self, values: dict[str, dict[str, Array]], *, anchors: tuple[str, ...] = ()
    ) -> None:
        self.values = values
        self.anchors = anchors

    @classmethod
    def from_comparison(cls, comparison: Any, *, ax: Any = None) -> Self:
        """Draw what `sklgen.compose.compare` found.

        Parameters
        ----------
        comparison : Comparison
            The comparison.
        ax : array of matplotlib Axes, default=None
            Where to draw, one for each measure. None makes a figure.

        Returns
        -------
        display : ModelComparisonDisplay
            What was drawn.
        """
        from sklgen.compose._compare_parts import INDEPENDENT, REAL

        check_matplotlib_support(f"{cls.__name__}.from_comparison")
        if not hasattr(comparison, "folds"):
            raise TypeError(
                "comparison must be what sklgen.compose.compare returns, got "
                f"{type(comparison).__name__}."
            )
        folds = comparison.folds.drop(columns="c2st_std_error", errors="ignore")
        values = {
            measure: {
                name: column.loc[name].to_numpy(dtype=float)
                for name in comparison.measures
            }
            for measure, column in folds.items()
        }
        return cls(values, anchors=(REAL, INDEPENDENT)).plot(ax=ax)

    def plot(self, *, ax: Any = None) -> Self:
        """Draw the measures.

        Parameters
        ----------
        ax : array of matplotlib Axes, default=None
            Where to draw, one for each measure. None makes a figure.

        Returns
        -------
        display : ModelComparisonDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        n = len(self.values)
        if not n:
            raise ValueError("values is empty: give one measure or more.")
        names = list(
            dict.fromkeys(name for one in self.values.values() for name in one)
        )
        self.axes_ = (
            _panels(n, len(names)) if ax is None else given_axes(ax, n, "measures")
        )
        self.figure_ = self.axes_[0].figure
        for at, (axes, (measure, models)) in enumerate(
            zip(self.axes_, self.values.items(), strict=True)
        ):
            for place, name in enumerate(names):
                self._draw(axes, place, name, np.asarray(models.get(name, ()), float))
            axes.set_title(measure.replace("_", " "), fontsize="medium")
            first = ax is not None or at % _across(n) == 0
            axes.set_yticks(
                range(len(names)), [plain(name) for name in names] if first else []
            )
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize="small")
            if measure in _HALVES:
                axes.axvline(0.5, color="0.8", linewidth=0.8, zorder=0)
            seen = np.concatenate(list(models.values()))
            seen = seen[np.isfinite(seen)]
            wide = len(seen) and seen.min() > 0 and seen.max() > 30 * seen.min()
            if measure.endswith(_SECONDS) and wide:
                axes.set_xscale("log")
        return self

    def _draw(self, axes: Any, place: int, name: str, values: Array) -> None:
        colour = REAL if name in self.anchors else SYNTHETIC
        seen = values[np.isfinite(values)]
        if not len(seen):
            return
        axes.scatter(
            seen, np.full(len(seen), place), s=14.0, color=colour, alpha=0.5,
            linewidths=0,
        )  # fmt: skip
        if len(seen) == len(values):
            axes.plot(
                [seen.mean()] * 2, [place - 0.25, place + 0.25], color=colour,
                linewidth=2.2,
            )  # fmt: skip


def _across(n: int) -> int:
    return min(n, 4)


def _panels(n: int, n_models: int) -> NDArray[Any]:
    import matplotlib.pyplot as plt

    across = _across(n)
    down = -(-n // across)
    _, made = plt.subplots(
        down,
        across,
        squeeze=False,
        figsize=(1.4 + 2.5 * across, down * (0.9 + 0.3 * n_models)),
        layout="constrained",
    )
    axes = np.asarray(made).ravel()
    for empty in axes[n:]:
        empty.remove()
    return axes[:n]
