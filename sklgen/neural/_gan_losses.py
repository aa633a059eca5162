"""What generators and critics are trained by."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


class AdversarialLoss(ABC):
    """Losses of a critic and a generator, from what the critic says of rows."""

    @abstractmethod
    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of the critic for each pair of a real and a drawn row."""

    @abstractmethod
    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of the generator for each pair."""

    @abstractmethod
    def penalty(
        self, critic: nn.Module, real: Tensor, fake: Tensor, classes: Tensor
    ) -> Tensor:
        """What a critic pays for its slopes at each pair."""


class Relativistic(AdversarialLoss):
    """Real rows against drawn ones in pairs; slopes at both cost."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake - real)

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(real - fake)

    def penalty(
        self, critic: nn.Module, real: Tensor, fake: Tensor, classes: Tensor
    ) -> Tensor:
        rows, both = torch.cat([real, fake]), torch.cat([classes, classes])
        at_real, at_fake = _squared_slopes(critic, rows, both).chunk(2)
        return 0.5 * (at_real + at_fake)


class NonSaturating(AdversarialLoss):
    """The loss of the first GANs; slopes at real rows cost."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real) + softplus(fake)

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-fake)

    def penalty(
        self, critic: nn.Module, real: Tensor, fake: Tensor, classes: Tensor
    ) -> Tensor:
        return 0.5 * _squared_slopes(critic, real, classes)


class Wasserstein(AdversarialLoss):
    """Differences; between real and drawn rows, slopes other than 1 cost."""

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake - real

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return -fake

    def penalty(
        self, critic: nn.Module, real: Tensor, fake: Tensor, classes: Tensor
    ) -> Tensor:
        share = torch.rand((len(real), 1), device=real.device)
        squares = _squared_slopes(critic, real.lerp(fake, share), classes)
        # The root has no slope at 0.
        return ((squares + 1e-12).sqrt() - 1.0).square()


LOSSES: dict[str, AdversarialLoss] = {
    "r3gan": Relativistic(),
    "wgan-gp": Wasserstein(),
    "non_saturating": NonSaturating(),
}


def _squared_slopes(critic: nn.Module, rows: Tensor, classes: Tensor) -> Tensor:
    """Squared length of the critic's gradient at each row."""
    rows = rows.detach().requires_grad_()
    out = critic(rows, classes).sum()
    (slopes,) = torch.autograd.grad(out, rows, create_graph=True)
    return slopes.square().sum(dim=1)
