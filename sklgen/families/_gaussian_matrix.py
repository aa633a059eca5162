"""Gaussian components whose covariance is a matrix: one each, or one for all.

A leading axis of length K (full) or 1 (tied) broadcasts against the components, so
one text serves both structures.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import View
from sklgen.families._gaussian import RESOLUTION, Gaussian, Moments
from sklgen.families._gaussian_matrix_view import (
    CompleteMatrixView,
    PatternMatrixView,
    RaggedMatrixView,
    factorize,
    outer,
)
from sklgen.families._missing_kernels import (
    add_residual_draws,
    complete_errors,
    residual_variances,
)

# Eigenvalues below this share of the largest are rounding, whatever the floor.
_SINGULAR = 1e-13


@dataclass(frozen=True)
class MatrixGaussian(Gaussian):
    """Gaussian components with covariances of shape (K, d, d) or (1, d, d)."""

    @property
    def n_features(self) -> int:
        d = self.shape[1]
        return 1 + d + d * (d + 1) // 2

    @property
    def n_parameters(self) -> int:
        d = self.shape[1]
        return self.means.size + len(self.covariances) * d * (d + 1) // 2

    def variances(self) -> Array:
        return np.broadcast_to(np.einsum("kii->ki", self.covariances), self.shape)

    @cached_property
    def _complete_view(self) -> View:
        return CompleteMatrixView(self.means, self.covariances, self.pool)

    @cached_property
    def _ragged_view(self) -> View:
        return RaggedMatrixView(self.means, self.covariances, self.pool)

    def view(self, *, complete: bool) -> View:
        if complete:
            return self._complete_view
        return self._ragged_view

    @cached_property
    def _pattern_views(self) -> dict[bytes, View]:
        return {}

    @property
    def patterned(self) -> NDArray[np.intp]:
        return np.arange(self.shape[1])

    def pattern_view(self, observed: NDArray[np.bool_]) -> View:
        if observed.all():
            return self._complete_view
        key = observed.tobytes()
        if key not in self._pattern_views:
            self._pattern_views[key] = PatternMatrixView(
                self.means, self.covariances, self.pool, observed
            )
        return self._pattern_views[key]

    def maximize(self, statistics: Moments) -> Self:
        alive = self.nonempty(statistics.count)
        count = np.where(alive, statistics.count, 1.0)[:, None]
        step = np.where(alive[:, None], statistics.first / count, 0.0)
        covariances = self._from_scatter(statistics, step, alive)
        return replace(
            self,
            means=self.means + step,
            covariances=self._bounded(covariances),
        )

    @property
    def _prior_scatter(self) -> Array:
        return self.prior_count * np.diag(self.scale**2)

    @property
    def log_prior(self) -> float:
        if not self.prior_count:
            return 0.0
        _, inverse, log_determinant = factorize(self.covariances)
        traces = np.einsum("kij,j->k", inverse**2, self.scale**2)
        return float(-0.5 * self.prior_count * np.sum(log_determinant + traces))

    @abstractmethod
    def _from_scatter(
        self, statistics: Moments, step: Array, alive: NDArray[np.bool_]
    ) -> Array: ...

    @abstractmethod
    def pool(self, second: Array) -> Array:
        """Second moments in the shape that this structure keeps.

        Parameters
        ----------
        second : ndarray of shape (K, d, d)
            One matrix for each component.

        Returns
        -------
        second : ndarray of shape (K, d, d) or (1, d, d)
            The matrices as they are, or their sum where the components share one.
        """

    def recentre(self, statistics: Moments, target: Self) -> Moments:
        step = self.means - target.means
        cross = statistics.first[:, :, None] * step[:, None, :]
        square = outer(step) * statistics.count[:, None, None]
        return Moments(
            statistics.count,
            statistics.first + statistics.count[:, None] * step,
            statistics.second + self.pool(cross + cross.mT + square),
        )

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        errors = self._errors(X)
        return np.asarray(
            weights.T @ self.means + np.einsum("kn,kjn->nj", weights, errors)
        )

    def conditional_moments(self, X: NDArray[Any]) -> tuple[Array, Array]:
        means = self.means[:, None] + self._errors(X).transpose(0, 2, 1)
        variances = np.zeros((len(self.covariances), *X.shape))
        residual_variances(X, self.covariances, variances)
        return means, np.broadcast_to(variances, means.shape)

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        errors = self._errors(X)[labels, :, np.arange(len(X))]
        rows: Array = self.means[labels] + errors
        noise = rng.standard_normal(X.shape)
        add_residual_draws(X, labels, self.covariances, noise, rows)
        return rows

    def _errors(self, X: NDArray[Any]) -> Array:
        """Row - mean (K, d, n), missing cells at their regression on the others."""
        K, d = self.shape
        errors, log_density = np.empty((K, d, len(X))), np.empty((K, len(X)))
        complete_errors(X, self.means, self.covariances, log_density, errors)
        return errors

    def pack(self) -> Array:
        lower = np.linalg.cholesky(self.covariances) / self.scale[:, None]
        diagonal = np.eye(self.shape[1], dtype=bool)
        lower[:, diagonal] = np.log(lower[:, diagonal])
        rows, columns = np.tril_indices(self.shape[1])
        means = self.means / self.scale
        return np.concatenate([means.ravel(), lower[:, rows, columns].ravel()])

    def unpack(self, vector: Array) -> Self:
        n, d = self.shape
        diagonal = np.eye(d, dtype=bool)
        rows, columns = np.tril_indices(d)
        lower = np.zeros(self.covariances.shape)
        lower[:, rows, columns] = vector[n * d :].reshape(len(lower), -1)
        lower[:, diagonal] = np.exp(lower[:, diagonal])
        lower *= self.scale[:, None]
        return replace(
            self,
            means=vector[: n * d].reshape(n, d) * self.scale,
            covariances=self._bounded(lower @ lower.mT),
        )

    @classmethod
    def equal(cls, n: int, mean: Array, scale: Array, floor: float) -> Self:
        return cls.independent(
            np.tile(mean, (n, 1)), np.tile(scale**2, (n, 1)), RESOLUTION * scale, floor
        )

    @classmethod
    def independent(
        cls, means: Array, variances: Array, scale: Array, floor: float
    ) -> Self:
        n, d = means.shape
        covariances = np.zeros((n, d, d))
        covariances[:, np.eye(d, dtype=bool)] = variances
        n_stored = cls.stored_shape(n, d)[0]
        pooled = covariances if n_stored == n else covariances.mean(axis=0)[None]
        return cls(means, pooled, scale, floor)

    def _bounded(self, covariances: Array) -> Array:
        """The nearest covariances, in likelihood, that respect the floor."""
        unit = self.scale[:, None] * self.scale
        correlations = covariances / unit
        largest = np.abs(correlations).max(axis=(1, 2))[:, None]
        lowest = np.maximum(self.floor, _SINGULAR * len(unit) * largest)
        try:
            np.linalg.cholesky(correlations - lowest[:, None] * np.eye(len(unit)))
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(correlations)
            values = np.maximum(values, lowest)
            covariances = (vectors * values[:, None, :]) @ vectors.mT * unit
        return (covariances + covariances.mT) / 2.0

    @staticmethod
    def invert(precisions: Array) -> Array:
        _, inverse, _ = factorize(precisions)
        return inverse.mT @ inverse

    def precision_factors(self) -> tuple[Array, Array]:
        factors = factorize(self.covariances)[1].mT
        return factors @ factors.mT, factors


class FullGaussian(MatrixGaussian):
    """Gaussian components with one covariance matrix per component.

    A row has the p = 1 + d + d (d + 1) / 2 features (1, x, x_i x_j for i <= j).

    Parameters
    ----------
    means : ndarray of shape (K, d)
        Mean of each component.
    covariances : ndarray of shape (K, d, d)
        Covariance matrix of each component.
    scale : ndarray of shape (d,)
        Positive unit of each column.
    floor : float
        Smallest eigenvalue of a covariance in these units.
    prior_count : float, default=0.0
        Rows that every covariance counts before the data, at one unit from the mean
        in each column: an inverse Wishart prior, whose mode the M-step takes.

    Notes
    -----
    A block of n rows takes O(n K d^2) operations, and O(K d^3) more for each pattern
    of missing cells in it.
    """

    @staticmethod
    def stored_shape(n: int, d: int) -> tuple[int, ...]:
        return (n, d, d)

    @staticmethod
    def public_shape(n: int, d: int) -> tuple[int, ...]:
        return (n, d, d)

    def pool(self, second: Array) -> Array:
        return second

    def _from_scatter(
        self, statistics: Moments, step: Array, alive: NDArray[np.bool_]
    ) -> Array:
        count = statistics.count[:, None, None]
        known = np.where(alive[:, None, None], count, 0.0) + self.prior_count
        scatter = np.where(
            alive[:, None, None], statistics.second - count * outer(step), 0.0
        )
        covariances = (scatter + self._prior_scatter) / np.where(known, known, 1.0)
        return np.where(known > 0, covariances, self.covariances)


class TiedGaussian(MatrixGaussian):
    """Gaussian components with one covariance matrix for all.

    Features are those of `FullGaussian`.

    Parameters
    ----------
    means : ndarray of shape (K, d)
        Mean of each component.
    covariances : ndarray of shape (1, d, d)
        The covariance matrix.
    scale : ndarray of shape (d,)
        Positive unit of each column.
    floor : float
        Smallest eigenvalue of a covariance in these units.
    prior_count : float, default=0.0
        Rows that every covariance counts before the data, at one unit from the mean
        in each column: an inverse Wishart prior, whose mode the M-step takes.

    Notes
    -----
    Costs are those of `FullGaussian`; the covariance is factorised once for all.
    """

    @staticmethod
    def stored_shape(n: int, d: int) -> tuple[int, ...]:
        return (1, d, d)

    @staticmethod
    def public_shape(n: int, d: int) -> tuple[int, ...]:
        return (d, d)

    def pool(self, second: Array) -> Array:
        return np.asarray(second.sum(axis=0, keepdims=True))

    def _from_scatter(
        self, statistics: Moments, step: Array, alive: NDArray[np.bool_]
    ) -> Array:
        between = self.pool(outer(step) * statistics.count[:, None, None])
        scatter = statistics.second - between + self._prior_scatter
        return np.asarray(scatter / (statistics.count.sum() + self.prior_count))
