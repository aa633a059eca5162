"""Families of independent columns: each cell follows a law of one variable."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.families._base import Additive, Family, View

# Pseudo-cells that the prior of each component is worth in each column.
STRENGTH = 1e-3


@dataclass(frozen=True)
class ColumnFamily(Family):
    """Components with independent columns, all of one kind of law.

    How a fit starts: one E-step of `standard(d)` on all rows, each of weight one, gives
    statistics; `equal` makes of them components that describe the data as a whole, with
    a weak prior centred there. It is the same for every family.
    """

    support: ClassVar[str]
    """What a cell may be, and what to do with others: the end of an error message."""

    @classmethod
    @abstractmethod
    def standard(cls, d: int) -> Self:
        """Make the component under which statistics of the data are taken first.

        Parameters
        ----------
        d : int
            Number of columns.

        Returns
        -------
        components : ColumnFamily
            One component without a prior.
        """

    @abstractmethod
    def equal(self, n: int, statistics: Any, strength: float = STRENGTH) -> Self:
        """Make equal components that describe the data as a whole.

        Parameters
        ----------
        n : int
            Number of components.
        statistics : Additive
            Statistics of all rows under this one component.
        strength : float, default=1e-3
            Number of cells that the prior is worth in each component and column. They
            are distributed as the data.

        Returns
        -------
        components : ColumnFamily
            Components that are all alike. Those of a column without any observed cell
            stay as they are here.
        """

    @staticmethod
    @abstractmethod
    def supports(cells: Array) -> NDArray[np.bool_]:
        """Tell which cells can be observed at all.

        Parameters
        ----------
        cells : ndarray
            Finite numbers.

        Returns
        -------
        supported : ndarray of bool
            Whether each cell lies in the support of the family.
        """

    @property
    @abstractmethod
    def moments(self) -> Array:
        """Expectations, of shape (m, K, d), from which `location` finds a mean."""

    @staticmethod
    @abstractmethod
    def location(moments: Array) -> Array:
        """Find the cells that stand for mixtures of components.

        Parameters
        ----------
        moments : ndarray of shape (m, ...)
            `moments` of components, mixed.

        Returns
        -------
        cells : ndarray
            Means, or mean directions of angles.
        """

    @abstractmethod
    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        """Draw whole rows.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Component of each row, from 0 to K - 1.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        rows : ndarray of shape (n, d)
            One draw a row.
        """

    @property
    def n_parameters(self) -> int:
        return self.pack().size

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        return self.location(weights.T @ self.moments)

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        return self.draw(labels, rng)

    @classmethod
    def check_support(cls, X: NDArray[Any], names: Sequence[Any]) -> None:
        """Check that rows can be observed.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows; NaN marks missing cells.
        names : sequence of length d
            Names of the columns, for the message.

        Raises
        ------
        ValueError
            If an observed cell is outside the support of the family.
        """
        with np.errstate(invalid="ignore"):
            wrong = ~(np.isnan(X) | (cls.supports(X) & np.isfinite(X)))
        if wrong.any():
            j = int(np.flatnonzero(wrong.any(axis=0))[0])
            i = int(np.flatnonzero(wrong[:, j])[0])
            name = np.asarray(names)[j : j + 1].tolist()[0]
            raise ValueError(
                f"Column {name!r} of X has {int(wrong[:, j].sum())} cell(s) that "
                f"{cls.__name__} cannot have, the first in row {i}: {X[i, j]}. "
                f"Allowed are {cls.support}"
            )


@dataclass(frozen=True)
class ColumnStatistics(Additive):
    """Weighted sums over the observed cells of each column.

    Parameters
    ----------
    count : ndarray of shape (K, d)
        Weight of the observed cells.
    sums : ndarray of shape (m, K, d)
        Sums of the m sufficient statistics.
    """

    count: Array
    sums: Array


@dataclass(frozen=True)
class ConjugateColumns(ColumnFamily):
    """Independent columns with a conjugate prior.

    The log-density of a cell is its base, which no parameter changes, + the sum of
    `natural` times its m sufficient statistics - `log_normalizer`. The prior counts as
    `count` cells with the given sums of statistics, seen by each component before the
    data. A missing cell adds nothing to any sum. The fields but `prior` are the
    parameters, each of shape (K, d).

    Parameters
    ----------
    prior : ColumnStatistics
        Pseudo-observations, with `count` of shape (1, d) and `sums` of shape (m, 1, d).
    """

    prior: ColumnStatistics = field(kw_only=True)

    n_statistics: ClassVar[int]
    origin: ClassVar[tuple[float, ...]]
    """The parameters of `standard`."""

    @property
    @abstractmethod
    def natural(self) -> Array:
        """Natural parameters, of shape (m, K, d): finite."""

    @property
    @abstractmethod
    def log_normalizer(self) -> Array:
        """Log-normaliser, of shape (K, d): finite."""

    @staticmethod
    @abstractmethod
    def estimate(mean: Array) -> tuple[Array, ...]:
        """Find the most likely parameters, within their bounds.

        Parameters
        ----------
        mean : ndarray of shape (m, c)
            Mean statistics of the cells of c columns.

        Returns
        -------
        parameters : tuple of ndarray of shape (c,)
            Parameters in the order of the fields, always finite.
        """

    @classmethod
    def standard(cls, d: int) -> Self:
        prior = ColumnStatistics(np.zeros((1, d)), np.zeros((cls.n_statistics, 1, d)))
        names = (f.name for f in fields(cls) if f.name != "prior")
        pairs = zip(names, cls.origin, strict=True)
        values: dict[str, Any] = {name: np.full((1, d), value) for name, value in pairs}
        return cls(prior=prior, **values)

    def equal(
        self, n: int, statistics: ColumnStatistics, strength: float = STRENGTH
    ) -> Self:
        whole = self.maximize(statistics)
        seen = statistics.count > 0
        share = strength * seen / np.where(seen, statistics.count, 1.0)
        prior = ColumnStatistics(share * statistics.count, share * statistics.sums)
        tiled: dict[str, Any] = {
            name: np.repeat(value, n, axis=0) for name, value in whole.parameters
        }
        return replace(self, prior=prior, **tiled)

    @property
    def parameters(self) -> list[tuple[str, Array]]:
        """Names and values (K, d) of the parameters."""
        names = (f.name for f in fields(self) if f.name != "prior")
        return [(name, getattr(self, name)) for name in names]

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.parameters[0][1].shape
        return n, d

    @property
    def log_prior(self) -> float:
        linear = np.sum(self.prior.sums * self.natural)
        return float(linear - np.sum(self.prior.count * self.log_normalizer))

    @cached_property
    def _views(self) -> dict[bool, View]:
        return {}

    def view(self, *, complete: bool) -> View:
        if complete not in self._views:
            self._views[complete] = self._view(complete=complete)
        return self._views[complete]

    @abstractmethod
    def _view(self, *, complete: bool) -> View:
        """Make a view for `view` to keep."""

    def maximize(self, statistics: ColumnStatistics) -> Self:
        count = statistics.count + self.prior.count
        seen = count > 0
        found = self.estimate(
            (statistics.sums + self.prior.sums)[:, seen] / count[seen]
        )
        updated: dict[str, Any] = {}
        for (name, before), values in zip(self.parameters, found, strict=True):
            updated[name] = before.copy()
            updated[name][seen] = values
        return replace(self, **updated)

    def take(self, indices: NDArray[np.intp]) -> Self:
        taken: dict[str, Any] = {
            name: value[indices] for name, value in self.parameters
        }
        return replace(self, **taken)

    def settle(self, weights: Array, data: Self) -> Self:
        return replace(self, prior=data.prior)

    def recentre(self, statistics: ColumnStatistics, target: Self) -> ColumnStatistics:
        return statistics
