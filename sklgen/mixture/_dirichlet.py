"""Mixtures of Dirichlet laws over compositions."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from sklgen._typing import Array
from sklgen.em import Rows, n_threads
from sklgen.families import Dirichlet
from sklgen.mixture._structure import Mixture
from sklgen.mixture._whole_rows import CONSTRAINTS, NonNegativeMixture


class DirichletMixture(NonNegativeMixture):
    """Mixture of Dirichlet distributions over the parts of a whole.

    Rows are compositions: non-negative parts of which only the ratios matter. Each
    row is divided by its sum, in `fit` and in every other method, so that grams,
    percentages and shares are one and the same. The log-density is that of the shares,
    with respect to the volume of all parts but the last.

    Parameters
    ----------
    n_components : int, default=1
        Number of components.
    zero_replacement : float, default=1e-3
        Share of a row that its zeros would have together if all parts were zero: each
        zero becomes `zero_replacement` / `n_features`, and the other parts shrink by
        one factor, so that their ratios stay [2]_. Without that a row with a zero has
        the density zero, or an infinite one. A row of nothing but zeros becomes equal
        parts.
    reg_concentration : float, default=1e-3
        Rate of an exponential prior of the sum of the parameters of each component.
        It bounds how narrow a component becomes that has shrunk to one row, and it
        moves no other one by much.
    tol : float, default=1e-6
        The fit ends when the gain in log-likelihood that is left, in nats per row, is
        estimated to be below this (Aitken's estimate, twice in a row).
    max_iter : int, default=1000
        Largest number of E-steps after the first.
    n_init : int, default=10
        Number of starts. Each runs for a few iterations, on a sample of at least 8192
        rows where there are more; the two best are fitted, and the better one kept.
    init_params : {"kmeans", "k-means++", "random_from_data"}, default="kmeans"
        Where starts come from: clusters of the square roots of shares by k-means,
        cells around k-means++ seeds, or cells around random rows.
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
    alphas_ : ndarray of shape (n_components, n_features)
        Parameters of each component.
    means_ : ndarray of shape (n_components, n_features)
        Mean shares of each component: its parameters, divided by their sum.
    converged_ : bool
        Whether the gain left fell below `tol` in `fit`, or in the first call of
        `partial_fit`. Reaching `max_iter` is not convergence.
    n_iter_ : int
        Number of E-steps after the first, in the run that was kept; each later batch
        of `partial_fit` counts as one more.
    lower_bound_ : float
        Mean log-posterior per row at the fitted parameters: the log-likelihood plus
        that of the prior. After `partial_fit` it is a blend over the batches.
    lower_bounds_ : list of float
        Mean log-posterior per row from the start of the run that was kept. It never
        falls in `fit`; `partial_fit` appends the blend over its batches.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    Raises
    ------
    ValueError
        If a cell is negative, or there is one column only.

    Notes
    -----
    An iteration takes O(n K d) operations, two matrix products. The M-step solves one
    equation for each component, for the sum of its parameters [1]_.

    References
    ----------
    .. [1] Minka, T. (2000). Estimating a Dirichlet distribution. Technical report,
       MIT.
    .. [2] Martin-Fernandez, J. A., Barcelo-Vidal, C. and Pawlowsky-Glahn, V. (2003).
       Dealing with zeros and missing values in compositional data sets using
       nonparametric imputation. Math. Geol. 35(3).

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.mixture import DirichletMixture
    >>> rng = np.random.default_rng(0)
    >>> sand = rng.dirichlet([40.0, 8.0, 2.0], 300)
    >>> clay = rng.dirichlet([3.0, 7.0, 10.0], 100)
    >>> X = 100 * np.concatenate([sand, clay])
    >>> model = DirichletMixture(2, random_state=0).fit(X)
    >>> model.means_[model.weights_.argsort()].round(2)
    array([[0.15, 0.36, 0.5 ],
           [0.8 , 0.16, 0.04]])
    """

    _support: ClassVar[Literal["real", "counts", "composition", "labels"]] = (
        "composition"
    )
    _draws_floats = True

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "zero_replacement": [Interval(Real, 0, 1, closed="neither")],
        "reg_concentration": [Interval(Real, 0, None, closed="neither")],
    }

    alphas_: Array
    means_: Array

    def __init__(
        self,
        n_components: int = 1,
        *,
        zero_replacement: float = 1e-3,
        reg_concentration: float = 1e-3,
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
        self.zero_replacement = zero_replacement
        self.reg_concentration = reg_concentration
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _read(self, X: NDArray[Any]) -> NDArray[Any]:
        if X.shape[1] == 1:
            raise ValueError(
                f"{type(self).__name__} takes parts of a whole, two of them at least, "
                "got n_features = 1: one part is always the whole."
            )
        return close_parts(X, self.zero_replacement / X.shape[1])

    def _prepare(self, X: NDArray[Any], weight: Array) -> None:
        """Fit one component to all rows."""
        ones = Dirichlet.equal(1, np.ones(X.shape[1]), self.reg_concentration)
        whole = Mixture(np.ones(1), ones)
        threads = n_threads(self.n_jobs)
        with Rows(X, weight, n_features=ones.n_features, n_threads=threads) as rows:
            self._whole = ones.maximize(rows.sum(whole.e_step).family).alpha[0]

    def _standardized(self, X: Array) -> Array:
        return np.sqrt(X)

    def _equal_components(self) -> Dirichlet:
        return Dirichlet.equal(self._n_wanted, self._whole, self.reg_concentration)

    def _components(self) -> Dirichlet:
        return Dirichlet(np.asarray(self.alphas_), self.reg_concentration)

    @property
    def _shape(self) -> dict[str, Any]:
        return {"n_components": self.n_components}

    def _store(self, model: Mixture[Any]) -> None:
        alpha = model.components.alpha
        self.alphas_ = alpha
        self.means_ = alpha / alpha.sum(axis=1, keepdims=True)


def close_parts(X: NDArray[Any], replacement: float) -> NDArray[Any]:
    """Divide rows by their sums, and put a small share in the place of each zero.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Non-negative parts.
    replacement : float
        What a zero becomes. The other parts of its row shrink by one factor; if there
        are none, its row becomes equal parts.

    Returns
    -------
    parts : ndarray of shape (n, d)
        Positive rows that sum to one, in the dtype of X.
    """
    largest = X.max(axis=1, keepdims=True).astype(np.float64)
    parts = np.where(largest > 0, X, 1.0) / np.where(largest > 0, largest, 1.0)
    parts /= parts.sum(axis=1, keepdims=True)
    zero = parts < np.finfo(X.dtype).tiny
    if zero.any():
        shrunk = parts * (1.0 - replacement * zero.sum(axis=1, keepdims=True))
        parts = np.where(zero, replacement, shrunk)
    return np.asarray(parts, dtype=X.dtype)
