"""What a prior is: a law of one parameter of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._transforms import Transform


class Prior(ABC):
    """A law of one parameter, which may be an array.

    Values have leading axes of any number, for chains and draws, and then the shape of
    the parameter.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""

    @property
    @abstractmethod
    def transform(self) -> Transform:
        """Map of vectors without bounds onto the support of the law."""

    @abstractmethod
    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """Log-density and its derivatives.

        Parameters
        ----------
        x : ndarray of shape (..., ``*shape``)
            Values within the support.

        Returns
        -------
        log_density : ndarray of shape (...)
            Sum over the elements of the parameter.
        gradient : ndarray of shape (..., ``*shape``)
            Derivatives by each element.
        """

    @abstractmethod
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


def settle(prior: Prior, **values: Any) -> None:
    """Store what follows from the arguments of a law, around the lock of dataclasses.

    Parameters
    ----------
    prior : Prior
        A frozen dataclass.
    **values
        Names of attributes, and what they are.
    """
    for name, value in values.items():
        object.__setattr__(prior, name, value)
