"""The networks of a variational autoencoder, and the loss of a row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sklgen.neural._architectures import reader, writer
from sklgen.neural._layout import Layout
from sklgen.neural._vae_laws import LAWS, Cells, Laws, log_likelihood

# Numbers vary about their mean by more than this, in standard deviations of columns.
_LEAST_SCALE = 0.01
# Numbers further out, in standard deviations, are alike to the encoder.
_FARTHEST = 10.0
# Of a batch, rows of which cells are hidden from the encoder.
_HIDDEN_ROWS = 0.25
# Validation losses of few rows are means over about as many draws.
_FEWEST_DRAWS = 1024


@dataclass(frozen=True)
class Shape:
    """What a variational autoencoder is made of.

    Parameters
    ----------
    layout : Layout
        Of the inputs.
    sources : tuple of int
        Which column of the table each number, then each category, comes from.
    n_classes, n_latent : int
        Number of classes of rows, and of latent dimensions.
    architecture : str
        Kind of networks.
    hidden : tuple of int or None
        Units of their layers.
    sample_shape : tuple of int or None
        What a row is.
    """

    layout: Layout
    sources: tuple[int, ...]
    n_classes: int
    n_latent: int
    architecture: str
    hidden: tuple[int, ...] | None
    sample_shape: tuple[int, ...] | None


class Autoencoder(nn.Module):
    """An encoder of what was observed of rows, and a decoder into laws of cells.

    Parameters
    ----------
    shape : Shape
        What it is made of.
    law : str
        Name of the law of numbers.
    beta : float
        Weight of the divergence from the prior.
    n_draws : int
        Latent vectors that the bound of a row is of.
    """

    owner: Tensor
    sources: Tensor

    def __init__(self, shape: Shape, law: str, beta: float, n_draws: int) -> None:
        super().__init__()
        layout = shape.layout
        self.shape, self.law, self.beta, self.n_draws = shape, law, beta, n_draws
        self.n_numbers, self.levels = layout.n_numbers, layout.levels
        n_cells = layout.n_numbers + len(layout.levels)
        sizes = torch.tensor([1] * layout.n_numbers + [*layout.levels])
        owner = torch.repeat_interleave(torch.arange(n_cells), sizes)
        self.register_buffer("owner", owner, persistent=False)
        sources = torch.tensor(shape.sources)
        self.register_buffer("sources", sources, persistent=False)
        self.encoder = self._reader(n_cells, 2 * shape.n_latent)
        self.decoder, self.raw_scale = self._writer()

    def _reader(self, n_cells: int, n_out: int) -> nn.Module:
        """The encoder: what was observed is one more channel of images."""
        shape, width = self.shape, self.shape.layout.width
        rows = shape.sample_shape
        if rows is None or shape.architecture == "mlp":
            n_extra = n_cells + shape.n_classes
            return reader("mlp", width, n_extra, n_out, None, shape.hidden)
        at = 0 if shape.architecture == "conv" else -1
        doubled = list(rows)
        doubled[at] *= 2
        return reader(
            shape.architecture,
            2 * width,
            shape.n_classes,
            n_out,
            tuple(doubled),
            shape.hidden,
        )

    def _writer(self) -> tuple[nn.Module, nn.Parameter | None]:
        """The decoder: numbers of one shape have one scale."""
        shape, q = self.shape, self.n_numbers
        one_scale = shape.sample_shape is not None
        n_out = shape.layout.width + (0 if one_scale else q)
        made = writer(
            shape.architecture,
            shape.n_latent + shape.n_classes,
            n_out,
            shape.sample_shape,
            shape.hidden,
        )
        return made, nn.Parameter(torch.zeros(1)) if one_scale else None

    def encode(
        self, inputs: Tensor, observed: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Means and deviations (n, L) of latent vectors of rows."""
        shape = self.shape
        rows = shape.sample_shape
        inputs = inputs.clamp(-_FARTHEST, _FARTHEST)
        if rows is None or shape.architecture == "mlp":
            out = self.encoder(inputs, torch.cat([observed, classes], dim=1))
        else:
            at = 1 if shape.architecture == "conv" else -1
            pair = [part.reshape(-1, *rows) for part in (inputs, observed)]
            out = self.encoder(torch.cat(pair, dim=at).flatten(1), classes)
        mean, raw = out.chunk(2, dim=1)
        return mean, _positive(raw)

    def decode(self, z: Tensor, classes: Tensor) -> Laws:
        """Laws of cells for latent vectors (n, L)."""
        out, q = self.decoder(z, classes), self.n_numbers
        if self.raw_scale is None:
            mean, raw, logits = out.split([q, q, out.shape[1] - 2 * q], dim=1)
        else:
            mean, logits = out.split([q, out.shape[1] - q], dim=1)
            raw = self.raw_scale.expand_as(mean)
        logs = [torch.log_softmax(block, 1) for block in logits.split(self.levels, 1)]
        scale = _LEAST_SCALE + _positive(raw)
        return Laws(mean, scale, torch.cat(logs, dim=1) if logs else logits)

    def forward(
        self,
        inputs: Tensor,
        low: Tensor,
        high: Tensor,
        observed: Tensor,
        classes: Tensor,
    ) -> Tensor:
        cells = Cells(inputs, low, high, observed)
        if self.training:
            cells, classes_seen = self._hide(cells, classes)
            return -self._bound(cells, classes_seen, classes)
        repeats = max(1, _FEWEST_DRAWS // len(inputs))
        generator = torch.Generator(inputs.device).manual_seed(0)
        cells = Cells(*(part.repeat(repeats, 1) for part in cells))
        classes = classes.repeat(repeats, 1)
        bounds = self._bound(cells, classes, classes, generator)
        return -bounds.reshape(repeats, -1).mean(dim=0)

    def _hide(self, cells: Cells, classes: Tensor) -> tuple[Cells, Tensor]:
        """Hide random columns of some rows, and the classes of others."""
        inputs, low, high, observed = cells
        n, n_columns = len(inputs), int(self.sources.max()) + 1
        device = inputs.device
        share = torch.rand((n, 1), device=device)
        share = share * (torch.rand((n, 1), device=device) < _HIDDEN_ROWS)
        keep = (torch.rand((n, n_columns), device=device) >= share).to(inputs.dtype)
        kept = keep[:, self.sources]
        seen = (torch.rand((n, 1), device=device) >= share).to(inputs.dtype)
        hidden = Cells(inputs * kept[:, self.owner], low, high, observed * kept)
        return hidden, classes * seen

    def _bound(
        self,
        cells: Cells,
        classes_seen: Tensor,
        classes: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Importance-weighted bound of the log-density of each row."""
        mean, scale = self.encode(cells.inputs, cells.observed, classes_seen)
        n, L = mean.shape
        K = self.n_draws
        noise = torch.randn(
            (n, K, L), generator=generator, device=mean.device, dtype=mean.dtype
        )
        z = mean[:, None] + scale[:, None] * noise
        flat = classes[:, None].expand(-1, K, -1).reshape(n * K, -1)
        laws = Laws(
            *(part.reshape(n, K, -1) for part in self.decode(z.reshape(n * K, L), flat))
        )
        fit = log_likelihood(laws, cells, LAWS[self.law])
        # Log-ratio of the prior to the encoder's law; constants cancel.
        ratio = 0.5 * (noise**2 - z**2) + torch.log(scale)[:, None]
        weights = fit + self.beta * ratio.sum(dim=2)
        return torch.logsumexp(weights, dim=1) - math.log(K)


def _positive(raw: Tensor) -> Tensor:
    """Positive numbers, 1 for 0."""
    return nn.functional.softplus(raw + math.log(math.e - 1.0))


def as_options(shape: Shape, law: str, beta: float, n_draws: int) -> dict[str, Any]:
    """Parameters of the module, as skorch's net takes them."""
    return {
        "module": Autoencoder,
        "module__shape": shape,
        "module__law": law,
        "module__beta": beta,
        "module__n_draws": n_draws,
    }
