"""Laws of positive numbers that have a logarithm or a power in their density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from sklgen._typing import Array
from sklgen.mcmc._transforms import bounded_exp
from sklgen.mcmc.priors._checks import FINITE, POSITIVE
from sklgen.mcmc.priors._elementwise import OnPositives
from sklgen.mcmc.priors._kernels import (
    draw_log_gamma,
    normal_coefficient,
    normal_kernel,
)


@dataclass(frozen=True, eq=False)
class Exponential(OnPositives):
    """Exponential law.

    Parameters
    ----------
    rate : float or array-like, default=1.0
        One over the mean.
    shape : tuple of int, default=()
        Shape of the parameter; `rate` broadcasts to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Exponential
    >>> Exponential(0.5).value_and_gradient(np.array([1.0, 3.0]))[1]
    array([-0.5, -0.5])
    """

    rate: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"rate": POSITIVE}

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        (rate,) = parameters
        return (-rate,), np.log(rate)

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        (slope,) = coefficients
        return slope * x, np.full(x.shape, slope)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        (rate,) = parameters
        return np.asarray(rng.standard_exponential(size) / rate)


@dataclass(frozen=True, eq=False)
class Gamma(OnPositives):
    """Gamma law.

    Parameters
    ----------
    concentration : float or array-like
        Shape of the law: its mean is concentration / rate.
    rate : float or array-like, default=1.0
        One over its scale.
    shape : tuple of int, default=()
        Shape of the parameter; the others broadcast to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Gamma
    >>> Gamma(2.0, 0.5).value_and_gradient(np.array([1.0, 2.0]))[1]
    array([0.5, 0. ])
    """

    concentration: ArrayLike
    rate: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {
        "concentration": POSITIVE,
        "rate": POSITIVE,
    }

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        a, rate = parameters
        return (a - 1.0, rate), a * np.log(rate) - gammaln(a)

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        power, rate = coefficients
        return power * np.log(x) - rate * x, power / x - rate

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        a, rate = parameters
        return bounded_exp(draw_log_gamma(a, size, rng) - np.log(rate))


@dataclass(frozen=True, eq=False)
class InverseGamma(OnPositives):
    """Law of one over a gamma number: conjugate to variances of normal numbers.

    Parameters
    ----------
    concentration : float or array-like
        Shape of the law.
    rate : float or array-like, default=1.0
        Rate of the gamma number: the mean, where `concentration` is larger than one,
        is rate / (concentration - 1).
    shape : tuple of int, default=()
        Shape of the parameter; the others broadcast to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import InverseGamma
    >>> InverseGamma(1.0, 4.0).value_and_gradient(np.array([1.0, 2.0]))[1]
    array([2., 0.])
    """

    concentration: ArrayLike
    rate: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {
        "concentration": POSITIVE,
        "rate": POSITIVE,
    }

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        a, rate = parameters
        return (a + 1.0, rate), a * np.log(rate) - gammaln(a)

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        power, rate = coefficients
        ratio = rate / x
        return -power * np.log(x) - ratio, (ratio - power) / x

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        a, rate = parameters
        return bounded_exp(np.log(rate) - draw_log_gamma(a, size, rng))


@dataclass(frozen=True, eq=False)
class LogNormal(OnPositives):
    """Law of numbers whose logarithms are normal.

    Parameters
    ----------
    loc : float or array-like, default=0.0
        Mean of the logarithm.
    scale : float or array-like, default=1.0
        Standard deviation of the logarithm.
    shape : tuple of int, default=()
        Shape of the parameter; `loc` and `scale` broadcast to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import LogNormal
    >>> LogNormal().value_and_gradient(np.array([1.0, np.e]))[1].round(3)
    array([-1.   , -0.736])
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
        logs = np.log(x)
        value, slope = normal_kernel(logs - loc, minus_precision)
        return value - logs, (slope - 1.0) / x

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        loc, scale = parameters
        return bounded_exp(rng.normal(loc, scale, size))
