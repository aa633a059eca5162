"""Losses of networks, and what was watched while they were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from sklgen._typing import Array
from sklgen.plotting._parts import colours_of, given_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What an epoch also tells, which is not for a picture.
_OTHERS = ("epoch", "dur")
# Where a name says which rows a value is of; these share their panel.
_ROWS = ("train_", "valid_")
# Few epochs have dots; and positive values that differ by more have a logarithmic axis.
_FEW, _WIDE = 20, 100.0


class TrainingHistoryDisplay:
    """Losses and other values that were watched in training, epoch by epoch.

    Values of training rows and of rows that were held out share a panel where they are
    the same otherwise, such as ``train_loss`` and ``valid_loss``. The dashed line is at
    the epoch whose networks were kept, if epochs were compared. Panels whose values are
    positive and differ by a factor beyond 100 are logarithmic.

    Make one with `from_estimator` or `from_history`, which draw it.

    Parameters
    ----------
    values : dict of str to ndarray of shape (n_epochs,)
        Value of each epoch, by name; NaN where an epoch has none.
    steps : ndarray of shape (n_epochs,)
        Number of steps up to the end of each epoch.
    best : int, default=None
        Position of the epoch whose networks were kept. None marks none.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    axes_ : ndarray of matplotlib Axes
        One for each kind of value.
    lines_ : dict of str to matplotlib Line2D
        The line of each value.
    marks_ : list of matplotlib Line2D
        The mark of the best epoch in each of the axes; empty if there is none.

    See Also
    --------
    TraceDisplay : The same for chains of a posterior: draws in their order.

    Examples
    --------
    >>> from sklgen.plotting import TrainingHistoryDisplay
    >>> history = [
    ...     {"train_loss": 2.0, "valid_loss": 2.1, "best": True},
    ...     {"train_loss": 1.0, "valid_loss": 1.3, "best": True},
    ...     {"train_loss": 0.8, "valid_loss": 1.4, "best": False},
    ... ]
    >>> display = TrainingHistoryDisplay.from_history(history)
    >>> list(display.values)
    ['train_loss', 'valid_loss']
    >>> display.best
    1
    """

    def __init__(
        self,
        values: dict[str, Array],
        steps: NDArray[np.intp],
        *,
        best: int | None = None,
    ) -> None:
        self.values = values
        self.steps = steps
        self.best = best

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        values: Any = None,
        against: Literal["steps", "epochs"] = "steps",
        ax: Any = None,
        cmap: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator with a `history_`, such as those of `sklgen.neural`.
        values : str or list of str, default=None
            Names of values, such as "valid_loss". None takes all.
        against : {"steps", "epochs"}, default="steps"
            What the horizontal axis counts.
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each kind of value. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the values of a panel. None takes one that tells them apart.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            What was drawn.

        Raises
        ------
        TypeError
            If the estimator has no history.
        ValueError
            If the history has no such values, or there is not one `ax` for each panel.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "history_"):
            raise TypeError(
                f"{type(estimator).__name__} has no history_ to draw: give a model of "
                "sklgen.neural; of a pipeline, the step that is one."
            )
        return cls.from_history(
            estimator.history_, values=values, against=against, ax=ax, cmap=cmap,
            line_kw=line_kw,
        )  # fmt: skip

    @classmethod
    def from_history(
        cls,
        history: Sequence[Mapping[str, Any]],
        *,
        values: Any = None,
        against: Literal["steps", "epochs"] = "steps",
        ax: Any = None,
        cmap: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the history of a training.

        Parameters
        ----------
        history : list of dict
            What each epoch tells by name, as `history_` and skorch have it.
            ``"train_batch_count"``, if it is there, is its number of steps, and
            ``"best"`` whether it was better than those before.
        values : str or list of str, default=None
            Names of values, such as "valid_loss". None takes all.
        against : {"steps", "epochs"}, default="steps"
            What the horizontal axis counts.
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each kind of value. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the values of a panel. None takes one that tells them apart.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            What was drawn.

        Raises
        ------
        TypeError
            If the history is no list of dicts.
        ValueError
            If the history has no such values, or there is not one `ax` for each panel.
        """
        check_matplotlib_support(f"{cls.__name__}.from_history")
        if not _is_history(history):
            raise TypeError(
                "history must be a list with a dict of values for each epoch, as "
                f"history_ is, got {type(history).__name__}; of a DataFrame, "
                "df.to_dict('records') is one."
            )
        known = list(dict.fromkeys(name for epoch in history for name in epoch))
        names = [name for name in known if _is_drawn(name, history)]
        found = {
            name: np.array([float(epoch.get(name, np.nan)) for epoch in history])
            for name in _asked(values, names)
        }
        counts = [int(epoch.get("train_batch_count", 1)) for epoch in history]
        marked = [at for at, epoch in enumerate(history) if epoch.get("best", False)]
        display = cls(found, np.cumsum(counts), best=marked[-1] if marked else None)
        return display.plot(against=against, ax=ax, cmap=cmap, line_kw=line_kw)

    def plot(
        self,
        *,
        against: Literal["steps", "epochs"] = "steps",
        ax: Any = None,
        cmap: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the values.

        Parameters
        ----------
        against : {"steps", "epochs"}, default="steps"
            What the horizontal axis counts.
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each kind of value. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the values of a panel. None takes one that tells them apart.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : TrainingHistoryDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if against not in ("steps", "epochs"):
            raise ValueError(f"against must be 'steps' or 'epochs', got {against!r}.")
        panels: dict[str, list[str]] = {}
        for name in self.values:
            panels.setdefault(_kind(name), []).append(name)
        self.axes_ = _one_a_panel(ax, len(panels))
        self.figure_ = self.axes_[0].figure
        self.lines_: dict[str, Any] = {}
        self.marks_: list[Any] = []
        places = self.steps if against == "steps" else np.arange(1, len(self.steps) + 1)
        for axes, (kind, names) in zip(self.axes_, panels.items(), strict=True):
            for name, colour in zip(names, colours_of(len(names), cmap), strict=True):
                given = {"color": colour, "label": name, "linewidth": 1.2}
                line = _draw(axes, places, self.values[name], given | (line_kw or {}))
                self.lines_[name] = line
            axes.set_ylabel(kind.replace("_", " "))
            if _spans_decades([self.values[name] for name in names]):
                axes.set_yscale("log")
            if self.best is not None:
                # The first panel names the mark.
                label = "" if self.marks_ else f"best epoch: {self.best + 1}"
                self.marks_.append(_mark(axes, places[self.best], label))
            axes.legend(frameon=False, fontsize="small")
        for axes in self.axes_[-1:] if ax is None else self.axes_:
            axes.set_xlabel(against[:-1])
            axes.xaxis.get_major_locator().set_params(integer=True)
        return self


def _is_history(history: Any) -> bool:
    return isinstance(history, Sequence) and all(
        isinstance(epoch, Mapping) for epoch in history
    )


def _is_drawn(name: str, history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all values of that name are numbers for a picture."""
    values = [epoch[name] for epoch in history if name in epoch]
    flags = any(isinstance(value, bool | np.bool_) for value in values)
    numbers = all(isinstance(value, Real) for value in values)
    return numbers and not (flags or name in _OTHERS or name.endswith("_count"))


def _asked(values: Any, names: list[str]) -> list[str]:
    """The names that were asked for, or all."""
    if not names:
        raise ValueError(
            "the history has no values to draw: fit for at least one epoch first."
        )
    if values is None:
        return names
    asked = [values] if isinstance(values, str) else list(values)
    unknown = [name for name in asked if name not in names]
    if unknown or not asked:
        raise ValueError(
            f"values must be among those of the history, {names}, got {values!r}."
        )
    return asked


def _kind(name: str) -> str:
    """What a value is, whichever rows it is of."""
    for rows in _ROWS:
        name = name.removeprefix(rows)
    return name


def _draw(axes: Axes, places: NDArray[Any], x: Array, given: dict[str, Any]) -> Any:
    """A line over the epochs that have a value."""
    there = ~np.isnan(x)
    if there.sum() <= _FEW:
        given = {"marker": "o", "markersize": 3.0} | given
    (line,) = axes.plot(places[there], x[there], **given)
    return line


def _mark(axes: Axes, place: float, label: str) -> Any:
    style: dict[str, Any] = {"color": "0.4", "linestyle": "dashed", "linewidth": 0.8}
    return axes.axvline(place, label=label, **style)


def _spans_decades(values: list[Array]) -> bool:
    found = np.concatenate(values)
    found = found[np.isfinite(found)]
    return bool(len(found) and found.min() > 0 and found.max() / found.min() > _WIDE)


def _one_a_panel(ax: Any, n: int) -> NDArray[Any]:
    """The axes that were given, or those of a new figure."""
    if ax is not None:
        return given_axes(ax, n, "kinds of values")
    import matplotlib.pyplot as plt

    _, made = plt.subplots(
        n,
        squeeze=False,
        sharex=True,
        figsize=(7.0, 0.8 + 2.2 * n),
        layout="constrained",
    )
    return np.asarray(made[:, 0])
