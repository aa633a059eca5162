"""The contract every model keeps: small mixins that turn hooks into public methods.

An author writes hooks on validated float arrays (`_sample`, `_score_samples`, ...);
the mixins validate, check that the model is fitted, choose random streams and give
rows back in the container they came in. Put the mixins to the left of
`BaseEstimator`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils import check_scalar, get_tags
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from sklgen._frames import Schema, check_numeric
from sklgen._random import as_generator

__all__ = [
    "ConditionalMixin",
    "DensityMixin",
    "GenerativeMixin",
    "InformationCriterionMixin",
    "LatentMixin",
    "check_weights",
]


class _RowsMixin(ABC):
    """Rows in: validated floats, and a memory of the container they came in.

    `_support` says which rows the model is about, and so on which rows the contract is
    tested: numbers in any unit, counts, the parts of a whole, or labels.
    """

    _schema: Schema
    _support: ClassVar[Literal["real", "counts", "composition", "labels"]] = "real"

    def _validate(
        self,
        X: Any,
        *,
        reset: bool = False,
        min_rows: int = 1,
        sample_weight: Any = None,
    ) -> Any:
        """Rows as a float32 or float64 array; `reset` also learns the container.

        Weights matter only to models that learn how to read rows.
        """
        check_numeric(X, type(self).__name__)
        tags = get_tags(self).input_tags
        values = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            accept_sparse="csr" if tags.sparse else False,
            ensure_all_finite="allow-nan" if tags.allow_nan else True,
            ensure_min_samples=min_rows,
        )
        if reset:
            self._schema = Schema.of(X, values.dtype)
        return values


class GenerativeMixin(_RowsMixin):
    """A model that can `sample`. Hook: `_sample(n_samples, rng)`.

    The hook returns an array of shape (n_samples, n_features), its rows in random
    order. `fit` calls `_validate(X, reset=True)`, which gives X as a float32 or
    float64 array and remembers the container, the column names and the dtypes that
    `sample` gives back. `min_rows`, 1 by default, is the smallest number of rows.
    """

    @abstractmethod
    def _sample(self, n_samples: int, rng: np.random.Generator) -> np.ndarray: ...

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> Any:
        """Draw new rows from the fitted model.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, at least 1.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows each time; None gives fresh rows. Neither the
            estimator nor numpy's global generator is changed.

        Returns
        -------
        X : array, or DataFrame of the library seen in `fit`, (n_samples, n_features)
            Rows in random order, with the columns and dtypes of the training rows.
        """
        check_is_fitted(self)
        n_samples = _check_n_samples(n_samples)
        rows = self._sample(n_samples, as_generator(random_state))
        return self._schema.restore(rows)


class DensityMixin(_RowsMixin):
    """A model with a log-density per row. Hook: `_score_samples(X)`.

    The hook gets validated rows and returns the natural logarithm of the density of
    each, an array of shape (n_samples,).
    """

    @abstractmethod
    def _score_samples(self, X: np.ndarray) -> np.ndarray: ...

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-density of each row, in nats.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows. Where the model takes missing cells, the density is the marginal
            one of the cells that were observed.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density of each row.
        """
        check_is_fitted(self)
        X = self._validate(X)
        return self._score_samples(X).astype(X.dtype, copy=False)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Weighted mean of `score_samples`: higher is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored; here for scikit-learn's pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row. None weighs all rows alike.

        Returns
        -------
        score : float
            Mean log-density per row, in nats.
        """
        check_is_fitted(self)
        X = self._validate(X)
        weight = check_weights(sample_weight, X)
        return float(np.average(self._score_samples(X), weights=weight))


class LatentMixin(_RowsMixin):
    """A model with a latent label per row (component, state, topic).

    Hooks: `_predict(X)`, `_predict_proba(X)` and `_sample_latent(n_samples, rng)`,
    which returns rows in random order and their labels. With this mixin to the left
    of `GenerativeMixin`, `_sample` needs no writing.
    """

    @abstractmethod
    def _predict(self, X: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _predict_proba(self, X: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _sample_latent(
        self, n_samples: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def _sample(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        return self._sample_latent(n_samples, rng)[0]

    def predict(self, X: Any) -> np.ndarray:
        """Most probable latent label of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Labels, from 0.
        """
        check_is_fitted(self)
        return self._predict(self._validate(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Posterior probability of each latent label.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components)
            Rows sum to one.
        """
        check_is_fitted(self)
        X = self._validate(X)
        return self._predict_proba(X).astype(X.dtype, copy=False)

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit, then label the same rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The same as `fit(X).predict(X)`.
        """
        return self.fit(X, sample_weight=sample_weight).predict(X)  # type: ignore[attr-defined]

    def sample_latent(
        self, n_samples: int = 1, *, random_state: Any = None
    ) -> tuple[Any, np.ndarray]:
        """Draw new rows together with the latent label each came from.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, at least 1.
        random_state : int, RandomState instance or None, default=None
            As in `sample`; the same seed gives the same rows as `sample`.

        Returns
        -------
        X : array, or DataFrame of the library seen in `fit`, (n_samples, n_features)
            Rows in random order.
        labels : ndarray of shape (n_samples,)
            Label of each row.
        """
        check_is_fitted(self)
        n_samples = _check_n_samples(n_samples)
        rows, labels = self._sample_latent(n_samples, as_generator(random_state))
        return self._schema.restore(rows), labels


class ConditionalMixin(_RowsMixin):
    """A model that completes rows. Hooks: `_sample_conditional(X, rng)`, `_impute(X)`.

    Missing cells are NaN (None, NA and null in DataFrames). The hooks return rows of
    the same shape; cells that were observed are copied from the input. The model says
    that it takes NaN by `input_tags.allow_nan` in its `__sklearn_tags__`.
    """

    @abstractmethod
    def _sample_conditional(
        self, X: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray: ...

    @abstractmethod
    def _impute(self, X: np.ndarray) -> np.ndarray: ...

    def sample_conditional(self, X: Any, *, random_state: Any = None) -> Any:
        """Draw the missing cells of each row from their law given the observed ones.

        Drawn cells are rounded where the column was integer or boolean in `fit`, or
        is one in X; a boolean is true from 0.5.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with missing cells. A row with none is returned as it is; a row with
            nothing else is drawn from the model.
        random_state : int, RandomState instance or None, default=None
            As in `sample`.

        Returns
        -------
        X_completed : array or DataFrame, as X
            X with every missing cell drawn.
        """
        check_is_fitted(self)
        rows = self._validate(X)
        drawn = self._sample_conditional(rows, as_generator(random_state))
        return self._schema.complete(X, rows, drawn)

    def impute(self, X: Any) -> Any:
        """Replace the missing cells of each row by their conditional mean.

        The mean is rounded where the column was integer or boolean in `fit`, or is
        one in X; a boolean is true from 0.5.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with missing cells.

        Returns
        -------
        X_completed : array or DataFrame, as X
            X with every missing cell at its conditional mean given the observed
            cells of its row.
        """
        check_is_fitted(self)
        rows = self._validate(X)
        return self._schema.complete(X, rows, self._impute(rows))


class InformationCriterionMixin(_RowsMixin):
    """`aic` and `bic` for a model with a density. Hook: `_n_parameters()`.

    The hook returns the number of free parameters of the fitted model.
    """

    @abstractmethod
    def _n_parameters(self) -> int: ...

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike information criterion on X: lower is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row.

        Returns
        -------
        aic : float
            Twice the number of free parameters less twice the log-likelihood.
        """
        log_likelihood, _ = self._log_likelihood(X, sample_weight)
        return 2 * self._n_parameters() - 2 * log_likelihood

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Bayesian information criterion on X: lower is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row.

        Returns
        -------
        bic : float
            Free parameters times the log of the number of rows, less twice the
            log-likelihood. The mclust package prints its negative.
        """
        log_likelihood, total = self._log_likelihood(X, sample_weight)
        return float(self._n_parameters() * np.log(total) - 2 * log_likelihood)

    def _log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        check_is_fitted(self)
        X = self._validate(X)
        weight = check_weights(sample_weight, X)
        return float(weight @ self._score_samples(X)), float(weight.sum())  # type: ignore[attr-defined]


def check_weights(sample_weight: Any, X: np.ndarray) -> np.ndarray:
    """Validate the `sample_weight` of `fit`.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), float or None
        Weights. None weighs all rows alike, by 1.
    X : ndarray of shape (n_samples, n_features)
        Validated rows.

    Returns
    -------
    weight : ndarray of shape (n_samples,)
        One weight a row, in float64: non-negative and not all zero.

    Raises
    ------
    ValueError
        If weights are negative, all zero, not finite, or not one a row.
    """
    weight = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    return np.asarray(weight)


def _check_n_samples(n_samples: Any) -> int:
    return int(check_scalar(n_samples, "n_samples", Integral, min_val=1))
