"""Sequences with their decoded states, and the transitions between states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklgen._frames import open_frame
from sklgen._typing import Array
from sklgen.hmm._groups import read_sequences
from sklgen.plotting._parts import colours_of, given_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# How much of its colour the background of a state has.
_SHADE = 0.3


class StatesDisplay:
    """Rows of sequences as lines over time, on a background that shows the states.

    Make one with `from_estimator`, which draws it.

    Parameters
    ----------
    columns : dict of str to ndarray of shape (n_samples,)
        Values of each column by its name: numbers, or labels.
    states : ndarray of int of shape (n_samples,)
        State of each row, from 0.
    ends : ndarray of int of shape (n_sequences,)
        Where each sequence ends, its last row excluded. None is one sequence.
    time : ndarray of shape (n_samples,), default=None
        Numbers or dates that rise from row to row; None counts rows.
    transmat : ndarray of shape (n_states, n_states), default=None
        Transition probabilities, for `plot_transitions`.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    axes_ : ndarray of matplotlib Axes
        One for each column that was drawn, or that of the transitions.
    lines_ : list of matplotlib Line2D
        For each column, a line for each sequence.
    bands_ : list of matplotlib PolyCollection
        For each column, the background of each state that occurs.
    image_ : matplotlib AxesImage
        The transitions, after `plot_transitions`.

    See Also
    --------
    sklgen.hmm.GaussianHMM : A model whose states can be drawn.

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.hmm import GaussianHMM
    >>> from sklgen.plotting import StatesDisplay
    >>> X = load_old_faithful(as_frame=True).data
    >>> model = GaussianHMM(2, random_state=0).fit(X)
    >>> display = StatesDisplay.from_estimator(model, X.head(60))
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['duration', 'waiting']
    >>> display.plot_transitions().image_.get_array().shape
    (2, 2)
    """

    def __init__(
        self,
        columns: dict[str, NDArray[Any]],
        states: NDArray[np.intp],
        *,
        ends: NDArray[np.intp] | None = None,
        time: NDArray[Any] | None = None,
        transmat: Array | None = None,
    ) -> None:
        self.columns = columns
        self.states = states
        self.ends = ends
        self.time = time
        self.transmat = transmat

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        groups: Any = None,
        *,
        columns: Any = None,
        time: Any = None,
        ax: Any = None,
        cmap: Any = "tab10",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Decode sequences, and draw them with their states.

        Parameters
        ----------
        estimator : estimator
            A fitted model of sequences.
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time. A list has one sequence a table.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row. Several sequences are drawn one after another.
        columns : str, int, or list of them, default=None
            The columns to draw, by name or number. None draws all.
        time : array-like of shape (n_samples,), default=None
            Numbers or dates that rise from row to row; None counts rows.
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each column. None makes a figure.
        cmap : str or matplotlib Colormap, default="tab10"
            Colours of the states.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : StatesDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a column is unknown, time does not rise, or there is not one `ax` for
            each column.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        states = estimator.predict(X, groups)
        data = read_sequences(X, groups)
        if data.parts is not None:
            states = np.concatenate(states)
        if time is not None:
            time = column_or_1d(np.asarray(time))
            check_consistent_length(states, time)
        display = cls(
            _chosen(_values(data.X, estimator), columns),
            states,
            ends=data.ends,
            time=time,
            transmat=getattr(estimator, "transmat_", None),
        )
        return display.plot(ax=ax, cmap=cmap, line_kw=line_kw)

    def plot(
        self,
        *,
        ax: Any = None,
        cmap: Any = "tab10",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the columns with their states.

        Parameters
        ----------
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each column. None makes a figure.
        cmap : str or matplotlib Colormap, default="tab10"
            Colours of the states.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : StatesDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        time = self._times()
        n = len(self.columns)
        self.axes_ = _one_a_column(ax, n)
        self.figure_ = self.axes_[0].figure
        self.lines_: list[Any] = []
        self.bands_: list[Any] = []
        style = {"color": "0.15", "linewidth": 1.0} | (line_kw or {})
        for axes, (name, values) in zip(self.axes_, self.columns.items(), strict=True):
            self._shade(axes, time, cmap)
            numbers, labels = _numbers(values)
            for part in self._parts:
                self.lines_ += axes.plot(time[part], numbers[part], **style)
            if labels is not None:
                axes.set_yticks(np.arange(len(labels)), labels)
            axes.set_ylabel(name)
            if self.time is not None and self.time.dtype.kind == "M":
                axes.xaxis_date()
            axes.margins(x=0)
        if self.time is None:
            self.axes_[-1].set_xlabel("row")
        first = self.axes_[0]
        first.legend(
            handles=self.bands_[: len(self.bands_) // n],
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=6,
            frameon=False,
            borderaxespad=0.2,
        )
        return self

    def plot_transitions(self, *, ax: Any = None, cmap: Any = "Blues") -> Self:
        """Draw the transition probabilities as a heat map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours from probability 0 to 1.

        Returns
        -------
        display : StatesDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the model has not one transition matrix.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot_transitions")
        if self.transmat is None:
            raise ValueError(
                "there is no transition matrix to draw: the estimator has no "
                "transmat_. Give `transmat`, or an HMM with one chain."
            )
        self.axes_ = _one_a_column(ax, 1, size=(4.0, 4.0))
        axes = self.axes_[0]
        self.figure_ = axes.figure
        self.image_ = axes.imshow(self.transmat, cmap=cmap, vmin=0.0, vmax=1.0)
        for (row, column), share in np.ndenumerate(self.transmat):
            colour = "white" if share > 0.5 else "black"
            text = f"{share:.2f}" if share > 0 else "0"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        each = np.arange(len(self.transmat))
        axes.set(xticks=each, yticks=each, xlabel="next state", ylabel="state")
        return self

    @property
    def _parts(self) -> list[slice]:
        n = len(self.states)
        ends = np.array([n]) if self.ends is None else self.ends
        starts = np.append(0, ends[:-1])
        return [slice(*pair) for pair in zip(starts, ends, strict=True)]

    def _times(self) -> Array:
        """Time as numbers that matplotlib draws."""
        if self.time is None:
            return np.arange(len(self.states), dtype=np.float64)
        if self.time.dtype.kind == "M":
            import matplotlib.dates as dates

            time = np.asarray(dates.date2num(self.time), dtype=np.float64)  # type: ignore[no-untyped-call]
        else:
            time = self.time.astype(np.float64)
        if not (np.diff(time) > 0).all():
            row = int(np.flatnonzero(~(np.diff(time) > 0))[0]) + 1
            raise ValueError(
                f"time must rise from row to row, but does not at row {row}. Sequences "
                "are drawn one after another: draw those that overlap one by one."
            )
        return time

    def _shade(self, axes: Axes, time: Array, cmap: Any) -> None:
        """Colour the background by state, one collection for each."""
        spans = [(time[part], self.states[part]) for part in self._parts]
        colours = colours_of(int(self.states.max(initial=0)) + 1, cmap)
        for state in np.unique(self.states):
            self.bands_.append(
                axes.broken_barh(
                    [run for span in spans for run in _runs(*span, state)],
                    (0.0, 1.0),
                    transform=axes.get_xaxis_transform(),
                    facecolor=colours[state],
                    alpha=_SHADE,
                    linewidth=0,
                    zorder=0,
                    label=f"state {state}",
                )
            )


