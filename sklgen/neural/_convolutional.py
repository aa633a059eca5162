"""Networks that read and write images."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from sklgen.neural._perceptron import SLOPE, Perceptron

# Units of the perceptron at the end of a reader.
_DENSE = 128


class ImageReader(nn.Module):
    """Convolutions that make maps coarser, then a perceptron.

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
        n, *size = shape
        self.drawn = nn.Linear(n_extra, math.prod(size)) if n_extra else None
        layers: list[nn.Module] = []
        for a, b in pairwise((n + (n_extra > 0), *channels)):
            odd = (0, size[1] % 2, 0, size[0] % 2)
            layers += [nn.ZeroPad2d(odd)] if any(odd) else []
            layers += [nn.Conv2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
            size = _halves(size)
        self.maps = nn.Sequential(*layers, nn.Flatten())
        n_last = channels[-1] * math.prod(size)
        self.end = Perceptron(n_last + n_extra, n_out, (_DENSE,))

    def forward(self, inputs: Tensor, extra: Tensor) -> Tensor:
        maps = inputs.reshape(-1, *self.shape)
        if self.drawn is not None:
            drawn = self.drawn(extra).reshape(-1, 1, *self.shape[1:])
            maps = torch.cat([maps, drawn], dim=1)
        out: Tensor = self.end(self.maps(maps), extra)
        return out


class ImageWriter(nn.Module):
    """A layer, then transposed convolutions that make maps finer.

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
        sizes = [list(shape[1:])]
        for _ in channels:
            sizes.append(_halves(sizes[-1]))
        coarsest = (channels[-1], *sizes.pop())
        layers: list[nn.Module] = [
            nn.Linear(n_in, math.prod(coarsest)),
            nn.Unflatten(1, coarsest),
        ]
        for a, b in pairwise((*channels[::-1], shape[0])):
            height, width = sizes.pop()
            layers += [nn.LeakyReLU(SLOPE), Finer(a, b, height, width)]
        self.layers = nn.Sequential(*layers, nn.Flatten())

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat(inputs, dim=1))
        return out


class Finer(nn.Module):
    """A transposed convolution to maps of twice the height and width.

    Parameters
    ----------
    n_in, n_out : int
        Number of channels.
    height, width : int
        What maps are cut to.
    """

    def __init__(self, n_in: int, n_out: int, height: int, width: int) -> None:
        super().__init__()
        self.maps = nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1)
        self.height = height
        self.width = width

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.maps(maps)[:, :, : self.height, : self.width]
        return out


def _halves(size: list[int]) -> list[int]:
    return [-(-length // 2) for length in size]
