"""Models of counts, and the Poisson model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from sklgen._typing import Array
from sklgen.mcmc._model import Compiled, Params
from sklgen.mcmc._transforms import bounded_exp
from sklgen.mcmc.models import _row_kernels as kernels
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._line_kernels import POISSON
from sklgen.mcmc.models._lines import compiled_rows
from sklgen.mcmc.models._predictor import LinearPredictorModel, closed_by
from sklgen.mcmc.models._rows import RowLaw
from sklgen.mcmc.priors import Prior

# NumPy draws no counts with larger means.
LARGEST_MEAN = 9e18


class CountModel(LinearPredictorModel):
    """Counts whose log mean is a linear predictor."""

    # About the variance over the mean, less one, over the mean.
    _usual_dispersion: ClassVar[float]

    def mean(self, params: Params, X: Array) -> Array:
        """Mean of the count of each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        mean : ndarray of shape (..., n_samples)
            Exponential of the linear predictor.
        """
        eta = self.predictor(params, X)
        return bounded_exp(eta, kernels.LARGEST_LOG)

    def _check(self, y: Array) -> None:
        if ((y < 0) | (y != np.floor(y))).any():
            raise ValueError(
                f"y must have counts 0, 1, 2, ... for {type(self).__name__}, got "
                f"values from {y.min()} to {y.max()}. LinearModel and StudentModel "
                "take numbers of any kind."
            )

    def _unit(self, y: Array) -> tuple[float, float]:
        mean = float(y.mean())
        return (float(np.log(mean)) if mean > 0.0 else 0.0), 1.0

    def _information(self, design: Design, y: Array, weight: Array) -> float:
        mean = float(np.average(y, weights=weight))
        each = mean / (1.0 + self._usual_dispersion * mean)
        return max(each, 1.0 / float(weight.sum()))


@final
class PoissonModel(CountModel):
    """Poisson model of counts, with a log-linear mean.

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
        Standard deviation of the prior of the intercept about the log of the mean of y.
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

    Notes
    -----
    Parameters are "intercept" (), "coef" (p,) and, with groups, "group_sd" (r,) and
    "group_effect" (n_groups + 1, r) for r = 1, or 1 + p with slopes. The intercept is
    the log mean of a row of `column_means_`. Effects are in units of "group_sd". The
    last group is one that was not seen: rows of all groups that are not in `groups_`
    get its effects, which are drawn from the law of groups.

    The mean of a group that was not seen has no finite expectation, as the law of
    "group_sd" has heavy tails and means are exponentials: what `predict` gives for such
    rows hangs on few draws, the more so the fewer groups there are. Take
    `predict_quantiles` for them.

    Priors are scaled to the data [1]_, so that predictions do not depend on the units
    of columns. Predictors count as 300 beyond that, and so do they below -300.

    References
    ----------
    .. [1] Gelman, A., Jakulin, A., Pittau, M. G. and Su, Y.-S. (2008). A weakly
       informative default prior distribution for logistic and other regression models.
       Annals of Applied Statistics, 2.

    Examples
    --------
    What the prior says of targets, before any are seen:

    >>> import numpy as np
    >>> from sklgen.mcmc.models import PoissonModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> y = rng.poisson(np.exp(X[:, 0]))
    >>> model = PoissonModel()
    >>> priors = model.parameters(X, y)
    >>> list(priors)
    ['intercept', 'coef']
    >>> params = {name: prior.draw(1000, rng) for name, prior in priors.items()}
    >>> model.simulate(params, X, rng).shape
    (1000, 50)
    """

    _usual_dispersion: ClassVar[float] = 0.0

    def variance(self, params: Params, X: Array) -> Array:
        """Variance of the count of each row, its mean.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        variance : ndarray of shape (..., n_samples)
            Exponential of the linear predictor.
        """
        return self.mean(params, X)

    def simulate(
        self, params: Params, X: Array, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Draw a count for each row.

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
            Counts.
        """
        return np.asarray(rng.poisson(np.minimum(self.mean(params, X), LARGEST_MEAN)))

    def _own_priors(self, unit: float) -> dict[str, Prior]:
        return {}

    def _log_density(self, eta: Array, params: Params, y: Array) -> Array:
        eta = np.clip(eta, -kernels.LARGEST_LOG, kernels.LARGEST_LOG)
        return np.asarray(y * eta - np.exp(eta) - gammaln(y + 1.0))

    def _compiled(
        self, priors: Mapping[str, Prior], design: Design, y: Array, weight: Array
    ) -> Compiled | None:
        return compiled_rows(POISSON, design, priors, y, weight)

    def _law(self, y: Array, weight: Array) -> RowLaw:
        constant = -float(weight @ gammaln(y + 1.0))
        counts = np.asarray(y, dtype=np.float64)
        return RowLaw(kernels.poisson, counts, closed_by(constant))
