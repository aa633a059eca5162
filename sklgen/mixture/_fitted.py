"""What is read off every fitted mixture: densities, labels, draws, completed rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklgen._typing import Array
from sklgen.base import (
    ConditionalMixin,
    DensityMixin,
    GenerativeMixin,
    InformationCriterionMixin,
    LatentMixin,
    check_weights,
)
from sklgen.em import Block, Rows, Scratch, n_threads
from sklgen.families import Laws, Learner, WholeRowFamily
from sklgen.mixture._structure import Mixture


class FittedMixture(
    LatentMixin,
    DensityMixin,
    GenerativeMixin,
    BaseEstimator,
):
    """The public methods of a mixture after `fit`. Hook: `_components`."""

    n_jobs: int | None
    weights_: Array

    @abstractmethod
    def _components(self) -> Laws:
        """Components as the fitted attributes describe them."""

    def _fitted(self) -> Mixture[Any]:
        return Mixture(np.asarray(self.weights_), self._components())

    def _reader(self) -> Mixture[Any]:
        """The mixture that reads validated rows, where EM saw others."""
        return self._fitted()

    @property
    def _width(self) -> int:
        """Number of columns of validated rows."""
        return int(self.n_features_in_)

    def _rows(
        self,
        X: NDArray[Any],
        weight: Array | None,
        components: Laws,
        *,
        in_order: bool = False,
    ) -> Rows:
        return Rows(
            X,
            weight,
            n_features=max(components.n_features, components.shape[0]),
            n_threads=1 if in_order else n_threads(self.n_jobs),
            patterned=components.patterned,
        )

    def _each_row(
        self,
        X: NDArray[Any],
        shape: tuple[int, ...],
        read: Callable[[Mixture[Any], Block, Scratch], NDArray[Any]],
        *,
        dtype: Any = np.float64,
        in_order: bool = False,
    ) -> NDArray[Any]:
        """`read(model, block, scratch)` of all rows, in an array (n, *shape)."""
        model = self._reader()
        out = np.empty((X.shape[0], *shape), dtype)
        with self._rows(X, None, model.components, in_order=in_order) as rows:
            return rows.fill(out, partial(read, model))

    def _score_samples(self, X: NDArray[Any]) -> Array:
        return self._each_row(X, (), lambda model, *at: model.posterior(*at)[1])

    def _predict(self, X: NDArray[Any]) -> NDArray[np.intp]:
        return self._each_row(
            X, (), lambda model, *at: model.posterior(*at)[0].argmax(0), dtype=np.intp
        )

    def _predict_proba(self, X: NDArray[Any]) -> Array:
        return self._each_row(
            X, self.weights_.shape, lambda model, *at: model.posterior(*at)[0].T
        )


class CompletingMixture(ConditionalMixin, FittedMixture):
    """A mixture that completes rows; its draws are rows that miss everything."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _sample_latent(
        self, n_samples: int, rng: np.random.Generator
    ) -> tuple[Array, NDArray[np.intp]]:
        unseen = np.full((n_samples, self._width), np.nan)
        return self._draw_missing(unseen, rng)

    def _sample_conditional(
        self, X: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[Any]:
        return self._draw_missing(X, rng)[0]

    def _draw_missing(
        self, X: NDArray[Any], rng: np.random.Generator
    ) -> tuple[Array, NDArray[np.intp]]:
        """Rows with missing cells drawn, and the component each was drawn from."""
        labels = np.empty(len(X), np.intp)

        def draw(model: Mixture[Any], block: Block, scratch: Scratch) -> Any:
            cumulative = model.posterior(block, scratch)[0].cumsum(axis=0)
            u = rng.random(len(block.X)) * cumulative[-1]
            labels[block.rows] = drawn = (cumulative <= u).sum(axis=0)
            if block.complete:
                return block.X
            return model.components.conditional_draw(block.X, drawn, rng)

        return self._each_row(X, X.shape[1:], draw, in_order=True), labels

    def _impute(self, X: NDArray[Any]) -> NDArray[Any]:
        def mean(model: Mixture[Any], block: Block, scratch: Scratch) -> Any:
            if block.complete:
                return block.X
            posterior, _ = model.posterior(block, scratch)
            return model.components.conditional_mean(block.X, posterior)

        return self._each_row(X, X.shape[1:], mean)


class WholeRowMixture(FittedMixture):
    """A mixture of components that draw whole rows."""

    @abstractmethod
    def _components(self) -> WholeRowFamily: ...

    def _sample_latent(
        self, n_samples: int, rng: np.random.Generator
    ) -> tuple[Any, NDArray[np.intp]]:
        labels = rng.choice(len(self.weights_), n_samples, p=self.weights_)
        return self._components().draw(labels, rng), labels


class LikelihoodMixture(InformationCriterionMixin, FittedMixture):
    """A fitted mixture whose components have free parameters to count."""

    @abstractmethod
    def _components(self) -> Learner: ...

    def _n_parameters(self) -> int:
        return len(self.weights_) - 1 + self._components().n_parameters

    def icl(self, X: Any, sample_weight: Any = None) -> float:
        """Integrated completed likelihood criterion on X: lower is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row.

        Returns
        -------
        icl : float
            `bic` less twice the log-probability of the labels that `predict` gives:
            it asks for components that are well apart.

        References
        ----------
        Biernacki, C., Celeux, G. and Govaert, G. (2000). Assessing a mixture model
        for clustering with the integrated completed likelihood. IEEE PAMI 22(7).
        """
        criterion = self.bic(X, sample_weight)
        X = self._validate(X)
        weight = check_weights(sample_weight, X)
        sure = self._each_row(
            X, (), lambda model, *at: np.log(model.posterior(*at)[0].max(0))
        )
        return float(criterion - 2.0 * (weight @ sure))
