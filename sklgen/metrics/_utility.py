"""The use of synthetic rows: what a model trained on them can predict."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.metrics import r2_score, roc_auc_score

from sklgen._frames import open_frame
from sklgen._random import as_generator
from sklgen.metrics._encoding import fit_trees, tree_matrices
from sklgen.metrics._tables import Column, Table, is_missing, read_tables, take


def train_synthetic_test_real(
    X_synthetic: Any, X_test: Any, target: Any, *, random_state: Any = None
) -> float:
    """Train boosted trees on synthetic rows and test them on real ones.

    The score is to be read beside that of real training rows: call the function with
    these in place of `X_synthetic`.

    Parameters
    ----------
    X_synthetic : array-like or DataFrame of shape (n_synthetic, n_features)
        Rows to train on, target included.
    X_test : array-like or DataFrame of shape (n_test, n_features)
        Real rows that no model has seen, with the same columns.
    target : str or int
        Name of the column to predict, or its position in arrays.
    random_state : int, RandomState instance or None, default=None
        Seed of the trees.

    Returns
    -------
    score : float
        Area under the ROC curve for a target with two values (labels, booleans or
        numbers), accuracy for more labels, R² for other numbers; higher is better.

    Raises
    ------
    ValueError
        If there is no such column or no other one, if the target has one value only in
        `X_test`, or is missing in all rows of a table, or if the tables have different
        columns.

    See Also
    --------
    classifier_two_sample_test : Needs no target.

    Notes
    -----
    The models are scikit-learn's histogram gradient boosting with default parameters,
    without early stopping. Rows that miss the target are left out. The number of values
    is that in `X_test`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.metrics import train_synthetic_test_real
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(2000, 1))
    >>> rows = np.hstack([x, x**2])
    >>> train_synthetic_test_real(rows[:1000], rows[1000:], target=1) > 0.9
    True
    """
    given = {"X_synthetic": X_synthetic, "X_test": X_test}
    if open_frame(X_synthetic, "X_synthetic") is None:
        # Names are those of the first table, and arrays have none.
        given = dict(reversed(given.items()))
    read = dict(zip(given, read_tables(**given), strict=True))
    tables = [read["X_synthetic"], read["X_test"]]
    names = [column.name for column in tables[0]]
    if target not in names or len(names) < 2:
        raise ValueError(
            f"target is {target!r}; it must be one of at least two columns: {names}."
        )
    place = names.index(target)
    tables = [take(table, ~is_missing(table[place])) for table in tables]
    y_train, y_test = (table[place] for table in tables)
    values = np.unique(y_test.values)
    if len(values) < 2 or len(y_train.values) == 0:
        raise ValueError(
            f"The target {target!r} has {len(values)} value(s) in X_test and "
            f"{len(y_train.values)} row(s) in X_synthetic; needed are two values and "
            "one row."
        )
    features: list[Table] = [table[:place] + table[place + 1 :] for table in tables]
    (train, test), categorical = tree_matrices(*features)
    options = {
        "categorical_features": categorical,
        "early_stopping": False,
        "random_state": int(as_generator(random_state).integers(2**31)),
    }
    if len(values) > 2 and not y_test.is_label:
        model = fit_trees(
            HistGradientBoostingRegressor(**options), train, y_train.values
        )
        return float(r2_score(y_test.values, model.predict(test)))
    return _classify(train, y_train, test, y_test, options)


def _classify(
    train: np.ndarray,
    y_train: Column,
    test: np.ndarray,
    y_test: Column,
    options: dict[str, Any],
) -> float:
    values = np.unique(y_test.values)
    y = y_train.values
    if not y_test.is_label:  # a synthetic 0.9 is a 1
        y = values[np.abs(y[:, None] - values).argmin(axis=1)]
    if len(np.unique(y)) == 1:  # nothing to learn
        chance = np.mean(y_test.values == y[0])
        return 0.5 if len(values) == 2 else float(chance)
    model = fit_trees(HistGradientBoostingClassifier(**options), train, y)
    if len(values) > 2:
        return float(np.mean(model.predict(test) == y_test.values))
    proba = dict(zip(model.classes_, model.predict_proba(test).T, strict=True))
    nothing = np.zeros(len(test))
    one, other = (proba.get(value, nothing) for value in values)
    return float(roc_auc_score(y_test.values == values[1], other - one))
