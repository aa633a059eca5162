"""Networks that read rows, and networks that write them."""

from __future__ import annotations

import math

from torch import nn

from sklgen.neural._convolutional import ImageReader, ImageWriter
from sklgen.neural._perceptron import Perceptron
from sklgen.neural._recurrent import SequenceReader, SequenceWriter

# What a row is, for those architectures that must know.
_AXES = {
    "mlp": (),
    "conv": ("channels", "height", "width"),
    "recurrent": ("steps", "numbers of a step"),
}
# Least height and width of images; maps become coarser until they are as small.
_SMALLEST = 4


def reader(
    architecture: str,
    width: int,
    n_extra: int,
    n_out: int,
    sample_shape: tuple[int, ...] | None = None,
    hidden: tuple[int, ...] | None = None,
) -> nn.Module:
    """Make a network of rows and what is known besides.

    Parameters
    ----------
    architecture : {"mlp", "conv", "recurrent"}
        Kind of network.
    width : int
        Number of inputs of a row.
    n_extra : int
        Number of further inputs, such as indicators of classes.
    n_out : int
        Number of outputs.
    sample_shape : tuple of int, default=None
        What a row is: an image (channels, height, width) for "conv", a sequence
        (steps, numbers of a step) for "recurrent".
    hidden : tuple of int, default=None
        Units of blocks, channels of maps from the finest to the coarsest, each of half
        the height and width, or units of recurrent layers. None takes what suits rows.

    Returns
    -------
    network : Module
        Called with tensors (n, width) and (n, n_extra), it returns one (n, n_out).
    """
    shape, hidden = checked_shape(architecture, width, sample_shape, hidden)
    if architecture == "conv":
        return ImageReader(shape, n_extra, n_out, hidden)
    if architecture == "recurrent":
        return SequenceReader(shape, n_extra, n_out, hidden)
    return Perceptron(width + n_extra, n_out, hidden)


def writer(
    architecture: str,
    n_in: int,
    width: int,
    sample_shape: tuple[int, ...] | None = None,
    hidden: tuple[int, ...] | None = None,
) -> nn.Module:
    """Make a network that makes rows.

    Parameters
    ----------
    architecture : {"mlp", "conv", "recurrent"}
        Kind of network.
    n_in : int
        Number of inputs, all together.
    width : int
        Number of outputs, those of a row.
    sample_shape : tuple of int, default=None
        What a row is, as in `reader`.
    hidden : tuple of int, default=None
        As in `reader`; blocks in their order, maps from the finest to the coarsest.

    Returns
    -------
    network : Module
        Called with tensors that have `n_in` columns together, it returns (n, width).
    """
    shape, hidden = checked_shape(architecture, width, sample_shape, hidden)
    if architecture == "conv":
        return ImageWriter(n_in, shape, hidden)
    if architecture == "recurrent":
        return SequenceWriter(n_in, shape, hidden)
    return Perceptron(n_in, width, hidden)


def checked_shape(
    architecture: str,
    width: int,
    sample_shape: tuple[int, ...] | None,
    hidden: tuple[int, ...] | None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape of rows, and the units of layers, or a clear error.

    Parameters
    ----------
    architecture : str
        Kind of network.
    width : int
        Number of inputs of a row.
    sample_shape : tuple of int or None
        What a row is.
    hidden : tuple of int or None
        Units of layers; None takes what suits rows.

    Returns
    -------
    sample_shape, hidden : tuple of int
        What was given, or what stands for None.
    """
    if architecture not in _AXES:
        raise ValueError(
            f"architecture must be one of {sorted(_AXES)}, got {architecture!r}."
        )
    shape = tuple(int(size) for size in sample_shape or ())
    got = f"got sample_shape={sample_shape}"
    axes = _AXES[architecture]
    if axes and len(shape) != len(axes):
        raise ValueError(
            f"architecture={architecture!r} needs sample_shape=({', '.join(axes)}), "
            f"{got}: say what a row is, or take architecture='mlp'."
        )
    if shape and (min(shape) < 1 or math.prod(shape) != width):
        raise ValueError(
            f"sample_shape must have as many numbers as a row has inputs, {width}, "
            f"{got}. Rows must be numbers alone, all cells of the shape in order, last "
            "axis fastest; categories and indicators of missing cells are several "
            "inputs each. Change sample_shape, or take architecture='mlp' without it."
        )
    if architecture == "conv" and min(shape[1:]) < _SMALLEST:
        raise ValueError(
            f"architecture='conv' needs images of at least {_SMALLEST} x {_SMALLEST} "
            f"pixels, {got}: take architecture='mlp'."
        )
    units = _default_hidden(architecture, shape) if hidden is None else tuple(hidden)
    if (axes and not units) or any(number < 1 for number in units):
        raise ValueError(
            f"layers must have at least 1 unit each, got {hidden}; "
            f"architecture={architecture!r} suggests "
            f"{_default_hidden(architecture, shape)}."
        )
    return shape, units


def _default_hidden(architecture: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if architecture == "conv":
        halvings = max(2, math.ceil(math.log2(min(shape[1:]) / _SMALLEST)))
        return tuple(min(32 << at, 128) for at in range(halvings))
    return (64,) if architecture == "recurrent" else (256, 256)
