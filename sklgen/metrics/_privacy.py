"""An alarm for copies of training rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklgen._random import as_generator
from sklgen.metrics._encoding import NumericEncoding
from sklgen.metrics._kernels import nearest
from sklgen.metrics._tables import join, n_rows, read_tables, take


def closest_record_share(
    X_train: Any, X_holdout: Any, X_synthetic: Any, *, random_state: Any = None
) -> float:
    """Share of synthetic rows that are nearer to training rows than to unseen ones.

    One half is ideal: the model is no closer to what it has seen than to other rows
    from the same source. Values above say that it repeats training rows.

    Parameters
    ----------
    X_train : array-like or DataFrame of shape (n_train, n_features)
        The rows the model was fitted to.
    X_holdout : array-like or DataFrame of shape (n_holdout, n_features)
        Rows from the same source that it has not seen.
    X_synthetic : array-like or DataFrame of shape (n_synthetic, n_features)
        Rows drawn from the model.
    random_state : int, RandomState instance or None, default=None
        Chooses the rows of the larger one of `X_train` and `X_holdout`: equal numbers
        are compared.

    Returns
    -------
    share : float
        Between 0 and 1. Rows as near to one as to the other count half.

    Raises
    ------
    ValueError
        If the tables have different columns, or a column with numbers in one table
        and text in another.

    See Also
    --------
    classifier_two_sample_test : Whether the rows are like real ones.

    Notes
    -----
    Numbers are standardised by both real tables together, labels are indicators
    divided by their standard deviation, missing cells are means with an indicator;
    distances are Euclidean. Time is proportional to the number of synthetic rows times
    that of real ones.

    The share is an alarm, not a guarantee: a model can reveal who was in its training
    set while its share is one half [1]_. By chance alone it varies by about
    ``0.5 / sqrt(n_synthetic)``, and by more where few real rows are near many
    synthetic ones.

    References
    ----------
    .. [1] Z. Yao, N. Krčo, G. Ganev and Y.-A. de Montjoye (2025). The DCR delusion:
       measuring the privacy risk of synthetic data. arXiv:2505.01524.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.metrics import closest_record_share
    >>> rng = np.random.default_rng(0)
    >>> train, holdout, fresh = rng.normal(size=(3, 500, 2))
    >>> closest_record_share(train, holdout, train)
    1.0
    >>> abs(closest_record_share(train, holdout, fresh) - 0.5) < 0.1
    True
    """
    *real, synthetic = read_tables(
        X_train=X_train, X_holdout=X_holdout, X_synthetic=X_synthetic
    )
    size = min(n_rows(table) for table in real)
    streams = as_generator(random_state).spawn(2)
    real = [
        take(table, stream.permutation(n_rows(table))[:size])
        for table, stream in zip(real, streams, strict=True)
    ]
    encoding = NumericEncoding.learn(join(*real))
    train, holdout, rows = encoding.encode(*real, synthetic)
    to_train, to_holdout = (
        nearest(rows, np.ascontiguousarray(known.T)) for known in (train, holdout)
    )
    nearer = (to_train < to_holdout) + 0.5 * (to_train == to_holdout)
    return float(nearer.mean())
