"""Conjugate laws over the parameters of components, for variational inference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import Laws


@dataclass(frozen=True)
class Conjugate(ABC):
    """K laws over the parameters of an exponential family, conjugate to it.

    A law is worth pseudo-observations: a posterior is the prior plus the statistics
    of the rows. The prior is one such law, and is handed to the methods that need it.
    All fields that are arrays have a leading axis of length K.
    """

    def __len__(self) -> int:
        return len(next(iter(self._arrays.values())))

    @property
    def _arrays(self) -> dict[str, Array]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            k: value for k, value in values.items() if isinstance(value, np.ndarray)
        }

    def take(self, index: NDArray[Any]) -> Self:
        """Choose laws.

        Parameters
        ----------
        index : ndarray
            Indices or a mask of laws.

        Returns
        -------
        laws : Conjugate
            The laws chosen, in this order.
        """
        chosen = {name: array[index] for name, array in self._arrays.items()}
        return replace(self, **chosen)

    def join(self, other: Self) -> Self:
        """Put the laws of two objects side by side.

        Parameters
        ----------
        other : Conjugate
            Laws of the same kind.

        Returns
        -------
        laws : Conjugate
            These laws, then the others.
        """
        joined = {
            name: np.concatenate([array, getattr(other, name)])
            for name, array in self._arrays.items()
        }
        return replace(self, **joined)

    @abstractmethod
    def posterior(self, components: Any, statistics: Any) -> Self:
        """Learn from rows. This object is the prior, one law.

        Parameters
        ----------
        components : Components
            The K expected components about which the statistics were taken.
        statistics : Additive
            Statistics of the rows of each component.

        Returns
        -------
        laws : Conjugate
            The K posteriors.
        """

    @abstractmethod
    def expected(self) -> tuple[Any, Array | float]:
        """Find the components that stand for the expected log-density.

        Returns
        -------
        components : object
            What has the `view` of a `Family`, and its statistics.
        offset : ndarray of shape (K,) or float
            What to add to their log-densities to have the expectations, under these
            laws, of the log-density of a row.
        """

    @abstractmethod
    def divergence(self, prior: Self) -> Array:
        """Kullback-Leibler divergence of each law from the prior.

        Parameters
        ----------
        prior : Conjugate
            One law.

        Returns
        -------
        divergence : ndarray of shape (K,)
            In nats; zero where a law is the prior.
        """

    @abstractmethod
    def log_normalizer(self) -> Array:
        """Log of the integral of the pseudo-observations' likelihood.

        Returns
        -------
        log_normalizer : ndarray of shape (K,)
            That of a posterior less that of the prior is the log-evidence of its rows,
            up to terms that are linear in their statistics.
        """

    def pooled(self, prior: Self, others: Self) -> Self:
        """Put the rows of two laws together, law by law.

        Parameters
        ----------
        prior : Conjugate
            One law, which both have as prior.
        others : Conjugate
            As many laws as these.

        Returns
        -------
        laws : Conjugate
            Posteriors of the rows of both.
        """
        return self.weighted([(-1.0, prior), (1.0, self), (1.0, others)])

    def repeated(self, prior: Self, factor: float) -> Self:
        """Weigh the rows that the laws have learned from.

        Parameters
        ----------
        prior : Conjugate
            One law.
        factor : float
            Positive weight of the rows.

        Returns
        -------
        laws : Conjugate
            Posteriors of the rows with this weight.
        """
        return self.weighted([(1.0 - factor, prior), (factor, self)])

    @classmethod
    @abstractmethod
    def weighted(cls, terms: list[tuple[float, Self]]) -> Self:
        """Add up the pseudo-observations of laws, law by law.

        Parameters
        ----------
        terms : list of (float, Conjugate)
            Weights, which sum to one, and as many laws each, or one for all.

        Returns
        -------
        laws : Conjugate
            The laws of what results.
        """

    @abstractmethod
    def tuned(self, prior: Self) -> Self:
        """Fit the prior to these laws: one step of empirical Bayes.

        Parameters
        ----------
        prior : Conjugate
            One law, the prior so far.

        Returns
        -------
        prior : Conjugate
            The prior of the same shape under which these laws have the highest bound,
            or near it where that is out of bounds.
        """

    @abstractmethod
    def predictive(self) -> Laws:
        """Integrate over the parameters.

        Returns
        -------
        components : Laws
            The law of a new row under each law of the parameters.
        """

    @abstractmethod
    def pack(self, prior: Self) -> Array:
        """Parameters as a vector in which straight lines stay valid.

        Parameters
        ----------
        prior : Conjugate
            One law, which sets the units.

        Returns
        -------
        vector : ndarray of shape (m,)
            Any real vector of this length stands for K valid laws.
        """

    @abstractmethod
    def unpack(self, prior: Self, vector: Array) -> Self:
        """The laws of a vector: the inverse of `pack`.

        Parameters
        ----------
        prior : Conjugate
            One law, which sets the units.
        vector : ndarray of shape (m,)
            Parameters, in the order of `pack`.

        Returns
        -------
        laws : Conjugate
            Laws with these parameters.
        """


def total(terms: Iterable[Array]) -> Array:
    """Sum of arrays that broadcast."""
    return reduce(np.add, terms)
