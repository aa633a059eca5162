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
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve_triangular

from sklgen._typing import Array
from sklgen.mcmc import _metric_kernels as kernels

Index = NDArray[np.int64]
Kind = Literal["diagonal", "dense", "low_rank"]

# Directions whose variance is within this factor of that of the rest are left alone by
# low-rank metrics.
_PLAIN = 2.0
# Most directions of a low-rank metric.
_LARGEST = 100
# Beyond so many dimensions, only so many draws are looked at.
_WIDE, _MOST = 1000, 256


class Arrays(NamedTuple):
    """Parameters of a metric of any kind.

    A `factor` (M, d, d) that is not empty is F; else F is diag(scale) (I + U'
    diag(excess) U) with the rows of U in `basis`.
    """

    location: Array
    scale: Array
    factor: Array
    basis: Array
    excess: Array


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
    def factors(self) -> Array:
        """Matrices F (C or 1, d, d)."""

    @abstractmethod
    def log_determinants(self) -> Array:
        """Logarithms (C or 1,) of the determinant of F."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """Parameters as compiled drivers take them."""

    def covariances(self) -> Array:
        """Inverse metrics F F' (C or 1, d, d)."""
        factors = self.factors()
        return factors @ factors.transpose(0, 2, 1)

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

    def factors(self) -> Array:
        return self.scale[:, :, None] * np.eye(self.scale.shape[1])

    def log_determinants(self) -> Array:
        total: Array = np.log(self.scale).sum(axis=1)
        return total

    def arrays(self) -> Arrays:
        M, d = self.scale.shape
        none = np.empty((M, 0, d))
        return Arrays(self.location, self.scale, none, none, np.empty((M, 0)))


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

    def factors(self) -> Array:
        return self.factor

    def log_determinants(self) -> Array:
        total: Array = np.log(np.diagonal(self.factor, axis1=1, axis2=2)).sum(axis=1)
        return total

    def arrays(self) -> Arrays:
        M, d, _ = self.factor.shape
        none = np.empty((M, 0))
        return Arrays(self.location, none, self.factor, np.empty((M, 0, d)), none)


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

    def factors(self) -> Array:
        excess = self.spread - 1
        core = self.basis.transpose(0, 2, 1) * excess[:, None] @ self.basis
        return self.scale[:, :, None] * (core + np.eye(self.scale.shape[1]))

    def log_determinants(self) -> Array:
        total: Array = np.log(self.scale).sum(axis=1) + np.log(self.spread).sum(axis=1)
        return total

    def arrays(self) -> Arrays:
        M, d = self.scale.shape
        factor = np.empty((M, 0, d))
        return Arrays(self.location, self.scale, factor, self.basis, self.spread - 1)


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
        return Diagonal(metric.location, np.linalg.norm(metric.factors(), axis=2))
    if kind == "dense":
        return Dense(metric.location, _lower(metric.factors()))
    return metric


def fisher(kind: Kind, draws: Array, gradients: Array) -> Metric:
    """Find the metric of least Fisher divergence from draws and gradients (n, d)."""
    location: Array = draws.mean(axis=0, keepdims=True)
    draws = draws - location
    gradients = gradients - gradients.mean(axis=0)
    scale = _scale(draws, gradients)
    if kind == "diagonal":
        return Diagonal(location, scale[None])
    draws, gradients = draws / scale, gradients * scale
    if kind == "dense":
        factor = scale[:, None] * _lower(_geometric_root(draws, gradients))
        return Dense(location, factor[None])
    level, basis, spread = _low_rank(draws, gradients)
    return LowRank(location, level * scale[None], basis[None], spread[None])


def _scale(draws: Array, gradients: Array) -> Array:
    """Square roots of sqrt(var(draws) / var(gradients)), where both tell something."""
    spread, slope = _size(draws), _size(gradients)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(spread / slope)
    scale = np.where(slope > 0, scale, spread)
    return np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)


def _size(rows: Array) -> Array:
    """Root mean squares of columns, which do not overflow."""
    largest = np.abs(rows).max(axis=0)
    relative = rows / np.where(largest > 0, largest, 1.0)
    size: Array = largest * np.sqrt(np.mean(relative**2, axis=0))
    return size


def _geometric_root(draws: Array, gradients: Array) -> Array:
    """Find F such that S = F F' solves S cov(gradients) S = cov(draws).

    Rows are centred and scaled. To covariances of n rows is added what bounds how much
    shorter than its coordinates a direction can seem to be, which few rows show by
    chance, and what keeps them positive definite.
    """
    n, d = draws.shape
    size = max(1.0, _size(draws).max(), _size(gradients).max())
    draws, gradients = draws / size, gradients / size  # leaves F what it is
    ridge = (1e-5 + (d / max(n, d)) ** 2 / 10) / size**2 + 1e-9
    variance = draws.T @ draws / n + ridge * np.eye(d)
    precision = gradients.T @ gradients / n + ridge * np.eye(d)
    root = np.linalg.cholesky(precision)
    value, vector = eigh(root.T @ variance @ root)
    value = np.maximum(value, 1e-15 * value[-1])
    vector = solve_triangular(root, vector, trans="T", lower=True)
    out: Array = vector * value**0.25
    return out


def _lower(factors: Array) -> Array:
    """Lower triangular L with L L' = F F' and a positive diagonal."""
    upper = np.linalg.qr(np.swapaxes(factors, -1, -2), mode="r")
    sign = np.sign(np.diagonal(upper, axis1=-2, axis2=-1))
    return np.ascontiguousarray(np.swapaxes(upper * sign[..., None], -1, -2))


def _low_rank(draws: Array, gradients: Array) -> tuple[float, Array, Array]:
    """Directions that stand out, for centred and scaled rows.

    Returns the standard deviation of the rest, the directions (k, d) and their standard
    deviations relative to the rest.
    """
    d = draws.shape[1]
    thin = 1 if d <= _WIDE else -(-len(draws) // _MOST)
    draws, gradients = draws[::thin], gradients[::thin]
    space = np.eye(d)
    if len(draws) < d:
        space = np.linalg.qr(np.concatenate([_span(draws), _span(gradients)]).T)[0]
    root = _geometric_root(draws @ space, gradients @ space)
    value, vector = eigh(root @ root.T)
    spread = np.sqrt(np.maximum(value, 1e-300))
    level = np.median(spread) if len(spread) == d else 1.0
    distance = np.abs(np.log(spread / level))
    order = np.argsort(-distance)[: min(_LARGEST, d // 4)]
    kept = order[distance[order] > 0.5 * np.log(_PLAIN)]
    basis = np.ascontiguousarray((space @ vector[:, kept]).T)
    return float(level), basis, spread[kept] / level


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
