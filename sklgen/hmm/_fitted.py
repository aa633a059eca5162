"""What is read off fitted chains: densities, draws, completed rows, criteria."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.base import _RowsMixin, check_weights
from sklgen.em import Block, Bundle, Rows, Scratch, Sequences, n_threads
from sklgen.hmm._forecast import Forecast, forecasts
from sklgen.hmm._groups import SequenceData, read_sequences
from sklgen.hmm._kernels import mix_increments
from sklgen.hmm._messages import exchange
from sklgen.hmm._passes import Messages
from sklgen.hmm._paths import draw, simulate_paths
from sklgen.hmm._structure import Chains

Read = Callable[[Chains[Any], Bundle, Messages | None, Scratch], NDArray[Any]]


class FittedChains(_RowsMixin, BaseEstimator):
    """The public methods that all models of sequences share. Hook: `_fitted`.

    Rows are time steps, in order. `groups` tells sequences apart; a list of tables has
    one sequence a table.
    """

    # What metadata routing gives to each method, without a call of set_*_request.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {
        "groups": True,
        "sequence_weight": True,
        "state_labels": True,
    }
    __metadata_request__partial_fit = __metadata_request__fit
    __metadata_request__score: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__predict_proba: ClassVar[dict[str, bool]] = {"groups": True}
    __metadata_request__transform: ClassVar[dict[str, bool]] = {"groups": True}

    n_jobs: int | None
    # Whether rows without groups are sequences of one row each.
    _alone: ClassVar[bool] = False

    @abstractmethod
    def _fitted(self) -> Chains[Any]:
        """The chains that the fitted attributes describe."""

    @abstractmethod
    def _n_parameters(self) -> int:
        """Number of free parameters."""

    def _reader(self) -> Chains[Any]:
        """The chains that read validated rows, where EM saw others."""
        return self._fitted()

    @property
    def _width(self) -> int:
        """Number of columns of validated rows."""
        return int(self.n_features_in_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _read(self, X: Any, groups: Any) -> tuple[NDArray[Any], SequenceData]:
        """Validated rows, and where sequences end."""
        check_is_fitted(self)
        data = read_sequences(X, groups, alone=self._alone)
        return self._validate(data.X), data

    def _sequences(
        self,
        X: NDArray[Any],
        ends: NDArray[np.intp],
        model: Chains[Any],
        weight: Array | None = None,
        labels: NDArray[np.intp] | None = None,
    ) -> Sequences:
        return Sequences(
            X,
            ends,
            weight,
            n_features=max(model.components.n_features, model.n_laws),
            n_states=model.n_laws,
            n_threads=n_threads(self.n_jobs),
            patterned=model.components.patterned,
            labels=labels,
        )

    def _each_row(
        self,
        X: NDArray[Any],
        ends: NDArray[np.intp],
        shape: tuple[int, ...],
        read: Read,
    ) -> NDArray[Any]:
        """`read(model, bundle, messages, scratch)` of all rows, (n, *shape)."""
        model = self._reader()
        out = np.empty((len(X), *shape))
        with self._sequences(X, ends, model) as sequences:
            messages = exchange(model, sequences)
            return sequences.fill(
                out, lambda bundle, scratch: read(model, bundle, messages, scratch)
            )

    def score_samples(self, X: Any, groups: Any = None) -> Any:
        """Log-density of each row given the rows before it, in nats.

        They sum to the log-density of the sequence, so that the value of a row says
        how surprising it is at its time: a score for anomalies on line.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time. A list has one sequence a table. A row with
            missing cells has the marginal density of those observed, a row without
            any has 0.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        log_density : ndarray of shape (n_samples,), or a list of them
            Log-densities; -inf marks a row that is impossible after those before. The
            rows after it are scored as if it had been missing.
        """
        rows, data = self._read(X, groups)
        found = self._score_rows(rows, data.ends)
        return data.give_back(found.astype(rows.dtype, copy=False))

    def _score_rows(self, X: NDArray[Any], ends: NDArray[np.intp]) -> Array:
        model = self._reader()

        def read(
            model: Chains[Any],
            bundle: Bundle,
            messages: Messages | None,
            scratch: Scratch,
        ) -> Array:
            log = model.evaluate(X, bundle, scratch).log
            found = np.empty((len(bundle.rows), model.n_chains))
            for chain in range(model.n_chains):
                previous, _ = model.begin(bundle, messages, chain)
                done = model.filter(log, chain, previous, bundle.offset, scratch)
                found[:, chain] = done.density
            return found

        found = self._each_row(X, ends, (model.n_chains,), read)
        if model.n_chains == 1:
            return found[:, 0]
        mixed = np.empty(len(X))
        mix_increments(found, model.log_weights, ends, mixed)
        return mixed

    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None
    ) -> float:
        """Weighted mean of `score_samples`: higher is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        y : None
            Ignored; here for scikit-learn's pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row in the mean.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        score : float
            Mean log-density per row, in nats.
        """
        rows, data = self._read(X, groups)
        weight = check_weights(sample_weight, rows)
        return float(np.average(self._score_rows(rows, data.ends), weights=weight))

    def sample(
        self,
        n_samples: int = 1,
        *,
        n_sequences: int | None = None,
        random_state: Any = None,
    ) -> Any:
        """Draw a new sequence, or several.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows of each sequence, at least 1.
        n_sequences : int or None, default=None
            Number of sequences, given as a list of tables. None draws one, and gives
            its rows.
        random_state : int, RandomState instance or None, default=None
            An int gives the same rows each time; None gives fresh rows. Neither the
            estimator nor numpy's global generator is changed.

        Returns
        -------
        X : array, or DataFrame of the library seen in `fit`, (n_samples, n_features)
            Rows in the order of time; a list of them where `n_sequences` is given.
        """
        return self._draw_sequences(n_samples, n_sequences, random_state)[0]

    def _draw_sequences(
        self, n_samples: Any, n_sequences: Any, random_state: Any
    ) -> tuple[Any, Any]:
        """Rows and laws, each a list where `n_sequences` is given."""
        check_is_fitted(self)
        n_samples = int(check_scalar(n_samples, "n_samples", Integral, min_val=1))
        m, n_rows = (n_samples, 1) if self._alone else (1, n_samples)
        if n_sequences is not None:
            m = int(check_scalar(n_sequences, "n_sequences", Integral, min_val=1))
            n_rows = n_samples
        rng = as_generator(random_state)
        model = self._reader()
        chains = rng.choice(model.n_chains, m, p=model.weights)
        path = simulate_paths(model, chains, n_rows, rng).ravel()
        rows = self._complete(np.full((path.size, self._width), np.nan), path, rng)
        if n_sequences is None:
            return self._schema.restore(rows), path
        parts = [slice(at, at + n_rows) for at in range(0, path.size, n_rows)]
        tables = [self._schema.restore(rows[part]) for part in parts]
        return tables, [path[part] for part in parts]

    def _complete(
        self, X: NDArray[Any], laws: NDArray[np.intp], rng: np.random.Generator
    ) -> NDArray[Any]:
        """Rows with missing cells drawn from the law of each row."""
        components = self._reader().components

        def fill(block: Block, scratch: Scratch) -> NDArray[Any]:
            if block.complete:
                return np.asarray(block.X)
            return np.asarray(
                components.conditional_draw(block.X, laws[block.rows], rng)
            )

        with Rows(
            X,
            None,
            n_features=components.n_features,
            n_threads=1,
            patterned=components.patterned,
        ) as rows:
            return rows.fill(np.empty(X.shape), fill)

    def sample_conditional(
        self, X: Any, groups: Any = None, *, random_state: Any = None
    ) -> Any:
        """Draw the missing cells from their law given all that was observed.

        Hidden states are drawn given the whole sequence, and cells given the state and
        the other cells of their row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows with missing cells, or with none but missing ones.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.
        random_state : int, RandomState instance or None, default=None
            As in `sample`.

        Returns
        -------
        X_completed : array or DataFrame, as X
            X with every missing cell drawn.
        """
        rows, data = self._read(X, groups)
        rng = as_generator(random_state)
        model = self._reader()
        with self._sequences(rows, data.ends, model) as sequences:
            laws = draw(model, sequences, rng.random((2, len(rows))))
        drawn = self._complete(rows, laws, rng)
        return data.complete(rows, self._schema.complete, drawn)

    def impute(self, X: Any, groups: Any = None) -> Any:
        """Replace missing cells by their mean given all that was observed.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows with missing cells, or with none but missing ones.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        X_completed : array or DataFrame, as X
            X with every missing cell at its conditional mean given the sequence,
            rounded where the column is one of integers.
        """
        rows, data = self._read(X, groups)

        def read(
            model: Chains[Any],
            bundle: Bundle,
            messages: Messages | None,
            scratch: Scratch,
        ) -> Array:
            filled = rows[bundle.rows].astype(np.float64)
            if all(block.complete for _, block in bundle.blocks):
                return filled
            emissions = model.evaluate(rows, bundle, scratch)
            smoothed = model.smooth(emissions, bundle, messages, scratch).smoothed
            weights = smoothed.reshape(model.n_laws, -1)
            for at, block in bundle.blocks:
                if not block.complete:
                    filled[at] = model.components.conditional_mean(
                        rows[block.rows], np.ascontiguousarray(weights[:, at])
                    )
            return filled

        means = self._each_row(rows, data.ends, rows.shape[1:], read)
        return data.complete(rows, self._schema.complete, means)

    def forecast(
        self, X: Any, horizon: int = 1, groups: Any = None
    ) -> Forecast | list[Forecast]:
        """Law of the rows that come after a sequence.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            The rows so far.
        horizon : int, default=1
            Number of rows ahead.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        forecast : Forecast, or a list of them
            What the next `horizon` rows may be: probabilities of the states, means,
            draws. One a sequence where `groups` or a list is given.
        """
        rows, data = self._read(X, groups)
        horizon = int(check_scalar(horizon, "horizon", Integral, min_val=1))
        model = self._reader()
        with self._sequences(rows, data.ends, model) as sequences:
            found = forecasts(model, sequences, horizon, self._schema, self._width)
        return found[0] if data.parts is None and groups is None else found

    def aic(self, X: Any, groups: Any = None) -> float:
        """Akaike information criterion on X: lower is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        aic : float
            Twice the number of free parameters less twice the log-likelihood.
        """
        rows, data = self._read(X, groups)
        log_likelihood = float(self._score_rows(rows, data.ends).sum())
        return 2.0 * self._n_parameters() - 2.0 * log_likelihood

    def bic(self, X: Any, groups: Any = None) -> float:
        """Bayesian information criterion on X: lower is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features), or a list of them
            Rows in the order of time.
        groups : array-like of shape (n_samples,), default=None
            The sequence of each row.

        Returns
        -------
        bic : float
            Free parameters times the log of the number of rows, less twice the
            log-likelihood.
        """
        rows, data = self._read(X, groups)
        log_likelihood = float(self._score_rows(rows, data.ends).sum())
        return float(self._n_parameters() * np.log(len(rows)) - 2.0 * log_likelihood)
