"""A synthetic table in one call."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.base import clone
from sklearn.utils import check_scalar

from sklgen._random import as_generator, seeded
from sklgen.metrics._scorers import _draw


def synthesize(
    X: Any,
    n_samples: int | None = None,
    estimator: Any = "auto",
    *,
    random_state: Any = None,
) -> Any:
    """Draw a table like another one.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_rows, n_features)
        Real rows: numbers, labels, dates, booleans, missing cells.
    n_samples : int, default=None
        Number of rows to draw. None draws as many as there are real ones.
    estimator : "auto" or estimator, default="auto"
        A model with `fit` and `sample`, of which a clone is fitted. "auto" takes
        `TabularMixture` with its defaults, whatever the table (see Notes).
    random_state : int, RandomState instance or None, default=None
        Seed of the draws, and of each `random_state` that the model has not set. An int
        gives the same rows each time.

    Returns
    -------
    X_synthetic : array or DataFrame, as the model gives it
        The rows. `TabularMixture` gives back the container of `X`, with its columns and
        dtypes.

    Raises
    ------
    TypeError
        If the model has no `sample`.

    See Also
    --------
    compare : Compares models on the table, where it matters which one it is.
    sklgen.mixture.TabularMixture : What "auto" fits.

    Notes
    -----
    "auto" makes no choice between models: `TabularMixture` takes any table, fits in
    seconds, and chooses the number of its components by held-out rows. It takes rows as
    independent of each other, so that it is wrong for sequences and for tables with
    several rows of one person, and it takes cells for numbers or labels: texts are
    labels to it, which it repeats. Names and other keys are copied too. Leave them out.

    Nothing here makes rows private. `sklgen.metrics.membership_inference` measures
    whether they tell who was in the table.

    Examples
    --------
    >>> from sklgen.compose import synthesize
    >>> from sklgen.datasets import load_penguins
    >>> X = load_penguins(as_frame=True).frame
    >>> synthetic = synthesize(X, 1000, random_state=0)
    >>> synthetic.shape == (1000, X.shape[1])
    True
    >>> synthetic.dtypes.equals(X.dtypes)
    True
    """
    if isinstance(estimator, str):
        if estimator != "auto":
            raise ValueError(
                f"estimator must be 'auto' or a model with sample, got {estimator!r}."
            )
        from sklgen.mixture import TabularMixture  # it needs this package

        estimator = TabularMixture()
    if not hasattr(estimator, "fit"):
        raise TypeError(f"estimator must be a model with fit, got {estimator!r}.")
    rng = as_generator(random_state)
    model = seeded(clone(estimator), int(rng.integers(2**31))).fit(X)
    if n_samples is None:
        n_samples = len(X)
    check_scalar(n_samples, "n_samples", Integral, min_val=1)
    return _draw(model, int(n_samples), int(rng.integers(2**31)))
