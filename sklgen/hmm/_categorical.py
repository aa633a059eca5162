"""Hidden Markov models of labels."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from sklgen._typing import Array
from sklgen.compose import TabularEncoder
from sklgen.families import Product
from sklgen.hmm._groups import SequenceData
from sklgen.hmm._hmm import BaseHMM
from sklgen.hmm._tabular import TableHMM
from sklgen.mixture._tabular_components import without_views


class CategoricalHMM(TableHMM):
    """Hidden Markov model of labels.

    The columns of a row are labels with the probabilities of a hidden state,
    independent given it; states follow each other as a Markov chain. Labels are
    strings, categories, booleans or numbers, of which any two different ones are
    different labels. Rows and single cells may be missing: they are integrated out.

    Parameters
    ----------
    n_components : int, default=1
        Number of hidden states.
    smoothing : float, default=0.02
        Rows for each level of a column that every state counts before the data, with
        the shares of the levels in all rows.
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
            default="random_from_data"
        Where the emissions of starts come from: clusters of one-hot codes. With another
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
    encoder_ : TabularEncoder
        What gives labels their codes.
    startprob_ : ndarray of shape (n_components,)
        Probability of each state at the first row of a sequence.
    transmat_ : ndarray of shape (n_components, n_components)
        Probability of each next state (columns) after each state (rows).
    levels_ : list of ndarray
        The labels of each column that `fit` saw.
    emission_probabilities_ : list of ndarray of shape (n_components, n_levels)
        Probabilities of the labels of each column in each state.
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
    TabularHMM : For tables with numbers among the columns.

    Notes
    -----
    A label that `fit` did not see has the probability of one seen once, 1 / (n + 1), in
    every state. The M-step takes the mode of the prior that `smoothing` describes.

    An iteration takes O(n K (K + d)) operations, whatever the number of levels.

    In a grid search, turn on `sklearn.set_config(enable_metadata_routing=True)`:
    `groups` then reaches the splitter and the model. Without it scikit-learn keeps
    groups to itself, and the rows of a fold are taken as one sequence; a list of
    tables needs no groups.

    References
    ----------
    .. [1] Rabiner, L. R. (1989). A tutorial on hidden Markov models and selected
       applications in speech recognition. Proc. IEEE 77(2).

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.hmm import CategoricalHMM
    >>> weather = np.array(list("dddddrrrrrdddddrrrr"))[:, None]
    >>> model = CategoricalHMM(2, random_state=0).fit(weather)
    >>> model.levels_[0].tolist()
    ['d', 'r']
    >>> states = model.predict(weather)
    >>> bool((states[:5] == states[0]).all() and (states[5:10] != states[0]).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseHMM._chain_constraints,
        "smoothing": [Interval(Real, 0, None, closed="neither")],
    }

    _support = "labels"

    # What `TabularHMM` takes as parameters.
    covariance_type = "diag"
    max_categories = None
    families = None
    keep_missing = False

    emission_probabilities_: list[Array]

    def __init__(
        self,
        n_components: int = 1,
        *,
        smoothing: float = 0.02,
        startprob_prior: Any = 1.0,
        transmat_prior: Any = 1.0,
        stickiness: float = 0.0,
        startprob_init: Any = None,
        transmat_init: Any = None,
        topology: str = "ergodic",
        stationary: bool = False,
        fixed: Any = None,
        algorithm: str = "viterbi",
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 10,
        init_params: str = "random_from_data",
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.smoothing = smoothing
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.stickiness = stickiness
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.topology = topology
        self.stationary = stationary
        self.fixed = fixed
        self.algorithm = algorithm
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _encoder(self, passthrough: list[int]) -> TabularEncoder:
        return TabularEncoder(np.ones(self.n_features_in_, dtype=bool))

    @property
    def _shape(self) -> dict[str, Any]:
        return {"n_components": self.n_components}

    def _check_observed(
        self, rows: NDArray[Any], data: SequenceData, weight: Array, *, reset: bool
    ) -> None:
        codes = rows[:, : self.n_features_in_]
        BaseHMM._check_observed(self, codes, data, weight, reset=reset)

    def _store_components(self, components: Product) -> None:
        self._learned = without_views(components)
        self.levels_ = [_array(column.levels) for column in self.encoder_.columns_]
        self.emission_probabilities_ = components.parts[0].probabilities()


def _array(levels: tuple[Any, ...]) -> NDArray[Any]:
    """Levels as an array, of objects where they are of several types."""
    if len({type(level) for level in levels}) == 1:
        return np.array(levels)
    return np.array(levels, dtype=object)
