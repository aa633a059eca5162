"""Negative binomial components: independent columns of overdispersed counts.

Gamma functions of the size plus the count make the density no sum of finitely many
statistics. But for counts x below a limit it is one of finitely many numbers, and above
it the log-density is so smooth in x that polynomials through a few nodes between x and
2 x are exact to rounding. So each count has weights on nodes, which no parameter
changes; the log-density is their sum times the log-densities at the nodes, and the sums
of weights are statistics: a histogram. The M-step is exact for any parameters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import frexp
from typing import Any, ClassVar, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen._special import (
    HALF_LOG_2_PI,
    climb,
    digamma_excess,
    digamma_excess_slope,
    stirling_remainder,
)
from sklgen._typing import Array
from sklgen.families._base import Allocate, View
from sklgen.families._categorical import gather, scatter
from sklgen.families._columns import ColumnStatistics, ConjugateColumns

_LOWEST_MEAN, _HIGHEST_MEAN = 1e-10, 1e9
_LOWEST_SIZE, _HIGHEST_SIZE = 1e-6, 1e8
# Counts below 2**8 have a node each; each doubling up to 2**32 has 20 Chebyshev nodes,
# where interpolation errs by 5.8**-20, as log Gamma has no pole right of zero.
_FIRST_OCTAVE, _LAST_OCTAVE, _ORDER = 8, 32, 20
_N_SMALL = 1 << _FIRST_OCTAVE
_LARGEST = float(2**_LAST_OCTAVE - 1)
_ANGLES = (np.arange(_ORDER) + 0.5) * np.pi / _ORDER
_CHEBYSHEV = 1.5 + 0.5 * np.cos(_ANGLES)
_BARYCENTRIC = np.sin(_ANGLES) * (-1.0) ** np.arange(_ORDER)
_OCTAVES = 2.0 ** np.arange(_FIRST_OCTAVE, _LAST_OCTAVE)
_NODES = np.concatenate(
    [np.arange(float(_N_SMALL)), np.outer(_OCTAVES, _CHEBYSHEV).ravel()]
)


@dataclass(frozen=True)
class NegativeBinomial(ConjugateColumns):
    """Components with independent columns of counts, wider than Poisson's.

    The variance is mean + mean**2 / size: counts of Poisson laws whose rates follow a
    gamma law with shape `sizes`. Large sizes are Poisson laws.

    Parameters
    ----------
    means : ndarray of shape (K, d)
        Mean count, from 1e-10 to 1e9.
    sizes : ndarray of shape (K, d)
        Size, from 1e-6 to 1e8.
    prior : ColumnStatistics
        Pseudo-observations: their number, and their histogram on the nodes.

    Notes
    -----
    A block of n rows takes O(n K d) operations, 20 times as many for counts from 256
    on. The M-step takes O(K d) digammas for each count that occurs. Densities and
    statistics are tables of 736 numbers for each component and column.

    References
    ----------
    Levin, B. and Reeds, J. (1977). Compound multinomial likelihood functions are
    unimodal. Ann. Stat. 5(1).
    """

    means: Array
    sizes: Array

    support: ClassVar[str] = (
        "counts: whole numbers from 0 to 2**32 - 1. Round fractional ones, or use a "
        "law of positive numbers."
    )
    n_statistics: ClassVar[int] = len(_NODES)
    origin: ClassVar[tuple[float, ...]] = (1.0, 1.0)

    @staticmethod
    def supports(cells: Array) -> NDArray[np.bool_]:
        return np.asarray(
            (cells >= 0) & (cells == np.floor(cells)) & (cells <= _LARGEST)
        )

    @property
    def n_features(self) -> int:
        return 1 + self.shape[1]

    @cached_property
    def natural(self) -> Array:
        """Log-densities at the nodes, by deviances, which do not cancel."""
        x, m, r = _NODES[:, None, None], self.means, self.sizes
        positive = np.maximum(x, 1.0)
        excess = (x - m) / (r + m)
        ratio = -excess * r / positive
        near = np.maximum(ratio, -0.5)
        far = m / (r + m) * (r / positive + 1.0)
        count = x * np.where(ratio > -0.5, np.log1p(near), np.log(far))
        spread = 0.5 * (np.log1p(x / r) + np.log(positive)) + HALF_LOG_2_PI
        remainder = stirling_remainder(r + x) - stirling_remainder(r)
        remainder -= stirling_remainder(positive)
        return r * np.log1p(excess) + np.where(x > 0, count - spread + remainder, 0.0)

    @property
    def log_normalizer(self) -> Array:
        return np.zeros(self.means.shape)

    @staticmethod
    def estimate(mean: Array) -> tuple[Array, ...]:
        used = (mean != 0).any(axis=1)
        shares, x = mean[used], _NODES[used, None]
        m = np.clip((shares * x).sum(axis=0), _LOWEST_MEAN, _HIGHEST_MEAN)

        def score(size: Array) -> tuple[Array, Array]:
            gap, z = (x - m) / (size + m), size + x
            value = digamma_excess(z) + np.log1p(gap)
            slope = digamma_excess_slope(z) - gap / z
            return (
                (shares * value).sum(axis=0) - digamma_excess(size),
                (shares * slope).sum(axis=0) - digamma_excess_slope(size),
            )

        excess = (shares * (x - m) ** 2).sum(axis=0) - m
        start = m**2 / np.maximum(excess, m**2 / _HIGHEST_SIZE)
        return m, climb(score, start, _LOWEST_SIZE, _HIGHEST_SIZE)

    @property
    def moments(self) -> Array:
        return self.means[None]

    @staticmethod
    def location(moments: Array) -> Array:
        return np.asarray(moments[0])

    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        rates = rng.gamma(self.sizes[labels], (self.means / self.sizes)[labels])
        return np.minimum(rng.poisson(np.minimum(rates, _LARGEST)), _LARGEST)

    def _view(self, *, complete: bool) -> View:
        return HistogramView(self)

    def pack(self) -> Array:
        return np.log(np.stack([self.means, self.sizes])).ravel()

    def unpack(self, vector: Array) -> Self:
        means, sizes = vector.reshape(2, *self.shape)
        low, high = np.log([_LOWEST_MEAN, _HIGHEST_MEAN])
        means = np.exp(np.clip(means, low, high))
        low, high = np.log([_LOWEST_SIZE, _HIGHEST_SIZE])
        return replace(self, means=means, sizes=np.exp(np.clip(sizes, low, high)))


class HistogramView(View):
    """Counts on blocks of rows, complete or not. Features are weights on nodes.

    A last node of log-density zero stands for missing and for large cells; large ones
    are then added one by one.
    """

    def __init__(self, model: NegativeBinomial) -> None:
        self._shape = n, d = model.shape
        self._table = np.zeros((d * len(_NODES) + 1, n))
        self._table[:-1] = model.natural.transpose(2, 0, 1).reshape(-1, n)

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Any:
        places, large, weights = _locate(X, allocate("places", X.shape[::-1]))
        gather(self._table, places, out)
        if len(large):
            gather_large(self._table, large, weights, out)
        return places, large, weights

    def zeros(self) -> list[Array]:
        return [np.zeros(self._table.shape)]

    def accumulate(
        self, sums: list[Array], features: Any, responsibilities: Array
    ) -> None:
        places, large, weights = features
        scatter(places, responsibilities, sums[0])
        if len(large):
            scatter_large(large, weights, responsibilities, sums[0])

    def complete(self, sums: list[Array]) -> ColumnStatistics:
        n, d = self._shape
        histogram = sums[0][:-1].reshape(d, -1, n)
        by_node = np.ascontiguousarray(histogram.transpose(1, 2, 0))
        return ColumnStatistics(by_node.sum(axis=0), by_node)


def _locate(
    X: NDArray[Any], room: Array
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Places (d, n) of the nodes of small counts; places, rows, weights of large ones.

    `room` (d, n) is memory for the first.
    """
    places = room.view(np.int64)
    n_large = locate_small(X, _N_SMALL, len(_NODES), places)
    large = np.empty((n_large, 2), np.int64)
    weights = np.empty((n_large, _ORDER))
    if n_large:
        locate_large(X, _N_SMALL, len(_NODES), _CHEBYSHEV, _BARYCENTRIC, large, weights)
    return places, large, weights


