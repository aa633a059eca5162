"""Products of families over sets of columns: components of mixed tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import Allocate, Family, Prefixed, View


@dataclass(frozen=True)
class ProductStatistics:
    """The statistics of each part; they add up part by part.

    Parameters
    ----------
    parts : tuple of Additive
        One for each part of the product.
    """

    parts: tuple[Any, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(
            tuple(a + b for a, b in zip(self.parts, other.parts, strict=True))
        )

    def __mul__(self, factor: float) -> Self:
        return type(self)(tuple(part * factor for part in self.parts))


@dataclass(frozen=True)
class Product(Family):
    """Components whose sets of columns are independent, each of a family of its own.

    Parameters
    ----------
    parts : tuple of Family
        Families with the same number K of components. They may be `Components` that
        can't learn; then the product can't either.
    columns : tuple of ndarray of int
        The columns of each part. Together they are all d columns, each once.
    """

    parts: tuple[Any, ...]
    columns: tuple[NDArray[np.intp], ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.parts[0].shape[0], sum(len(at) for at in self.columns)

    @property
    def n_features(self) -> int:
        return int(sum(part.n_features for part in self.parts))

    @property
    def n_parameters(self) -> int:
        return int(sum(part.n_parameters for part in self.parts))

    @property
    def log_prior(self) -> float:
        return float(sum(part.log_prior for part in self.parts))

    @cached_property
    def _views(self) -> dict[bool, View]:
        return {}

    def view(self, *, complete: bool) -> View:
        if complete not in self._views:
            views = [part.view(complete=complete) for part in self.parts]
            self._views[complete] = ProductView(self.columns, views)
        return self._views[complete]

    @property
    def patterned(self) -> NDArray[np.intp]:
        return np.sort(np.concatenate([at[p.patterned] for p, at in self._pairs()]))

    def pattern_view(self, observed: NDArray[np.bool_]) -> View:
        views = [part.pattern_view(observed[at]) for part, at in self._pairs()]
        return ProductView(self.columns, views)

    def _with(self, parts: Iterable[Family]) -> Self:
        return replace(self, parts=tuple(parts))

    def maximize(self, statistics: ProductStatistics) -> Self:
        pairs = zip(self.parts, statistics.parts, strict=True)
        return self._with(part.maximize(sums) for part, sums in pairs)

    def take(self, indices: NDArray[np.intp]) -> Self:
        return self._with(part.take(indices) for part in self.parts)

    def settle(self, weights: Array, data: Self) -> Self:
        pairs = zip(self.parts, data.parts, strict=True)
        return self._with(part.settle(weights, whole) for part, whole in pairs)

    def recentre(self, statistics: ProductStatistics, target: Self) -> Any:
        triples = zip(self.parts, statistics.parts, target.parts, strict=True)
        return ProductStatistics(
            tuple(part.recentre(sums, other) for part, sums, other in triples)
        )

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        means = np.empty(X.shape)
        for part, at in self._pairs():
            means[:, at] = part.conditional_mean(X[:, at], weights)
        return means

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        drawn = np.empty(X.shape)
        for part, at in self._pairs():
            drawn[:, at] = part.conditional_draw(X[:, at], labels, rng)
        return drawn

    def _pairs(self) -> Iterator[tuple[Any, NDArray[np.intp]]]:
        return zip(self.parts, self.columns, strict=True)

    def pack(self) -> Array:
        return np.concatenate([part.pack() for part in self.parts])

    def unpack(self, vector: Array) -> Self:
        sizes = [part.pack().size for part in self.parts]
        pieces = np.split(vector, np.cumsum(sizes[:-1]))
        pairs = zip(self.parts, pieces, strict=True)
        return self._with(part.unpack(piece) for part, piece in pairs)


class ProductView(View):
    """The parts of a product on blocks of rows: densities add up, sums stay apart."""

    def __init__(self, columns: tuple[NDArray[np.intp], ...], views: list[Any]) -> None:
        self._columns = columns
        self._views = views

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> list[Any]:
        features = []
        for at, (view, columns) in enumerate(
            zip(self._views, self._columns, strict=True)
        ):
            part = out if at == 0 else allocate("part", out.shape)
            own = Prefixed(allocate, f"part {at}: ")
            features.append(view.evaluate(X[:, columns], own, part))
            if at > 0:
                out += part
        return features

    def zeros(self) -> list[Any]:
        return [view.zeros() for view in self._views]

    def accumulate(
        self, sums: list[Any], features: list[Any], responsibilities: Array
    ) -> None:
        for view, own, table in zip(self._views, sums, features, strict=True):
            view.accumulate(own, table, responsibilities)

    def complete(self, sums: list[Any]) -> ProductStatistics:
        pairs = zip(self._views, sums, strict=True)
        return ProductStatistics(tuple(view.complete(own) for view, own in pairs))
