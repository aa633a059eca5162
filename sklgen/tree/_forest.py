"""Adversarial random forests: densities of tables in the leaves of trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isqrt
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.base import (
    ConditionalMixin,
    DensityMixin,
    GenerativeMixin,
    check_weights,
)
from sklgen.compose import TabularEncoder
from sklgen.compose._typed_rows import TypedRowsMixin
from sklgen.em import n_threads
from sklgen.em._threads import N_JOBS
from sklgen.tree._forest_axes import Axes
from sklgen.tree._forest_rounds import Rounds

# Leaves of automatic size have at least so many rows, and so many cells.
_FEWEST_ROWS, _FEWEST_CELLS = 3, 30
# Share of missing cells beyond which a table is to be completed, not to be copied, and
# the rows of leaves then, unless the square root of all rows is less.
_MANY_MISSING, _MANY_ROWS = 0.1, 30
# Rows beyond so many for each row given are too many to be repeated.
_MOST_COPIES = 16


class AdversarialForest(
    TypedRowsMixin, ConditionalMixin, DensityMixin, GenerativeMixin, BaseEstimator
):
    """Adversarial random forest: the density of a table in the leaves of trees.

    A random forest learns to tell the rows from rows whose cells were drawn one by one,
    and so cuts the table where its columns depend on each other. In each round the
    cells are drawn anew, from rows of the same leaf, until no forest can tell which
    rows are real. Within the leaves columns are then about independent, and the model
    is a mixture of all leaves with independent cells.

    What goes in comes out: `sample` gives a DataFrame with the columns, dtypes,
    categories and missing cells of the one that `fit` saw. `sample_conditional` and
    `impute` complete rows with any cells missing, and are exact.

    Parameters
    ----------
    n_estimators : int, default=30
        Number of trees. More make the density smoother, but draws no better.
    min_samples_leaf : int or "auto", default="auto"
        Smallest number of rows in a leaf while trees grow, of real and drawn ones
        together. Small leaves copy a table more faithfully, larger ones give unseen
        rows a higher density. "auto" takes as many as have 30 cells, and at least 3;
        it takes 30, or the square root of the number of rows, if more than a tenth of
        the cells miss, in columns that don't miss all: a table is to be completed then,
        not to be copied.
    splitter : {"auto", "best", "random"}, default="auto"
        How trees cut: at the best of all cuts of a few columns, as random forests, or
        at the best of random cuts, one in each of more columns, as extremely randomized
        trees [2]_. Random cuts copy a table more faithfully; the best ones complete
        rows better where `fit` misses many cells. "auto" takes these if more than a
        tenth of the cells miss, as above, and random ones otherwise.
    max_rounds : int, default=10
        Largest number of forests.
    tol : float, default=0.01
        Rounds end when the accuracy of a forest, on rows that its trees did not see, is
        at most this above a half. They end too when it did not fall.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Number columns to treat as labels: a mask, positions or names. Columns of
        strings, categories and booleans are labels in any case.
    max_categories : int or None, default=None
        Largest number of levels of a column of labels; the rarest beyond are modelled
        as one, and drawn by their frequencies.
    keep_missing : bool, default=True
        Whether `sample` gives rows with missing cells, as likely and as dependent on
        other cells as in `fit`. A column that misses every cell does so in any case.
        Densities, `impute` and `sample_conditional` are about the values of cells and
        integrate missing ones out in any case.
    smoothing : float, default=0.1
        Rows that each column of labels counts in every leaf before the data, with the
        shares of the levels in all rows, of those that can reach the leaf.
    random_state : int, RandomState instance or None, default=None
        Randomness of forests, and of the cells drawn for them.
    verbose : int, default=0
        1 shows a progress bar.
    n_jobs : int or None, default=None
        Number of threads. None takes the cores the process may use, or
        OMP_NUM_THREADS. Results are the same to the last bit for any number.

    Attributes
    ----------
    encoder_ : TabularEncoder
        What types the rows.
    accuracies_ : list of float
        Accuracy of each forest in telling rows from those drawn within the leaves of
        the one before, on rows that its trees did not see; those of the first forest
        were drawn from all rows.
    min_samples_leaf_ : int
        Smallest number of rows in a leaf while trees grew.
    splitter_ : {"best", "random"}
        How trees cut.
    n_leaves_ : int
        Number of leaves that rows reach, of all trees.
    n_iter_ : int
        Number of forests.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklgen.mixture.TabularMixture : Fewer and larger components, fitted by EM.
    sklgen.compose.TabularEncoder : How columns are typed.

    Notes
    -----
    `score_samples` is a log-density with respect to the original columns: Lebesgue
    measure for numbers without a grid, the Jacobian of the map to scores included, and
    counting measure for labels, atoms, and values on a grid (integers, decimals,
    dates), which have the probability of their cell.

    The boxes of the leaves of one tree are disjoint, and the laws of cells do not leave
    them: labels within the box have the frequencies of the rows in the leaf, smoothed;
    scores have a Gaussian law that is cut off at the box, with the moments of the rows
    in the leaf and of a little of the standard normal law. So a complete row is in one
    leaf of each tree, a row with missing cells in those that its other cells allow,
    and the posterior law of leaves is exact [3]_. One more leaf, without bounds and
    with the weight of one row, gives every row a density that is not zero.

    If cuts are random, half as many rows with cells drawn from all rows are among those
    to be told, from the second round on: later forests find again what the first one
    found. Labels are cut in order of their frequency. The forest is that of the last
    round but one, if the last one did not tell rows apart, or did so no worse than
    before. With columns that depend on each other in few ways, such as two numbers that
    are correlated, fewer and larger components do better: see `TabularMixture`.

    Missing cells in `fit` are drawn in each round, given the observed cells, to find
    the leaf of a row; laws are learned from observed cells alone. Weights are turned
    into copies of rows, 16 a row at most on the average; weights that sum to less than
    the number of rows are scaled up to it.

    Growing takes O(r t n log(n) d) operations for r rounds of t trees, and a density
    O(t d) a complete row. Memory grows with the number of leaves times d.

    References
    ----------
    .. [1] Watson, D. S., Blesch, K., Kapar, J. and Wright, M. N. (2023). Adversarial
       random forests for density estimation and generative modeling. AISTATS 26.
    .. [2] Geurts, P., Ernst, D. and Wehenkel, L. (2006). Extremely randomized trees.
       Machine Learning 63(1).
    .. [3] Correia, A. H. C., Peharz, R. and de Campos, C. P. (2020). Joints in random
       forests. NeurIPS 33.

    Examples
    --------
    >>> from sklgen.datasets import load_penguins
    >>> from sklgen.tree import AdversarialForest
    >>> X = load_penguins(as_frame=True).frame
    >>> model = AdversarialForest(random_state=0).fit(X)
    >>> model.sample(2, random_state=0).columns.equals(X.columns)
    True
    >>> filled = model.impute(X.assign(species=None))
    >>> bool(filled["species"].eq(X["species"]).mean() > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "min_samples_leaf": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "splitter": [StrOptions({"auto", "best", "random"})],
        "max_rounds": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "keep_missing": ["boolean"],
        "smoothing": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_jobs": N_JOBS,
    }

    def __init__(
        self,
        n_estimators: int = 30,
        *,
        min_samples_leaf: Any = "auto",
        splitter: str = "auto",
        max_rounds: int = 10,
        tol: float = 0.01,
        categorical_features: Any = "from_dtype",
        max_categories: int | None = None,
        keep_missing: bool = True,
        smoothing: float = 0.1,
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.min_samples_leaf = min_samples_leaf
        self.splitter = splitter
        self.max_rounds = max_rounds
        self.tol = tol
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.keep_missing = keep_missing
        self.smoothing = smoothing
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None
    ) -> AdversarialForest:
        """Fit the model to rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows; missing cells are NaN, None, NA or null.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row. None weighs all rows alike, by 1; a weight
            of 2 is the row twice, one of 0 is no row.

        Returns
        -------
        self : AdversarialForest
            The fitted estimator.
        """
        sample_weight = _scaled(sample_weight)
        typed = self._validate(X, reset=True, sample_weight=sample_weight)
        weight = check_weights(sample_weight, typed)
        rows = _repeated(typed, weight)
        rows[:, : self._schema.n_learned] = self._schema.learn_from(rows)
        missing = self._schema.missing_share(rows, np.ones(len(rows)))
        scarce = missing > _MANY_MISSING
        self.min_samples_leaf_ = self._fewest(len(rows), scarce=scarce)
        self.splitter_ = self.splitter
        if self.splitter == "auto":
            self.splitter_ = "best" if scarce else "random"
        rounds = Rounds(
            self.n_estimators,
            self.splitter_,
            self.min_samples_leaf_,
            self.max_rounds,
            self.tol,
            self.smoothing,
            n_threads(self.n_jobs),
        )
        axes = Axes(self._schema, self._shares(rows))
        rng = as_generator(self.random_state)
        with _progress(self) as advance:
            self._model, self.accuracies_ = rounds.run(axes, rows, rng, advance)
        self.n_leaves_ = self._model.n_leaves
        self.n_iter_ = len(self.accuracies_)
        return self

    def _fewest(self, n: int, *, scarce: bool) -> int:
        if self.min_samples_leaf != "auto":
            return int(self.min_samples_leaf)
        fewest = max(_FEWEST_ROWS, -(-_FEWEST_CELLS // int(self.n_features_in_)))
        return max(fewest, min(_MANY_ROWS, isqrt(n))) if scarce else fewest

    def _shares(self, rows: Array) -> list[Array]:
        """Shares of the levels of each column of codes."""
        shares = [*self.encoder_.level_shares_]
        for column in rows[:, self._schema.n_typed : self._schema.n_learned].T:
            share = float(np.mean(column))
            shares.append(np.array([1.0 - share, share]))
        return shares

    def _own_units(self, names: list[Any]) -> dict[int, str]:
        return {}

    def _encoder(self, passthrough: list[int]) -> TabularEncoder:
        return TabularEncoder(
            self.categorical_features, max_categories=self.max_categories
        )

    def _check_typed(self, typed: NDArray[Any]) -> None:
        """All typed rows will do."""

    def _score_samples(self, X: NDArray[Any]) -> Array:
        return self._model.log_densities(X, n_threads(self.n_jobs))

    def _sample(self, n_samples: int, rng: np.random.Generator) -> Array:
        return self._model.sample(n_samples, rng)

    def _sample_conditional(
        self, X: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[Any]:
        return self._model.draw_missing(X, rng, n_threads(self.n_jobs))

    def _impute(self, X: NDArray[Any]) -> NDArray[Any]:
        return self._model.impute(X, n_threads(self.n_jobs))


def _scaled(sample_weight: Any) -> Any:
    """Weights that sum to at least the number of rows they don't leave out."""
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, dtype=np.float64)
    total, n_used = weight.sum(), np.count_nonzero(weight)
    return weight / total * n_used if 0 < total < n_used else sample_weight


def _repeated(rows: NDArray[Any], weight: Array) -> NDArray[Any]:
    """Rows sorted by value, each as often as its weight says, to rounding."""
    used = np.flatnonzero(weight)
    order = used[np.lexsort(rows[used].T[::-1])]
    below = np.cumsum(weight[order])
    wanted = min(round(below[-1]), _MOST_COPIES * len(order))
    copies = np.diff(np.floor(below * (wanted / below[-1]) + 0.5), prepend=0.0)
    return rows[np.repeat(order, copies.astype(np.intp))].astype(np.float64)


@contextmanager
def _progress(estimator: AdversarialForest) -> Iterator[Callable[[float], object]]:
    """Show the accuracy of each forest, if the estimator is verbose."""
    if not estimator.verbose:
        yield lambda accuracy: None
        return
    from tqdm.auto import tqdm

    with tqdm(desc=type(estimator).__name__, unit="round") as bar:

        def advance(accuracy: float) -> None:
            bar.set_postfix_str(f"accuracy {accuracy:.3f}", refresh=False)
            bar.update()

        yield advance
