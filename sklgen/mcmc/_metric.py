"""Metrics, as affine maps from the sampler's coordinates u to positions x.

The sampler has the identity for its metric; x = location + F u gives it the inverse
metric F F'. It is adapted to draws and gradients by least Fisher divergence between the
target and a Gaussian: of the covariance of draws and the inverse covariance of
gradients, the geometric mean. For a Gaussian target that is exact however few draws
there are beyond d, since gradients are linear in draws.

References
----------
Seyboldt, Carlson and Carpenter (2026), Preconditioning Hamiltonian Monte Carlo by
minimizing Fisher divergence, arXiv 2603.18845.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve_triangular

from sklgen.mcmc import _metric_kernels as kernels

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Kind = Literal["diagonal", "dense", "low_rank"]

# Directions whose variance is within this factor of that of the rest are left alone by
# low-rank metrics.
_PLAIN = 2.0
# Most directions of a low-rank metric.
_LARGEST = 100
# Beyond so many dimensions, only so many draws are looked at.
_WIDE, _MOST = 1000, 256


@dataclass(frozen=True)
class Metric(ABC):
    """An affine map for each of C chains, or one for all: a leading axis C or 1.

    Attributes
    ----------
    location : ndarray of shape (C or 1, d)
        Position of u = 0.
    """

    location: Array

    @abstractmethod
    def positions(self, unit: Array, rows: Index) -> Array:
        """Positions of u, `unit` (A, d), of the chains `rows`."""

    @abstractmethod
    def pull(self, gradient: Array, rows: Index) -> Array:
        """Gradients F' g in u of gradients (A, d) in x."""

    @abstractmethod
    def unit(self, positions: Array) -> Array:
        """Coordinates u of positions (C, ..., d)."""

    @abstractmethod
    def push(self, gradient: Array) -> Array:
        """Gradients in x of gradients (C, ..., d) in u."""

    @abstractmethod
    def covariances(self) -> Array:
        """Inverse metrics F F' (C or 1, d, d)."""

    @abstractmethod
    def log_determinants(self) -> Array:
        """Logarithms (C or 1,) of the determinant of F."""

    def traced(self, unit: Array) -> Array:
        """Positions of u, `unit` (C, n, d)."""
        rows = np.repeat(np.arange(len(unit)), unit.shape[1])
        return self.positions(unit.reshape(-1, unit.shape[2]), rows).reshape(unit.shape)


@dataclass(frozen=True)
class Diagonal(Metric):
    """F = diag(scale), `scale` (C or 1, d)."""

    scale: Array

    def positions(self, unit: Array, rows: Index) -> Array:
        out: Array = kernels.stretch(self.location, self.scale, unit, rows)
        return out

    def pull(self, gradient: Array, rows: Index) -> Array:
        out: Array = kernels.shrink(self.scale, gradient, rows)
        return out

    def unit(self, positions: Array) -> Array:
        return (positions - _along(self.location, positions)) / _along(
            self.scale, positions
        )

    def push(self, gradient: Array) -> Array:
        return gradient / _along(self.scale, gradient)

    def covariances(self) -> Array:
        return self.scale[:, :, None] ** 2 * np.eye(self.scale.shape[1])

    def log_determinants(self) -> Array:
        total: Array = np.log(self.scale).sum(axis=1)
        return total


@dataclass(frozen=True)
class Dense(Metric):
    """F lower triangular, `factor` (C or 1, d, d)."""

    factor: Array

    def positions(self, unit: Array, rows: Index) -> Array:
        out: Array = kernels.lower(self.location, self.factor, unit, rows)
        return out

    def pull(self, gradient: Array, rows: Index) -> Array:
        out: Array = kernels.lower_transposed(self.factor, gradient, rows)
        return out

    def unit(self, positions: Array) -> Array:
        return self._solve(positions - _along(self.location, positions), trans="N")

    def push(self, gradient: Array) -> Array:
        return self._solve(gradient, trans="T")

    def _solve(self, vectors: Array, *, trans: str) -> Array:
        out = np.empty(vectors.shape)
        d = vectors.shape[-1]
        for c, rows in enumerate(vectors):
            factor = self.factor[c if len(self.factor) > 1 else 0]
            solved = solve_triangular(
                factor, rows.reshape(-1, d).T, trans=trans, lower=True
            )
            out[c] = solved.T.reshape(rows.shape)
        return out

    def covariances(self) -> Array:
        return self.factor @ self.factor.transpose(0, 2, 1)

    def log_determinants(self) -> Array:
        total: Array = np.log(np.diagonal(self.factor, axis1=1, axis2=2)).sum(axis=1)
        return total


