"""Gaussian components whose covariance is a matrix: one each, or one for all.

A leading axis of length K (full) or 1 (tied) broadcasts against the components, so
one text serves both structures.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtri

from sklgen.families._base import Allocate, Array, View
from sklgen.families._gaussian import (
    CANCELLATION_LIMIT,
    LOG_2_PI,
    Gaussian,
    Moments,
    common_frame,
)
from sklgen.families._kernels import products, standardize


@dataclass(frozen=True)
class MatrixGaussian(Gaussian):
    """Gaussian components with covariances of shape (K, d, d) or (1, d, d)."""

    by_pattern: ClassVar[bool] = True

    @property
    def n_features(self) -> int:
        d = self.shape[1]
        return 1 + d + d * (d + 1) // 2

    @property
    def n_parameters(self) -> int:
        d = self.shape[1]
        return self.means.size + len(self.covariances) * d * (d + 1) // 2

    def variances(self) -> Array:
        return self._for_each(np.einsum("kii->ki", self.covariances))

    @cached_property
    def _complete_view(self) -> MatrixView:
        return MatrixView(self, np.ones(self.shape[1], dtype=bool))

    def view(self, observed: NDArray[np.bool_] | None) -> MatrixView:
        if observed is None or observed.all():
            return self._complete_view
        return MatrixView(self, observed)

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

    @abstractmethod
    def _from_scatter(
        self, statistics: Moments, step: Array, alive: NDArray[np.bool_]
    ) -> Array: ...

    @abstractmethod
    def pool(self, second: Array) -> Array:
        """Second moments (K, d, d), in the shape this structure keeps."""

    def recentre(self, statistics: Moments, target: Self) -> Moments:
        step = self.means - target.means
        cross = statistics.first[:, :, None] * step[:, None, :]
        square = _outer(step) * statistics.count[:, None, None]
        return Moments(
            statistics.count,
            statistics.first + statistics.count[:, None] * step,
            statistics.second + self.pool(cross + cross.mT + square),
        )

    def conditional_mean(
        self, X: NDArray[Any], observed: NDArray[np.bool_] | None, weights: Array
    ) -> Array:
        assert observed is not None
        slope, _ = self._regression(observed)
        completed: Array = np.zeros(X.shape)
        for k, weight in enumerate(weights):
            completed[:, ~observed] += weight[:, None] * self._predict_missing(
                X, observed, k, slope
            )
        return completed

    def conditional_draw(
        self,
        X: NDArray[Any],
        observed: NDArray[np.bool_] | None,
        labels: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> Array:
        assert observed is not None
        slope, residual = self._regression(observed)
        root = self._for_each(_square_root(residual))
        noise = rng.standard_normal((len(X), residual.shape[-1]))
        completed: Array = np.zeros(X.shape)
        for k in range(self.shape[0]):
            mine = np.flatnonzero(labels == k)
            completed[np.ix_(mine, ~observed)] = (
                self._predict_missing(X[mine], observed, k, slope)
                + noise[mine] @ root[k].T
            )
        return completed

    def _predict_missing(
        self, X: NDArray[Any], observed: Any, k: int, slope: Array
    ) -> Array:
        error = X[:, observed] - self.means[k, observed]
        return np.asarray(self.means[k, ~observed] + error @ slope[k].T)

    def _regression(self, observed: Any) -> tuple[Array, Array]:
        slope, residual = regression(self.covariances, observed)
        return self._for_each(slope), residual

    def _for_each(self, values: Array) -> Array:
        """`values` with its leading axis stretched to the number of components."""
        return np.broadcast_to(values, (self.shape[0], *values.shape[1:]))

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
        covariances = np.tile(np.diag(scale**2), (cls.stored_shape(n, 0)[0], 1, 1))
        return cls(np.tile(mean, (n, 1)), covariances, scale, floor)

    def _bounded(self, covariances: Array) -> Array:
        """The nearest covariances, in likelihood, that respect the floor."""
        unit = self.scale[:, None] * self.scale
        correlations = covariances / unit
        d = len(unit)
        try:
            np.linalg.cholesky(correlations - self.floor * np.eye(d))
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(correlations)
            values = np.maximum(values, self.floor)
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
    """One covariance matrix per component."""

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
        count = np.where(alive, statistics.count, 1.0)[:, None, None]
        covariances = statistics.second / count - _outer(step)
        return np.where(alive[:, None, None], covariances, self.covariances)


class TiedGaussian(MatrixGaussian):
    """One covariance matrix for all components."""

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
        between = self.pool(_outer(step) * statistics.count[:, None, None])
        return np.asarray((statistics.second - between) / statistics.count.sum())


class MatrixView(View):
    """Matrix Gaussians on some columns.

    Components near a common centre share one matrix product of quadratic features;
    those for which that would cancel are whitened one by one, by their own mean and
    covariance.
    """

    def __init__(self, model: MatrixGaussian, observed: NDArray[np.bool_]) -> None:
        self._model = model
        self._observed = observed
        self._means = model.means[:, observed]
        blocks = model.covariances[:, observed][:, :, observed]
        lower, inverse, log_determinant = factorize(blocks)
        stretch = model._for_each
        self._lower, self._inverse = stretch(lower), stretch(inverse)
        self._log_scale = (
            -0.5 * stretch(len(blocks[0]) * LOG_2_PI + log_determinant[:, None]).ravel()
        )
        self._choose_frames(stretch(blocks))

    def _choose_frames(self, blocks: Array) -> None:
        variances = np.einsum("kii->ki", blocks)
        self._centre, self._scale = common_frame(self._means, variances)
        offset = (self._means - self._centre) / self._scale
        precision = self._inverse.mT @ self._inverse
        precision = precision * (self._scale[:, None] * self._scale)
        reach = (offset**2 + variances / self._scale**2).sum(axis=1)
        sharpness = np.abs(precision).sum(axis=2).max(axis=1, initial=0.0)
        cancels = reach * sharpness > CANCELLATION_LIMIT
        self._alone = np.flatnonzero(cancels)
        self._shared = np.flatnonzero(~cancels)
        self._offset = offset[self._shared]
        self._natural = natural_parameters(
            self._offset, precision[self._shared], self._log_scale[self._shared]
        )

    def features(self, X: NDArray[Any], allocate: Allocate) -> list[Array]:
        n, d = len(X), len(self._centre)
        X = np.ascontiguousarray(X if d == X.shape[1] else X[:, self._observed])
        features = []
        if self._shared.size:
            table = allocate("features", (self._natural.shape[1], n))
            table[0] = 1.0
            standardize(X, self._centre, self._scale, table[1 : 1 + d])
            products(table[1 : 1 + d], table[1 + d :])
            features.append(table)
        for k in self._alone:
            error = allocate("error", (d, n))
            standardize(X, self._means[k], np.ones(d), error)
            features.append(self._inverse[k] @ error)
        return features

    def log_density(self, features: list[Array], out: Array) -> None:
        if not self._alone.size:
            np.matmul(self._natural, features[0], out=out)
            return
        if self._shared.size:
            out[self._shared] = self._natural @ features[0]
        for k, white in zip(self._alone, features[-len(self._alone) :], strict=True):
            out[k] = self._log_scale[k] - 0.5 * np.einsum("ij,ij->j", white, white)

    def zeros(self) -> list[Array]:
        d, n_alone = len(self._centre), len(self._alone)
        shapes = [self._natural.shape, (n_alone, 1 + d), (n_alone, d, d)]
        return [np.zeros(shape) for shape in shapes]

    def accumulate(
        self, sums: list[Array], features: list[Array], responsibilities: Array
    ) -> None:
        shared, first, second = sums
        if self._shared.size:
            weights = (
                responsibilities[self._shared]
                if self._alone.size
                else (responsibilities)
            )
            shared += weights @ features[0].T
        if not self._alone.size:
            return
        alone = zip(self._alone, features[-len(self._alone) :], strict=True)
        for place, (k, white) in enumerate(alone):
            weight = responsibilities[k]
            first[place, 0] += weight.sum()
            first[place, 1:] += white @ weight
            second[place] += (white * weight) @ white.T

    def complete(self, sums: list[Array]) -> Moments:
        n, d = self._means.shape
        count, first, second = np.empty(n), np.empty((n, d)), np.empty((n, d, d))
        if self._shared.size:
            at = self._shared
            count[at], first[at], second[at] = self._from_features(sums[0])
        if self._alone.size:
            at, lower = self._alone, self._lower[self._alone]
            count[at] = sums[1][:, 0]
            first[at] = np.einsum("kij,kj->ki", lower, sums[1][:, 1:])
            second[at] = lower @ sums[2] @ lower.mT
        return self._over_all_columns(count, first, second)

    def _from_features(self, sums: Array) -> tuple[Array, Array, Array]:
        """Moments about the means from sums of features about the common centre."""
        d = len(self._centre)
        count, offset = sums[:, 0], self._offset
        first = sums[:, 1 : 1 + d] - count[:, None] * offset
        cross = first[:, :, None] * offset[:, None, :]
        second = sums[:, 1 + d :][:, packed_index(d)] - cross - cross.mT
        second -= _outer(offset) * count[:, None, None]
        unit = self._scale[:, None] * self._scale
        return count, first * self._scale, second * unit

    def _over_all_columns(self, count: Array, first: Array, second: Array) -> Moments:
        model, seen = self._model, self._observed
        if seen.all():
            return Moments(count, first, model.pool(second))
        n, d = model.shape
        slope, residual = model._regression(seen)
        all_first, all_second = np.empty((n, d)), np.empty((n, d, d))
        all_first[:, seen] = first
        all_first[:, ~seen] = np.einsum("kij,kj->ki", slope, first)
        cross = slope @ second
        all_second[:, np.ix_(seen, seen)[0], np.ix_(seen, seen)[1]] = second
        all_second[:, np.ix_(~seen, seen)[0], np.ix_(~seen, seen)[1]] = cross
        all_second[:, np.ix_(seen, ~seen)[0], np.ix_(seen, ~seen)[1]] = cross.mT
        all_second[:, np.ix_(~seen, ~seen)[0], np.ix_(~seen, ~seen)[1]] = (
            cross @ slope.mT + residual * count[:, None, None]
        )
        return Moments(count, all_first, model.pool(all_second))


def natural_parameters(offset: Array, precision: Array, log_scale: Array) -> Array:
    """Rows that, times the features (1, y, y_i y_j for i <= j), give log-densities."""
    linear = np.einsum("kij,kj->ki", precision, offset)
    constant = log_scale - 0.5 * np.einsum("ki,ki->k", linear, offset)
    rows, columns = np.triu_indices(offset.shape[1])
    quadratic = np.where(rows == columns, -0.5, -1.0) * precision[:, rows, columns]
    return np.concatenate([constant[:, None], linear, quadratic], axis=1)


def factorize(covariances: Array) -> tuple[Array, Array, Array]:
    """Cholesky factors, their inverses, and log-determinants of the covariances."""
    lower = np.asarray(np.linalg.cholesky(covariances), dtype=np.float64)
    inverse: Array = np.zeros_like(lower)
    if lower.shape[1]:
        for k, factor in enumerate(lower):
            inverse[k] = dtrtri(factor, lower=1)[0]
    diagonal = np.einsum("kii->ki", lower)
    return lower, inverse, 2.0 * np.log(diagonal).sum(axis=1)


def regression(covariances: Array, observed: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Slopes (m, o) of missing columns on observed ones, and residual covariances."""
    seen = covariances[:, observed]
    _, inverse, _ = factorize(seen[:, :, observed])
    white = inverse @ seen[:, :, ~observed]
    missing = covariances[:, ~observed][:, :, ~observed]
    return (inverse.mT @ white).mT, missing - white.mT @ white


def packed_index(d: int) -> NDArray[np.intp]:
    """Where entry (i, j) of a symmetric matrix lies in its packed upper triangle."""
    index = np.empty((d, d), dtype=np.intp)
    rows, columns = np.triu_indices(d)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    return index


def _outer(vectors: Array) -> Array:
    return np.asarray(vectors[:, :, None] * vectors[:, None, :])


def _square_root(covariances: Array) -> Array:
    """Matrices R with R R^T = C, for C positive semi-definite up to rounding."""
    values, vectors = np.linalg.eigh(covariances)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])
