"""Dirichlet process mixtures: the number of components is found."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._typing import Array
from sklgen.em import n_threads
from sklgen.mixture._base import _check_observed
from sklgen.mixture._dirichlet_process_fit import CONSTRAINTS, BaseProcessMixture
from sklgen.mixture._dirichlet_process_prior import (
    PRIORS,
    Prior,
    ProductPrior,
    prior_of,
)
from sklgen.mixture._dirichlet_process_search import Ascent
from sklgen.mixture._fitted import CompletingMixture


class DirichletProcessMixture(CompletingMixture, BaseProcessMixture):
    """Mixture with a Dirichlet process prior, which finds the number of components.

    Parameters
    ----------
    family : {"gaussian", "bernoulli", "categorical", "poisson"} or list, \
            default="gaussian"
        What a component is: Gaussian, or independent columns of zeros and ones, of
        codes of levels from 0 on, or of counts up to 2**32 - 1. A list of pairs
        (family, columns) makes sets of columns independent within a component, each of
        a family of its own. Columns are given by position, by name or by a mask; each
        is in one set.
    covariance_type : {"full", "diag"}, default="full"
        A matrix for each component, or a variance for each component and column.
    weight_concentration_prior : float, default=1.0
        Concentration of the process: higher values expect more components.
    max_components : int, default=100
        Largest number of components. It should be out of reach.
    mean_prior : array-like of shape (n_features,), default=None
        Expected mean of a component. None takes the mean of the data.
    mean_precision_prior : float, default=None
        Number of rows that the expected mean is worth. None lets the evidence choose.
    degrees_of_freedom_prior : float, default=None
        Number of rows that the expected covariance is worth, above `n_features` - 1 if
        full and above 0 if diag. None takes `n_features` + 1 and 2.
    covariance_prior : array-like, default=None
        Expected covariance of a component (the inverse of the expected precision), of
        shape (n_features, n_features) if full and (n_features,) if diag. None takes
        that of the data times a share that the evidence chooses.
    count_prior : float, default=1.0
        Number of cells that the prior of other families is worth, for each component
        and column; they are distributed as the data.
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
        Expected weight of each component, the largest first; they sum to one. What the
        process keeps for components that it has not seen is shared out among them.
    posterior_ : Conjugate
        Posterior laws of the parameters of the components, of a class of its own for
        each family, such as normal-Wishart for Gaussians.
    means_ : ndarray of shape (`n_components_`, n_features)
        Posterior mean of the mean of each component, if Gaussian.
    covariances_ : ndarray of shape (`n_components_`, n_features, n_features) or \
            (`n_components_`, n_features)
        Inverse of the posterior mean of the precision of each component, if Gaussian.
    converged_ : bool
        Whether no move raised the bound and the gain left fell below `tol`.
    n_iter_ : int
        Number of E-steps on all rows after the first.
    lower_bound_ : float
        Lower bound on the log-evidence of the data, per row, all constants included.
    lower_bounds_ : list of float
        The bound after each step that was kept. It never falls.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    GaussianMixture : A Gaussian mixture with a given number of components.
    sklearn.mixture.BayesianGaussianMixture : The same model with a fixed truncation.

    Notes
    -----
    The posterior factorises into stick lengths (beta laws), parameters (conjugate laws)
    and labels. Sticks beyond the components found keep their prior and hold no row, so
    that bounds for any number of components compare: nested truncation. Components are
    kept in order of size, which is the order of the highest bound.

    The search [1]_: a sample of the rows is cut into more clusters than needed, of
    which pairs are merged while that raises the bound; then, on all rows, components
    are replaced by what such a search finds among their own rows, and pairs are
    merged. Promises of moves come from sums that are at hand; a move is kept only if
    the bound is higher after an E-step on all rows, so that `lower_bounds_` never
    falls. `lower_bound_` times the number n of rows is a lower bound on the
    log-evidence. For ``max_components=1`` and complete rows it is the log-evidence of
    one component plus log B(1 + n, a) - log B(1, a), with the beta function B and the
    concentration a: the log-probability that all labels are the first.

    What is left open of the prior of Gaussians is set by the evidence on that sample
    (empirical Bayes): one number of rows for the mean, and one factor for the
    covariance, between a thousandth of the data's and all of it.

    Densities are those of the posterior predictive law: Student's t for Gaussians,
    negative binomial for counts, with posterior mean probabilities for levels. Missing
    cells are integrated out on the assumption that they are missing at random. With
    covariance matrices they have posteriors of their own, of which the bound knows.

    An E-step takes O(n K d^2) operations for covariance matrices and O(n K d)
    otherwise, and each pattern of missing cells O(K d^3) more with matrices. Promises
    of merges take O(K^2 d^3) and one pass over the rows.

    References
    ----------
    .. [1] Hughes, M. C. and Sudderth, E. B. (2013). Memoized online variational
       inference for Dirichlet process mixture models. NIPS 26.
    .. [2] Blei, D. M. and Jordan, M. I. (2006). Variational inference for Dirichlet
       process mixtures. Bayesian Analysis 1(1).
    .. [3] Kurihara, K., Welling, M. and Vlassis, N. (2006). Accelerated variational
       Dirichlet process mixtures. NIPS 19.

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.mixture import DirichletProcessMixture
    >>> X = load_old_faithful().data
    >>> model = DirichletProcessMixture(random_state=0).fit(X)
    >>> model.n_components_
    3
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "family": [StrOptions(set(PRIORS)), list, tuple],
        "covariance_type": [StrOptions({"full", "diag"})],
        "mean_prior": ["array-like", None],
        "mean_precision_prior": [Interval(Real, 0, None, closed="neither"), None],
        "degrees_of_freedom_prior": [Interval(Real, 0, None, closed="neither"), None],
        "covariance_prior": ["array-like", None],
    }

    def __init__(
        self,
        *,
        family: Any = "gaussian",
        covariance_type: str = "full",
        weight_concentration_prior: float = 1.0,
        max_components: int = 100,
        mean_prior: Any = None,
        mean_precision_prior: float | None = None,
        degrees_of_freedom_prior: float | None = None,
        covariance_prior: Any = None,
        count_prior: float = 1.0,
        tol: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 1,
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.family = family
        self.covariance_type = covariance_type
        self.weight_concentration_prior = weight_concentration_prior
        self.max_components = max_components
        self.mean_prior = mean_prior
        self.mean_precision_prior = mean_precision_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.covariance_prior = covariance_prior
        self.count_prior = count_prior
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _validate(
        self,
        X: Any,
        *,
        reset: bool = False,
        min_rows: int = 1,
        sample_weight: Any = None,
    ) -> Any:
        X = super()._validate(X, reset=reset, min_rows=min_rows)
        if not reset:
            self._family.check(X, self._names())
        return X

    def _prior(self, X: NDArray[Any], weight: Array) -> Prior | ProductPrior:
        names = self._names()
        _check_observed(X, weight, names)
        self._family = prior_of(self, X, weight, names, n_threads(self.n_jobs))
        return self._family

    def _names(self) -> NDArray[Any]:
        """Names of the columns, or their positions if they have none."""
        names = getattr(self, "feature_names_in_", np.arange(self.n_features_in_))
        return np.asarray(names)

    def _store(self, ascent: Ascent) -> None:
        super()._store(ascent)
        if self.family == "gaussian":
            self.means_ = self.posterior_.mean
            self.covariances_ = self.posterior_.covariances
