"""A small model that keeps the contract, and models that break it in one place each.

Each wrong model lists in `BREAKS` all the checks that must fail on it, and what their
messages say.
"""

# ruff: noqa: RUF012 (these class attributes are never changed)

from numbers import Integral

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils._param_validation import Interval

from sklgen.base import (
    ConditionalMixin,
    DensityMixin,
    GenerativeMixin,
    InformationCriterionMixin,
    LatentMixin,
    check_weights,
)


class TwoGaussians(
    LatentMixin,
    ConditionalMixin,
    DensityMixin,
    InformationCriterionMixin,
    GenerativeMixin,
    BaseEstimator,
):
    """Two Gaussians with diagonal covariances, by plain EM from a split at the mean."""

    _parameter_constraints = {"n_iter": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, n_iter=50):
        self.n_iter = n_iter

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        X = self._validate(X, reset=True, min_rows=2)
        weight = self._fit_weights(sample_weight, X)
        X = X[weight > 0].astype(np.float64)
        weight = weight[weight > 0]
        mean, self.scales_ = _moments(X, weight[:, None] * ~np.isnan(X))
        self.scales_ = np.tile(self.scales_, (2, 1))
        offset = np.nanmean((X - mean) / self.scales_[0], axis=1)
        upper = np.clip(0.5 + offset, 0.1, 0.9)
        resp = np.column_stack([1 - upper, upper])
        self.lower_bounds_ = []
        for _ in range(self.n_iter):
            self._m_step(X, resp * weight[:, None])
            log_joint = self._log_joint(X)
            bound = np.average(logsumexp(log_joint, axis=1), weights=weight)
            self.lower_bounds_.append(bound)
            resp = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
        return self

    def _fit_weights(self, sample_weight, X):
        return check_weights(sample_weight, X)

    def _m_step(self, X, resp):
        self.weights_ = resp.sum(axis=0) / resp.sum()
        observed = ~np.isnan(X)
        moments = [_moments(X, r[:, None] * observed) for r in resp.T]
        self.means_, self.scales_ = map(np.array, zip(*moments, strict=True))

    def _log_joint(self, X):
        X = X.astype(np.float64)[:, None]
        white = (X - self.means_) / self.scales_
        cells = -0.5 * (white**2 + np.log(2 * np.pi)) - np.log(self.scales_)
        return np.log(self.weights_) + np.nansum(cells, axis=-1)

    def _score_samples(self, X):
        return logsumexp(self._log_joint(X), axis=1)

    def _predict_proba(self, X):
        log_joint = self._log_joint(X)
        return np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))

    def _predict(self, X):
        return self._log_joint(X).argmax(axis=1)

    def _sample_latent(self, n_samples, rng):
        labels = rng.choice(2, size=n_samples, p=self.weights_)
        noise = rng.normal(size=(n_samples, self.means_.shape[1]))
        return self.means_[labels] + self._spread(labels) * noise, labels

    def _spread(self, labels):
        return self.scales_[labels]

    def _sample_conditional(self, X, rng):
        upper = rng.uniform(size=len(X)) < self._predict_proba(X)[:, 1]
        labels = upper.astype(int)
        draws = self.means_[labels] + self.scales_[labels] * rng.normal(size=X.shape)
        return np.where(np.isnan(X), draws, X)

    def _impute(self, X):
        return np.where(np.isnan(X), self._predict_proba(X) @ self.means_, X)

    def _n_parameters(self):
        return 1 + 2 * self.means_.size


def _moments(X, weight):
    total = weight.sum(axis=0) + 1e-12
    mean = np.nansum(weight * X, axis=0) / total
    variance = np.nansum(weight * (X - mean) ** 2, axis=0) / total
    return mean, np.sqrt(variance + 1e-6)


# What a check says when the mean of q / p over draws is not 1.
RATIO = r"q / p around .* mean \d.* expected 1\.0"


class VarianceAsScale(TwoGaussians):
    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_conditionals_keep_joint": RATIO,
        "check_posterior_is_calibrated": "label 0 less its probability: mean 0.1",
        "check_refit_on_own_samples": "nats a row better",
    }

    def _spread(self, labels):
        return self.scales_[labels] ** 2


class EqualShares(TwoGaussians):
    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_conditionals_keep_joint": RATIO,
        "check_posterior_is_calibrated": "label 0 less its probability",
    }

    def _sample_latent(self, n_samples, rng):
        labels = rng.integers(2, size=n_samples)
        noise = rng.normal(size=(n_samples, 2))
        return self.means_[labels] + self.scales_[labels] * noise, labels


class FallingBound(TwoGaussians):
    BREAKS = {"check_bound_never_falls": r"the bound falls by 0\.01 in one step"}

    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, sample_weight=sample_weight)
        self.lower_bounds_[-1] = self.lower_bounds_[-2] - 0.01
        return self


class ScoreWithoutWeights(TwoGaussians):
    BREAKS = {
        "check_score_is_weighted_mean": "score with weights and the weighted mean"
    }

    def score(self, X, y=None, sample_weight=None):
        return super().score(X)


class FitWithoutWeights(TwoGaussians):
    BREAKS = {"check_fit_weights": "fits with integer weights and with repeated rows"}

    def _fit_weights(self, sample_weight, X):
        return np.ones_like(check_weights(sample_weight, X))


