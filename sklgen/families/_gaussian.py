"""Gaussian components: what every covariance structure shares."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sklgen.families._base import EMPTY_SHARE, Additive, Array, Components

LOG_2_PI = float(np.log(2.0 * np.pi))
# Beyond this ratio of squared distance from the centre to the smallest variance,
# moments about a common centre lose more than nine of sixteen digits.
CANCELLATION_LIMIT = 1e7
# Deviations within components are resolved down to this share of the data's.
RESOLUTION = 1e-10


@dataclass(frozen=True)
class Moments(Additive):
    """Weighted sums of 1, e and e e^T for e = x - mean of the component.

    Shapes: `count` (K,) or (K, d); `first` (K, d); `second` (K, d, d), (1, d, d) where
    the components share it, or (K, d) for the squares alone.
    """

    count: Array
    first: Array
    second: Array


@dataclass(frozen=True)
class Gaussian(Components):
    """Gaussian components; `scale` (d,) and `floor` bound covariances from below.

    `settle` lowers `scale` from the deviations of the data to those within the
    components of a start, so that clusters far apart do not widen the bound. The
    M-step is the exact maximum of the likelihood among covariances C with
    C - floor * diag(scale**2) positive semi-definite, so that the bound cannot fall.
    """

    means: Array
    covariances: Array
    scale: Array
    floor: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.means.shape

    @abstractmethod
    def variances(self) -> Array:
        """Variance of each column under each component, (K, d)."""

    @classmethod
    @abstractmethod
    def equal(cls, n: int, mean: Array, scale: Array, floor: float) -> Self:
        """`n` equal components with independent columns and deviations `scale`."""

    @staticmethod
    @abstractmethod
    def stored_shape(n: int, d: int) -> tuple[int, ...]:
        """Shape of `covariances` for n components over d columns."""

    @staticmethod
    @abstractmethod
    def public_shape(n: int, d: int) -> tuple[int, ...]:
        """Shape of scikit-learn's `covariances_` for the same structure."""

    @staticmethod
    @abstractmethod
    def invert(precisions: Array) -> Array:
        """Stored covariances from stored precisions; LinAlgError if not positive."""

    @abstractmethod
    def precision_factors(self) -> tuple[Array, Array]:
        """Precisions P and factors W with W W^T = P, in the stored shape."""

    def settle(self, weights: Array) -> Self:
        within = weights @ self.variances()
        lowest, highest = (RESOLUTION * self.scale) ** 2, self.scale**2
        return replace(self, scale=np.sqrt(np.clip(within, lowest, highest)))

    def nonempty(self, count: Array) -> NDArray[np.bool_]:
        return np.asarray(count > EMPTY_SHARE * count.sum())


def common_frame(means: Array, variances: Array) -> tuple[Array, Array]:
    """Centre and scale, per column, of an even mixture of the components."""
    centre = means.mean(axis=0)
    scale = np.sqrt(variances.mean(axis=0) + means.var(axis=0))
    return centre, scale
