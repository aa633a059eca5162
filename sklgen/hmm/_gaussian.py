"""Hidden Markov models with Gaussian emissions."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._typing import Array
from sklgen.em import n_threads
from sklgen.families import Gaussian
from sklgen.hmm._hmm import BaseHMM
from sklgen.mixture._gaussian_components import (
    COVARIANCES,
    GaussianComponents,
    given,
)


class GaussianHMM(GaussianComponents, BaseHMM):
    """Hidden Markov model with Gaussian emissions.

    Each row comes from the Gaussian of a hidden state, and states follow each other as
    a Markov chain. Rows and single cells may be missing: they are integrated out.

    Parameters
    ----------
    n_components : int, default=1
        Number of hidden states.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        A matrix for each state, one matrix for all, a variance for each state and
        column, or a variance for each state.
    reg_covar : float, default=1e-6
        Lower bound of the covariances, in units of each column's mean variance within
        the states of the start.
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
    means_init : array-like of shape (n_components, n_features), default=None
        Means to start from.
    covariances_init : array-like, default=None
        Covariances to start from, shaped as `covariances_`.
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
        Where the emissions of starts come from, as in `GaussianMixture`. With another
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
    means_ : ndarray of shape (n_components, n_features)
        Mean of each state.
    covariances_ : ndarray
        Covariances, of shape (n_components, n_features, n_features) if full,
        (n_features, n_features) if tied, (n_components, n_features) if diag and
        (n_components,) if spherical.
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
    sklgen.mixture.GaussianMixture : The model of rows without an order.

    Notes
    -----
    An iteration takes O(n K (K + d^2)) operations for full and tied covariances and
    O(n K (K + d)) for the others. Memory does not grow with n K: long sequences are
    passed in segments, which tell each other what they know.

    Passes are scaled, and in logarithms where probabilities would underflow.

    In a grid search, turn on `sklearn.set_config(enable_metadata_routing=True)`:
    `groups` then reaches the splitter and the model. Without it scikit-learn keeps
    groups to itself, and the rows of a fold are taken as one sequence; a list of
    tables needs no groups.

    References
    ----------
    .. [1] Rabiner, L. R. (1989). A tutorial on hidden Markov models and selected
       applications in speech recognition. Proc. IEEE 77(2).
    .. [2] Baum, L. E., Petrie, T., Soules, G. and Weiss, N. (1970). A maximization
       technique occurring in the statistical analysis of probabilistic functions of
       Markov chains. Ann. Math. Stat. 41(1).

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.hmm import GaussianHMM
    >>> X = np.array([[0.0], [0.2], [0.1], [5.1], [5.0], [4.8], [0.1], [0.2]])
    >>> model = GaussianHMM(2, random_state=0).fit(X)
    >>> states = model.predict(X)
    >>> (states == states[0]).tolist()
    [True, True, True, False, False, False, True, True]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseHMM._chain_constraints,
        "covariance_type": [StrOptions(set(COVARIANCES))],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "means_init": ["array-like", None],
        "covariances_init": ["array-like", None],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
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
            "covariance_type": self.covariance_type,
        }

    def _learn_emissions(self, X: NDArray[Any], weight: Array) -> None:
        self._learn_scale(X, weight, n_threads(self.n_jobs))
        K, d = self.n_components, X.shape[1]
        self._given_means = given(self.means_init, "means_init", (K, d))
        self._given_covariances = given_covariances(
            self.covariances_init,
            self._family.public_shape(K, d),
            self._family.stored_shape(K, d),
        )

    def _with_given(self, components: Gaussian) -> Gaussian:
        if self._given_means is not None:
            components = replace(components, means=self._given_means)
        if self._given_covariances is not None:
            components = replace(components, covariances=self._given_covariances)
        return components

    def _store_emissions(self, components: Gaussian) -> None:
        self._store_components(components)


def given_covariances(
    values: Any, shape: tuple[int, ...], stored_shape: tuple[int, ...]
) -> Array | None:
    """`covariances_init` of a shape, in the shape in which a family stores it."""
    array = given(values, "covariances_init", shape)
    if array is None:
        return None
    covariances = array.reshape(stored_shape)
    matrices = covariances.ndim == 3
    positive = not matrices or np.allclose(covariances, covariances.mT)
    if positive:
        roots = np.linalg.eigvalsh(covariances) if matrices else covariances
        positive = bool(roots.min() > 0)
    if not positive:
        raise ValueError(
            "covariances_init must be positive, and symmetric where they are matrices."
        )
    return covariances
