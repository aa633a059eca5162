"""Membership inference: whether synthetic rows tell who was in the training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from sklgen._random import as_generator, seeded
from sklgen._typing import Array
from sklgen.metrics._encoding import NumericEncoding
from sklgen.metrics._kernels import nearest
from sklgen.metrics._tables import Table, n_rows, read_tables
from sklgen.metrics._two_sample import _auc


@dataclass(frozen=True)
class MembershipInferenceResult:
    """How well an attacker tells training rows from others.

    Parameters
    ----------
    auc : float
        Area under the ROC curve of the attacker: 0.5 is chance, 1 is certainty.
    std_error : float
        Standard error of `auc`, over the rows that were attacked.

    See Also
    --------
    membership_inference : Makes it.

    Examples
    --------
    >>> from sklgen.metrics import MembershipInferenceResult
    >>> MembershipInferenceResult(auc=0.75, std_error=0.01).advantage
    0.5
    """

    auc: float
    std_error: float

    @property
    def advantage(self) -> float:
        """What the attacker gains over a guess.

        Returns
        -------
        advantage : float
            ``2 * auc - 1``, and 0 where the attacker does worse than chance.
        """
        return 2.0 * max(self.auc, 0.5) - 1.0


def membership_inference(
    X_train: Any,
    X_holdout: Any,
    X_synthetic: Any,
    *,
    X_reference: Any = None,
    estimator: Any = None,
    random_state: Any = None,
) -> MembershipInferenceResult:
    """Attack training rows by the ratio of two densities; report the AUC.

    The attacker has the synthetic rows, and reference rows from the source of the real
    ones. Where the density of the synthetic rows is high beside that of the reference,
    the model has overfitted, and a row is taken for one of its training rows [1]_. This
    finds more than copies, for which `closest_record_share` looks.

    Parameters
    ----------
    X_train : array-like or DataFrame of shape (n_train, n_features)
        The rows the model was fitted to.
    X_holdout : array-like or DataFrame of shape (n_holdout, n_features)
        Rows from the same source that it has not seen.
    X_synthetic : array-like or DataFrame of shape (n_synthetic, n_features)
        Rows drawn from the model.
    X_reference : array-like or DataFrame of shape (n_reference, n_features), \
            default=None
        Rows of the attacker, apart from those of `X_train` and `X_holdout`. None takes
        half of `X_holdout`, at random, out of it.
    estimator : estimator with `score_samples`, default=None
        Density, of which one clone is fitted to the synthetic and one to the reference
        rows. A `random_state` it has not set is set. None takes the distance to the
        nearest row for the inverse of a density, which needs no fit and sees copies
        best; a smooth density sees broader overfitting.
    random_state : int, RandomState instance or None, default=None
        Chooses the reference rows, and is the seed of the estimator.

    Returns
    -------
    result : MembershipInferenceResult
        Object with `auc`, its `std_error`, and the `advantage` over a guess.

    Raises
    ------
    ValueError
        If the tables have different columns, a column with numbers in one table and
        text in another, or `X_holdout` has fewer than two rows to be split.

    See Also
    --------
    closest_record_share : An alarm for copies, with no reference.

    Notes
    -----
    For synthetic rows that have nothing to do with the training rows, these and the
    others can be exchanged, so that the AUC is one half on average. An AUC of one half
    does not say that there is no better attack.

    Without an estimator, tables are encoded as for `closest_record_share`, by the
    reference rows. The standard error is DeLong's, for rows that are attacked by this
    attacker.

    References
    ----------
    .. [1] B. van Breugel, H. Sun, Z. Qian and M. van der Schaar (2023). Membership
       inference attacks against synthetic data through overfitting detection.
       International Conference on Artificial Intelligence and Statistics.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.metrics import membership_inference
    >>> rng = np.random.default_rng(0)
    >>> train, holdout, fresh = rng.normal(size=(3, 400, 4))
    >>> noisy = train + rng.normal(scale=0.1, size=train.shape)
    >>> membership_inference(train, holdout, noisy, random_state=0).auc > 0.9
    True
    >>> membership_inference(train, holdout, fresh, random_state=0).auc < 0.6
    True
    """
    rng = as_generator(random_state)
    if X_reference is None:
        n = n_rows(read_tables(X_holdout=X_holdout, min_rows=2)[0])
        order = rng.permutation(n)
        X_reference = _safe_indexing(X_holdout, order[: n // 2])
        X_holdout = _safe_indexing(X_holdout, order[n // 2 :])
    rows = {
        "X_train": X_train,
        "X_holdout": X_holdout,
        "X_synthetic": X_synthetic,
        "X_reference": X_reference,
    }
    tables = read_tables(**rows)
    if estimator is None:
        ratios = _log_distance_ratios(*tables)
    else:
        ratios = _log_density_ratios(estimator, list(rows.values()), rng)
    member = np.repeat([True, False], [len(ratio) for ratio in ratios])
    auc, variance = _auc(np.concatenate(ratios), member)
    return MembershipInferenceResult(auc, float(np.sqrt(variance)))


def _log_distance_ratios(
    train: Table, holdout: Table, synthetic: Table, reference: Table
) -> list[Array]:
    encoding = NumericEncoding.learn(reference)
    *attacked, S, R = encoding.encode(train, holdout, synthetic, reference)
    least = np.finfo(float).tiny
    known = [np.ascontiguousarray(rows.T) for rows in (R, S)]
    to_reference, to_synthetic = (
        [np.log(np.maximum(nearest(rows, one), least)) for rows in attacked]
        for one in known
    )
    return [r - s for r, s in zip(to_reference, to_synthetic, strict=True)]


def _log_density_ratios(
    estimator: Any, rows: list[Any], rng: np.random.Generator
) -> list[Array]:
    *attacked, synthetic, reference = rows
    seed = int(rng.integers(2**31))
    models = []
    for known in (synthetic, reference):
        models.append(seeded(clone(estimator), seed).fit(known))
    largest = np.finfo(float).max / 4.0
    found = []
    for one in attacked:
        high, low = (
            np.clip(np.asarray(model.score_samples(one), float), -largest, largest)
            for model in models
        )
        found.append(high - low)  # 0 where neither has any density
    return found
