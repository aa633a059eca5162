"""Single numbers among the parameters of a posterior, and their densities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from sklearn.utils.validation import check_is_fitted

from sklgen._typing import Array
from sklgen.mcmc._diagnostics import _as_draws, _labels, ess_bulk

# Places of a density; and how far out, in widths of the middle 90 %, it is drawn.
_GRID, _REACH = 512, 3.0


def drawn(estimator: Any) -> tuple[Mapping[str, Any], NDArray[np.bool_] | None]:
    """Draws (n_chains, n_draws, ...) of an estimator, and which of them diverged."""
    check_is_fitted(estimator)
    posterior = getattr(estimator, "posterior_", None)
    if posterior is None:
        x, names = estimator.draws_, estimator.names
        posterior = (
            {"x": x} if names is None else {k: x[..., j] for j, k in enumerate(names)}
        )
    chains = getattr(estimator, "_chains", None)
    return posterior, None if chains is None else chains.divergent


def marked(divergent: Any, draws: Mapping[str, Array]) -> NDArray[np.bool_]:
    """Which draws diverged, checked: none if that is not known.

    Parameters
    ----------
    divergent : array-like of bool of shape (n_chains, n_draws) or None
        What was given.
    draws : dict of str to ndarray of shape (n_chains, n_draws)
        The draws.

    Returns
    -------
    marks : ndarray of bool of shape (n_chains, n_draws)
        Whether each diverged.
    """
    shape = next(iter(draws.values())).shape
    if divergent is None:
        return np.zeros(shape, dtype=np.bool_)
    marks = np.asarray(divergent, dtype=np.bool_)
    if marks.shape != shape:
        raise ValueError(
            f"divergent has the shape {marks.shape}: it must have one mark for each "
            f"draw of each chain, {shape}."
        )
    return marks


def scalars(draws: Mapping[str, Any], parameters: Any, most: int) -> dict[str, Array]:
    """Single numbers to draw, by label.

    Parameters
    ----------
    draws : mapping of str to array-like of shape (n_chains, n_draws, ...)
        Draws of each parameter.
    parameters : str, list of str or None
        Names, or labels such as "beta[3]". None takes all, or of more than `most` those
        of the smallest effective sample size.
    most : int
        How many None takes.

    Returns
    -------
    chosen : dict of str to ndarray of shape (n_chains, n_draws)
        In the order of `parameters`. Numbers of a matrix that stay the same, or repeat
        others, are left out unless their label is given.

    Raises
    ------
    ValueError
        If a name is unknown, or draws have not one number of chains and draws.
    """
    every = {name: _as_draws(x) for name, x in draws.items()}
    shapes = {name: x.shape[:2] for name, x in every.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            "draws must have the same numbers of chains and draws for all parameters, "
            f"got {shapes}."
        )
    if parameters is None:
        return _worst(_expanded(every, list(every)), most)
    wanted = [parameters] if isinstance(parameters, str) else list(parameters)
    return _expanded(every, wanted)


def _expanded(every: dict[str, Array], wanted: list[str]) -> dict[str, Array]:
    if not wanted:
        raise ValueError(
            "there is no parameter to draw: give one name or more, such as "
            f"parameters={next(iter(every), 'x')!r}, or None for all."
        )
    found: dict[str, Array] = {}
    for name in wanted:
        whole = name if name in every else str(name).partition("[")[0]
        if whole not in every:
            raise ValueError(f"parameters has {name!r}, but there are {_told(every)}.")
        numbers = _by_label(whole, every[whole])
        if name == whole:
            found |= _telling(numbers, every[whole].ndim)
        elif name in numbers:
            found[name] = numbers[name]
        else:
            ends = f"goes from {next(iter(numbers))} to {next(reversed(numbers))}"
            what = "is a single number" if len(numbers) == 1 else ends
            raise ValueError(f"parameters has {name!r}, but {whole} {what}.")
    return found


def _told(every: dict[str, Array]) -> str:
    return ", ".join(
        f"{name!r} of shape {x.shape[2:]}" if x.ndim > 2 else repr(name)
        for name, x in every.items()
    )


def _by_label(name: str, x: Array) -> dict[str, Array]:
    flat = x.reshape(*x.shape[:2], -1)
    return {label: flat[..., j] for j, label in enumerate(_labels(name, x.shape[2:]))}


def _telling(numbers: dict[str, Array], ndim: int) -> dict[str, Array]:
    """Leave out zeros of triangles, ones of correlations and copies in symmetry."""
    if ndim < 4:
        return numbers
    first = {x.tobytes(): label for label, x in reversed(numbers.items())}
    kept = {
        label: x
        for label, x in numbers.items()
        if first[x.tobytes()] == label and (x != x[0, 0]).any()
    }
    return kept or numbers


def _worst(found: dict[str, Array], most: int) -> dict[str, Array]:
    if len(found) <= most:
        return found
    ess = ess_bulk(np.stack(list(found.values()), axis=-1))
    kept = set(np.argsort(ess, kind="stable")[:most].tolist())
    return {label: x for j, (label, x) in enumerate(found.items()) if j in kept}


def span(x: Array) -> tuple[float, float]:
    """From where to where a law is drawn: all, but for draws very far out."""
    told = x[np.isfinite(x)]
    if not len(told):
        return 0.0, 1.0
    low, high = np.quantile(told, [0.05, 0.95])
    reach = _REACH * (high - low)
    left = max(float(told.min()), low - reach)
    right = min(float(told.max()), high + reach)
    # Where floats lie far apart, as beyond 2**53, a half is nothing.
    room = 32.0 * float(np.spacing(max(abs(left), abs(right))))
    if right - left > 2.0 * room:
        return left, right
    return left - max(0.5, room), right + max(0.5, room)


def density(x: Array, *, bounded: bool = True) -> tuple[Array, Array]:
    """Kernel density of draws.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Draws.
    bounded : bool, default=True
        Whether there is nothing beyond the smallest and the largest, so that what a
        kernel has there is reflected. Otherwise it is drawn.

    Returns
    -------
    places : ndarray of shape (m,)
        Where it is known.
    heights : ndarray of shape (m,)
        Its values, with an area of one if no draws are left out.
    """
    told = x[np.isfinite(x)]
    low, high = span(told)
    n = max(len(told), 1)
    quarters = np.quantile(told, [0.25, 0.75]) if len(told) else np.zeros(2)
    spreads = [np.std(told) if len(told) else 0.0, np.ptp(quarters) / 1.34]
    spread = min((s for s in spreads if s > 0), default=(high - low) / _GRID)
    width = 0.9 * spread * n**-0.2
    beyond = 0.0 if bounded else 3.0 * width
    ends = (low - beyond, high + beyond)
    counts, edges = np.histogram(told, bins=_GRID, range=ends)
    step = edges[1] - edges[0]
    heights = gaussian_filter1d(counts / (n * step), width / step)
    return (edges[:-1] + edges[1:]) / 2, np.asarray(heights)
