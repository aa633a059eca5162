"""Linear models with normal errors."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from sklgen.families._base import Array
from sklgen.families._special import HALF_LOG_2_PI
from sklgen.mcmc._model import Compiled, Likelihood, Params
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._line_kernels import linear_posterior
from sklgen.mcmc.models._lines import normal_laws
from sklgen.mcmc.models._location_scale import LocationScaleModel, size_or
from sklgen.mcmc.models._row_kernels import gaussian
from sklgen.mcmc.models._rows import Closed, RowLaw


@final
class LinearModel(LocationScaleModel):
    """Linear model with normal errors.

    Parameters
    ----------
    scale : float, default=2.5
        Standard deviation of the prior of a coefficient, in standard deviations of y
        over those of the column.
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
    "group_sd", which samples better where groups are small. The last group is one that
    was not seen: rows of all groups that are not in `groups_` get its effects, which
    are drawn from the law of groups.

    Priors are scaled to the data [1]_, so that predictions do not depend on the units
    of columns and of y. "sigma" is at least a millionth of the standard deviation of y:
    else the posterior would be improper where y is a linear function of the columns.

    Without groups a density takes O(p^2) operations for any number of rows.

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

    def likelihood(self, X: Array, y: Array, weight: Array) -> Likelihood:
        """Log-likelihood of all rows, with its derivatives.

        Without groups, rows are looked at once, here: calls take a time that does not
        depend on their number.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : ndarray of shape (n_samples,)
            Their targets.
        weight : ndarray of shape (n_samples,)
            Weight of each row.

        Returns
        -------
        likelihood : callable
            From parameters (A, *shape) to log-likelihoods (A,) and a dict of their
            derivatives.
        """
        if self.groups is not None:
            return super().likelihood(X, y, weight)
        return _LeastSquares(self._design(X), np.asarray(y), np.asarray(weight))

    def compiled(self, X: Array, y: Array, weight: Array) -> Compiled | None:
        """Give the log-posterior as compiled code, unless there are groups.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : ndarray of shape (n_samples,)
            Their targets.
        weight : ndarray of shape (n_samples,)
            Weight of each row.

        Returns
        -------
        compiled : tuple or None
            A function of vectors without bounds and of a gradient to write into, and
            what else it takes.
        """
        if self.groups is not None:
            return None
        priors = self.parameters(X, y)
        sums = _LeastSquares(self._design(X), np.asarray(y), np.asarray(weight))
        sigma: Any = priors["sigma"]
        data = (*normal_laws(priors), *sums.data, sigma.law.rate, sigma.lower)
        return linear_posterior, data

    def _unit(self, y: Array) -> tuple[float, float]:
        return float(y.mean()), size_or(float(y.std()), y)

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


class _LeastSquares:
    """Log-likelihood of a linear model by its distance from the one that fits best.

    Squared errors about the best fit and those of the best fit are added: no large
    numbers are subtracted.
    """

    def __init__(self, design: Design, y: Array, weight: Array) -> None:
        self._design, self._total = design, float(weight.sum())
        root = np.sqrt(weight)
        columns, target = (design.columns * root).T, y * root
        self._best = np.linalg.lstsq(columns, target, rcond=None)[0]
        error = target - columns @ self._best
        self._least = float(error @ error)
        self._factor = np.asarray(np.linalg.qr(columns, mode="r"))

    @property
    def data(self) -> tuple[Any, ...]:
        """What compiled code needs of it."""
        units = self._design.units
        return units, self._best, self._factor, self._least, self._total

    def __call__(self, params: Params) -> Closed:
        """Log-likelihoods (A,) and derivatives at parameters (A, *shape)."""
        design, sigma = self._design, np.asarray(params["sigma"])
        far = (design.lines(params) - self._best) @ self._factor.T
        squares = self._least + np.einsum("ij,ij->i", far, far)
        value, found = _normal(sigma, squares, self._total)
        slopes = -(far / sigma[:, None] @ self._factor) / sigma[:, None]
        return value, found | design.split(slopes)


def _normal(sigma: Array, squares: Array, total: float) -> Closed:
    """Log-likelihood of weighted sums of squared errors, and derivatives by sigma."""
    scores = squares / sigma / sigma
    value = -0.5 * scores - total * (np.log(sigma) + HALF_LOG_2_PI)
    return value, {"sigma": (scores - total) / sigma}
