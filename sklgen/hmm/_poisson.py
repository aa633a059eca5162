"""Hidden Markov models of counts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import Rows, n_threads
from sklgen.families import Poisson
from sklgen.hmm._hmm import BaseHMM
from sklgen.mixture._gaussian_components import given
from sklgen.mixture._structure import Mixture


class PoissonHMM(BaseHMM):
    """Hidden Markov model of counts.

    The columns of a row are Poisson counts with the rates of a hidden state and
    independent given it; states follow each other as a Markov chain. Rows and single
    cells may be missing: they are integrated out.

    Parameters
    ----------
    n_components : int, default=1
        Number of hidden states.
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
    rates_init : array-like of shape (n_components, n_features), default=None
        Mean counts to start from: positive.
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
        Where the emissions of starts come from: clusters of rows, whose counts have
        been made of equal variance by square roots. With another topology than
        "ergodic" they come from parts of the sequences instead.
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
    rates_ : ndarray of shape (n_components, n_features)
        Mean count of each column in each state.
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

    Raises
    ------
    ValueError
        If a cell is negative.

    See Also
    --------
    GaussianHMM : The model of rows of numbers.

    Notes
    -----
    An iteration takes O(n K (K + d)) operations. Memory does not grow with n K.

    The M-step takes the mode of weak conjugate priors, each worth a thousandth of a
    cell that is like the mean of all rows. Cells may be fractions, such as averages of
    counts: in log-densities their factorials are x! = Gamma(x + 1). Draws are counts.

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
    >>> from sklgen.datasets import load_earthquakes
    >>> from sklgen.hmm import PoissonHMM
    >>> X = load_earthquakes().data[:, 1:]
    >>> model = PoissonHMM(3, random_state=0).fit(X)
    >>> print(f"{model.score(X) * len(X):.2f}")
    -328.53
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseHMM._chain_constraints,
        "rates_init": ["array-like", None],
    }

    _support = "counts"

    def __init__(
        self,
        n_components: int = 1,
        *,
        startprob_prior: Any = 1.0,
        transmat_prior: Any = 1.0,
        stickiness: float = 0.0,
        startprob_init: Any = None,
        transmat_init: Any = None,
        topology: str = "ergodic",
        stationary: bool = False,
        fixed: Any = None,
        rates_init: Any = None,
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
        self.startprob_prior = startprob_prior
        self.transmat_prior = transmat_prior
        self.stickiness = stickiness
        self.startprob_init = startprob_init
        self.transmat_init = transmat_init
        self.topology = topology
        self.stationary = stationary
        self.fixed = fixed
        self.rates_init = rates_init
        self.algorithm = algorithm
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _validate(self, X: Any, **how: Any) -> Any:
        rows = super()._validate(X, **how)
        with np.errstate(invalid="ignore"):
            negative = rows < 0
        if negative.any():
            i, j = np.argwhere(negative)[0]
            names = getattr(self, "feature_names_in_", np.arange(rows.shape[1]))
            raise ValueError(
                f"Negative values in data passed to {type(self).__name__}: column "
                f"{names[j : j + 1].tolist()[0]!r} of X has {rows[i, j]:g} in row {i}. "
                "Counts are 0 or more; GaussianHMM takes any numbers."
            )
        return rows

    @property
    def _shape(self) -> dict[str, Any]:
        return {"n_components": self.n_components}

    def _learn_emissions(self, X: NDArray[Any], weight: Array) -> None:
        shape = (self.n_components, X.shape[1])
        self._given_rates = given(self.rates_init, "rates_init", shape)
        if self._given_rates is not None and not (self._given_rates > 0).all():
            raise ValueError(
                f"rates_init must be positive, got {self._given_rates.min():g}. A rate "
                "of 1e-10 stands for counts that are all 0."
            )
        one = Mixture(np.ones(1), Poisson.standard(X.shape[1]))
        with Rows(
            X,
            weight,
            n_features=one.components.n_features,
            n_threads=n_threads(self.n_jobs),
        ) as rows:
            statistics = rows.sum(one.e_step).family
        self._data = one.components.equal(1, statistics)

    def _equal_components(self) -> Poisson:
        return self._repeated(self._data.rates, self._n_wanted)

    def _repeated(self, rates: Array, n: int) -> Poisson:
        return Poisson(np.repeat(rates, n, axis=0), prior=self._data.prior)

    def _standardized(self, X: Array) -> Array:
        """Square roots, which have the same variance whatever the rate (Anscombe)."""
        filled = np.where(np.isnan(X), self._data.rates[0], X)
        return np.asarray(2.0 * np.sqrt(filled + 0.375))

    def _labelled(
        self, rows: Rows, labels: NDArray[np.intp], equal: Mixture[Any]
    ) -> Mixture[Any]:
        return equal.m_step(rows.sum(partial(equal.labelled, labels)))

    def _with_given(self, components: Poisson) -> Poisson:
        if self._given_rates is None:
            return components
        return replace(components, rates=self._given_rates)

    def _store_emissions(self, components: Poisson) -> None:
        self.rates_ = components.rates

    def _components(self) -> Poisson:
        return self._repeated(np.asarray(self.rates_), 1)
