"""How Dirichlet process mixtures of any kind are fitted."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.base import check_weights
from sklgen.em import warn_unconverged
from sklgen.em._distinct import distinct_rows
from sklgen.em._threads import N_JOBS
from sklgen.mixture._base import _SAMPLE_ROWS, progress
from sklgen.mixture._dirichlet_process_model import ProcessPosterior
from sklgen.mixture._dirichlet_process_search import Ascent
from sklgen.mixture._dirichlet_process_start import Discovery
from sklgen.mixture._fitted import FittedMixture

# Number of clusters that a start and a split begin with, before merges.
_SEEDS, _SEEDS_OF_SPLIT = 20, 10
# Steps of empirical Bayes for the prior, as long as each gains this much a row.
_TUNINGS, _TUNING_TOL = 3, 1e-3
# Between moves the bound is climbed to this gain left, in nats per row.
_ROUGH_TOL = 1e-4
# What to do where rounding ends a climb.
_REMEDY = "raise tol, or give columns of large numbers another unit."

CONSTRAINTS: dict[str, list[Any]] = {
    "weight_concentration_prior": [Interval(Real, 0, None, closed="neither")],
    "max_components": [Interval(Integral, 1, None, closed="left")],
    "count_prior": [Interval(Real, 0, None, closed="neither")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 0, None, closed="left")],
    "n_init": [Interval(Integral, 1, None, closed="left")],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "n_jobs": N_JOBS,
}


class BaseProcessMixture(FittedMixture):
    """A Dirichlet process mixture that can be fitted. Hook: `_prior(X, weight)`.

    The hook returns an object with the prior `law`, expected `components`, and the
    methods `tuned` and `places`, after it has checked the rows.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    weight_concentration_prior: float
    max_components: int
    tol: float
    max_iter: int
    n_init: int
    random_state: Any
    verbose: int

    @abstractmethod
    def _prior(self, X: Any, weight: Array) -> Any: ...

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the posterior by variational inference with births and merges.

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
            If there is a row or column without any observed cell, an infinite cell, no
            positive weight, or a prior that does not fit the data's shape.
        """
        X = self._validate(X, reset=True, min_rows=2)
        weight = check_weights(sample_weight, X)
        family = self._prior(X, weight)
        rng = as_generator(self.random_state)
        discover = Discovery(
            prior=family.law,
            concentration=float(self.weight_concentration_prior),
            seeds=min(_SEEDS, self.max_components),
            limit=_SAMPLE_ROWS,
            open_rows=partial(self._rows, components=family.components),
            places=family.places,
            rng=rng,
        )
        start = self._start(discover, family, X, weight)
        discover = replace(discover, prior=start.prior, seeds=_SEEDS_OF_SPLIT)
        with (
            self._rows(X, weight, family.components) as rows,
            progress(self) as monitor,
        ):
            ascent = Ascent(start, rows, max_iter=self.max_iter, monitor=monitor)
            self._search(ascent, discover, X, weight)
        self._store(ascent)
        return self

    def _start(
        self,
        discover: Discovery,
        family: Any,
        X: Any,
        weight: Array,
    ) -> ProcessPosterior:
        """The best of several starts on a sample, under the prior that fits it best."""
        sample = distinct_rows(X, weight, discover.limit, discover.rng)
        found = discover.best_of(self.n_init, *sample)
        for _ in range(_TUNINGS):
            prior = family.tuned(found.model.laws)
            tried = replace(discover, prior=prior).best_of(self.n_init, *sample)
            if tried.bound <= found.bound + _TUNING_TOL:
                break
            found = tried
        start = found.model
        return start.repeated(float(weight.sum() / start.sticks.counts.sum()))

    def _search(
        self, ascent: Ascent, discover: Discovery, X: Any, weight: Array
    ) -> None:
        """Climb, merge and split until nothing raises the bound."""
        moved = True
        while moved and not ascent.exhausted:
            ascent.climb(max(self.tol, _ROUGH_TOL))
            moved = ascent.merge()
            moved |= ascent.split(discover, X, weight, self.max_components)
            if not moved and self.tol < _ROUGH_TOL:
                ascent.climb(self.tol)
                moved = ascent.merge()

    def _store(self, ascent: Ascent) -> None:
        weights = ascent.model.sticks.mean_weights
        self.n_components_ = len(weights)
        self.weights_ = weights / weights.sum()
        self.posterior_ = ascent.model.laws
        self.converged_ = ascent.converged
        self.n_iter_ = ascent.n_iter
        self.lower_bounds_ = list(ascent.bounds)
        self.lower_bound_ = self.lower_bounds_[-1]
        warn_unconverged(ascent, self, _REMEDY, stacklevel=5)

    def _components(self) -> Any:
        return self.posterior_.predictive()
