"""A detector of outliers: rows whose density is low."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _num_samples, check_is_fitted

from sklgen.compose._around import AroundMixin, are_sequences, log_densities
from sklgen.compose._gaps import without_column


def _takes_gaps(self: Any) -> bool:
    estimator = getattr(self, "estimator_", self.estimator)
    if not (get_tags(estimator).input_tags.allow_nan and hasattr(estimator, "impute")):
        raise AttributeError(
            f"{type(estimator).__name__} has no densities of rows with missing cells"
        )
    return True


class DensityOutlierDetector(AroundMixin, OutlierMixin, BaseEstimator):
    """Detector of outliers: rows that are unlikely under a density.

    Parameters
    ----------
    estimator : estimator with `score_samples`
        The density, such as `GaussianMixture` or `TabularMixture`.
    contamination : float, default=0.1
        Share of rows, in (0, 0.5], that are to be called outliers.
    cv : int, cross-validation generator, iterable or None, default=None
        Folds, whose number an int says. The threshold is then chosen from densities of
        rows that were held out, so that `contamination` is the share among new rows;
        None takes the densities of the training rows, which flexible models find too
        likely.

    Attributes
    ----------
    estimator_ : estimator
        The density, fitted to all rows.
    offset_ : float
        Log-density below which rows are outliers.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Trees, no density.
    sklearn.neighbors.LocalOutlierFactor : Compares the density of neighbours.

    Notes
    -----
    A low density depends on the units of columns only by a constant, so that outliers
    do not. Yet it does depend on which columns there are: a density is low where
    numbers are spread out, be they usual or not.

    Examples
    --------
    >>> from sklgen.compose import DensityOutlierDetector
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.mixture import GaussianMixture
    >>> X = load_old_faithful(as_frame=True).data
    >>> density = GaussianMixture(2, random_state=0)
    >>> detector = DensityOutlierDetector(density, contamination=0.05).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    14
    >>> short_after_long = X.head(1).assign(duration=5.0, waiting=45.0)
    >>> detector.predict(short_after_long)
    array([-1])
    >>> detector.score_cells(short_after_long).shape
    (1, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "score_samples"])],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "cv": ["cv_object"],
    }

    def __init__(
        self, estimator: Any, *, contamination: float = 0.1, cv: Any = None
    ) -> None:
        self.estimator = estimator
        self.contamination = contamination
        self.cv = cv

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> DensityOutlierDetector:
        """Fit the density, and choose the threshold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row, for densities that take weights.

        Returns
        -------
        self : DensityOutlierDetector
            The fitted detector.
        """
        X = self._read(X, reset=True)
        weight = self._weights(X, sample_weight)
        self.estimator_ = self._fitted(X, weight)
        scores = self._scores(X, weight)
        each = np.ones(len(scores)) if weight is None else weight
        self.offset_ = _threshold(scores, each, self.contamination)
        if np.isneginf(self.offset_):
            raise ValueError(
                f"All {len(scores)} rows are impossible under the densities, so that "
                "there is no threshold: choose a wider estimator, or cv=None."
            )
        return self

    def _scores(
        self, X: Any, weight: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        """Log-densities of training rows, held out if there are folds."""
        if self.cv is None:
            return self.score_samples(X)
        scores = np.zeros(_num_samples(X))
        times = np.zeros(len(scores), dtype=np.intp)
        folds = check_cv(self.cv)
        if isinstance(self.cv, Integral):
            folds = KFold(int(self.cv), shuffle=True, random_state=0)
        for kept, held in folds.split(scores):
            own = None if weight is None else weight[kept]
            density = self._fitted(_safe_indexing(X, kept), own)
            scores[held] = log_densities(density, _safe_indexing(X, held))
            times[held] += 1
        if (times != 1).any():
            raise ValueError(
                f"cv={self.cv!r} must hold out every row once, and does not so with "
                f"{np.count_nonzero(times != 1)} rows: take folds, such as KFold's."
            )
        return scores

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Log-density of each row: the lower, the odder.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples,)
            In nats.
        """
        check_is_fitted(self)
        X = self._read(X)
        return log_densities(self.estimator_, X)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Log-density of each row above the threshold: negative for outliers.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            `score_samples` less `offset_`.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Tell outliers from inliers.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            -1 for outliers, 1 for inliers.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    @available_if(_takes_gaps)
    def score_cells(self, X: Any) -> NDArray[np.float64]:
        """Log-density of each cell given the others of its row: which cells are odd.

        Cells of columns in other units have other densities: compare a cell with those
        of its column.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        log_density : ndarray of shape (n_samples, n_features)
            In nats; 0 for missing cells.
        """
        if are_sequences(X):
            raise ValueError(
                "score_cells takes rows, and got a list of sequences: pass them one "
                "below the other, or take score_samples."
            )
        whole = self.score_samples(X)
        return np.column_stack(
            [
                whole - self.score_samples(without_column(X, j))
                for j in range(self.n_features_in_)
            ]
        )


def _threshold(
    scores: NDArray[np.float64], weight: NDArray[np.float64], share: float
) -> float:
    """A hair below the smallest possible score with this share of weight below it.

    At the score itself, rounding would move its row across.
    """
    scores, weight = scores[weight > 0], weight[weight > 0]
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(weight[order]) - weight[order]
    enough = below >= share * weight.sum() * (1.0 - 1e-12)
    enough &= scores[order] > -np.inf  # impossible rows are outliers, however many
    at = int(np.argmax(enough)) if enough.any() else len(order) - 1
    first = scores[order[at]]
    lower = scores[(scores < first) & (scores > -np.inf)]
    hair = first - 1e-6 * (1.0 + abs(first))
    return float(max(hair, (first + lower.max()) / 2.0) if len(lower) else hair)
