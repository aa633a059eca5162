"""Intervals of many parameters of a posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklgen._typing import Array
from sklgen.mcmc._diagnostics import ess_bulk, ess_tail, r_hat
from sklgen.mcmc._judge import ESS, largest_r_hat
from sklgen.plotting._scalars import drawn, scalars

# Most parameters that are drawn unless they are asked for.
_MOST = 100
_SUSPECT = "tab:red"


class ForestDisplay:
    """Intervals of many parameters, one below the other, with their diagnostics.

    A dot is the median, the thick line has half of the draws, the thin line 90 % of
    them, with equal shares on both sides. Beside them are R-hat and the smaller one of
    bulk and tail effective sample size, in red where they say that draws should not be
    trusted yet: above 1.01, and below 100 a chain.

    Make one with `from_estimator` or `from_draws`, which draw it.

    Parameters
    ----------
    draws : dict of str to ndarray of shape (n_chains, n_draws)
        Draws of single numbers, by label.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    ax_ : matplotlib Axes
        The axes that were drawn on.
    intervals_ : ndarray of shape (n_parameters, 5)
        The 5, 25, 50, 75 and 95 % quantiles.
    r_hat_ : ndarray of shape (n_parameters,)
        R-hat; NaN for draws that are all equal.
    ess_ : ndarray of shape (n_parameters,)
        The smaller one of bulk and tail effective sample size, or NaN.

    See Also
    --------
    TraceDisplay : Draws of chains in their order.
    PairsDisplay : Draws of parameters against each other.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.plotting import ForestDisplay
    >>> x = np.random.default_rng(0).normal(size=(4, 500, 3))
    >>> display = ForestDisplay.from_draws({"mu": x[..., 0], "beta": x[..., 1:]})
    >>> display.intervals_.shape
    (3, 5)
    >>> bool((display.r_hat_ < 1.01).all())
    True
    """

    def __init__(self, draws: dict[str, Array]) -> None:
        self.draws = draws

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        parameters: Any = None,
        ax: Any = None,
        colour: Any = "tab:blue",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw intervals of the parameters of a fitted posterior.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator of `sklgen.mcmc`.
        parameters : str or list of str, default=None
            Names of parameters, such as "beta", or of numbers in them, such as
            "beta[3]". None takes all, or of more than 100 numbers those that have the
            smallest bulk effective sample sizes.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        colour : matplotlib colour, default="tab:blue"
            Of dots and lines.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.hlines`, for lines of both widths.

        Returns
        -------
        display : ForestDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a parameter is unknown.
        """
        draws, _ = drawn(estimator)
        return cls.from_draws(
            draws, parameters=parameters, ax=ax, colour=colour, line_kw=line_kw
        )

    @classmethod
    def from_draws(
        cls,
        draws: Mapping[str, Any],
        *,
        parameters: Any = None,
        ax: Any = None,
        colour: Any = "tab:blue",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw intervals of parameters.

        Parameters
        ----------
        draws : mapping of str to array-like of shape (n_chains, n_draws, ...)
            Draws of each parameter.
        parameters : str or list of str, default=None
            Names of parameters, such as "beta", or of numbers in them, such as
            "beta[3]". None takes all, or of more than 100 numbers those that have the
            smallest bulk effective sample sizes.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        colour : matplotlib colour, default="tab:blue"
            Of dots and lines.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.hlines`, for lines of both widths.

        Returns
        -------
        display : ForestDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a parameter is unknown.
        """
        check_matplotlib_support(f"{cls.__name__}.from_draws")
        display = cls(scalars(draws, parameters, _MOST))
        return display.plot(ax=ax, colour=colour, line_kw=line_kw)

    def plot(
        self,
        *,
        ax: Any = None,
        colour: Any = "tab:blue",
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the intervals.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        colour : matplotlib colour, default="tab:blue"
            Of dots and lines.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.hlines`, for lines of both widths.

        Returns
        -------
        display : ForestDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        n = len(self.draws)
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(7.0, 0.9 + 0.24 * n), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        x = np.stack(list(self.draws.values()), axis=-1)
        shares = [0.05, 0.25, 0.5, 0.75, 0.95]
        self.intervals_ = np.quantile(x, shares, axis=(0, 1)).T
        self.r_hat_ = r_hat(x)
        self.ess_ = np.fmin(ess_bulk(x), ess_tail(x))
        places = np.arange(n)
        low, left, middle, right, high = self.intervals_.T
        for ends, width in (((low, high), 1.2), ((left, right), 4.0)):
            style = {"color": colour, "linewidth": width} | (line_kw or {})
            ax.hlines(places, *ends, **style)
        ax.plot(
            middle, places, "o", markersize=5.5, markerfacecolor="white",
            markeredgecolor=colour,
        )  # fmt: skip
        self._frame(*x.shape[:2])
        return self

    def _frame(self, n_chains: int, n_draws: int) -> None:
        ax, n = self.ax_, len(self.draws)
        ax.set_yticks(np.arange(n), list(self.draws))
        ax.set_ylim(n - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.spines[["left", "right", "top"]].set_visible(False)
        left, right = ax.get_xlim()
        if left < 0 < right:
            ax.axvline(0.0, color="0.75", linewidth=0.8, zorder=0)
        few = self.ess_ < ESS * n_chains
        apart = self.r_hat_ > largest_r_hat(n_draws)
        self._column(50.0, "R-hat", self.r_hat_, ".3f", apart)
        self._column(90.0, "ESS", self.ess_, ".0f", few)

    def _column(
        self, at: float, title: str, values: Array, form: str, bad: Any
    ) -> None:
        """Write numbers to the right of the intervals, and what they are above them."""
        style = {
            "xycoords": ("axes fraction", "data"),
            "textcoords": "offset points",
            "xytext": (at, 0.0),
            "ha": "right",
            "fontsize": "small",
        }
        self.ax_.annotate(title, (1.0, -0.7), va="bottom", color="0.3", **style)
        for place, (value, suspect) in enumerate(zip(values, bad, strict=True)):
            text = "-" if np.isnan(value) else f"{value:{form}}"
            colour = _SUSPECT if suspect else "0.3"
            self.ax_.annotate(text, (1.0, place), va="center", color=colour, **style)
