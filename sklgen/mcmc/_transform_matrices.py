"""Maps of real vectors onto matrices of correlations and covariances.

Vectors have the free elements of the lower triangle, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._transform_vectors import OfLength
from sklgen.mcmc._transforms import beyond, bounded_exp

_NEAR = 1e-8
# Diagonals of Cholesky factors: their squares are ordinary numbers too, and what comes
# of the inverses of small matrices.
_LARGEST_LOG, LARGEST_LOG_OF_PRECISION = 340.0, 40.0


def _log_sech(u: Array) -> Array:
    distance = np.abs(u)
    return np.asarray(np.log(2.0) - distance - np.log1p(np.exp(-2.0 * distance)))


def _is_factor(L: Array) -> bool:
    diagonal = np.diagonal(L, axis1=-2, axis2=-1)
    upper = np.triu(L, 1)
    return bool(np.isfinite(L).all() and (diagonal > 0.0).all() and not upper.any())


class _Square(OfLength):
    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an x."""
        return (self.n, self.n)


@dataclass(frozen=True)
class CorrelationCholesky(_Square):
    """Cholesky factors of correlation matrices, by partial correlations tanh(u) [1]_.

    The Jacobian is that of the elements below the diagonal.

    Parameters
    ----------
    n : int
        Number of rows.

    References
    ----------
    .. [1] Lewandowski, D., Kurowicka, D. and Joe, H. (2009). Generating random
       correlation matrices based on vines and extended onion method. Journal of
       Multivariate Analysis, 100.
    """

    n: int
    support: ClassVar[str] = (
        "lower triangular with a positive diagonal and rows of length one"
    )

    @property
    def size(self) -> int:
        """Length of a u."""
        return self.n * (self.n - 1) // 2

    def _matrix(self, u: Array) -> Array:
        out = np.zeros((*u.shape[:-1], self.n, self.n))
        out[..., *np.tril_indices(self.n, -1)] = u
        return out

    def _vector(self, matrix: Array) -> Array:
        return np.asarray(matrix[..., *np.tril_indices(self.n, -1)])

    @property
    def _powers(self) -> Array:
        """Exponents of sech(u_ij) in the Jacobian."""
        i, j = np.tril_indices(self.n, -1)
        return np.asarray(i - j + 1.0)

    def _rest(self, matrix: Array) -> Array:
        """Length that is left for elements (i, j) by those to the left of them."""
        logs = _log_sech(matrix)
        return bounded_exp(np.cumsum(logs, axis=-1) - logs)

    def _factor(self, matrix: Array) -> Array:
        return np.tril((np.tanh(matrix) + np.eye(self.n)) * self._rest(matrix))

    def _forward(self, u: Array) -> tuple[Array, Array]:
        return self._factor(self._matrix(u)), _log_sech(u) @ self._powers

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        matrix = self._matrix(u)
        lower = np.tril(gradient)
        scaled = lower * self._factor(matrix)
        to_right = np.cumsum(scaled[..., ::-1], axis=-1)[..., ::-1] - scaled
        own = lower * self._rest(matrix) * np.exp(2.0 * _log_sech(matrix))
        by_element = self._vector(own - np.tanh(matrix) * to_right)
        return np.asarray(by_element - self._powers * np.tanh(u))

    def _supports(self, x: Array) -> bool:
        lengths = (x**2).sum(axis=-1)
        return _is_factor(x) and bool((np.abs(lengths - 1.0) < _NEAR).all())

    def _inverse(self, x: Array) -> Array:
        squares = x**2
        to_right = np.cumsum(squares[..., ::-1], axis=-1)[..., ::-1] - squares
        rest = np.sqrt(self._vector(to_right))
        return np.asarray(np.arcsinh(self._vector(x) / rest))


