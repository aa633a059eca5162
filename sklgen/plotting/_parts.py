"""What displays share: colours of labels, and axes that were given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def colours_of(n: int, cmap: Any) -> list[Any]:
    """Make one colour a label.

    Parameters
    ----------
    n : int
        Number of labels.
    cmap : str or matplotlib Colormap or None
        Where colours are from. None takes one that tells that many apart.

    Returns
    -------
    colours : list of tuple
        Colours as matplotlib takes them.
    """
    import matplotlib as mpl

    if cmap is None:
        cmap = "tab10" if n <= 10 else "tab20" if n <= 20 else "turbo"
    colours = mpl.colormaps.get_cmap(cmap)
    if colours.N < 256:
        return [colours(k % colours.N) for k in range(n)]
    return [colours(place) for place in np.linspace(0.0, 1.0, n)]


def given_axes(ax: Any, n: int, kind: str) -> NDArray[Any]:
    """Axes that were given, one for each of what is drawn.

    Parameters
    ----------
    ax : matplotlib Axes, or array of them
        What was given.
    n : int
        How many are needed.
    kind : str
        What they are for, in the plural, for the message.

    Returns
    -------
    axes : ndarray of shape (n,)
        The axes.

    Raises
    ------
    TypeError
        If there are other things among them.
    ValueError
        If there are more or fewer.
    """
    from matplotlib.axes import Axes

    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) != n:
        choice = f", or choose {kind}" if n > 1 else ""
        raise ValueError(
            f"ax has {len(axes)} axes for {n} {kind}: give one for each{choice}."
        )
    for one in axes:
        if not isinstance(one, Axes):
            raise TypeError(
                f"ax has {one!r} of type {type(one).__name__}: give axes of "
                "matplotlib, such as those of plt.subplots, or None for a new figure."
            )
    return axes


def close(figure: Any) -> None:
    """Let pyplot forget a figure.

    Parameters
    ----------
    figure : matplotlib Figure
        The figure.
    """
    import matplotlib.pyplot as plt

    plt.close(figure)
