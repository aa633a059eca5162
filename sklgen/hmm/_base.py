"""How every hidden Markov model is fitted: starts, EM, online updates."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._set_output import _wrap_data_with_container

from sklgen._typing import Array
from sklgen.em import Sequences, blend, first_best, run, warn_unconverged
from sklgen.hmm._fitted import FittedChains
from sklgen.hmm._groups import SequenceData, read_sequences
from sklgen.hmm._messages import exchange
from sklgen.hmm._start import training_parts
from sklgen.hmm._structure import Chains, ChainStatistics
from sklgen.mixture._base import check_columns, check_continues, progress


class BaseChains(  # type: ignore[call-arg]
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    FittedChains,
    # What wraps the output of other transformers knows no lists of tables.
    auto_wrap_output_keys=None,
):
    """Chains that can be fitted. Hooks: `_prepare`, `_starts` and `_store`."""

    tol: float
    max_iter: int
    verbose: int

    _remedy: ClassVar[str] = "lower n_components, or drop columns that repeat others."

    @abstractmethod
    def _prepare(
        self, X: NDArray[Any], ends: NDArray[np.intp], weight: Array
    ) -> Chains[Any]:
        """Learn what starts need to know; chains with equal components."""

    @abstractmethod
    def _starts(
        self,
        X: NDArray[Any],
        ends: NDArray[np.intp],
        weight: Array,
        labels: NDArray[np.intp] | None,
        equal: Chains[Any],
    ) -> list[Chains[Any]]:
        """Chains to start runs from."""

    @abstractmethod
    def _store(self, model: Chains[Any]) -> None:
        """Set the fitted attributes that describe the chains."""

    @abstractmethod
    def predict(self, X: Any, groups: Any = None) -> Any:
        """Label each row."""

    @abstractmethod
    def predict_proba(self, X: Any, groups: Any = None) -> Any:
        """Give the probability of each label of each row."""

    @property
    @abstractmethod
    def _shape(self) -> dict[str, Any]:
        """The parameters that decide the shapes of the fitted attributes."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        groups: Any = None,
        sequence_weight: Any = None,
        state_labels: Any = None,
    ) -> Self:
        """Fit by expectation-maximisation.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time; NaN marks missing cells, and a row may miss all
            of them. A list has one sequence a table.
        y : None
            Ignored.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row; the rows of a sequence are adjacent.
        sequence_weight : array-like of shape (n_sequences,) or (n_samples,), \
                default=None
            Non-negative weight of each sequence: 2 is the sequence twice, 0 its
            removal. Given for rows, it is the same for all rows of a sequence.
        state_labels : array-like of shape (n_samples,), default=None
            States that are known, from 0, and -1 for rows where they are not.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If groups are not contiguous, a column has no observed cell, no sequence
            has positive weight, or known states contradict impossible transitions.
        """
        X, data, weight, labels = self._read_training(
            X, groups, sequence_weight, state_labels, reset=True
        )
        self._fit_validated(X, data, weight, labels)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        groups: Any = None,
        sequence_weight: Any = None,
        state_labels: Any = None,
    ) -> Self:
        """Update the model with more sequences, by online EM.

        The first call fits them as `fit` does. Each later call takes one E-step on its
        sequences and blends the statistics with the earlier ones; a batch counts by
        its share of all rows so far, to the power 0.7.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows of whole sequences.
        y : None
            Ignored.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.
        sequence_weight : array-like of shape (n_sequences,) or (n_samples,), \
                default=None
            Non-negative weight of each sequence.
        state_labels : array-like of shape (n_samples,), default=None
            States that are known, -1 for rows where they are not.

        Returns
        -------
        self : object
            The updated estimator.
        """
        first = not hasattr(self, "n_iter_")
        X, data, weight, labels = self._read_training(
            X, groups, sequence_weight, state_labels, reset=first
        )
        if first:
            self._fit_validated(X, data, weight, labels)
            return self
        check_continues(self, "partial_fit")
        model = self._fitted().reopened(1.0 / (1.0 + self._statistics.weight))
        with self._sequences(X, data.ends, model, weight, labels) as sequences:
            batch = expectation(sequences)(model)
        mixed = blend(self._statistics, batch)
        updated = model.m_step(mixed)
        self.n_iter_ += 1
        self.lower_bounds_.append(mixed.bound / mixed.weight)
        self._keep(updated, mixed.recentred(model.components, updated.components))
        return self

    def fit_predict(
        self,
        X: Any,
        y: Any = None,
        groups: Any = None,
        sequence_weight: Any = None,
        state_labels: Any = None,
    ) -> Any:
        """Fit, then label the same rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        y : None
            Ignored.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.
        sequence_weight, state_labels : array-like, default=None
            As in `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), or a list of them
            The same as `fit(X, groups=groups).predict(X, groups)`.
        """
        self.fit(X, None, groups, sequence_weight, state_labels)
        return self.predict(X, groups)

    def transform(self, X: Any, groups: Any = None) -> Any:
        """Give the probabilities of the labels as features: `predict_proba`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components), or a list of them
            What `predict_proba` gives at its defaults, each as a data frame where
            `set_output` asks for it.
        """
        values = self.predict_proba(X, groups)
        if not isinstance(values, list):
            return _wrap_data_with_container("transform", values, X, self)
        return [
            _wrap_data_with_container("transform", part, table, self)
            for part, table in zip(values, X, strict=True)
        ]

    def fit_transform(
        self,
        X: Any,
        y: Any = None,
        groups: Any = None,
        sequence_weight: Any = None,
        state_labels: Any = None,
    ) -> Any:
        """Fit, then give the probabilities of the labels of the same rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        y : None
            Ignored.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.
        sequence_weight, state_labels : array-like, default=None
            As in `fit`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components), or a list of them
            The same as `fit(X, groups=groups).transform(X, groups)`.
        """
        self.fit(X, None, groups, sequence_weight, state_labels)
        return self.transform(X, groups)

    def _read_training(
        self,
        X: Any,
        groups: Any,
        sequence_weight: Any,
        state_labels: Any,
        *,
        reset: bool,
    ) -> tuple[NDArray[Any], SequenceData, Array, NDArray[np.intp] | None]:
        data = read_sequences(X, groups, alone=self._alone)
        weight, labels = training_parts(
            data, sequence_weight, state_labels, self._n_states
        )
        rows = self._validate(data.X, reset=reset, sample_weight=data.per_row(weight))
        self._check_observed(rows, data, weight, reset=reset)
        return self._learned_rows(rows), data, weight, labels

    def _check_observed(
        self, rows: NDArray[Any], data: SequenceData, weight: Array, *, reset: bool
    ) -> None:
        """Columns to learn from must have an observed cell."""
        if reset:
            names = getattr(self, "feature_names_in_", np.arange(rows.shape[1]))
            check_columns(np.isnan(rows[data.per_row(weight) > 0]), names)

    def _learned_rows(self, X: NDArray[Any]) -> NDArray[Any]:
        """What EM sees of validated rows."""
        return X

    @property
    @abstractmethod
    def _n_states(self) -> int:
        """Number of states of a chain."""

    def _fit_validated(
        self,
        X: NDArray[Any],
        data: SequenceData,
        weight: Array,
        labels: NDArray[np.intp] | None,
    ) -> None:
        equal = self._prepare(X, data.ends, weight)
        starts = self._starts(X, data.ends, weight, labels, equal)
        with (
            self._sequences(X, data.ends, equal, weight, labels) as sequences,
            progress(self) as monitor,
        ):
            runs = [
                run(
                    start,
                    _possible(expectation(sequences)),
                    tol=self.tol,
                    max_iter=self.max_iter,
                    monitor=monitor,
                )
                for start in starts
            ]
        found = runs[first_best([ended.bounds[-1] for ended in runs])]
        self.converged_ = found.converged
        self.n_iter_ = found.n_iter
        self.lower_bounds_ = list(found.bounds)
        self._keep(found.model, found.statistics)
        warn_unconverged(found, self, self._remedy, stacklevel=4)

    def _n_parameters(self) -> int:
        model, rules = self._fitted(), self._rules
        free = len(model.weights) - 1
        if "start" not in rules.fixed and not rules.stationary:
            free += model.n_chains * rules.n_free_starts
        if "transition" not in rules.fixed:
            free += model.n_chains * rules.n_free_transitions
        if "emission" not in rules.fixed:
            free += model.components.n_parameters
        return free

    def _keep(self, model: Chains[Any], statistics: ChainStatistics) -> None:
        self._statistics = statistics
        self._fitted_shape = self._shape
        self._rules = model.rules
        self.lower_bound_ = self.lower_bounds_[-1]
        self._store(model)


def expectation(sequences: Sequences) -> Any:
    """The E-step on all sequences, with the bound that the M-step raises."""

    def take(model: Chains[Any]) -> ChainStatistics:
        messages = exchange(model, sequences)
        step = partial(model.e_step, sequences.X, messages)
        return model.posterior_bound(sequences.sum(step))

    return take


def _possible(expectation: Any) -> Any:
    """The E-step, which refuses sequences that are impossible: no step revives them."""

    def take(model: Chains[Any]) -> ChainStatistics:
        statistics: ChainStatistics = expectation(model)
        if not np.isfinite(statistics.bound):
            raise ValueError(
                "the sequences are impossible under the model: known states or a "
                "topology contradict them, or a column has a value that no state can "
                "emit. Give transitions that are needed a positive probability."
            )
        return statistics

    return take
