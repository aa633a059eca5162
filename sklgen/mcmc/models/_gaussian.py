"""Rows of a Gaussian law, with its mean and covariance unknown."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_scalar

from sklgen._typing import Array
from sklgen.mcmc._model import BayesianModel, Compiled, Params
from sklgen.mcmc._transform_matrices import CovarianceByPrecision
from sklgen.mcmc._transform_numbers import Affine
from sklgen.mcmc._transforms import Joint
from sklgen.mcmc.models._gaussian_kernels import log_posterior
from sklgen.mcmc.priors import InverseWishart, Normal

# Degrees of freedom beyond the number of columns: the covariance has a mean a priori,
# which is that of independent columns.
_EXTRA = 2.0


class GaussianModel(BayesianModel):
    """Rows of a Gaussian law: the default model of `PosteriorSampler`.

    The priors are weak and scaled to the data, so that results do not depend on the
    units of columns: the mean is about that of the rows, and the covariance matrix has
    an inverse Wishart law that knows as much as a few rows of independent columns do.

    Parameters
    ----------
    scale : float, default=10.0
        Standard deviation of the prior of the mean, in standard deviations of the
        columns.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.models import GaussianModel
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> list(GaussianModel().parameters(X, None))
    ['mean', 'covariance']
    """

    conditional: ClassVar[bool] = False

    def __init__(self, scale: float = 10.0) -> None:
        self.scale = scale

    def parameters(self, X: Array, y: Any = None) -> Mapping[str, Any]:
        """Choose priors of the parameters: "mean" (d,) and "covariance" (d, d).

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        priors : dict of str to Prior
            Their laws.
        """
        check_scalar(self.scale, "scale", Real, min_val=0, include_boundaries="neither")
        d = X.shape[1]
        spread = spread_of(X)
        return {
            "mean": Normal(X.mean(axis=0), self.scale * spread, shape=(d,)),
            "covariance": InverseWishart(d + _EXTRA, np.diag(spread**2)),
        }

    def coordinates(
        self, priors: Mapping[str, Any], X: Array, y: Any, weight: Array
    ) -> Joint:
        """Map vectors that are about standard normal a posteriori onto the parameters.

        Parameters
        ----------
        priors : mapping of str to Prior
            Their laws.
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.
        weight : ndarray of shape (n_samples,)
            Weight of each row.

        Returns
        -------
        coordinates : Joint
            The mean is in units of its standard error.
        """
        total = weight.sum()
        mean = weight @ X / total
        errors = (X - mean) * np.sqrt(weight)[:, None]
        scatter = errors.T @ errors + priors["covariance"].scale
        frame = np.linalg.cholesky(np.linalg.inv(scatter))
        place = Affine(mean, np.linalg.inv(frame).T / total)
        return Joint(
            {"mean": place, "covariance": CovarianceByPrecision(len(mean), frame)}
        )

    def log_likelihood(self, params: Params, X: Array, y: Any = None) -> Array:
        """Log-density of each row.

        Parameters
        ----------
        params : mapping of str to ndarray
            "mean" (..., d) and "covariance" (..., d, d).
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        log_density : ndarray of shape (..., n_samples)
            Normalised.
        """
        mean, covariance = np.asarray(params["mean"]), np.asarray(params["covariance"])
        *lead, d = mean.shape
        centre = X.mean(axis=0)
        factor = np.linalg.cholesky(covariance.reshape(-1, d, d))
        whiten = np.linalg.inv(factor)
        shift = whiten @ (mean.reshape(-1, d, 1) - centre[:, None])
        scores = (whiten.reshape(-1, d) @ (X - centre).T).reshape(len(whiten), d, -1)
        scores -= shift
        out: Array = np.einsum("sdn,sdn->sn", scores, scores)
        out *= -0.5
        diagonal = np.diagonal(factor, axis1=1, axis2=2)
        out -= (np.log(diagonal).sum(axis=1) + 0.5 * d * np.log(2 * np.pi))[:, None]
        return out.reshape(*lead, len(X))

    def compiled(
        self, priors: Mapping[str, Any], X: Array, y: Any, weight: Array
    ) -> Compiled:
        """Give the log-posterior as compiled code, with the sums that it needs.

        Parameters
        ----------
        priors : mapping of str to Prior
            Laws of the parameters.
        X : ndarray of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.
        weight : ndarray of shape (n_samples,)
            Weight of each row.

        Returns
        -------
        log_density, data
            A function of vectors without bounds, their gradient and the data.
        """
        places: Any = self.coordinates(priors, X, y, weight).parts
        frame, place = places["covariance"].frame, places["mean"]
        total = weight.sum()
        errors = (X - place.location) * np.sqrt(weight)[:, None]
        scatter = errors.T @ errors + priors["covariance"].scale
        return log_posterior, (
            float(total),
            float(1.0 / total),
            frame.T @ scatter @ frame,
            float(total + priors["covariance"].df),
            place.location - priors["mean"].loc,
            place.factor,
            1.0 / np.asarray(priors["mean"].scale) ** 2,
        )

    def simulate(self, params: Params, X: None, rng: np.random.Generator) -> Array:
        """Draw one row for each draw of the parameters.

        Parameters
        ----------
        params : mapping of str to ndarray
            "mean" (S, d) and "covariance" (S, d, d).
        X : None
            Ignored.
        rng : Generator
            Source of randomness.

        Returns
        -------
        rows : ndarray of shape (S, d)
            New rows.
        """
        factor = np.linalg.cholesky(params["covariance"])
        noise = rng.standard_normal(params["mean"].shape)
        rows: Array = params["mean"] + np.einsum("sij,sj->si", factor, noise)
        return rows


def spread_of(X: Array) -> Array:
    """Standard deviation of each column; of a constant one, a millionth of its size.

    One row tells of no spread: it is the size of its numbers then.
    """
    spread = X.std(axis=0)
    size = np.abs(X).max(axis=0)
    flat = spread <= 1e-12 * size
    unit = size if len(X) == 1 else 1e-6 * size
    return np.where(flat, np.where(size > 0, unit, 1.0), spread)
