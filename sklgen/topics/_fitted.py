"""What is read off every fitted topic model: topics, densities, draws, coherence."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array, check_scalar
from sklearn.utils._param_validation import Integral
from sklearn.utils.validation import check_is_fitted

from sklgen._typing import Array
from sklgen.base import DensityMixin, GenerativeMixin, check_weights
from sklgen.em import n_threads
from sklgen.em._distinct import hash_sparse
from sklgen.families import Lengths, Multinomial
from sklgen.families._count_kernels import log_orders
from sklgen.families._counts import dirichlet_draws
from sklgen.mixture._count_rows import CountRows
from sklgen.topics._coherence import MEASURES, coherence
from sklgen.topics._folding import expected_shares, fold_in
from sklgen.topics._held_out import completion, left_to_right
from sklgen.topics._structure import Topics


class FittedTopics(
    CountRows,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DensityMixin,
    GenerativeMixin,
    BaseEstimator,
):
    """The public methods of a topic model after `fit`. Hook: `_topics`."""

    score_method: str
    n_particles: int
    n_jobs: int | None
    components_: Array
    topic_word_prior_: Any
    _lengths: Lengths
    _seed: int

    @abstractmethod
    def _topics(self) -> Topics:
        """The topics as the fitted attributes describe them."""

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def _proportions(self, topics: Topics, X: csr_array) -> tuple[Array, Array]:
        """Shares (n, K) of topics in documents, and probabilities (n, C) of laws."""
        counts, shares = fold_in(topics, X, n_threads(self.n_jobs))
        mean = expected_shares(topics, counts, shares)
        return mean[:, : topics.n_topics], shares

    def transform(self, X: Any) -> NDArray[Any]:
        """Share of each topic in each document.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Counts of words.

        Returns
        -------
        shares : ndarray of shape (n_samples, n_topics)
            Expected shares; rows sum to one. Those of a document without words are
            the prior's.
        """
        check_is_fitted(self)
        rows = self._validate(X)
        shares, _ = self._proportions(self._topics(), rows)
        out: NDArray[Any] = shares.astype(rows.dtype, copy=False)
        return out

    def inverse_transform(self, X: Any) -> NDArray[Any]:
        """Probability of each word under shares of topics.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_topics)
            Non-negative weights of topics, such as `transform` gives.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_features)
            Expected share of each word; rows sum to one where those of X do. Times a
            length they are the expected counts.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=[np.float64, np.float32], ensure_non_negative=True)
        if X.shape[1] != len(self.components_):
            raise ValueError(
                f"X has {X.shape[1]} columns, but {type(self).__name__} has "
                f"{len(self.components_)} topics: pass what transform gives."
            )
        words = self.components_ / self.components_.sum(axis=1, keepdims=True)
        return np.asarray(X @ words.astype(X.dtype))

    def _log_likelihood(self, X: csr_array) -> tuple[Array, Array]:
        """Log-probability of the tokens that are scored, and their number."""
        topics = self._topics()
        if self.score_method == "completion":
            threads = n_threads(self.n_jobs)
            return completion(topics, X, seed=self._seed, n_threads=threads)
        joint = self._log_joint(topics, X)
        found = np.logaddexp.reduce(joint, axis=1)
        return found, np.asarray(X.sum(axis=1, dtype=np.float64))

    def _log_joint(self, topics: Topics, X: csr_array) -> Array:
        """Log-probability (n, C) of the tokens of documents and of each law."""
        first, copies = _distinct(X)
        found = left_to_right(
            topics,
            X[first],
            n_particles=self.n_particles,
            seed=self._seed,
            n_threads=n_threads(self.n_jobs),
        )
        with np.errstate(divide="ignore"):
            return np.asarray(found[copies] + np.log(topics.laws.weights))

    def _score_samples(self, X: csr_array) -> Array:
        found, _ = self._log_likelihood(X)
        if self.score_method == "completion":
            return found
        base, totals = np.empty((2, X.shape[0]))
        log_orders(X.data, X.indptr, base, totals)
        return np.asarray(found + base + self._lengths.log_probability(totals))

    def perplexity(self, X: Any, sample_weight: Any = None) -> float:
        """Perplexity of held-out documents, per token: lower is better.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Counts of words.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each document.

        Returns
        -------
        perplexity : float
            One over the geometric mean of the probabilities of tokens: of all, each
            given those before it, or of half of them given the others, as
            `score_method` says. It does not depend on the number of documents.

        Raises
        ------
        ValueError
            If there is no token to score.
        """
        check_is_fitted(self)
        rows = self._validate(X)
        weight = check_weights(sample_weight, rows)
        found, n_tokens = self._log_likelihood(rows)
        total = float(weight @ n_tokens)
        if total == 0.0:
            raise ValueError("X has no token to score: all documents are empty.")
        return float(np.exp(-(weight @ found) / total))

    def coherence(
        self, X: Any, *, n_words: int = 10, measure: str = "npmi"
    ) -> NDArray[np.float64]:
        """How often the top words of each topic come together in documents.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Counts of words, of the training documents or better of others.
        n_words : int, default=10
            Number of top words, at least 2.
        measure : {"npmi", "c_v", "u_mass"}, default="npmi"
            Normalised pointwise mutual information of pairs, from -1 to 1; the
            similarity of a word's to all words' [1]_; or the log-probability of a word
            given a more frequent one [2]_. Documents are the windows.

        Returns
        -------
        coherence : ndarray of shape (n_topics,)
            Mean over the pairs, or words, of each topic: higher is better.

        References
        ----------
        .. [1] Roder, M., Both, A. and Hinneburg, A. (2015). Exploring the space of
           topic coherence measures. WSDM.
        .. [2] Mimno, D., Wallach, H. M., Talley, E., Leenders, M. and McCallum, A.
           (2011). Optimizing semantic coherence in topic models. EMNLP.
        """
        check_is_fitted(self)
        check_scalar(n_words, "n_words", Integral, min_val=2)
        if measure not in MEASURES:
            raise ValueError(
                f"measure must be one of {sorted(MEASURES)}, got {measure!r}."
            )
        rows = self._validate(X)
        return coherence(self._top(n_words), rows, measure)

    def _top(self, n_words: int) -> NDArray[np.intp]:
        """Positions (n_topics, n) of the most probable words, the first one first."""
        n = min(n_words, self.components_.shape[1])
        return np.argsort(-self.components_, axis=1, kind="stable")[:, :n]

    def top_words(
        self, n_words: int = 10, *, feature_names: Any = None
    ) -> list[list[Any]]:
        """The most probable words of each topic.

        Parameters
        ----------
        n_words : int, default=10
            Number of words.
        feature_names : array-like of shape (n_features,), default=None
            Names of the words, as a vectorizer's `get_feature_names_out` gives them.
            None takes those of the DataFrame that `fit` saw, or positions.

        Returns
        -------
        words : list of list
            Words of each topic, the most probable first.
        """
        check_is_fitted(self)
        check_scalar(n_words, "n_words", Integral, min_val=1)
        names = np.asarray(self._word_names(feature_names))
        return [names[row].tolist() for row in self._top(n_words)]

    def _word_names(self, feature_names: Any) -> Any:
        n = self.components_.shape[1]
        if feature_names is None:
            return getattr(self, "feature_names_in_", np.arange(n))
        if len(feature_names) != n:
            raise ValueError(
                f"feature_names has {len(feature_names)} names for {n} words: pass "
                "one for each column of X."
            )
        return feature_names

    def _draw(
        self, topics: Topics, labels: NDArray[np.intp], rng: np.random.Generator
    ) -> csr_array:
        """Documents that follow the laws of topics with these labels."""
        lengths = self._lengths.draw(len(labels), rng)
        theta = dirichlet_draws(topics.laws.components.alpha[labels], rng)
        counts = rng.multinomial(lengths, theta / theta.sum(axis=1, keepdims=True))
        document, topic = np.nonzero(counts)
        words = np.log(topics.word_probabilities[:, : topics.n_topics].T)
        parts = Multinomial(None, np.ascontiguousarray(words), 0.0).draw(
            topic, rng, counts[document, topic]
        )
        cells = parts.tocoo()
        at = document[cells.row], cells.col
        return csr_array((cells.data, at), shape=(len(labels), parts.shape[1]))


def _distinct(X: csr_array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows that are alike no other before them, and which of these each row is."""
    hashes = hash_sparse(X, np.random.default_rng(0))
    _, first, copies = np.unique(hashes, return_index=True, return_inverse=True)
    return first, copies
