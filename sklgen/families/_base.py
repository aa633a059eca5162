"""What the engine asks of a family: K components at fixed parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array

# A component with a smaller share of the weight keeps its parameters.
EMPTY_SHARE = 1e-10

Allocate = Callable[[str, tuple[int, ...]], Array]
"""`allocate(name, shape)` gives an array to write into; its content is arbitrary."""


@dataclass(frozen=True)
class Prefixed:
    """Allocates under names of a part's own.

    Parameters
    ----------
    allocate : callable
        What allocates for all parts.
    prefix : str
        What the names of this part begin with.
    """

    allocate: Allocate
    prefix: str

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        return self.allocate(self.prefix + name, shape)


@dataclass(frozen=True)
class Additive:
    """Statistics that add up field by field and can be weighed by a number."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )

    def __mul__(self, factor: float) -> Self:
        return type(self)(*(getattr(self, f.name) * factor for f in fields(self)))


class DensityView(ABC):
    """Components made ready to give the densities of many blocks of rows."""

    @abstractmethod
    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> Any:
        """Write the log-density of each row of a block under each component.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows over all columns; NaN marks missing cells.
        allocate : callable
            `allocate(name, shape)` gives an array to write into, of any content.
        out : ndarray of shape (K, n)
            Array to write into: log-densities of the observed cells, in nats.

        Returns
        -------
        features : object
            Sufficient statistics of the rows, for `accumulate`: arrays of shape
            (p, n), features first. They are good until `allocate` serves the next
            block.
        """


class View(DensityView):
    """Components made ready for many blocks of rows, complete ones or ragged ones.

    For each block of rows: `evaluate`; once responsibilities are known, `accumulate`
    them into the arrays of `zeros`. `complete` turns the sums into the family's
    statistics over all columns, the expectation of what the missing cells would have
    added included.

    Notes
    -----
    With p features, a block of n rows takes O(n K p) operations: one matrix product
    for the log-densities and one for the sums.
    """

    @abstractmethod
    def zeros(self) -> Any:
        """Make the arrays to accumulate into.

        Returns
        -------
        sums : list
            Zeros, shaped as this view needs them.
        """

    @abstractmethod
    def accumulate(self, sums: Any, features: Any, responsibilities: Array) -> None:
        """Add the features of a block, weighed by responsibilities.

        Parameters
        ----------
        sums : list
            Arrays of `zeros`, added to in place.
        features : object
            What `evaluate` gave for the block.
        responsibilities : ndarray of shape (K, n)
            Share of each component in each row, times the weight of the row.
        """

    @abstractmethod
    def complete(self, sums: Any) -> Any:
        """Turn sums into the family's statistics over all columns.

        Parameters
        ----------
        sums : list
            Arrays of `zeros` to which all blocks have been added.

        Returns
        -------
        statistics : Additive
            Statistics about the parameters of the components. Those of different
            views add up.
        """


class Laws(ABC):
    """K laws over d columns at fixed parameters.

    Methods change nothing: they return new objects.
    """

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number K of components and d of columns."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Number p of sufficient statistics of a complete row."""

    @abstractmethod
    def view(self, *, complete: bool) -> DensityView:
        """The components, made ready for blocks of rows.

        Parameters
        ----------
        complete : bool
            Whether the rows have all their cells. In a block of other rows, those
            that miss the same cells should be adjacent.

        Returns
        -------
        view : DensityView
            What computes densities of blocks of rows.
        """

    @property
    def patterned(self) -> NDArray[np.intp]:
        """Columns of which a common pattern of missing cells saves work."""
        return np.arange(0)

    def pattern_view(self, observed: NDArray[np.bool_]) -> Any:
        """The components, made ready for rows that all miss the same cells.

        Parameters
        ----------
        observed : ndarray of shape (d,)
            Which cells of the columns `patterned` the rows have.

        Returns
        -------
        view : DensityView
            Where a common pattern saves no work, a view of rows that may differ.
        """
        return self.view(complete=bool(observed.all()))


