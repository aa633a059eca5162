"""Flows of zuko, and the losses of rows under them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

_LOG_ROOT = 0.5 * math.log(2 * math.pi)
_VALIDATION_SEED = 0
# A share of a wide normal law, lest a row between those of fit cost thousands of nats.
_SHARE = 1e-4
_WIDTH = 2.0
_HIDDEN = (64, 64)
_N_TRANSFORMS = {"maf": 5, "nsf": 3, "realnvp": 6}


def _flows() -> dict[str, Callable[..., Any]]:
    """The flows of zuko, which turns off the checks of all distributions of torch."""
    before = Distribution._validate_args
    from zuko.flows import MAF, NSF, RealNVP

    Distribution.set_default_validate_args(before)
    return {"maf": MAF, "nsf": NSF, "realnvp": RealNVP}


_FLOWS = _flows()


class FlowLoss(nn.Module):
    """A flow, and what each row loses under it.

    A wide normal law has a small share in the density.

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

    def log_density(self, points: Tensor, classes: Tensor) -> Tensor:
        """Log-densities of points."""
        z, log_slopes = self._map(classes).call_and_ladj(points)
        normal = -0.5 * z**2 - _LOG_ROOT
        wide = -0.5 * (points / _WIDTH) ** 2 - _LOG_ROOT - math.log(_WIDTH)
        out: Tensor = torch.logaddexp(
            normal.sum(dim=1) + log_slopes + math.log1p(-_SHARE),
            wide.sum(dim=1) + math.log(_SHARE),
        )
        return out

    def draw(self, classes: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
        """Points of standard normal vectors, and of one uniform number for each."""
        points: Tensor = self._map(classes).inv(normal)
        return torch.where(uniform[:, None] < _SHARE, _WIDTH * normal, points)

    def _map(self, classes: Tensor) -> Any:
        """From points to standard normal vectors."""
        return self.flow(classes if classes.shape[1] else None).transform


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
    *,
    n_transforms: int | None,
    hidden: tuple[int, ...] | None,
    n_bins: int,
) -> Any:
    """A flow of zuko; None takes what suits the architecture."""
    options: dict[str, Any] = {
        "transforms": n_transforms or _N_TRANSFORMS[architecture],
        "hidden_features": hidden or _HIDDEN,
        # Smooth, so that rounding of rows does not grow while they are fitted.
        "activation": nn.GELU,
    }
    if architecture == "nsf":
        # Two passes make coupling layers, which are inverted as fast as evaluated.
        options.update(bins=n_bins, passes=2)
    return _FLOWS[architecture](n_features, n_classes, **options)
