"""Negative binomial models."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from sklearn.utils._param_validation import Interval

from sklgen._special import digamma_excess, stirling_remainder
from sklgen._typing import Array
from sklgen.mcmc._model import Params
from sklgen.mcmc.models import _row_kernels as kernels
from sklgen.mcmc.models._count_models import LARGEST_MEAN, CountModel
from sklgen.mcmc.models._predictor import LinearPredictorModel
from sklgen.mcmc.models._rows import Closed, RowLaw
from sklgen.mcmc.priors import Exponential, Prior


@final
class NegativeBinomialModel(CountModel):
    """Negative binomial model of counts that are wider than Poisson's.

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
    dispersion_scale : float, default=1.0
        Mean of the exponential prior of the dispersion.
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
    Parameters are "intercept" (), "coef" (p,), "dispersion" () and, with groups,
    "group_sd" (r,) and "group_effect" (n_groups + 1, r) for r = 1, or 1 + p with
    slopes. The intercept is the log mean of a row of `column_means_`. Effects are in
    units of "group_sd". The last group is one that was not seen: rows of all groups
    that are not in `groups_` get its effects, which are drawn from the law of groups.

    The mean of a group that was not seen has no finite expectation, as the law of
    "group_sd" has heavy tails and means are exponentials: what `predict` gives for such
    rows hangs on few draws, the more so the fewer groups there are. Take
    `predict_quantiles` for them.

    Priors are scaled to the data [1]_, so that predictions do not depend on the units
    of columns. The variance is mean + dispersion * mean**2: counts are Poisson's whose
    rates vary by a gamma factor of mean one and variance "dispersion".

    Predictors count as 300 beyond that, and so do they below -300.

    References
    ----------
    .. [1] Gelman, A., Jakulin, A., Pittau, M. G. and Su, Y.-S. (2008). A weakly
       informative default prior distribution for logistic and other regression models.
       Annals of Applied Statistics, 2.

    Examples
    --------
    What the prior says of targets, before any are seen:

    >>> import numpy as np
    >>> from sklgen.mcmc.models import NegativeBinomialModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> y = rng.poisson(np.exp(X[:, 0]) * rng.gamma(2.0, 0.5, size=50))
    >>> model = NegativeBinomialModel()
    >>> priors = model.parameters(X, y)
    >>> list(priors)
    ['intercept', 'coef', 'dispersion']
    >>> params = {name: prior.draw(1000, rng) for name, prior in priors.items()}
    >>> model.simulate(params, X, rng).shape
    (1000, 50)
    """

    _usual_dispersion: ClassVar[float] = 0.5

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LinearPredictorModel._parameter_constraints,
        "dispersion_scale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        scale: float = 2.5,
        prior_df: float | None = None,
        intercept: bool = True,
        intercept_scale: float = 2.5,
        dispersion_scale: float = 1.0,
        groups: int | None = None,
        random_slopes: bool = False,
        group_scale: float = 1.0,
    ) -> None:
        super().__init__(
            scale=scale,
            prior_df=prior_df,
            intercept=intercept,
            intercept_scale=intercept_scale,
            groups=groups,
            random_slopes=random_slopes,
            group_scale=group_scale,
        )
        self.dispersion_scale = dispersion_scale

    def variance(self, params: Params, X: Array) -> Array:
        """Variance of the count of each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        variance : ndarray of shape (..., n_samples)
            It is mean + dispersion * mean**2.
        """
        mean = self.mean(params, X)
        return mean + np.asarray(params["dispersion"])[..., None] * mean * mean

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
        mean = self.mean(params, X)
        dispersion = np.asarray(params["dispersion"])[..., None]
        rate = mean * dispersion * rng.standard_gamma(1.0 / dispersion, mean.shape)
        return np.asarray(rng.poisson(np.minimum(rate, LARGEST_MEAN)))

    def _own_priors(self, unit: float) -> dict[str, Prior]:
        return {"dispersion": Exponential(1.0 / self.dispersion_scale)}

    def _log_density(self, eta: Array, params: Params, y: Array) -> Array:
        eta = np.clip(eta, -kernels.LARGEST_LOG, kernels.LARGEST_LOG)
        size = _size(params)[..., None]
        odds = eta - np.log(size)
        soft = np.maximum(odds, 0.0) + np.log1p(np.exp(-np.abs(odds)))
        rising = _log_rising(y, size)[0] - gammaln(y + 1.0)
        return np.asarray(rising + y * (eta - soft) - size * soft)

    def _law(self, y: Array, weight: Array) -> RowLaw:
        constant = -float(weight @ gammaln(y + 1.0))
        # All that depends on counts and the dispersion alone is a sum over the
        # different counts.
        counts, at = np.unique(y, return_inverse=True)
        weights = np.bincount(at, weight)

        def own(params: Params) -> Array:
            size = _size(params)
            return np.stack([size, np.log(size)], axis=1)

        def close(params: Params, sums: Array) -> Closed:
            size = _size(params)
            rising, slope = _log_rising(counts, size[:, None])
            value = rising @ weights + constant + sums[:, 0] - size * sums[:, 1]
            by_size = slope @ weights - sums[:, 1] + sums[:, 2] / size
            return value, {"dispersion": -by_size * size * size}

        targets = np.asarray(y, dtype=np.float64)
        return RowLaw(kernels.negative_binomial, targets, close, own, n_sums=3)


def _size(params: Params) -> Array:
    return 1.0 / np.asarray(params["dispersion"])


def _log_rising(count: Array, size: Array) -> tuple[Array, Array]:
    """Log of Gamma(size + count) / (Gamma(size) size**count), and slope in size.

    Exact also for large sizes, where it is next to nothing.
    """
    total, share = size + count, count / size
    log = np.log1p(share)
    value = (total - 0.5) * log - count
    value += stirling_remainder(total) - stirling_remainder(size)
    slope = log - share + digamma_excess(total) - digamma_excess(size)
    return value, slope
