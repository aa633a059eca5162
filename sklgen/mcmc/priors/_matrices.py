"""Laws of matrices of correlations and covariances."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, multigammaln

from sklgen._typing import Array
from sklgen.mcmc._transform_matrices import (
    CorrelationCholesky,
    Covariance,
    CovarianceByPrecision,
)
from sklgen.mcmc._transforms import Transform
from sklgen.mcmc.priors._base import Prior, settle
from sklgen.mcmc.priors._checks import (
    FINITE,
    POSITIVE,
    as_covariance,
    as_parameter,
    check_count,
)
from sklgen.mcmc.priors._kernels import LOG_2, SMALLEST


@dataclass(frozen=True, eq=False)
class LKJCholesky(Prior):
    """Law of Cholesky factors of correlation matrices [1]_.

    The correlation matrix R = L L' has a density proportional to
    det(R)^(concentration - 1). That of L is over its elements below the diagonal. Times
    standard deviations, L is a factor of a covariance matrix: scale[:, None] * L.

    Parameters
    ----------
    n : int
        Number of rows.
    concentration : float, default=1.0
        With one all correlation matrices are equally likely; the larger it is, the
        closer they are to the unit matrix.

    See Also
    --------
    InverseWishart : Of covariance matrices.

    References
    ----------
    .. [1] Lewandowski, D., Kurowicka, D. and Joe, H. (2009). Generating random
       correlation matrices based on vines and extended onion method. Journal of
       Multivariate Analysis, 100.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import LKJCholesky
    >>> L = LKJCholesky(3, 2.0).draw(1000, np.random.default_rng(0))
    >>> R = L @ np.swapaxes(L, 1, 2)
    >>> np.quantile(R[:, 1, 0], [0.25, 0.75]).round(1)
    array([-0.3,  0.3])
    """

    n: int
    concentration: float = 1.0

    def __post_init__(self) -> None:
        check_count("n", self.n)
        as_parameter("concentration", self.concentration, POSITIVE, ())

    @cached_property
    def _beta(self) -> Array:
        # The elements of row i below the diagonal, i of them, are a vector of uniform
        # direction. One less its squared length has the beta law of this and i / 2.
        below = np.arange(self.n - 2, -1, -1, dtype=np.float64)
        return self.concentration + 0.5 * below

    @cached_property
    def _powers(self) -> Array:
        powers = np.zeros(self.n)
        powers[1:] = 2.0 * (self._beta - 1.0)
        return powers

    @cached_property
    def _log_constant(self) -> float:
        half = 0.5 * np.arange(1, self.n)
        ratios = gammaln(half + self._beta) - gammaln(self._beta)
        return float((ratios - half * np.log(np.pi)).sum())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return (self.n, self.n)

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return CorrelationCholesky(self.n)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., n, n)
            Factors.

        Returns
        -------
        log_density : ndarray of shape (...)
            Over the elements below the diagonal.
        gradient : ndarray of shape (..., n, n)
            Derivatives by each element, as if they were free.
        """
        i = np.arange(self.n)
        diagonal = x[..., i, i]
        gradient = np.zeros(x.shape)
        gradient[..., i, i] = self._powers / diagonal
        return np.log(diagonal) @ self._powers + self._log_constant, gradient

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw factors.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        rng : Generator
            Source of randomness.

        Returns
        -------
        x : ndarray of shape (n_draws, n, n)
            Draws.
        """
        L = np.tril(rng.normal(size=(n_draws, self.n, self.n)), -1)
        L[:, 0, 0] = 1.0
        rest = rng.beta(self._beta, 0.5 * np.arange(1, self.n), (n_draws, self.n - 1))
        length = np.sqrt((L[:, 1:] ** 2).sum(axis=-1))
        L[:, 1:] *= (np.sqrt(1.0 - rest) / length)[..., None]
        i = np.arange(1, self.n)
        L[:, i, i] = np.sqrt(np.maximum(rest, SMALLEST))
        return L


class _OnCovariances(Prior):
    """A law of covariance matrices.

    Its density is a power of the determinant, times that of a trace with `scale`.
    """

    df: float
    scale: ArrayLike
    _df: float
    _factor: Array
    _log_constant: float
    # Sign of the power of the determinant of `scale` in the constant.
    _sign: ClassVar[float]

    def __post_init__(self) -> None:
        matrix, factor = as_covariance("scale", self.scale)
        n = len(matrix)
        df = float(as_parameter("df", self.df, FINITE, ()))
        if df <= n - 1:
            raise ValueError(
                f"df must be larger than {n - 1}, the number of rows of scale less "
                f"one, got {self.df!r}."
            )
        log_root = self._sign * np.log(np.diagonal(factor)).sum() - 0.5 * n * LOG_2
        settle(
            self,
            _df=df,
            _factor=factor,
            _log_constant=float(df * log_root - multigammaln(0.5 * df, n)),
        )

    @abstractmethod
    def _kernel(self, x: Array, inverse: Array, log_det: Array) -> tuple[Array, Array]:
        """Log-density, up to its constant, and its derivatives."""

    @abstractmethod
    def _root(self, bartlett: Array) -> Array:
        """Square roots of draws, from those of a Wishart law of unit scale."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return self._factor.shape

    @final
    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., n, n)
            Symmetric and positive definite matrices.

        Returns
        -------
        log_density : ndarray of shape (...)
            Over the elements of the lower triangle; -inf where a matrix is singular
            to rounding.
        gradient : ndarray of shape (..., n, n)
            Derivatives by each element, as if they were free.
        """
        sign, log_det = np.linalg.slogdet(x)
        regular = sign > 0.0
        if not regular.all():
            log_det = np.where(regular, log_det, 0.0)
            x = np.where(regular[..., None, None], x, np.eye(len(self._factor)))
        value, gradient = self._kernel(x, np.asarray(np.linalg.inv(x)), log_det)
        return np.where(regular, value + self._log_constant, -np.inf), gradient

    @final
    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw matrices.

        Parameters
        ----------
        n_draws : int
            Number of draws.
        rng : Generator
            Source of randomness.

        Returns
        -------
        x : ndarray of shape (n_draws, n, n)
            Draws.
        """
        i = np.arange(len(self._factor))
        bartlett = np.tril(rng.normal(size=(n_draws, *self.shape)), -1)
        squares = rng.chisquare(self._df - i, size=(n_draws, len(i)))
        bartlett[:, i, i] = np.sqrt(np.maximum(squares, SMALLEST))
        root = self._root(bartlett)
        return np.asarray(root @ np.swapaxes(root, -1, -2))


