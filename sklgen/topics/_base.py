"""How topic models are fitted: by passes over documents, in batches, or by sampling."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.base import check_weights
from sklgen.em import n_threads
from sklgen.em._threads import N_JOBS
from sklgen.families import DirichletMultinomial, Lengths
from sklgen.families._lengths import tabulate
from sklgen.mixture._base import check_continues, progress
from sklgen.mixture._structure import Mixture
from sklgen.topics._cvb0 import Schedule, best_start, infer
from sklgen.topics._documents import Documents, padded
from sklgen.topics._fitted import FittedTopics
from sklgen.topics._gibbs import sample_topics
from sklgen.topics._stream import Window, passes_in_batches, step
from sklgen.topics._structure import Topics, pad

# Pseudo-count of each topic in the prior of the law of topics.
TOPIC_COUNT = 1e-3
# Products of two concentrations beyond these are no numbers.
_LIMITS = (1e-100, 1e100)


class BaseTopicModel(FittedTopics):
    """A topic model that can be fitted. Its hooks are the abstract methods."""

    method: str
    doc_topic_prior: Any
    topic_word_prior: Any
    learn_doc_topic_prior: bool
    learn_topic_word_prior: bool
    burn_in: int
    max_iter: int
    tol: float
    n_init: int
    _seen: Any
    random_state: Any
    verbose: int

    _topic_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "method": [StrOptions({"cvb0", "scvb0", "gibbs"})],
        "doc_topic_prior": [Interval(Real, 0, None, closed="neither"), "array-like"],
        "topic_word_prior": [Interval(Real, 0, None, closed="neither"), "array-like"],
        "learn_doc_topic_prior": ["boolean"],
        "learn_topic_word_prior": ["boolean"],
        "burn_in": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "score_method": [StrOptions({"left_to_right", "completion"})],
        "n_particles": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_jobs": N_JOBS,
    }

    @property
    @abstractmethod
    def _n_topics(self) -> int:
        """Number of topics to fit."""

    @property
    @abstractmethod
    def _shape(self) -> dict[str, Any]:
        """The parameters that decide the shapes of the fitted attributes."""

    @abstractmethod
    def _first_laws(self) -> Mixture[DirichletMultinomial]:
        """Laws of topics in documents before any document was seen."""

    @abstractmethod
    def _open_laws(self, rng: np.random.Generator) -> Any:
        """What replaces the first law by several, as `infer` takes it, or None."""

    @abstractmethod
    def _store_laws(self, laws: Mixture[DirichletMultinomial]) -> None:
        """Set the fitted attributes that describe the laws of topics."""

    @abstractmethod
    def _laws(self) -> Mixture[DirichletMultinomial]:
        """Laws of topics as the fitted attributes describe them."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the topics of documents.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Counts of words, which may be fractional.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each document; a weight of 2 is the document twice,
            a weight of 0 its removal.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a count is negative, NaN or infinite, or no weight is positive.
        """
        rows = self._validate(X, reset=True)
        weight = check_weights(sample_weight, rows)
        self._fit_validated(rows, weight)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Go on learning with one more batch of documents.

        The first call fits the batch as `fit` does. With "scvb0", a later call takes
        one stochastic step, in which its batch counts by its share of all documents so
        far, to the power 0.7. Otherwise the latest documents stay open, as many as have
        128 MB of shares, and their topics are revised; older ones count as they last
        were. Topics are learned anew, from a start that keeps a tenth of what they
        were, whenever there are twice the open words.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            A batch of counts of words.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each document.

        Returns
        -------
        self : object
            The updated estimator.
        """
        first = not hasattr(self, "components_")
        rows = self._validate(X, reset=first)
        weight = check_weights(sample_weight, rows)
        if first:
            self._fit_validated(rows, weight)
        else:
            check_continues(self, "partial_fit")
            self._update(rows, weight)
        return self

    def _documents(
        self, X: csr_array, weight: Array, rng: np.random.Generator
    ) -> Documents:
        return Documents(X, weight, rng, n_threads(self.n_jobs))

    def _schedule(self) -> Schedule:
        return Schedule(
            max_iter=self.max_iter,
            tol=self.tol,
            # Laws are opened after the burn-in, also in a short run.
            burn_in=min(self.burn_in, self.max_iter),
            topic_prior=self.learn_doc_topic_prior,
            word_prior=self.learn_topic_word_prior
            and np.ndim(self.topic_word_prior) == 0,
        )

    def _first_topics(self, n_words: int) -> Topics:
        """Topics without counts."""
        words = np.zeros((n_words, padded(self._n_topics)))
        prior = _as_table(self.topic_word_prior, n_words, self._n_topics)
        return Topics(words, prior, self._first_laws())

    def _fit_validated(self, X: csr_array, weight: Array) -> None:
        rng = as_generator(self.random_state)
        start = self._first_topics(X.shape[1])
        self._learn_lengths(X, weight, np.empty((2, 0)))
        self._seed = int(rng.integers(2**63))
        options: dict[str, Any] = {"open_laws": self._open_laws(rng)}
        with self._documents(X, weight, rng) as documents, progress(self) as monitor:
            options["monitor"] = monitor
            found = self._run(start, documents, rng, options)
        self._seen = (
            found.statistics
            if self.method == "scvb0"
            else Window.of(X, weight, found.topics)
        )
        self.n_iter_ = len(found.gains)
        self.converged_ = found.converged
        self.log_likelihoods_ = list(found.gains)
        self._keep(found.topics)

    def _run(
        self,
        start: Topics,
        documents: Documents,
        rng: np.random.Generator,
        options: dict[str, Any],
    ) -> Any:
        """Where inference ends: topics, gains, and whether it converged."""
        schedule = self._schedule()
        if self.method == "gibbs":
            return sample_topics(start, documents, schedule, rng, **options)
        if self.method == "scvb0":
            return passes_in_batches(start, documents, schedule, rng, **options)
        start, shares = best_start(start, documents, self.n_init, self.max_iter)
        return infer(start, documents, shares, schedule, **options)

    def _update(self, X: csr_array, weight: Array) -> None:
        rng = as_generator(self.random_state)
        topics, schedule = self._topics(), self._schedule()
        self._learn_lengths(X, weight, self._seen_lengths)
        if self.method == "scvb0":
            with self._documents(X, weight, rng) as documents:
                topics, self._seen, gain = step(topics, self._seen, documents, schedule)
                gains = [gain / (documents.n_tokens or 1.0)]
        else:
            window = self._seen.with_batch(X, weight)
            open_rows, open_weight = window.rows
            with self._documents(open_rows, open_weight, rng) as documents:
                found, self._seen = window.revise(topics, documents, schedule)
            topics, gains = found.topics, list(found.gains)
        self.n_iter_ += len(gains)
        self.log_likelihoods_.extend(gains)
        self._keep(topics)

    def _learn_lengths(self, X: csr_array, weight: Array, seen: Any) -> None:
        """Learn the law of lengths from these documents and those seen before."""
        lengths = np.asarray(X.sum(axis=1, dtype=np.float64))
        both = (np.append(seen[0], lengths), np.append(seen[1], weight))
        self._seen_lengths = tabulate(*both)
        self._lengths = Lengths.fit(*self._seen_lengths)

    def _keep(self, topics: Topics) -> None:
        K = topics.n_topics
        self._fitted_shape = self._shape
        self.components_ = np.ascontiguousarray((topics.words + topics.prior)[:, :K].T)
        prior = topics.prior[:, :K].T
        # One number, unless it was a matrix for a single word.
        alike = prior.shape[1] == 1 and bool((prior == prior[0, 0]).all())
        self.topic_word_prior_ = float(prior[0, 0]) if alike else prior
        self._store_laws(topics.laws)

    def _topics(self) -> Topics:
        n_words = self.components_.shape[1]
        prior = _as_table(self.topic_word_prior_, n_words, len(self.components_))
        words = np.maximum(pad(self.components_.T) - prior, 0.0)
        words[:, len(self.components_) :] = 0.0
        return Topics(words, prior, self._laws())


