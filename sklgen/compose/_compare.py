"""Models side by side on one table, by rows that they have not seen."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import KFold, check_cv
from sklearn.utils import _safe_indexing, check_scalar

from sklgen._random import as_generator
from sklgen.compose._compare_parts import (
    INDEPENDENT,
    REAL,
    Fold,
    Outcome,
    measure_independent,
    measure_model,
    measure_real,
)
from sklgen.compose._comparison import Comparison
from sklgen.metrics._tables import read_tables


def compare(
    X: Any,
    estimators: Mapping[str, Any],
    *,
    target: Any = None,
    cv: Any = 3,
    max_rows: int = 5000,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Comparison:
    """Compare generators on a table by cross-validation.

    Each model is fitted to a part of the rows, draws as many, and is measured on the
    rows that it has not seen: likelihood, likeness of the draws, their use for
    prediction, what they leave out, and whether they are copies. Two anchors say what
    the numbers mean. *Real against real* takes training rows for draws: no model should
    do better. *Independent columns* shuffles each column: a model must do better than
    that to have learned any dependence.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_rows, n_features)
        Real rows.
    estimators : mapping of str to estimator
        Models with `fit` and `sample`, by the names they are to have. They are cloned.
    target : str or int, default=None
        Column to predict from the others, by name or position in arrays, for a measure
        of use. None measures none.
    cv : int or splitter, default=3
        Number of folds, at least 2, of rows in random order; or a splitter of
        scikit-learn.
    max_rows : int, default=5000
        Most rows of each part that see the metrics whose time is quadratic: energy,
        coverage and closest records.
    n_jobs : int or None, default=None
        Number of processes. Results are the same for any number, but for seconds, which
        are those of one model at a time only with one process.
    random_state : int, RandomState instance or None, default=None
        Chooses the folds, and is the seed of the draws, of the metrics, and of each
        `random_state` that a model has not set.

    Returns
    -------
    comparison : Comparison
        Object with `table`, a DataFrame; `plot` draws it, `to_html` reports it.

    Warns
    -----
    FitFailedWarning
        If a model fails in a fold, or a measure of it. It names the model; what is not
        known is NaN, and the others go on.

    See Also
    --------
    synthesize : A table in one call.
    sklgen.metrics : The metrics, with their definitions.

    Notes
    -----
    Measures are means over folds. Log-likelihoods are of `score_samples`, where a model
    has it, in the units of the table: `GenerativePipeline` says what steps do to
    volumes, and the scores of scikit-learn's pipelines of transformers, which do not,
    are left out. They can be compared between models of one kind of density. A model
    that knows a column as one on a grid, as `TabularMixture` does, tells the
    probability of a cell, others a density; and that of a `VAE` is a bound.

    The share of closest records looks at as many training rows as unseen ones. So a
    model that does nothing but repeat its training rows has a share of 1 with two
    folds, 0.75 with three, and 0.5 + 0.5 / (k - 1) with k.

    `fit` gets no labels: what is to be drawn is a column of `X`. Rows are independent;
    for sequences there is `score`.

    Standard errors of the AUC are combined as if folds were correlated by one over
    their number, as in `classifier_two_sample_test`. Small differences are noise: the
    picture shows every fold.

    Examples
    --------
    >>> from sklgen.compose import compare
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.mixture import GaussianMixture
    >>> X = load_old_faithful(as_frame=True).data
    >>> comparison = compare(
    ...     X, {"one": GaussianMixture(1), "two": GaussianMixture(2)}, random_state=0
    ... )
    >>> table = comparison.table
    >>> table.index.tolist()
    ['real against real', 'one', 'two', 'independent columns']
    >>> bool(table["energy"]["two"] < table["energy"]["one"])
    True
    """
    if isinstance(X, (list, tuple)):  # cells of rows with text keep their types
        X = np.array(X, dtype=object if np.asarray(X).dtype.kind in "US" else None)
    _check(X, estimators, target)
    check_scalar(max_rows, "max_rows", Integral, min_val=2)
    rng = as_generator(random_state)
    shuffle, *seeds = rng.integers(2**31, size=3).tolist()
    if isinstance(cv, Integral):
        check_scalar(cv, "cv", Integral, min_val=2)
        cv = KFold(int(cv), shuffle=True, random_state=shuffle)
    folds = [
        Fold(
            _safe_indexing(X, train),
            _safe_indexing(X, test),
            target,
            int(max_rows),
            seed,
        )
        for (train, test), seed in zip(
            list(check_cv(cv).split(X)), _spawned(seeds[0]), strict=False
        )
    ]
    runs: dict[str, Any] = {
        REAL: delayed(measure_real),
        **{name: _of_model(model) for name, model in estimators.items()},
        INDEPENDENT: delayed(measure_independent),
    }
    tasks = [
        run(fold, seed)
        for run in runs.values()
        for fold, seed in zip(folds, _spawned(seeds[1]), strict=False)
    ]
    outcomes: list[Outcome] = list(Parallel(n_jobs=n_jobs)(tasks))
    by_name = {
        name: outcomes[at * len(folds) : (at + 1) * len(folds)]
        for at, name in enumerate(runs)
    }
    failures = {
        name: lines for name, found in by_name.items() if (lines := _failures(found))
    }
    for name, lines in failures.items():
        warnings.warn(
            f"{name!r} failed, and what is not known of it is NaN: {'; '.join(lines)}",
            FitFailedWarning,
            stacklevel=2,
        )
    return Comparison(
        {name: [one.measures for one in found] for name, found in by_name.items()},
        real=folds[0].test,
        draws={name: found[0].draws for name, found in by_name.items()},
        failures=failures,
        target=target,
    )


def _failures(outcomes: list[Outcome]) -> list[str]:
    """What went wrong, once for all folds where it did."""
    folds: dict[str, list[str]] = {}
    for k, outcome in enumerate(outcomes):
        for failure in outcome.failures:
            folds.setdefault(failure, []).append(str(k))
    return [f"{failure} (folds {', '.join(at)})" for failure, at in folds.items()]


def _of_model(model: Any) -> Any:
    return lambda fold, seed: delayed(measure_model)(model, fold, seed)


def _spawned(seed: int) -> Any:
    """Seeds without end, the same for all models: what differs is the model."""
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(2**31))


def _check(X: Any, estimators: Any, target: Any) -> None:
    if not isinstance(estimators, Mapping) or not estimators:
        raise TypeError(
            "estimators must be a mapping of names to models, such as "
            f"{{'mixture': GaussianMixture(2)}}, got {estimators!r}."
        )
    for name, model in estimators.items():
        if not isinstance(name, str) or name in (REAL, INDEPENDENT):
            raise ValueError(
                f"estimators has the name {name!r}; names must be strings other than "
                f"{REAL!r} and {INDEPENDENT!r}."
            )
        lacks = [method for method in ("fit", "sample") if not hasattr(model, method)]
        if lacks:
            raise TypeError(
                f"estimators has {name!r} of type {type(model).__name__}, which lacks "
                f"{' and '.join(lacks)}: give generative models."
            )
    (table,) = read_tables(X=X, min_rows=4)
    names = [column.name for column in table]
    if target is not None and (target not in names or len(names) < 2):
        raise ValueError(
            f"target is {target!r}; it must be one of at least two columns: {names}."
        )
