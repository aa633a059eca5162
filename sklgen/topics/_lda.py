"""Latent Dirichlet allocation: documents as mixtures of topics."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklgen._typing import Array
from sklgen.families import DirichletMultinomial
from sklgen.mixture._structure import Mixture
from sklgen.topics._base import TOPIC_COUNT, BaseTopicModel, check_prior


class LatentDirichletAllocation(BaseTopicModel):
    """Latent Dirichlet allocation: topics of documents, for counts of words.

    A topic is a law of words. Each document has shares of the topics, which follow a
    Dirichlet law, and each of its tokens comes from one topic [1]_. Columns need not be
    words: purchases, genes or visits do as well. Rows may be sparse, and counts
    fractional.

    Parameters
    ----------
    n_components : int, default=10
        Number of topics.
    method : {"cvb0", "scvb0", "gibbs"}, default="cvb0"
        "cvb0" is collapsed variational inference [2]_: fast, and the best topics of
        the three here. "scvb0" takes stochastic steps over batches of documents [3]_,
        and keeps nothing for each word of each document: for large collections.
        "gibbs" samples topics of tokens given drawn laws of words [4]_, and averages.
    doc_topic_prior : float or array-like of shape (n_components,), default=0.1
        Concentration of the Dirichlet law of the shares of topics, for each topic, or
        where learning it starts. Low: a document has few topics.
    topic_word_prior : float or array-like of shape (n_components, n_features), \
            default=0.05
        Concentration of the Dirichlet laws of words, or where learning it starts. As a
        matrix it seeds topics with words: it counts as that many tokens seen before
        the data, and is not learned.
    learn_doc_topic_prior : bool, default=True
        Whether the concentration of each topic is learned: common topics then are
        common in new documents, too.
    learn_topic_word_prior : bool, default=True
        Whether the concentration of words is learned; it stays alike for all words.
    burn_in : int, default=20
        Number of passes before priors are learned, or `max_iter` if that is less. For
        "scvb0" they are made over the first batch alone.
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
        given those before it [5]_; or half of its tokens given the others.
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
    components_ : ndarray of shape (n_components, n_features)
        Expected number of tokens of each word in each topic, the prior included; rows
        divided by their sums are the laws of words.
    doc_topic_prior_ : ndarray of shape (n_components,)
        Concentration of each topic in documents.
    topic_word_prior_ : float or ndarray of shape (n_components, n_features)
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
    LDAMixture : Clusters of documents that share topics.
    sklgen.mixture.DirichletMultinomialMixture : For short texts, about one thing each.

    Notes
    -----
    `score_samples` is the log-probability of all counts of a document, its length
    included, which follows a law of its own. That of the tokens is exact for short
    documents and few topics, a lower bound beyond 8,192 tokens, and else the logarithm
    of an unbiased estimate, whose randomness depends on the document and on the fit
    alone.

    For m positive cells, a pass takes O(m K) operations. "cvb0" keeps 4 m K bytes while
    it runs, and twice as many while it compares starts. But for "scvb0", the fitted
    estimator keeps the documents, if they are not too many, for `partial_fit` to go on
    with. Documents are held in batches by a hash of their words, so that their order
    has no effect beyond rounding.

    References
    ----------
    .. [1] Blei, D. M., Ng, A. Y. and Jordan, M. I. (2003). Latent Dirichlet allocation.
       JMLR 3.
    .. [2] Asuncion, A., Welling, M., Smyth, P. and Teh, Y. W. (2009). On smoothing and
       inference for topic models. UAI.
    .. [3] Foulds, J., Boyles, L., DuBois, C., Smyth, P. and Welling, M. (2013).
       Stochastic collapsed variational Bayesian inference for latent Dirichlet
       allocation. KDD.
    .. [4] Magnusson, M., Jonsson, L., Villani, M. and Broman, D. (2018). Sparse
       partially collapsed MCMC for parallel inference in topic models. J. Comput.
       Graph. Stat. 27(2).
    .. [5] Wallach, H. M., Murray, I., Salakhutdinov, R. and Mimno, D. (2009).
       Evaluation methods for topic models. ICML.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklgen.topics import LatentDirichletAllocation
    >>> texts = ["late goal wins cup", "cup final goal", "goal in late cup final"] * 5
    >>> texts += ["rate cut lifts shares", "bank shares fall", "bank rate cut"] * 5
    >>> vectorizer = CountVectorizer()
    >>> X = vectorizer.fit_transform(texts)
    >>> model = LatentDirichletAllocation(2, random_state=0).fit(X)
    >>> topics = model.predict(X)
    >>> bool((topics[:15] == topics[0]).all() and topics[0] != topics[-1])
    True
    >>> model.sample(3, random_state=0).shape
    (3, 12)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseTopicModel._topic_constraints
    }

    doc_topic_prior_: Array

    def __init__(
        self,
        n_components: int = 10,
        *,
        method: str = "cvb0",
        doc_topic_prior: Any = 0.1,
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

    @property
    def _n_topics(self) -> int:
        return self.n_components

    @property
    def _shape(self) -> dict[str, Any]:
        return {"n_components": self.n_components, "method": self.method}

    def _first_laws(self) -> Mixture[DirichletMultinomial]:
        alpha = np.asarray(self.doc_topic_prior, dtype=np.float64)
        if alpha.ndim and alpha.shape != (self.n_components,):
            raise ValueError(
                f"doc_topic_prior has shape {alpha.shape}: give one positive number, "
                f"or one for each of n_components={self.n_components} topics."
            )
        check_prior(alpha.reshape(-1), "doc_topic_prior")
        return _one_law(np.broadcast_to(alpha, self.n_components))

    def _open_laws(self, rng: np.random.Generator) -> None:
        return None

    def _store_laws(self, laws: Mixture[DirichletMultinomial]) -> None:
        self.doc_topic_prior_ = laws.components.alpha[0]

    def _laws(self) -> Mixture[DirichletMultinomial]:
        return _one_law(self.doc_topic_prior_)

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Dominant topic of each document.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Counts of words.

        Returns
        -------
        topics : ndarray of shape (n_samples,)
            The topic with the largest share, from 0.
        """
        check_is_fitted(self)
        rows = self._validate(X)
        return np.asarray(self._proportions(self._topics(), rows)[0].argmax(axis=1))

    def _sample(self, n_samples: int, rng: np.random.Generator) -> Any:
        labels = np.zeros(n_samples, np.intp)
        return self._draw(self._topics(), labels, rng)


def _one_law(alpha: Array) -> Mixture[DirichletMultinomial]:
    law = DirichletMultinomial(None, np.array(alpha, ndmin=2), TOPIC_COUNT)
    return Mixture(np.ones(1), law)
