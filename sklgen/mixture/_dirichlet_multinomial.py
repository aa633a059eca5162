"""Dirichlet-multinomial mixtures: clusters of rows of counts, such as short texts."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.families import DirichletMultinomial, Lengths, Multinomial
from sklgen.families._base import EMPTY_SHARE
from sklgen.families._counts import CountFamily, as_csr, root_shares
from sklgen.families._lengths import tabulate
from sklgen.mixture._count_rows import CountRows
from sklgen.mixture._gibbs import Clusters, Walkers, labels_of_rows, sample_clusters
from sklgen.mixture._structure import Mixture
from sklgen.mixture._whole_rows import CONSTRAINTS, NonNegativeMixture


class DirichletMultinomialMixture(CountRows, NonNegativeMixture):
    """Mixture model of counts, fitted by EM or by collapsed Gibbs sampling.

    A row holds counts: how often each word occurs in a text, say. All counts of a row
    come from one component, whose shares of the columns have a Dirichlet prior. This
    suits short texts, which are about one thing each [1]_. Rows may be sparse.

    Parameters
    ----------
    n_components : int, default=1
        Number of components. Gibbs sampling starts with as many, and leaves those
        empty that it does not need: choose more than you expect.
    method : {"em", "gibbs"}, default="em"
        "em" finds the most probable parameters, from several starts. "gibbs" samples
        the labels of the rows with all parameters integrated out, as GSDMM does [1]_.
    overdispersed : bool, default=False
        Whether rows of one component differ in their shares, by a Dirichlet law with
        fitted parameters [2]_: words then come in bursts. For "em" only; the
        components that "gibbs" finds are such in any case.
    alpha : float, default=0.1
        Concentration of the prior of the weights, per component, for "gibbs".
    beta : float, default=0.1
        Concentration of the prior of the shares, per column: "em" takes it as that
        many counts seen in each column by each component before the data.
    n_sweeps : int, default=30
        Number of sweeps over all rows, for "gibbs".
    tol : float, default=1e-6
        For "em": the fit ends when the gain in log-posterior that is left, in nats per
        row, is estimated to be below this (Aitken's estimate, twice in a row).
    max_iter : int, default=1000
        Largest number of E-steps after the first, for "em".
    n_init : int, default=10
        Number of starts, for "em". Each runs for a few iterations, on a sample of at
        least 8192 rows where there are more; the two best are fitted, and the better
        one kept.
    init_params : {"kmeans", "k-means++", "random_from_data"}, default="kmeans"
        Where starts of "em" come from: clusters of the square roots of shares by
        k-means, cells around k-means++ seeds, or cells around random rows.
    random_state : int, RandomState instance or None, default=None
        Randomness of the starts, and of the sampler.
    warm_start : bool, default=False
        Whether `fit` starts from the solution of the last call, if there is one.
    verbose : int, default=0
        1 shows a progress bar, for "em".
    n_jobs : int or None, default=None
        Number of threads; the sampler takes one. None takes the cores the process may
        use, or OMP_NUM_THREADS. Results are the same to the last bit for any number.

    Attributes
    ----------
    weights_ : ndarray of shape (`n_components_`,)
        Weight of each component; they sum to one. After "gibbs", their posterior mean
        at the last labels without the empty components, the heaviest first.
    probabilities_ : ndarray of shape (`n_components_`, n_features)
        Mean share of each column in each component. After "gibbs", their posterior
        mean at the last labels.
    concentrations_ : ndarray of shape (`n_components_`,) or None
        Sum of the Dirichlet parameters of each component. None where rows of one
        component have the same shares: after "em" that is not `overdispersed`.
    n_components_ : int
        Number of components, after "gibbs" without empty ones.
    labels_ : ndarray of shape (n_samples,)
        After "gibbs": the last label of each row of the last call. `predict` gives the
        most probable ones instead.
    converged_ : bool
        After "em": whether the gain left fell below `tol` in `fit`, or in the first
        call of `partial_fit`. Reaching `max_iter` is not convergence.
    n_iter_ : int
        Number of E-steps after the first, in the run that was kept, or of sweeps; each
        later batch of `partial_fit` counts as one more, or as its sweeps.
    lower_bound_ : float
        After "em": mean log-posterior per row at the fitted parameters. After
        `partial_fit` it is a blend over the batches, each at the parameters it met.
    lower_bounds_ : list of float
        After "em": mean log-posterior per row from the start of the run that was kept.
        It never falls in `fit`; `partial_fit` appends the blend over its batches.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    Raises
    ------
    ValueError
        In every method, if a cell is negative.

    Notes
    -----
    `score_samples` is the log-probability of all counts of a row, its length included.
    Lengths follow one negative binomial law, whatever the component, or a Poisson law
    where they vary less than that. Fractional counts are allowed: factorials are
    continued by gamma functions.

    For m positive cells, an iteration of "em" takes O(m K) operations. A sweep of
    "gibbs" takes as many for m tokens and the K components that are not empty: those
    that are empty are alike, so that one stands for all. A row of integer weight moves
    as that many rows; what a fractional weight leaves moves as a row of its own, and
    counts less. A later batch of `partial_fit` is sampled given the earlier ones.

    References
    ----------
    .. [1] Yin, J. and Wang, J. (2014). A Dirichlet multinomial mixture model-based
       approach for short text clustering. KDD.
    .. [2] Madsen, R. E., Kauchak, D. and Elkan, C. (2005). Modeling word burstiness
       using the Dirichlet distribution. ICML.
    .. [3] Nigam, K., McCallum, A. K., Thrun, S. and Mitchell, T. (2000). Text
       classification from labeled and unlabeled documents using EM. Mach. Learn. 39.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklgen.mixture import DirichletMultinomialMixture
    >>> texts = ["late goal wins cup", "cup final goal", "goal in late cup final"] * 5
    >>> texts += ["rate cut lifts shares", "bank shares fall", "bank rate cut"] * 5
    >>> X = CountVectorizer().fit_transform(texts)
    >>> model = DirichletMultinomialMixture(
    ...     8, method="gibbs", beta=1.0, random_state=0
    ... ).fit(X)
    >>> model.n_components_
    2
    >>> (model.labels_[:15] == model.labels_[0]).all()
    np.True_
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "method": [StrOptions({"em", "gibbs"})],
        "overdispersed": ["boolean"],
        "alpha": [Interval(Real, 1e-8, None, closed="left")],
        "beta": [Interval(Real, 1e-8, None, closed="left")],
        "n_sweeps": [Interval(Integral, 1, None, closed="left")],
    }

    probabilities_: Array
    concentrations_: Array | None

    def __init__(
        self,
        n_components: int = 1,
        *,
        method: str = "em",
        overdispersed: bool = False,
        alpha: float = 0.1,
        beta: float = 0.1,
        n_sweeps: int = 30,
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 10,
        init_params: str = "kmeans",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.overdispersed = overdispersed
        self.alpha = alpha
        self.beta = beta
        self.n_sweeps = n_sweeps
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _prepare(self, X: csr_array, weight: Array) -> None:
        self._seen_lengths = tabulate(_lengths(X), weight)
        self._lengths = Lengths.fit(*self._seen_lengths)
        counts = X.T @ weight + self.beta
        self._shares = counts / counts.sum()

    def _standardized(self, X: csr_array) -> csr_array:
        return root_shares(as_csr(X))

    def _equal_components(self) -> CountFamily:
        K, shares, lengths = self._n_wanted, self._shares, self._lengths
        if self.overdispersed:
            size = max(1.0, lengths.mean)
            return DirichletMultinomial.equal(K, shares, size, self.beta, lengths)
        return Multinomial.equal(K, shares, self.beta, lengths)

    def _components(self) -> CountFamily:
        shares, size = np.asarray(self.probabilities_), self.concentrations_
        if size is None:
            return Multinomial(self._lengths, np.log(shares), self.beta)
        alpha = shares * size[:, None]
        return DirichletMultinomial(self._lengths, alpha, self.beta)

    @property
    def _shape(self) -> dict[str, Any]:
        names = ("n_components", "method", "overdispersed")
        return {name: getattr(self, name) for name in names}

    def _store(self, model: Mixture[CountFamily]) -> None:
        self.probabilities_ = model.components.probabilities()
        size = model.components.concentrations()
        self.concentrations_ = size if np.isfinite(size).all() else None
        self.n_components_ = int(np.count_nonzero(self.weights_ >= EMPTY_SHARE))

    def _fit_validated(self, X: csr_array, weight: Array, *, warm: bool) -> None:
        if self.method == "em":
            super()._fit_validated(X, weight, warm=warm)
            return
        start = self._predict(X) if warm else None
        self._prepare(X, weight)
        self.n_iter_ = 0
        self._sweep(X, weight, None, start)

    def _update(self, X: csr_array, weight: Array) -> None:
        distinct, counts = self._seen_lengths
        self._seen_lengths = tabulate(
            np.concatenate([distinct, _lengths(X)]), np.concatenate([counts, weight])
        )
        self._lengths = Lengths.fit(*self._seen_lengths)
        if self.method == "em":
            super()._update(X, weight)
        else:
            self._sweep(X, weight, self._clusters, None)

    def _sweep(
        self,
        X: csr_array,
        weight: Array,
        before: Clusters | None,
        start: NDArray[np.intp] | None,
    ) -> None:
        """Sample labels of rows, and read the components off the last ones."""
        rng = as_generator(self.random_state)
        walkers = Walkers(X, weight, rng)
        labels = (
            rng.integers(self.n_components, size=len(walkers))
            if start is None
            else start[walkers.rows]
        )
        labels, self._clusters = sample_clusters(
            walkers,
            labels,
            before,
            n_clusters=self.n_components,
            n_sweeps=self.n_sweeps,
            alpha=self.alpha,
            beta=self.beta,
            rng=rng,
        )
        self.n_iter_ += self.n_sweeps
        self._fitted_shape = self._shape
        weights = self._clusters.weights + self.alpha
        self.weights_ = weights / weights.sum()
        alpha = self._clusters.counts + self.beta
        self._store(
            Mixture(
                self.weights_, DirichletMultinomial(self._lengths, alpha, self.beta)
            )
        )
        self.labels_ = labels_of_rows(walkers, labels, X.shape[0])
        absent = np.flatnonzero(self.labels_ < 0)
        if absent.size:
            self.labels_[absent] = self._predict(X[absent])


def _lengths(X: csr_array) -> Array:
    """Totals of rows, in float64."""
    return np.asarray(X.sum(axis=1, dtype=np.float64))
