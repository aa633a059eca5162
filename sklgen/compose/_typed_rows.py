"""Typed rows: a table as floats that models learn from, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.base import check_weights
from sklgen.compose._encoder import TabularEncoder
from sklgen.compose._table import open_table


@dataclass(frozen=True)
class TypedRows:
    """What `Schema` is to rows of numbers: typed rows out of tables, and back.

    A typed row has the columns of the encoder, an indicator for each input column
    that missed cells in `fit`, the ends of the intervals that its scores stand for,
    and what its log-density owes to the maps. Models learn from the first two of these.

    Parameters
    ----------
    encoder : TabularEncoder
        The fitted encoder.
    missing : ndarray of int
        Positions of the input columns with an indicator.
    laws : dict of int to str
        Name of the law of each input column that stays in its own units, by position.
    """

    encoder: TabularEncoder
    missing: NDArray[np.intp]
    laws: dict[int, str]

    @property
    def n_typed(self) -> int:
        return len(self.encoder.kinds_)

    @property
    def width(self) -> int:
        """Number of columns of typed rows."""
        return self.n_learned + 2 * len(self.scores) + 1

    @property
    def n_learned(self) -> int:
        """Number of columns to learn from, the first ones."""
        return self.n_typed + len(self.missing)

    @property
    def categories(self) -> NDArray[np.intp]:
        """The columns of codes to learn from, indicators included."""
        own = self._of_kind("category")
        return np.concatenate([own, np.arange(self.n_typed, self.n_learned)])

    @property
    def scores(self) -> NDArray[np.intp]:
        """The columns of normal scores."""
        return self._of_kind("normal")

    @property
    def numbers(self) -> dict[str, NDArray[np.intp]]:
        """The columns in their own units, by the name of their law."""
        columns: dict[str, list[int]] = {}
        for at in self._of_kind("number").tolist():
            columns.setdefault(self.laws[self.encoder.source_[at]], []).append(at)
        return {law: np.array(at) for law, at in columns.items()}

    def _of_kind(self, kind: str) -> NDArray[np.intp]:
        return np.flatnonzero(np.array(self.encoder.kinds_) == kind)

    def names(self, typed: NDArray[np.intp]) -> list[Any]:
        """Names of the input columns of typed ones."""
        return [self.encoder.columns_[j].name for j in self.encoder.source_[typed]]

    def read(self, X: Any) -> Array:
        """Typed rows of a table; indicators are left open."""
        typed = self.encoder.transform(X)
        low, high = (ends[:, self.scores] for ends in self.encoder.limits(X))
        offset = self.encoder.log_density_offset(X)[:, None]
        unknown = np.full((len(typed), len(self.missing)), np.nan)
        rows = np.hstack([typed, unknown, low, high, offset])
        return rows.astype(typed.dtype, copy=False)

    def with_indicators(
        self, rows: Array, used: NDArray[np.bool_]
    ) -> tuple[TypedRows, Array]:
        """The rows with an indicator for each input column that misses used cells."""
        columns = range(len(self.encoder.columns_))
        missing = [j for j in columns if self._misses(rows[used], j).any()]
        unknown = np.full((len(rows), len(missing)), np.nan, rows.dtype)
        left, right = np.split(rows, [self.n_typed], axis=1)
        typing = replace(self, missing=np.array(missing, dtype=np.intp))
        return typing, np.hstack([left, unknown, right])

    def _misses(self, rows: Array, column: int) -> NDArray[np.bool_]:
        typed = rows[:, : self.n_typed][:, self.encoder.source_ == column]
        return np.asarray(np.isnan(typed).all(axis=1))

    def learn_from(self, rows: Array) -> Array:
        """The columns to learn from, indicators filled in."""
        seen = rows[:, : self.n_learned].copy()
        for at, column in enumerate(self.missing, start=self.n_typed):
            seen[:, at] = self._misses(rows, column)
        return seen

    def missing_share(self, rows: Array, weight: Array) -> float:
        """Share of cells that miss, in the columns that don't miss all."""
        columns = range(len(self.encoder.columns_))
        shares = [np.average(self._misses(rows, j), weights=weight) for j in columns]
        some = [share for share in shares if share < 1.0]
        return float(np.mean(some)) if some else 0.0

    def restore(self, rows: Array) -> Any:
        """Typed rows as the container of `fit`; cells that miss become missing."""
        typed = rows[:, : self.n_typed].copy()
        for at, column in enumerate(self.missing, start=self.n_typed):
            gone = np.ix_(rows[:, at] > 0, self.encoder.source_ == column)
            typed[gone] = np.nan
        return self.encoder.inverse_transform(typed, random_state=_seed(rows))

    def complete(self, X: Any, rows: Array, filled: Array) -> Any:
        """X with its missing cells as in the filled rows."""
        typed = filled[:, : self.n_typed]
        return self.encoder.complete(X, typed, random_state=_seed(filled))


def _seed(rows: Array) -> int:
    """What rare labels are drawn with: bits of the last column, random in draws."""
    bits = np.ascontiguousarray(rows[:, -1]).view(np.uint32)
    return int(np.random.SeedSequence(bits).generate_state(1)[0])


class TypedRowsMixin(ABC):
    """An estimator of tables, whose hooks get typed rows.

    Hooks: `_own_units(names)` says which columns stay in their own units, by the name
    of their law, `_encoder(passthrough)` types the others, and `_check_typed(rows)`
    refuses rows that those laws can't have.
    """

    encoder_: TabularEncoder
    keep_missing: bool
    _schema: Any

    @abstractmethod
    def _own_units(self, names: list[Any]) -> dict[int, str]: ...

    @abstractmethod
    def _encoder(self, passthrough: list[int]) -> TabularEncoder: ...

    @abstractmethod
    def _check_typed(self, typed: NDArray[Any]) -> None: ...

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _validate(
        self,
        X: Any,
        *,
        reset: bool = False,
        min_rows: int = 1,
        sample_weight: Any = None,
    ) -> Any:
        """Typed rows; `reset` also learns how to type them."""
        frame, array = open_table(self, X, reset=reset)
        if reset:
            names = list(range(array.shape[1])) if frame is None else frame.columns
            laws = self._own_units(names)
            encoder = self._encoder(list(laws)).set_output(transform="default")
            self.encoder_ = encoder.fit(X, sample_weight=sample_weight)
            self._schema = TypedRows(self.encoder_, np.arange(0), laws)
        typed = self._schema.read(X)
        self._check_typed(typed)
        if len(typed) < min_rows:
            raise ValueError(
                f"{type(self).__name__} needs at least {min_rows} rows, got "
                f"n_samples = {len(typed)}."
            )
        if reset and self.keep_missing:
            used = check_weights(sample_weight, typed) > 0
            self._schema, typed = self._schema.with_indicators(typed, used)
        return typed
