"""What is read off the posteriors of models of y given X."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_y, check_is_fitted

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.mcmc._base import BasePosterior


def model_has(*methods: str) -> Callable[[Any], bool]:
    """Whether the model is of y given X, and has the methods that a method needs."""

    def check(estimator: Any) -> bool:
        model = estimator._stated_model()
        name = type(model).__name__
        if not model.conditional:
            raise AttributeError(f"{name} is a model of rows, without targets.")
        for method in methods:
            if not hasattr(model, method):
                raise AttributeError(f"It needs a method `{method}` of {name}.")
        return True

    return check


class ConditionalPosterior(BasePosterior):
    """The public methods that a model of y given X makes possible."""

    @abstractmethod
    def _restored(self, y: Array) -> NDArray[Any]:
        """Targets of the model as those of the user."""

    @available_if(model_has("simulate"))
    def sample_y(self, X: Any, n_samples: int = 1, *, random_state: Any = None) -> Any:
        """Draw targets from their predictive law.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Rows.
        n_samples : int, default=1
            Number of targets for each row. Those of one draw, a column of the result,
            have the same parameters.
        random_state : int, RandomState instance or None, default=None
            An int gives the same targets each time; None gives fresh ones.

        Returns
        -------
        y : ndarray of shape (n_rows, n_samples)
            Targets.
        """
        check_is_fitted(self)
        n_samples = int(check_scalar(n_samples, "n_samples", Integral, min_val=1))
        rng = as_generator(random_state)
        drawn = self._predictive().simulate(self._validate(X), n_samples, rng)
        return self._restored(drawn.T)

    @available_if(model_has("log_likelihood"))
    def score_targets(self, X: Any, y: Any) -> Array:
        """Log predictive density, or probability, of the target of each row, in nats.

        It is the log of the mean over all draws of the parameters. Its mean is a proper
        score: that of labels is minus the log-loss.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their targets.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the predictive density of each target.
        """
        return self._log_density(X, y)

    @available_if(model_has("probabilities"))
    def predict_proba(self, X: Any) -> Array:
        """Probability of each class: the mean over all draws of the parameters.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Rows sum to one.
        """
        check_is_fitted(self)
        return self._predictive().mean("probabilities", self._validate(X))


class NumberPosterior(ConditionalPosterior):
    """What models of y given X make possible where y is a number."""

    def _targets(self, y: Any, *, reset: bool = False) -> Array:
        return np.asarray(_check_y(y, y_numeric=True, estimator=self), np.float64)

    def _restored(self, y: Array) -> NDArray[Any]:
        return y

    @available_if(model_has("mean"))
    def predict(self, X: Any, return_std: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Mean of the predictive law of the target of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        return_std : bool, default=False
            Whether to return standard deviations as well, as
            `sklearn.linear_model.BayesianRidge` does.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Means.
        std : ndarray of shape (n_samples,)
            Standard deviations of the law of a new target: what is unknown about the
            parameters, and the noise. Returned if `return_std` is true.
        """
        check_is_fitted(self)
        rows, predictive = self._validate(X), self._predictive()
        if not return_std:
            return predictive.mean("mean", rows)
        if not hasattr(self.model_, "variance"):
            raise ValueError(
                f"return_std=True needs a method `variance(params, X)` of "
                f"{type(self.model_).__name__}. Write one, or use `predict_quantiles`."
            )
        mean, variance = predictive.moments(rows)
        return mean, np.sqrt(variance)

    @available_if(model_has("simulate"))
    def predict_quantiles(
        self,
        X: Any,
        quantiles: ArrayLike = (0.05, 0.5, 0.95),
        *,
        random_state: Any = None,
    ) -> Array:
        """Find quantiles of the predictive law of the target of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        quantiles : array-like of shape (n_quantiles,), default=(0.05, 0.5, 0.95)
            Shares of the law that are below, from 0 to 1.
        random_state : int, RandomState instance or None, default=None
            They are quantiles of one simulated target for each draw of the parameters,
            which this is the seed of.

        Returns
        -------
        quantiles : ndarray of shape (n_samples, n_quantiles)
            Targets.
        """
        check_is_fitted(self)
        shares = np.asarray(quantiles, dtype=np.float64)
        if shares.ndim != 1 or not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(
                f"quantiles must be a list of numbers from 0 to 1, got {quantiles!r}."
            )
        rng = as_generator(random_state)
        return self._predictive().quantiles(self._validate(X), shares, rng)
