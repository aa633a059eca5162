"""Flows of zuko, and the losses of rows under them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import zuko
from torch import Tensor, nn

_LOG_ROOT = 0.5 * math.log(2 * math.pi)
_VALIDATION_SEED = 0


class FlowLoss(nn.Module):
    """A flow, and what each row loses under it.

    Parameters
    ----------
    flow : Flow
        zuko's flow of points.
    has_cells : bool
        Whether rows have intervals, which noise turns into points.
    """

    def __init__(self, flow: Any, *, has_cells: bool) -> None:
        super().__init__()
        self.flow = flow
        self.has_cells = has_cells

    def forward(
        self,
        start: Tensor,
        width: Tensor,
        sign: Tensor,
        offset: Tensor,
        classes: Tensor,
    ) -> Tensor:
        """Negative log-densities; intervals are seen at one point each."""
        if not self.has_cells:
            return -self.log_density(start, classes) - offset
        if self.training:
            noise = torch.rand_like(start)
        else:
            # The same noise for each epoch, so that epochs compare.
            generator = torch.Generator(start.device).manual_seed(_VALIDATION_SEED)
            noise = torch.rand(
                start.shape, generator=generator, device=start.device, dtype=start.dtype
            )
        points, log_ratio = fill(start, width, sign, noise)
        return -self.log_density(points, classes) - log_ratio - offset

    def law(self, classes: Tensor) -> Any:
        """The distribution of points."""
        return self.flow(classes if classes.shape[1] else None)

    def log_density(self, points: Tensor, classes: Tensor) -> Tensor:
        """Log-densities of points."""
        out: Tensor = self.law(classes).log_prob(points)
        return out


def fill(
    start: Tensor, width: Tensor, sign: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Points of cells, and less the log of their normal density where they are filled.

    Noise between 0 and 1 has a normal law within each interval.
    """
    inside = sign != 0
    tiny = torch.finfo(start.dtype).tiny
    probability = torch.where(inside, start + width * noise, 0.5).clamp(min=tiny)
    filled = torch.special.ndtri(probability)
    points = torch.where(inside, sign * filled, start)
    log_ratio = torch.where(inside, 0.5 * filled**2 + _LOG_ROOT, 0.0)
    return points, log_ratio.sum(dim=1)


def make_flow(
    architecture: str,
    n_features: int,
    n_classes: int,
    n_transforms: int,
    hidden: tuple[int, ...],
    n_bins: int,
) -> Any:
    """A flow of zuko."""
    options = {"transforms": n_transforms, "hidden_features": hidden}
    if architecture == "nsf":
        return zuko.flows.NSF(n_features, n_classes, bins=n_bins, passes=2, **options)
    flow: Callable[..., Any] = {"maf": zuko.flows.MAF, "realnvp": zuko.flows.RealNVP}[
        architecture
    ]
    return flow(n_features, n_classes, **options)
