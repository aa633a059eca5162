"""How every finite mixture is fitted: starts, EM, online updates."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.base import check_weights
from sklgen.em import Rows, Run, best, blend, first_best, run, warn_unconverged
from sklgen.em._distinct import distinct_rows
from sklgen.families import Learner
from sklgen.families._base import EMPTY_SHARE
from sklgen.mixture._fitted import LikelihoodMixture
from sklgen.mixture._starts import STARTS, nearest
from sklgen.mixture._structure import Mixture, MixtureStatistics

# Starts are tried for a few steps on a sample of rows; the best go on.
_SHORT_ITER = 10
_KEPT_STARTS = 2
_SAMPLE_ROWS = 8192
_SAMPLE_ROWS_PER_COMPONENT = 64
# A sample says no more than this about the optimum on all rows, in nats per row.
_SAMPLE_TOL = 1e-3
# A run on the sample pays where this many times its rows are given.
_LARGER = 4


class BaseMixture(LikelihoodMixture):
    """A finite mixture that can be fitted. Its hooks are the abstract methods."""

    _remedy: ClassVar[str] = (
        "a component is nearly singular. Raise reg_covar, or drop columns that follow "
        "from others."
    )

    n_components: Any
    tol: float
    max_iter: int
    n_init: int
    init_params: str
    random_state: Any
    warm_start: bool
    verbose: int

    # Whether ending at max_iter is worth a warning.
    _must_converge: ClassVar[bool] = True

    @abstractmethod
    def _prepare(self, X: NDArray[Any], weight: Array) -> None:
        """Learn what components need to know of the data before any start."""

    @abstractmethod
    def _equal_components(self) -> Learner:
        """Components that are all alike."""

    @abstractmethod
    def _standardized(self, X: Array) -> Array:
        """Rows in which distances are meaningful, without missing cells."""

    @abstractmethod
    def _labelled(
        self, rows: Rows, labels: NDArray[np.intp], equal: Mixture[Any]
    ) -> Mixture[Any]:
        """The mixture of rows with given labels; `equal` has equal components."""

    @property
    @abstractmethod
    def _shape(self) -> dict[str, Any]:
        """The parameters that decide the shapes of the fitted attributes."""

    @abstractmethod
    def _with_given(self, start: Mixture[Any]) -> Mixture[Any]:
        """The start with what the user gave put in its place."""

    @property
    @abstractmethod
    def _is_given(self) -> bool:
        """Whether the user gave the whole start."""

    @abstractmethod
    def _given_seeds(self) -> Array | None:
        """One row a component, if the user gave them."""

    @abstractmethod
    def _store(self, model: Mixture[Any]) -> None:
        """Set the fitted attributes that describe the components."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the mixture by expectation-maximisation.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows; NaN marks missing cells.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row; a weight of 2 is the row twice, a weight
            of 0 its removal.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If there are fewer rows than components, a row or column without any
            observed cell, an infinite cell, or no positive weight.
        """
        warm = self.warm_start and hasattr(self, "weights_")
        n_columns = getattr(self, "n_features_in_", None)
        X, weight = self._validate_training(X, sample_weight, reset=True)
        if warm:
            check_continues(self, "warm_start=True")
            if X.shape[1] != n_columns:
                raise ValueError(
                    f"warm_start=True continues a fit of {n_columns} columns, got "
                    f"{X.shape[1]}. Set warm_start=False."
                )
        self._fit_validated(X, weight, warm=warm)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Update the mixture with one more batch of rows, by online EM.

        The first call fits the batch as `fit` does. Each later call takes one E-step
        on its batch and blends the statistics with the earlier ones; a batch counts
        by its share of all weight so far, to the power 0.7.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            A batch of rows; NaN marks missing cells.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row.

        Returns
        -------
        self : object
            The updated estimator.
        """
        first = not hasattr(self, "weights_")
        X, weight = self._validate_training(X, sample_weight, reset=first)
        if first:
            self._fit_validated(X, weight, warm=False)
        else:
            check_continues(self, "partial_fit")
            self._update(X, weight)
        return self

    def _validate_training(
        self, X: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[NDArray[Any], Array]:
        X = self._validate(
            X,
            reset=reset,
            min_rows=2 if reset else 1,
            sample_weight=sample_weight,
        )
        weight = check_weights(sample_weight, X)
        used = int(np.count_nonzero(weight))
        wanted = self.n_components
        if reset and not isinstance(wanted, str) and used < wanted:
            raise ValueError(
                f"n_components={wanted} needs at least as many rows, got "
                f"n_samples = {used} with positive weight. Lower n_components."
            )
        return self._learned_rows(X, weight, reset=reset), weight

    def _learned_rows(
        self, X: NDArray[Any], weight: Array, *, reset: bool
    ) -> NDArray[Any]:
        """What EM sees of validated rows: all of it, if something was observed."""
        names = getattr(self, "feature_names_in_", np.arange(X.shape[1]))
        _check_observed(X, weight, names if reset else None)
        return X

    @property
    def _n_wanted(self) -> int:
        """Number of components to fit."""
        return int(self.n_components)

    def _fit_validated(self, X: NDArray[Any], weight: Array, *, warm: bool) -> None:
        self._prepare(X, weight)
        K = self._n_wanted
        equal = Mixture(np.full(K, 1.0 / K), self._equal_components())
        with self._rows(X, weight, equal.components) as rows:
            starts = (
                [self._fitted().settle(equal)]
                if warm
                else self._starts(X, weight, equal)
            )
            with progress(self) as monitor:
                runs = [
                    self._run(start, rows, tol=self.tol, monitor=monitor)
                    for start in starts
                ]
        found = runs[first_best([ended.bounds[-1] for ended in runs])]
        self.converged_ = found.converged
        self.n_iter_ = found.n_iter
        self.lower_bounds_ = list(found.bounds)
        self._keep(found.model, found.statistics)
        self._warn(found)

    def _update(self, X: NDArray[Any], weight: Array) -> None:
        model = self._fitted()
        with self._rows(X, weight, model.components) as rows:
            batch = rows.sum(model.e_step)
        mixed = blend(self._statistics, batch)
        self.n_iter_ += 1
        self.lower_bounds_.append(mixed.bound / mixed.weight)
        updated = model.m_step(mixed)
        self._keep(updated, mixed.recentred(model.components, updated.components))

    def _keep(self, model: Mixture[Any], statistics: MixtureStatistics) -> None:
        self._statistics = statistics
        self._fitted_shape = self._shape
        self.weights_ = model.weights
        self.lower_bound_ = self.lower_bounds_[-1]
        self._store(model)

    def _warn(self, found: Run[Any]) -> None:
        if self._must_converge:
            warn_unconverged(found, self, self._remedy, stacklevel=5)
        empty = np.flatnonzero(self.weights_ < EMPTY_SHARE)
        if empty.size:
            warnings.warn(
                f"{empty.size} of {len(self.weights_)} components ended without any "
                f"weight: {empty.tolist()}. Lower n_components.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _run(
        self, start: Mixture[Any], rows: Rows, *, tol: float, **options: Any
    ) -> Run[Mixture[Any]]:
        return run(
            start,
            expectation(rows),
            tol=tol,
            max_iter=self.max_iter,
            **options,
        )

    def _starts(
        self, X: NDArray[Any], weight: Array, equal: Mixture[Any]
    ) -> list[Mixture[Any]]:
        """The best of `n_init` short runs on a sample of distinct rows."""
        if self._is_given:
            return [self._with_given(equal).settle(equal)]
        rng = as_generator(self.random_state)
        limit = max(_SAMPLE_ROWS, _SAMPLE_ROWS_PER_COMPONENT * self._n_wanted)
        sample, sample_weight = distinct_rows(X, weight, limit, rng)
        with self._rows(sample, sample_weight, equal.components) as rows:
            starts = (
                self._with_given(self._labelled(rows, labels, equal)).settle(equal)
                for labels in self._labels(sample, sample_weight, rng)
            )
            kept = best(
                starts,
                expectation(rows),
                n_iter=min(_SHORT_ITER, self.max_iter),
                keep=_KEPT_STARTS,
            )
            if sample.shape[0] == limit and weight.sum() >= _LARGER * limit:
                tol = max(self.tol, _SAMPLE_TOL)
                runs = [self._run(start, rows, tol=tol) for start in kept]
                kept = [runs[first_best([ended.bounds[-1] for ended in runs])].model]
        return kept

    def _labels(
        self, sample: Array, weight: Array, rng: np.random.Generator
    ) -> Iterator[NDArray[np.intp]]:
        Z, K = self._standardized(sample), self._n_wanted
        seeds = self._given_seeds()
        if seeds is not None:
            yield nearest(Z, self._standardized(seeds))
        elif Z.shape[0] <= K:
            yield np.arange(Z.shape[0])
        else:
            for _ in range(self.n_init):
                yield STARTS[self.init_params](Z, weight, K, rng)


@contextmanager
def progress(estimator: Any) -> Iterator[Callable[[float], object]]:
    """Show the bound of each iteration, if the estimator is verbose."""
    if not estimator.verbose:
        yield lambda bound: None
        return
    from tqdm.auto import tqdm

    with tqdm(desc=type(estimator).__name__, unit="iter") as bar:

        def advance(bound: float) -> None:
            bar.set_postfix_str(f"bound {bound:.6g} a row", refresh=False)
            bar.update()

        yield advance


def expectation(rows: Rows) -> Callable[[Mixture[Any]], MixtureStatistics]:
    """The E-step on all rows, with the bound that the M-step raises."""
    return lambda model: model.posterior_bound(rows.sum(model.e_step))


def _check_observed(X: NDArray[Any], weight: Array, columns: Any | None) -> None:
    """Rows of positive weight, and columns if named, must have an observed cell."""
    with np.errstate(all="ignore"):
        if not np.isnan(X.sum()):
            return
    missing = np.isnan(X[weight > 0])
    empty_rows = np.flatnonzero(weight > 0)[missing.all(axis=1)]
    if empty_rows.size:
        raise ValueError(
            f"X has rows without any observed cell, {empty_rows.size} in all, the "
            f"first at {empty_rows[:5].tolist()}: they say nothing about the density. "
            'Drop them, with X.dropna(how="all") in a DataFrame.'
        )
    if columns is not None:
        check_columns(missing, columns)


def check_columns(missing: NDArray[np.bool_], columns: Any) -> None:
    """Columns, given by their names, must have an observed cell."""
    empty = missing.all(axis=0)
    if empty.any():
        named = columns[empty].tolist()
        raise ValueError(
            f"X has columns without any observed cell: {named}. Drop them."
        )


def check_continues(estimator: Any, what: str) -> None:
    """Parameters that decide shapes must be those of the fit to continue."""
    for name, before in estimator._fitted_shape.items():
        now = estimator._shape[name]
        if now != before:
            raise ValueError(
                f"{what} continues a fit with {name}={before!r}, got {name}={now!r}. "
                "Restore it, or fit a new estimator."
            )
