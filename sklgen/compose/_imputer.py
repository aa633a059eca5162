"""A transformer that completes rows by a generator."""

from __future__ import annotations

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from sklgen._frames import as_series, open_frame
from sklgen._random import as_generator
from sklgen.compose._around import AroundMixin, are_sequences
from sklgen.compose._gaps import missing_cells

_INDICATOR = "missingindicator_"


class GenerativeImputer(AroundMixin, TransformerMixin, BaseEstimator):
    """Transformer that completes rows with missing cells by a generator.

    The generator learns from rows with missing cells too. DataFrames come back with
    their columns and dtypes.

    Parameters
    ----------
    estimator : estimator with `impute` and `sample_conditional`
        The generator, such as `GaussianMixture` or `TabularMixture`.
    strategy : {"mean", "sample"}, default="mean"
        What missing cells become: their means given the observed cells of the row
        (labels: the likeliest), or draws from their law given these. Means are the
        better guesses of cells, and draws keep how much cells vary.
    n_imputations : int, default=5
        Number of tables that `impute_multiple` gives.
    add_indicator : bool, default=False
        Whether to add a column for each one that had missing cells in `fit`, True
        where they are.
    random_state : int, RandomState instance or None, default=None
        Randomness of draws. `transform` gives the same draws each time, which `fit`
        seeds.

    Attributes
    ----------
    estimator_ : estimator
        The fitted generator.
    indicator_features_ : ndarray of shape (n_indicators,)
        Positions of the columns with an indicator.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklearn.impute.IterativeImputer : Regressions of columns on each other, in turn.
    sklearn.impute.KNNImputer : Means of neighbours.

    Notes
    -----
    Multiple imputation [1]_ analyses each of several tables and pools the results:
    what differs between them is what is not known of missing cells. The tables of
    `impute_multiple` take the parameters of the generator as known, so that they vary
    too little where few rows tell of many parameters.

    References
    ----------
    .. [1] D. B. Rubin (1987). Multiple Imputation for Nonresponse in Surveys. Wiley.

    Examples
    --------
    >>> from sklgen.compose import GenerativeImputer
    >>> from sklgen.datasets import load_penguins
    >>> from sklgen.mixture import TabularMixture
    >>> X = load_penguins(as_frame=True).frame
    >>> int(X.isna().to_numpy().sum())
    19
    >>> imputer = GenerativeImputer(TabularMixture(4, random_state=0)).fit(X)
    >>> int(imputer.transform(X).isna().to_numpy().sum())
    0
    >>> tables = imputer.impute_multiple(X)
    >>> len(tables)
    5
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "impute", "sample_conditional"])],
        "strategy": [StrOptions({"mean", "sample"})],
        "n_imputations": [Interval(Integral, 1, None, closed="left")],
        "add_indicator": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        strategy: str = "mean",
        n_imputations: int = 5,
        add_indicator: bool = False,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.n_imputations = n_imputations
        self.add_indicator = add_indicator
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> GenerativeImputer:
        """Fit the generator to rows with and without missing cells.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row, for generators that take weights.

        Returns
        -------
        self : GenerativeImputer
            The fitted transformer.
        """
        X = self._read(X, reset=True)
        sequences = are_sequences(X)
        self._tables = sequences or open_frame(X, "") is not None
        weight = self._weights(X, sample_weight)
        gone = np.concatenate(
            [missing_cells(rows) for rows in (X if sequences else [X])]
        )
        # Rows of which nothing is known say nothing about others.
        known = np.flatnonzero(~gone.all(axis=1))
        if sequences:
            known = np.arange(len(X))
        own = None if weight is None else weight[known]
        self.estimator_ = self._fitted(_safe_indexing(X, known), own)
        self.indicator_features_ = np.flatnonzero(gone.any(axis=0))
        rng = as_generator(self.random_state)
        self._seeds = rng.integers(2**32, size=self.n_imputations).tolist()
        return self

    def transform(self, X: Any) -> Any:
        """Complete rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with missing cells.

        Returns
        -------
        X_completed : array or DataFrame, as X
            Rows without missing cells, and the indicators if there are any.
        """
        check_is_fitted(self)
        X = self._rows(X)
        if self.strategy == "mean":
            return self._with_indicators(X, self.estimator_.impute(X))
        return self._with_indicators(X, self._draw(X, self._seeds[0]))

    def impute_multiple(self, X: Any) -> list[Any]:
        """Complete rows several times, with other draws each time.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with missing cells.

        Returns
        -------
        tables : list of arrays or DataFrames, as X
            `n_imputations` tables, as `transform` gives them with strategy "sample".
        """
        check_is_fitted(self)
        X = self._rows(X)
        return [self._with_indicators(X, self._draw(X, seed)) for seed in self._seeds]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Name the columns and the indicators.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; None takes those of `fit`.

        Returns
        -------
        names : ndarray of str
            Names of what `transform` gives.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        return np.concatenate([names, self._indicator_names(names)]).astype(object)

    def _rows(self, X: Any) -> Any:
        """Rows of the kind that `fit` saw: what it knew as an array stays one."""
        rows = self._read(X)
        return rows if self._tables else np.asarray(rows)

    def _draw(self, X: Any, seed: int) -> Any:
        return self.estimator_.sample_conditional(X, random_state=seed)

    def _indicator_names(self, names: Any) -> list[str]:
        if not self.add_indicator:
            return []
        return [f"{_INDICATOR}{names[j]}" for j in self.indicator_features_]

    def _with_indicators(self, X: Any, completed: Any) -> Any:
        if not (self.add_indicator and len(self.indicator_features_)):
            return completed
        if are_sequences(X):
            pairs = zip(X, completed, strict=True)
            return [self._with_indicators(*pair) for pair in pairs]
        flags = missing_cells(X)[:, self.indicator_features_]
        frame = open_frame(completed, "")
        if frame is None:
            return np.hstack([completed, flags.astype(np.asarray(completed).dtype)])
        first = frame.get_column(frame.columns[0])
        names = self._indicator_names(frame.columns)
        if taken := {*names} & {*frame.columns}:
            raise ValueError(
                f"X has columns {sorted(taken)} already, as indicators are called: "
                "rename them, or leave add_indicator out."
            )
        columns = [
            as_series(flag, like=first).alias(name)
            for flag, name in zip(flags.T, names, strict=True)
        ]
        return frame.with_columns(*columns).to_native()
