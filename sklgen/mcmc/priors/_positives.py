"""Laws of positive numbers that have a logarithm or a power in their density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from sklgen.families._base import Array
from sklgen.mcmc.priors._checks import POSITIVE
from sklgen.mcmc.priors._elementwise import OnPositives


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
        return np.asarray(rng.standard_gamma(a, size) / rate)
