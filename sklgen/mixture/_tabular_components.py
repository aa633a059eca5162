"""Components of mixed tables as a part of estimators: mixtures and Markov chains."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklgen.base import check_weights
from sklgen.compose import TabularEncoder
from sklgen.compose._table import open_table
from sklgen.em import Rows
from sklgen.families import (
    Categorical,
    DiagonalGaussian,
    Family,
    FullGaussian,
    Gaussian,
    Product,
)
from sklgen.families._base import Array
from sklgen.mixture._structure import Mixture
from sklgen.mixture._tabular_rows import TypedRows

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


class TabularComponents:
    """What an estimator of tables learns of the data, and tells of it.

    `_validate` types rows and learns how; `_describe` comes next; `_n_wanted` is the
    number of components to fit.
    """

    covariance_type: str
    categorical_features: Any
    max_categories: int | None
    keep_missing: bool
    smoothing: float
    encoder_: TabularEncoder
    means_: Array
    covariances_: Array
    level_probabilities_: list[Array]
    _schema: Any

    if TYPE_CHECKING:

        @property
        def _n_wanted(self) -> int: ...

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _encoder(self) -> TabularEncoder:
        """What is to type the rows."""
        return TabularEncoder(
            self.categorical_features, max_categories=self.max_categories
        )

    def _validate(
        self,
        X: Any,
        *,
        reset: bool = False,
        min_rows: int = 1,
        sample_weight: Any = None,
    ) -> Any:
        """Typed rows; `reset` also learns how to type them."""
        open_table(self, X, reset=reset)
        if reset:
            self.encoder_ = self._encoder().set_output(transform="default")
            self.encoder_.fit(X, sample_weight=sample_weight)
            self._schema = TypedRows(self.encoder_, np.arange(0))
        typed = self._schema.read(X)
        if len(typed) < min_rows:
            raise ValueError(
                f"{type(self).__name__} needs at least {min_rows} rows, got "
                f"n_samples = {len(typed)}."
            )
        if reset and self.keep_missing:
            used = check_weights(sample_weight, typed) > 0
            self._schema, typed = self._schema.with_indicators(typed, used)
        return typed

    @property
    def _width(self) -> int:
        return int(self._schema.width)

    def _describe(self, X: NDArray[Any], weight: Array) -> None:
        """Learn the shares of levels, and the units of scores, of the rows EM sees."""
        schema: TypedRows = self._schema
        shares = [*self.encoder_.level_shares_]
        for column in X[:, schema.n_typed :].T:
            share = float(np.average(column, weights=weight))
            shares.append(np.array([1.0 - share, share]))
        self._shares = shares
        variance = _CELLS * self.encoder_.cell_variance_[schema.scores] / _FLOOR
        self._unit = np.sqrt(np.clip(variance, _SMALLEST_UNIT**2, 1.0))

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
        return Product(tuple(parts), tuple(columns))

    def _equal_components(self) -> Product:
        return self._product(COVARIANCES[self.covariance_type])

    def _standardized(self, X: Array) -> Array:
        """One-hot codes, two different ones a distance of one apart, and scores."""
        blocks = [np.nan_to_num(X[:, self._schema.scores])]
        for at, share in zip(self._schema.categories, self._shares, strict=True):
            codes = X[:, at, None] == np.arange(len(share))
            blocks.append(codes * np.sqrt(0.5))
        return np.hstack(blocks)

    def _labelled(
        self, rows: Rows, labels: NDArray[np.intp], equal: Mixture[Any]
    ) -> Mixture[Any]:
        """Independent columns first: missing cells then need no guess."""
        start = Mixture(equal.weights, self._product(DiagonalGaussian))
        start = start.m_step(rows.sum(partial(start.labelled, labels)))
        parts = [
            self._correlated(part) if isinstance(part, Gaussian) else part
            for part in start.components.parts
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
        for part in components.parts:
            if isinstance(part, Gaussian):
                self.means_, self.covariances_ = part.means, part.covariances
            else:
                self.level_probabilities_ = part.probabilities()

    def _components(self) -> Product:
        return without_views(self._learned)


def without_views(components: Product) -> Product:
    """The same components, without what they keep once they were used."""
    return replace(components, parts=tuple(replace(p) for p in components.parts))
