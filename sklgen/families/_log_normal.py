"""Log-normal components: Gaussians over the logarithms of positive numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import Allocate, View
from sklgen.families._columns import STRENGTH, ColumnFamily
from sklgen.families._gaussian import RESOLUTION, Moments
from sklgen.families._gaussian_axis import DiagonalGaussian

# Logs of the smallest and the largest numbers to draw.
_LOWEST_LOG, _HIGHEST_LOG = -708.0, 709.0


@dataclass(frozen=True)
class LogNormal(ColumnFamily):
    """Components with independent columns of log-normal laws.

    The Gaussian's `prior_count` makes the prior: cells that every variance counts
    before the data, one `scale` from the mean.

    Parameters
    ----------
    gaussian : DiagonalGaussian
        The laws of the logarithms.

    Notes
    -----
    A block of n rows takes O(n K d) operations, with or without missing cells.
    """

    gaussian: DiagonalGaussian

    support: ClassVar[str] = "positive numbers. Shift the others, or drop them."

    @classmethod
    def standard(cls, d: int) -> Self:
        zeros, ones = np.zeros((1, d)), np.ones((1, d))
        return cls(DiagonalGaussian(zeros, ones, np.ones(d), RESOLUTION**2))

    def equal(self, n: int, statistics: Moments, strength: float = STRENGTH) -> Self:
        whole = self.gaussian.maximize(statistics)
        gaussian = DiagonalGaussian(
            np.repeat(whole.means, n, axis=0),
            np.repeat(whole.covariances, n, axis=0),
            np.sqrt(whole.covariances[0]),
            RESOLUTION**2,
            strength,
        )
        return replace(self, gaussian=gaussian)

    @staticmethod
    def supports(cells: Array) -> NDArray[np.bool_]:
        return np.asarray(cells > 0)

    @property
    def shape(self) -> tuple[int, int]:
        return self.gaussian.shape

    @property
    def n_features(self) -> int:
        return self.gaussian.n_features

    @property
    def log_prior(self) -> float:
        return self.gaussian.log_prior

    @cached_property
    def _views(self) -> tuple[View, View]:
        return LogView(self.gaussian, complete=False), LogView(
            self.gaussian, complete=True
        )

    def view(self, *, complete: bool) -> View:
        return self._views[complete]

    def maximize(self, statistics: Moments) -> Self:
        return replace(self, gaussian=self.gaussian.maximize(statistics))

    def take(self, indices: NDArray[np.intp]) -> Self:
        return replace(self, gaussian=self.gaussian.take(indices))

    def settle(self, weights: Array, data: Self) -> Self:
        constant = {
            name: getattr(data.gaussian, name)
            for name in ("scale", "floor", "prior_count")
        }
        return replace(self, gaussian=replace(self.gaussian, **constant))

    def recentre(self, statistics: Moments, target: Self) -> Moments:
        return self.gaussian.recentre(statistics, target.gaussian)

    @property
    def moments(self) -> Array:
        logs = self.gaussian.means + 0.5 * self.gaussian.variances()
        return np.exp(np.minimum(logs, _HIGHEST_LOG))[None]

    @staticmethod
    def location(moments: Array) -> Array:
        return np.asarray(moments[0])

    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        unseen = np.empty((len(labels), self.shape[1]))
        logs = self.gaussian.conditional_draw(unseen, labels, rng)
        return np.exp(np.clip(logs, _LOWEST_LOG, _HIGHEST_LOG))

    def pack(self) -> Array:
        return self.gaussian.pack()

    def unpack(self, vector: Array) -> Self:
        return replace(self, gaussian=self.gaussian.unpack(vector))


class LogView(View):
    """Gaussians over logarithms, their densities per unit of the cells themselves."""

    def __init__(self, gaussian: DiagonalGaussian, *, complete: bool) -> None:
        self._view = gaussian.view(complete=complete)
        self._sum = np.sum if complete else np.nansum

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Any:
        logs = np.log(X, dtype=np.float64)
        features = self._view.evaluate(logs, allocate, out)
        out -= self._sum(logs, axis=1)
        return features

    def zeros(self) -> Any:
        return self._view.zeros()

    def accumulate(self, sums: Any, features: Any, responsibilities: Array) -> None:
        self._view.accumulate(sums, features, responsibilities)

    def complete(self, sums: Any) -> Any:
        return self._view.complete(sums)
