"""Linear models with normal errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from sklgen._special import HALF_LOG_2_PI
from sklgen._typing import Array
from sklgen.mcmc._model import Compiled, Params
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._line_kernels import linear_posterior
from sklgen.mcmc.models._location_scale import LocationScaleModel, size_or
from sklgen.mcmc.models._row_kernels import gaussian
from sklgen.mcmc.models._rows import Closed, RowLaw
from sklgen.mcmc.models._whitened import Whitened
from sklgen.mcmc.priors import Prior


@final
class LinearModel(LocationScaleModel):
    """Linear model with normal errors.

    Parameters
    ----------
    scale : float, default=2.5
        Standard deviation of the prior of a coefficient, in standard deviations of y
        over those of the column.
    prior_df : float, default=None
        Degrees of freedom of the prior of a coefficient, a Student law whose scale is
        `scale`: the fewer, the more coefficients differ in size. None is a normal law.
    intercept : bool, default=True
        Whether there is an intercept. Without it columns are not centred.
    intercept_scale : float, default=2.5
        Standard deviation of the prior of the intercept, in standard deviations of y
        about its mean.
    sigma_scale : float, default=1.0
        Mean of the exponential prior of the scale of errors, in standard deviations of
        y.
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
    Parameters are "intercept" (), "coef" (p,), "sigma" () and, with groups, "group_sd"
    (r,) and "group_effect" (n_groups + 1, r) for r = 1, or 1 + p with slopes. The
    intercept is the mean of a row of `column_means_`. Effects are in units of
    "group_sd". The last group is one that was not seen: rows of all groups that are not
    in `groups_` get its effects, which are drawn from the law of groups.

    Priors are scaled to the data [1]_, so that predictions do not depend on the units
    of columns and of y; without intercept, y is measured from zero. "sigma" is at least
    a millionth of the standard deviation of y: else the posterior would be improper
    where y is a linear function of the columns.

    Without groups a density takes O(p) operations for any number of rows, once their
    singular values are known, and lines are drawn in coordinates in which they are
    standard normal, given "sigma": there may be more columns than rows.

    References
    ----------
    .. [1] Gelman, A., Jakulin, A., Pittau, M. G. and Su, Y.-S. (2008). A weakly
       informative default prior distribution for logistic and other regression models.
       Annals of Applied Statistics, 2.

    Examples
    --------
    What the prior says of targets, before any are seen:

    >>> import numpy as np
    >>> from sklgen.mcmc.models import LinearModel
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2))
    >>> y = X @ [1.0, -2.0] + rng.normal(size=50)
    >>> model = LinearModel()
    >>> priors = model.parameters(X, y)
    >>> list(priors)
    ['intercept', 'coef', 'sigma']
    >>> params = {name: prior.draw(1000, rng) for name, prior in priors.items()}
    >>> model.simulate(params, X, rng).shape
    (1000, 50)
    """

    def _whitened(
        self, priors: Mapping[str, Prior], design: Design, y: Array, weight: Array
    ) -> Whitened:
        return Whitened(design, priors, y, weight)

    def _compiled(
        self, priors: Mapping[str, Prior], design: Design, y: Array, weight: Array
    ) -> Compiled | None:
        if self.prior_df is not None:
            return None
        lines = self._whitened(priors, design, y, weight)
        sigma: Any = priors["sigma"]
        total = float(weight.sum())
        sums = lines.squares, lines.projections, lines.rest
        return linear_posterior, (*sums, total, sigma.law.rate, sigma.lower)

    def _unit(self, y: Array) -> tuple[float, float]:
        centre = float(y.mean()) if self.intercept else 0.0
        return centre, size_or(float(np.sqrt(np.mean((y - centre) ** 2))), y)

    def _log_density(self, eta: Array, params: Params, y: Array) -> Array:
        sigma = np.asarray(params["sigma"])[..., None]
        score = (y - eta) / sigma
        return np.asarray(-0.5 * score * score - np.log(sigma) - HALF_LOG_2_PI)

    def _law(self, y: Array, weight: Array) -> RowLaw:
        total = float(weight.sum())

        def own(params: Params) -> Array:
            return np.asarray(params["sigma"])[:, None] ** -2.0

        def close(params: Params, sums: Array) -> Closed:
            return _normal(np.asarray(params["sigma"]), sums[:, 0], total)

        return RowLaw(gaussian, np.asarray(y, dtype=np.float64), close, own)

    def _errors(
        self, params: Params, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Array:
        return rng.standard_normal(shape)

    def _error_variance(self, params: Params) -> Array:
        return np.asarray(1.0)


def _normal(sigma: Array, squares: Array, total: float) -> Closed:
    """Log-likelihood of weighted sums of squared errors, and derivatives by sigma."""
    scores = squares / sigma / sigma
    value = -0.5 * scores - total * (np.log(sigma) + HALF_LOG_2_PI)
    return value, {"sigma": (scores - total) / sigma}
