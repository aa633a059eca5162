"""The classifier two-sample test: whether trees can tell two tables apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import check_scalar

from sklgen._random import as_generator, seeded
from sklgen.metrics._encoding import NumericEncoding, fit_trees, tree_matrices
from sklgen.metrics._tables import Table, join, n_rows, read_tables, take


@dataclass(frozen=True)
class TwoSampleTestResult:
    """What a classifier two-sample test found.

    Parameters
    ----------
    auc : float
        Area under the ROC curve on rows the classifier did not see: 0.5 is chance, 1
        is told apart without a mistake. Values under 0.5 are reported as they are.
    std_error : float
        Standard error of `auc`.

    See Also
    --------
    classifier_two_sample_test : Makes it.

    Examples
    --------
    >>> from sklgen.metrics import TwoSampleTestResult
    >>> TwoSampleTestResult(auc=0.75, std_error=0.01).score
    0.5
    >>> TwoSampleTestResult(auc=0.25, std_error=0.01).score
    1.0
    """

    auc: float
    std_error: float

    @property
    def score(self) -> float:
        """1 for tables that cannot be told apart, 0 for tables that always can.

        Returns
        -------
        score : float
            ``1 - (2 * max(auc, 0.5) - 1)``. An AUC below one half is no evidence of a
            difference, so it is clipped and never folded.
        """
        return 1.0 - (2.0 * max(self.auc, 0.5) - 1.0)


def classifier_two_sample_test(
    X_real: Any,
    X_synthetic: Any,
    *,
    n_splits: int = 5,
    classifier: Any = None,
    random_state: Any = None,
) -> TwoSampleTestResult:
    """Train a classifier to tell real from synthetic rows; report its AUC.

    If no classifier does better than chance on rows it has not seen, the two tables are
    alike as far as that classifier can see [1]_. Boosted trees see marginals,
    dependence between columns, rounding, impossible combinations and missing cells.

    Parameters
    ----------
    X_real, X_synthetic : array-like or DataFrame of shape (n_rows, n_features)
        The tables, with the same columns: numbers, booleans, labels, dates and missing
        cells, in arrays or in DataFrames of any library narwhals knows.
    n_splits : int, default=5
        Number of folds, at least 2.
    classifier : estimator with `predict_proba` or `decision_function`, default=None
        None takes HistGradientBoostingClassifier, without early stopping and with
        labels and missing cells as they are. Any other classifier is cloned and gets
        numbers only: columns are standardised, labels are one-hot encoded, and missing
        cells are means with an indicator. A `random_state` it has not set is set.
    random_state : int, RandomState instance or None, default=None
        Chooses the rows, the folds and the seed of the trees. An int gives the same
        result each time.

    Returns
    -------
    result : TwoSampleTestResult
        Object with `auc`, its `std_error`, and `score`, which is 1 at an AUC of one
        half or below and 0 at an AUC of 1.

    Raises
    ------
    ValueError
        If the tables have different columns, a column with numbers in one table and
        text in the other, infinite cells, or fewer rows than `n_splits`.

    See Also
    --------
    whitened_energy_distance : Faster, smoother, sees less.
    c2st_scorer : The same as a scorer for grid searches.

    Notes
    -----
    The larger table gives as many rows as the smaller one has, and the rows of each
    table are drawn from a random stream of its own. (One seed for both would choose
    correlated positions, which pulls the AUC far below one half where the tables share
    rows.)

    The AUC is the mean over the folds. The held-out rows of a fold are independent of
    the classifier that scores them, so that under the null hypothesis each fold's AUC,
    and hence their mean, is one half on average for any classifier. Pooling scores of
    all folds compares rows that were each in the other's training set, which pulls the
    AUC below one half.

    The standard error combines the variances of DeLong [2]_ within folds. Folds count
    as correlated by ``1 / n_splits``, the share of the rows they hold out [3]_, since
    their classifiers share training rows.

    An AUC far below one half says that rows of one table are copies of rows of the
    other: a classifier has learned the twin of a row with the wrong name.

    Labels with more than 255 levels keep the 254 most frequent ones of both tables
    together, and how often a label occurs in both becomes a column. Differences in
    dtype alone are levelled: where one table has float32 or days, the other one is
    rounded alike.

    References
    ----------
    .. [1] D. Lopez-Paz and M. Oquab (2017). Revisiting classifier two-sample tests.
       International Conference on Learning Representations.
    .. [2] E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson (1988). Comparing the
       areas under two or more correlated receiver operating characteristic curves: a
       nonparametric approach. Biometrics 44, 837-845.
    .. [3] C. Nadeau and Y. Bengio (2003). Inference for the generalization error.
       Machine Learning 52, 239-281.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.metrics import classifier_two_sample_test
    >>> rng = np.random.default_rng(0)
    >>> real = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=1000)
    >>> alike = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=1000)
    >>> independent = rng.normal(size=(1000, 2))
    >>> bool(classifier_two_sample_test(real, alike, random_state=0).auc < 0.55)
    True
    >>> bool(classifier_two_sample_test(real, independent, random_state=0).auc > 0.8)
    True
    """
    check_scalar(n_splits, "n_splits", int, min_val=2)
    tables = read_tables(X_real=X_real, X_synthetic=X_synthetic, min_rows=n_splits)
    rng = as_generator(random_state)
    size = min(n_rows(table) for table in tables)
    pair = [
        take(table, stream.permutation(n_rows(table))[:size])
        for table, stream in zip(tables, rng.spawn(2), strict=True)
    ]
    seed = int(rng.integers(2**31))
    model, X = _model_and_rows(classifier, pair, seed)
    y = np.repeat([0, 1], size)
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=seed)
    found = np.array(
        [
            _auc(
                _scores(fit_trees(clone(model), X[train], y[train]), X[test]),
                y[test] == 1,
            )
            for train, test in folds.split(X, y)
        ]
    )
    auc, variance = found.mean(axis=0)
    # Folds share training rows: correlated by about the share of rows held out.
    variance *= (2.0 - 1.0 / n_splits) / n_splits
    return TwoSampleTestResult(float(auc), float(np.sqrt(variance)))


def _model_and_rows(
    classifier: Any, pair: list[Table], seed: int
) -> tuple[Any, np.ndarray]:
    """The classifier, and the rows of both tables in the form it takes."""
    if classifier is None:
        matrices, categorical = tree_matrices(*pair)
        model = HistGradientBoostingClassifier(
            categorical_features=categorical, early_stopping=False, random_state=seed
        )
        return model, np.concatenate(matrices)
    model = seeded(clone(classifier), seed)
    # Learned on both tables together: scales and levels of one alone would mark it.
    both = join(*pair)
    (X,) = NumericEncoding.learn(both).encode(both)
    return model, X


def _scores(model: Any, X: np.ndarray) -> np.ndarray:
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(X))
    return np.asarray(model.predict_proba(X)[:, 1])


def _auc(scores: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """The area under the ROC curve and its variance by DeLong."""
    auc = float(roc_auc_score(positive, scores))
    variance = 0.0
    for one, other in ((positive, ~positive), (~positive, positive)):
        reference = np.sort(scores[other])
        below = np.searchsorted(reference, scores[one], side="left")
        not_above = np.searchsorted(reference, scores[one], side="right")
        placements = (below + not_above) / (2.0 * len(reference))
        if len(placements) > 1:
            variance += placements.var(ddof=1) / len(placements)
    return auc, float(variance)
