"""Laws of cells in the leaves of a tree, learned from the rows that reach them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.tree._forest_axes import Axes
from sklgen.tree._forest_kernels import Cells, Laws, log_masses
from sklgen.tree._forest_law_kernels import (
    count_levels,
    match_moments,
    moments,
    prior_moments,
)

# Nodes of quadratures over Gaussian laws within bounds.
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(32)
# Rows of the standard normal law that all rows count as, shared out among leaves: the
# law of scores in a leaf of n rows out of N counts so many / N before the data.
_PRIOR_ROWS = 20.0
# Steps towards the Gaussian laws that have wanted moments within bounds, and the nodes
# that are enough for them.
_N_STEPS = 5
_FEW_NODES, _FEW_WEIGHTS = np.polynomial.legendre.leggauss(16)


@dataclass(frozen=True)
class Ranges:
    """Which levels are within the boxes of leaves, and the prior law of codes.

    Parameters
    ----------
    order : ndarray of shape (L,)
        Codes by position, the columns side by side, -1 where there are fewer.
    below : ndarray of shape (L + c,)
        Shares of the codes before each place in `order`.
    first, last : ndarray of shape (K, c)
        First place in `order` that is within the box, and first one beyond.
    mixed : ndarray of shape (c,)
        Whether code 0 is that of a continuous part.
    rest : ndarray of shape (K, c)
        Share of the continuous part that is within the box.
    """

    order: NDArray[np.int32]
    below: Array
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    mixed: NDArray[np.bool_]
    rest: Array

    @classmethod
    def of(cls, axes: Axes, low: Array, high: Array, log_mass: Array) -> Ranges:
        """The ranges within boxes (K, axes); `log_mass` (K, q) is that of scores."""
        orders, sums = [], []
        first, last = np.empty((2, len(low), len(axes.of_codes)), np.int32)
        mixed, rest = np.zeros(first.shape[1], dtype=bool), np.zeros(first.shape)
        for at, (j, share) in enumerate(zip(axes.of_codes, axes.shares, strict=True)):
            axis = axes.all[j]
            padding = np.full(len(share) - len(axis.order), -1, np.int32)
            orders.append(np.append(axis.order, padding))
            shares = np.where(orders[-1] >= 0, share[orders[-1]], 0.0)
            sums.append(np.append(0.0, np.cumsum(shares)))
            first[:, at], last[:, at] = axis.placed(low[:, j], high[:, j])
            mixed[at] = len(padding) > 0
            if mixed[at]:
                place = int(np.flatnonzero(axes.of_scores == j)[0])
                room = axis.has_room(low[:, j], high[:, j])
                rest[:, at] = room * share[0] * np.exp(log_mass[:, place])
        order = np.concatenate([*orders, np.empty(0, np.int32)])
        return cls(
            order, np.concatenate([*sums, np.empty(0)]), first, last, mixed, rest
        )

    def mass(self, start: NDArray[np.int64]) -> Array:
        """Shares (K, c) of all that is within the boxes."""
        base = start[:-1] + np.arange(len(start) - 1)
        inside = self.below[base + self.last] - self.below[base + self.first]
        return np.asarray(self.rest + inside)


@dataclass(frozen=True)
class LeafLaws:
    """Laws of cells in K leaves, and what draws and means need besides."""

    laws: Laws
    ranges: Ranges

    @classmethod
    def learn(
        cls,
        axes: Axes,
        cells: Cells,
        leaves: NDArray[np.intp],
        low: Array,
        high: Array,
        smoothing: float,
    ) -> LeafLaws:
        """Learn from observed cells of rows, each in one leaf of boxes (K, axes)."""
        K = len(low)
        sizes = np.bincount(leaves, minlength=K)
        starts = np.append(0, np.cumsum(sizes))
        members = np.argsort(leaves, kind="stable")
        bounds = [
            np.column_stack([axes.all[j].scores(ends[:, j]) for j in axes.of_scores])
            if len(axes.of_scores)
            else np.empty((K, 0))
            for ends in (low, high)
        ]
        mass = np.empty((K, len(axes.of_scores)))
        lower, upper = bounds
        log_masses(np.zeros(mass.shape), np.ones(mass.shape), lower, upper, mass)
        ranges = Ranges.of(axes, low, high, mass)
        scores = np.ascontiguousarray(cells.scores[:, : mass.shape[1]])
        means, deviations = _gaussians(members, starts, scores, bounds)
        log_masses(means, deviations, lower, upper, mass)
        n_levels = np.array([len(share) for share in axes.shares], dtype=np.int64)
        start = np.append(0, np.cumsum(n_levels)).astype(np.int64)
        seen = np.empty((K, len(n_levels)), np.int64)
        levels = np.empty(cells.codes.size, np.int32)
        counts = np.empty(cells.codes.size)
        n = count_levels(members, starts, cells.codes, n_levels, seen, levels, counts)
        pointer = np.append(0, np.cumsum(seen.ravel())).astype(np.int64)
        total = np.add.reduceat(np.append(counts[:n], 0.0), pointer[:-1])
        total = np.where(seen.ravel() > 0, total, 0.0).reshape(seen.shape)
        laws = Laws(
            log_weight=np.log(sizes / len(leaves)),
            pointer=pointer,
            levels=levels[:n].copy(),
            counts=counts[:n].copy(),
            total=total + smoothing,
            prior=smoothing / ranges.mass(start),
            share=np.concatenate([*axes.shares, np.empty(0)]),
            start=start,
            mixed=ranges.mixed,
            rest=ranges.rest,
            means=means,
            deviations=deviations,
            low=bounds[0],
            high=bounds[1],
            log_mass=mass,
        )
        return cls(laws, ranges)

    @classmethod
    def join(cls, parts: list[LeafLaws], weights: Array) -> LeafLaws:
        """The leaves of all trees, trees weighed by `weights`."""
        laws = [part.laws for part in parts]
        joined = {
            name: np.concatenate([getattr(law, name) for law in laws])
            for name in Laws._fields
            if name not in {"pointer", "share", "start", "mixed"}
        }
        ends = np.cumsum([law.pointer[-1] for law in laws])
        pairs = zip(laws, np.append(0, ends[:-1]), strict=True)
        pointer = np.concatenate([law.pointer[:-1] + before for law, before in pairs])
        joined["pointer"] = np.append(pointer, ends[-1]).astype(np.int64)
        sizes = [len(law.means) for law in laws]
        joined["log_weight"] += np.log(np.repeat(weights, sizes))
        ranges = [part.ranges for part in parts]
        return cls(
            Laws(
                **joined,
                share=laws[0].share,
                start=laws[0].start,
                mixed=laws[0].mixed,
            ),
            replace(
                ranges[0],
                first=np.concatenate([own.first for own in ranges]),
                last=np.concatenate([own.last for own in ranges]),
                rest=joined["rest"],
            ),
        )


def _gaussians(
    members: NDArray[np.intp],
    starts: NDArray[np.intp],
    scores: Array,
    bounds: list[Array],
) -> tuple[Array, Array]:
    """Means and deviations (K, q) of Gaussian laws that are cut off at bounds.

    Within bounds they have the moments of the scores, and of a few rows of the standard
    normal law within the same bounds.
    """
    count, mean, square = np.empty((3, *bounds[0].shape))
    moments(members, starts, scores, count, mean, square)
    middle, variance = np.empty((2, *mean.shape))
    low, high = bounds
    prior_moments(low, high, NODES, NODE_WEIGHTS, middle, variance)
    prior = min(1.0, _PRIOR_ROWS / len(members))
    total = count + prior
    step = (middle - mean) * prior / total
    wanted = mean + step
    scatter = square + count * step**2
    scatter += prior * (variance + (middle - wanted) ** 2)
    means, deviations = np.empty((2, *mean.shape))
    match_moments(
        wanted,
        scatter / total,
        low,
        high,
        _FEW_NODES,
        _FEW_WEIGHTS,
        _N_STEPS,
        means,
        deviations,
    )
    return means, deviations
