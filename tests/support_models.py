"""Small models of counts and compositions, correct ones and wrong ones.

As in `wrong_estimators`, wrong models list in `BREAKS` all the checks that must fail.
"""

# ruff: noqa: RUF012 (these class attributes are never changed)

import numpy as np
from scipy.sparse import issparse
from scipy.special import gammaln
from sklearn.base import BaseEstimator

from sklgen.base import (
    DensityMixin,
    GenerativeMixin,
    InformationCriterionMixin,
    check_weights,
)
from tests.wrong_estimators import RATIO


class OneDirichlet(
    DensityMixin, GenerativeMixin, InformationCriterionMixin, BaseEstimator
):
    """One Dirichlet distribution by moments."""

    _support = "composition"

    def fit(self, X, y=None, sample_weight=None):
        X = self._validate(X, reset=True, min_rows=2)
        weight = check_weights(sample_weight, X)
        X = self._close(X.astype(np.float64))
        mean = np.average(X, axis=0, weights=weight)
        variance = np.average((X - mean) ** 2, axis=0, weights=weight).sum()
        self.alpha_ = mean * ((1 - mean @ mean) / variance - 1)
        return self

    def _close(self, X):
        return X / X.sum(axis=1, keepdims=True)

    def _sample(self, n_samples, rng):
        return rng.dirichlet(self.alpha_, size=n_samples)

    def _score_samples(self, X):
        X = self._close(X.astype(np.float64))
        return np.log(X) @ (self.alpha_ - 1) - self._log_norm()

    def _log_norm(self):
        return gammaln(self.alpha_).sum() - gammaln(self.alpha_.sum())

    def _n_parameters(self):
        return self.alpha_.size


class NoNormaliser(OneDirichlet):
    """A density up to a constant, which depends on the parameters."""

    BREAKS = {
        "check_refit_on_own_samples": "nats a row better",
        "check_sample_matches_density": RATIO,
        "check_density_integrates_to_one": r"the density integrates to 0\.\d",
    }

    def _log_norm(self):
        return 0.0


class LogRatioDensity(OneDirichlet):
    """The density of log-ratios: without the Jacobian."""

    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_density_integrates_to_one": r"the density integrates to 0\.\d",
    }

    def _score_samples(self, X):
        parts = self._close(X.astype(np.float64))
        return super()._score_samples(X) + np.log(parts).sum(axis=1)


class HalfPrecision(OneDirichlet):
    """Draws from a wider law than the density's."""

    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_refit_on_own_samples": "nats a row better",
    }

    def _sample(self, n_samples, rng):
        return rng.dirichlet(self.alpha_ / 2, size=n_samples)


class OpenDraws(OneDirichlet):
    """Draws whose parts do not sum to one: their ratios are right."""

    BREAKS = {"check_sample_support": r"a row whose parts sum to \d+\.\d+, not to 1"}

    def _sample(self, n_samples, rng):
        return rng.gamma(self.alpha_, size=(n_samples, len(self.alpha_)))


class TakesRowsAsClosed(OneDirichlet):
    """Right for rows that sum to one, and for no others."""

    BREAKS = {"check_scale_invariance": "rows of X times positive numbers"}

    def _close(self, X):
        return X


