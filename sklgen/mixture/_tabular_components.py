"""Components of mixed tables as a part of estimators: mixtures and Markov chains."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.compose import TabularEncoder
from sklgen.compose._typed_rows import TypedRows, TypedRowsMixin
from sklgen.em import Rows, n_threads
from sklgen.families import (
    Categorical,
    DiagonalGaussian,
    Family,
    FullGaussian,
    Gaussian,
    Product,
)
from sklgen.mixture._gaussian_components import column_moments
from sklgen.mixture._structure import Mixture
from sklgen.mixture._tabular_families import (
    check_cells,
    evened,
    families_by_position,
    law_of_data,
    parameters_of,
)

COVARIANCES: dict[str, type[Gaussian]] = {
    "full": FullGaussian,
    "diag": DiagonalGaussian,
}
# Smallest variance in a component, as a share of the one within the start's.
_FLOOR = 1e-3
# Smallest variance in a component, in variances of a score within its cell.
_CELLS = 3.0
# Smallest unit of a score: nothing narrower is a component.
_SMALLEST_UNIT = 1e-2
# Rows that each covariance counts before the data.
_PRIOR_COUNT = 0.1


class TabularComponents(TypedRowsMixin):
    """What an estimator of tables learns of the data, and tells of it.

    `_validate` types rows and learns how; `_describe` comes next; `_n_wanted` is the
    number of components to fit.
    """

    covariance_type: str
    categorical_features: Any
    max_categories: int | None
    families: Any
    smoothing: float
    n_jobs: int | None
    means_: Array
    covariances_: Array
    level_probabilities_: list[Array]
    family_parameters_: dict[Any, dict[str, Array]]

    if TYPE_CHECKING:

        @property
        def _n_wanted(self) -> int: ...

    def _encoder(self, passthrough: list[int]) -> TabularEncoder:
        """What is to type the rows, but for columns that stay in their own units."""
        return TabularEncoder(
            self.categorical_features,
            max_categories=self.max_categories,
            passthrough=passthrough or None,
        )

    def _own_units(self, names: list[Any]) -> dict[int, str]:
        return families_by_position(self.families, names)

    def _check_typed(self, typed: NDArray[Any]) -> None:
        for family, at in self._schema.numbers.items():
            check_cells(family, typed[:, at], self._schema.names(at))

    @property
    def _width(self) -> int:
        return int(self._schema.width)

    def _describe(self, X: NDArray[Any], weight: Array) -> None:
        """Learn of the rows EM sees shares of levels, units of scores, and laws."""
        schema: TypedRows = self._schema
        shares = [*self.encoder_.level_shares_]
        for column in X[:, schema.n_typed :].T:
            share = float(np.average(column, weights=weight))
            shares.append(np.array([1.0 - share, share]))
        self._shares = shares
        variance = _CELLS * self.encoder_.cell_variance_[schema.scores] / _FLOOR
        self._unit = np.sqrt(np.clip(variance, _SMALLEST_UNIT**2, 1.0))
        threads = n_threads(self.n_jobs)
        self._data_laws, self._evened_moments = [], []
        for family, at in schema.numbers.items():
            self._data_laws.append(law_of_data(family, X[:, at], weight, threads))
            moments = column_moments(evened(family, X[:, at]), weight, threads)
            self._evened_moments.append(moments)

    def _product(self, gaussian: type[Gaussian]) -> Product:
        """Equal components that describe the data as a whole."""
        schema, K = self._schema, self._n_wanted
        parts: list[Family] = []
        columns = []
        if len(schema.categories):
            parts.append(Categorical.equal(K, self._shares, self.smoothing))
            columns.append(schema.categories)
        if len(schema.scores):
            q = len(schema.scores)
            equal = gaussian.equal(K, np.zeros(q), np.ones(q), _FLOOR)
            parts.append(replace(equal, scale=self._unit, prior_count=_PRIOR_COUNT))
            columns.append(schema.scores)
        parts += [law.take(np.zeros(K, dtype=np.intp)) for law in self._data_laws]
        columns += schema.numbers.values()
        return Product(tuple(parts), tuple(columns))

    def _equal_components(self) -> Product:
        return self._product(COVARIANCES[self.covariance_type])

    def _standardized(self, X: Array) -> Array:
        """One-hot codes, two different ones a distance of one apart, and scores."""
        blocks = [np.nan_to_num(self._scored(X)[:, self._scored_columns])]
        for at, share in zip(self._schema.categories, self._shares, strict=True):
            codes = X[:, at, None] == np.arange(len(share))
            blocks.append(codes * np.sqrt(0.5))
        return np.hstack(blocks)

    def _scored(self, X: Array) -> Array:
        """The rows that EM sees with all numbers standardised, for starts."""
        scored = X.astype(np.float64)
        pairs = zip(self._schema.numbers.items(), self._evened_moments, strict=True)
        for (family, at), (mean, scale) in pairs:
            scored[:, at] = (evened(family, X[:, at]) - mean) / scale
        return scored

    @property
    def _scored_columns(self) -> NDArray[np.intp]:
        schema: TypedRows = self._schema
        return np.concatenate([schema.scores, *schema.numbers.values()])

    def _labelled(
        self, rows: Rows, labels: NDArray[np.intp], equal: Mixture[Any]
    ) -> Mixture[Any]:
        """Independent columns first: missing cells then need no guess."""
        start = Mixture(equal.weights, self._product(DiagonalGaussian))
        start = start.m_step(rows.sum(partial(start.labelled, labels)))
        pairs = zip(start.components.parts, start.components.columns, strict=True)
        parts = [
            self._correlated(part) if np.array_equal(at, self._schema.scores) else part
            for part, at in pairs
        ]
        return Mixture(start.weights, replace(equal.components, parts=tuple(parts)))

    def _correlated(self, part: Gaussian) -> Gaussian:
        """Independent columns, in the structure and with the prior of the fit."""
        gaussian = COVARIANCES[self.covariance_type].independent(
            part.means, part.variances(), part.scale, part.floor
        )
        return replace(gaussian, prior_count=part.prior_count)

    def _store_components(self, components: Product) -> None:
        self._learned = without_views(components)
        self.level_probabilities_: list[Array] = []
        self.means_ = self.covariances_ = np.empty((self._n_wanted, 0))
        self.family_parameters_: dict[Any, dict[str, Array]] = {}
        schema: TypedRows = self._schema
        for part, at in zip(components.parts, components.columns, strict=True):
            if isinstance(part, Categorical):
                self.level_probabilities_ = part.probabilities()
            elif np.array_equal(at, schema.scores):
                self.means_, self.covariances_ = part.means, part.covariances
            else:
                for place, name in enumerate(schema.names(at)):
                    self.family_parameters_[name] = {
                        parameter: values[:, place]
                        for parameter, values in parameters_of(part).items()
                    }

    def _components(self) -> Product:
        return without_views(self._learned)


def without_views(components: Product) -> Product:
    """The same components, without what they keep once they were used."""
    return replace(components, parts=tuple(replace(p) for p in components.parts))
