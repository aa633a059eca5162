"""How mixtures of whole rows are fitted: no start is given, no cell is missing."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_non_negative

from sklgen.em import Rows
from sklgen.families._base import Array
from sklgen.mixture._base import N_JOBS, BaseMixture
from sklgen.mixture._fitted import WholeRowMixture
from sklgen.mixture._starts import STARTS
from sklgen.mixture._structure import Mixture

# Larger counts are no longer told from their neighbours.
_LARGEST_COUNT = 2.0**53

CONSTRAINTS: dict[str, list[Any]] = {
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 0, None, closed="left")],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "init_params": [StrOptions(set(STARTS) - {"random"})],
    "random_state": ["random_state"],
    "warm_start": ["boolean"],
    "verbose": ["verbose"],
    "n_jobs": N_JOBS,
}


def refuse_large(X: csr_array) -> None:
    """Counts must be numbers that a double can count up to."""
    at = int(X.data.argmax()) if X.nnz else 0
    if X.nnz and X.data[at] > _LARGEST_COUNT:
        raise ValueError(
            f"X has in column {int(X.indices[at])} the count {X.data[at]:g}: counts "
            "beyond 2**53 are no longer told from their neighbours. Count in larger "
            "units."
        )


class NonNegativeMixture(WholeRowMixture, BaseMixture):
    """A mixture of rows of non-negative cells, started from labels alone.

    Hook: `_read(X)`, what components see of validated rows.
    """

    _remedy: ClassVar[str] = (
        "a component is nearly a single row. Lower n_components, or raise tol."
    )

    # Whether draws are floats, whatever the dtypes of the training rows.
    _draws_floats: ClassVar[bool] = False

    @abstractmethod
    def _read(self, X: Any) -> Any: ...

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _validate(
        self,
        X: Any,
        *,
        reset: bool = False,
        min_rows: int = 1,
        sample_weight: Any = None,
    ) -> Any:
        X = super()._validate(X, reset=reset, min_rows=min_rows)
        check_non_negative(X, type(self).__name__)
        if reset and self._draws_floats:
            self._schema = self._schema.of_floats()
        return self._read(X)

    def _labelled(
        self, rows: Rows, labels: NDArray[np.intp], equal: Mixture[Any]
    ) -> Mixture[Any]:
        return equal.m_step(rows.sum(partial(equal.labelled, labels)))

    def _with_given(self, start: Mixture[Any]) -> Mixture[Any]:
        return start

    @property
    def _is_given(self) -> bool:
        return False

    def _given_seeds(self) -> Array | None:
        return None
