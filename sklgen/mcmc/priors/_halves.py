"""Laws of the absolute values of symmetric laws about zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from sklgen._typing import Array
from sklgen.mcmc.priors._checks import POSITIVE
from sklgen.mcmc.priors._elementwise import OnPositives
from sklgen.mcmc.priors._kernels import (
    LOG_2,
    normal_coefficient,
    normal_kernel,
    student_coefficients,
    student_kernel,
)


@dataclass(frozen=True, eq=False)
class HalfNormal(OnPositives):
    """Law of the absolute value of a normal number of mean zero.

    Parameters
    ----------
    scale : float or array-like, default=1.0
        Standard deviation of the normal number.
    shape : tuple of int, default=()
        Shape of the parameter; `scale` broadcasts to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import HalfNormal
    >>> HalfNormal(2.0).value_and_gradient(np.array([2.0, 4.0]))[1]
    array([-0.5, -1. ])
    """

    scale: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"scale": POSITIVE}

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        minus_precision, log_constant = normal_coefficient(*parameters)
        return (minus_precision,), log_constant + LOG_2

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        return normal_kernel(x, *coefficients)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        (scale,) = parameters
        return np.asarray(scale * np.abs(rng.standard_normal(size)))


@dataclass(frozen=True, eq=False)
class HalfStudentT(OnPositives):
    """Law of the absolute value of a Student number about zero [1]_.

    Parameters
    ----------
    df : float or array-like
        Degrees of freedom.
    scale : float or array-like, default=1.0
        Scale of the Student number.
    shape : tuple of int, default=()
        Shape of the parameter; the others broadcast to it.

    References
    ----------
    .. [1] Gelman, A. (2006). Prior distributions for variance parameters in
       hierarchical models. Bayesian Analysis, 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import HalfStudentT
    >>> HalfStudentT(3.0, 2.5).value_and_gradient(np.array([2.5, 5.0]))[1].round(3)
    array([-0.4  , -0.457])
    """

    df: ArrayLike
    scale: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"df": POSITIVE, "scale": POSITIVE}

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        coefficients, log_constant = student_coefficients(*parameters)
        return coefficients, log_constant + LOG_2

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        return student_kernel(x, *coefficients)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        df, scale = parameters
        return np.asarray(scale * np.abs(rng.standard_t(df, size)))


@dataclass(frozen=True, eq=False)
class HalfCauchy(OnPositives):
    """Law of the absolute value of a Cauchy number about zero.

    Parameters
    ----------
    scale : float or array-like, default=1.0
        Median.
    shape : tuple of int, default=()
        Shape of the parameter; `scale` broadcasts to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import HalfCauchy
    >>> HalfCauchy(2.0).value_and_gradient(np.array([2.0, 6.0]))[1]
    array([-0.5, -0.3])
    """

    scale: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"scale": POSITIVE}

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        coefficients, log_constant = student_coefficients(np.ones(()), *parameters)
        return coefficients, log_constant + LOG_2

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        return student_kernel(x, *coefficients)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        (scale,) = parameters
        return np.asarray(scale * np.abs(rng.standard_cauchy(size)))
