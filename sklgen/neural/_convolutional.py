"""Networks that read and write images."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sklgen.neural._perceptron import SLOPE, Perceptron

# Units of the perceptron at the end of a reader.
_DENSE = 128


class ImageReader(nn.Module):
    """Convolutions over maps that become coarser, then a perceptron.

    What is known besides is one more channel at the start, and goes to the end too.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width of images.
    n_extra, n_out : int
        Number of further inputs, and of outputs.
    channels : tuple of int
        Channels of maps, from the finest to the coarsest.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        n_extra: int,
        n_out: int,
        channels: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.shape = shape
        n, size = shape[0] + (n_extra > 0), shape[1:]
        self.drawn = nn.Linear(n_extra, math.prod(size)) if n_extra else None
        layers: list[nn.Module] = []
        sizes = map_sizes(size, len(channels))
        for at, own in enumerate(channels):
            stride = 2 if at else 1
            layers += [nn.Conv2d(n, own, 3, stride, padding=1), nn.LeakyReLU(SLOPE)]
            if at:
                layers.append(ResidualMaps(own))
            n = own
        self.maps = nn.Sequential(*layers, nn.Flatten())
        self.end = Perceptron(n * math.prod(sizes[-1]) + n_extra, n_out, (_DENSE,))

    def forward(self, inputs: Tensor, extra: Tensor) -> Tensor:
        maps = inputs.reshape(-1, *self.shape)
        if self.drawn is not None:
            drawn = self.drawn(extra).reshape(-1, 1, *self.shape[1:])
            maps = torch.cat([maps, drawn], dim=1)
        out: Tensor = self.end(self.maps(maps), extra)
        return out


class ImageWriter(nn.Module):
    """A layer, then convolutions over maps that become finer.

    Parameters
    ----------
    n_in : int
        Number of inputs.
    shape : tuple of int
        Channels, height and width of images.
    channels : tuple of int
        Channels of maps, from the finest to the coarsest.
    """

    def __init__(
        self, n_in: int, shape: tuple[int, ...], channels: tuple[int, ...]
    ) -> None:
        super().__init__()
        *finer, coarsest = map_sizes(shape[1:], len(channels))
        n = channels[-1]
        layers: list[nn.Module] = [
            nn.Linear(n_in, n * math.prod(coarsest)),
            nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, (n, *coarsest)),
            ResidualMaps(n),
        ]
        for own, size in zip(channels[-2::-1], finer[::-1], strict=True):
            layers += [
                nn.Upsample(size),
                nn.Conv2d(n, own, 3, padding=1),
                nn.LeakyReLU(SLOPE),
                ResidualMaps(own),
            ]
            n = own
        self.layers = nn.Sequential(
            *layers, nn.Conv2d(n, shape[0], 3, padding=1), nn.Flatten()
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat(inputs, dim=1))
        return out


class ResidualMaps(nn.Module):
    """Two convolutions and what they add to maps; they start by adding little.

    Parameters
    ----------
    channels : int
        Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(channels, channels, 3, padding=1)
        self.outer = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.outer.weight.mul_(0.1)

    def forward(self, h: Tensor) -> Tensor:
        inner = nn.functional.leaky_relu(self.inner(h), SLOPE)
        return nn.functional.leaky_relu(h + self.outer(inner), SLOPE)


def map_sizes(size: tuple[int, ...], n: int) -> list[tuple[int, int]]:
    """Heights and widths of maps, each half of the one before, rounded up.

    Parameters
    ----------
    size : tuple of int
        Height and width of the first.
    n : int
        Number of maps.

    Returns
    -------
    sizes : list of tuple of int
        Heights and widths.
    """
    height, width = size
    return [(-(-height >> at), -(-width >> at)) for at in range(n)]
