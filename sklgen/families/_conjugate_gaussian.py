"""Conjugate laws of Gaussian components: normal-Wishart, and normal-gamma by column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.special import digamma, gammaln, multigammaln

from sklgen._typing import Array
from sklgen.families._conjugate import Conjugate, total
from sklgen.families._expected_columns import ExpectedColumns
from sklgen.families._gaussian import Moments
from sklgen.families._gaussian_axis import DiagonalGaussian
from sklgen.families._gaussian_matrix import FullGaussian
from sklgen.families._gaussian_matrix_view import factorize, outer
from sklgen.families._student import AxisStudent, Student

# Bounds on what the expected mean may be worth, in rows, where the data decide.
_COUNTS = (1e-4, 1.0)
# Bounds on how far the data may move the expected covariance, by a factor: where rows
# repeat, or columns follow from others, the evidence would shrink it to nothing.
_FACTORS = (1e-2, 10.0)


@dataclass(frozen=True)
class NormalWishart(Conjugate):
    """Normal-Wishart laws of means and precision matrices.

    A precision is Wishart with `dof` degrees of freedom and scale matrix
    `scatter`^-1; given it, the mean is normal around `mean` with the precision times
    `mean_count`.

    Parameters
    ----------
    mean : ndarray of shape (K, d)
        Expected mean.
    mean_count : ndarray of shape (K,)
        Positive number of pseudo-observations of the mean.
    dof : ndarray of shape (K,)
        Degrees of freedom, above d - 1.
    scatter : ndarray of shape (K, d, d)
        Scatter of the pseudo-observations; `scatter` / `dof` is the inverse of the
        expected precision.
    """

    mean: Array
    mean_count: Array
    dof: Array
    scatter: Array

    @cached_property
    def _factors(self) -> tuple[Array, Array]:
        """Inverse Cholesky factors and log-determinants of the scatters."""
        _, inverse, log_determinant = factorize(self.scatter)
        return inverse, log_determinant

    @property
    def covariances(self) -> Array:
        """Inverse of the expected precisions, of shape (K, d, d)."""
        return self.scatter / self.dof[:, None, None]

    def posterior(self, components: FullGaussian, statistics: Moments) -> Self:
        count = statistics.count
        step = statistics.first / np.where(count > 0, count, 1.0)[:, None]
        centre = components.means + step
        total = self.mean_count + count
        offset = centre - self.mean
        shrunk = (self.mean_count * count / total)[:, None, None] * outer(offset)
        within = statistics.second - outer(step) * count[:, None, None]
        scatter = self.scatter + (within + within.mT) / 2.0 + shrunk
        mean = centre - (self.mean_count / total)[:, None] * offset
        return type(self)(mean, total, self.dof + count, scatter)

    def expected(self) -> tuple[FullGaussian, Array]:
        d = self.mean.shape[1]
        components = FullGaussian(self.mean, self.covariances, np.ones(d), 0.0)
        offset = 0.5 * (self._log_precision_excess() - d / self.mean_count)
        return components, offset

    def _log_precision_excess(self) -> Array:
        """Expected log-determinant of the precision less that of its expectation."""
        d = self.mean.shape[1]
        halves = (self.dof[:, None] - np.arange(d)) / 2
        return np.asarray(
            digamma(halves).sum(axis=1) - d * np.log(self.dof / 2), dtype=np.float64
        )

    def divergence(self, prior: Self) -> Array:
        d = self.mean.shape[1]
        inverse, log_determinant = self._factors
        prior_root = np.linalg.cholesky(prior.scatter)
        offset = np.einsum("kij,kj->ki", inverse, self.mean - prior.mean)
        share = prior.mean_count / self.mean_count
        means = d * (share - 1.0 - np.log(share))
        means += prior.mean_count * self.dof * np.square(offset).sum(axis=1)
        trace = np.square(inverse @ prior_root).sum(axis=(1, 2))
        expected_log = self._log_precision_excess() + d * np.log(self.dof)
        expected_log -= log_determinant
        precisions = (self.dof - prior.dof) * expected_log + self.dof * (trace - d)
        log_normalizers = self._log_wishart() - prior._log_wishart()
        return np.asarray(0.5 * (means + precisions) - log_normalizers)

    def _log_wishart(self) -> Array:
        d = self.mean.shape[1]
        _, log_determinant = self._factors
        half = self.dof / 2
        gamma = np.asarray(multigammaln(half, d), dtype=np.float64)
        return np.asarray(gamma + half * (d * np.log(2.0) - log_determinant))

    def log_normalizer(self) -> Array:
        d = self.mean.shape[1]
        return np.asarray(self._log_wishart() - 0.5 * d * np.log(self.mean_count))

    @classmethod
    def weighted(cls, terms: list[tuple[float, Self]]) -> Self:
        count = total(f * law.mean_count for f, law in terms)
        dof = total(f * law.dof for f, law in terms)
        sums = total(f * law.mean_count[:, None] * law.mean for f, law in terms)
        mean = sums / count[:, None]
        scatter = total(
            f * (law.scatter + law._scatter_of_mean(mean)) for f, law in terms
        )
        return cls(mean, count, dof, scatter)

    def _scatter_of_mean(self, centre: Array) -> Array:
        """Scatter of the pseudo-observations of the means about a centre."""
        return self.mean_count[:, None, None] * outer(self.mean - centre)

    def tuned(self, prior: Self) -> Self:
        d = self.mean.shape[1]
        inverse, _ = self._factors
        offset = np.einsum("kij,kj->ki", inverse, self.mean - prior.mean)
        distance = self.dof * np.square(offset).sum(axis=1) + d / self.mean_count
        root = np.linalg.cholesky(prior.scatter)
        trace = self.dof * np.square(inverse @ root).sum(axis=(1, 2))
        return replace(
            prior,
            mean_count=np.clip(d / distance.mean(keepdims=True), *_COUNTS),
            scatter=prior.scatter * np.clip(d * prior.dof[0] / trace.mean(), *_FACTORS),
        )

    def predictive(self) -> Student:
        dof = self.dof - self.mean.shape[1] + 1
        factor = (1 + 1 / self.mean_count) / dof
        return Student(self.mean, self.scatter * factor[:, None, None], dof)

    def pack(self, prior: Self) -> Array:
        components, _ = self.expected()
        counts = [np.log(self.mean_count), np.log(self.dof - self.mean.shape[1] + 1)]
        unit = np.sqrt(np.einsum("kii->ki", prior.scatter)[0] / prior.dof)
        gaussian = FullGaussian(components.means, components.covariances, unit, 0.0)
        return np.concatenate([*counts, gaussian.pack()])

    def unpack(self, prior: Self, vector: Array) -> Self:
        n, d = self.mean.shape
        counts, rest = np.exp(vector[: 2 * n]).reshape(2, n), vector[2 * n :]
        unit = np.sqrt(np.einsum("kii->ki", prior.scatter)[0] / prior.dof)
        own = FullGaussian(self.mean, self.scatter, unit, 0.0).unpack(rest)
        dof = counts[1] + d - 1
        return type(self)(
            own.means, counts[0], dof, own.covariances * dof[:, None, None]
        )


@dataclass(frozen=True)
class NormalGamma(Conjugate):
    """Normal-gamma laws of the mean and the precision of each column.

    They are the normal-Wishart laws of one column: a precision is gamma with shape
    `dof` / 2 and rate `scatter` / 2. Missing cells leave the columns of a component
    with different counts.

    Parameters
    ----------
    mean : ndarray of shape (K, d)
        Expected mean.
    mean_count : ndarray of shape (K, d)
        Positive number of pseudo-observations of the mean.
    dof : ndarray of shape (K, d)
        Positive degrees of freedom.
    scatter : ndarray of shape (K, d)
        Scatter of the pseudo-observations.
    """

    mean: Array
    mean_count: Array
    dof: Array
    scatter: Array

    @property
    def covariances(self) -> Array:
        """Inverse of the expected precisions, of shape (K, d)."""
        return self.scatter / self.dof

    def posterior(self, components: Any, statistics: Moments) -> Self:
        count = statistics.count
        step = statistics.first / np.where(count > 0, count, 1.0)
        centre = components.means + step
        total = self.mean_count + count
        offset = centre - self.mean
        scatter = self.scatter + np.maximum(statistics.second - step**2 * count, 0.0)
        scatter = scatter + self.mean_count * count / total * offset**2
        mean = centre - self.mean_count / total * offset
        return type(self)(mean, total, self.dof + count, scatter)

    def expected(self) -> tuple[ExpectedColumns, Array]:
        cells = 0.5 * (self._log_precision_excess() - 1 / self.mean_count)
        gaussian = DiagonalGaussian(
            self.mean, self.covariances, np.ones(self.mean.shape[1]), 0.0
        )
        return ExpectedColumns(gaussian, cells), cells.sum(axis=1)

    def _log_precision_excess(self) -> Array:
        return np.asarray(digamma(self.dof / 2) - np.log(self.dof / 2))

    def divergence(self, prior: Self) -> Array:
        share = prior.mean_count / self.mean_count
        precision = self.dof / self.scatter
        means = share - 1.0 - np.log(share)
        means += prior.mean_count * precision * (self.mean - prior.mean) ** 2
        trace = prior.scatter / self.scatter
        expected_log = self._log_precision_excess() + np.log(precision)
        precisions = (self.dof - prior.dof) * expected_log + self.dof * (trace - 1.0)
        log_normalizers = self._log_gamma() - prior._log_gamma()
        cells = 0.5 * (means + precisions) - log_normalizers
        return np.asarray(cells.sum(axis=1))

    def _log_gamma(self) -> Array:
        half = self.dof / 2
        return np.asarray(gammaln(half) - half * np.log(self.scatter / 2))

    def log_normalizer(self) -> Array:
        cells = self._log_gamma() - 0.5 * np.log(self.mean_count)
        return np.asarray(cells.sum(axis=1))

    @classmethod
    def weighted(cls, terms: list[tuple[float, Self]]) -> Self:
        count = total(f * law.mean_count for f, law in terms)
        dof = total(f * law.dof for f, law in terms)
        mean = total(f * law.mean_count * law.mean for f, law in terms) / count
        scatter = total(
            f * (law.scatter + law.mean_count * (law.mean - mean) ** 2)
            for f, law in terms
        )
        return cls(mean, count, dof, scatter)

    def tuned(self, prior: Self) -> Self:
        precision = self.dof / self.scatter
        distance = precision * (self.mean - prior.mean) ** 2 + 1 / self.mean_count
        trace = precision * prior.scatter
        count = np.clip(1 / distance.mean(), *_COUNTS)
        return replace(
            prior,
            mean_count=np.full(prior.mean.shape, count),
            scatter=prior.scatter * np.clip(prior.dof.mean() / trace.mean(), *_FACTORS),
        )

    def predictive(self) -> AxisStudent:
        variances = self.scatter / self.dof * (1 + 1 / self.mean_count)
        return AxisStudent(self.mean, np.sqrt(variances), self.dof)

    def pack(self, prior: Self) -> Array:
        unit = prior.scatter / prior.dof
        parts = [
            self.mean / np.sqrt(unit),
            np.log(self.mean_count),
            np.log(self.dof),
            np.log(self.scatter / self.dof / unit),
        ]
        return np.concatenate([part.ravel() for part in parts])

    def unpack(self, prior: Self, vector: Array) -> Self:
        unit = prior.scatter / prior.dof
        mean, *positive = vector.reshape(4, *self.mean.shape)
        count, dof, variances = np.exp(positive)
        return type(self)(mean * np.sqrt(unit), count, dof, variances * dof * unit)