class _Triangular(_Square):
    """What has a lower triangle with a diagonal exp(u)."""

    _largest_log: ClassVar[float] = _LARGEST_LOG

    @property
    def size(self) -> int:
        """Length of a u."""
        return self.n * (self.n + 1) // 2

    def _diagonal(self, u: Array) -> Array:
        i = np.arange(self.n)
        return np.asarray(u[..., i * (i + 3) // 2])

    def _factor(self, u: Array) -> Array:
        L = np.zeros((*u.shape[:-1], self.n, self.n))
        L[..., *np.tril_indices(self.n)] = u
        i = np.arange(self.n)
        L[..., i, i] = bounded_exp(self._diagonal(u), self._largest_log)
        return L

    def _log_powers(self, u: Array, powers: Array) -> Array:
        """Sum of the logs of powers of the diagonal."""
        logs = self._diagonal(u)
        out = logs @ powers - (beyond(logs, self._largest_log) ** 2).sum(axis=-1)
        return np.asarray(out)

    def _of_factor(self, L: Array) -> Array:
        matrix = L.copy()
        i = np.arange(self.n)
        matrix[..., i, i] = np.log(L[..., i, i])
        return np.asarray(matrix[..., *np.tril_indices(self.n)])

    def _by_factor(self, gradient: Array, u: Array, powers: Array) -> Array:
        """Gradient in u, given that in L and powers of the diagonal besides."""
        by_element = gradient.copy()
        i, logs = np.arange(self.n), self._diagonal(u)
        slope = bounded_exp(logs, self._largest_log)
        bend = powers - 2.0 * beyond(logs, self._largest_log)
        by_element[..., i, i] = gradient[..., i, i] * slope + bend
        return np.asarray(by_element[..., *np.tril_indices(self.n)])


@dataclass(frozen=True)
class CovarianceCholesky(_Triangular):
    """Lower triangular matrices with a positive diagonal.

    Parameters
    ----------
    n : int
        Number of rows.
    """

    n: int
    support: ClassVar[str] = "lower triangular with a positive diagonal"

    def _forward(self, u: Array) -> tuple[Array, Array]:
        return self._factor(u), self._log_powers(u, np.ones(self.n))

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        return self._by_factor(gradient, u, np.ones(self.n))

    def _supports(self, x: Array) -> bool:
        return _is_factor(x)

    def _inverse(self, x: Array) -> Array:
        return self._of_factor(x)


@dataclass(frozen=True)
class Covariance(_Triangular):
    """Covariance matrices, by their Cholesky factors.

    The Jacobian is that of the elements of the lower triangle. Gradients are by all
    elements, as if they were free, which is what automatic differentiation gives.

    Parameters
    ----------
    n : int
        Number of rows.
    """

    n: int
    support: ClassVar[str] = "symmetric and positive definite"

    @property
    def _powers(self) -> Array:
        return np.asarray(self.n + 1.0 - np.arange(self.n))

    def _forward(self, u: Array) -> tuple[Array, Array]:
        L = self._factor(u)
        log_jacobian = self._log_powers(u, self._powers) + self.n * np.log(2.0)
        return L @ np.swapaxes(L, -1, -2), np.asarray(log_jacobian)

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        L = self._factor(u)
        by_factor = (gradient + np.swapaxes(gradient, -1, -2)) @ L
        return self._by_factor(by_factor, u, self._powers)

    def _supports(self, x: Array) -> bool:
        across = np.swapaxes(x, -1, -2)
        if not np.isfinite(x).all() or not np.allclose(x, across, rtol=_NEAR, atol=0.0):
            return False
        try:
            np.linalg.cholesky(x)
        except np.linalg.LinAlgError:
            return False
        return True

    def _inverse(self, x: Array) -> Array:
        return self._of_factor(np.asarray(np.linalg.cholesky(x)))


@dataclass(frozen=True, eq=False)
class CovarianceByPrecision(_Triangular):
    """Covariance matrices x with inverses F T T' F', by lower triangular T.

    Where x is the covariance of rows and F F' the inverse of their scatter, T is close
    to normal, and so are posteriors. The Jacobian and gradients are as those of
    `Covariance`.

    Parameters
    ----------
    n : int
        Number of rows.
    frame : ndarray of shape (n, n), default=None
        Lower triangular F, the identity by default.
    """

    n: int
    frame: Array | None = None
    support: ClassVar[str] = Covariance.support
    _largest_log: ClassVar[float] = LARGEST_LOG_OF_PRECISION

    @property
    def _powers(self) -> Array:
        return np.asarray(-self.n - 1.0 - np.arange(self.n))

    @property
    def _root(self) -> Array:
        return np.eye(self.n) if self.frame is None else self.frame

    def _inverse_root(self, u: Array) -> Array:
        """Matrix whose square is x."""
        return np.asarray(np.linalg.inv(self._factor(u)) @ np.linalg.inv(self._root))

    def _forward(self, u: Array) -> tuple[Array, Array]:
        inverse = self._inverse_root(u)
        volume = (self.n + 1.0) * np.log(np.diagonal(self._root)).sum()
        constant = self.n * np.log(2.0) - volume
        log_jacobian = self._log_powers(u, self._powers) + constant
        return np.swapaxes(inverse, -1, -2) @ inverse, np.asarray(log_jacobian)

    def _pull_back(self, gradient: Array, u: Array) -> Array:
        inverse = self._inverse_root(u)
        across = np.swapaxes(inverse, -1, -2)
        both = gradient + np.swapaxes(gradient, -1, -2)
        by_product = -across @ inverse @ both @ across
        return self._by_factor(self._root.T @ by_product, u, self._powers)

    def _supports(self, x: Array) -> bool:
        return Covariance(self.n)._supports(x)

    def _inverse(self, x: Array) -> Array:
        factor = np.linalg.cholesky(np.linalg.inv(x))
        return self._of_factor(np.asarray(np.linalg.solve(self._root, factor)))
