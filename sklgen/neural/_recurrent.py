"""Networks that read and write sequences."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from sklgen.neural._perceptron import Perceptron

# Units of the perceptron at the end of a reader.
_DENSE = 256


class SequenceReader(nn.Module):
    """Recurrent layers over steps, then a perceptron of their states and of the row.

    Parameters
    ----------
    shape : tuple of int
        Number of steps, and of numbers of a step.
    n_extra, n_out : int
        Number of further inputs, which are there at each step, and of outputs.
    hidden : tuple of int
        Units of each recurrent layer.
    """

    def __init__(
        self, shape: tuple[int, ...], n_extra: int, n_out: int, hidden: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.shape = shape
        self.steps = Recurrent(shape[1] + n_extra, hidden)
        n_in = 2 * hidden[-1] + math.prod(shape) + n_extra
        self.end = Perceptron(n_in, n_out, (_DENSE,))

    def forward(self, inputs: Tensor, extra: Tensor) -> Tensor:
        steps = inputs.reshape(-1, *self.shape)
        states = self.steps(torch.cat([steps, self._at_each_step(extra)], dim=2))
        out: Tensor = self.end(states[:, -1], states.mean(dim=1), inputs, extra)
        return out

    def _at_each_step(self, extra: Tensor) -> Tensor:
        return extra[:, None].expand(-1, self.shape[0], -1)


class SequenceWriter(nn.Module):
    """Recurrent layers that start from all inputs, and have them at each step again.

    Parameters
    ----------
    n_in : int
        Number of inputs.
    shape : tuple of int
        Number of steps, and of numbers of a step.
    hidden : tuple of int
        Units of each recurrent layer.
    """

    def __init__(
        self, n_in: int, shape: tuple[int, ...], hidden: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.n_steps = shape[0]
        # Which step it is, so that no state has to count.
        self.clock = nn.Embedding(shape[0], hidden[0])
        self.known = nn.Linear(n_in, hidden[0])
        self.steps = Recurrent(hidden[0], hidden)
        self.start = nn.Linear(n_in, sum(hidden))
        self.end = Perceptron(hidden[-1], shape[1], (hidden[-1],))

    def forward(self, *inputs: Tensor) -> Tensor:
        known = torch.cat(inputs, dim=1)
        at_each = self.known(known)[:, None] + self.clock.weight
        states = self.steps(at_each, self.start(known).tanh())
        out: Tensor = self.end(states.flatten(0, 1))
        return out.reshape(len(states), -1)


class Recurrent(nn.Module):
    """Layers of gated recurrent units.

    Parameters
    ----------
    n_in : int
        Number of inputs of a step.
    hidden : tuple of int
        Units of each layer.
    """

    def __init__(self, n_in: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.hidden = list(hidden)
        self.layers = nn.ModuleList(
            nn.GRU(a, b, batch_first=True) for a, b in pairwise((n_in, *hidden))
        )

    def forward(self, steps: Tensor, start: Tensor | None = None) -> Tensor:
        """States of the last layer; `start` has those of all layers side by side."""
        if start is None:
            start = steps.new_zeros((len(steps), sum(self.hidden)))
        # Those of cuDNN have no second derivatives, which penalties of gradients need.
        with torch.backends.cudnn.flags(enabled=False):
            starts = torch.split(start, self.hidden, dim=1)
            for layer, own in zip(self.layers, starts, strict=True):
                steps = layer(steps, own[None].contiguous())[0]
        return steps