def _as_table(given: Any, n_words: int, n_topics: int) -> Array:
    """A prior (K, V) as a padded table of words; a number as one row for all."""
    if np.ndim(given) == 0:
        check_prior(np.atleast_1d(given), "topic_word_prior")
        return np.full((1, padded(n_topics)), float(given))
    prior = np.asarray(given, dtype=np.float64)
    if prior.shape != (n_topics, n_words):
        raise ValueError(
            f"topic_word_prior has shape {prior.shape}: give one positive number, or "
            f"one for each topic and word, of shape ({n_topics}, {n_words})."
        )
    check_prior(prior, "topic_word_prior")
    table = pad(prior.T)
    # Topics beyond the last have no counts: any positive prior will do.
    table[:, n_topics:] = 1.0
    return table


def check_prior(values: Array, name: str) -> None:
    """Check that concentrations are positive, and their products numbers.

    Parameters
    ----------
    values : ndarray
        The concentrations.
    name : str
        Their name, for the message.

    Raises
    ------
    ValueError
        If one of them is not.
    """
    low, high = _LIMITS
    wrong = ~((values >= low) & (values <= high))
    if wrong.any():
        raise ValueError(
            f"{name} must be positive and finite, from {low} to {high}, got "
            f"{values[wrong].flat[0]}: more extreme ones would have the same effect."
        )
