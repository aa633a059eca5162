"""Perceptrons of residual blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Slope of rectifiers below 0.
SLOPE = 0.2


class Residual(nn.Module):
    """A layer and what it adds to its input; it starts by adding little.

    Parameters
    ----------
    width : int
        Number of units.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        with torch.no_grad():
            self.outer.weight.mul_(0.1)

    def forward(self, h: Tensor) -> Tensor:
        inner = nn.functional.leaky_relu(self.inner(h), SLOPE)
        return nn.functional.leaky_relu(h + self.outer(inner), SLOPE)


class Perceptron(nn.Module):
    """A perceptron of residual blocks without normalization.

    Parameters
    ----------
    n_in, n_out : int
        Number of inputs and outputs.
    hidden : sequence of int
        Number of units of each block; a block of another width than the one before
        begins with a layer.
    """

    def __init__(self, n_in: int, n_out: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = n_in
        for units in hidden:
            if units != width:
                layers += [nn.Linear(width, units), nn.LeakyReLU(SLOPE)]
            layers.append(Residual(units))
            width = units
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_out))

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat(inputs, dim=1))
        return out
