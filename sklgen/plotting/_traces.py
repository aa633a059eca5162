"""Chains of a posterior: their draws in order, and whether they agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._optional_dependencies import check_matplotlib_support

from sklgen._typing import Array
from sklgen.mcmc._diagnostics import _ranks
from sklgen.plotting._parts import colours_of, given_axes
from sklgen.plotting._scalars import density, drawn, marked, scalars

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Most parameters that are drawn unless they are asked for.
_MOST = 30
# Bins of ranks; and how much of the height of a chain its bars may take.
_BINS, _ROOM = 20, 0.85
# More chains are not told apart by a legend.
_ENTRIES = 10


class TraceDisplay:
    """Draws of chains in their order, beside what shows whether the chains agree.

    Each parameter has a row. On the left are its draws, a line a chain: chains that
    have converged look like the same noise. On the right are histograms of the ranks
    that the draws of each chain have among those of all: bars of chains that agree end
    near the dashed lines [1]_. ``kind="density"`` shows the density of each chain
    instead. Ticks at the bottom are draws at which the sampler diverged.

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
    axes_ : ndarray of matplotlib Axes of shape (n_parameters, 2)
        Those of the draws, and those of ranks or densities.
    lines_ : list of matplotlib Line2D
        For each parameter, the draws of each chain.
    bars_ : list of matplotlib StepPatch
        For each parameter, the ranks of each chain; empty for densities.

    See Also
    --------
    PairsDisplay : Draws of parameters against each other.
    ForestDisplay : Intervals of many parameters.

    References
    ----------
    .. [1] Vehtari, A., Gelman, A., Simpson, D., Carpenter, B. and Buerkner, P.-C.
       (2021). Rank-normalization, folding, and localization: an improved R-hat for
       assessing convergence of MCMC. Bayesian Analysis, 16(2).

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.plotting import TraceDisplay
    >>> x = np.random.default_rng(0).normal(size=(4, 500, 3))
    >>> draws = {"mu": x[..., 0], "beta": x[..., 1:]}
    >>> display = TraceDisplay.from_draws(draws, parameters=["mu", "beta[1]"])
    >>> [ax.get_title(loc="left") for ax in display.axes_[:, 0]]
    ['mu', 'beta[1]']
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
        kind: Literal["rank", "density"] = "rank",
        ax: Any = None,
        cmap: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the chains of a fitted posterior.

        Parameters
        ----------
        estimator : estimator
            A fitted estimator of `sklgen.mcmc`.
        parameters : str or list of str, default=None
            Names of parameters, such as "beta", or of numbers in them, such as
            "beta[3]". None takes all, or of more than 30 numbers those that have the
            smallest bulk effective sample sizes.
        kind : {"rank", "density"}, default="rank"
            What is beside the draws.
        ax : array of matplotlib Axes, default=None
            Where to draw, two for each number. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the chains. None takes one that tells that many apart.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`, for the draws.

        Returns
        -------
        display : TraceDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a parameter is unknown, or there are not two `ax` for each number.
        """
        draws, divergent = drawn(estimator)
        return cls.from_draws(
            draws, divergent=divergent, parameters=parameters, kind=kind, ax=ax,
            cmap=cmap, line_kw=line_kw,
        )  # fmt: skip

    @classmethod
    def from_draws(
        cls,
        draws: Mapping[str, Any],
        *,
        divergent: Any = None,
        parameters: Any = None,
        kind: Literal["rank", "density"] = "rank",
        ax: Any = None,
        cmap: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw chains.

        Parameters
        ----------
        draws : mapping of str to array-like of shape (n_chains, n_draws, ...)
            Draws of each parameter.
        divergent : array-like of bool of shape (n_chains, n_draws), default=None
            Which draws diverged. None marks none.
        parameters : str or list of str, default=None
            Names of parameters, such as "beta", or of numbers in them, such as
            "beta[3]". None takes all, or of more than 30 numbers those that have the
            smallest bulk effective sample sizes.
        kind : {"rank", "density"}, default="rank"
            What is beside the draws.
        ax : array of matplotlib Axes, default=None
            Where to draw, two for each number. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the chains. None takes one that tells that many apart.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`, for the draws.

        Returns
        -------
        display : TraceDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If a parameter is unknown, or there are not two `ax` for each number.
        """
        check_matplotlib_support(f"{cls.__name__}.from_draws")
        display = cls(scalars(draws, parameters, _MOST), divergent=divergent)
        return display.plot(kind=kind, ax=ax, cmap=cmap, line_kw=line_kw)

    def plot(
        self,
        *,
        kind: Literal["rank", "density"] = "rank",
        ax: Any = None,
        cmap: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the chains.

        Parameters
        ----------
        kind : {"rank", "density"}, default="rank"
            What is beside the draws.
        ax : array of matplotlib Axes, default=None
            Where to draw, two for each number. None makes a figure.
        cmap : str or matplotlib Colormap, default=None
            Colours of the chains. None takes one that tells that many apart.
        line_kw : dict, default=None
            Keywords for `matplotlib.axes.Axes.plot`, for the draws.

        Returns
        -------
        display : TraceDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if kind not in ("rank", "density"):
            raise ValueError(f"kind must be 'rank' or 'density', got {kind!r}.")
        marks = marked(self.divergent, self.draws)
        self.axes_ = _two_a_number(ax, len(self.draws))
        self.figure_ = self.axes_[0, 0].figure
        self.lines_: list[Any] = []
        self.bars_: list[Any] = []
        colours = colours_of(len(marks), cmap)
        style = {"linewidth": 0.6, "alpha": 0.8} | (line_kw or {})
        for (left, right), (label, x) in zip(
            self.axes_, self.draws.items(), strict=True
        ):
            left.set_title(label, loc="left", fontsize="medium")
            for c, (chain, colour) in enumerate(zip(x, colours, strict=True)):
                own = {"color": colour, "label": f"chain {c}"} | style
                self.lines_ += left.plot(chain, **own)
            left.margins(x=0)
            _mark(left, np.nonzero(marks)[1])
            if kind == "rank":
                self.bars_ += _draw_ranks(right, x, marks, colours)
            else:
                _draw_densities(right, x, marks, colours)
        self.axes_[-1, 0].set_xlabel("draw")
        self.axes_[-1, 1].set_xlabel("rank" if kind == "rank" else "value")
        if ax is None:
            self._explain(marks)
        return self

    def _explain(self, marks: NDArray[np.bool_]) -> None:
        handles = self.lines_[: len(marks)] if len(marks) <= _ENTRIES else []
        left = self.axes_[0, 0]
        handles = handles + [ln for ln in left.lines if ln.get_label() == "divergent"]
        if not handles:
            return
        legend = self.figure_.legend(
            handles=handles,
            loc="outside upper left",
            ncols=6,
            frameon=False,
            fontsize="small",
        )
        for line in legend.get_lines():
            line.set(linewidth=2.0, alpha=1.0)


def _mark(axes: Axes, places: NDArray[Any]) -> None:
    """Put ticks of divergences below what was drawn."""
    if len(places):
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.1 * (high - low), high)
        axes.plot(
            places,
            np.full(len(places), 0.045),
            linestyle="",
            marker="|",
            markersize=5.0,
            markeredgewidth=0.8,
            color="black",
            label="divergent",
            transform=axes.get_xaxis_transform(),
        )


def _draw_ranks(
    axes: Axes, x: Array, marks: NDArray[np.bool_], colours: list[Any]
) -> list[Any]:
    """Histograms of ranks, the first chain at the top; dashed if all chains agree."""
    n_chains, n_draws = x.shape
    ranks = _ranks(x.reshape(1, -1)).reshape(x.shape)
    n_bins = int(np.clip(n_draws // 5, 2, _BINS))
    edges = np.linspace(0.5, x.size + 0.5, n_bins + 1)
    shares = np.stack([np.histogram(r, edges)[0] for r in ranks]) * n_bins / n_draws
    unit = _ROOM / max(1.6, shares.max())
    floors = np.arange(n_chains)[::-1]
    ends = edges[0], edges[-1]
    axes.hlines(floors + unit, *ends, color="0.3", linestyle="dashed", linewidth=0.7)
    axes.set_ylim(0.0, n_chains)
    shown = range(n_chains if n_chains <= _ENTRIES else 0)
    names = [str(c) for c in shown]
    axes.set_yticks(floors[shown] + _ROOM / 2, names, fontsize="small")
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("chain", fontsize="small")
    axes.margins(x=0)
    axes.locator_params(axis="x", nbins=5)
    bars = [
        axes.stairs(
            floor + unit * own, edges, baseline=floor, fill=True, color=colour,
            alpha=0.7, linewidth=0,
        )
        for floor, own, colour in zip(floors, shares, colours, strict=True)
    ]  # fmt: skip
    _mark(axes, ranks[marks])
    return bars


def _draw_densities(
    axes: Axes, x: Array, marks: NDArray[np.bool_], colours: list[Any]
) -> None:
    for chain, colour in zip(x, colours, strict=True):
        axes.plot(*density(chain), color=colour, linewidth=1.2, alpha=0.8)
    axes.set_ylim(bottom=0.0)
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    _mark(axes, x[marks])


def _two_a_number(ax: Any, n: int) -> NDArray[Any]:
    """The axes that were given, or those of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        _, made = plt.subplots(
            n,
            2,
            squeeze=False,
            figsize=(9.0, 0.8 + 1.5 * n),
            width_ratios=(3, 2),
            layout="constrained",
        )
        return np.asarray(made)
    return given_axes(ax, 2 * n, "panels of draws and ranks").reshape(n, 2)
