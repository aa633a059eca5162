"""What the engine asks of a family: K components at fixed parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# A component with a smaller share of the weight keeps its parameters.
EMPTY_SHARE = 1e-10

Allocate = Callable[[str, tuple[int, ...]], Array]
"""`allocate(name, shape)` gives an array to write into; its content is arbitrary."""


@dataclass(frozen=True)
class Additive:
    """Statistics that add up field by field and can be weighed by a number."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )

    def __mul__(self, factor: float) -> Self:
        return type(self)(*(getattr(self, f.name) * factor for f in fields(self)))


class View(ABC):
    """Components seen through one set of observed columns, ready for many blocks.

    For each block of rows: `features`, then `log_density`; once responsibilities are
    known, `accumulate` them into the arrays of `zeros`. `complete` turns the sums
    into the family's statistics over all columns, the expectation of what the
    missing cells would have added included.
    """

    @abstractmethod
    def features(self, X: NDArray[Any], allocate: Allocate) -> Any:
        """Sufficient statistics of each row of a block (n, d), features first."""

    @abstractmethod
    def log_density(self, features: Any, out: Array) -> None:
        """Write the log-density of each row under each component to `out` (K, n)."""

    @abstractmethod
    def zeros(self) -> list[Array]:
        """Sums to accumulate into."""

    @abstractmethod
    def accumulate(
        self, sums: list[Array], features: Any, responsibilities: Array
    ) -> None:
        """Add the features of a block, weighed by responsibilities (K, n)."""

    @abstractmethod
    def complete(self, sums: list[Array]) -> Any:
        """Statistics about the parameters of the components, over all columns."""


class Components(ABC):
    """K members of an exponential family over d columns, at fixed parameters.

    Statistics are taken about the parameters they were computed under, which keeps
    them free of cancellation; `maximize` reads them the same way. `by_pattern` says
    whether rows that miss different cells need views of their own; otherwise one
    view, `view(None)`, serves all rows with missing cells.
    """

    by_pattern: ClassVar[bool]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number of components and of columns."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Number of sufficient statistics of a complete row."""

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Number of free parameters of all components."""

    @abstractmethod
    def view(self, observed: NDArray[np.bool_] | None) -> View:
        """The components on the observed columns (None: read it off each row)."""

    @abstractmethod
    def maximize(self, statistics: Any) -> Self:
        """The M-step. A component without weight keeps its parameters."""

    @abstractmethod
    def settle(self, weights: Array) -> Self:
        """Fix what a run from here keeps constant; `weights` (K,) sum to one."""

    @abstractmethod
    def recentre(self, statistics: Any, target: Self) -> Any:
        """The same statistics, about the parameters of `target`."""

    @abstractmethod
    def conditional_mean(
        self, X: NDArray[Any], observed: NDArray[np.bool_] | None, weights: Array
    ) -> Array:
        """Mean of each row (n, d) given its observed cells, mixed by `weights` (K, n).

        Only the missing cells of the answer have a meaning.
        """

    @abstractmethod
    def conditional_draw(
        self,
        X: NDArray[Any],
        observed: NDArray[np.bool_] | None,
        labels: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> Array:
        """A draw of each row (n, d) from its component given its observed cells.

        Only the missing cells of the answer have a meaning.
        """

    @abstractmethod
    def pack(self) -> Array:
        """Free parameters as a vector in which straight lines stay valid."""

    @abstractmethod
    def unpack(self, vector: Array) -> Self:
        """The components whose `pack` is `vector`."""
