"""The distance of drawn rows to real ones, cheap enough for every epoch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklgen.metrics._encoding import _SMALLEST_SHARE
from sklgen.metrics._energy import _whitening


class EnergyDistance(nn.Module):
    """The whitened energy distance of `sklgen.metrics`, between inputs of networks.

    Parameters
    ----------
    rows : Tensor of shape (n, width)
        Real rows, whose covariance whitens.
    blocks : tuple of slice
        The columns that are indicators, of one category or class each.
    """

    whiten: Tensor

    def __init__(self, rows: Tensor, blocks: tuple[slice, ...]) -> None:
        super().__init__()
        values = rows.double().numpy()
        kept, scale = _independent(values, blocks)
        matrix = np.zeros((values.shape[1], len(kept)))
        matrix[kept, np.arange(len(kept))] = 1.0 / scale[kept]
        white = matrix @ _whitening(values @ matrix, np.ones(len(values)))
        self.register_buffer("whiten", torch.from_numpy(white).to(rows))

    def forward(self, real: Tensor, drawn: Tensor) -> Tensor:
        """The unbiased estimate; a single row has no distance to others of its kind."""
        A, B = real @ self.whiten, drawn @ self.whiten
        return 2.0 * torch.cdist(A, B).mean() - _mean_within(A) - _mean_within(B)


def _mean_within(A: Tensor) -> Tensor:
    n = len(A)
    return torch.cdist(A, A).sum() / max(n * (n - 1), 1)


def _independent(
    values: NDArray[np.float64], blocks: tuple[slice, ...]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The columns that do not add up to others, and their deviations.

    The commonest level of each category is left out, and the rarest ones.
    """
    kept, scale = np.ones(values.shape[1], dtype=bool), np.ones(values.shape[1])
    for block in blocks:
        shares = values[:, block].mean(axis=0)
        kept[block] = shares >= _SMALLEST_SHARE
        kept[block.start + int(shares.argmax())] = False
        rest = np.maximum(1.0 - shares, _SMALLEST_SHARE)
        scale[block] = np.sqrt(np.maximum(shares, _SMALLEST_SHARE) * rest)
    kept[0] |= not kept.any()
    return np.flatnonzero(kept), scale
