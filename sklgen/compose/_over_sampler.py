"""Rows of rare classes, drawn from densities of these."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from sklgen._frames import as_series, narwhals, open_series
from sklgen._random import as_generator
from sklgen.compose._around import AroundMixin, drawn, sequence_lengths, stacked

_WHICH = {"minority", "not minority", "not majority", "all", "auto"}


class GenerativeOverSampler(AroundMixin, BaseEstimator):
    """Sampler that adds rows of rare classes, drawn from a generator of each class.

    It has the interface of the samplers of imbalanced-learn, and works as a step of
    their pipelines, which resample in `fit` alone; imbalanced-learn is not needed.

    Parameters
    ----------
    estimator : estimator with `sample`
        The generator, a clone of which learns the rows of each class.
    sampling_strategy : str, float, dict or callable, default="auto"
        How many rows classes end with. "minority", "not minority", "not majority" (the
        same as "auto") and "all" name the classes that get as many rows as the largest
        one. A float, for two classes, is the share of the rarer one over the other. A
        dict gives numbers of rows of classes, and a callable such a dict, of `y`.
    random_state : int, RandomState instance or None, default=None
        Randomness of draws.

    Attributes
    ----------
    sampling_strategy_ : dict
        Number of rows that each class gets, of those that get any.
    estimators_ : dict
        The generator of each class that gets rows.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    GenerativeClassifier : Takes priors, which need no more rows.

    Notes
    -----
    More rows of a rare class move the threshold of a classifier, which its
    probabilities allow to be moved without: strong classifiers gain little [1]_.
    Compare with `class_weight="balanced"` and with a threshold that is chosen.

    References
    ----------
    .. [1] Y. Elor and H. Averbuch-Elor (2022). To SMOTE, or not to SMOTE?
       arXiv:2201.08528.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklgen.compose import GenerativeOverSampler
    >>> from sklgen.mixture import GaussianMixture
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> sampler = GenerativeOverSampler(GaussianMixture(1), random_state=0)
    >>> X_more, y_more = sampler.fit_resample(X, y)
    >>> np.bincount(y), np.bincount(y_more)
    (array([212, 357]), array([357, 357]))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "sample"])],
        "sampling_strategy": [
            StrOptions(_WHICH),
            Interval(Real, 0, 1, closed="right"),
            Mapping,
            callable,
        ],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sampling_strategy: Any = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.sampling_strategy = sampling_strategy
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any) -> GenerativeOverSampler:
        """Fit a generator to each class that is to get rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        self : GenerativeOverSampler
            The fitted sampler.
        """
        labels = self._read_labels(X, y)
        X = self._read(X, reset=True)
        lengths = sequence_lengths(X)
        self.sampling_strategy_ = self._wanted(labels)
        self.estimators_ = {
            label: self._fitted(_safe_indexing(X, np.flatnonzero(labels == label)))
            for label in self.sampling_strategy_
        }
        self._lengths = {
            label: None if lengths is None else lengths[labels == label]
            for label in self.sampling_strategy_
        }
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Add rows of rare classes.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.

        Returns
        -------
        X_resampled : array or DataFrame, as X
            The rows, then those that were drawn.
        y_resampled : array or Series, as y
            Their labels.
        """
        self.fit(X, y)
        rng = as_generator(self.random_state)
        tables, labels = [self._read(X)], [self._read_labels(X, y)]
        for label, count in self.sampling_strategy_.items():
            seed = int(rng.integers(2**32))
            lengths = self._lengths[label]
            tables.append(drawn(self.estimators_[label], count, seed, lengths))
            labels.append(np.full(count, label, dtype=labels[0].dtype))
        return stacked(tables), _as_labels(np.concatenate(labels), y)

    def _wanted(self, labels: NDArray[Any]) -> dict[Any, int]:
        """How many rows to draw of each class that gets any."""
        classes, counts = np.unique(labels, return_counts=True)
        have = dict(zip(classes.tolist(), counts.tolist(), strict=True))
        strategy = self.sampling_strategy
        if callable(strategy):
            strategy = strategy(labels)
        if isinstance(strategy, Mapping):
            aims = dict(strategy)
        elif isinstance(strategy, str):
            aims = dict.fromkeys(_named(strategy, have), max(have.values()))
        else:
            aims = _share(float(strategy), have)
        for label, aim in aims.items():
            if label not in have:
                raise ValueError(
                    f"sampling_strategy names class {label!r}, but y has only "
                    f"{[*have]}: name classes that there are."
                )
            if aim < have[label]:
                raise ValueError(
                    f"sampling_strategy asks for {aim} rows of class {label!r}, which "
                    f"has {have[label]}: rows are added, never removed. Ask for as "
                    "many at least."
                )
        missing = {label: aim - have[label] for label, aim in aims.items()}
        return {label: count for label, count in missing.items() if count}


def _named(strategy: str, have: dict[Any, int]) -> list[Any]:
    """The classes that a word stands for."""
    least, most = min(have, key=have.__getitem__), max(have, key=have.__getitem__)
    if strategy == "minority":
        return [least]
    left_out = {"not minority": least, "all": None}.get(strategy, most)
    return [label for label in have if strategy == "all" or label != left_out]


def _share(share: float, have: dict[Any, int]) -> dict[Any, int]:
    """Rows of the rarer of two classes, as a share of the other."""
    if len(have) != 2:
        raise ValueError(
            f"sampling_strategy={share} is a share of one class over another, but y "
            f"has {len(have)} classes: give a dict of numbers of rows."
        )
    least, most = sorted(have, key=have.__getitem__)
    return {least: int(share * have[most])}


def _as_labels(labels: NDArray[Any], y: Any) -> Any:
    """Labels in the container of y, which other containers of arrays leave to numpy."""
    nw = narwhals()
    own = nw.from_native(y, pass_through=True, allow_series=True)
    if isinstance(own, nw.DataFrame):
        column = own.get_column(own.columns[0])
        return (
            nw.from_native(_as_labels(labels, column.to_native()), series_only=True)
            .alias(column.name)
            .to_frame()
            .to_native()
        )
    if not isinstance(own, nw.Series):
        return labels
    if own.implementation.is_pandas_like():
        return type(y)(labels, dtype=y.dtype, name=y.name)
    column = open_series(y, getattr(y, "name", None))
    return as_series(labels, like=column).cast(column.dtype).to_native()
