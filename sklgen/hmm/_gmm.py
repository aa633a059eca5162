"""Hidden Markov models whose states emit from mixtures of Gaussians."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.em import Rows, n_threads
from sklgen.families import Mixed
from sklgen.hmm._gaussian import given_covariances
from sklgen.hmm._hmm import BaseHMM
from sklgen.hmm._topology import given_law
from sklgen.mixture._gaussian_components import COVARIANCES, GaussianComponents, given
from sklgen.mixture._starts import STARTS
from sklgen.mixture._structure import Mixture

# Share of a state's weight that its Gaussians have in equal parts at the start, so
# that none of them starts from nothing.
_EVEN = 0.1


class GMMHMM(GaussianComponents, BaseHMM):
    """Hidden Markov model whose states emit from mixtures of Gaussians.

    Each row comes from the mixture of a hidden state, and states follow each other as a
    Markov chain. Rows and single cells may be missing: they are integrated out.

    Parameters
    ----------
    n_components : int, default=1
        Number of hidden states.
    n_mix : int, default=2
        Number of Gaussians of each state.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        A matrix for each Gaussian, one matrix for all Gaussians of all states, a
        variance for each Gaussian and column, or a variance for each Gaussian.
    reg_covar : float, default=1e-6
        Lower bound of the covariances, in units of each column's mean variance within
        the Gaussians of the start.
    startprob_prior : float or array-like of shape (n_components,), default=1.0
        Concentration of the Dirichlet prior of the start probabilities, at least 1.
    transmat_prior : float or array-like of shape (n_components, n_components), \
            default=1.0
        Concentration of the Dirichlet priors of the transition probabilities.
    stickiness : float, default=0.0
        What is added to the concentration of a state's transition to itself: as many
        such transitions are counted before the data.
    startprob_init : array-like of shape (n_components,), default=None
        Start probabilities to start from. Those of zero stay zero.
    transmat_init : array-like of shape (n_components, n_components), default=None
        Transition probabilities to start from. Those of zero stay zero.
    topology : {"ergodic", "left-right", "linear"}, default="ergodic"
        Which transitions are possible: all; to the same state or a later one; to the
        same state or the next one. But for the first, chains start in state 0.
    stationary : bool, default=False
        Whether sequences start from the stationary law of the transitions.
    fixed : list of {"start", "transition", "emission"} or None, default=None
        What is left as it starts.
    weights_init : array-like of shape (n_components, n_mix), default=None
        Weights of the Gaussians of each state to start from. Those of zero stay zero.
    means_init : array-like of shape (n_components, n_mix, n_features), default=None
        Means to start from.
    covariances_init : array-like, default=None
        Covariances to start from, of the shape of `covariances_`.
    algorithm : {"viterbi", "marginal"}, default="viterbi"
        What `predict` gives: the most probable path, or the most probable state of
        each row.
    tol : float, default=1e-6
        The fit ends when the gain in log-likelihood that is left, in nats per row, is
        estimated to be below this.
    max_iter : int, default=1000
        Largest number of E-steps after the first.
    n_init : int, default=10
        Number of starts. Each runs for a few iterations, on pieces of sequences of
        about 8192 rows in all where there are more; the two best are fitted, and the
        better one kept.
    init_params : {"kmeans", "k-means++", "random_from_data", "random"}, \
            default="kmeans"
        Where the emissions of starts come from, as in `GaussianMixture`: first the
        states, then the Gaussians of each. In every other start, the first included,
        states are sets of clusters that follow and precede the same ones. With another
        topology than "ergodic" they come from parts of the sequences instead.
    random_state : int, RandomState instance or None, default=None
        Randomness of the starts.
    verbose : int, default=0
        1 shows a progress bar.
    n_jobs : int or None, default=None
        Number of threads. None takes the cores the process may use, or
        OMP_NUM_THREADS. Results are the same to the last bit for any number.

    Attributes
    ----------
    startprob_ : ndarray of shape (n_components,)
        Probability of each state at the first row of a sequence.
    transmat_ : ndarray of shape (n_components, n_components)
        Probability of each next state (columns) after each state (rows).
    weights_ : ndarray of shape (n_components, n_mix)
        Weight of each Gaussian in its state.
    means_ : ndarray of shape (n_components, n_mix, n_features)
        Mean of each Gaussian.
    covariances_ : ndarray
        Covariances, of shape (n_components, n_mix, n_features, n_features) if full,
        (n_features, n_features) if tied, (n_components, n_mix, n_features) if diag and
        (n_components, n_mix) if spherical.
    precisions_ : ndarray
        Inverse covariances, in the same shape.
    precisions_cholesky_ : ndarray
        Factors W of the precisions, W W^T, in the same shape; upper triangular.
    converged_ : bool
        Whether the gain left fell below `tol`. Reaching `max_iter` is not convergence.
    n_iter_ : int
        Number of E-steps after the first, in the run that was kept; each later batch
        of `partial_fit` counts as one more.
    lower_bound_ : float
        Mean log-likelihood per row at the fitted parameters, priors included.
    lower_bounds_ : list of float
        The same from the start of the run that was kept. It never falls in `fit`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    GaussianHMM : The model with one Gaussian a state.

    Notes
    -----
    An iteration takes O(n K (K + M d^2)) operations for M full or tied Gaussians a
    state, and O(n K (K + M d)) for the others. Memory does not grow with n K M.

    In a grid search, turn on `sklearn.set_config(enable_metadata_routing=True)`:
    `groups` then reaches the splitter and the model. Without it scikit-learn keeps
    groups to itself, and the rows of a fold are taken as one sequence; a list of
    tables needs no groups.

    References
    ----------
    .. [1] Juang, B.-H., Levinson, S. E. and Sondhi, M. M. (1986). Maximum likelihood
       estimation for multivariate mixture observations of Markov chains. IEEE Trans.
       Inf. Theory 32(2).

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.hmm import GMMHMM
    >>> rng = np.random.default_rng(0)
    >>> near, far = rng.choice([-1, 1], (50, 1)), rng.choice([-6, 6], (50, 1))
    >>> X = np.concatenate([near, far]) + 0.3 * rng.normal(size=(100, 1))
    >>> model = GMMHMM(2, random_state=0).fit(X)
    >>> states = model.predict(X)
    >>> bool((states[:50] == states[0]).all() and (states[50:] != states[0]).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseHMM._chain_constraints,
        "n_mix": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions(set(COVARIANCES))],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "covariances_init": ["array-like", None],
    }

    weights_: Array

    def __init__(
        self,
        n_components: int = 1,
        *,
        n_mix: int = 2,
        covariance_type: str = "full",
        reg_covar: float = 1e-6,
        startprob_prior: Any = 1.0,
        transmat_prior: Any = 1.0,
        stickiness: float = 0.0,
        startprob_init: Any = None,
        transmat_init: Any = None,
        topology: str = "ergodic",
        stationary: bool = False,
        fixed: Any = None,
        weights_init: Any = None,
        means_init: Any = None,
        covariances_init: Any = None,
        algorithm: str = "viterbi",
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 10,
        init_params: str = "kmeans",
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_mix = n_mix
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.stickiness = stickiness
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.topology = topology
        self.stationary = stationary
        self.fixed = fixed
        self.weights_init = weights_init
        self.means_init = means_init
        self.covariances_init = covariances_init
        self.algorithm = algorithm
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    @property
    def _shape(self) -> dict[str, Any]:
        return {
            "n_components": self.n_components,
            "n_mix": self.n_mix,
            "covariance_type": self.covariance_type,
        }

    @property
    def _n_members(self) -> int:
        return int(self.n_mix)

    @property
    def _n_wanted(self) -> int:
        return super()._n_wanted * self._n_members

    def _learn_emissions(self, X: NDArray[Any], weight: Array) -> None:
        self._learn_scale(X, weight, n_threads(self.n_jobs))
        self._splits = as_generator(self.random_state).spawn(1)[0]
        K, M, d = self.n_components, self.n_mix, X.shape[1]
        self._given_weights = None
        if self.weights_init is not None:
            self._given_weights = given_law(
                self.weights_init, "weights_init", (K, M), "n_components and n_mix ask"
            )
        self._given_means = given(self.means_init, "means_init", (K, M, d))
        self._given_covariances = given_covariances(
            self.covariances_init,
            self._by_state(self._family.public_shape(K * M, d)),
            self._family.stored_shape(K * M, d),
        )

    def _by_state(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of covariances with states and their Gaussians on two axes."""
        if self.covariance_type == "tied":
            return shape
        return (self.n_components, self.n_mix, *shape[1:])

    def _equal_components(self) -> Mixed:  # type: ignore[override]
        M = self.n_mix
        weights = np.full((self._n_wanted // M, M), 1.0 / M)
        return Mixed(weights, super()._equal_components())

    def _labelled(
        self, rows: Rows, labels: NDArray[np.intp], equal: Mixture[Any]
    ) -> Mixture[Any]:
        members = equal.components.members
        n = members.shape[0]
        flat = Mixture(np.full(n, 1.0 / n), members)
        found = super()._labelled(rows, self._split(rows, labels), flat)
        weights = found.weights.reshape(equal.components.weights.shape)
        states = weights.sum(axis=1)
        shares = weights / np.where(states > 0, states, 1.0)[:, None]
        even = np.where(states > 0, _EVEN, 1.0)[:, None] / self.n_mix
        mixed = np.where(states > 0, 1.0 - _EVEN, 0.0)[:, None] * shares + even
        return Mixture(equal.weights, Mixed(mixed, found.components))

    def _split(self, rows: Rows, labels: NDArray[np.intp]) -> NDArray[np.intp]:
        """Gaussians of rows: the clusters of the rows of each state."""
        M = int(self.n_mix)
        Z = self._standardized(rows.X)
        weight = np.ones(len(Z)) if rows.weight is None else rows.weight
        members = labels * M
        for state in np.unique(labels):
            own = np.flatnonzero((labels == state) & (weight > 0))
            if len(own) <= M:
                members[own] += np.arange(len(own))
            elif M > 1:
                split = STARTS[self.init_params](Z[own], weight[own], M, self._splits)
                members[own] += split
        return members

    def _with_given(self, components: Mixed) -> Mixed:
        weights, members = components.weights, components.members
        if self._given_weights is not None:
            weights = self._given_weights
        if self._given_means is not None:
            flat = self._given_means.reshape(members.means.shape)
            members = replace(members, means=flat)
        if self._given_covariances is not None:
            members = replace(members, covariances=self._given_covariances)
        return Mixed(weights, members)

    def _store_emissions(self, components: Mixed) -> None:
        self._store_components(components.members)
        self.weights_ = components.weights
        self.means_ = self.means_.reshape(*components.weights.shape, -1)
        for name in ("covariances_", "precisions_", "precisions_cholesky_"):
            values = getattr(self, name)
            setattr(self, name, values.reshape(self._by_state(values.shape)))

    def _components(self) -> Mixed:  # type: ignore[override]
        weights = np.asarray(self.weights_)
        means = np.asarray(self.means_).reshape(weights.size, -1)
        return Mixed(weights, self._restored(means))
