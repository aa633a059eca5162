"""Gaussian components with independent columns: diagonal and spherical."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import Allocate, View
from sklgen.families._gaussian import (
    CANCELLATION_LIMIT,
    LOG_2_PI,
    RESOLUTION,
    Gaussian,
    Moments,
    common_frame,
)
from sklgen.families._kernels import add_products, square_densities


@dataclass(frozen=True)
class AxisGaussian(Gaussian):
    """Gaussian components with variances (K, d), or (K, 1) where columns share one.

    A missing cell adds nothing to a sum over columns, so the M-step maximises the
    likelihood of the observed cells directly and no cell is ever filled in.
    """

    @property
    def n_features(self) -> int:
        return 1 + 2 * self.shape[1]

    @property
    def n_parameters(self) -> int:
        return self.means.size + self.covariances.size

    def variances(self) -> Array:
        return np.broadcast_to(self.covariances, self.means.shape)

    @cached_property
    def _views(self) -> tuple[View, View]:
        return AxisView(self, complete=False), AxisView(self, complete=True)

    def view(self, *, complete: bool) -> View:
        return self._views[complete]

    def maximize(self, statistics: Moments) -> Self:
        alive = self.nonempty(statistics.count)
        count = np.where(alive, statistics.count, 1.0)
        step = np.where(alive, statistics.first / count, 0.0)
        scatter = np.where(alive, statistics.second - count * step**2, 0.0)
        count = np.where(alive, count, 0.0)
        known, unit = self._prior
        pooled_count = self.pool(count) + known
        variances = np.where(
            pooled_count > 0,
            (self.pool(scatter) + known * unit)
            / np.where(pooled_count > 0, pooled_count, 1.0),
            self.covariances,
        )
        return replace(
            self, means=self.means + step, covariances=self._bounded(variances)
        )

    @property
    def _prior(self) -> tuple[Array, Array]:
        """Cells that each variance counts before the data, and their mean square."""
        shape = self.means.shape
        columns = self.pool(np.ones(shape))
        squares = self.pool(np.broadcast_to(self.scale**2, shape))
        return self.prior_count * columns, squares / columns

    @property
    def log_prior(self) -> float:
        if not self.prior_count:
            return 0.0
        known, square = self._prior
        variances = self.covariances
        return float(-0.5 * np.sum(known * (np.log(variances) + square / variances)))

    @staticmethod
    @abstractmethod
    def pool(values: Array) -> Array:
        """Add up the columns that share a variance.

        Parameters
        ----------
        values : ndarray of shape (K, d)
            One value for each component and column.

        Returns
        -------
        sums : ndarray of shape (K, d) or (K, 1)
            The values as they are if no columns share one, and their sums over all
            columns otherwise.
        """

    def _bounded(self, variances: Array) -> Array:
        lowest = np.broadcast_to(self.floor * self.scale**2, self.means.shape)
        return np.maximum(variances, self._largest(lowest))

    @staticmethod
    @abstractmethod
    def _largest(values: Array) -> Array:
        """Maxima of (K, d) over the columns that share a variance."""

    def recentre(self, statistics: Moments, target: Self) -> Moments:
        step = self.means - target.means
        return Moments(
            statistics.count,
            statistics.first + statistics.count * step,
            statistics.second + (2 * statistics.first + statistics.count * step) * step,
        )

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        return weights.T @ self.means

    def conditional_moments(self, X: NDArray[Any]) -> tuple[Array, Array]:
        return self.means[:, None], self.variances()[:, None]

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        noise = rng.standard_normal(X.shape)
        return self.means[labels] + noise * np.sqrt(self.variances())[labels]

    def pack(self) -> Array:
        deviations = np.sqrt(self.covariances) / self._unit
        return np.concatenate(
            [(self.means / self.scale).ravel(), np.log(deviations).ravel()]
        )

    def unpack(self, vector: Array) -> Self:
        n = self.means.size
        means = vector[:n].reshape(self.means.shape) * self.scale
        deviations = np.exp(vector[n:].reshape(self.covariances.shape)) * self._unit
        return replace(self, means=means, covariances=self._bounded(deviations**2))

    @property
    def _unit(self) -> Array:
        return self._largest(np.broadcast_to(self.scale, self.means.shape))

    @classmethod
    def equal(cls, n: int, mean: Array, scale: Array, floor: float) -> Self:
        return cls.independent(
            np.tile(mean, (n, 1)), np.tile(scale**2, (n, 1)), RESOLUTION * scale, floor
        )

    @classmethod
    def independent(
        cls, means: Array, variances: Array, scale: Array, floor: float
    ) -> Self:
        pooled = cls.pool(variances) / cls.pool(np.ones_like(variances))
        return cls(means, pooled, scale, floor)

    @staticmethod
    def invert(precisions: Array) -> Array:
        if np.any(precisions <= 0):
            raise np.linalg.LinAlgError("precisions must be positive")
        return 1.0 / precisions

    def precision_factors(self) -> tuple[Array, Array]:
        factors = 1.0 / np.sqrt(self.covariances)
        return factors**2, factors


class DiagonalGaussian(AxisGaussian):
    """Gaussian components with one variance per component and column.

    A complete row has the p = 1 + 2 d features (1, x, x^2). A block of n rows takes
    O(n K d) operations, with or without missing cells.

    Parameters
    ----------
    means : ndarray of shape (K, d)
        Mean of each component.
    covariances : ndarray of shape (K, d)
        Variance of each column under each component.
    scale : ndarray of shape (d,)
        Positive unit of each column.
    floor : float
        Smallest variance, in units of the square of `scale`.
    prior_count : float, default=0.0
        Rows that every variance counts before the data, at one unit from the mean:
        an inverse gamma prior, whose mode the M-step takes.
    """

    @staticmethod
    def stored_shape(n: int, d: int) -> tuple[int, ...]:
        return (n, d)

    @staticmethod
    def public_shape(n: int, d: int) -> tuple[int, ...]:
        return (n, d)

    @staticmethod
    def pool(values: Array) -> Array:
        return values

    @staticmethod
    def _largest(values: Array) -> Array:
        return values


class SphericalGaussian(AxisGaussian):
    """Gaussian components with one variance per component.

    Features and cost are those of `DiagonalGaussian`.

    Parameters
    ----------
    means : ndarray of shape (K, d)
        Mean of each component.
    covariances : ndarray of shape (K, 1)
        Variance of all columns under each component.
    scale : ndarray of shape (d,)
        Positive unit of each column.
    floor : float
        Smallest variance, in units of the square of the largest `scale`.
    prior_count : float, default=0.0
        Rows that every variance counts before the data, at one unit from the mean:
        an inverse gamma prior, whose mode the M-step takes.
    """

    @staticmethod
    def stored_shape(n: int, d: int) -> tuple[int, ...]:
        return (n, 1)

    @staticmethod
    def public_shape(n: int, d: int) -> tuple[int, ...]:
        return (n,)

    @staticmethod
    def pool(values: Array) -> Array:
        return np.asarray(values.sum(axis=1, keepdims=True))

    @staticmethod
    def _largest(values: Array) -> Array:
        return np.asarray(values.max(axis=1, keepdims=True))


class AxisView(View):
    """Axis-aligned Gaussians on complete rows, or on rows with any cells missing.

    The features are an indicator of what was observed (one for complete rows, one a
    column otherwise), the standardised cells and their squares. Components for which
    a common centre would cancel are standardised by their own mean and variance.
    """

    def __init__(self, model: AxisGaussian, *, complete: bool) -> None:
        self._complete = complete
        self._means, variances = model.means, model.variances()
        self._deviations = np.sqrt(variances)
        self._centre, self._scale = common_frame(self._means, variances)
        offset = (self._means - self._centre) / self._scale
        relative = variances / self._scale**2
        cancels = np.any((offset**2 + relative) / relative > CANCELLATION_LIMIT, axis=1)
        self._alone = np.flatnonzero(cancels)
        self._shared = np.flatnonzero(~cancels)
        self._offset = offset[self._shared]
        self._natural = self._natural_parameters(
            self._offset, relative[self._shared], np.log(self._scale)
        )

    def _natural_parameters(
        self, offset: Array, relative: Array, log_scale: Array
    ) -> Array:
        linear = offset / relative
        constant = -0.5 * (offset * linear + LOG_2_PI + np.log(relative)) - log_scale
        if self._complete:
            constant = constant.sum(axis=1, keepdims=True)
        return np.concatenate([constant, linear, -0.5 / relative], axis=1)

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> list[Array]:
        X = np.ascontiguousarray(X)
        n, d = X.shape
        features = []
        if self._shared.size:
            table = allocate("features", (self._natural.shape[1], n))
            part = out if not self._alone.size else np.empty((len(self._shared), n))
            square_densities(
                X,
                self._centre,
                self._scale,
                self._natural,
                self._complete,
                table,
                part,
            )
            if part is not out:
                out[self._shared] = part
            features.append(table)
        for k in self._alone:
            table = allocate(f"features of {k}", (self._natural.shape[1], n))
            natural = self._natural_parameters(
                np.zeros((1, d)), np.ones((1, d)), np.log(self._deviations[k])
            )
            part = np.empty((1, n))
            square_densities(
                X,
                self._means[k],
                self._deviations[k],
                natural,
                self._complete,
                table,
                part,
            )
            out[k] = part[0]
            features.append(table)
        return features

    def zeros(self) -> list[Array]:
        d = self._means.shape[1]
        width = (1 if self._complete else d) + 2 * d
        return [
            np.zeros((len(self._shared), width)),
            np.zeros((len(self._alone), width)),
        ]

    def accumulate(
        self, sums: list[Array], features: list[Array], responsibilities: Array
    ) -> None:
        shared, alone = sums
        if self._shared.size:
            some = (
                responsibilities[self._shared] if self._alone.size else responsibilities
            )
            add_products(some, features[0], shared)
        tables = features[bool(self._shared.size) :]
        for place, (k, table) in enumerate(zip(self._alone, tables, strict=True)):
            alone[place] += table @ responsibilities[k]

    def complete(self, sums: list[Array]) -> Moments:
        shape = self._means.shape
        count, first, second = np.empty(shape), np.empty(shape), np.empty(shape)
        at, offset = self._shared, self._offset
        n, linear, square = self._split(sums[0])
        about = linear - n * offset
        count[at] = n
        first[at] = about * self._scale
        second[at] = (square - (2 * about + n * offset) * offset) * self._scale**2
        at, deviations = self._alone, self._deviations[self._alone]
        n, linear, square = self._split(sums[1])
        count[at] = n
        first[at] = linear * deviations
        second[at] = square * deviations**2
        return Moments(count, first, second)

    def _split(self, sums: Array) -> tuple[Array, Array, Array]:
        d = self._means.shape[1]
        return sums[:, : -2 * d], sums[:, -2 * d : -d], sums[:, -d:]
