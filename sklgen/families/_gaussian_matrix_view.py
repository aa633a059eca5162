"""Matrix Gaussians on blocks of rows: densities, and sums for the M-step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dtrtri

from sklgen._typing import Array
from sklgen.families._base import Allocate, View
from sklgen.families._gaussian import (
    CANCELLATION_LIMIT,
    LOG_2_PI,
    Moments,
    common_frame,
)
from sklgen.families._kernels import add_products, quadratic_densities
from sklgen.families._pattern_kernels import (
    add_pattern_moments,
    in_lanes,
    out_of_lanes,
    pattern_densities,
)

# Beyond this many columns a table of their products outgrows any cache.
_WIDE = 100


class CompleteMatrixView(View):
    """Matrix Gaussians on complete rows.

    Components near a common centre share one matrix product of quadratic features;
    those for which that would cancel are whitened one by one, by their own mean and
    covariance.
    """

    def __init__(
        self, means: Array, covariances: Array, pool: Callable[[Array], Array]
    ) -> None:
        self._means = means
        self._pool = pool
        n, d = means.shape
        lower, inverse, log_determinant = factorize(covariances)
        self._lower = np.broadcast_to(lower, (n, d, d))
        self._inverse = np.broadcast_to(inverse, (n, d, d))
        self._log_scale = np.broadcast_to(-0.5 * (d * LOG_2_PI + log_determinant), n)
        self._choose_frames(covariances)

    def _choose_frames(self, blocks: Array) -> None:
        variances = np.einsum("kii->ki", blocks)
        self._centre, self._scale = common_frame(self._means, variances)
        unit = self._scale[:, None] * self._scale
        offset = (self._means - self._centre) / self._scale
        precision = (self._inverse.mT @ self._inverse) * unit
        reach = (offset**2 + variances / self._scale**2).sum(axis=1)
        sharpness = np.abs(precision).sum(axis=2).max(axis=1)
        cancels = reach * sharpness > CANCELLATION_LIMIT
        cancels |= len(unit) > _WIDE
        self._alone = np.flatnonzero(cancels)
        self._shared = np.flatnonzero(~cancels)
        self._offset = offset[self._shared]
        self._natural = natural_parameters(
            self._offset, precision[self._shared], self._log_scale[self._shared]
        )

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> list[Array]:
        n = len(X)
        X = np.ascontiguousarray(X)
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
        return Moments(count, first, self._pool(second))

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


class RaggedMatrixView(View):
    """Matrix Gaussians on rows with missing cells, by regression on the observed ones.

    Errors are about the mean of each component, so that nothing cancels.
    """

    def __init__(
        self, means: Array, covariances: Array, pool: Callable[[Array], Array]
    ) -> None:
        n, d = means.shape
        self._n = n
        self._pool = pool
        self._means = in_lanes(means)
        self._covariances = in_lanes(np.broadcast_to(covariances, (n, d, d)))

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> NDArray[Any]:
        X = np.ascontiguousarray(X)
        pattern_densities(X, self._means, self._covariances, out)
        return X

    def zeros(self) -> list[Array]:
        like = (self._means, self._covariances)
        return [np.zeros(self._n), *(np.zeros(array.shape) for array in like)]

    def accumulate(
        self, sums: list[Array], features: NDArray[Any], responsibilities: Array
    ) -> None:
        count, first, second = sums
        count += responsibilities.sum(axis=1)
        add_pattern_moments(
            features, responsibilities, self._means, self._covariances, first, second
        )

    def complete(self, sums: list[Array]) -> Moments:
        count, first, second = sums
        lower = out_of_lanes(second, self._n)
        products = lower + np.tril(lower, -1).mT
        return Moments(count, out_of_lanes(first, self._n), self._pool(products))


class PatternMatrixView(View):
    """Matrix Gaussians on rows that all miss the same cells.

    Moments of the observed cells are matrix products, as those of complete rows. What
    the missing cells are expected to add follows from them, once for all rows.
    """

    def __init__(
        self,
        means: Array,
        covariances: Array,
        pool: Callable[[Array], Array],
        observed: NDArray[np.bool_],
    ) -> None:
        self._shape = means.shape
        self._pool = pool
        self._seen, self._missed = np.flatnonzero(observed), np.flatnonzero(~observed)
        within = covariances[:, self._seen[:, None], self._seen]
        cross = covariances[:, self._seen[:, None], self._missed]
        self._slope = np.linalg.solve(within, cross).mT
        missed = covariances[:, self._missed[:, None], self._missed]
        self._residual = missed - self._slope @ cross
        self._own: CompleteMatrixView | None = None
        if len(self._seen):
            self._own = CompleteMatrixView(means[:, self._seen], within, _as_is)

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Any:
        if self._own is None:
            out[:] = 0.0
            return None
        return self._own.evaluate(X[:, self._seen], allocate, out)

    def zeros(self) -> list[Array]:
        if self._own is None:
            return [np.zeros(self._shape[0])]
        return self._own.zeros()

    def accumulate(
        self, sums: list[Array], features: Any, responsibilities: Array
    ) -> None:
        if self._own is None:
            sums[0] += responsibilities.sum(axis=1)
        else:
            self._own.accumulate(sums, features, responsibilities)

    def complete(self, sums: list[Array]) -> Moments:
        n, d = self._shape
        first, second = np.zeros((n, d)), np.zeros((n, d, d))
        seen, missed = self._seen, self._missed
        count = sums[0]
        if self._own is not None:
            own = self._own.complete(sums)
            count = own.count
            first[:, seen] = own.first
            first[:, missed] = np.einsum("kij,kj->ki", self._slope, own.first)
            cross = self._slope @ own.second
            second[:, seen[:, None], seen] = own.second
            second[:, missed[:, None], seen] = cross
            second[:, seen[:, None], missed] = cross.mT
            second[:, missed[:, None], missed] = cross @ self._slope.mT
        second[:, missed[:, None], missed] += count[:, None, None] * self._residual
        return Moments(count, first, self._pool(second))


def _as_is(second: Array) -> Array:
    return second


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
    inverse = np.array([dtrtri(factor, lower=1)[0] for factor in lower])
    diagonal = np.einsum("kii->ki", lower)
    return lower, inverse, 2.0 * np.log(diagonal).sum(axis=1)


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