@dataclass(frozen=True, eq=False)
class Wishart(_OnCovariances):
    """Wishart law: of the scatter of `df` normal vectors of covariance `scale`.

    Its mean is df * scale.

    Parameters
    ----------
    df : float
        Degrees of freedom, more than n - 1.
    scale : array-like of shape (n, n)
        Covariance matrix of the vectors.

    See Also
    --------
    InverseWishart : Of inverse matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Wishart
    >>> prior = Wishart(5.0, [[0.2, 0.1], [0.1, 0.2]])
    >>> prior.draw(2000, np.random.default_rng(0)).mean(axis=0).round(1)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    df: float
    scale: ArrayLike
    _sign: ClassVar[float] = -1.0

    @cached_property
    def _minus_half_precision(self) -> Array:
        return np.asarray(-0.5 * np.linalg.inv(self._factor @ self._factor.T))

    def _kernel(self, x: Array, inverse: Array, log_det: Array) -> tuple[Array, Array]:
        power = 0.5 * (self._df - len(self._factor) - 1.0)
        slope = self._minus_half_precision
        value = power * log_det + (slope * x).sum(axis=(-2, -1))
        return value, power * inverse + slope

    def _root(self, bartlett: Array) -> Array:
        return np.asarray(self._factor @ bartlett)

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return Covariance(len(self._factor))


@dataclass(frozen=True, eq=False)
class InverseWishart(_OnCovariances):
    """Inverse Wishart law: of covariance matrices whose inverses have a Wishart law.

    Its mean, where `df` is larger than n + 1, is scale / (df - n - 1). It is conjugate
    to the covariance matrix of normal rows, but it links the variances, correlations
    and how uncertain they are: `LKJCholesky` with a law of the scales does not.

    Parameters
    ----------
    df : float
        Degrees of freedom, more than n - 1; as many rows the prior counts for.
    scale : array-like of shape (n, n)
        Scatter of those rows.

    See Also
    --------
    LKJCholesky : Of correlations, for laws of the scales of their own.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import InverseWishart
    >>> prior = InverseWishart(8.0, [[5.0, 2.5], [2.5, 5.0]])
    >>> prior.draw(2000, np.random.default_rng(0)).mean(axis=0).round(1)
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    df: float
    scale: ArrayLike
    _sign: ClassVar[float] = 1.0

    @cached_property
    def _scale(self) -> Array:
        return np.asarray(self._factor @ self._factor.T)

    def _kernel(self, x: Array, inverse: Array, log_det: Array) -> tuple[Array, Array]:
        power = -0.5 * (self._df + len(self._factor) + 1.0)
        value = power * log_det - 0.5 * (self._scale * inverse).sum(axis=(-2, -1))
        slope = 0.5 * inverse @ self._scale @ inverse
        return value, power * inverse + slope

    def _root(self, bartlett: Array) -> Array:
        return np.asarray(self._factor @ np.swapaxes(np.linalg.inv(bartlett), -1, -2))

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return CovarianceByPrecision(len(self._factor))
