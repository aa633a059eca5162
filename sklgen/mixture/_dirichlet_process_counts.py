"""Dirichlet process mixtures of rows of counts, such as short texts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from sklgen._typing import Array
from sklgen.families import Lengths
from sklgen.families._conjugate_levels import DirichletShares
from sklgen.families._counts import root_shares
from sklgen.mixture._count_rows import CountRows
from sklgen.mixture._dirichlet_process_fit import CONSTRAINTS, BaseProcessMixture
from sklgen.mixture._dirichlet_process_search import Ascent
from sklgen.mixture._fitted import WholeRowMixture

# Where the pseudo-count of a column starts.
_COUNT = 0.3


@dataclass(frozen=True)
class SharesPrior:
    """The prior of the shares of columns, and where rows lie."""

    law: DirichletShares
    fixed: bool

    @cached_property
    def components(self) -> Any:
        """Components of this kind, which set the size of blocks."""
        return self.law.expected()[0]

    def tuned(self, laws: DirichletShares) -> DirichletShares:
        """The prior that fits posteriors best, if the user left it open."""
        return self.law if self.fixed else laws.tuned(self.law)

    @staticmethod
    def places(X: Any, weight: Array) -> Any:
        """Square roots of shares."""
        return root_shares(X)


class DirichletProcessMultinomialMixture(
    CountRows, BaseProcessMixture, WholeRowMixture
):
    """Mixture of counts with a Dirichlet process prior: finds the number of components.

    A row holds counts: how often each word occurs in a text, say. All counts of a row
    come from one component, whose shares of the columns have a Dirichlet prior. Rows
    may be sparse.

    Parameters
    ----------
    weight_concentration_prior : float, default=1.0
        Concentration of the process: higher values expect more components.
    max_components : int, default=100
        Largest number of components. It should be out of reach.
    count_prior : float, default=None
        Concentration of the prior of the shares, per column, which counts as that many
        tokens seen in each. None lets the evidence choose, between 0.01 and 100.
    tol : float, default=1e-6
        The fit ends when no move raises the bound and the gain that is left, in nats
        per row, is estimated to be below this.
    max_iter : int, default=1000
        Largest number of E-steps after the first, those of moves included.
    n_init : int, default=1
        Number of starts on a sample of at most 8192 rows; the best one goes on.
    random_state : int, RandomState instance or None, default=None
        Randomness of the starts and moves.
    verbose : int, default=0
        1 shows a progress bar.
    n_jobs : int or None, default=None
        Number of threads. None takes the cores the process may use, or
        OMP_NUM_THREADS. Results are the same to the last bit for any number.

    Attributes
    ----------
    n_components_ : int
        Number of components found.
    weights_ : ndarray of shape (`n_components_`,)
        Expected weight of each component, the largest first; they sum to one.
    probabilities_ : ndarray of shape (`n_components_`, n_features)
        Posterior mean of the shares of each component.
    posterior_ : Conjugate
        Posterior laws of the shares, as Dirichlet laws.
    converged_ : bool
        Whether no move raised the bound and the gain left fell below `tol`.
    n_iter_ : int
        Number of E-steps on all rows after the first.
    lower_bound_ : float
        Lower bound on the log-evidence of the data, per row, all constants included:
        also the log-probability of the totals of rows, under their most likely law.
    lower_bounds_ : list of float
        The bound after each step that was kept. It never falls.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    DirichletMultinomialMixture : Collapsed Gibbs sampling, or a given number of
        components.
    DirichletProcessMixture : The same for other columns, where the search is described.

    Notes
    -----
    Totals of rows have a negative binomial law of their own, the same in all
    components: the most likely one. Densities are those of the posterior predictive
    law, which is Dirichlet-multinomial.

    An E-step takes O(m K) operations for rows with m positive cells in all.

    References
    ----------
    Hughes, M. C. and Sudderth, E. B. (2013). Memoized online variational inference for
    Dirichlet process mixture models. NIPS 26.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklgen.mixture import DirichletProcessMultinomialMixture
    >>> texts = ["late goal wins cup", "cup final goal", "goal in late cup final"] * 5
    >>> texts += ["rate cut lifts shares", "bank shares fall", "bank rate cut"] * 5
    >>> X = CountVectorizer().fit_transform(texts)
    >>> model = DirichletProcessMultinomialMixture(random_state=0).fit(X)
    >>> model.n_components_
    2
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "count_prior": [*CONSTRAINTS["count_prior"], None],
    }

    def __init__(
        self,
        *,
        weight_concentration_prior: float = 1.0,
        max_components: int = 100,
        count_prior: float | None = None,
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 1,
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.weight_concentration_prior = weight_concentration_prior
        self.max_components = max_components
        self.count_prior = count_prior
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _prior(self, X: Any, weight: Array) -> SharesPrior:
        lengths = Lengths.fit(np.asarray(X.sum(axis=1), dtype=np.float64), weight)
        given = self.count_prior
        count = _COUNT if given is None else float(given)
        law = DirichletShares(np.full((1, X.shape[1]), count), lengths)
        return SharesPrior(law, fixed=given is not None)

    def _store(self, ascent: Ascent) -> None:
        super()._store(ascent)
        counts = self.posterior_.counts
        self.probabilities_ = counts / counts.sum(axis=1, keepdims=True)
