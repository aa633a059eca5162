"""Laws of cells: numbers on a line or a grid, and categories, with their parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Intervals narrower than this, in units of 1 / (1 + distance), have the density of
# their middle.
_NARROW = 0.02
_LOG_2_PI = math.log(2.0 * math.pi)


class Cells(NamedTuple):
    """Cells of rows, as likelihoods take them.

    Parameters
    ----------
    inputs : Tensor of shape (n, width)
        Numbers, then indicators of categories; 0 where nothing was observed.
    low, high : Tensor of shape (n, q)
        Ends of the intervals that numbers stand for, equal for points.
    observed : Tensor of shape (n, q + c)
        1 where a number, or a category, was observed, else 0.
    """

    inputs: Tensor
    low: Tensor
    high: Tensor
    observed: Tensor


class Laws(NamedTuple):
    """Parameters of the laws of cells, for each row and each latent vector.

    Parameters
    ----------
    mean, scale : Tensor of shape (..., q)
        Of numbers.
    log_probabilities : Tensor of shape (..., n_levels)
        Of the levels of all categories, side by side.
    """

    mean: Tensor
    scale: Tensor
    log_probabilities: Tensor


def _normal_log_density(t: Tensor) -> Tensor:
    return -0.5 * (t * t + _LOG_2_PI)


def _student_log_density(t: Tensor) -> Tensor:
    return math.log(0.375) - 2.5 * torch.log1p(t * t / 4.0)


def _student_log_below(t: Tensor) -> Tensor:
    root = torch.sqrt(4.0 + t * t)
    share = 4.0 / (root * (root - t))
    return 2.0 * torch.log(share) + torch.log((3.0 - share) / 4.0)


@dataclass(frozen=True)
class LineLaw:
    """A law of numbers around 0, in standard units, which is the same to both sides.

    Parameters
    ----------
    log_density, log_below : callable
        Log of the density, and of the probability below a number that is not positive.
    precisions, weights : ndarray
        The law as a mixture of normal ones: their precisions and weights.
    draw : callable
        Draws of a generator, of a shape.
    """

    log_density: Callable[[Tensor], Tensor]
    log_below: Callable[[Tensor], Tensor]
    precisions: NDArray[np.float64]
    weights: NDArray[np.float64]
    draw: Callable[[np.random.Generator, Any], NDArray[np.float64]]

    def log_mass(self, t: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Log-density of points, log of the mass of intervals, in standard units."""
        width = high - low
        middle = torch.where(width > 0, 0.5 * (low + high), t)
        point = width * (1.0 + middle.abs()) < _NARROW
        density = self.log_density(torch.where(point, middle, 0.0))
        factor = torch.where(point & (width > 0), width, 1.0)
        # Both tails are alike: from here on, intervals are to the left of 0.
        above = middle > 0
        right = torch.where(above, -low, high)
        left = torch.where(above, -high, low)
        left = torch.where(point, -1.0, left)
        right = torch.where(point, 0.0, right)
        top = self.log_below(right)
        mass = top + torch.log(-torch.expm1(self.log_below(left) - top))
        return torch.where(point, density + torch.log(factor), mass)


def _student_mixture() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precisions of normal laws whose mixture is Student's: Gauss-Laguerre nodes."""
    nodes, weights = np.polynomial.laguerre.laggauss(24)
    weights = weights * nodes
    kept = weights > 1e-9
    return nodes[kept] / 2.0, weights[kept] / weights[kept].sum()


LAWS = {
    "gaussian": LineLaw(
        _normal_log_density,
        torch.special.log_ndtr,
        np.ones(1),
        np.ones(1),
        lambda rng, shape: rng.standard_normal(shape),
    ),
    "student": LineLaw(
        _student_log_density,
        _student_log_below,
        *_student_mixture(),
        lambda rng, shape: rng.standard_t(4.0, shape),
    ),
}


def log_likelihood(laws: Laws, cells: Cells, law: LineLaw) -> Tensor:
    """Log-likelihood of the observed cells of each row, for each latent vector.

    Parameters
    ----------
    laws : Laws
        Of shape (n, K, ...), or (1, K, ...) for latent vectors that rows share.
    cells : Cells
        Of n rows.
    law : LineLaw
        Of numbers.

    Returns
    -------
    log_likelihood : Tensor of shape (n, K)
    """
    q = cells.low.shape[1]
    indicators = cells.inputs[:, q:]
    logs = laws.log_probabilities
    if len(logs) == 1:
        total = indicators @ logs[0].T
    else:
        total = torch.bmm(logs, indicators[:, :, None])[:, :, 0]
    grid = (cells.low < cells.high).any(dim=0)
    for columns, some in ((~grid, _point_densities), (grid, _cell_masses)):
        at = torch.nonzero(columns)[:, 0]
        if len(at):
            own = Cells(*(part[:, at] for part in cells))
            total = total + some(laws.mean[..., at], laws.scale[..., at], own, law)
    return total


def _point_densities(mean: Tensor, scale: Tensor, cells: Cells, law: LineLaw) -> Tensor:
    """Log-densities of points, summed over columns."""
    x, observed = cells.inputs, cells.observed
    if len(mean) == 1 and law is LAWS["gaussian"]:
        mean, precision = mean[0], scale[0] ** -2
        constant = torch.log(precision) - mean**2 * precision - _LOG_2_PI
        parts = [-0.5 * precision, mean * precision, 0.5 * constant]
        return torch.cat([x**2, x, observed], dim=1) @ torch.cat(parts, dim=1).T
    density = law.log_density((x[:, None] - mean) / scale) - torch.log(scale)
    return (density * observed[:, None]).sum(dim=2)


def _cell_masses(mean: Tensor, scale: Tensor, cells: Cells, law: LineLaw) -> Tensor:
    """Log-masses of intervals and log-densities of points, summed over columns."""
    ends = (cells.inputs, cells.low, cells.high)
    mass = law.log_mass(*((end[:, None] - mean) / scale for end in ends))
    points = (cells.low == cells.high)[:, None]
    mass = mass - torch.where(points, torch.log(scale), 0.0)
    return (mass * cells.observed[:, None]).sum(dim=2)
