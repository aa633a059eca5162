"""How every posterior is fitted, and what is read off all of them."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context, clone
from sklearn.utils import check_consistent_length, check_scalar
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.base import _RowsMixin, check_weights
from sklgen.em import n_threads
from sklgen.mcmc._backend import posterior_of, uses_torch
from sklgen.mcmc._chained import ChainedEstimator
from sklgen.mcmc._chains import draw
from sklgen.mcmc._evaluate import told
from sklgen.mcmc._fit_rows import check_reach, distinct, hash_of, repeated, with_labels
from sklgen.mcmc._model import BayesianModel
from sklgen.mcmc._posterior import Posterior, written
from sklgen.mcmc._predictive import Predictive
from sklgen.mcmc._psis import LeaveOneOut, leave_one_out
from sklgen.mcmc._runner import Chains
from sklgen.mcmc._starts import NoStart

# Draws whose parameters are made at once.
_BLOCK = 1024


class BasePosterior(_RowsMixin, ChainedEstimator):
    """Draws from the posterior of a model. Hook: `_default_model`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model": [BayesianModel, None],
        **ChainedEstimator._parameter_constraints,
        "dtype": [StrOptions({"float64", "float32"})],
        "device": [str],
    }

    # Methods that models must have, beside those that all have.
    _needed: ClassVar[tuple[str, ...]] = ()
    # Whether labels count that no row of positive weight has.
    _keeps_labels: ClassVar[bool] = False
    _by_value: ClassVar[tuple[str, ...]] = ("model", "model_")
    model_: BayesianModel
    posterior_: dict[str, NDArray[Any]]
    _data_hash: str
    _torch: bool

    def __init__(
        self,
        model: Any = None,
        *,
        sampler: Literal["nuts", "ensemble", "tempered"] = "nuts",
        n_chains: int = 4,
        n_warmup: int = 1000,
        n_draws: int = 1000,
        target_accept: float = 0.8,
        metric: Literal["dense", "diagonal", "low_rank"] = "dense",
        max_depth: int = 10,
        thin: int = 1,
        dtype: Literal["float64", "float32"] = "float64",
        device: str = "cpu",
        n_jobs: int | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.model = model
        self.sampler = sampler
        self.n_chains = n_chains
        self.n_warmup = n_warmup
        self.n_draws = n_draws
        self.target_accept = target_accept
        self.metric = metric
        self.max_depth = max_depth
        self.thin = thin
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _default_model(self) -> BayesianModel:
        """The model where the user gives none."""

    @abstractmethod
    def _targets(self, y: Any, *, reset: bool = False) -> Array:
        """Targets as a float64 array, as the model gets them."""

    def _data(
        self, X: Any, y: Any, *, reset: bool = False
    ) -> tuple[NDArray[Any], Array | None]:
        """Rows as an array of floats, and targets as the model gets them."""
        rows = self._validate(X, reset=reset)
        model = self._stated_model() if reset else self.model_
        if not model.conditional:
            return rows, None
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        targets = self._targets(y, reset=reset)
        check_consistent_length(rows, targets)
        return rows, targets

    def _stated_model(self) -> BayesianModel:
        return self._default_model() if self.model is None else self.model

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Draw from the posterior of the model, given rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,), default=None
            Targets, for a model of y given X; ignored by a model of rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of the log-likelihood of each row; a weight of 2 is the
            row twice, a weight of 0 its removal. Priors that are scaled to the data see
            each row once where some weights are no whole numbers.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If no start with a finite log-posterior and gradient is found, or what the
            model returns has a wrong shape.

        Warns
        -----
        ConvergenceWarning
            If draws should not be trusted yet; `converged_` is False then.
        """
        with self._all_or_nothing():
            self._check_model()
            X, y = self._data(X, y, reset=True)
            self._sample_chains(X, y, check_weights(sample_weight, X))
            problems = self._judge()
        self._warn_of(problems)
        return self

    def _check_model(self) -> None:
        """Raise an error for a model of another kind than the estimator is for."""
        model = self._stated_model()
        missing = [name for name in self._needed if not hasattr(model, name)]
        if self._needed and (missing or not model.conditional):
            what = f"has no method `{missing[0]}`" if missing else "is a model of rows"
            raise TypeError(
                f"{type(self).__name__} takes models of targets with the methods "
                f"{', '.join(self._needed)}, but {type(model).__name__} {what}. "
                "PosteriorSampler takes models of any kind."
            )

    def _sample_chains(self, X: Array, y: Array | None, weight: Array) -> None:
        model = clone(self._stated_model())
        data_hash = hash_of(X, y, weight)
        before = self._before()
        if before is not None and data_hash != self._data_hash:
            raise ValueError(
                "warm_start=True goes on with the posterior of the rows of the last "
                "fit, got other rows. Set warm_start=False."
            )
        if model.independent_rows:
            kept = distinct(X, y, weight)
            if self._keeps_labels and y is not None:
                kept = with_labels(*kept, X, y)
            X, y, weight = kept
        elif (weight != 1.0).any():
            raise ValueError(
                f"{type(model).__name__} has rows that depend on each other: "
                "sample_weight must be None."
            )
        X = X.astype(np.float64, copy=False)
        check_reach(X, "X")
        if y is not None:
            check_reach(y, "y")
        priors = model.parameters(*repeated(X, y, weight))
        torch = uses_torch(priors)
        posterior = posterior_of(model, priors, X, y, weight, device=self.device)
        _check_has_parameters(posterior, model)
        try:
            chains = draw(
                posterior
                if self.sampler == "tempered"  # which needs prior and likelihood
                else posterior.density(n_threads(self.n_jobs)),
                posterior.n_dim,
                self._settings(),
                as_generator(self.random_state),
                frame=posterior.frame,
                going_on=before,
            )
        except NoStart as error:
            raise ValueError(_blame(posterior, error.position, X, y)) from error
        self._chains, self._data_hash, self._torch = chains, data_hash, torch
        self.model_ = model
        self.posterior_ = _parameters(posterior, chains, np.dtype(self.dtype))

    def _named_draws(self) -> dict[str, NDArray[Any]]:
        return self.posterior_

    def _predictive(self) -> Predictive:
        flat = {k: x.reshape(-1, *x.shape[2:]) for k, x in self.posterior_.items()}
        return Predictive(self.model_, flat, self._torch)

    def sample_posterior(
        self, n_samples: int = 1, *, random_state: Any = None
    ) -> dict[str, Array]:
        """Draw parameters from the posterior.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws, with replacement, of those in `posterior_`.
        random_state : int, RandomState instance or None, default=None
            An int gives the same draws each time; None gives fresh ones.

        Returns
        -------
        draws : dict of str to ndarray of shape (n_samples, ...)
            Parameters; those at the same place belong together.
        """
        check_is_fitted(self)
        n_samples = int(check_scalar(n_samples, "n_samples", Integral, min_val=1))
        return self._predictive().some(n_samples, as_generator(random_state))

    def _log_density(self, X: Any, y: Any) -> Array:
        """Log predictive density of each row, or of its target."""
        check_is_fitted(self)
        rows, targets = self._data(X, y)
        log_density = self._predictive().log_density(rows, targets)
        return log_density.astype(rows.dtype, copy=False)

    def score_loo(self, X: Any, y: Any = None) -> LeaveOneOut:
        """Leave-one-out cross-validation without fitting again [1]_.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The rows of `fit`.
        y : array-like of shape (n_samples,), default=None
            Their targets.

        Returns
        -------
        result : LeaveOneOut
            ``total`` is the sum over rows of the log predictive density given all
            other rows, with its ``standard_error``; ``elpd`` has the rows one by one,
            and ``unreliable`` says for which of them the draws do not suffice.

        Warns
        -----
        UserWarning
            If there are such rows.

        References
        ----------
        .. [1] Vehtari, A., Gelman, A. and Gabry, J. (2017). Practical Bayesian model
           evaluation using leave-one-out cross-validation and WAIC. Statistics and
           Computing, 27.
        """
        check_is_fitted(self)
        data = self._data(X, y)
        if hash_of(*data, np.ones(len(data[0]))) != self._data_hash:
            raise ValueError(
                "score_loo takes the rows that the model was fitted to, without "
                "weights, got others. For new rows there is `score_samples`, or "
                "`score_targets`."
            )
        n_chains = next(iter(self.posterior_.values())).shape[0]
        result = leave_one_out(self._predictive().log_likelihoods(*data, n_chains))
        n = int(result.unreliable.sum())
        if n:
            warnings.warn(
                f"{type(self).__name__}.score_loo is unreliable for {n} of "
                f"{len(result.elpd)} rows, which the draws that saw them do not "
                "suffice to leave out: use cross_val_score, or a model with heavier "
                "tails.",
                stacklevel=2,
            )
        return result


def _parameters(
    posterior: Posterior, chains: Chains, dtype: np.dtype[Any]
) -> dict[str, NDArray[Any]]:
    """Parameters (C, n, *shape) of draws, made in blocks."""
    n_chains, n_draws, n_dim = chains.positions.shape
    flat = chains.positions.reshape(-1, n_dim)
    out: dict[str, NDArray[Any]] = {}
    for low in range(0, len(flat), _BLOCK):
        block = posterior.constrain(flat[low : low + _BLOCK])
        for name, values in block.items():
            if name not in out:
                out[name] = np.empty((len(flat), *values.shape[1:]), dtype)
            out[name][low : low + _BLOCK] = values
    return {k: x.reshape(n_chains, n_draws, *x.shape[1:]) for k, x in out.items()}


def _check_has_parameters(posterior: Posterior, model: BayesianModel) -> None:
    if not posterior.n_dim:
        raise ValueError(
            f"{type(model).__name__}.parameters(X, y) must return at least one "
            "parameter, got none."
        )


def _blame(posterior: Posterior, u: Array, X: Array, y: Array | None) -> str:
    """Say which term of the log-posterior makes a start impossible."""
    terms = posterior.terms(u)
    rows = np.flatnonzero(~np.isfinite(terms.pop("")))
    culprits = [
        f"the log-prior of {name!r} is {float(value.sum())}"
        for name, value in terms.items()
        if not np.isfinite(value).all()
    ]
    if len(rows):
        first = told(X[rows[0]])
        target = "" if y is None else f" and y={y[rows[0]]:.6g}"
        culprits.append(
            f"the log-likelihood of {len(rows)} rows is not finite, such as that of "
            f"{first}{target}"
        )
    if not culprits:
        culprits.append("its gradient is not finite, although its terms are")
    found = posterior.constrain(u[None])
    where = written({name: x[0] for name, x in found.items()})
    return (
        "No start with a finite log-posterior and gradient was found in 100 tries for "
        f"one of the chains. At the last one, {where}, {'; '.join(culprits)}. Change "
        "the priors, or the likelihood, so that it is finite around where the priors "
        "are."
    )