@dataclass(frozen=True)
class LowRank(Metric):
    """F = diag(scale) (I + U' diag(spread - 1) U).

    The rows of U, `basis` (C or 1, k, d), are orthonormal, or zero; `scale` is
    (C or 1, d), `spread` (C or 1, k).
    """

    scale: Array
    basis: Array
    spread: Array

    def positions(self, unit: Array, rows: Index) -> Array:
        bent = kernels.bend(self.basis, self.spread - 1, unit, rows)
        out: Array = kernels.stretch(self.location, self.scale, bent, rows)
        return out

    def pull(self, gradient: Array, rows: Index) -> Array:
        shrunk = kernels.shrink(self.scale, gradient, rows)
        out: Array = kernels.bend(self.basis, self.spread - 1, shrunk, rows)
        return out

    def unit(self, positions: Array) -> Array:
        scaled = positions - _along(self.location, positions)
        return self._unbend(scaled / _along(self.scale, positions))

    def push(self, gradient: Array) -> Array:
        return self._unbend(gradient) / _along(self.scale, gradient)

    def _unbend(self, vectors: Array) -> Array:
        out = np.empty(vectors.shape)
        for c, rows in enumerate(vectors):
            m = c if len(self.basis) > 1 else 0
            excess = 1 / self.spread[m] - 1
            out[c] = rows + (rows @ self.basis[m].T * excess) @ self.basis[m]
        return out

    def covariances(self) -> Array:
        excess = self.spread**2 - 1
        core = self.basis.transpose(0, 2, 1) * excess[:, None] @ self.basis
        core += np.eye(self.scale.shape[1])
        return core * self.scale[:, :, None] * self.scale[:, None]

    def log_determinants(self) -> Array:
        total: Array = np.log(self.scale).sum(axis=1) + np.log(self.spread).sum(axis=1)
        return total


def _along(parameters: Array, vectors: Array) -> Array:
    """Let parameters (C or 1, d) meet vectors (C, ..., d)."""
    middle = (1,) * (vectors.ndim - 2)
    return parameters.reshape(len(parameters), *middle, parameters.shape[-1])


def identity(d: int) -> Metric:
    """Make positions and the sampler's coordinates the same."""
    return Diagonal(np.zeros((1, d)), np.ones((1, d)))


def convert(metric: Metric, kind: Kind) -> Metric:
    """Give the metric of another kind whose inverse is nearest to this one's."""
    if kind == "diagonal":
        variances = np.diagonal(metric.covariances(), axis1=1, axis2=2)
        return Diagonal(metric.location, np.sqrt(variances))
    if kind == "dense":
        factor = np.asarray(np.linalg.cholesky(metric.covariances()), np.float64)
        return Dense(metric.location, factor)
    return metric


def fisher(kind: Kind, draws: Array, gradients: Array) -> Metric:
    """Find the metric of least Fisher divergence from draws and gradients (n, d)."""
    location: Array = draws.mean(axis=0, keepdims=True)
    draws = draws - location
    gradients = gradients - gradients.mean(axis=0)
    scale = _scale(draws, gradients)
    if kind == "diagonal":
        return Diagonal(location, scale[None])
    if kind == "dense":
        factor = _dense(draws / scale, gradients * scale)
        return Dense(location, (scale[:, None] * factor)[None])
    level, basis, spread = _low_rank(draws / scale, gradients * scale)
    return LowRank(location, level * scale[None], basis[None], spread[None])


