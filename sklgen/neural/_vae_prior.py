"""The law of latent vectors before rows are seen: a mixture of Gaussians."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from sklgen._typing import Array
from sklgen.mixture import GaussianMixture

_LOG_2_PI = math.log(2.0 * math.pi)
# Seed of the points that estimate densities: the same for all rows of all models.
_SEED = 0
# Rows for each component of a prior, and the largest number of components.
_ROWS_EACH, _MOST = 100, 64
# Rows to learn a prior from, at least: few rows count as several draws each.
_FEWEST_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Prior:
    """A mixture of Gaussians over latent vectors.

    Parameters
    ----------
    weights : ndarray of shape (C,)
        Weights.
    means : ndarray of shape (C, L)
        Means.
    roots : ndarray of shape (C, L, L)
        Lower Cholesky factors of the covariances.
    """

    weights: Array
    means: Array
    roots: Array

    @classmethod
    def standard(cls, n_latent: int) -> Prior:
        """The standard normal law."""
        return cls(np.ones(1), np.zeros((1, n_latent)), np.eye(n_latent)[None])

    @classmethod
    def learn(cls, z: Array, n_rows: int, n_components: int | None, seed: int) -> Prior:
        """The mixture that fits latent vectors, which come from `n_rows` rows."""
        wanted = n_components or min(_MOST, 1 + n_rows // _ROWS_EACH)
        mixture = GaussianMixture(
            wanted, n_init=1, max_iter=100, tol=1e-3, random_state=seed, n_jobs=1
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(z)
        roots = np.linalg.cholesky(mixture.covariances_)
        return cls(mixture.weights_, mixture.means_, np.asarray(roots, np.float64))

    @property
    def n_latent(self) -> int:
        return int(self.means.shape[1])

    def log_density(self, z: Tensor) -> Tensor:
        """Log-density of latent vectors (..., L)."""
        flat = z.reshape(-1, self.n_latent)
        logs = [
            constant - 0.5 * ((flat @ inverse - mean) ** 2).sum(dim=1)
            for constant, inverse, mean in self._parts
        ]
        return torch.logsumexp(torch.stack(logs), dim=0).reshape(z.shape[:-1])

    @property
    def _parts(self) -> list[tuple[float, Tensor, Tensor]]:
        """Constants, whitening matrices and whitened means."""
        parts = []
        for weight, mean, root in zip(
            self.weights, self.means, self.roots, strict=True
        ):
            inverse = np.linalg.inv(root)
            constant = np.log(weight) - np.log(np.diag(root)).sum()
            constant -= 0.5 * self.n_latent * _LOG_2_PI
            whiten = torch.from_numpy(np.ascontiguousarray(inverse.T))
            parts.append((float(constant), whiten, torch.from_numpy(inverse @ mean)))
        return parts

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Independent latent vectors."""
        labels = rng.choice(len(self.weights), size=n, p=self.weights)
        return self._at(labels, rng.standard_normal((n, self.n_latent)))

    def points(self, n: int) -> Array:
        """Latent vectors that stand for the law, evenly spread."""
        uniform = even_points(n, self.n_latent + 1)
        ends = np.cumsum(self.weights)
        labels = np.searchsorted(ends[:-1], uniform[:, -1], side="right")
        return self._at(labels, ndtri(uniform[:, :-1]))

    def _at(self, labels: NDArray[np.intp], noise: Array) -> Array:
        out = np.empty_like(noise)
        for k in np.unique(labels):
            own = labels == k
            out[own] = self.means[k] + noise[own] @ self.roots[k].T
        return out


def even_points(n: int, d: int) -> Array:
    """Points of a scrambled Sobol sequence in the unit cube, none at its faces."""
    engine = qmc.Sobol(d, scramble=True, rng=np.random.default_rng(_SEED))
    points = engine.random(1 << max(n - 1, 0).bit_length())[:n]
    return np.asarray(np.clip(points, 1e-12, 1.0 - 1e-12))


def repeats(n_rows: int) -> int:
    """How many draws of each row's latent vector a prior is learned from."""
    return max(1, -(-_FEWEST_ROWS // n_rows))