class OneDirichletMultinomial(
    DensityMixin, GenerativeMixin, InformationCriterionMixin, BaseEstimator
):
    """One Dirichlet-multinomial law by moments, with lengths from a Poisson law."""

    _support = "counts"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _validate(self, X, *, reset=False, min_rows=1):
        X = super()._validate(X, reset=reset, min_rows=min_rows)
        return self._dense(X) if issparse(X) else X

    def _dense(self, X):
        return X.toarray()

    def fit(self, X, y=None, sample_weight=None):
        X = self._validate(X, reset=True, min_rows=2)
        weight = check_weights(sample_weight, X)
        length = X.sum(axis=1, dtype=np.float64)
        total = weight @ length
        mean = weight @ X / total
        self._fit_lengths(length, weight)
        # Given its length n, a row has the variance of a multinomial one, times
        # 1 + (n - 1) / (1 + sum of alpha).
        spread = weight @ np.sum((X - length[:, None] * mean) ** 2, axis=1)
        excess = spread / (1 - mean @ mean) - total
        repeats = weight @ (length * (length - 1))
        self.alpha_ = mean * (repeats / np.clip(excess, 1e-3, None) - 1)
        return self

    def _fit_lengths(self, length, weight):
        self.rate_ = np.average(length, weights=weight)

    def _sample(self, n_samples, rng):
        shares = rng.dirichlet(self.alpha_, size=n_samples)
        rows = rng.multinomial(self._sample_lengths(n_samples, rng), shares)
        return rows.astype(np.float64)

    def _sample_lengths(self, n_samples, rng):
        return rng.poisson(self.rate_, size=n_samples)

    def _score_samples(self, X):
        X = X.astype(np.float64)
        length, total = X.sum(axis=1), self.alpha_.sum()
        log_ratio = gammaln(X + self.alpha_) - gammaln(self.alpha_)
        log_probability = log_ratio.sum(axis=1) - gammaln(length + total)
        log_probability += gammaln(total) + self._log_orders(X, length)
        return log_probability + self._log_length(length)

    def _log_orders(self, X, length):
        return gammaln(length + 1) - gammaln(X + 1).sum(axis=1)

    def _log_length(self, length):
        return length * np.log(self.rate_) - self.rate_ - gammaln(length + 1)

    def _n_parameters(self):
        return self.alpha_.size + 1


class SeenLengths(OneDirichletMultinomial):
    """Lengths as often as in the training rows; as correct."""

    def _fit_lengths(self, length, weight):
        self.shares_ = np.bincount(length.astype(int), weight) / weight.sum()

    def _sample_lengths(self, n_samples, rng):
        return rng.choice(len(self.shares_), size=n_samples, p=self.shares_)

    def _log_length(self, length):
        known = np.append(self.shares_, 0.0)
        share = known[np.minimum(length.astype(int), len(self.shares_))]
        return np.log(share, out=np.full(len(share), -np.inf), where=share > 0)


class NoCoefficient(OneDirichletMultinomial):
    """The probability of the words in one order: no multinomial coefficient."""

    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_density_integrates_to_one": r"sums to 0\.\d+, but 1\.0000 of",
    }

    def _log_orders(self, X, length):
        return 0.0


class GivenLength(OneDirichletMultinomial):
    """The probability of a row given its length: lengths are not modelled."""

    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_density_integrates_to_one": r"sums to 41\.0000, but 1\.0000 of",
    }

    def _log_length(self, length):
        return 0.0


class EqualLengths(OneDirichletMultinomial):
    """Draws that are all as long as the mean, against the density's Poisson law."""

    BREAKS = {
        "check_sample_matches_density": RATIO,
        "check_density_integrates_to_one": r"up to 7 sums to 0\.5\d+, but 1\.0000",
    }

    def _sample_lengths(self, n_samples, rng):
        return np.full(n_samples, round(self.rate_))


class MeansForDraws(OneDirichletMultinomial):
    """Draws of expected counts, which are no counts."""

    BREAKS = {
        "check_sample_support": r"sample in float64 has the cell .* not a count",
        "check_sample_matches_density": RATIO,
        "check_refit_on_own_samples": "nats a row better",
    }

    def _fit_lengths(self, length, weight):
        self.rate_ = np.average(length, weights=weight)

    def _sample(self, n_samples, rng):
        lengths = self._sample_lengths(n_samples, rng)
        return np.outer(lengths, self.alpha_ / self.alpha_.sum())


class DenseDraws(OneDirichletMultinomial):
    BREAKS = {"check_sparse": r"csr_array in, <class 'numpy\.ndarray'> out"}

    def sample(self, n_samples=1, *, random_state=None):
        draws = super().sample(n_samples, random_state=random_state)
        return draws.toarray() if issparse(draws) else draws


class CountsStoredCells(OneDirichletMultinomial):
    """Sparse rows by which cells they have, not by what is in them."""

    BREAKS = {"check_sparse": "sample for an array and for a csr_array"}

    def _dense(self, X):
        return (X > 0).toarray().astype(X.dtype)


RIGHT = [OneDirichlet, OneDirichletMultinomial, SeenLengths]
DERIVED = [*OneDirichlet.__subclasses__(), *OneDirichletMultinomial.__subclasses__()]
WRONG = [model for model in DERIVED if model not in RIGHT]
