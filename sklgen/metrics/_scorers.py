"""Two-sample metrics as scorers: a fitted model's draws against held-out rows."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np

from sklgen.metrics._coverage import coverage_density
from sklgen.metrics._energy import whitened_energy_distance
from sklgen.metrics._sliced import sliced_wasserstein_distance
from sklgen.metrics._two_sample import classifier_two_sample_test

_SEED = 0


def negative_energy_scorer(estimator: Any, X: Any, y: Any = None) -> float:
    """Score a fitted generator by its energy distance to rows it has not seen.

    Draws as many rows as `X` has, with a fixed seed, and returns the negative of
    `whitened_energy_distance`: higher is better, and zero is the mean score of the true
    distribution. Pass it as ``scoring`` to GridSearchCV or cross_val_score.

    Parameters
    ----------
    estimator : estimator
        A fitted model with `sample`.
    X : array-like or DataFrame of shape (n_rows, n_features)
        Rows to compare with, at least two.
    y : None
        Ignored; here because scorers have it.

    Returns
    -------
    score : float
        Negative energy distance, in standard deviations of `X`.

    See Also
    --------
    c2st_scorer : Finds more, and takes longer.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.metrics import negative_energy_scorer
    >>> from sklgen.mixture import GaussianMixture
    >>> X = load_old_faithful().data
    >>> search = GridSearchCV(
    ...     GaussianMixture(random_state=0),
    ...     {"n_components": [1, 2]},
    ...     scoring=negative_energy_scorer,
    ... ).fit(X)
    >>> search.best_params_
    {'n_components': 2}
    """
    return -whitened_energy_distance(X, _draw(estimator, len(X)))


def c2st_scorer(estimator: Any, X: Any, y: Any = None) -> float:
    """Score a fitted generator by whether trees tell its rows from unseen ones.

    Draws as many rows as `X` has, with a fixed seed, and returns the `score` of
    `classifier_two_sample_test`: 1 if the rows cannot be told apart, 0 if they always
    can. Pass it as ``scoring`` to GridSearchCV or cross_val_score.

    Parameters
    ----------
    estimator : estimator
        A fitted model with `sample`.
    X : array-like or DataFrame of shape (n_rows, n_features)
        Rows to compare with, at least five; the test needs some hundreds to see much.
    y : None
        Ignored; here because scorers have it.

    Returns
    -------
    score : float
        Between 0 and 1, higher is better.

    See Also
    --------
    negative_energy_scorer : Faster, smoother, sees less.

    Notes
    -----
    A model that takes rows with missing cells but draws complete ones is told apart by
    them: score it on complete rows.

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.metrics import c2st_scorer
    >>> from sklgen.mixture import GaussianMixture
    >>> X = load_old_faithful().data
    >>> one, two = (GaussianMixture(k, random_state=0).fit(X) for k in (1, 2))
    >>> c2st_scorer(one, X) < c2st_scorer(two, X)
    True
    """
    rows = _draw(estimator, len(X))
    return classifier_two_sample_test(X, rows, random_state=_SEED).score


def coverage_scorer(estimator: Any, X: Any, y: Any = None) -> float:
    """Score a fitted generator by the share of unseen rows that its rows cover.

    Draws as many rows as `X` has, with a fixed seed, and returns the `coverage` of
    `coverage_density`. It finds models that leave out a part of the data, and not those
    that draw rows besides. Pass it as ``scoring`` to GridSearchCV or cross_val_score.

    Parameters
    ----------
    estimator : estimator
        A fitted model with `sample`.
    X : array-like or DataFrame of shape (n_rows, n_features)
        Rows to compare with, at least six.
    y : None
        Ignored; here because scorers have it.

    Returns
    -------
    score : float
        Between 0 and 1, higher is better. The true distribution has about 0.97.

    See Also
    --------
    negative_energy_scorer : Finds rows too many as well as rows too few.

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.metrics import coverage_scorer
    >>> from sklgen.mixture import GaussianMixture
    >>> X = load_old_faithful().data
    >>> early = GaussianMixture(1, random_state=0).fit(X[X[:, 0] < 3])
    >>> both = GaussianMixture(2, random_state=0).fit(X)
    >>> coverage_scorer(early, X) < 0.6 < 0.9 < coverage_scorer(both, X)
    True
    """
    return coverage_density(X, _draw(estimator, len(X))).coverage


def negative_sliced_wasserstein_scorer(estimator: Any, X: Any, y: Any = None) -> float:
    """Score a fitted generator by how far its rows are from unseen ones.

    Draws as many rows as `X` has, with a fixed seed, and returns the negative of
    `sliced_wasserstein_distance`: higher is better. Pass it as ``scoring`` to
    GridSearchCV or cross_val_score. Its time grows as n log n, where that of
    `negative_energy_scorer` grows as n².

    Parameters
    ----------
    estimator : estimator
        A fitted model with `sample`.
    X : array-like or DataFrame of shape (n_rows, n_features)
        Rows to compare with.
    y : None
        Ignored; here because scorers have it.

    Returns
    -------
    score : float
        Negative distance, in standard deviations of `X`.

    See Also
    --------
    negative_energy_scorer : Unbiased, for fewer rows.

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.metrics import negative_sliced_wasserstein_scorer as scorer
    >>> from sklgen.mixture import GaussianMixture
    >>> X = load_old_faithful().data
    >>> one, two = (GaussianMixture(k, random_state=0).fit(X) for k in (1, 2))
    >>> scorer(one, X) < scorer(two, X)
    True
    """
    rows = _draw(estimator, len(X))
    return -sliced_wasserstein_distance(X, rows, random_state=_SEED)


def _draw(estimator: Any, n_samples: int, seed: int = _SEED) -> Any:
    """Rows of a fitted model, the same each time, whoever wrote it."""
    if not hasattr(estimator, "sample"):
        raise TypeError(
            f"Rows are drawn by `sample`, which {type(estimator).__name__} "
            "lacks: pass a fitted generative model."
        )
    if "random_state" in inspect.signature(estimator.sample).parameters:
        rows = estimator.sample(n_samples, random_state=seed)
    else:  # the seed is a constructor parameter, as in scikit-learn's mixtures
        seeded = copy.copy(estimator)
        seeded.random_state = np.random.RandomState(seed)
        rows = seeded.sample(n_samples)
    return rows[0] if isinstance(rows, tuple) else rows
