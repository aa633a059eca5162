"""What a Dirichlet process mixture expects of its components, from the data's scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklgen.em import Rows, run
from sklgen.families import Components, FullGaussian
from sklgen.families._base import Array
from sklgen.families._conjugate import Conjugate
from sklgen.families._conjugate_gaussian import NormalGamma, NormalWishart
from sklgen.mixture._gaussian import _check_range, column_moments
from sklgen.mixture._structure import Mixture

# Where the prior starts: rows that the expected mean is worth, and the share of the
# data's covariance that is expected within a component.
_MEAN_COUNT = 0.1
_WITHIN = 0.1
# Degrees of freedom beyond the number of columns of a matrix.
_EXTRA_DOF = 1.0
# Smallest eigenvalue of the data's covariance, in standardised columns.
_FLOOR = 1e-4
_COVARIANCE_TOL, _COVARIANCE_ITER = 1e-3, 50


@dataclass(frozen=True)
class GaussianPrior:
    """The prior of Gaussian components.

    Parameters
    ----------
    law : NormalWishart or NormalGamma
        One law.
    components : Components
        Components of this kind, which set the size of blocks.
    fixed : tuple of str
        Fields of the law that the user gave.
    """

    law: Conjugate
    components: Components
    fixed: tuple[str, ...]

    @classmethod
    def of(cls, estimator: Any, X: NDArray[Any], weight: Array, threads: int) -> Self:
        """The prior that the parameters of an estimator ask for."""
        _check_range(X)
        d = X.shape[1]
        full = estimator.covariance_type == "full"
        mean, scale = column_moments(X, weight, threads)
        data = _data_covariance(X, weight, mean, scale, threads) if full else scale**2
        centre = _given(estimator.mean_prior, "mean_prior", mean)
        covariance = _given(
            estimator.covariance_prior, "covariance_prior", _WITHIN * data
        )
        dof = estimator.degrees_of_freedom_prior
        least = d - 1 if full else 0
        if dof is None:
            dof = least + 1 + _EXTRA_DOF
        elif dof <= least:
            raise ValueError(
                f"degrees_of_freedom_prior must be above n_features - 1 = {least} for "
                f"covariance_type='full', got {dof}."
            )
        count = estimator.mean_precision_prior
        given = {"mean_count": count, "scatter": estimator.covariance_prior}
        count = _MEAN_COUNT if count is None else float(count)
        law: Conjugate
        _check_positive(covariance)
        if full:
            law = NormalWishart(
                centre[None], np.array([count]), np.array([dof]), dof * covariance[None]
            )
        else:
            law = NormalGamma(
                centre[None],
                np.full((1, d), count),
                np.full((1, d), float(dof)),
                dof * covariance[None],
            )
        fixed = tuple(name for name, value in given.items() if value is not None)
        return cls(law, law.predictive(), fixed)

    def tuned(self, laws: Any) -> Any:
        """The prior that fits posteriors best, as far as the user left it open.

        Parameters
        ----------
        laws : NormalWishart or NormalGamma
            Posteriors.

        Returns
        -------
        law : NormalWishart or NormalGamma
            One law.
        """
        kept = {name: getattr(self.law, name) for name in self.fixed}
        return replace(laws.tuned(self.law), **kept)

    @staticmethod
    def places(X: Array, weight: Array) -> Array:
        """Rows in which distances are meaningful: standardised, without missing cells.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows; NaN marks missing cells.
        weight : ndarray of shape (n,)
            Positive weights.

        Returns
        -------
        places : ndarray of shape (n, d)
            Rows, missing cells at the mean.
        """
        seen = weight[:, None] * ~np.isnan(X)
        total = np.maximum(seen.sum(axis=0), np.finfo(float).tiny)
        error = np.nan_to_num(X - np.nansum(X * seen, axis=0) / total)
        scale = np.sqrt((seen * error**2).sum(axis=0) / total)
        return np.asarray(error / np.where(scale > 0, scale, 1.0))


def _data_covariance(
    X: NDArray[Any], weight: Array, mean: Array, scale: Array, threads: int
) -> Array:
    """Most likely covariance of the data as one Gaussian."""
    one = FullGaussian.independent(mean[None], scale[None] ** 2, scale, _FLOOR)
    model = Mixture(np.ones(1), one)
    with Rows(X, weight, n_features=one.n_features, n_threads=threads) as rows:
        found = run(
            model,
            lambda model: rows.sum(model.e_step),
            tol=_COVARIANCE_TOL,
            max_iter=_COVARIANCE_ITER if np.isnan(X.sum()) else 1,
        )
    covariance: Array = found.model.components.covariances[0]
    return covariance


def _given(values: Any, name: str, default: Array) -> Array:
    """What the user gave, as float64 and of the shape of the default."""
    if values is None:
        return default
    array = check_array(values, dtype=np.float64, ensure_2d=False, input_name=name)
    if array.shape != default.shape:
        raise ValueError(
            f"{name} has shape {array.shape}, but n_features and covariance_type ask "
            f"for {default.shape}."
        )
    return np.array(array)


def _check_positive(covariance: Array) -> None:
    """Covariances must be positive, and matrices symmetric."""
    matrix = covariance if covariance.ndim == 2 else np.diag(covariance)
    positive = np.allclose(matrix, matrix.T)
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        positive = False
    if not positive:
        raise ValueError(
            "covariance_prior must be positive, or a symmetric and positive definite "
            "matrix for covariance_type='full'."
        )
