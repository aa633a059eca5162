"""Networks that read and write sequences."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from sklgen.neural._perceptron import Perceptron

# Units of the perceptron at the end of a reader.
_DENSE = 128


class SequenceReader(nn.Module):
    """Recurrent layers over steps, then a perceptron.

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
        self.end = Perceptron(hidden[-1] + n_extra, n_out, (_DENSE,))

    def forward(self, inputs: Tensor, extra: Tensor) -> Tensor:
        steps = inputs.reshape(-1, *self.shape)
        known = extra[:, None].expand(-1, self.shape[0], -1)
        out: Tensor = self.end(
            self.steps(torch.cat([steps, known], dim=2))[:, -1], extra
        )
        return out


class SequenceWriter(nn.Module):
    """Recurrent layers that have all inputs at each step, and write one step at a time.

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
        self.steps = Recurrent(n_in, hidden)
        self.end = Perceptron(hidden[-1], shape[1], (hidden[-1],))

    def forward(self, *inputs: Tensor) -> Tensor:
        known = torch.cat(inputs, dim=1)[:, None].expand(-1, self.n_steps, -1)
        h = self.steps(known)
        out: Tensor = self.end(h.flatten(0, 1))
        return out.reshape(len(h), -1)


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
        self.layers = nn.ModuleList(
            nn.GRU(a, b, batch_first=True) for a, b in pairwise((n_in, *hidden))
        )

    def forward(self, steps: Tensor) -> Tensor:
        # Those of cuDNN have no second derivatives, which penalties of gradients need.
        with torch.backends.cudnn.flags(enabled=False):
            for layer in self.layers:
                steps = layer(steps)[0]
        return steps
