"""Pairs of parameters of a posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklgen._typing import Array
from sklgen.plotting._parts import given_axes
from sklgen.plotting._scalars import density, drawn, marked, scalars, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Most parameters that are drawn unless they are asked for; more dots hide each other.
_MOST, _DOTS = 6, 2000
# Panels of more parameters are too small for numbers at their axes.
_NUMBERED = 10
_COLOUR, _DIVERGENT = "tab:blue", "tab:orange"


class PairsDisplay:
    """Draws of parameters against each other, and the density of each.

    Dots that diverged are orange: where they gather, the posterior is too narrow for
    the steps of the sampler, and what is beyond may have been missed. Axes leave out
    draws that are more than three times the width of the middle 90 % beyond it.

    Make one with `from_estimator` or `from_draws`, which draw it.

    Parameters
    ----------
    draws : dict of str to ndarray of shape (n_chains, n_draws)
        Draws of single numbers, by label.
    divergent : array-like of bool of shape (n_chains, n_draws), default=None
        Which draws diverged. None marks none.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    axes_ : ndarray of matplotlib Axes of shape (n_parameters, n_parameters)
        Densities are on the diagonal, pairs below it. Those above are not shown.
    dots_ : list of matplotlib PathCollection
        The draws of each pair, row by row.
    divergences_ : list of matplotlib PathCollection
        The draws of each pair that diverged; empty if none did.

    See Also
    --------
    TraceDisplay : Draws of chains in their order.
    ForestDisplay : Intervals of many parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.plotting import PairsDisplay
    >>> x = np.random.default_rng(0).normal(size=(4, 500, 3))
    >>> display = PairsDisplay.from_draws({"mu": x[..., 0], "beta": x[..., 1:]})
    >>> [ax.get_xlabel() for ax in display.axes_[-1]]
    ['mu', 'beta[0]', 'beta[1]']
    """

    def __init__(self, draws: dict[str, Array], *, divergent: Any = None) -> None:
        self.draws = draws
        self.divergent = divergent

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        parameters: Any = None,
        ax: Any = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw pairs of parameters of a fitted posterior.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator of `sklgen.mcmc`.
        parameters : str or list of str, default=None
            Names of parameters, such as "beta", or of numbers in them, such as
            "beta[3]". None takes all, or of more than 6 numbers those that have the
            smallest bulk effective sample sizes.
        ax : array of matplotlib Axes, default=None
            Where to draw, a square of them. None makes a figure.
        scatter_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.scatter`, for draws that did not diverge.

        Returns
        -------
        display : PairsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a parameter is unknown, or there is not one `ax` for each pair.
        """
        draws, divergent = drawn(estimator)
        return cls.from_draws(
            draws, divergent=divergent, parameters=parameters, ax=ax,
            scatter_kw=scatter_kw,
        )  # fmt: skip

    @classmethod
    def from_draws(
        cls,
        draws: Mapping[str, Any],
        *,
        divergent: Any = None,
        parameters: Any = None,
        ax: Any = None,
        scatter_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw pairs of parameters.

        Parameters
        ----------
        draws : mapping of str to array-like of shape (n_chains, n_draws, ...)
            Draws of each parameter.
        divergent : array-like of bool of shape (n_chains, n_draws), default=None
            Which draws diverged. None marks none.
        parameters : str or list of str, default=None
            Names of parameters, such as "beta", or of numbers in them, such as
            "beta[3]". None takes all, or of more than 6 numbers those that have the
            smallest bulk effective sample sizes.
        ax : array of matplotlib Axes, default=None
            Where to draw, a square of them. None makes a figure.
        scatter_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.scatter`, for draws that did not diverge.

        Returns
        -------
        display : PairsDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a parameter is unknown, or there is not one `ax` for each pair.
        """
        check_matplotlib_support(f"{cls.__name__}.from_draws")
        display = cls(scalars(draws, parameters, _MOST), divergent=divergent)
        return display.plot(ax=ax, scatter_kw=scatter_kw)

    def plot(self, *, ax: Any = None, scatter_kw: dict[str, Any] | None = None) -> Self:
        """Draw the pairs.

        Of more than 2000 draws so many are shown, at even distances; of those that
        diverged all.

        Parameters
        ----------
        ax : array of matplotlib Axes, default=None
            Where to draw, a square of them. None makes a figure.
        scatter_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.scatter`, for draws that did not diverge.

        Returns
        -------
        display : PairsDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        marks = marked(self.divergent, self.draws).ravel()
        columns = [x.ravel() for x in self.draws.values()]
        self.axes_ = _square(ax, len(columns))
        self.figure_ = self.axes_[0, 0].figure
        self.dots_: list[Any] = []
        self.divergences_: list[Any] = []
        others = np.flatnonzero(~marks)
        others = others[:: -(-len(others) // _DOTS) or 1]
        for i, y in enumerate(columns):
            for j, x in enumerate(columns[:i]):
                self._dot(self.axes_[i, j], x, y, marks, others, scatter_kw)
            _draw_density(self.axes_[i, i], y)
        self._frame(columns)
        if self.divergences_ and ax is None:
            self.figure_.legend(
                handles=self.divergences_[:1], loc="upper right", frameon=False
            )
        return self

    def _dot(
        self,
        axes: Axes,
        x: Array,
        y: Array,
        marks: NDArray[np.bool_],
        others: NDArray[np.intp],
        scatter_kw: dict[str, Any] | None,
    ) -> None:
        opaque = float(np.clip(300 / max(len(others), 1), 0.15, 0.8))
        style: dict[str, Any] = {"s": 7.0, "color": _COLOUR, "alpha": opaque}
        style |= {"linewidths": 0} | (scatter_kw or {})
        self.dots_.append(axes.scatter(x[others], y[others], **style))
        if marks.any():
            self.divergences_.append(
                axes.scatter(
                    x[marks], y[marks], s=9.0, color=_DIVERGENT, linewidths=0,
                    alpha=0.9, label="divergent",
                )
            )  # fmt: skip

    def _frame(self, columns: list[Array]) -> None:
        """Give panels of a row, and of a column, the same numbers; names outside."""
        n, names = len(columns), list(self.draws)
        numbered = n <= _NUMBERED
        for i, j in np.ndindex(n, n):
            axes: Any = self.axes_[i, j]
            if j > i:
                axes.set_visible(False)
                continue
            axes.set_xlim(_with_margin(*span(columns[j])))
            axes.locator_params(axis="x", nbins=4)
            axes.tick_params(
                labelsize="small", bottom=numbered, left=numbered and j != i,
                labelbottom=numbered and i == n - 1, labelleft=numbered and j == 0 < i,
            )  # fmt: skip
            if i != j:
                axes.set_ylim(_with_margin(*span(columns[i])))
                axes.locator_params(axis="y", nbins=4)
            if i == n - 1:
                axes.set_xlabel(names[j])
            if j == 0 < i:
                axes.set_ylabel(names[i])
        self.figure_.align_ylabels(self.axes_[:, 0].tolist())


def _draw_density(axes: Axes, x: Array) -> None:
    places, heights = density(x)
    axes.fill_between(places, heights, color=_COLOUR, alpha=0.3, linewidth=0)
    axes.plot(places, heights, color=_COLOUR, linewidth=1.2)
    axes.set_ylim(bottom=0.0)
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)


def _with_margin(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def _square(ax: Any, n: int) -> NDArray[Any]:
    """The axes that were given, or those of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        few = n <= _NUMBERED  # constrained layout takes half a minute for many
        side = max(3.2, n * (1.8 if few else 0.9))
        layout: Any = "constrained" if few else "tight"
        _, made = plt.subplots(n, n, squeeze=False, figsize=(side, side), layout=layout)
        return np.asarray(made)
    return given_axes(ax, n * n, "pairs").reshape(n, n)