class TouchesGlobalState(TwoGaussians):
    BREAKS = {"check_sample_side_effects": "moved numpy's global generator"}

    def _sample_latent(self, n_samples, rng):
        np.random.normal()  # noqa: NPY002
        return super()._sample_latent(n_samples, rng)


class CountsItsDraws(TwoGaussians):
    BREAKS = {"check_sample_side_effects": "sampling changed the estimator"}

    def _sample_latent(self, n_samples, rng):
        self._n_draws = getattr(self, "_n_draws", 0) + n_samples
        return super()._sample_latent(n_samples, rng)


class SortedSample(TwoGaussians):
    BREAKS = {"check_sample_order": r"neighbouring rows .* correlation 0\.\d"}

    def _sample_latent(self, n_samples, rng):
        rows, labels = super()._sample_latent(n_samples, rng)
        order = labels.argsort()
        return rows[order], labels[order]


class IgnoresSeed(TwoGaussians):
    BREAKS = {
        "check_sample_random_state": "two samples with one int seed",
        "check_sample_latent": "rows of sample_latent and of sample with one seed",
        "check_containers": "sample for an array and for",
        "check_copies": "sample after pickle",
    }

    def sample(self, n_samples=1, *, random_state=None):
        return super().sample(n_samples)


class AlwaysTheSameSeed(TwoGaussians):
    BREAKS = {"check_sample_random_state": "random_state=None gave the same rows"}

    def sample(self, n_samples=1, *, random_state=None):
        seed = 0 if random_state is None else random_state
        return super().sample(n_samples, random_state=seed)


class WrongConstant(TwoGaussians):
    """A log-density without the constant of one column."""

    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_conditionals_keep_joint": RATIO,
        "check_density_integrates_to_one": r"integrates to 2\.5",
        "check_marginals_integrate_to_one": r"integrates to 2\.5",
    }

    def _score_samples(self, X):
        return super()._score_samples(X) + 0.5 * np.log(2 * np.pi)


class WrongJacobian(TwoGaussians):
    """The density of the standardised rows."""

    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_conditionals_keep_joint": RATIO,
        "check_density_integrates_to_one": "integrates to",
        "check_marginals_integrate_to_one": "integrates to",
        "check_affine_equivariance": "less the log of the unit",
    }

    def _score_samples(self, X):
        center = self.weights_ @ self.means_
        spread = (self.means_ - center) ** 2 + self.scales_**2
        return super()._score_samples(X) + 0.5 * np.log(self.weights_ @ spread).sum()


class ConditionalFromPrior(TwoGaussians):
    """Missing cells that do not depend on the observed ones."""

    BREAKS = {
        "check_conditionals_keep_joint": RATIO,
        "check_chain_rule": "q / p around",
        "check_impute_is_conditional_mean": "draws of column . against impute",
    }

    def _sample_conditional(self, X, rng):
        return np.where(np.isnan(X), self._sample(len(X), rng), X)


class ImputeMovesObserved(TwoGaussians):
    BREAKS = {
        "check_completion_keeps_observed": "observed cells before and after impute",
        "check_completion_frames": "observed column before and after impute",
    }

    def impute(self, X):
        return super().impute(X) + 1e-6


class ChangesParameter(TwoGaussians):
    BREAKS = {"check_inputs_unchanged": "fit changed a constructor parameter"}

    def fit(self, X, y=None, sample_weight=None):
        super().fit(X, sample_weight=sample_weight)
        self.n_iter = np.int64(self.n_iter)
        return self


class AnswersBeforeFit(TwoGaussians):
    BREAKS = {"check_not_fitted": "score before fit must be an error"}

    def score(self, X, y=None, sample_weight=None):
        if not hasattr(self, "means_"):
            return 0.0
        return super().score(X, sample_weight=sample_weight)


class OneGaussian(DensityMixin, GenerativeMixin, BaseEstimator):
    """One diagonal Gaussian, as correct, whose `fit` takes no weights."""

    def __init__(self, spread=1.0):
        self.spread = spread

    def fit(self, X, y=None):
        X = self._validate(X, reset=True, min_rows=2).astype(np.float64)
        self.mean_, self.scale_ = X.mean(axis=0), self.spread * X.std(axis=0)
        return self

    def _sample(self, n_samples, rng):
        return rng.normal(self.mean_, self.scale_, (n_samples, len(self.mean_)))

    def _score_samples(self, X):
        return norm(self.mean_, self.scale_).logpdf(X).sum(axis=1)


class OverwritesParameter(OneGaussian):
    BREAKS = {
        "check_inputs_unchanged": "fit changed a constructor parameter",
        "check_copies": "sample after a refitted clone",
    }

    def fit(self, X, y=None):
        super().fit(X)
        self.spread = self.scale_
        return self


class ReordersItsInput(OneGaussian):
    BREAKS = {"check_inputs_unchanged": "X before and after"}

    def fit(self, X, y=None):
        if isinstance(X, np.ndarray):
            X.sort(axis=0)
        return super().fit(X)


class ReturnsAnotherObject(OneGaussian):
    BREAKS = {
        "check_inputs_unchanged": "fit must return self",
        "check_grid_search": "not fitted yet",
        "check_pipeline_routing": "not fitted yet",
    }

    def fit(self, X, y=None):
        return super(ReturnsAnotherObject, clone(self)).fit(X)


WRONG = [*TwoGaussians.__subclasses__(), *OneGaussian.__subclasses__()]
