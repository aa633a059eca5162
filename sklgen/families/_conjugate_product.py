"""Conjugate laws of products of families over sets of columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._conjugate import Conjugate, total
from sklgen.families._product import Product, ProductStatistics


@dataclass(frozen=True)
class ConjugateProduct(Conjugate):
    """Independent laws for each part of a product.

    Parameters
    ----------
    parts : tuple of Conjugate
        Laws of the same number K of components.
    columns : tuple of ndarray of int
        The columns of each part.
    """

    parts: tuple[Any, ...]
    columns: tuple[NDArray[np.intp], ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def _with(self, parts: Iterable[Any]) -> Self:
        return replace(self, parts=tuple(parts))

    def take(self, index: NDArray[Any]) -> Self:
        return self._with(part.take(index) for part in self.parts)

    def join(self, other: Self) -> Self:
        pairs = zip(self.parts, other.parts, strict=True)
        return self._with(part.join(more) for part, more in pairs)

    def posterior(self, components: Product, statistics: ProductStatistics) -> Self:
        triples = zip(self.parts, components.parts, statistics.parts, strict=True)
        return self._with(part.posterior(about, sums) for part, about, sums in triples)

    def expected(self) -> tuple[Product, Array | float]:
        pairs = [part.expected() for part in self.parts]
        components = Product(tuple(about for about, _ in pairs), self.columns)
        return components, total(np.asarray(offset) for _, offset in pairs)

    def divergence(self, prior: Self) -> Array:
        pairs = zip(self.parts, prior.parts, strict=True)
        return total(part.divergence(own) for part, own in pairs)

    def log_normalizer(self) -> Array:
        return total(part.log_normalizer() for part in self.parts)

    @classmethod
    def weighted(cls, terms: list[tuple[float, Self]]) -> Self:
        first = terms[0][1]
        return first._with(
            part.weighted([(factor, law.parts[at]) for factor, law in terms])
            for at, part in enumerate(first.parts)
        )

    def tuned(self, prior: Self) -> Self:
        pairs = zip(self.parts, prior.parts, strict=True)
        return self._with(part.tuned(own) for part, own in pairs)

    def predictive(self) -> Product:
        return Product(tuple(part.predictive() for part in self.parts), self.columns)

    def pack(self, prior: Self) -> Array:
        pairs = zip(self.parts, prior.parts, strict=True)
        return np.concatenate([part.pack(own) for part, own in pairs])

    def unpack(self, prior: Self, vector: Array) -> Self:
        pairs = list(zip(self.parts, prior.parts, strict=True))
        sizes = [part.pack(own).size for part, own in pairs]
        pieces = np.split(vector, np.cumsum(sizes[:-1]))
        return self._with(
            part.unpack(own, piece)
            for (part, own), piece in zip(pairs, pieces, strict=True)
        )
