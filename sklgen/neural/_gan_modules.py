"""Generators that write tables, and critics that read them."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor, nn

from sklgen.neural._gan_balance import Tilt
from sklgen.neural._layout import Layout

# Levels that are rarer, or not there at all, start as if they had this share.
_SMALLEST_SHARE = 1e-4


class Clusters(nn.Module):
    """A number that has clusters: an indicator of the cluster, and a place within.

    Parameters
    ----------
    column : int
        Position among the numbers.
    ends : ndarray of shape (n_clusters, 2)
        Normal probabilities of the ends of each.
    center, scale : float
        What inputs are scores less, and over.
    """

    ends: Tensor
    borders: Tensor

    def __init__(
        self, column: int, ends: NDArray[np.float64], center: float, scale: float
    ) -> None:
        super().__init__()
        self.column = column
        self.center = center
        self.scale = scale
        middles = (ndtri((ends[:-1, 1] + ends[1:, 0]) / 2) - center) / scale
        self.register_buffer("ends", torch.tensor(ends, dtype=torch.float32))
        self.register_buffer("borders", torch.tensor(middles, dtype=torch.float32))

    def __len__(self) -> int:
        return len(self.ends)

    def indicators(self, numbers: Tensor) -> Tensor:
        """Which cluster each number is in."""
        at = torch.bucketize(numbers[:, self.column].contiguous(), self.borders)
        indicators: Tensor = nn.functional.one_hot(at, len(self)).to(numbers)
        return indicators

    def number(self, raw: Tensor, indicators: Tensor) -> Tensor:
        """The number at a place within the cluster, of any number for the place.

        All clusters have a place, so that the indicators' gradients are bounded.
        """
        begin, end = self.ends.T
        share = begin + (end - begin) * torch.special.ndtr(raw[:, self.column, None])
        scores = torch.special.ndtri(share.clamp(1e-6, 1.0 - 1e-6))
        numbers = (scores - self.center) / self.scale
        number: Tensor = (indicators * numbers).sum(dim=1, keepdim=True)
        return number


class Heads(nn.Module):
    """The end of a generator: outputs become cells, drawn or relaxed.

    A category is drawn by adding Gumbel noise to its logits and taking the largest, in
    training as in sampling. Gradients are those of the relaxed draw, a softmax. Cells
    that are not there (a number behind an atom, a missing cell) are 0, as in real rows.

    The rows that a critic reads are inputs as the layout has them, then the indicators
    of clusters. Outputs are numbers and logits, in the same order; logits
    are relative to the shares of levels.

    Parameters
    ----------
    layout : Layout
        Where the cells are.
    clusters : list of Clusters
        The numbers that have clusters.
    bounded : bool
        Whether numbers stay between -1 and 1.
    temperature : float
        Divides logits in the relaxed draw; the smaller, the closer to a draw.
    """

    log_shares: Tensor

    def __init__(
        self,
        layout: Layout,
        clusters: list[Clusters],
        *,
        bounded: bool,
        temperature: float,
    ) -> None:
        super().__init__()
        self.n_numbers = layout.n_numbers
        self.levels = [*layout.levels, *(len(each) for each in clusters)]
        # A cluster is there where its number is.
        self.gates = (*layout.gates, *(layout.gates[each.column] for each in clusters))
        self.n_categories = len(layout.levels)
        self.clusters: Any = nn.ModuleList(clusters)
        self.bounded = bounded
        self.temperature = temperature
        self.register_buffer("log_shares", torch.zeros(sum(self.levels)))

    @property
    def width(self) -> int:
        """Number of columns that a critic reads, and of outputs."""
        return self.n_numbers + sum(self.levels)

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The indicators of each category and cluster."""
        ends = [*accumulate(self.levels, initial=self.n_numbers)]
        return tuple(slice(a, b) for a, b in pairwise(ends))

    def learn_shares(self, rows: Tensor) -> None:
        """Start from the shares that levels have in rows."""
        means = rows[:, self.n_numbers :].mean(dim=0)
        self.log_shares = means.clamp_min(_SMALLEST_SHARE).log()

    def read(self, inputs: Tensor) -> Tensor:
        """What a critic reads of inputs."""
        if not self.clusters:
            return inputs
        found: list[Tensor] = [each.indicators(inputs) for each in self.clusters]
        for at, block in enumerate(found):
            for gate in self.gates[self.n_numbers + self.n_categories + at]:
                block.mul_(inputs[:, self.blocks[gate].start, None])
        return torch.cat([inputs, *found], dim=1)

    def forward(self, raw: Tensor, noise: Tensor) -> Tensor:
        """Drawn rows, as a critic reads them, with gradients; the noise is Gumbel's."""
        logits = raw[:, self.n_numbers :] + self.log_shares + noise
        drawn = [self._draw(block) for block in torch.split(logits, self.levels, dim=1)]
        numbers = raw[:, : self.n_numbers]
        if self.bounded:
            numbers = torch.tanh(numbers)
        cells = [numbers[:, j : j + 1] for j in range(self.n_numbers)]
        for each, block in zip(self.clusters, drawn[self.n_categories :], strict=True):
            cells[each.column] = each.number(raw, block)
        cells += drawn
        for at, gates in enumerate(self.gates):
            for gate in gates:
                cells[at] = cells[at] * drawn[gate][:, :1]
        return torch.cat(cells, dim=1)

    def _draw(self, logits: Tensor) -> Tensor:
        soft = (logits / self.temperature).softmax(dim=1)
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(dim=1, keepdim=True), 1.0)
        return hard + (soft - soft.detach())

    def cells(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers and codes of drawn rows."""
        codes = [rows[:, at].argmax(dim=1) for at in self.blocks[: self.n_categories]]
        none = torch.zeros((len(rows), 0), dtype=torch.long, device=rows.device)
        stacked = torch.stack(codes, dim=1) if codes else none
        return rows[:, : self.n_numbers], stacked


class Generator(nn.Module):
    """From noise and classes to rows, as a critic reads them.

    Parameters
    ----------
    body : Module
        Called with noise and indicators of classes; it returns numbers and logits.
    heads : Heads
        What makes rows of these.
    tilt : Tilt
        How much more often than in the data rows are made.
    n_latent : int
        Number of columns of the noise.
    """

    def __init__(
        self, body: nn.Module, heads: Heads, tilt: Tilt, n_latent: int
    ) -> None:
        super().__init__()
        self.body = body
        self.heads = heads
        self.tilt = tilt
        self.n_latent = n_latent

    def forward(
        self, classes: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Make rows, with gradients."""
        n = len(classes)
        options: Any = {"device": classes.device, "generator": generator}
        raw = self.body(torch.randn((n, self.n_latent), **options), classes)
        tiny = torch.finfo(raw.dtype).tiny
        uniform = torch.rand((n, sum(self.heads.levels)), **options).clamp_min(tiny)
        gumbel = -(-uniform.log()).clamp_min(tiny).log()
        rows: Tensor = self.heads(raw, gumbel)
        return rows

    def draw(self, classes: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw rows as they are in the data."""
        rows: Tensor = self(classes, generator)
        waiting = torch.arange(len(classes), device=classes.device)
        while True:
            waiting = waiting[~self.tilt.keeps(rows[waiting], generator)]
            if not len(waiting):
                return rows
            rows[waiting] = self(classes[waiting], generator)


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
