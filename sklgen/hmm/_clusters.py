"""What is read off clusters of sequences: labels, probabilities, draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.hmm._fitted import FittedChains
from sklgen.hmm._groups import SequenceData
from sklgen.hmm._messages import exchange
from sklgen.hmm._paths import shares


class FittedClusters(FittedChains):
    """The public methods of a mixture of chains, one a cluster. Hook: `_fitted`."""

    weights_: Array
    hmms_: list[Any]

    _alone = True

    def predict_proba_sequences(self, X: Any, groups: Any = None) -> Array:
        """Probability of each cluster for each sequence.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time. A list has one sequence a table.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row. Without groups each row of a table is a sequence.

        Returns
        -------
        probabilities : ndarray of shape (n_sequences, n_components)
            Rows sum to one. Sequences come in the order of their rows.
        """
        rows, data = self._read(X, groups)
        return self._shares(rows, data).astype(rows.dtype, copy=False)

    def _shares(self, rows: NDArray[Any], data: SequenceData) -> Array:
        model = self._reader()
        with self._sequences(rows, data.ends, model) as sequences:
            return shares(model, sequences, exchange(model, sequences))

    def predict_sequences(self, X: Any, groups: Any = None) -> NDArray[np.intp]:
        """Most probable cluster of each sequence.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time. A list has one sequence a table.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row. Without groups each row of a table is a sequence.

        Returns
        -------
        labels : ndarray of shape (n_sequences,)
            Clusters, from 0. Sequences come in the order of their rows.
        """
        return np.asarray(self._shares(*self._read(X, groups)).argmax(axis=1))

    def predict(self, X: Any, groups: Any = None) -> Any:
        """Most probable cluster of the sequence of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        labels : ndarray of shape (n_samples,), or a list of them
            Clusters, from 0, the same for all rows of a sequence.
        """
        rows, data = self._read(X, groups)
        labels = self._shares(rows, data).argmax(axis=1)
        return data.give_back(data.per_row(labels))

    def predict_proba(self, X: Any, groups: Any = None) -> Any:
        """Probability of each cluster for the sequence of each row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_components), or a list of them
            Rows sum to one, and are the same for all rows of a sequence.
        """
        rows, data = self._read(X, groups)
        found = self._shares(rows, data).astype(rows.dtype, copy=False)
        return data.give_back(data.per_row(found))

    @property
    def _n_features_out(self) -> int:
        """Number of columns of `transform`."""
        return len(self.weights_)

    def sample(
        self,
        n_samples: int = 1,
        *,
        n_sequences: int | None = None,
        random_state: Any = None,
    ) -> Any:
        """Draw new sequences.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows of each sequence, at least 1.
        n_sequences : int or None, default=None
            Number of sequences, given as a list of tables. None draws `n_samples`
            sequences of one row each, and gives their rows as one table.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows each time; None gives fresh rows. Neither the
            estimator nor numpy's global generator is changed.

        Returns
        -------
        X : array, or DataFrame of the library seen in `fit`, (n_samples, n_features)
            Rows that are sequences of their own; where `n_sequences` is given, a list
            of tables, each with rows in the order of time.
        """
        return self._draw_sequences(n_samples, n_sequences, random_state)[0]

    def sample_latent(
        self,
        n_samples: int = 1,
        *,
        n_sequences: int | None = None,
        random_state: Any = None,
    ) -> tuple[Any, Any]:
        """Draw new sequences with the cluster that each came from.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows of each sequence, at least 1.
        n_sequences : int or None, default=None
            Number of sequences, as in `sample`.
        random_state : int, RandomState instance or None, default=None
            As in `sample`; the same seed gives the same rows as `sample`.

        Returns
        -------
        X : array or DataFrame of shape (n_samples, n_features), or a list of them
            Rows as in `sample`.
        labels : ndarray of shape (n_samples,), or a list of them
            Cluster of each row.
        """
        X, laws = self._draw_sequences(n_samples, n_sequences, random_state)
        K = len(self.hmms_[0].startprob_)
        if n_sequences is None:
            return X, laws // K
        return X, [part // K for part in laws]
