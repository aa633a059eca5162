"""What a pipeline draws, taken back to the units of its input."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_method_params,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from sklgen._frames import check_numeric
from sklgen._random import as_generator
from sklgen.base import _check_n_samples
from sklgen.compose._jacobian import as_rows, rule_of
from sklgen.compose._jacobian_inverse import as_cells, backward
from sklgen.compose._pipeline_rows import Container
from sklgen.compose._pipeline_steps import PipelineSteps, final_has

# Conditional draws that a mean or a share is made of, and cells of them at a time.
N_DRAWS = 4000
_N_PASSES = 400
_N_CELLS = 2**21
_N_TRIES = 100


def _completes(name: str) -> Callable[[Any], bool]:
    def check(pipeline: Any) -> bool:
        final_has(name)(pipeline)
        for step, transformer in pipeline._transformers():
            if not rule_of(transformer).columnwise:
                raise AttributeError(
                    f"step {step!r} ({type(transformer).__name__}) mixes columns, or "
                    "is not known to keep missing cells apart: rows that miss cells "
                    "can't go through it"
                )
        return True

    return check


class PipelineDraws(PipelineSteps):
    """Draws of the last step of a pipeline, and completed rows, in the units of X."""

    _container: Container

    @available_if(final_has("sample"))
    def sample(
        self, n_samples: int = 1, *, random_state: Any = None, **params: Any
    ) -> Any:
        """Draw new rows in the units of X.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, at least 1.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows each time; None gives fresh rows.
        **params : dict
            Further arguments of the `sample` of the last step.

        Returns
        -------
        X : array, or DataFrame of the library seen in `fit`, (n_samples, n_features)
            Rows in random order, with the columns and dtypes of the training rows.
        """
        check_is_fitted(self)
        n_samples = _check_n_samples(n_samples)
        state = _stream(random_state)

        lengths: list[int] = []

        def draw(rows: Any) -> Any:
            # Arguments may say something of each row, so that all are drawn again.
            again = rows is not None and not params
            n_rows = len(rows) if again else n_samples
            Z = self._generate(n_rows, state, params)
            if isinstance(Z, list):
                lengths[:] = map(len, Z)
                Z = np.concatenate([as_cells(sequence) for sequence in Z])
            return as_cells(Z) if rows is None or again else as_cells(Z)[rows]

        X = self._originals(draw, state)
        if not lengths:
            return self._container.restore(X)
        ends = np.cumsum(lengths)[:-1]
        return [self._container.restore(part) for part in np.split(as_cells(X), ends)]

    @available_if(final_has("sample_latent"))
    def sample_latent(
        self, n_samples: int = 1, *, random_state: Any = None
    ) -> tuple[Any, NDArray[Any]]:
        """Draw new rows together with the latent label each came from.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows, at least 1.
        random_state : int, RandomState instance or None, default=None
            As in `sample`; the same seed gives the same rows as `sample`.

        Returns
        -------
        X : array, or DataFrame of the library seen in `fit`, (n_samples, n_features)
            Rows in random order.
        labels : ndarray of shape (n_samples,)
            Label of each row.
        """
        check_is_fitted(self)
        n_samples = _check_n_samples(n_samples)
        state = _stream(random_state)
        labels = np.zeros(n_samples, dtype=np.intp)

        def draw(rows: Any) -> Any:
            at = np.arange(n_samples) if rows is None else rows
            last = self._final_estimator
            Z, labels[at] = last.sample_latent(len(at), random_state=state)
            return as_cells(Z)

        X = self._originals(draw, state)
        return self._container.restore(X), labels

    @available_if(_completes("sample_conditional"))
    def sample_conditional(
        self, X: Any, *, random_state: Any = None, **params: Any
    ) -> Any:
        """Draw the missing cells of each row from their law given the observed ones.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows of numbers with missing cells.
        random_state : int, RandomState instance or None, default=None
            As in `sample`.
        **params : dict
            Further arguments of the `sample_conditional` of the last step.

        Returns
        -------
        X_completed : array or DataFrame, as X
            X with every missing cell drawn. Observed cells are those of X.
        """
        rows, Z = self._open(X)
        state = _stream(random_state)
        drawn = self._completed(Z, np.arange(len(rows)), state, params)
        return self._container.schema.complete(X, rows, drawn)

    @available_if(_completes("impute"))
    def impute(self, X: Any, **params: Any) -> Any:
        """Replace the missing cells of each row by their conditional mean.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows of numbers with missing cells.
        **params : dict
            Further arguments of the last step's `impute` or, where a step bends,
            `sample_conditional`.

        Returns
        -------
        X_completed : array or DataFrame, as X
            X with every missing cell at its mean, in the units of X, given the observed
            cells of its row.
        """
        rows, Z = self._open(X)
        steps = self._transformers()
        if all(rule_of(step).affine for _, step in steps):
            Z = self._final_estimator.impute(Z, **params)
            means = as_cells(backward(steps, Z, np.random.RandomState(0))[0])
        else:
            means = self._means(rows, Z, params)
        return self._container.schema.complete(X, rows, means)

    def _means(self, rows: NDArray[Any], Z: Any, params: Any) -> NDArray[Any]:
        """Rows with their missing cells at the mean of conditional draws."""
        state = np.random.RandomState(0)
        means = rows.astype(np.float64)
        missing = np.flatnonzero(np.isnan(rows).any(axis=1))
        if has_order(self._final_estimator):
            # Repeated rows would be another sequence.
            means[missing] = 0.0
            for _ in range(_N_PASSES):
                drawn = self._completed(Z, np.arange(len(rows)), state, params)
                means[missing] += drawn[missing] / _N_PASSES
            return means
        for block in blocks(missing, rows.shape[1]):
            drawn = self._completed(Z, np.repeat(block, N_DRAWS), state, params)
            means[block] = drawn.reshape(len(block), N_DRAWS, -1).mean(axis=1)
        return means

    def _generate(self, n_samples: int, state: Any, params: Any) -> Any:
        """Rows of the last step."""
        draw = self._final_estimator.sample
        if "random_state" not in signature(draw).parameters:
            raise TypeError(
                f"The sample of {self._final_estimator!r} takes no random_state, as "
                "that of scikit-learn's mixtures: use a generator of sklgen, such as "
                "sklgen.mixture.GaussianMixture."
            )
        return draw(n_samples, random_state=state, **params)

    def _open(self, X: Any) -> tuple[NDArray[Any], Any]:
        """Rows of numbers as an array, and transformed."""
        check_is_fitted(self)
        validate_data(self, X, reset=False, skip_check_array=True)
        check_numeric(X, type(self).__name__)
        Z = X
        for _, step in self._transformers():
            Z = step.transform(Z)
        return as_rows(X), Z

    def _conditional(
        self, Z: Any, rows: NDArray[np.intp], state: Any, params: Any
    ) -> NDArray[Any]:
        part = _safe_indexing(Z, rows)
        own = _check_method_params(Z, params, rows)
        last = self._final_estimator
        return as_cells(last.sample_conditional(part, random_state=state, **own))

    def _completed(
        self, Z: Any, rows: NDArray[np.intp], state: Any, params: Any
    ) -> NDArray[Any]:
        """Original units of these rows of Z, missing cells drawn."""

        def draw(at: Any) -> Any:
            return self._conditional(Z, rows if at is None else rows[at], state, params)

        return as_cells(self._originals(draw, state))

    def _originals(self, draw: Callable[[Any], Any], state: Any) -> Any:
        """Rows drawn and taken back; drawn again until each has an original.

        `draw` takes the positions of rows to draw again, or None for all rows.
        """
        Z = np.array(draw(None))  # a copy: rows are put into it
        for _ in range(_N_TRIES):
            X, inside = backward(self._transformers(), Z, state)
            if inside.all():
                return X
            if has_order(self._final_estimator):
                Z = np.array(draw(None))
                continue
            again = np.flatnonzero(~inside)
            Z[again] = draw(again)
        raise ValueError(
            f"{np.sum(~inside)} of {len(Z)} draws of {self._final_estimator!r} have no "
            f"original after {_N_TRIES} tries: the transformers do not reach so far. "
            "Use a transformer that reaches all numbers, such as StandardScaler or "
            "sklgen.compose.TabularEncoder."
        )


def has_order(generator: Any) -> bool:
    """Whether rows are sequences."""
    return bool(has_fit_parameter(generator, "groups"))


def _stream(random_state: Any) -> np.random.RandomState:
    """One stream for all that a call draws, which estimators of any kind take."""
    return np.random.RandomState(as_generator(random_state).bit_generator)


def blocks(rows: NDArray[np.intp], n_columns: int) -> list[NDArray[np.intp]]:
    """Rows in blocks of which many draws each fit into memory."""
    size = max(1, _N_CELLS // (N_DRAWS * n_columns))
    return [rows[at : at + size] for at in range(0, len(rows), size)]
