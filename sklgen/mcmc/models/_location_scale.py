"""What models of targets about a predictor share."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval

from sklgen._typing import Array
from sklgen.mcmc._model import Params
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._laws import Shifted
from sklgen.mcmc.models._predictor import LinearPredictorModel
from sklgen.mcmc.priors import Exponential, Prior

# Errors are at least this large, in units of the targets: with targets that are a
# linear function of the columns the posterior would else be improper.
_LEAST_ERROR = 1e-6
_CONSTANT = 1e-12


class LocationScaleModel(LinearPredictorModel):
    """Targets that are a linear predictor plus errors of one scale."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **LinearPredictorModel._parameter_constraints,
        "sigma_scale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        scale: float = 2.5,
        prior_df: float | None = None,
        intercept: bool = True,
        intercept_scale: float = 2.5,
        sigma_scale: float = 1.0,
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
        self.sigma_scale = sigma_scale

    @abstractmethod
    def _errors(
        self, params: Params, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Array:
        """Draws of errors of scale one."""

    @abstractmethod
    def _error_variance(self, params: Params) -> Array:
        """Variance (...) of errors of scale one."""

    def _check(self, y: Array) -> None:
        pass

    def _information(self, design: Design, y: Array, weight: Array) -> float:
        """One over the variance of what columns and groups leave of targets."""
        table = np.vstack([design.columns[design.first :], y])
        total = design.by_group(weight, 0)
        for row in table:
            row -= (design.by_group(weight * row, 0) / total)[design.codes]
        table *= np.sqrt(weight)
        line = np.linalg.lstsq(table[:-1].T, table[-1], rcond=None)[0]
        error = table[-1] - line @ table[:-1]
        free = weight.sum() - len(line) - len(total)
        least = (_LEAST_ERROR * size_or(float(y.std()), y)) ** 2
        return float(max(free, 1.0) / max(error @ error, least))

    def _own_priors(self, unit: float) -> dict[str, Prior]:
        law = Exponential(1.0 / (self.sigma_scale * unit))
        return {"sigma": Shifted(law, _LEAST_ERROR * unit)}

    def simulate(self, params: Params, X: Array, rng: np.random.Generator) -> Array:
        """Draw a target for each row.

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
        y : ndarray of shape (..., n_samples)
            Targets.
        """
        eta = self.predictor(params, X)
        scale = np.asarray(params["sigma"])[..., None]
        return np.asarray(eta + scale * self._errors(params, eta.shape, rng))

    def mean(self, params: Params, X: Array) -> Array:
        """Mean of the target of each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        mean : ndarray of shape (..., n_samples)
            The linear predictor.
        """
        return self.predictor(params, X)

    def variance(self, params: Params, X: Array) -> Array:
        """Variance of the target of each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        variance : ndarray of shape (..., n_samples)
            The same for all rows.
        """
        each = np.asarray(params["sigma"]) ** 2 * self._error_variance(params)
        return np.repeat(each[..., None], len(X), axis=-1)


def size_or(spread: float, y: Array) -> float:
    """Give the spread of targets, or a number of their size where they are constant."""
    size = float(np.abs(y).max(initial=0.0))
    return spread if spread > _CONSTANT * size else size or 1.0
