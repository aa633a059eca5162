"""Generators that write tables, and critics that read them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sklgen.neural._layout import Layout


class Heads(nn.Module):
    """The end of a generator: outputs become cells, drawn or relaxed.

    A category is drawn by adding Gumbel noise to its logits and taking the largest, in
    training as in sampling. Gradients are those of the relaxed draw, a softmax. Cells
    that are not there (a number behind an atom, a missing cell) are 0, as in real rows.

    Parameters
    ----------
    layout : Layout
        Where the cells are.
    bounded : bool
        Whether numbers stay between -1 and 1.
    temperature : float
        Divides logits in the relaxed draw; the smaller, the closer to a draw.
    """

    def __init__(self, layout: Layout, *, bounded: bool, temperature: float) -> None:
        super().__init__()
        self.n_numbers = layout.n_numbers
        self.levels = layout.levels
        self.gates = layout.gates
        self.bounded = bounded
        self.temperature = temperature

    def numbers(self, raw: Tensor) -> Tensor:
        """The numbers of rows."""
        numbers = raw[:, : self.n_numbers]
        return torch.tanh(numbers) if self.bounded else numbers

    def codes(self, raw: Tensor, noise: Tensor) -> Tensor:
        """Drawn codes of the categories of rows; the noise is Gumbel's."""
        codes = [block.argmax(dim=1) for block in self._blocks(raw, noise)]
        if not codes:
            return torch.zeros((len(raw), 0), dtype=torch.long, device=raw.device)
        return torch.stack(codes, dim=1)

    def forward(self, raw: Tensor, noise: Tensor) -> Tensor:
        """Drawn rows as inputs of a critic, with gradients."""
        drawn = [self._draw(block) for block in self._blocks(raw, noise)]
        numbers = self.numbers(raw)
        cells = [numbers[:, j : j + 1] for j in range(self.n_numbers)] + drawn
        for at, gates in enumerate(self.gates):
            for gate in gates:
                cells[at] = cells[at] * drawn[gate][:, :1]
        return torch.cat(cells, dim=1)

    def _blocks(self, raw: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        logits = raw[:, self.n_numbers :] + noise
        return torch.split(logits, list(self.levels), dim=1)

    def _draw(self, logits: Tensor) -> Tensor:
        soft = (logits / self.temperature).softmax(dim=1)
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(dim=1, keepdim=True), 1.0)
        return hard + (soft - soft.detach())


class Generator(nn.Module):
    """From noise and classes to rows.

    Parameters
    ----------
    body : Module
        Called with noise, and with indicators of classes if there are any; it returns
        numbers and logits.
    heads : Heads
        What makes rows of these.
    n_latent : int
        Number of columns of the noise.
    """

    def __init__(self, body: nn.Module, heads: Heads, n_latent: int) -> None:
        super().__init__()
        self.body = body
        self.heads = heads
        self.n_latent = n_latent

    def raw(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Numbers and logits of rows."""
        raw: Tensor = self.body(noise, classes)
        return raw

    def forward(
        self, classes: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Drawn rows as inputs of a critic, with gradients."""
        shape, device = (len(classes), self.n_latent), classes.device
        noise = torch.randn(shape, device=device, generator=generator)
        raw = self.raw(noise, classes)
        uniform = torch.rand(
            (len(raw), sum(self.heads.levels)), device=device, generator=generator
        )
        rows: Tensor = self.heads(raw, gumbel(uniform))
        return rows


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise of uniform one."""
    tiny = torch.finfo(uniform.dtype).tiny
    return -(-(uniform.clamp_min(tiny).log())).clamp_min(tiny).log()


class Shaped(nn.Module):
    """A user's module, called as rows are shaped, and with classes if there are any.

    Parameters
    ----------
    module : Module
        The user's module.
    read_shape : tuple of int or None
        What its first input is reshaped to, row by row.
    """

    def __init__(self, module: nn.Module, read_shape: tuple[int, ...] | None) -> None:
        super().__init__()
        self.module = module
        self.read_shape = read_shape

    def forward(self, inputs: Tensor, classes: Tensor) -> Any:
        if self.read_shape is not None:
            inputs = inputs.reshape(-1, *self.read_shape)
        known = (classes,) if classes.shape[1] else ()
        return self.module(inputs, *known).flatten(1)
