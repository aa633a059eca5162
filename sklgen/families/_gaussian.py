"""Gaussian components: what every covariance structure shares."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import EMPTY_SHARE, Additive, Family

LOG_2_PI = float(np.log(2.0 * np.pi))
# Beyond this ratio of squared distance from the centre to the smallest variance,
# moments about a common centre lose more than nine of sixteen digits.
CANCELLATION_LIMIT = 1e7
# Deviations within components are resolved down to this share of the data's.
RESOLUTION = 1e-10


@dataclass(frozen=True)
class Moments(Additive):
    """Weighted sums of 1, e and e e^T for e = x - mean of the component.

    Moments add up with `+` and can be multiplied by a number.

    Parameters
    ----------
    count : ndarray of shape (K,) or (K, d)
        Weight of each component, or of its observed cells in each column.
    first : ndarray of shape (K, d)
        Sums of e.
    second : ndarray of shape (K, d, d), (1, d, d) or (K, d)
        Sums of e e^T: one for each component, one over all of them, or the squares
        alone.
    """

    count: Array
    first: Array
    second: Array


@dataclass(frozen=True)
class Gaussian(Family):
    """Gaussian components; each structure of their covariances is a subclass.

    `scale` and `floor` bound covariances from below. `settle` sets `scale` to the
    deviations within the components of a start, at most those of the data and at least
    their `scale`, so that clusters far apart do not widen the bound. The M-step is the
    exact maximum of the likelihood among covariances C with C - floor * diag(scale**2)
    positive semi-definite, so that the bound cannot fall.

    Parameters
    ----------
    means : ndarray of shape (K, d)
        Mean of each component.
    covariances : ndarray of shape `stored_shape(K, d)`
        Covariances, with the leading axis kept where components share one.
    scale : ndarray of shape (d,)
        Positive unit of each column.
    floor : float
        Smallest eigenvalue of a covariance in these units.
    prior_count : float, default=0.0
        Rows that every covariance counts before the data, at one unit from the mean
        in each column: an inverse Wishart prior, whose mode the M-step takes.
    """

    means: Array
    covariances: Array
    scale: Array
    floor: float
    prior_count: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        return self.means.shape

    @abstractmethod
    def variances(self) -> Array:
        """Variance of each column under each component.

        Returns
        -------
        variances : ndarray of shape (K, d)
            The diagonals of the covariances.
        """

    @abstractmethod
    def conditional_moments(self, X: NDArray[Any]) -> tuple[Array, Array]:
        """Mean and variance of each cell given the observed cells of its row.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows; NaN marks missing cells.

        Returns
        -------
        means, variances : ndarray of shape (K, n, d) or (K, 1, d)
            Those of each component; the same for all rows if columns are independent.
            Only those of missing cells have a meaning.
        """

    @classmethod
    @abstractmethod
    def equal(cls, n: int, mean: Array, scale: Array, floor: float) -> Self:
        """Make equal components with independent columns.

        Parameters
        ----------
        n : int
            Number of components.
        mean : ndarray of shape (d,)
            Mean of each component.
        scale : ndarray of shape (d,)
            Deviation of each column. Columns that share a variance take the mean of
            theirs.
        floor : float
            Smallest eigenvalue of a covariance, once `settle` has found its unit; until
            then the unit is the finest that is resolved.

        Returns
        -------
        components : Gaussian
            Components that are all alike.
        """

    @classmethod
    @abstractmethod
    def independent(
        cls, means: Array, variances: Array, scale: Array, floor: float
    ) -> Self:
        """Make components with independent columns.

        Parameters
        ----------
        means : ndarray of shape (K, d)
            Mean of each component.
        variances : ndarray of shape (K, d)
            Variances, averaged over what shares one in this structure.
        scale : ndarray of shape (d,)
            Positive unit of each column.
        floor : float
            Smallest eigenvalue of a covariance in these units.

        Returns
        -------
        components : Gaussian
            Components with these means and variances.
        """

    @staticmethod
    @abstractmethod
    def stored_shape(n: int, d: int) -> tuple[int, ...]:
        """Shape of `covariances`.

        Parameters
        ----------
        n, d : int
            Number of components and of columns.

        Returns
        -------
        shape : tuple of int
            With a leading axis of length n, or 1 where components share a matrix.
        """

    @staticmethod
    @abstractmethod
    def public_shape(n: int, d: int) -> tuple[int, ...]:
        """Shape of scikit-learn's `covariances_` for the same structure.

        Parameters
        ----------
        n, d : int
            Number of components and of columns.

        Returns
        -------
        shape : tuple of int
            That of `stored_shape`, without axes of length 1 that the structure adds.
        """

    @staticmethod
    @abstractmethod
    def invert(precisions: Array) -> Array:
        """Invert precisions to covariances.

        Parameters
        ----------
        precisions : ndarray of shape `stored_shape(K, d)`
            Inverse covariances.

        Returns
        -------
        covariances : ndarray of shape `stored_shape(K, d)`
            Covariances.

        Raises
        ------
        numpy.linalg.LinAlgError
            If precisions are not positive (definite, where they are matrices).
        """

    @abstractmethod
    def precision_factors(self) -> tuple[Array, Array]:
        """Invert the covariances and factorise the inverses.

        Returns
        -------
        precisions : ndarray of shape `stored_shape(K, d)`
            Inverse covariances P.
        factors : ndarray of shape `stored_shape(K, d)`
            Factors W with W W^T = P: upper triangular, or square roots.
        """

    def take(self, indices: NDArray[np.intp]) -> Self:
        shared = self.stored_shape(2, 1)[0] == 1
        covariances = self.covariances if shared else self.covariances[indices]
        return replace(self, means=self.means[indices], covariances=covariances)

    def settle(self, weights: Array, data: Self) -> Self:
        within = weights @ self.variances()
        highest = data.variances()[0]
        return replace(self, scale=np.sqrt(np.clip(within, data.scale**2, highest)))

    def nonempty(self, count: Array) -> NDArray[np.bool_]:
        """Whether there is weight enough to learn from.

        Parameters
        ----------
        count : ndarray of shape (K,) or (K, d)
            Weights, as in `Moments`.

        Returns
        -------
        nonempty : ndarray of the shape of `count`
            True where the share of the whole sum is above 1e-10.
        """
        return np.asarray(count > EMPTY_SHARE * count.sum())


def common_frame(means: Array, variances: Array) -> tuple[Array, Array]:
    """Centre and scale, per column, of an even mixture of the components."""
    centre = means.mean(axis=0)
    scale = np.sqrt(variances.mean(axis=0) + means.var(axis=0))
    return centre, scale
