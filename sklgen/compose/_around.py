"""What estimators around a generator share: its tags, rows, weights and draws."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.sparse import vstack as sparse_stack
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_y,
    _num_samples,
    check_consistent_length,
    has_fit_parameter,
    validate_data,
)

from sklgen._frames import narwhals, open_frame
from sklgen.base import check_weights

_WEIGHT = "sample_weight"


class AroundMixin:
    """An estimator around `estimator`, a generator that reads rows of any kind."""

    estimator: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags = deepcopy(get_tags(self.estimator).input_tags)
        return tags

    def _read(self, X: Any, *, reset: bool = False) -> Any:
        """Rows as the generator takes them, their names and number checked.

        DataFrames and lists of sequences are left to the generator.
        """
        if are_sequences(X):
            validate_data(self, X[0], reset=reset, skip_check_array=True)
            return X
        if open_frame(X, "") is not None:
            validate_data(self, X, reset=reset, skip_check_array=True)
            if not _num_samples(X):
                raise ValueError(
                    f"X has no rows: {type(self).__name__} takes at least one."
                )
            return X
        tags = get_tags(self).input_tags
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=None if tags.categorical or tags.string else "numeric",
            accept_sparse="csr" if tags.sparse else False,
            ensure_all_finite="allow-nan" if tags.allow_nan else True,
        )

    def _read_labels(self, X: Any, y: Any, *, none: Any = None) -> NDArray[Any]:
        """Labels of rows of `fit`; `none`, where given, is the mark of rows without."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None: pass the label of each row."
            )
        labels: NDArray[Any] = _check_y(y, estimator=self)
        check_consistent_length(X, labels)
        classes = labels if none is None else labels[labels != none]
        if len(classes):
            check_classification_targets(classes)
        return labels

    def _weights(self, X: Any, sample_weight: Any) -> NDArray[np.float64] | None:
        """Weights of rows, where there are any, for a generator that takes them."""
        if sample_weight is None:
            return None
        if not has_fit_parameter(self.estimator, _WEIGHT):
            raise ValueError(
                f"sample_weight was given, but the fit of "
                f"{type(self.estimator).__name__} takes no weights: leave them out, or "
                "choose another estimator."
            )
        return check_weights(sample_weight, np.empty((_num_samples(X), 1)))

    def _fitted(self, X: Any, weight: NDArray[np.float64] | None = None) -> Any:
        """A clone of the generator, fitted to rows."""
        if weight is None:
            return clone(self.estimator).fit(X)
        return clone(self.estimator).fit(X, sample_weight=weight)


def are_sequences(X: Any) -> bool:
    """Whether X is a list of tables, as models of sequences take them."""
    if not isinstance(X, (list, tuple)) or not len(X):
        return False
    return hasattr(X[0], "shape") and len(X[0].shape) == 2


def log_densities(estimator: Any, X: Any) -> NDArray[np.float64]:
    """Log-densities of rows, or of whole sequences where X is a list of these."""
    scores = estimator.score_samples(X)
    if are_sequences(X):
        return np.array([np.sum(own) for own in scores], dtype=np.float64)
    return np.asarray(scores, dtype=np.float64)


def sequence_lengths(X: Any) -> NDArray[np.intp] | None:
    """Lengths of sequences; None where X has rows."""
    if not are_sequences(X):
        return None
    return np.array([len(sequence) for sequence in X], dtype=np.intp)


def drawn(
    estimator: Any, count: int, seed: int, lengths: NDArray[np.intp] | None
) -> Any:
    """Draw rows, or sequences whose lengths are drawn from those of training."""
    if lengths is None:
        return estimator.sample(count, random_state=seed)
    rng = np.random.default_rng(seed)
    seeds = rng.integers(2**32, size=count).tolist()
    return [
        estimator.sample(int(length), random_state=own)
        for length, own in zip(rng.choice(lengths, count), seeds, strict=True)
    ]


def stacked(tables: list[Any], order: Any = None) -> Any:
    """Tables of one kind, one above the other, with their rows in another order."""
    if are_sequences(tables[0]):
        rows: Any = [sequence for table in tables for sequence in table]
        return rows if order is None else [rows[at] for at in order]
    if issparse(tables[0]):
        rows = sparse_stack(tables, format="csr")
    elif open_frame(tables[0], "") is None:
        rows = np.concatenate([np.asarray(table) for table in tables])
    else:
        nw = narwhals()
        frames = [nw.from_native(table, eager_only=True) for table in tables]
        frame = nw.concat(frames, how="vertical")
        frame = frame if order is None else frame[order]
        return nw.maybe_reset_index(frame).to_native()
    return rows if order is None else rows[order]
