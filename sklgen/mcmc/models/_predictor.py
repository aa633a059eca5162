"""What models with linear predictors share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import Interval

from sklgen._typing import Array
from sklgen.mcmc._model import BayesianModel, Compiled, Likelihood, Params
from sklgen.mcmc._transforms import Coordinates, Joint
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._grouped import PartlyCentred
from sklgen.mcmc.models._laws import StudentColumns, ZeroSumNormal
from sklgen.mcmc.models._rows import RowLaw, RowLikelihood
from sklgen.mcmc.priors import HalfStudentT, Normal, Prior

# Columns that vary by less of their size are constant.
_CONSTANT = 1e-12
_GROUP_DF = 3.0


class LinearPredictorModel(BayesianModel):
    """A law of targets with a linear predictor, given rows.

    The intercept is the predictor at the means of the training columns.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "scale": [Interval(Real, 0, None, closed="neither")],
        "prior_df": [Interval(Real, 0, None, closed="neither"), None],
        "intercept": ["boolean"],
        "intercept_scale": [Interval(Real, 0, None, closed="neither")],
        "groups": [Interval(Integral, None, None, closed="neither"), None],
        "random_slopes": ["boolean"],
        "group_scale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        scale: float = 2.5,
        prior_df: float | None = None,
        intercept: bool = True,
        intercept_scale: float = 2.5,
        groups: int | None = None,
        random_slopes: bool = False,
        group_scale: float = 1.0,
    ) -> None:
        self.scale = scale
        self.prior_df = prior_df
        self.intercept = intercept
        self.intercept_scale = intercept_scale
        self.groups = groups
        self.random_slopes = random_slopes
        self.group_scale = group_scale

    @abstractmethod
    def _check(self, y: Array) -> None:
        """Raise an error for targets that the law does not have; may remember them."""

    @abstractmethod
    def _unit(self, y: Array) -> tuple[float, float]:
        """Centre of the intercept's law, and what is a large change of predictors."""

    @abstractmethod
    def _own_priors(self, unit: float) -> dict[str, Prior]:
        """Laws of the parameters that are not in the predictor."""

    @abstractmethod
    def _log_density(self, eta: Array, params: Params, y: Array) -> Array:
        """Log-densities (..., n) of targets, given predictors (..., *stack, n)."""

    @abstractmethod
    def _law(self, y: Array, weight: Array) -> RowLaw:
        """The law of targets for compiled code."""

    @abstractmethod
    def _information(self, design: Design, y: Array, weight: Array) -> float:
        """About the information in a row on its predictor."""

    def _whitened(
        self, priors: Mapping[str, Prior], design: Design, y: Array, weight: Array
    ) -> Coordinates | None:
        """Coordinates without groups, if there are better ones than the priors'."""
        return None

    def _compiled(
        self, priors: Mapping[str, Prior], design: Design, y: Array, weight: Array
    ) -> Compiled | None:
        """The log-posterior without groups as compiled code, if there is such."""
        return None

    @property
    def _stack(self) -> tuple[int, ...]:
        """() for one predictor a row, (K,) for K of them."""
        return ()

    def parameters(self, X: Array, y: Array) -> Mapping[str, Prior]:
        """Choose priors of the parameters; remember columns and groups.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training rows.
        y : ndarray of shape (n_samples,)
            Their targets.

        Returns
        -------
        priors : dict of str to Prior
            Law of each parameter.
        """
        self._validate_params()
        self._check(np.asarray(y))
        columns, codes = self._split(X)
        self.column_means_, self.column_scales_ = _location_and_scale(
            columns, centred=bool(self.intercept)
        )
        self.groups_ = None if codes is None else np.unique(codes)
        location, unit = self._unit(np.asarray(y))
        p = columns.shape[1]
        if not (self.intercept or p):
            raise ValueError(
                "A model without intercept needs a column that has a coefficient, got "
                f"X of shape {X.shape} and groups={self.groups}. Set intercept=True."
            )
        priors: dict[str, Prior] = {}
        if self.intercept:
            priors["intercept"] = self._normal(location, self.intercept_scale * unit)
        if p:
            scale = self.scale * unit / self.column_scales_
            coef = self._normal(0.0, scale, (p,))
            df = self.prior_df
            priors["coef"] = coef if df is None else StudentColumns(coef, df)
        if self.groups_ is not None:
            r = 1 + p * bool(self.random_slopes)
            units = np.append(1.0, self.column_scales_)[:r]
            scale = self.group_scale * unit / units
            priors["group_sd"] = HalfStudentT(_GROUP_DF, scale, shape=(r,))
            shape = (len(self.groups_) + 1, r)
            priors["group_effect"] = self._normal(0.0, 1.0, shape)
        priors |= self._own_priors(unit)
        return priors

    def log_likelihood(self, params: Params, X: Array, y: Array) -> Array:
        """Log-likelihood of each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : ndarray of shape (n_samples,)
            Their targets.

        Returns
        -------
        log_likelihood : ndarray of shape (..., n_samples)
            One number a row.
        """
        return self._log_density(self.predictor(params, X), params, np.asarray(y))

    def likelihood(self, X: Array, y: Array, weight: Array) -> Likelihood:
        """Log-likelihood of all rows, with its derivatives.

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
            From parameters (A, ``*shape``) to log-likelihoods (A,) and a dict of their
            derivatives.
        """
        law = self._law(np.asarray(y), np.asarray(weight))
        weight = np.ascontiguousarray(weight, dtype=np.float64)
        return RowLikelihood(self._design(X), law, weight)

    def coordinates(
        self, priors: Mapping[str, Prior], X: Array, y: Array, weight: Array
    ) -> Coordinates | None:
        """Map vectors that are about normal a posteriori onto the parameters.

        Parameters
        ----------
        priors : mapping of str to Prior
            Their laws.
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : ndarray of shape (n_samples,)
            Their targets.
        weight : ndarray of shape (n_samples,)
            Weight of each row.

        Returns
        -------
        coordinates : Coordinates or None
            None where those of the priors will do.
        """
        design = self._design(X)
        if self.groups is None:
            return self._whitened(priors, design, y, weight)
        if self._stack:
            return None
        joint = Joint({name: prior.transform for name, prior in priors.items()})
        per_row = self._information(design, np.asarray(y), weight)
        return PartlyCentred(joint, design, weight, per_row)

    def compiled(
        self, priors: Mapping[str, Any], X: Array, y: Array, weight: Array
    ) -> Compiled | None:
        """Give the log-posterior as compiled code, where that is faster.

        Parameters
        ----------
        priors : mapping of str to Prior
            Laws of the parameters.
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
        return self._compiled(priors, self._design(X), np.asarray(y), weight)

    def predictor(self, params: Params, X: Array) -> Array:
        """Linear predictor of each row.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (..., ``*shape``)
            Parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        eta : ndarray of shape (..., n_samples) or (..., n_classes, n_samples)
            With the effects of groups.
        """
        return self._design(X).predictor(params)

    def _normal(
        self, location: float, scale: Any, shape: tuple[int, ...] = ()
    ) -> Normal | ZeroSumNormal:
        """Normal law of a parameter, or of one for each of the predictors of a row."""
        if not self._stack:
            return Normal(location, scale, shape=shape)
        return ZeroSumNormal(scale, (*self._stack, *shape))

    def _split(self, X: Array) -> tuple[Array, Array | None]:
        """Columns that have coefficients, and that of the groups."""
        if self.groups is None:
            return X, None
        p = X.shape[1]
        if not -p <= self.groups < p:
            raise ValueError(
                f"groups must be the index of one of the {p} columns of X, from {-p} "
                f"to {p - 1}, got {self.groups}."
            )
        return np.delete(X, self.groups, axis=1), X[:, self.groups]

    def _design(self, X: Array) -> Design:
        if not hasattr(self, "column_means_"):
            raise NotFittedError(
                f"This {type(self).__name__} has seen no data yet: call "
                "parameters(X, y) first."
            )
        columns, codes = self._split(X)
        p = columns.shape[1]
        first = int(bool(self.intercept))
        standard = np.empty((first + p, len(X)))
        standard[:first] = 1.0
        np.subtract(columns.T, self.column_means_[:, None], out=standard[first:])
        standard[first:] /= self.column_scales_[:, None]
        return Design(
            standard,
            np.append(np.ones(first), self.column_scales_),
            bool(self.intercept),
            self._stack,
            None if codes is None else _ranks(codes, np.asarray(self.groups_)),
            0 if codes is None else 1 + p * bool(self.random_slopes),
        )


def closed_by(constant: float) -> Callable[[Params, Array], Any]:
    """Close a law whose one sum lacks a constant, and that has no parameters."""

    def close(params: Params, sums: Array) -> tuple[Array, dict[str, Array]]:
        return sums[:, 0] + constant, {}

    return close


def _location_and_scale(X: Array, *, centred: bool) -> tuple[Array, Array]:
    """Means (or zeros) of columns, and root mean squares of what differs from them.

    The scale of a constant column is its size, or one.
    """
    location = X.mean(axis=0) if centred else np.zeros(X.shape[1])
    size = np.abs(X).max(axis=0)
    # Squares of small and of large numbers are not in reach.
    unit = np.where(size > 0.0, size, 1.0)
    scale = unit * np.sqrt(np.mean(((X - location) / unit) ** 2, axis=0))
    return location, np.where(scale > _CONSTANT * size, scale, unit)


def _ranks(codes: Array, known: Array) -> Any:
    """Places of codes among those known, and their number for any other."""
    at = np.searchsorted(known, codes)
    found = known[np.minimum(at, len(known) - 1)] == codes
    return np.where(found, at, len(known)).astype(np.int64)