def _runs(time: Array, states: NDArray[np.intp], state: int) -> list[tuple[Any, Any]]:
    """Start and width of each run of a state; rows reach half way to the next."""
    gaps = np.diff(time)
    near = gaps if len(gaps) else np.ones(1)
    inner = time[:-1] + gaps / 2
    edges = np.concatenate([[time[0] - near[0] / 2], inner, [time[-1] + near[-1] / 2]])
    inside = np.concatenate([[False], states == state, [False]])
    starts = np.flatnonzero(inside[1:] & ~inside[:-1])
    stops = np.flatnonzero(~inside[1:] & inside[:-1])
    return list(zip(edges[starts], edges[stops] - edges[starts], strict=True))


def _values(X: Any, estimator: Any) -> dict[str, NDArray[Any]]:
    """Columns of a table by name."""
    frame = open_frame(X, type(estimator).__name__)
    if frame is not None:
        return {str(s.name): np.asarray(s.to_numpy()) for s in frame.iter_columns()}
    rows = np.asarray(X)
    names = getattr(estimator, "feature_names_in_", range(rows.shape[1]))
    return {
        name if isinstance(name, str) else f"column {name}": rows[:, j]
        for j, name in enumerate(names)
    }


def _chosen(values: dict[str, NDArray[Any]], columns: Any) -> dict[str, NDArray[Any]]:
    if columns is None:
        return values
    names = list(values)
    wanted: Sequence[Any] = [columns] if isinstance(columns, (str, int)) else columns
    found = {}
    for column in wanted:
        known = names if isinstance(column, str) else range(len(names))
        if column not in known:
            raise ValueError(f"columns has {column!r}, but those of X are {names}.")
        name = column if isinstance(column, str) else names[column]
        found[name] = values[name]
    return found


def _numbers(values: NDArray[Any]) -> tuple[Array, list[str] | None]:
    """Numbers to draw; labels become their place in the alphabet."""
    if values.dtype.kind in "fiu":
        return values.astype(np.float64), None
    known = np.array([value is not None and value == value for value in values])
    texts = np.array([str(value) for value in values[known]])
    labels, codes = np.unique(texts, return_inverse=True)
    numbers = np.full(len(values), np.nan)
    numbers[known] = codes
    return numbers, [str(label) for label in labels]


def _one_a_column(
    ax: Any, n: int, size: tuple[float, float] | None = None
) -> NDArray[Any]:
    """The axes that were given, or those of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        figsize = size or (8.0, 1.2 + 1.6 * n)
        _, made = plt.subplots(
            n, 1, sharex=True, squeeze=False, figsize=figsize, layout="constrained"
        )
        return np.asarray(made[:, 0])
    return given_axes(ax, n, "columns")
