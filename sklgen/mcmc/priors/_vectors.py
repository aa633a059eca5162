"""Laws of vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_triangular
from scipy.special import gammaln, log_softmax

from sklgen._special import HALF_LOG_2_PI
from sklgen._typing import Array
from sklgen.mcmc import _transform_vectors as transforms
from sklgen.mcmc._transform_numbers import Real
from sklgen.mcmc._transforms import Stacked as StackedTransform
from sklgen.mcmc._transforms import Transform, bounded_exp
from sklgen.mcmc.priors._base import Prior, settle
from sklgen.mcmc.priors._checks import (
    FINITE,
    POSITIVE,
    as_covariance,
    as_numbers,
    as_parameter,
    check_count,
)
from sklgen.mcmc.priors._kernels import draw_log_gamma


@dataclass(frozen=True, eq=False)
class Dirichlet(Prior):
    """Dirichlet law of shares, which are positive and sum up to one.

    Parameters
    ----------
    concentration : array-like of shape (..., n)
        One number for each share, which is as large on average as that number is next
        to the sum of all. Leading axes are those of independent vectors, such as the
        rows of a transition matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Dirichlet
    >>> prior = Dirichlet([2.0, 2.0, 4.0])
    >>> prior.value_and_gradient(np.array([[0.25, 0.25, 0.5]]))
    (array([1.88137163]), array([[4., 4., 6.]]))
    >>> prior.draw(1000, np.random.default_rng(0)).mean(axis=0).round(1)
    array([0.2, 0.2, 0.5])
    """

    concentration: ArrayLike
    _concentration: Array = field(init=False, repr=False)
    _powers: Array = field(init=False, repr=False)
    _log_constant: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        a = as_numbers("concentration", self.concentration, POSITIVE)
        if a.shape[-1:] < (1,):
            raise ValueError(
                "concentration must have one number for each share, a shape (..., n), "
                f"got the shape {a.shape}."
            )
        log_constants = gammaln(a.sum(axis=-1)) - gammaln(a).sum(axis=-1)
        settle(
            self,
            _concentration=a,
            _powers=a - 1.0,
            _log_constant=float(log_constants.sum()),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return self._concentration.shape

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        *stack, n = self.shape
        simplex = transforms.Simplex(n)
        return StackedTransform(simplex, tuple(stack)) if stack else simplex

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., ``*shape``)
            Shares.

        Returns
        -------
        log_density : ndarray of shape (...)
            Over all shares but the last.
        gradient : ndarray of shape (..., ``*shape``)
            Derivatives by each share, as if they were free.
        """
        powers = self._powers
        value = powers * np.log(x)
        axes = tuple(range(-powers.ndim, 0))
        return np.add.reduce(value, axis=axes) + self._log_constant, powers / x

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw shares.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        rng : Generator
            Source of randomness.

        Returns
        -------
        x : ndarray of shape (n_draws, ``*shape``)
            Draws.
        """
        size = (n_draws, *self.shape)
        logs = draw_log_gamma(self._concentration, size, rng)
        return bounded_exp(log_softmax(logs, axis=-1))


@dataclass(frozen=True, eq=False)
class MultivariateNormal(Prior):
    """Normal law of a vector, with correlations.

    Parameters
    ----------
    mean : float or array-like of shape (n,)
        Mean.
    covariance : array-like of shape (n, n)
        Covariance matrix.

    See Also
    --------
    Normal : Without correlations.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import MultivariateNormal
    >>> prior = MultivariateNormal(0.0, [[1.0, 0.5], [0.5, 1.0]])
    >>> prior.value_and_gradient(np.array([[1.0, 1.0]]))
    (array([-2.36...]), array([[-0.66666667, -0.66666667]]))
    """

    mean: ArrayLike
    covariance: ArrayLike
    _mean: Array = field(init=False, repr=False)
    _factor: Array = field(init=False, repr=False)
    _whiten: Array = field(init=False, repr=False)
    _log_constant: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _, factor = as_covariance("covariance", self.covariance)
        n = len(factor)
        log_root = np.log(np.diagonal(factor)).sum()
        settle(
            self,
            _mean=as_parameter("mean", self.mean, FINITE, (n,)),
            _factor=factor,
            _whiten=solve_triangular(factor, np.eye(n), lower=True),
            _log_constant=float(-log_root - n * HALF_LOG_2_PI),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return (len(self._factor),)

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return Real(self.shape)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., n)
            Vectors.

        Returns
        -------
        log_density : ndarray of shape (...)
            Of the vectors.
        gradient : ndarray of shape (..., n)
            Derivatives by each element.
        """
        z = (x - self._mean) @ self._whiten.T
        value = self._log_constant - 0.5 * np.add.reduce(z * z, axis=-1)
        return value, -(z @ self._whiten)

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw vectors.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        rng : Generator
            Source of randomness.

        Returns
        -------
        x : ndarray of shape (n_draws, n)
            Draws.
        """
        z = rng.standard_normal((n_draws, *self.shape))
        return np.asarray(self._mean + z @ self._factor.T)


@dataclass(frozen=True)
class UnitVector(Prior):
    """Uniform law of directions.

    Parameters
    ----------
    n : int
        Number of dimensions, at least two.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import UnitVector
    >>> x = UnitVector(3).draw(5, np.random.default_rng(0))
    >>> np.linalg.norm(x, axis=1)
    array([1., 1., 1., 1., 1.])
    """

    n: int

    def __post_init__(self) -> None:
        check_count("n", self.n, least=transforms.UnitVector.fewest)

    @cached_property
    def _log_area(self) -> float:
        half = 0.5 * self.n
        return float(np.log(2.0) + half * np.log(np.pi) - gammaln(half))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return (self.n,)

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return transforms.UnitVector(self.n)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., n)
            Vectors of length one.

        Returns
        -------
        log_density : ndarray of shape (...)
            Minus the log of the area of the sphere.
        gradient : ndarray of shape (..., n)
            Zeros.
        """
        return np.full(x.shape[:-1], -self._log_area), np.zeros(x.shape)

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw directions.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        rng : Generator
            Source of randomness.

        Returns
        -------
        x : ndarray of shape (n_draws, n)
            Draws.
        """
        z = rng.standard_normal((n_draws, self.n))
        return np.asarray(z / np.linalg.norm(z, axis=-1, keepdims=True))