def _scale(draws: Array, gradients: Array) -> Array:
    """Square roots of sqrt(var(draws) / var(gradients)), where both tell something."""
    spread = np.sqrt(np.mean(draws**2, axis=0))
    slope = np.sqrt(np.mean(gradients**2, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(spread / slope)
    scale = np.where(slope > 0, scale, spread)
    return np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)


def _dense(draws: Array, gradients: Array) -> Array:
    """Cholesky factor of the geometric mean, for centred and scaled rows."""
    n, d = draws.shape
    ridge = _ridge(n, d) * np.eye(d)
    variance = draws.T @ draws / n + ridge
    precision = gradients.T @ gradients / n + ridge
    mean = _geometric_mean(variance, precision)
    return np.asarray(np.linalg.cholesky(mean), np.float64)


def _ridge(n: int, d: int) -> float:
    """What is added to covariances of n rows, relative to scales.

    It bounds how much shorter than its coordinates a direction can seem to be, which n
    rows in d dimensions show by chance where there are few to a dimension.
    """
    return 1e-5 + (d / n) ** 2 / 10


def _geometric_mean(variance: Array, precision: Array) -> Array:
    """Solve S precision S = variance for S."""
    root = np.linalg.cholesky(precision)
    value, vector = eigh(root.T @ variance @ root)
    vector = solve_triangular(root, vector, trans="T", lower=True)
    out: Array = vector * np.sqrt(np.maximum(value, 0.0)) @ vector.T
    return out


def _low_rank(draws: Array, gradients: Array) -> tuple[float, Array, Array]:
    """Directions that stand out, for centred and scaled rows.

    Returns the standard deviation of the rest, the directions (k, d) and their standard
    deviations relative to the rest.
    """
    d = draws.shape[1]
    thin = 1 if d <= _WIDE else -(-len(draws) // _MOST)
    draws, gradients = draws[::thin], gradients[::thin]
    space = np.eye(d)
    n = len(draws)
    if n < d:
        space = np.linalg.qr(np.concatenate([_span(draws), _span(gradients)]).T)[0]
        draws, gradients = draws @ space, gradients @ space
    m = space.shape[1]
    ridge = _ridge(max(n, m), m) * np.eye(m)
    mean = _geometric_mean(
        draws.T @ draws / n + ridge, gradients.T @ gradients / n + ridge
    )
    variance, vector = eigh(mean)
    level = np.median(variance) if m == d else 1.0
    distance = np.abs(np.log(variance / level))
    order = np.argsort(-distance)[: min(_LARGEST, d // 4)]
    kept = order[distance[order] > np.log(_PLAIN)]
    basis = np.ascontiguousarray((space @ vector[:, kept]).T)
    return float(np.sqrt(level)), basis, np.sqrt(variance[kept] / level)


def _span(rows: Array) -> Array:
    """Orthonormal rows that span those of most weight."""
    _, weight, vector = np.linalg.svd(rows, full_matrices=False)
    out: Array = vector[weight > 1e-8 * weight[0]]
    return out


def shared(kind: Kind, draws: Array, gradients: Array) -> Metric:
    """Find one metric from the draws (C, n, d) of all chains."""
    d = draws.shape[-1]
    return fisher(kind, draws.reshape(-1, d), gradients.reshape(-1, d))


def separate(kind: Kind, draws: Array, gradients: Array) -> Metric:
    """Find a metric for each chain from its own draws (C, n, d)."""
    return stacked([fisher(kind, *pair) for pair in zip(draws, gradients, strict=True)])


def stacked(metrics: Sequence[Metric]) -> Metric:
    """Put metrics of single chains, all of one kind, side by side."""
    cls = type(metrics[0])
    width = max(m.spread.shape[1] if isinstance(m, LowRank) else 0 for m in metrics)
    padded = [_padded(m, width) if isinstance(m, LowRank) else m for m in metrics]
    return cls(
        *(
            np.concatenate([getattr(metric, field.name) for metric in padded])
            for field in fields(cls)
        )
    )


def _padded(metric: LowRank, width: int) -> LowRank:
    """Add directions of zeros."""
    more = width - metric.spread.shape[1]
    return LowRank(
        metric.location,
        metric.scale,
        np.pad(metric.basis, ((0, 0), (0, more), (0, 0))),
        np.pad(metric.spread, ((0, 0), (0, more)), constant_values=1.0),
    )
