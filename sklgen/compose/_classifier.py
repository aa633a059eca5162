"""A classifier of densities: one for each class."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import (
    _num_samples,
    check_is_fitted,
    has_fit_parameter,
)

from sklgen._labels import Codes, LabelledGenerativeMixin
from sklgen.compose._around import (
    AroundMixin,
    drawn,
    log_densities,
    sequence_lengths,
    stacked,
)

_UNLABELLED = -1


class _AsDrawn:
    """Draws of generators have their container already."""

    def restore(self, rows: Any) -> Any:
        return rows


class GenerativeClassifier(
    AroundMixin, ClassifierMixin, LabelledGenerativeMixin, BaseEstimator
):
    """Classifier by Bayes' rule, with a density for each class.

    A clone of `estimator` learns the rows of each class; a new row belongs to the class
    under which it is likeliest, by density times prior. So it draws rows of a class,
    and takes missing cells at any time if the densities do.

    With `semi_supervised=True`, rows whose label is -1 have no label. They are shared
    out among the classes by the current probabilities, and densities are fitted again,
    until neither changes: the EM algorithm, as in [1]_.

    Parameters
    ----------
    estimator : estimator with `score_samples`
        Density of a class, such as `GaussianMixture`; with `sample`, the classifier
        draws too.
    priors : array-like of shape (n_classes,), default=None
        Probabilities of the classes, in the order of `classes_`. None takes the shares
        of the training rows.
    semi_supervised : bool, default=False
        Whether a label of -1 stands for none; words need an array of dtype object for
        it. Needs an `estimator` whose `fit` takes weights.
    max_iter : int, default=50
        Largest number of times that densities are fitted to rows without labels.
    tol : float, default=1e-3
        Fits end when the probabilities of no row without label move by more.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes.
    class_shares_ : ndarray of shape (n_classes,)
        Prior probabilities of the classes.
    estimators_ : list of estimators
        The density of each class.
    n_iter_ : int
        Number of times that densities were fitted: 1 where all rows have labels.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklearn.naive_bayes.GaussianNB : The same with one Gaussian of independent columns.
    sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis : With one Gaussian.

    Notes
    -----
    A row that is impossible under all densities has the prior probabilities. Lists
    of sequences are classified as a whole, by models of these; drawn ones have
    lengths of training sequences of their class. Fits and predictions cost what
    those of the densities do. A seed of `estimator` is that of all classes. Where
    rows lack labels, densities are fitted anew each time: those of several
    components may then be others, and the likelihood need not rise at each.

    References
    ----------
    .. [1] K. Nigam, A. K. McCallum, S. Thrun and T. Mitchell (2000). Text
       classification from labeled and unlabeled documents using EM. Machine Learning
       39, 103-134.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from sklgen.compose import GenerativeClassifier
    >>> from sklgen.mixture import GaussianMixture
    >>> X, y = load_wine(return_X_y=True)
    >>> density = GaussianMixture(1, covariance_type="diag")
    >>> model = GenerativeClassifier(density).fit(X, y)
    >>> bool(model.score(X, y) > 0.95)
    True
    >>> X[::2, 3:] = np.nan  # half of the rows keep three cells
    >>> bool(model.score(X, y) > 0.85)
    True
    >>> model.sample(2, y=1, random_state=0).shape
    (2, 13)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "score_samples"])],
        "priors": ["array-like", None],
        "semi_supervised": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        priors: Any = None,
        semi_supervised: bool = False,
        max_iter: int = 50,
        tol: float = 1e-3,
    ) -> None:
        self.estimator = estimator
        self.priors = priors
        self.semi_supervised = semi_supervised
        self.max_iter = max_iter
        self.tol = tol

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GenerativeClassifier:
        """Fit a density to the rows of each class.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row, for densities that take weights.

        Returns
        -------
        self : GenerativeClassifier
            The fitted classifier.
        """
        none = _UNLABELLED if self.semi_supervised else None
        labels = self._read_labels(X, y, none=none)
        X = self._read(X, reset=True)
        weight = self._weights(X, sample_weight)
        known = self._known(labels)
        if weight is not None:
            known &= weight > 0
        self.classes_, codes = np.unique(labels[known], return_inverse=True)
        shares = np.zeros((len(labels), len(self.classes_)))
        shares[np.flatnonzero(known), codes] = 1.0
        if not len(self.classes_):
            raise ValueError(
                f"Found no row with a label among {_num_samples(X)} rows: at least one "
                "is needed, and a weight of 0 removes a row."
            )
        lengths = sequence_lengths(X)
        self._lengths = [
            None if lengths is None else lengths[own > 0] for own in shares.T
        ]
        self._schema = _AsDrawn()  # type: ignore[assignment]
        self._learn(X, shares, weight)
        self.n_iter_ = 1
        if self.semi_supervised:
            self._complete(X, shares, weight)
        return self

    def _known(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Which rows have a label."""
        if not self.semi_supervised:
            return np.ones(len(labels), dtype=bool)
        if not has_fit_parameter(self.estimator, "sample_weight"):
            raise ValueError(
                "semi_supervised=True needs densities that take weights, which the fit "
                f"of {type(self.estimator).__name__} does not: choose another "
                "estimator, such as sklgen.mixture.GaussianMixture."
            )
        if labels.dtype.kind in "UST" and str(_UNLABELLED) in labels:
            raise ValueError(
                'y holds words, "-1" among them, which is no -1: pass an array of '
                "dtype=object, whose rows without label have the number -1."
            )
        return np.asarray(labels != _UNLABELLED)

    def _learn(
        self, X: Any, shares: NDArray[np.float64], weight: NDArray[np.float64] | None
    ) -> None:
        """Fit the density of each class to its shares (n, K) of the rows."""
        whole = weight is None and np.isin(shares, (0.0, 1.0)).all()
        scaled = shares if weight is None else shares * weight[:, None]
        self.estimators_ = [
            self._fitted(_safe_indexing(X, np.flatnonzero(own)))
            if whole
            else self._fitted(X, own)
            for own in scaled.T
        ]
        totals = scaled.sum(axis=0)
        self.class_shares_ = self._priors(totals / totals.sum())

    def _priors(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.priors is None:
            return shares
        priors = np.asarray(self.priors, dtype=np.float64)
        if priors.shape != shares.shape:
            raise ValueError(
                f"priors has shape {priors.shape}, but there are {len(shares)} classes,"
                f" {self.classes_.tolist()}: give each a probability."
            )
        if not (priors >= 0).all() or not np.isclose(priors.sum(), 1.0):
            raise ValueError(
                f"priors must be probabilities that add up to 1, got {self.priors!r}: "
                "divide them by their sum."
            )
        scaled: NDArray[np.float64] = priors / priors.sum()
        return scaled

    def _complete(
        self, X: Any, shares: NDArray[np.float64], weight: NDArray[np.float64] | None
    ) -> None:
        """Share rows without label out among the classes, by the EM algorithm."""
        unknown = shares.sum(axis=1) == 0
        open_ = np.flatnonzero(unknown if weight is None else unknown & (weight > 0))
        if not len(open_):
            return
        rows = _safe_indexing(X, open_)
        while self.n_iter_ <= self.max_iter:
            found = self.predict_proba(rows)
            moved = np.abs(found - shares[open_]).max()
            if moved <= self.tol:
                return
            shares[open_] = found
            self._learn(X, shares, weight)
            self.n_iter_ += 1
        warnings.warn(
            f"The probabilities of rows without label still moved by {moved:.2g} after "
            f"max_iter={self.max_iter} fits: make max_iter or tol larger.",
            ConvergenceWarning,
            stacklevel=3,
        )

    def predict_joint_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Give log-densities of rows and classes together.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows. Where the densities take missing cells, these are left out.

        Returns
        -------
        log_joint : ndarray of shape (n_samples, n_classes)
            Log-density of the row under the class, plus log-prior of the class.
        """
        check_is_fitted(self)
        X = self._read(X)
        with np.errstate(divide="ignore"):
            priors = np.log(self.class_shares_)
        each = [log_densities(estimator, X) for estimator in self.estimators_]
        return np.column_stack(each) + priors

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Give log-probabilities of the classes.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, as for `predict_joint_log_proba`.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        joint = self.predict_joint_log_proba(X)
        impossible = np.isneginf(joint).all(axis=1)
        with np.errstate(divide="ignore"):
            joint[impossible] = np.log(self.class_shares_)
        return np.asarray(joint - logsumexp(joint, axis=1, keepdims=True))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Give probabilities of the classes.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, as for `predict_joint_log_proba`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return np.asarray(np.exp(self.predict_log_proba(X)))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Give log-odds of the second of two classes; of more, log-densities of each.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, as for `predict_joint_log_proba`.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes, positive where the second is likelier; of more,
            `predict_joint_log_proba`.
        """
        check_is_fitted(self)
        if len(self.classes_) != 2:
            return self.predict_joint_log_proba(X)
        logs = self.predict_log_proba(X)
        return np.asarray(logs[:, 1] - logs[:, 0])

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, as for `predict_joint_log_proba`.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Labels out of `classes_`.
        """
        check_is_fitted(self)
        labels: NDArray[Any] = self.classes_[self.predict_log_proba(X).argmax(axis=1)]
        return labels

    def _sample(
        self, n_samples: int, codes: Codes | None, rng: np.random.Generator
    ) -> Any:
        if codes is None:
            raise AssertionError  # a classifier has classes
        counts = np.bincount(codes, minlength=len(self.classes_))
        seeds = rng.integers(2**32, size=len(counts))
        tables = [
            drawn(estimator, int(count), int(seed), lengths)
            for estimator, count, seed, lengths in zip(
                self.estimators_, counts, seeds, self._lengths, strict=True
            )
            if count
        ]
        place = np.empty(n_samples, dtype=np.intp)
        place[np.argsort(codes, kind="stable")] = np.arange(n_samples)
        return stacked(tables, place)