@njit(nogil=True, cache=True)
def locate_small(
    X: NDArray[Any], n_small: int, n_nodes: int, places: NDArray[np.int64]
) -> int:
    """Write the places (d, n) of nodes of X (n, d); count the cells that lack one."""
    n, d = X.shape
    n_large = 0
    for j in range(d):
        for i in range(n):
            x = X[i, j]
            if x < n_small:
                places[j, i] = j * n_nodes + np.int64(max(x, 0.0))
            else:
                places[j, i] = d * n_nodes
                if not np.isnan(x):
                    n_large += 1
    return n_large


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def locate_large(
    X: NDArray[Any],
    n_small: int,
    n_nodes: int,
    nodes: Array,
    barycentric: Array,
    large: NDArray[np.int64],
    weights: Array,
) -> None:
    """Write where nodes of large cells of X (n, d) start, their row, and weights."""
    n_octaves = (n_nodes - n_small) // _ORDER
    at = 0
    for j in range(X.shape[1]):
        for i in range(len(X)):
            x = np.float64(X[i, j])
            if not x >= n_small:
                continue
            octave = min(frexp(x / n_small)[1] - 1, n_octaves - 1)
            y = min(x / n_small / 2.0**octave, 2.0)
            large[at, 0] = j * n_nodes + n_small + octave * _ORDER
            large[at, 1] = i
            total = 0.0
            for q in range(_ORDER):
                gap = y - nodes[q]
                gap = gap if abs(gap) > 1e-15 else 1e-15
                weight = barycentric[q] / gap
                weights[at, q] = weight
                total += weight
            total = 1.0 / total
            for q in range(_ORDER):
                weights[at, q] *= total
            at += 1


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def gather_large(
    table: Array, large: NDArray[np.int64], weights: Array, out: Array
) -> None:
    """Add interpolated rows of `table` (L, K) for large cells to `out` (K, n)."""
    total = np.empty(len(out))
    for at in range(len(large)):
        start, row = large[at]
        total[:] = 0.0
        for q in range(_ORDER):
            weight, node = weights[at, q], table[start + q]
            for k in range(len(total)):
                total[k] += weight * node[k]
        for k in range(len(total)):
            out[k, row] += total[k]


@njit(nogil=True, cache=True)
def scatter_large(
    large: NDArray[np.int64], weights: Array, responsibilities: Array, sums: Array
) -> None:
    """Add weights of large cells times `responsibilities` (K, n) to `sums` (L, K)."""
    share = np.empty(len(responsibilities))
    for at in range(len(large)):
        start, row = large[at]
        for k in range(len(share)):
            share[k] = responsibilities[k, row]
        for q in range(_ORDER):
            weight, node = weights[at, q], sums[start + q]
            for k in range(len(share)):
                node[k] += weight * share[k]


# Calls kernels of other modules, as of 3906711a26ee.
