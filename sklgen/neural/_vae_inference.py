"""What a fitted autoencoder says about rows: importance sampling of latent vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor
from torch.nn.functional import softplus

from sklgen._typing import Array
from sklgen.neural._vae_laws import Cells, Laws, LineLaw, log_likelihood
from sklgen.neural._vae_module import Autoencoder
from sklgen.neural._vae_prior import Prior, even_points

# Latent vectors that are weighed at once.
_WEIGHED = 1 << 17
# Latent vectors of the prior, for each one of the encoder.
_OF_PRIOR = 32


@dataclass(frozen=True)
class Posterior:
    """Latent vectors with weights for a block of rows.

    Of each row there are the vectors that its encoder proposed, then those of the
    prior, which all rows share.

    Parameters
    ----------
    log_weights : Tensor of shape (n, K + S)
        Logs of weights, whose sums estimate densities.
    own, shared : Laws
        Laws of cells for both: of shape (n, K, ...) and (1, S, ...).
    """

    log_weights: Tensor
    own: Laws
    shared: Laws

    @property
    def log_density(self) -> Tensor:
        return torch.logsumexp(self.log_weights, dim=1)


@dataclass(frozen=True, eq=False)
class Inference:
    """Importance sampling of latent vectors, from encoder and prior together.

    The weights are those of the balance heuristic: each vector counts as one of the
    mixture of both laws, so that no weight is larger than the likelihood allows.

    Parameters
    ----------
    module : Autoencoder
        The networks, in float64.
    law : LineLaw
        Of numbers.
    priors : tuple of Prior
        One for each class of rows, or one.
    n_points : int
        Number of vectors of the encoder.
    """

    module: Autoencoder
    law: LineLaw
    priors: tuple[Prior, ...]
    n_points: int

    @cached_property
    def _noise(self) -> Tensor:
        points = even_points(self.n_points, self.priors[0].n_latent)
        return torch.from_numpy(ndtri(points))

    def classes(self, n: int, k: int | None) -> Tensor:
        """Indicators of class k for n rows; of no class if it is None."""
        n_classes = self.module.shape.n_classes
        out = torch.zeros((n, n_classes), dtype=torch.float64)
        if k is not None and n_classes:
            out[:, k] = 1.0
        return out

    @cached_property
    def _shared(self) -> list[tuple[Tensor, Tensor, Laws]]:
        """Vectors of each prior, their log-densities, and laws of cells."""
        found = []
        for k, prior in enumerate(self.priors):
            points = prior.points(_OF_PRIOR * self.n_points)
            z = torch.from_numpy(points)
            laws = self.module.decode(z, self.classes(len(z), k))
            shared = Laws(*(part[None] for part in laws))
            found.append((z, prior.log_density(z), shared))
        return found

    def blocks(self, cells: Cells, k: int) -> Iterator[tuple[slice, Posterior]]:
        """Posteriors of blocks of rows of class k, or of rows without class."""
        size = max(1, _WEIGHED // ((1 + _OF_PRIOR) * self.n_points))
        for begin in range(0, len(cells.inputs), size):
            block = slice(begin, begin + size)
            yield block, self._posterior(Cells(*(part[block] for part in cells)), k)

    def _posterior(self, cells: Cells, k: int) -> Posterior:
        n, K = len(cells.inputs), self.n_points
        mean, scale = self.module.encode(
            cells.inputs, cells.observed, self.classes(n, k)
        )
        scale = untempered(scale, self.module.beta)
        z = mean[:, None] + scale[:, None] * self._noise
        flat = self.module.decode(z.reshape(n * K, -1), self.classes(n * K, k))
        own = Laws(*(part.reshape(n, K, -1) for part in flat))
        vectors, log_prior, shared = self._shared[k]
        S = len(vectors)
        log_weights = []
        for proposed, prior, laws in (
            (log_normal(z, mean, scale), self.priors[k].log_density(z), own),
            (log_normal(vectors[None], mean, scale), log_prior[None], shared),
        ):
            # Logs of prior over mixture, but for the constant.
            excess = proposed.sub_(prior).add_(math.log(K / S))
            fit = log_likelihood(laws, cells, self.law)
            log_weights.append(fit.sub_(softplus(excess, threshold=40.0)))
        weights = torch.cat(log_weights, dim=1).sub_(math.log(S))
        # Rows of which nothing was observed have the prior itself.
        nothing = cells.observed.sum(dim=1) == 0
        weights[nothing, :K] = -math.inf
        weights[nothing, K:] = -math.log(S)
        return Posterior(weights, own, shared)


def untempered(scale: Tensor, beta: float) -> Tensor:
    """Deviations of posteriors, of those of likelihoods to the power of 1 / beta."""
    precision = beta * (scale**-2 - 1.0)
    return torch.where(scale < 1.0, (1.0 + precision) ** -0.5, scale)


def log_normal(z: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Log-density (n, K) of vectors (n or 1, K, L) under normal laws (n, L) of rows."""
    constant = torch.log(scale).sum(dim=1) + 0.5 * z.shape[2] * math.log(2.0 * math.pi)
    if len(z) > 1:
        squares = (((z - mean[:, None]) / scale[:, None]) ** 2).sum(dim=2)
        return -0.5 * squares - constant[:, None]
    precision, vectors = scale**-2, z[0]
    constant = constant + 0.5 * (mean**2 * precision).sum(dim=1)
    rows = [-0.5 * precision, mean * precision, -constant[:, None]]
    columns = [vectors**2, vectors, torch.ones_like(vectors[:, :1])]
    return torch.cat(rows, dim=1) @ torch.cat(columns, dim=1).T


def draw_cells(
    laws: tuple[Array, Array, Array],
    levels: tuple[int, ...],
    law: LineLaw,
    rng: np.random.Generator,
) -> tuple[Array, NDArray[np.float64]]:
    """Numbers and codes of rows with these means, scales and log-probabilities."""
    mean, scale, logs = laws
    numbers = mean + scale * law.draw(rng, mean.shape)
    noisy = logs + rng.gumbel(size=logs.shape)
    blocks = np.split(noisy, np.cumsum(levels)[:-1], axis=1) if levels else []
    codes = [block.argmax(axis=1) for block in blocks]
    table = np.array(codes, dtype=np.float64).reshape(len(levels), len(mean))
    return numbers, table.T
