"""Mixtures of LDA: clusters of documents that share topics."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import ClassifierTags
from sklearn.utils._param_validation import Interval

from sklgen._typing import Array
from sklgen.base import LatentMixin
from sklgen.families import DirichletMultinomial
from sklgen.families._counts import as_csr
from sklgen.mixture._dirichlet_multinomial import DirichletMultinomialMixture
from sklgen.mixture._structure import Mixture
from sklgen.topics._base import TOPIC_COUNT, BaseTopicModel, check_prior
from sklgen.topics._structure import Topics

# Sum of the parameters of each law where learning it starts.
_CONCENTRATION = 20.0
# Documents of so many tokens or fewer may have come from several clusters: these are
# told by the probability of the tokens, others by the expected counts of topics.
_SHORT = 64


class LDAMixture(LatentMixin, BaseTopicModel):
    """Mixture of latent Dirichlet allocations: clusters of documents over topics.

    A topic is a law of words, shared by all clusters. A document is from one cluster,
    which has a Dirichlet law of its own for the shares of topics: in one cluster some
    topics are common, in another one others. Each token comes from one topic of its
    document [1]_.

    Parameters
    ----------
    n_components : int, default=2
        Number of clusters of documents.
    n_topics : int, default=10
        Number of topics.
    concentration : float or None, default=20.0
        Sum of the parameters of the Dirichlet law of each cluster: the higher, the more
        alike the shares of topics in its documents. None learns it for each cluster,
        which describes documents no less well, but tends to find clusters of more and
        less mixed documents in place of subjects.
    method : {"cvb0", "scvb0", "gibbs"}, default="cvb0"
        "cvb0" is collapsed variational inference [2]_. "scvb0" takes stochastic steps
        over batches of documents, and keeps nothing for each word of each document: for
        large collections. "gibbs" samples topics of tokens, and clusters of documents,
        given drawn laws of words, and averages.
    doc_topic_prior : float, default=0.1
        Concentration of the Dirichlet law of the shares of topics, for each topic,
        before documents are clustered.
    topic_word_prior : float or array-like of shape (n_topics, n_features), \
            default=0.05
        Concentration of the Dirichlet laws of words, or where learning it starts. As a
        matrix it seeds topics with words: it counts as that many tokens seen before
        the data, and is not learned.
    learn_doc_topic_prior : bool, default=True
        Whether the concentrations are learned. Clusters are found in any case; without
        learning, those of their start are kept.
    learn_topic_word_prior : bool, default=True
        Whether the concentration of words is learned; it stays alike for all words.
    burn_in : int, default=20
        Number of passes before documents are clustered and priors learned, or
        `max_iter` if that is less. For "scvb0" they are made over the first batch
        alone.
    max_iter : int, default=100
        Largest number of passes over the documents, or of sweeps of "gibbs".
    tol : float, default=1e-4
        For "cvb0" and "scvb0": the fit ends when each of five passes changes the
        mean log-probability of a training token by less.
    n_init : int, default=3
        For "cvb0": number of starts, each from the words of other documents, or from
        random shares where words have a matrix as prior. All take ten passes, and the
        best goes on.
    score_method : {"left_to_right", "completion"}, default="left_to_right"
        What `score_samples` and `perplexity` are about: all tokens of a document, each
        given those before it [3]_; or half of its tokens given the others.
    n_particles : int, default=20
        Number of particles of "left_to_right".
    random_state : int, RandomState instance or None, default=None
        Randomness of the start, of the sampler, and of particles.
    verbose : int, default=0
        1 shows a progress bar.
    n_jobs : int or None, default=None
        Number of threads. None takes the cores the process may use, or
        OMP_NUM_THREADS. Results are the same to the last bit for any number.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Share of the documents in each cluster.
    components_ : ndarray of shape (n_topics, n_features)
        Expected number of tokens of each word in each topic, the prior included; rows
        divided by their sums are the laws of words.
    doc_topic_prior_ : ndarray of shape (n_components, n_topics)
        Concentration of each topic in the documents of each cluster.
    topic_word_prior_ : float or ndarray of shape (n_topics, n_features)
        Concentration of words in topics.
    converged_ : bool
        Whether the changes of five passes fell below `tol`. Always False after "gibbs".
    n_iter_ : int
        Number of passes or sweeps, without those that starts were compared after; those
        of `partial_fit` are added.
    log_likelihoods_ : list of float
        Mean log-probability of a training token after each pass: given all others for
        "cvb0", given the others of its document for "gibbs", given the topics of its
        document for "scvb0".
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    Raises
    ------
    ValueError
        In every method, if a cell is negative.

    See Also
    --------
    LatentDirichletAllocation : One law of the shares of topics for all documents.
    sklgen.mixture.DirichletMultinomialMixture : Clusters without topics.

    Notes
    -----
    With one cluster, and `concentration` learned, this is latent Dirichlet allocation.
    Clusters are first found after `burn_in` passes, as a multinomial mixture of the
    topic counts of documents; from then on topics, clusters and their laws are learned
    together.

    `predict_proba` sums over the topics of tokens, as `score_samples` does, in
    documents of up to 64 tokens. In longer ones it takes topics at their expected
    counts.

    For m positive cells and C clusters of n documents, a pass takes O(m K + n C K)
    operations.

    References
    ----------
    .. [1] Wallach, H. M. (2008). Structured topic models for language. PhD thesis,
       University of Cambridge.
    .. [2] Asuncion, A., Welling, M., Smyth, P. and Teh, Y. W. (2009). On smoothing and
       inference for topic models. UAI.
    .. [3] Wallach, H. M., Murray, I., Salakhutdinov, R. and Mimno, D. (2009).
       Evaluation methods for topic models. ICML.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklgen.topics import LDAMixture
    >>> texts = ["late goal wins cup", "cup final goal", "goal in late cup final"] * 5
    >>> texts += ["rate cut lifts shares", "bank shares fall", "bank rate cut"] * 5
    >>> X = CountVectorizer().fit_transform(texts)
    >>> model = LDAMixture(2, n_topics=3, random_state=0).fit(X)
    >>> clusters = model.predict(X)
    >>> bool((clusters[:15] == clusters[0]).all() and clusters[0] != clusters[-1])
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseTopicModel._topic_constraints,
        "n_topics": [Interval(Integral, 1, None, closed="left")],
        "concentration": [Interval(Real, 0, None, closed="neither"), None],
        "doc_topic_prior": [Interval(Real, 0, None, closed="neither")],
    }

    weights_: Array
    doc_topic_prior_: Array

    def __init__(
        self,
        n_components: int = 2,
        *,
        n_topics: int = 10,
        concentration: float | None = 20.0,
        method: str = "cvb0",
        doc_topic_prior: float = 0.1,
        topic_word_prior: Any = 0.05,
        learn_doc_topic_prior: bool = True,
        learn_topic_word_prior: bool = True,
        burn_in: int = 20,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_init: int = 3,
        score_method: str = "left_to_right",
        n_particles: int = 20,
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_topics = n_topics
        self.concentration = concentration
        self.method = method
        self.doc_topic_prior = doc_topic_prior
        self.topic_word_prior = topic_word_prior
        self.learn_doc_topic_prior = learn_doc_topic_prior
        self.learn_topic_word_prior = learn_topic_word_prior
        self.burn_in = burn_in
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.score_method = score_method
        self.n_particles = n_particles
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # scikit-learn's checks of sparse rows ask here for 2 or 4 columns of
        # predict_proba, of what is no classifier too.
        tags.classifier_tags = ClassifierTags(multi_class=self.n_components != 2)
        return tags

    @property
    def _n_topics(self) -> int:
        return self.n_topics

    @property
    def _shape(self) -> dict[str, Any]:
        names = ("n_components", "n_topics", "concentration", "method")
        return {name: getattr(self, name) for name in names}

    def _first_laws(self) -> Mixture[DirichletMultinomial]:
        alpha = np.full((1, self.n_topics), float(self.doc_topic_prior))
        check_prior(alpha, "doc_topic_prior")
        return Mixture(np.ones(1), self._law(alpha))

    def _open_laws(self, rng: np.random.Generator) -> Any:
        """Clusters of the topic counts of documents."""
        seed = int(rng.integers(2**32))

        def found(topics: Topics, counts: Array, weight: Array) -> Topics:
            clusters = DirichletMultinomialMixture(
                self.n_components, random_state=seed, n_jobs=self.n_jobs
            )
            # A mixture asks for two rows: a document is two of half its weight.
            n = max(2 // len(weight), 1)
            weight = np.repeat(weight / n, n)
            rows = as_csr(np.repeat(counts[:, : topics.n_topics], n, axis=0))
            with warnings.catch_warnings():
                # Only a start: clusters are learned on, and named, as this model's.
                warnings.simplefilter("ignore", ConvergenceWarning)
                clusters.fit(rows, sample_weight=weight)
            size = _CONCENTRATION if self.concentration is None else self.concentration
            alpha = size * clusters.probabilities_
            return replace(topics, laws=Mixture(clusters.weights_, self._law(alpha)))

        return found

    def _law(self, alpha: Array) -> DirichletMultinomial:
        return DirichletMultinomial(None, alpha, TOPIC_COUNT, self.concentration)

    def _store_laws(self, laws: Mixture[DirichletMultinomial]) -> None:
        self.weights_ = laws.weights
        self.doc_topic_prior_ = laws.components.alpha

    def _laws(self) -> Mixture[DirichletMultinomial]:
        return Mixture(self.weights_, self._law(self.doc_topic_prior_))

    def _predict_proba(self, X: csr_array) -> Array:
        topics = self._topics()
        shares = np.empty((X.shape[0], len(self.weights_)))
        short = X.sum(axis=1) <= _SHORT
        shares[short] = softmax(self._log_joint(topics, X[short]), axis=1)
        shares[~short] = self._proportions(topics, X[~short])[1]
        return shares

    def _predict(self, X: csr_array) -> NDArray[np.intp]:
        return np.asarray(self._predict_proba(X).argmax(axis=1))

    def _sample_latent(
        self, n_samples: int, rng: np.random.Generator
    ) -> tuple[Any, NDArray[np.intp]]:
        labels = rng.choice(len(self.weights_), n_samples, p=self.weights_)
        return self._draw(self._topics(), labels, rng), labels
