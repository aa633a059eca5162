"""The law that says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Never

import numpy as np
from numpy.typing import ArrayLike

from sklgen._typing import Array
from sklgen.mcmc._transform_numbers import LowerBounded, Real, UpperBounded
from sklgen.mcmc._transforms import Transform
from sklgen.mcmc.priors._base import settle
from sklgen.mcmc.priors._checks import FINITE, as_parameter
from sklgen.mcmc.priors._elementwise import Elementwise


@dataclass(frozen=True, eq=False)
class Flat(Elementwise):
    """Density one everywhere, or on one side of a bound.

    It is improper: it has no draws, and a posterior is proper only where the data make
    it so.

    Parameters
    ----------
    lower : float or array-like, default=None
        Lower bound, if any.
    upper : float or array-like, default=None
        Upper bound, if any. A law between two bounds is `Uniform`.
    shape : tuple of int, default=()
        Shape of the parameter; the bound broadcasts to it.

    See Also
    --------
    Uniform : Flat between two bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Flat
    >>> Flat(lower=0.0).value_and_gradient(np.array([1.0, 3.0]))
    (array([0., 0.]), array([0., 0.]))
    """

    lower: ArrayLike | None = None
    upper: ArrayLike | None = None
    shape: tuple[int, ...] = field(default=(), kw_only=True)
    _transform: Transform = field(init=False, repr=False)
    _kinds: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lower is not None and self.upper is not None:
            raise ValueError(
                f"Flat takes one bound, got lower={self.lower!r} and "
                f"upper={self.upper!r}; use Uniform(lower, upper)."
            )
        settle(self, _transform=self._map())

    def _map(self) -> Transform:
        if self.lower is not None:
            lower = as_parameter("lower", self.lower, FINITE, self.shape)
            return LowerBounded(lower, self.shape)
        if self.upper is not None:
            upper = as_parameter("upper", self.upper, FINITE, self.shape)
            return UpperBounded(upper, self.shape)
        return Real(self.shape)

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return self._transform

    def _prepare(self, *parameters: Array) -> tuple[tuple[Any, ...], Array]:
        return (), np.zeros(())

    def _kernel(self, x: Array, *coefficients: Any) -> tuple[Array, Array]:
        return np.zeros(x.shape), np.zeros(x.shape)

    def _elements(
        self, size: tuple[int, ...], rng: np.random.Generator, *parameters: Array
    ) -> Never:
        raise ValueError(
            "A flat prior is improper and cannot be drawn from; give the parameter a "
            "proper prior, such as Normal or HalfNormal with a large scale."
        )
