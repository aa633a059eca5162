"""Rare levels are shown more often, and draws are corrected for it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Tilt(nn.Module):
    """How much more often than in the data rows are shown.

    The weight of a row is a mixture of 1 and, for each category, of what gives its
    levels shares in proportion to the logarithms of their counts. Its mean over the
    data is 1, so that a draw of tilted rows that is kept with probability
    (1 - balance) / weight is one of the data, and a share of 1 - balance is kept.

    Parameters
    ----------
    rows : Tensor of shape (n, width)
        Inputs. Later rows may have more columns.
    blocks : tuple of slice
        The indicators of each category.
    balance : float
        Share of the tilted part of the mixture.
    """

    excess: Tensor

    def __init__(self, rows: Tensor, blocks: tuple[slice, ...], balance: float) -> None:
        super().__init__()
        self.balance = balance if blocks else 0.0
        # A cell that is not there weighs 1: each row starts from that, in every block.
        excess = torch.zeros(rows.shape[1], device=rows.device)
        for block in blocks:
            counts = rows[:, block].sum(dim=0)
            aims = torch.log1p(counts)
            shares = counts / counts.sum().clamp_min(1.0)
            aims = aims / aims.sum().clamp_min(1e-9)
            excess[block] = torch.where(counts > 0, aims / shares, 1.0) - 1.0
        self.register_buffer("excess", excess / max(len(blocks), 1))

    def forward(self, rows: Tensor) -> Tensor:
        """Weights of rows."""
        weights: Tensor = 1.0 + self.balance * (
            rows[:, : len(self.excess)] @ self.excess
        )
        return weights

    def keeps(self, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        """Which draws of tilted rows to keep."""
        if not self.balance:
            return torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        share = torch.rand(len(rows), device=rows.device, generator=generator)
        kept: Tensor = share * self(rows) < 1.0 - self.balance
        return kept
