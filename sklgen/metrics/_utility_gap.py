"""What prediction loses where a model's draws take the place of real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklgen._random import as_generator
from sklgen.metrics._utility import train_synthetic_test_real


@dataclass(frozen=True)
class UtilityGap:
    """Scores of models that learned from real and from synthetic rows.

    Parameters
    ----------
    real : float
        Score after training on real rows.
    synthetic : float
        Score after training on synthetic rows.

    See Also
    --------
    utility_gap : Makes it.

    Examples
    --------
    >>> from sklgen.metrics import UtilityGap
    >>> UtilityGap(real=0.75, synthetic=0.5).gap
    0.25
    """

    real: float
    synthetic: float

    @property
    def gap(self) -> float:
        """What is lost.

        Returns
        -------
        gap : float
            ``real - synthetic``: lower is better, and 0 where nothing is lost.
        """
        return self.real - self.synthetic


def utility_gap(
    X_real: Any, X_synthetic: Any, X_test: Any, target: Any, *, random_state: Any = None
) -> UtilityGap:
    """Compare training on synthetic rows with training on real ones.

    Parameters
    ----------
    X_real : array-like or DataFrame of shape (n_real, n_features)
        Real rows, such as those that the model was fitted to.
    X_synthetic : array-like or DataFrame of shape (n_synthetic, n_features)
        Rows drawn from the model, about as many: more rows teach more.
    X_test : array-like or DataFrame of shape (n_test, n_features)
        Real rows that no model has seen.
    target : str or int
        Name of the column to predict, or its position in arrays.
    random_state : int, RandomState instance or None, default=None
        Seed of the trees, the same for both.

    Returns
    -------
    result : UtilityGap
        Object with the scores `real` and `synthetic`, and the `gap` between them.

    Raises
    ------
    ValueError
        For the reasons that `train_synthetic_test_real` has.

    See Also
    --------
    train_synthetic_test_real : One of the two scores.

    References
    ----------
    .. [1] C. Esteban, S. L. Hyland and G. Rätsch (2017). Real-valued (medical) time
       series generation with recurrent conditional GANs. arXiv:1706.02633.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.metrics import utility_gap
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(1500, 1))
    >>> rows = np.hstack([x, x**2])
    >>> real, test = rows[:1000], rows[1000:]
    >>> shuffled = rng.permuted(real, axis=0)
    >>> utility_gap(real, shuffled, test, target=1).gap > 0.5
    True
    """
    seed = int(as_generator(random_state).integers(2**31))
    real, synthetic = (
        train_synthetic_test_real(rows, X_test, target, random_state=seed)
        for rows in (X_real, X_synthetic)
    )
    return UtilityGap(real, synthetic)
