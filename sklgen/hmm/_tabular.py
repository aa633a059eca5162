"""Hidden Markov models of tables: mixed columns, or labels alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._typing import Array
from sklgen.families import Product
from sklgen.hmm._groups import SequenceData
from sklgen.hmm._hmm import BaseHMM
from sklgen.hmm._structure import Chains
from sklgen.mixture._tabular_components import COVARIANCES, TabularComponents
from sklgen.mixture._tabular_rows import table_reader


class TableHMM(TabularComponents, BaseHMM):
    """Hidden Markov models whose states emit typed rows of tables."""

    def _check_observed(
        self, rows: NDArray[Any], data: SequenceData, weight: Array, *, reset: bool
    ) -> None:
        """Columns may miss every cell: that is what their draws do, too."""

    def _learned_rows(self, X: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self._schema.learn_from(X))

    def _learn_emissions(self, X: NDArray[Any], weight: Array) -> None:
        self._describe(X, weight)

    def _with_given(self, components: Product) -> Product:
        return components

    def _store_emissions(self, components: Product) -> None:
        self._store_components(components)

    def _reader(self) -> Chains[Any]:
        chains = self._fitted()
        return replace(chains, components=table_reader(self._schema, chains.components))


class TabularHMM(TableHMM):
    """Hidden Markov model of tables with mixed columns.

    Rows of a state have independent categories, each with its own probabilities, and
    normal scores of their numbers, independent or with a covariance matrix; states
    follow each other as a Markov chain. What goes in comes out: `sample` gives a
    DataFrame with the columns, dtypes, categories and missing cells of the one that
    `fit` saw.

    Parameters
    ----------
    n_components : int, default=1
        Number of hidden states.
    covariance_type : {"full", "diag"}, default="full"
        Whether the normal scores of a state have a covariance matrix or are
        independent.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Number columns to treat as labels: a mask, positions or names. Columns of
        strings, categories and booleans are labels in any case.
    max_categories : int or None, default=None
        Largest number of levels of a column of labels; the rarest beyond are modelled
        as one, and drawn by their frequencies.
    families : dict or None, default=None
        Name or position of a number column: the family of its law in every state,
        "bernoulli", "exponential", "gamma", "gaussian", "log_normal",
        "negative_binomial", "poisson" or "von_mises" (angles in radians). Such a
        column stays in its own units, and is independent of the others given the
        state.
    keep_missing : bool, default=True
        Whether `sample` gives rows with missing cells, as likely as in `fit` and as
        dependent on the state. A column that misses every cell does so in any case.
        Densities, states, `impute` and `sample_conditional` are about the values of
        cells and integrate missing ones out in any case.
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
            default="kmeans"
        Where the emissions of starts come from: clusters of one-hot codes and normal
        scores. With another topology than "ergodic" they come from parts of the
        sequences instead.
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
        What types the rows.
    startprob_ : ndarray of shape (n_components,)
        Probability of each state at the first row of a sequence.
    transmat_ : ndarray of shape (n_components, n_components)
        Probability of each next state (columns) after each state (rows).
    means_ : ndarray of shape (n_components, n_scores)
        Mean normal score of each column with a continuous part.
    covariances_ : ndarray
        Covariances of the scores, of shape (n_components, n_scores, n_scores) if full
        and (n_components, n_scores) if diag.
    level_probabilities_ : list of ndarray of shape (n_components, n_levels)
        Probabilities of the levels of each category column of the encoder, then of
        a cell to be there or missing, for the columns that miss some.
    family_parameters_ : dict of dict of ndarray of shape (n_components,)
        Parameters, by name, of the laws of the columns in `families`, by the name of
        the column, or its position in an array. Those of "log_normal" are of
        logarithms. A column that misses every cell has none.
    converged_ : bool
        Whether the gain left fell below `tol`. Reaching `max_iter` is not convergence.
    n_iter_ : int
        Number of E-steps after the first, in the run that was kept; each later batch
        of `partial_fit` counts as one more.
    lower_bound_ : float
        Mean log-likelihood per typed row at the fitted parameters, priors included.
    lower_bounds_ : list of float
        The same from the start of the run that was kept. It never falls in `fit`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    GaussianHMM : For tables of numbers in their own units.
    CategoricalHMM : For columns of labels.
    sklgen.mixture.TabularMixture : The model of rows without an order.

    Notes
    -----
    Numbers, instants and durations are typed by `TabularEncoder`, and densities are
    those of the columns in their own units, as for `TabularMixture`. A label that `fit`
    did not see, or a number in a column of nothing but atoms, has the probability of
    one seen once, 1 / (n + 1), in every state.

    A column in `families` has the density or the probability of its law, and cells that
    the law cannot have are errors. `impute` fills counts by whole numbers; draws of
    numbers other than counts are rounded in columns of integers, and angles are drawn
    from -pi to pi.

    The M-step takes the mode of weak conjugate priors: `smoothing` for levels, a tenth
    of a row for each covariance, a thousandth of a cell for each law of `families`.

    An iteration takes O(n K (K + c + s)) operations for c categories and s scores, or
    O(n K (K + c + s^2)) with full covariances.

    In a grid search, turn on `sklearn.set_config(enable_metadata_routing=True)`:
    `groups` then reaches the splitter and the model. Without it scikit-learn keeps
    groups to itself, and the rows of a fold are taken as one sequence; a list of
    tables needs no groups.

    References
    ----------
    .. [1] Zucchini, W., MacDonald, I. L. and Langrock, R. (2016). Hidden Markov Models
       for Time Series, 2nd edition. CRC Press.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklgen.hmm import TabularHMM
    >>> X = pd.DataFrame({"wind": ["calm", "gusty"] * 20, "sea": [0.1, 2.5] * 20})
    >>> model = TabularHMM(2, random_state=0).fit(X)
    >>> states = model.predict(X)
    >>> bool((states[::2] != states[1::2]).all())
    True
    >>> model.sample(2, random_state=0).dtypes.equals(X.dtypes)
    True
    >>> X = X.assign(ships=[9, 2, 7, 0] * 10)
    >>> model = TabularHMM(2, families={"ships": "poisson"}, random_state=0).fit(X)
    >>> rates = model.family_parameters_["ships"]["rates"]
    >>> sorted(rates.round(1).tolist())
    [1.0, 8.0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseHMM._chain_constraints,
        "covariance_type": [StrOptions(set(COVARIANCES))],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "families": [Mapping, None],
        "keep_missing": ["boolean"],
        "smoothing": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        categorical_features: Any = "from_dtype",
        max_categories: int | None = None,
        families: Any = None,
        keep_missing: bool = True,
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
        init_params: str = "kmeans",
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.families = families
        self.keep_missing = keep_missing
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

    @property
    def _shape(self) -> dict[str, Any]:
        return {
            "n_components": self.n_components,
            "covariance_type": self.covariance_type,
            "families": self.families,
        }
