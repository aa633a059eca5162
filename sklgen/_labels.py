"""The contract for models that may know classes of rows: `y` in `fit` and after."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_y,
    check_consistent_length,
    check_is_fitted,
)

from sklgen._random import as_generator
from sklgen.base import _check_n_samples, _RowsMixin, check_weights

Codes = NDArray[np.intp]


class LabelledGenerativeMixin(_RowsMixin):
    """A model that can `sample`, of classes if `fit` had labels.

    Hook: `_sample(n_samples, codes, rng)`; codes are positions in `classes_`, or None
    where the model has no classes. `_labels(y, reset=...)` reads the `y` of `fit`.
    """

    classes_: NDArray[Any]
    class_shares_: NDArray[np.float64]
    _class_counts: NDArray[np.intp]

    @abstractmethod
    def _sample(
        self, n_samples: int, codes: Codes | None, rng: np.random.Generator
    ) -> np.ndarray: ...

    def sample(
        self, n_samples: int = 1, *, y: Any = None, random_state: Any = None
    ) -> Any:
        """Draw new rows from the fitted model.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, at least 1.
        y : label or array-like of shape (n_samples,), default=None
            Class of all rows, or of each of them, among `classes_`. None draws classes
            with the shares they had in `fit`.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows each time; None gives fresh rows. Neither the
            estimator nor a global generator is changed.

        Returns
        -------
        X : array, or DataFrame of the library seen in `fit`, (n_samples, n_features)
            Rows with the columns and dtypes of the training rows: in random order, or
            in that of `y`.
        """
        check_is_fitted(self)
        n_samples = _check_n_samples(n_samples)
        rng = as_generator(random_state)
        rows = self._sample(n_samples, self._sample_codes(y, n_samples, rng), rng)
        return self._schema.restore(rows)

    @property
    def _n_classes(self) -> int:
        return len(self.classes_) if hasattr(self, "classes_") else 0

    def _sample_codes(
        self, y: Any, n_samples: int, rng: np.random.Generator
    ) -> Codes | None:
        """The classes of rows to draw."""
        if y is None:
            if not self._n_classes:
                return None
            return rng.choice(self._n_classes, size=n_samples, p=self.class_shares_)
        labels = np.full(n_samples, y) if np.ndim(y) == 0 else np.asarray(y)
        if labels.shape != (n_samples,):
            raise ValueError(
                f"y must be a label or one for each of the {n_samples} rows, got shape "
                f"{labels.shape}: pass n_samples=len(y)."
            )
        return self._codes(labels)

    def _codes(self, labels: NDArray[Any]) -> Codes:
        """Positions of labels in `classes_`."""
        if not self._n_classes:
            raise ValueError(
                f"y was given, but this {type(self).__name__} has no classes: `fit` "
                "had no y. Fit with labels, or leave y out."
            )
        places = {label: at for at, label in enumerate(self.classes_.tolist())}
        codes = [places.get(label, -1) for label in labels.tolist()]
        if -1 in codes:
            unknown = labels.tolist()[codes.index(-1)]
            raise ValueError(
                f"y must hold labels that `fit` saw, got {unknown!r}; the classes are "
                f"{self.classes_.tolist()}."
            )
        return np.array(codes, dtype=np.intp)

    def _given(self, y: Any, X: Any) -> NDArray[Any] | None:
        """Labels of rows; None where there are none, or there were none in `fit`."""
        if y is None or not self._n_classes:
            return None
        labels: NDArray[Any] = _check_y(y, estimator=self)
        check_consistent_length(X, labels)
        return labels

    def _labels(
        self, y: Any, X: NDArray[Any], *, reset: bool, adds: bool = False
    ) -> Codes | None:
        """Codes of the labels of rows, of whose classes the shares are learned.

        `reset` learns the classes too, `adds` counts the rows of earlier calls.
        """
        if reset:
            for name in {"classes_", "class_shares_"} & vars(self).keys():
                delattr(self, name)
        if y is None:
            if not reset and self._n_classes:
                raise ValueError(
                    f"this {type(self).__name__} was fitted with labels: pass y again, "
                    "or fit from the start with warm_start=False."
                )
            return None
        labels = _check_y(y, estimator=self)
        check_consistent_length(X, labels)
        check_classification_targets(labels)
        if reset:
            self.classes_, codes = np.unique(labels, return_inverse=True)
        else:
            codes = self._codes(labels)
        counts = np.bincount(codes, minlength=self._n_classes)
        self._class_counts = counts + (self._class_counts if adds else 0)
        self.class_shares_ = self._class_counts / self._class_counts.sum()
        return codes


class LabelledDensityMixin(LabelledGenerativeMixin):
    """A density per row, given its class or over all classes.

    Hook: `_score_samples(X, codes)`, the log-densities of validated rows given their
    classes; codes are None where the model has no classes.
    """

    @abstractmethod
    def _score_samples(
        self, X: NDArray[Any], codes: Codes | None
    ) -> NDArray[np.float64]: ...

    def score_samples(self, X: Any, y: Any = None) -> NDArray[Any]:
        """Log-density of each row, in nats.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Class of each row, to have its density within that class. None gives the
            density over all classes, with their shares in `fit`. Ignored where `fit`
            had no labels.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            Natural logarithm of the density of each row.
        """
        check_is_fitted(self)
        X = self._validate(X)
        return self._log_density(X, y).astype(X.dtype, copy=False)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Weighted mean of `score_samples`: higher is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,), default=None
            Class of each row, as in `score_samples`.
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
        return float(np.average(self._log_density(X, y), weights=weight))

    def _log_density(self, X: NDArray[Any], y: Any) -> NDArray[np.float64]:
        n, K = len(X), self._n_classes
        labels = self._given(y, X)
        if labels is not None or not K:
            codes = None if labels is None else self._codes(labels)
            return self._score_samples(X, codes)
        each = [self._score_samples(X, np.full(n, k, dtype=np.intp)) for k in range(K)]
        with np.errstate(divide="ignore"):
            shares = np.log(self.class_shares_)[:, None]
        return np.asarray(np.logaddexp.reduce(np.array(each) + shares, axis=0))
