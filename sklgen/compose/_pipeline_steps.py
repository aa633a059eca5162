"""The steps of a pipeline: those given, and those that were fitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklgen.compose._jacobian_steps import Steps, acting


def final_has(name: str) -> Callable[[Any], bool]:
    """Whether the last step has a method, for `available_if`."""

    def check(pipeline: Any) -> bool:
        getattr(pipeline._final_estimator, name)
        return True

    return check


class PipelineSteps(Pipeline):
    """A scikit-learn pipeline that leaves the steps it was given as they are.

    `steps_` has the fitted ones. What reads or uses steps reads those once they exist.
    """

    steps_: list[tuple[str, Any]]

    @property
    def _plain(self) -> Any:
        """scikit-learn's pipeline of the fitted steps; before `fit`, of those given."""
        steps = getattr(self, "steps_", self.steps)
        return Pipeline(steps, memory=self.memory, verbose=self.verbose)

    def _transformers(self) -> Steps:
        return acting(self._plain.steps[:-1])

    def _iter(self, *args: Any, **kwargs: Any) -> Any:
        return self._plain._iter(*args, **kwargs)

    @property
    def _final_estimator(self) -> Any:
        return self._plain._final_estimator

    @property
    def named_steps(self) -> Any:
        """The steps by name, fitted ones after `fit`."""
        return self._plain.named_steps

    @property
    def classes_(self) -> Any:
        """The classes, where the last step knows classes."""
        return self._plain.classes_

    @property
    def n_features_in_(self) -> int:
        """Number of columns seen in `fit`."""
        return int(acting(self._plain.steps)[0][1].n_features_in_)

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the columns seen in `fit`."""
        names: NDArray[Any] = acting(self._plain.steps)[0][1].feature_names_in_
        return names

    def __getitem__(self, ind: Any) -> Any:
        """A step by name or position; a slice is scikit-learn's Pipeline."""
        return self._plain[ind]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "steps_")

    def set_output(self, *, transform: Any = None) -> Any:
        """Choose the container that transformers hand on to the next step.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            As in scikit-learn; draws are in the container of `fit` in any case.

        Returns
        -------
        self : estimator
            The pipeline.
        """
        Pipeline(self.steps).set_output(transform=transform)
        self._plain.set_output(transform=transform)
        return self

    @available_if(final_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Name the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns; None takes those of `fit`.

        Returns
        -------
        names : ndarray of str
            The names that the last step gives.
        """
        return super().get_feature_names_out(input_features)

    @available_if(final_has("predict"))
    def predict(self, X: Any, **params: Any) -> Any:
        """Transform rows, and label them by the last step.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        **params : dict
            Further arguments of the `predict` of the last step.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Labels.
        """
        check_is_fitted(self)
        return self._plain.predict(X, **params)

    @available_if(final_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> Any:
        """Transform rows, and get the probabilities of labels from the last step.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        **params : dict
            Further arguments of the `predict_proba` of the last step.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_labels)
            Rows sum to one.
        """
        check_is_fitted(self)
        return self._plain.predict_proba(X, **params)

    @available_if(final_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, **params: Any) -> Any:
        """Transform rows, and get log-probabilities of labels from the last step.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        **params : dict
            Further arguments of the `predict_log_proba` of the last step.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_labels)
            Logarithms of probabilities.
        """
        check_is_fitted(self)
        return self._plain.predict_log_proba(X, **params)

    @available_if(final_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> Any:
        """Transform rows, and call `decision_function` of the last step.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        **params : dict
            Further arguments of the `decision_function` of the last step.

        Returns
        -------
        decision : ndarray
            What the last step says.
        """
        check_is_fitted(self)
        return self._plain.decision_function(X, **params)

    @available_if(final_has("transform"))
    def transform(self, X: Any, **params: Any) -> Any:
        """Transform rows by all steps.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        **params : dict
            Metadata that steps have requested.

        Returns
        -------
        transformed : array or DataFrame
            What the last step gives.
        """
        check_is_fitted(self)
        return self._plain.transform(X, **params)

    @available_if(final_has("inverse_transform"))
    def inverse_transform(self, X: Any, **params: Any) -> Any:
        """Take transformed rows back through all steps.

        Parameters
        ----------
        X : array-like or DataFrame
            Rows as `transform` gives them.
        **params : dict
            Metadata that steps have requested.

        Returns
        -------
        original : array or DataFrame of shape (n_samples, n_features)
            Rows as `transform` takes them.
        """
        check_is_fitted(self)
        return self._plain.inverse_transform(X, **params)

    @available_if(final_has("predict"))
    def fit_predict(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> Any:
        """Fit, then label the same rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.
        **params : dict
            As in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The same as `fit(X).predict(X)`.
        """
        return self.fit(X, y, sample_weight=sample_weight, **params).predict(X)

    @available_if(final_has("transform"))
    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> Any:
        """Fit, then transform the same rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.
        **params : dict
            As in `fit`.

        Returns
        -------
        transformed : array or DataFrame
            The same as `fit(X).transform(X)`.
        """
        return self.fit(X, y, sample_weight=sample_weight, **params).transform(X)
