"""Linear models with errors of heavy tails."""

from __future__ import annotations

from typing import final

import numpy as np
from scipy.special import digamma, gammaln

from sklgen._typing import Array
from sklgen.mcmc._model import Params
from sklgen.mcmc.models._laws import Shifted
from sklgen.mcmc.models._location_scale import LocationScaleModel, size_or
from sklgen.mcmc.models._row_kernels import student
from sklgen.mcmc.models._rows import Closed, RowLaw
from sklgen.mcmc.priors import Gamma, Prior

# Half of the normal law is within so many standard deviations of the median.
_QUARTILE = 0.6744897501960817
# With more than 2 degrees of freedom predictions have variances, and with a law that
# vanishes there, so have predictions that are averaged over it.
_LEAST_DOF, _DOF_SCALE = 2.0, 10.0


@final
class StudentModel(LocationScaleModel):
    """Linear model with errors of heavy tails, which outliers do not move.

    Parameters
    ----------
    scale : float, default=2.5
        Standard deviation of the prior of a coefficient, in spreads of y over standard
        deviations of the column. The spread is the median of absolute deviations from
        the median, in units of that of the normal law.
    prior_df : float, default=None
        Degrees of freedom of the prior of a coefficient, a Student law whose scale is
        `scale`: the fewer, the more coefficients differ in size. None is a normal law.
    intercept : bool, default=True
        Whether there is an intercept. Without it columns are not centred.
    intercept_scale : float, default=2.5
        Standard deviation of the prior of the intercept, in spreads of y about its
        median.
    sigma_scale : float, default=1.0
        Mean of the exponential prior of the scale of errors, in spreads of y.
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
    Parameters are "intercept" (), "coef" (p,), "sigma" (), "dof" () and, with groups,
    "group_sd" (r,) and "group_effect" (n_groups + 1, r) for r = 1, or 1 + p with
    slopes. The intercept is the mean of a row of `column_means_`. Effects are in units
    of "group_sd". The last group is one that was not seen: rows of all groups that are
    not in `groups_` get its effects, which are drawn from the law of groups.

    Priors are scaled to the data [1]_, so that predictions do not depend on the units
    of columns and of y; without intercept, y is measured from zero. "sigma" is at least
    a millionth of the spread. Errors have a Student law with "dof" degrees of freedom.
    These are 2 plus a gamma number of shape 2 and mean 20, much as in [2]_, so that
    predictions have variances.

    References
    ----------
    .. [1] Gelman, A., Jakulin, A., Pittau, M. G. and Su, Y.-S. (2008). A weakly
       informative default prior distribution for logistic and other regression models.
       Annals of Applied Statistics, 2.
    .. [2] Juarez, M. A. and Steel, M. F. J. (2010). Model-based clustering of
       non-Gaussian panel data based on skew-t distributions. Journal of Business and
       Economic Statistics, 28.

    Examples
    --------
    What the prior says of targets, before any are seen:

    >>> import numpy as np
    >>> from sklgen.mcmc.models import StudentModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> y = X @ [1.0, -2.0] + rng.standard_t(3, size=50)
    >>> model = StudentModel()
    >>> priors = model.parameters(X, y)
    >>> list(priors)
    ['intercept', 'coef', 'sigma', 'dof']
    >>> params = {name: prior.draw(1000, rng) for name, prior in priors.items()}
    >>> model.simulate(params, X, rng).shape
    (1000, 50)
    """

    def _unit(self, y: Array) -> tuple[float, float]:
        middle = float(np.median(y)) if self.intercept else 0.0
        spread = float(np.median(np.abs(y - middle))) / _QUARTILE
        # Of targets that are mostly equal, the others say what is large.
        return middle, size_or(spread, y) if spread else size_or(
            float(np.sqrt(np.mean((y - middle) ** 2))), y
        )

    def _own_priors(self, unit: float) -> dict[str, Prior]:
        law = Gamma(2.0, 1.0 / _DOF_SCALE)
        return super()._own_priors(unit) | {"dof": Shifted(law, _LEAST_DOF)}

    def _log_density(self, eta: Array, params: Params, y: Array) -> Array:
        sigma = np.asarray(params["sigma"])[..., None]
        dof = np.asarray(params["dof"])[..., None]
        score = (y - eta) / sigma
        tail = 0.5 * (dof + 1.0) * np.log1p(score * score / dof)
        return np.asarray(_log_constant(dof) - np.log(sigma) - tail)

    def _law(self, y: Array, weight: Array) -> RowLaw:
        total = float(weight.sum())

        def own(params: Params) -> Array:
            return np.stack([1.0 / params["sigma"], params["dof"]], axis=1)

        def close(params: Params, sums: Array) -> Closed:
            sigma, dof = np.asarray(params["sigma"]), np.asarray(params["dof"])
            half, shares = 0.5 * (dof + 1.0), sums[:, 1]
            value = total * (_log_constant(dof) - np.log(sigma)) - half * sums[:, 0]
            bend = 0.5 * (digamma(half) - digamma(0.5 * dof) - 1.0 / dof)
            return value, {
                "sigma": (2.0 * half * shares - total) / sigma,
                "dof": total * bend - 0.5 * sums[:, 0] + half / dof * shares,
            }

        return RowLaw(student, np.asarray(y, dtype=np.float64), close, own, n_sums=2)

    def _errors(
        self, params: Params, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Array:
        return rng.standard_t(np.asarray(params["dof"])[..., None], shape)

    def _error_variance(self, params: Params) -> Array:
        dof = np.asarray(params["dof"])
        return np.asarray(dof / (dof - 2.0))


def _log_constant(dof: Array) -> Array:
    normal = gammaln(0.5 * (dof + 1.0)) - gammaln(0.5 * dof)
    return np.asarray(normal - 0.5 * np.log(np.pi * dof))
