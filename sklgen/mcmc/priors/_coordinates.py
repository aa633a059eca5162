"""Laws in coordinates that suit a posterior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklgen.families._base import Array
from sklgen.mcmc._transforms import Transform
from sklgen.mcmc.priors._base import Prior


@dataclass(frozen=True, eq=False)
class InCoordinates(Prior):
    """A law, whose samplers move in coordinates that are known to suit.

    Where a model knows where its posterior is, and how wide, it says so by a transform
    to vectors of about one: draws come faster, and are of the same law.

    Parameters
    ----------
    prior : Prior
        The law.
    coordinates : Transform
        Map of vectors onto its support.
    """

    prior: Prior
    coordinates: Transform

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return self.prior.shape

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return self.coordinates

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives, as those of `prior`."""
        return self.prior.value_and_gradient(x)

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw values, as `prior` does."""
        return self.prior.draw(n_draws, rng)
