"""Mixtures over tables of mixed columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.em._threads import N_JOBS
from sklgen.mixture._base import BaseMixture
from sklgen.mixture._density_tree import tree_cells
from sklgen.mixture._fitted import CompletingMixture
from sklgen.mixture._selection import COMPLETE, COPY, choose_components
from sklgen.mixture._starts import STARTS
from sklgen.mixture._structure import Mixture
from sklgen.mixture._tabular_components import COVARIANCES, TabularComponents
from sklgen.mixture._tabular_rows import table_reader

# Share of missing cells beyond which a table is to be completed, not to be copied.
_MANY_MISSING = 0.1


class TabularMixture(TabularComponents, CompletingMixture, BaseMixture):
    """Mixture model of tables with mixed columns.

    Rows of a component have independent categories, each with its own probabilities,
    and normal scores of their numbers, independent or with a covariance matrix. What
    goes in comes out: `sample` gives a DataFrame with the columns, dtypes, categories
    and missing cells of the one that `fit` saw. `sample_conditional` and `impute`
    complete rows with any cells missing.

    Numbers, instants and durations are typed by `TabularEncoder`: values that carry
    much weight become levels, such as the 0 of a skewed amount, and the rest is mapped
    to normal scores.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Number of components. "auto" fits 1, 2, 4, ... components to 85 % of the rows
        (of at most 32768) for a few iterations, and compares log-likelihoods of the
        other rows. It takes the largest number that loses, against the best, no more
        than a tenth of what that one gains over a single component: more components
        than needed copy a table more faithfully. If more than a tenth of the cells
        miss, in columns that don't miss all, it takes the best number, by 8192 rows.
    covariance_type : {"full", "diag"}, default="full"
        Whether the normal scores of a component have a covariance matrix or are
        independent.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Number columns to treat as labels: a mask, positions or names. Columns of
        strings, categories and booleans are labels in any case.
    max_categories : int or None, default=None
        Largest number of levels of a column of labels; the rarest beyond are modelled
        as one, and drawn by their frequencies.
    families : dict or None, default=None
        Name or position of a number column: the family of its law in every component,
        "bernoulli", "exponential", "gamma", "gaussian", "log_normal",
        "negative_binomial", "poisson" or "von_mises" (angles in radians). Such a
        column stays in its own units, and is independent of the others given the
        component.
    keep_missing : bool, default=True
        Whether `sample` gives rows with missing cells, as likely and as dependent on
        other cells as in `fit`. A column that misses every cell does so in any case.
        Densities, `impute` and `sample_conditional` are about the values of cells and
        integrate missing ones out in any case.
    smoothing : float, default=0.02
        Rows for each level of a column that every component counts before the data,
        with the shares of the levels in all rows.
    tol : float, default=1e-3
        The fit ends when the gain that is left, in nats per row, is estimated to be
        below this.
    max_iter : int, default=60
        Largest number of E-steps after the first. Many components seldom converge in
        so few, which is meant: further steps fit them to the training rows alone.
    n_init : int, default=1
        Number of starts. With more than one each runs for a few iterations; the two
        best are fitted, and the better one kept.
    init_params : {"tree", "random_from_data", "kmeans", "k-means++", "random"}, \
            default="tree"
        Where starts come from: cells within the leaves of a tree (see Notes), cells
        around random rows, k-means clusters, cells around k-means++ seeds, or cells
        around random points, in one-hot codes and normal scores.
    random_state : int, RandomState instance or None, default=None
        Randomness of the starts, and of the choice of `n_components`.
    verbose : int, default=0
        1 shows a progress bar.
    n_jobs : int or None, default=None
        Number of threads. None takes the cores the process may use, or
        OMP_NUM_THREADS. Results are the same to the last bit for any number.

    Attributes
    ----------
    n_components_ : int
        Number of components.
    encoder_ : TabularEncoder
        What types the rows.
    weights_ : ndarray of shape (`n_components_`,)
        Weight of each component.
    means_ : ndarray of shape (`n_components_`, n_scores)
        Mean normal score of each column with a continuous part.
    covariances_ : ndarray
        Covariances of the scores, of shape (`n_components_`, n_scores, n_scores) if
        full and (`n_components_`, n_scores) if diag.
    level_probabilities_ : list of ndarray of shape (`n_components_`, n_levels)
        Probabilities of the levels of each category column of the encoder, then of
        a cell to be there or missing, for the columns that miss some.
    family_parameters_ : dict of dict of ndarray of shape (`n_components_`,)
        Parameters, by name, of the laws of the columns in `families`, by the name of
        the column, or its position in an array. Those of "log_normal" are of
        logarithms. A column that misses every cell has none.
    converged_ : bool
        Whether the gain left fell below `tol`.
    n_iter_ : int
        Number of E-steps after the first.
    lower_bound_ : float
        Mean log-posterior density per typed row at the fitted parameters.
    lower_bounds_ : list of float
        The same from the start of the run that was kept. It never falls in `fit`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    GaussianMixture : For tables of numbers in their own units.
    sklgen.compose.TabularEncoder : How columns are typed.

    Notes
    -----
    `score_samples` is a log-density with respect to the original columns: Lebesgue
    measure for numbers without a grid, the Jacobian of the map included, and counting
    measure for labels, atoms, and values on a grid (integers, decimals, dates), which
    have the probability of their cell. With `covariance_type="full"` the cells of a
    row's grid columns count one after the other, each given the values before it.
    A label that `fit` did not see, or a number in a column of nothing but atoms, has
    the probability of one seen once, 1 / (n + 1), under every component.

    Missing cells in `fit` are integrated out. The M-step takes the mode of weak
    conjugate priors: `smoothing` for levels, a tenth of a row for each covariance, a
    thousandth of a cell for each law of `families`.

    A column in `families` has the density or the probability of its law, and cells that
    the law cannot have are errors. `impute` fills counts by whole numbers; draws of
    numbers other than counts are rounded in columns of integers, and angles are drawn
    from -pi to pi.

    A start with ``init_params="tree"`` cuts the table into leaves, three for every four
    components, and these into cells around random rows. Each cut is the level of a
    category or the threshold of a score that tells most about the other columns, in
    mutual information: within leaves columns are nearly independent. Distances alone
    count all columns alike, and mix rows that differ in one that matters.

    An iteration takes O(n K (c + s)) operations for c categories and s scores, or
    O(n K (c + s^2)) with full covariances, where each pattern of missing scores costs
    O(K s^3) more. Memory grows with neither n nor n K beyond the typed rows.

    References
    ----------
    .. [1] Hunt, L. and Jorgensen, M. (2011). Clustering mixed data. WIREs Data Mining
       and Knowledge Discovery 1(4).

    Examples
    --------
    >>> from sklgen.datasets import load_penguins
    >>> from sklgen.mixture import TabularMixture
    >>> X = load_penguins(as_frame=True).frame
    >>> model = TabularMixture(6, random_state=0).fit(X)
    >>> model.sample(2, random_state=0).columns.equals(X.columns)
    True
    >>> filled = model.impute(X.assign(species=None))
    >>> bool(filled["species"].eq(X["species"]).mean() > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "covariance_type": [StrOptions(set(COVARIANCES))],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "families": [Mapping, None],
        "keep_missing": ["boolean"],
        "smoothing": [Interval(Real, 0, None, closed="neither")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions({"tree", *STARTS})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_jobs": N_JOBS,
    }

    warm_start = False
    _must_converge = False

    def __init__(
        self,
        n_components: Any = "auto",
        *,
        covariance_type: str = "full",
        categorical_features: Any = "from_dtype",
        max_categories: int | None = None,
        families: Any = None,
        keep_missing: bool = True,
        smoothing: float = 0.02,
        tol: float = 1e-3,
        max_iter: int = 60,
        n_init: int = 1,
        init_params: str = "tree",
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
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _learned_rows(
        self, X: NDArray[Any], weight: Array, *, reset: bool
    ) -> NDArray[Any]:
        return np.asarray(self._schema.learn_from(X))

    @property
    def _n_wanted(self) -> int:
        return int(self.n_components_)

    def _prepare(self, X: NDArray[Any], weight: Array) -> None:
        self._describe(X, weight)
        self.n_components_ = self.n_components
        self._chosen = None
        if isinstance(self.n_components, str):
            rng = as_generator(self.random_state)
            missing = self._schema.missing_share(X, weight)
            purpose = COMPLETE if missing > _MANY_MISSING else COPY
            chosen = choose_components(self, X, weight, purpose, rng)
            self.n_components_ = len(chosen.weights)
            self._chosen = chosen if self.n_init == 1 else None

    def _starts(
        self, X: NDArray[Any], weight: Array, equal: Mixture[Any]
    ) -> list[Mixture[Any]]:
        """Where the choice of the number of components ended, if it made one."""
        if self._chosen is None:
            return super()._starts(X, weight, equal)
        start, self._chosen = self._chosen.settle(equal), None
        return [start]

    def _labels(
        self, sample: Array, weight: Array, rng: np.random.Generator
    ) -> Iterator[NDArray[np.intp]]:
        if self.init_params != "tree" or len(sample) <= self._n_wanted:
            yield from super()._labels(sample, weight, rng)
            return
        Z, scored = self._standardized(sample), self._scored(sample)
        at = self._scored_columns
        for _ in range(self.n_init):
            yield tree_cells(scored, Z, weight, at, self._n_wanted, rng)

    def _given_seeds(self) -> None:
        return None

    @property
    def _is_given(self) -> bool:
        return False

    def _with_given(self, start: Mixture[Any]) -> Mixture[Any]:
        return start

    @property
    def _shape(self) -> dict[str, Any]:
        return {
            "n_components": self.n_components,
            "covariance_type": self.covariance_type,
            "families": self.families,
        }

    def _store(self, model: Mixture[Any]) -> None:
        self._store_components(model.components)

    def _reader(self) -> Mixture[Any]:
        return Mixture(self.weights_, table_reader(self._schema, self._components()))
