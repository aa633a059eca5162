"""Matrix Gaussians on the observed columns: densities and sums of a block of rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtri

from sklgen.families._base import Allocate, Array, View
from sklgen.families._gaussian import (
    CANCELLATION_LIMIT,
    LOG_2_PI,
    Moments,
    common_frame,
)
from sklgen.families._kernels import add_products, quadratic_densities


class MatrixView(View):
    """Matrix Gaussians on some columns.

    Components near a common centre share one matrix product of quadratic features;
    those for which that would cancel are whitened one by one, by their own mean and
    covariance.
    """

    def __init__(
        self,
        means: Array,
        covariances: Array,
        observed: NDArray[np.bool_],
        pool: Callable[[Array], Array],
    ) -> None:
        self._observed = observed
        self._pool = pool
        self._means = means[:, observed]
        blocks = covariances[:, observed][:, :, observed]
        lower, inverse, log_determinant = factorize(blocks)
        n, d = self._means.shape
        self._lower = np.broadcast_to(lower, (n, d, d))
        self._inverse = np.broadcast_to(inverse, (n, d, d))
        self._log_scale = np.broadcast_to(-0.5 * (d * LOG_2_PI + log_determinant), n)
        if not observed.all():
            self._lift, self._spread = lift(covariances, observed, inverse)
        self._choose_frames(blocks)

    def _choose_frames(self, blocks: Array) -> None:
        variances = np.einsum("kii->ki", blocks)
        self._centre, self._scale = common_frame(self._means, variances)
        unit = self._scale[:, None] * self._scale
        offset = (self._means - self._centre) / self._scale
        precision = (self._inverse.mT @ self._inverse) * unit
        reach = (offset**2 + variances / self._scale**2).sum(axis=1)
        sharpness = np.abs(precision).sum(axis=2).max(axis=1, initial=0.0)
        cancels = reach * sharpness > CANCELLATION_LIMIT
        self._alone = np.flatnonzero(cancels)
        self._shared = np.flatnonzero(~cancels)
        self._offset = offset[self._shared]
        self._natural = natural_parameters(
            self._offset, precision[self._shared], self._log_scale[self._shared]
        )

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> list[Array]:
        n, d = len(X), len(self._centre)
        X = np.ascontiguousarray(X if d == X.shape[1] else X[:, self._observed])
        features = []
        if self._shared.size:
            table = allocate("features", (self._natural.shape[1], n))
            part = out if not self._alone.size else np.empty((len(self._shared), n))
            quadratic_densities(
                X, self._centre, self._scale, self._natural, table, part
            )
            if part is not out:
                out[self._shared] = part
            features.append(table)
        for k in self._alone:
            white = self._inverse[k] @ (X - self._means[k]).T
            out[k] = self._log_scale[k] - 0.5 * np.einsum("ij,ij->j", white, white)
            features.append(white)
        return features

    def zeros(self) -> list[Array]:
        d, n_alone = len(self._centre), len(self._alone)
        shapes = [self._natural.shape, (n_alone, 1 + d), (n_alone, d, d)]
        return [np.zeros(shape) for shape in shapes]

    def accumulate(
        self, sums: list[Array], features: list[Array], responsibilities: Array
    ) -> None:
        shared, first, second = sums
        if self._shared.size:
            some = (
                responsibilities[self._shared] if self._alone.size else responsibilities
            )
            add_products(some, features[0], shared)
        whites = features[bool(self._shared.size) :]
        for place, (k, white) in enumerate(zip(self._alone, whites, strict=True)):
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
        second -= outer(offset) * count[:, None, None]
        unit = self._scale[:, None] * self._scale
        return count, first * self._scale, second * unit

    def _over_all_columns(self, count: Array, first: Array, second: Array) -> Moments:
        if self._observed.all():
            return Moments(count, first, self._pool(second))
        first = (self._lift @ first[:, :, None])[:, :, 0]
        second = self._lift @ second @ self._lift.mT
        second += self._spread * count[:, None, None]
        return Moments(count, first, self._pool(second))


def natural_parameters(offset: Array, precision: Array, log_scale: Array) -> Array:
    """Rows that, times the features (1, y, y_i y_j for i <= j), give log-densities."""
    linear = np.einsum("kij,kj->ki", precision, offset)
    constant = log_scale - 0.5 * np.einsum("ki,ki->k", linear, offset)
    rows, columns, factors = _upper_triangle(offset.shape[1])
    quadratic = factors * precision[:, rows, columns]
    return np.concatenate([constant[:, None], linear, quadratic], axis=1)


@cache
def _upper_triangle(d: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    rows, columns = np.triu_indices(d)
    return rows, columns, np.where(rows == columns, -0.5, -1.0)


def factorize(covariances: Array) -> tuple[Array, Array, Array]:
    """Cholesky factors, their inverses, and log-determinants of the covariances."""
    lower = np.asarray(np.linalg.cholesky(covariances), dtype=np.float64)
    inverse: Array = np.zeros_like(lower)
    if lower.shape[1]:
        for k, factor in enumerate(lower):
            inverse[k] = dtrtri(factor, lower=1)[0]
    diagonal = np.einsum("kii->ki", lower)
    return lower, inverse, 2.0 * np.log(diagonal).sum(axis=1)


def lift(
    covariances: Array, observed: NDArray[np.bool_], inverse: Array
) -> tuple[Array, Array]:
    """Regression of all columns on the observed ones, whose inverse factor is given.

    Returns coefficients (m, d, o), the identity on observed columns, and residual
    covariances (m, d, d), zero on observed columns.
    """
    white = inverse @ covariances[:, observed]
    coefficients = (inverse.mT @ white).mT
    coefficients[:, observed] = np.eye(len(inverse[0]))
    residual = covariances - white.mT @ white
    residual[:, observed] = 0.0
    residual[:, :, observed] = 0.0
    return coefficients, residual


@cache
def packed_index(d: int) -> NDArray[np.intp]:
    """Where entry (i, j) of a symmetric matrix lies in its packed upper triangle."""
    index = np.empty((d, d), dtype=np.intp)
    rows, columns, _ = _upper_triangle(d)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    return index


def outer(vectors: Array) -> Array:
    """Outer products of each vector with itself."""
    return np.asarray(vectors[:, :, None] * vectors[:, None, :])


def square_root(covariances: Array) -> Array:
    """Matrices R with R R^T = C, for C positive semi-definite up to rounding."""
    values, vectors = np.linalg.eigh(covariances)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :])
