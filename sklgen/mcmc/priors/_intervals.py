"""Laws of numbers between two bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from sklgen._typing import Array
from sklgen.mcmc._transform_numbers import Interval
from sklgen.mcmc._transforms import Transform
from sklgen.mcmc.priors._checks import FINITE, POSITIVE
from sklgen.mcmc.priors._elementwise import Elementwise
from sklgen.mcmc.priors._kernels import SMALLEST

_BELOW_ONE = np.nextafter(1.0, 0.0)


@dataclass(frozen=True, eq=False)
class Beta(Elementwise):
    """Beta law of a share, a number between zero and one.

    Parameters
    ----------
    alpha : float or array-like
        Concentration at one: the mean is alpha / (alpha + beta).
    beta : float or array-like
        Concentration at zero.
    shape : tuple of int, default=()
        Shape of the parameter; the others broadcast to it.

    See Also
    --------
    Dirichlet : Of shares that sum up to one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Beta
    >>> Beta(2.0, 3.0).value_and_gradient(np.array([0.2, 0.5]))[1]
    array([ 2.5, -2. ])
    """

    alpha: ArrayLike
    beta: ArrayLike
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"alpha": POSITIVE, "beta": POSITIVE}

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return Interval(0.0, 1.0, self.shape)

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        alpha, beta = parameters
        return (alpha - 1.0, beta - 1.0), -betaln(alpha, beta)

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        at_one, at_zero = coefficients
        value = at_one * np.log(x) + at_zero * np.log1p(-x)
        return value, at_one / x - at_zero / (1.0 - x)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        alpha, beta = parameters
        return np.clip(rng.beta(alpha, beta, size), SMALLEST, _BELOW_ONE)


@dataclass(frozen=True, eq=False)
class Uniform(Elementwise):
    """Uniform law between two bounds.

    Parameters
    ----------
    lower : float or array-like, default=0.0
        Lower bound.
    upper : float or array-like, default=1.0
        Upper bound.
    shape : tuple of int, default=()
        Shape of the parameter; the bounds broadcast to it.

    See Also
    --------
    Flat : With one bound or none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Uniform
    >>> Uniform(-1.0, 1.0).value_and_gradient(np.array([0.2, 0.5]))
    (array([-0.69314718, -0.69314718]), array([0., 0.]))
    """

    lower: ArrayLike = 0.0
    upper: ArrayLike = 1.0
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _kinds: ClassVar[Mapping[str, str]] = {"lower": FINITE, "upper": FINITE}

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        lower, upper = self._parameters
        return Interval(lower, upper, self.shape)

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        lower, upper = parameters
        if not np.all(lower < upper):
            raise ValueError(
                f"lower must be less than upper, got {self.lower!r} and {self.upper!r}."
            )
        return (), -np.log(upper - lower)

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        return np.zeros(x.shape), np.zeros(x.shape)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Array:
        lower, upper = parameters
        x = rng.uniform(lower, upper, size)
        # Rounding puts some on the bounds.
        return np.clip(x, np.nextafter(lower, upper), np.nextafter(upper, lower))
