"""Laws that are made of others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from sklgen._typing import Array
from sklgen.mcmc import _transforms as transforms
from sklgen.mcmc._transform_numbers import LowerBounded, Real
from sklgen.mcmc._transform_vectors import Ordered as OrderedTransform
from sklgen.mcmc._transforms import Transform
from sklgen.mcmc.priors._base import Prior
from sklgen.mcmc.priors._checks import check_shape
from sklgen.mcmc.priors._elementwise import Elementwise, identical


@dataclass(frozen=True, eq=False)
class Ordered(Prior):
    """Law of independent numbers of one law, put in increasing order.

    Where one of several values is called the first only by order, as the means of the
    components of a mixture are, or the bounds between ordered classes.

    Parameters
    ----------
    prior : Prior
        Law of n numbers, of the shape (n,), that is the same for each of them: a law of
        all numbers or of positive ones.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import Normal, Ordered
    >>> prior = Ordered(Normal(0.0, 5.0, shape=(4,)))
    >>> x = prior.draw(10, np.random.default_rng(0))
    >>> bool((np.diff(x, axis=1) > 0.0).all())
    True
    """

    prior: Prior

    def __post_init__(self) -> None:
        prior = self.prior
        if (
            not isinstance(prior, Elementwise)
            or len(prior.shape) != 1
            or prior.shape[0] < 1
        ):
            raise ValueError(
                "prior must be a law of independent numbers with a shape (n,), such as "
                f"Normal(shape=(n,)), got {prior!r}."
            )
        if not identical(prior):
            raise ValueError(
                "prior must be the same law for each number, with parameters that are "
                f"one number each, got {prior!r}."
            )
        if not isinstance(prior.transform, Real) and not self._positive:
            raise ValueError(
                "prior must be a law of all numbers, or of positive ones, got "
                f"{prior!r}."
            )

    @property
    def _positive(self) -> bool:
        transform = self.prior.transform
        return isinstance(transform, LowerBounded) and not np.any(transform.lower)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return self.prior.shape

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return OrderedTransform(self.shape[0], positive=self._positive)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., n)
            Increasing numbers.

        Returns
        -------
        log_density : ndarray of shape (...)
            That of numbers in any order, times the number of orders.
        gradient : ndarray of shape (..., n)
            Derivatives by each number.
        """
        value, gradient = self.prior.value_and_gradient(x)
        return value + self._log_orders, gradient

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw numbers and sort them.

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
        return np.sort(self.prior.draw(n_draws, rng), axis=-1)

    @cached_property
    def _log_orders(self) -> float:
        return float(gammaln(self.shape[0] + 1.0))


@dataclass(frozen=True, eq=False)
class Stacked(Prior):
    """Law of an array of independent vectors or matrices of one law.

    Laws of numbers have a `shape` of their own for that.

    Parameters
    ----------
    prior : Prior
        Law of each of them.
    stack : tuple of int
        Shape of the array: the parameter has the shape ``(*stack, *prior.shape)``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mcmc.priors import LKJCholesky, Stacked
    >>> prior = Stacked(LKJCholesky(3, 2.0), (5,))
    >>> prior.draw(10, np.random.default_rng(0)).shape
    (10, 5, 3, 3)
    """

    prior: Prior
    stack: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.prior, Prior):
            raise ValueError(
                f"prior must be a law of sklgen.mcmc.priors, got {self.prior!r}."
            )
        check_shape("stack", self.stack)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return self.stack + self.prior.shape

    @property
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""
        return transforms.Stacked(self.prior.transform, self.stack)

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., ``*shape``)
            Values within the support.

        Returns
        -------
        log_density : ndarray of shape (...)
            Sum over all of the array.
        gradient : ndarray of shape (..., ``*shape``)
            Derivatives by each element.
        """
        value, gradient = self.prior.value_and_gradient(x)
        axes = tuple(range(-len(self.stack), 0))
        return np.asarray(np.add.reduce(value, axis=axes)), gradient

    def draw(self, n_draws: int, rng: np.random.Generator) -> Array:
        """Draw values.

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
        n_all = n_draws * int(np.prod(self.stack, dtype=np.int64))
        return self.prior.draw(n_all, rng).reshape((n_draws, *self.shape))
