"""Gaussian mixtures with scikit-learn's names, missing cells and weights."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._typing import Array
from sklgen.em import n_threads
from sklgen.em._threads import N_JOBS
from sklgen.mixture._base import BaseMixture
from sklgen.mixture._fitted import CompletingMixture
from sklgen.mixture._gaussian_components import COVARIANCES, GaussianComponents, given
from sklgen.mixture._starts import STARTS
from sklgen.mixture._structure import Mixture


class GaussianMixture(GaussianComponents, CompletingMixture, BaseMixture):
    """Mixture of Gaussians, fitted by expectation-maximisation.

    Constructor and fitted attributes bear the names of scikit-learn's
    `GaussianMixture`. Beyond it: rows may have weights and missing cells, `sample`
    returns rows alone, and `sample_conditional` and `impute` complete rows. Missing
    cells are integrated out exactly, on the assumption that they are missing at
    random; no cell is filled in before the fit.

    Parameters
    ----------
    n_components : int, default=1
        Number of components.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        A matrix for each component, one matrix for all, a variance for each component
        and column, or a variance for each component.
    tol : float, default=1e-6
        The fit ends when the gain in log-likelihood that is left, in nats per row, is
        estimated to be below this (Aitken's estimate, twice in a row).
    reg_covar : float, default=1e-6
        Lower bound of the covariances, in units of each column's mean variance within
        the components of the start: in columns standardised by it no eigenvalue falls
        below `reg_covar`. Values below 1e-12 count as 1e-12.
    max_iter : int, default=1000
        Largest number of E-steps after the first.
    n_init : int, default=10
        Number of starts. Each runs for a few iterations, on a sample of at least 8192
        rows where there are more; the two best are fitted, and the better one kept.
    init_params : {"kmeans", "k-means++", "random_from_data", "random"}, \
            default="kmeans"
        Where starts come from: k-means clusters, cells around k-means++ seeds, cells
        around random rows, or cells around points drawn from a standard normal law
        in standardised columns.
    weights_init : array-like of shape (n_components,), default=None
        Weights to start from.
    means_init : array-like of shape (n_components, n_features), default=None
        Means to start from. There is one start then, and `init_params` has no effect.
    precisions_init : array-like, default=None
        Precisions (inverse covariances) to start from, shaped as `precisions_`.
    random_state : int, RandomState instance or None, default=None
        Randomness of the starts.
    warm_start : bool, default=False
        Whether `fit` starts from the solution of the last call, if there is one.
    verbose : int, default=0
        1 shows a progress bar.
    n_jobs : int or None, default=None
        Number of threads. None takes the cores the process may use, or
        OMP_NUM_THREADS. Results are the same to the last bit for any number.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
        Weight of each component; they sum to one.
    means_ : ndarray of shape (n_components, n_features)
        Mean of each component.
    covariances_ : ndarray
        Covariances, of shape (n_components, n_features, n_features) if full,
        (n_features, n_features) if tied, (n_components, n_features) if diag and
        (n_components,) if spherical.
    precisions_ : ndarray
        Inverse covariances, in the same shape.
    precisions_cholesky_ : ndarray
        Factors W of the precisions, W W^T, in the same shape; upper triangular.
    converged_ : bool
        Whether the gain left fell below `tol` in `fit`, or in the first call of
        `partial_fit`. Reaching `max_iter` is not convergence.
    n_iter_ : int
        Number of E-steps after the first, in the run that was kept; each later batch
        of `partial_fit` counts as one more.
    lower_bound_ : float
        Mean log-likelihood per row at the fitted parameters. After `partial_fit` it is
        a blend over the batches, each at the parameters it met.
    lower_bounds_ : list of float
        Mean log-likelihood per row from the start of the run that was kept. It never
        falls in `fit`; `partial_fit` appends the blend over its batches.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklearn.mixture.GaussianMixture : The model without weights and missing cells.

    Notes
    -----
    An iteration takes O(n K d^2) operations for full and tied covariances and
    O(n K d) for the others, and memory that grows with neither n nor n K beyond the
    data. With full and tied covariances, each pattern of missing cells costs
    O(K d^3) more in each iteration.

    Where moments about a common centre would cancel, those of the components
    concerned are taken about their own means.

    References
    ----------
    .. [1] Dempster, A. P., Laird, N. M. and Rubin, D. B. (1977). Maximum likelihood
       from incomplete data via the EM algorithm. JRSS B 39(1).
    .. [2] Ghahramani, Z. and Jordan, M. I. (1994). Supervised learning from incomplete
       data via an EM approach. NIPS 6.
    .. [3] Varadhan, R. and Roland, C. (2008). Simple and globally convergent methods
       for accelerating the convergence of any EM algorithm. Scand. J. Stat. 35(2).
    .. [4] Biernacki, C., Celeux, G. and Govaert, G. (2003). Choosing starting values
       for the EM algorithm. Comput. Stat. Data Anal. 41(3-4).

    Examples
    --------
    >>> from sklgen.datasets import load_old_faithful
    >>> from sklgen.mixture import GaussianMixture
    >>> X = load_old_faithful().data
    >>> model = GaussianMixture(2, random_state=0).fit(X)
    >>> model.means_.round(1)[model.means_[:, 0].argsort()]
    array([[ 2. , 54.5],
           [ 4.3, 80. ]])
    >>> model.impute([[2.0, float("nan")]]).round(1)
    array([[ 2. , 54.2]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions(set(COVARIANCES))],
        "tol": [Interval(Real, 0, None, closed="left")],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions(set(STARTS))],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "n_jobs": N_JOBS,
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-6,
        reg_covar: float = 1e-6,
        max_iter: int = 1000,
        n_init: int = 10,
        init_params: str = "kmeans",
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _prepare(self, X: NDArray[Any], weight: Array) -> None:
        self._learn_scale(X, weight, n_threads(self.n_jobs))
        self._check_given(X.shape[1])

    @property
    def _shape(self) -> dict[str, Any]:
        return {
            "n_components": self.n_components,
            "covariance_type": self.covariance_type,
        }

    def _store(self, model: Mixture[Any]) -> None:
        self._store_components(model.components)

    def _check_given(self, d: int) -> None:
        """Validate the `*_init` parameters against the shape of the data."""
        K = self.n_components
        self._given_weights = given(self.weights_init, "weights_init", (K,))
        self._given_means = given(self.means_init, "means_init", (K, d))
        shape = self._family.public_shape(K, d)
        precisions = given(self.precisions_init, "precisions_init", shape)
        self._given_covariances = None
        weights = self._given_weights
        if weights is not None and (
            weights.min() < 0 or not np.isclose(weights.sum(), 1.0)
        ):
            raise ValueError(
                "weights_init must be non-negative and sum to 1, got "
                f"a minimum of {weights.min():.6g} and a sum of {weights.sum():.6g}. "
                "Divide it by its sum."
            )
        if precisions is None:
            return
        stored = precisions.reshape(self._family.stored_shape(K, d))
        symmetric = stored.ndim == 2 or np.allclose(stored, stored.mT)
        try:
            self._given_covariances = self._family.invert(stored)
        except np.linalg.LinAlgError:
            symmetric = False
        if not symmetric:
            raise ValueError(
                "precisions_init must be positive, and symmetric where they are "
                "matrices: they are inverses of covariances."
            )

    def _given_seeds(self) -> Array | None:
        return self._given_means

    @property
    def _is_given(self) -> bool:
        given = (self._given_weights, self._given_means, self._given_covariances)
        return all(value is not None for value in given)

    def _with_given(self, start: Mixture[Any]) -> Mixture[Any]:
        weights, components = start.weights, start.components
        if self._given_weights is not None:
            weights = self._given_weights
        if self._given_means is not None:
            components = replace(components, means=self._given_means)
        if self._given_covariances is not None:
            components = replace(components, covariances=self._given_covariances)
        return Mixture(weights, components)
