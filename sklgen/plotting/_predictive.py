"""What a fitted model says that data look like, and what they look like."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils.validation import check_is_fitted

from sklgen._random import as_generator
from sklgen.plotting._parts import given_axes
from sklgen.plotting._scalars import density, span
from sklgen.plotting._states import _chosen, _values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Most axes side by side, and most bars of counts or labels.
_COLUMNS, _BARS = 4, 30
_OBSERVED, _REPLICATED = "0.15", "tab:blue"


class PredictiveCheckDisplay:
    """Data that were observed, against data that the model has made.

    Each replicate has as many rows as were observed, and for a posterior parameters of
    its own, one draw of them for all its rows [1]_. A model fits well if what was
    observed could be one of the replicates. Numbers are drawn as densities, or
    ``kind="ecdf"`` as empirical distribution functions. Labels, and counts of at most
    30 values, have bars for what was observed; dots and lines beside them are the
    median of the replicates and what 90 % of them are between.

    Make one with `from_estimator` or `from_samples`, which draw it.

    Parameters
    ----------
    observed : dict of str to ndarray of shape (n_samples,)
        Values of each column, or of the target.
    replicated : dict of str to ndarray of shape (n_replicates, n_samples)
        What the model has made of each.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure that was drawn last.
    axes_ : ndarray of matplotlib Axes
        One for each column.
    observed_ : list of matplotlib Line2D or BarContainer
        What was observed, for each column.
    replicated_ : list of matplotlib LineCollection or ErrorbarContainer
        What was replicated, for each column.

    See Also
    --------
    ForestDisplay : Intervals of the parameters of a posterior.
    sklgen.metrics.classifier_two_sample_test : A test that looks at whole rows.

    References
    ----------
    .. [1] Gelman, A., Meng, X.-L. and Stern, H. (1996). Posterior predictive assessment
       of model fitness via realized discrepancies. Statistica Sinica, 6(4).

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.mixture import GaussianMixture
    >>> from sklgen.plotting import PredictiveCheckDisplay
    >>> X = load_old_faithful(as_frame=True).data
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> display = PredictiveCheckDisplay.from_estimator(model, X, random_state=0)
    >>> [ax.get_xlabel() for ax in display.axes_]
    ['duration', 'waiting']
    """

    def __init__(
        self,
        observed: dict[str, NDArray[Any]],
        replicated: dict[str, NDArray[Any]],
    ) -> None:
        self.observed = observed
        self.replicated = replicated

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        columns: Any = None,
        n_replicates: int = 50,
        random_state: Any = None,
        kind: Literal["density", "ecdf"] = "density",
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Let a fitted model replicate data, and draw both.

        Parameters
        ----------
        estimator : estimator
            A fitted model of rows, which can `sample`, or of a target given rows, which
            can `sample_y`.
        X : array-like or DataFrame of shape (n_samples, n_features)
            The rows that were observed.
        y : array-like of shape (n_samples,), default=None
            Their targets, for a model of a target; ignored by a model of rows.
        columns : str, int, or list of them, default=None
            The columns of X to draw, by name or number, for a model of rows. None draws
            all.
        n_replicates : int, default=50
            Number of replicates.
        random_state : int, RandomState instance or None, default=None
            An int gives the same replicates each time.
        kind : {"density", "ecdf"}, default="density"
            How numbers are drawn.
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each column. None makes a figure.
        line_kw : dict, default=None
            Keywords for the `matplotlib.collections.LineCollection` of replicates.

        Returns
        -------
        display : PredictiveCheckDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If the model makes neither rows nor targets, a column is unknown, or there
            is not one `ax` for each column.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        rng = as_generator(random_state)
        if hasattr(estimator, "sample_y"):
            sets = _of_targets(estimator, X, y, n_replicates, rng)
        elif hasattr(estimator, "sample"):
            sets = _of_rows(estimator, X, columns, n_replicates, rng)
        else:
            raise ValueError(
                f"{type(estimator).__name__} can neither `sample` rows nor `sample_y`: "
                "there is nothing to compare with. BayesianModel needs `simulate`."
            )
        return cls(*sets).plot(kind=kind, ax=ax, line_kw=line_kw)

    @classmethod
    def from_samples(
        cls,
        observed: Any,
        replicated: Any,
        *,
        kind: Literal["density", "ecdf"] = "density",
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw data and replicates that there are already.

        Parameters
        ----------
        observed : array-like of shape (n_samples,), or mapping of str to such
            What was observed. An array is a column named "y".
        replicated : array-like of shape (n_replicates, n_samples), or mapping of such
            What was replicated, with the same names.
        kind : {"density", "ecdf"}, default="density"
            How numbers are drawn.
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each column. None makes a figure.
        line_kw : dict, default=None
            Keywords for the `matplotlib.collections.LineCollection` of replicates.

        Returns
        -------
        display : PredictiveCheckDisplay
            What was drawn.

        Raises
        ------
        ValueError
            If names or shapes do not match.
        """
        check_matplotlib_support(f"{cls.__name__}.from_samples")
        one = observed if isinstance(observed, Mapping) else {"y": observed}
        many = replicated if isinstance(replicated, Mapping) else {"y": replicated}
        if set(one) != set(many):
            raise ValueError(
                f"replicated has columns {sorted(many)}: they must be those of "
                f"observed, {sorted(one)}."
            )
        values = {name: column_or_1d(np.asarray(x)) for name, x in one.items()}
        made = {name: np.asarray(many[name]) for name in one}
        for name, x in made.items():
            if x.ndim != 2 or not len(x):
                raise ValueError(
                    f"replicated must have the shape (n_replicates, n_samples), got "
                    f"{x.shape} for {name!r}; give one replicate x as x[None]."
                )
        return cls(values, made).plot(kind=kind, ax=ax, line_kw=line_kw)

    def plot(
        self,
        *,
        kind: Literal["density", "ecdf"] = "density",
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw data and replicates.

        Parameters
        ----------
        kind : {"density", "ecdf"}, default="density"
            How numbers are drawn.
        ax : matplotlib Axes, or array of them, default=None
            Where to draw, one for each column. None makes a figure.
        line_kw : dict, default=None
            Keywords for the `matplotlib.collections.LineCollection` of replicates.

        Returns
        -------
        display : PredictiveCheckDisplay
            The display itself.
        """
        check_matplotlib_support(f"{type(self).__name__}.plot")
        if kind not in ("density", "ecdf"):
            raise ValueError(f"kind must be 'density' or 'ecdf', got {kind!r}.")
        self.axes_ = _one_a_column(ax, len(self.observed))
        self.figure_ = self.axes_[0].figure
        self.observed_: list[Any] = []
        self.replicated_: list[Any] = []
        for axes, (name, values) in zip(self.axes_, self.observed.items(), strict=True):
            one, many = (
                _without_gaps(values),
                list(map(_without_gaps, self.replicated[name])),
            )
            axes.set_xlabel(name)
            axes.spines[["right", "top"]].set_visible(False)
            if _has_bars(one, many):
                drawn = _draw_bars(axes, one, many)
            else:
                drawn = _draw_lines(axes, one, many, kind, line_kw)
            axes.set_ylim(bottom=0.0)
            self.observed_.append(drawn[0])
            self.replicated_.append(drawn[1])
        if ax is None:
            _explain(self.figure_)
        return self


def _explain(figure: Any) -> None:
    from matplotlib.lines import Line2D

    colours = {"observed": _OBSERVED, "replicated": _REPLICATED}
    figure.legend(
        handles=[Line2D([], [], color=c, label=name) for name, c in colours.items()],
        loc="outside upper left",
        ncols=2,
        frameon=False,
        fontsize="small",
    )


def _of_targets(
    estimator: Any, X: Any, y: Any, n_replicates: int, rng: np.random.Generator
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} is a model of a target given rows: give the "
            "targets that were observed as y."
        )
    name = getattr(y, "name", None)
    name = name if isinstance(name, str) else "y"
    targets = column_or_1d(np.asarray(y))
    seed = int(rng.integers(2**31))
    made = np.asarray(estimator.sample_y(X, n_replicates, random_state=seed)).T
    check_consistent_length(targets, made.T)
    return {name: targets}, {name: made}


def _of_rows(
    estimator: Any, X: Any, columns: Any, n_replicates: int, rng: np.random.Generator
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    observed = _chosen(_values(X, estimator), columns)
    n = len(next(iter(observed.values())))
    parts = []
    for seed in rng.integers(2**31, size=n_replicates).tolist():
        one = _with_one_draw(estimator, rng)
        parts.append(_values(one.sample(n, random_state=seed), estimator))
    return observed, {k: np.stack([part[k] for part in parts]) for k in observed}


def _with_one_draw(estimator: Any, rng: np.random.Generator) -> Any:
    """Fix the parameters of a posterior, so that rows of a sample have the same."""
    draws = getattr(estimator, "posterior_", None)
    if draws is None:
        return estimator
    n_chains, n_draws = next(iter(draws.values())).shape[:2]
    c, s = int(rng.integers(n_chains)), int(rng.integers(n_draws))
    one = copy(estimator)
    one.posterior_ = {k: x[c : c + 1, s : s + 1] for k, x in draws.items()}
    return one


def _without_gaps(values: NDArray[Any]) -> NDArray[Any]:
    """Finite numbers, or labels as text."""
    if values.dtype.kind in "iuf":
        return np.asarray(values[np.isfinite(values)])
    known = [v for v in values.tolist() if v is not None and v == v]
    if all(isinstance(v, Real) and not isinstance(v, bool) for v in known):
        return np.array(known, dtype=np.float64)
    return np.array([str(v) for v in known], dtype=object)


def _has_bars(one: NDArray[Any], many: list[NDArray[Any]]) -> bool:
    """Whether values are labels, or counts of a few values."""
    every = np.concatenate([one, *many])
    if every.dtype.kind == "O":
        return True
    return bool((every == np.round(every)).all()) and len(np.unique(every)) <= _BARS


def _draw_bars(
    axes: Axes, one: NDArray[Any], many: list[NDArray[Any]]
) -> tuple[Any, Any]:
    """Shares of labels or counts, the commonest if there are many."""
    values, counts = np.unique(np.concatenate([one, *many]), return_counts=True)
    values = values[np.sort(np.argsort(-counts, kind="stable")[:_BARS])]
    numbers = values.dtype.kind != "O"
    places = values.astype(np.float64) if numbers else np.arange(float(len(values)))
    shares = np.array([[(x == v).mean() for v in values] for x in (one, *many)])
    low, middle, high = np.quantile(shares[1:], [0.05, 0.5, 0.95], axis=0)
    bars = axes.bar(places, shares[0], width=0.8, color="0.85", edgecolor=_OBSERVED)
    dots = axes.errorbar(
        places, middle, [middle - low, high - middle], fmt="o", color=_REPLICATED,
        markersize=4.0, linewidth=1.5,
    )  # fmt: skip
    axes.set_ylabel("share")
    if numbers:
        axes.locator_params(axis="x", integer=True)
    else:
        wide = sum(map(len, values)) > 24
        axes.set_xticks(places, values, rotation=90 if wide else 0)
    return bars, dots


def _draw_lines(
    axes: Axes,
    one: NDArray[Any],
    many: list[NDArray[Any]],
    kind: str,
    line_kw: dict[str, Any] | None,
) -> tuple[Any, Any]:
    from matplotlib.collections import LineCollection

    curve = partial(density, bounded=False) if kind == "density" else _ecdf
    style: dict[str, Any] = {"color": _REPLICATED, "linewidth": 0.7}
    style |= {"alpha": float(np.clip(10 / len(many), 0.1, 0.8))} | (line_kw or {})
    lines = LineCollection([np.column_stack(curve(x)) for x in many], **style)
    axes.add_collection(lines)
    (line,) = axes.plot(*curve(one), color=_OBSERVED, linewidth=1.8)
    axes.autoscale_view()
    low, high = span(np.concatenate([one, *many]))
    margin = 0.05 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    if kind == "density":
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
    else:
        axes.set_ylabel("share below")
    return line, lines


def _ecdf(x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Corners of the steps of the empirical distribution function."""
    order = np.repeat(np.sort(x.astype(np.float64)), 2)
    return order, np.repeat(np.arange(len(x) + 1) / max(len(x), 1), 2)[1:-1]


def _one_a_column(ax: Any, n: int) -> NDArray[Any]:
    """The axes that were given, or those of a new figure."""
    if ax is None:
        import matplotlib.pyplot as plt

        n_columns = min(n, _COLUMNS)
        n_rows = -(-n // n_columns)
        size = (5.0 if n == 1 else 3.0 * n_columns, 0.4 + 2.4 * n_rows)
        _, made = plt.subplots(
            n_rows, n_columns, squeeze=False, figsize=size, layout="constrained"
        )
        for axes in made.flat[n:]:
            axes.remove()
        return np.asarray(made.flat[:n])
    return given_axes(ax, n, "columns")
