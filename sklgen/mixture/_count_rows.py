"""Rows of non-negative cells as a part of estimators: compositions and counts."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from scipy.sparse import csr_array
from sklearn.utils.validation import check_non_negative

from sklgen.base import _RowsMixin
from sklgen.families._counts import as_csr

# Larger counts are no longer told from their neighbours.
_LARGEST_COUNT = 2.0**53


class NonNegativeRows(_RowsMixin):
    """Rows of non-negative cells. Hook: `_read(X)`, what is made of validated rows."""

    # Whether draws are floats, whatever the dtypes of the training rows.
    _draws_floats: ClassVar[bool] = False

    @abstractmethod
    def _read(self, X: Any) -> Any: ...

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
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


class CountRows(NonNegativeRows):
    """Rows of counts, which may be sparse, in one canonical form."""

    _support: ClassVar[Literal["real", "counts", "composition", "labels"]] = "counts"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _read(self, X: Any) -> csr_array:
        rows = as_csr(X)
        at = int(rows.data.argmax()) if rows.nnz else 0
        if rows.nnz and rows.data[at] > _LARGEST_COUNT:
            raise ValueError(
                f"X has in column {int(rows.indices[at])} the count "
                f"{rows.data[at]:g}: counts beyond 2**53 are no longer told from "
                "their neighbours. Count in larger units."
            )
        return rows
