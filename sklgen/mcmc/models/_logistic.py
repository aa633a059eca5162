"""Logistic and multinomial logistic models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from sklgen._typing import Array
from sklgen.mcmc._model import Compiled, Params
from sklgen.mcmc.models import _row_kernels as kernels
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._line_kernels import LOGISTIC, SOFTMAX
from sklgen.mcmc.models._lines import compiled_rows
from sklgen.mcmc.models._predictor import LinearPredictorModel, closed_by
from sklgen.mcmc.models._rows import RowLaw
from sklgen.mcmc.priors import Prior


@final
class LogisticModel(LinearPredictorModel):
    """Logistic model of two classes, or multinomial logistic model of more.

    Parameters
    ----------
    scale : float, default=2.5
        Standard deviation of the prior of a coefficient, over the standard deviation of
        the column.
    prior_df : float, default=None
        Degrees of freedom of the prior of a coefficient, a Student law whose scale is
        `scale`: the fewer, the more coefficients differ in size. None is a normal law.
    intercept : bool, default=True
        Whether there is an intercept. Without it columns are not centred.
    intercept_scale : float, default=2.5
        Standard deviation of the prior of the intercept.
    groups : int, default=None
        Index of the column of X that says which group a row is in. Any numbers do, one
        for each group. Groups have intercepts of their own, drawn from a normal law
        whose standard deviation is a parameter.
    random_slopes : bool, default=False
        Whether groups have coefficients of their own as well, drawn independently.
    group_scale : float, default=1.0
        Scale of the prior of these standard deviations, which are halves of Student
        laws with 3 degrees of freedom, in the units of `intercept_scale` and of
        `scale`.

    Attributes
    ----------
    column_means_ : ndarray of shape (p,)
        Means of the training columns but that of the groups; zeros without intercept.
    column_scales_ : ndarray of shape (p,)
        Their standard deviations, or root mean squares without intercept; the size of
        the numbers where they are all the same.
    groups_ : ndarray of shape (n_groups,) or None
        Groups of the training rows.
    n_classes_ : int
        Number of classes, two or more; labels are 0, 1, ...

    Notes
    -----
    With two classes, parameters are "intercept" (), "coef" (p,) and, with groups,
    "group_sd" (r,) and "group_effect" (n_groups + 1, r) for r = 1, or 1 + p with
    slopes. They are of the log-odds of class 1; the intercept is that of a row of
    `column_means_`. Effects are in units of "group_sd". The last group is one that was
    not seen: rows of all groups that are not in `groups_` get its effects, which are
    drawn from the law of groups.

    With K > 2 classes, all but "group_sd" have a first axis more, of length K, along
    which their sums are zero. Any two classes have log-odds whose coefficients have the
    prior that they have with two classes, and no class is set apart.

    Priors are scaled to the data [1]_, so that predictions do not depend on the units
    of columns.

    References
    ----------
    .. [1] Gelman, A., Jakulin, A., Pittau, M. G. and Su, Y.-S. (2008). A weakly
       informative default prior distribution for logistic and other regression models.
       Annals of Applied Statistics, 2.

    Examples
    --------
    What the prior says of targets, before any are seen:

    >>> import numpy as np
    >>> from sklgen.mcmc.models import LogisticModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> y = (X[:, 0] + rng.logistic(size=50) > 0).astype(float)
    >>> model = LogisticModel()
    >>> priors = model.parameters(X, y)
    >>> list(priors)
    ['intercept', 'coef']
    >>> params = {name: prior.draw(1000, rng) for name, prior in priors.items()}
    >>> model.probabilities(params, X).shape
    (1000, 50, 2)
    """

    @property
    def _stack(self) -> tuple[int, ...]:
        """() for two classes, (K,) for more."""
        return () if self.n_classes_ == 2 else (self.n_classes_,)

    def probabilities(self, params: Params, X: Array) -> Array:
        """Tell the probabilities of the classes of each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (..., n_samples, n_classes)
            Their sums are one.
        """
        eta = self.predictor(params, X)
        if not self._stack:
            return np.stack([expit(-eta), expit(eta)], axis=-1)
        return np.asarray(softmax(np.swapaxes(eta, -1, -2), axis=-1))

    def simulate(
        self, params: Params, X: Array, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """Draw a label for each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.
        rng : Generator
            Source of randomness.

        Returns
        -------
        y : ndarray of int of shape (..., n_samples)
            Labels 0 to n_classes - 1.
        """
        below = np.cumsum(self.probabilities(params, X), axis=-1)[..., :-1]
        return np.asarray((rng.random(below.shape[:-1])[..., None] > below).sum(-1))

    def _check(self, y: Array) -> None:
        if ((y < 0) | (y != np.floor(y))).any():
            raise ValueError(
                "y must have the labels 0, 1, ..., n_classes - 1 for LogisticModel, "
                f"got values from {y.min()} to {y.max()}. PosteriorClassifier takes "
                "labels of any kind."
            )
        self.n_classes_ = max(2, int(y.max()) + 1)

    def _unit(self, y: Array) -> tuple[float, float]:
        return 0.0, 1.0

    def _information(self, design: Design, y: Array, weight: Array) -> float:
        share = float(np.average(y, weights=weight))
        return max(share * (1.0 - share), 1.0 / float(weight.sum()))

    def _own_priors(self, unit: float) -> dict[str, Prior]:
        return {}

    def _log_density(self, eta: Array, params: Params, y: Array) -> Array:
        if not self._stack:
            margin = np.where(y > 0, eta, -eta)
            return np.minimum(margin, 0.0) - np.log1p(np.exp(-np.abs(margin)))
        logs = log_softmax(eta, axis=-2)
        at = np.asarray(y, dtype=np.intp)
        return np.asarray(logs[..., at, np.arange(len(at))])

    def _compiled(
        self, priors: Mapping[str, Prior], design: Design, y: Array, weight: Array
    ) -> Compiled | None:
        law = SOFTMAX if self._stack else LOGISTIC
        targets = self._law(y, weight).targets
        return compiled_rows(law, design, priors, targets, weight)

    def _law(self, y: Array, weight: Array) -> RowLaw:
        labels = np.asarray(y, dtype=np.float64)
        if self._stack:
            return RowLaw(kernels.softmax, labels, closed_by(0.0))
        return RowLaw(kernels.logistic, 2.0 * labels - 1.0, closed_by(0.0))