class Components(Laws):
    """K laws over d columns that complete rows, and so draw them.

    Methods change nothing: they return new objects.
    """

    @abstractmethod
    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        """Mean of each row given its observed cells.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows; NaN marks missing cells.
        weights : ndarray of shape (K, n)
            Posterior probability of each component for each row; columns sum to one.

        Returns
        -------
        means : ndarray of shape (n, d)
            Conditional means, mixed by `weights`. Only those of missing cells have a
            meaning.
        """

    @abstractmethod
    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        """Draw each row from its component given its observed cells.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows; NaN marks missing cells.
        labels : ndarray of shape (n,)
            Component of each row, from 0 to K - 1.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        drawn : ndarray of shape (n, d)
            One draw a row. Only those of missing cells have a meaning.
        """


class Learner(Laws):
    """Laws that learn: K members of a family over d columns.

    Statistics are taken about the parameters they were computed under, which keeps
    them free of cancellation; `maximize` reads them the same way. A family with a
    prior maximises the posterior density: `log_prior` is what that adds to the
    log-likelihood.
    """

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Number of free parameters of all components."""

    @property
    @abstractmethod
    def log_prior(self) -> float:
        """Log-density of the prior at these parameters, up to a constant."""

    @abstractmethod
    def view(self, *, complete: bool) -> View:
        """The components, made ready for blocks of rows.

        Parameters
        ----------
        complete : bool
            Whether the rows have all their cells. In a block of other rows, those
            that miss the same cells should be adjacent.

        Returns
        -------
        view : View
            What computes densities and statistics of blocks of rows.
        """

    @abstractmethod
    def maximize(self, statistics: Any) -> Self:
        """The M-step: components of the highest expected log-posterior.

        A component without weight goes to the mode of its prior, or keeps its
        parameters where it has none.

        Parameters
        ----------
        statistics : Additive
            Statistics about the parameters of these components.

        Returns
        -------
        components : Components
            The components that maximise.
        """

    @abstractmethod
    def settle(self, weights: Array, data: Self) -> Self:
        """Fix what a run from here keeps constant.

        Parameters
        ----------
        weights : ndarray of shape (K,)
            Weights of the components, which sum to one.
        data : Components
            Equal components that describe the data as a whole.

        Returns
        -------
        components : Components
            The same components, as the start of a run.
        """

    @abstractmethod
    def recentre(self, statistics: Any, target: Self) -> Any:
        """The same statistics, about the parameters of other components.

        Parameters
        ----------
        statistics : Additive
            Statistics about the parameters of these components.
        target : Components
            Components of the same kind and shape.

        Returns
        -------
        statistics : Additive
            Statistics about the parameters of `target`.
        """

    @abstractmethod
    def pack(self) -> Array:
        """Free parameters as a vector in which straight lines stay valid.

        Returns
        -------
        vector : ndarray of shape (m,)
            Any real vector of this length stands for valid parameters. Entries are
            not finite where a parameter has no such form.
        """

    @abstractmethod
    def unpack(self, vector: Array) -> Self:
        """The components of a vector of free parameters: the inverse of `pack`.

        Parameters
        ----------
        vector : ndarray of shape (m,)
            Free parameters, in the order of `pack`.

        Returns
        -------
        components : Components
            Components with these parameters, moved to the nearest bound where they
            are beyond it.
        """


class Family(Learner, Components):
    """Components that learn, and complete rows with missing cells."""

    @abstractmethod
    def take(self, indices: NDArray[np.intp]) -> Self:
        """Make components of some of these.

        Parameters
        ----------
        indices : ndarray of int of shape (m,)
            Which ones, from 0 to K - 1, in any order; one may come more than once.

        Returns
        -------
        components : Family
            The m components. Parameters that components share stay shared.
        """


class WholeRowFamily(Learner):
    """Components that learn from rows with all their cells, and draw such rows."""

    @abstractmethod
    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Any:
        """Draw rows.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Component of each row, from 0 to K - 1.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        rows : ndarray or csr_array of shape (n, d)
            One draw a row.
        """
