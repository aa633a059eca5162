"""Laws of numbers without bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from sklgen._typing import Array
from sklgen.mcmc.priors._checks import FINITE, POSITIVE
from sklgen.mcmc.priors._elementwise import OnReals
from sklgen.mcmc.priors._kernels import (
    normal_coefficient,
    normal_kernel,
    student_coefficients,
    student_kernel,
)


@dataclass(frozen=True, eq=False)
class Normal(OnReals):
    """Normal law.

    Parameters
    ----------
    loc : float or array-like, default=0.0
        Mean.
    scale : float or array-like, default=1.0
        Standard deviation.
    shape : tuple of int, default=()
        Shape of the parameter; `loc` and `scale` broadcast to it.

    See Also
    --------
    MultivariateNormal : With correlations.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Normal
    >>> prior = Normal(0.0, 2.0, shape=(3,))
    >>> log_density, gradient = prior.value_and_gradient(np.array([1.0, 2.0, -4.0]))
    >>> gradient
    array([-0.25, -0.5 ,  1.  ])
    >>> prior.draw(5, np.random.default_rng(0)).shape
    (5, 3)
    """

    loc: ArrayLike = 0.0
    scale: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"loc": FINITE, "scale": POSITIVE}

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        loc, scale = parameters
        minus_precision, log_constant = normal_coefficient(scale)
        return (loc, minus_precision), log_constant

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        loc, minus_precision = coefficients
        return normal_kernel(x - loc, minus_precision)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        loc, scale = parameters
        return rng.normal(loc, scale, size)


@dataclass(frozen=True, eq=False)
class StudentT(OnReals):
    """Student's law, with tails heavier than normal ones.

    Parameters
    ----------
    df : float or array-like
        Degrees of freedom.
    loc : float or array-like, default=0.0
        Centre.
    scale : float or array-like, default=1.0
        Scale; the standard deviation is larger, or infinite.
    shape : tuple of int, default=()
        Shape of the parameter; the others broadcast to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import StudentT
    >>> prior = StudentT(3.0, scale=2.5)
    >>> prior.value_and_gradient(np.array([-2.5, 5.0]))[1]
    array([ 0.4       , -0.45714286])
    """

    df: ArrayLike
    loc: ArrayLike = 0.0
    scale: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {
        "df": POSITIVE,
        "loc": FINITE,
        "scale": POSITIVE,
    }

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        df, loc, scale = parameters
        coefficients, log_constant = student_coefficients(df, scale)
        return (loc, *coefficients), log_constant

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        loc, *others = coefficients
        return student_kernel(x - loc, *others)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        df, loc, scale = parameters
        return np.asarray(loc + scale * rng.standard_t(df, size))


@dataclass(frozen=True, eq=False)
class Cauchy(OnReals):
    """Cauchy law: Student's with one degree of freedom, which has no mean.

    Parameters
    ----------
    loc : float or array-like, default=0.0
        Median.
    scale : float or array-like, default=1.0
        Half of the distance between the quartiles.
    shape : tuple of int, default=()
        Shape of the parameter; `loc` and `scale` broadcast to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Cauchy
    >>> Cauchy(scale=2.0).value_and_gradient(np.array([-2.0, 6.0]))[1]
    array([ 0.5, -0.3])
    """

    loc: ArrayLike = 0.0
    scale: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"loc": FINITE, "scale": POSITIVE}

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        loc, scale = parameters
        coefficients, log_constant = student_coefficients(np.ones(()), scale)
        return (loc, *coefficients), log_constant

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        loc, *others = coefficients
        return student_kernel(x - loc, *others)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        loc, scale = parameters
        return np.asarray(loc + scale * rng.standard_cauchy(size))


@dataclass(frozen=True, eq=False)
class Laplace(OnReals):
    """Laplace law: the prior behind the lasso [1]_.

    Parameters
    ----------
    loc : float or array-like, default=0.0
        Mean.
    scale : float or array-like, default=1.0
        Mean of the absolute deviations.
    shape : tuple of int, default=()
        Shape of the parameter; `loc` and `scale` broadcast to it.

    References
    ----------
    .. [1] Park, T. and Casella, G. (2008). The Bayesian lasso. Journal of the American
       Statistical Association, 103.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Laplace
    >>> Laplace(scale=2.0).value_and_gradient(np.array([-2.0, 6.0]))[1]
    array([ 0.5, -0.5])
    """

    loc: ArrayLike = 0.0
    scale: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"loc": FINITE, "scale": POSITIVE}

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        loc, scale = parameters
        return (loc, -1.0 / scale), -np.log(2.0 * scale)

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        loc, slope = coefficients
        error = x - loc
        return slope * np.abs(error), slope * np.sign(error)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        loc, scale = parameters
        return rng.laplace(loc, scale, size)
