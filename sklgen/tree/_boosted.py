"""Autoregressive models of tables by boosted trees."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, TypeVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.base import ConditionalMixin, DensityMixin, GenerativeMixin
from sklgen.compose import TabularEncoder
from sklgen.compose._typed_rows import TypedRowsMixin
from sklgen.em import Scratch
from sklgen.em._kernels import _LOWEST_LOG
from sklgen.em._threads import N_JOBS
from sklgen.families import DiagonalGaussian
from sklgen.families._grid_gaussian import GridGaussian
from sklgen.tree._boosted_chain import Chain, Factor, column_orders
from sklgen.tree._boosted_leaves import Columns, Means
from sklgen.tree._boosted_missing import Completion, fixed_points
from sklgen.tree._boosted_splits import Boosting

T = TypeVar("T")

# Rows, or draws of rows, that are looked at together.
_BLOCK = 2**15


class BoostedAutoregressive(
    TypedRowsMixin, ConditionalMixin, DensityMixin, GenerativeMixin, BaseEstimator
):
    """Boosted trees that model each column given those before it.

    The law of a column is a tree of splits of its values in halves, each of them a
    boosted classifier [1]_ that sees the columns before: the density of a row is the
    product over columns. What goes in comes out: `sample` gives a DataFrame with the
    columns, dtypes, categories and missing cells of the one that `fit` saw.
    `sample_conditional` and `impute` complete rows with any cells missing.

    Parameters
    ----------
    n_orders : int, default=4
        Number of orders of the columns, at most that of all orders. The density is the
        mean of those of the orders: that of the table, its reverse, then random ones
        and theirs. One order draws as faithful rows in a fraction of the time;
        densities and completions gain by more.
    n_bins : int, default=64
        Largest number of bins of a column of numbers. There are no more than two for
        the cube root of the number of rows, and a bin has at least 20 rows.
    max_iter : int, default=200
        Largest number of trees of a classifier.
    learning_rate : float, default=0.1
        Learning rate of the classifiers.
    max_leaf_nodes : int, default=31
        Largest number of leaves of a tree.
    min_samples_leaf : int, default=20
        Smallest number of rows in a leaf of a tree.
    l2_regularization : float, default=20.0
        Penalty on the values of leaves.
    validation_fraction : float, default=0.1
        Share of the rows of a classifier held out, to stop early by.
    n_iter_no_change : int, default=10
        Number of trees without a lower loss of these rows after which a classifier is
        finished.
    n_particles : int, default=32
        Number of draws, for each order, that stand for missing cells which come before
        observed ones.
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
    random_state : int, RandomState instance or None, default=None
        Randomness of the orders, and of the rows held out.
    verbose : int, default=0
        1 shows a progress bar.
    n_jobs : int or None, default=None
        Number of processes of `fit`, by joblib; None is 1. Each has one thread, as has
        everything after. Results are the same to the last bit for any number.

    Attributes
    ----------
    encoder_ : TabularEncoder
        What types the rows.
    orders_ : ndarray of shape (n_orders, `n_features_in_`)
        Positions of the columns, one order a row.
    n_iter_ : int
        Largest number of trees of a classifier.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklgen.mixture.TabularMixture : Fits faster, and completes rows exactly.

    Notes
    -----
    `score_samples` is a log-density with respect to the original columns: Lebesgue
    measure for numbers without a grid and counting measure for labels, atoms, and
    values on a grid (integers, decimals, dates), which have the probability of their
    cell. It is exact for complete rows. Columns of numbers are mapped to normal scores
    by `TabularEncoder`, and cut into bins; within bins the distribution function
    relative to the normal law is a monotone rational-quadratic spline, so that
    densities have no jumps, and normal tails in scores.

    Rows that miss cells have the density of what they have. It is exact under an order
    where missing cells come last. Otherwise the missing cells before observed ones are
    drawn `n_particles` times, at the same quasi-random points for all rows, and weighed
    by the cells behind them: the mean weight has no bias over the choice of points.
    `sample_conditional` and `impute` choose or average draws by these weights, and
    orders by their density of what is there [2]_; the more cells that tell of the
    missing ones come after them in all orders, the more draws it takes. `impute`
    gives labels by the mode.

    `fit` takes no weights: bins and leaves of trees have a smallest number of rows.

    With n rows, d columns, K bins or levels, t trees and m orders, `fit` takes
    O(m n d^2 t log K) operations, and a draw O(d t log K); so does the density of a
    complete row under each order.

    References
    ----------
    .. [1] McCarter, C. (2024). Unmasking trees for tabular data. arXiv:2407.05593.
    .. [2] Uria, B., Murray, I. and Larochelle, H. (2014). A deep and tractable density
       estimator. ICML. (Mixtures over orders.)

    Examples
    --------
    >>> from sklgen.datasets import load_penguins
    >>> from sklgen.tree import BoostedAutoregressive
    >>> X = load_penguins(as_frame=True).frame
    >>> model = BoostedAutoregressive(n_orders=2, random_state=0).fit(X)
    >>> model.sample(2, random_state=0).columns.equals(X.columns)
    True
    >>> filled = model.impute(X[:50].assign(species=None))
    >>> bool(filled["species"].eq(X["species"][:50]).mean() > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_orders": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_leaf_nodes": [Interval(Integral, 2, None, closed="left")],
        "min_samples_leaf": [Interval(Integral, 1, None, closed="left")],
        "l2_regularization": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "n_particles": [Interval(Integral, 1, None, closed="left")],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "keep_missing": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "n_jobs": N_JOBS,
    }

    def __init__(
        self,
        n_orders: int = 4,
        *,
        n_bins: int = 64,
        max_iter: int = 200,
        learning_rate: float = 0.1,
        max_leaf_nodes: int = 31,
        min_samples_leaf: int = 20,
        l2_regularization: float = 20.0,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        n_particles: int = 32,
        categorical_features: Any = "from_dtype",
        max_categories: int | None = None,
        keep_missing: bool = True,
        random_state: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_orders = n_orders
        self.n_bins = n_bins
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.n_particles = n_particles
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.keep_missing = keep_missing
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Any:
        """Fit the model to rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows; missing cells are NaN, None, NA or null.
        y : None
            Ignored.

        Returns
        -------
        self : BoostedAutoregressive
            The fitted estimator.
        """
        rows = self._validate(X, reset=True).astype(np.float64)
        # The order in which rows come is to have no effect.
        rows = rows[np.lexsort(rows.T[::-1])]
        columns = Columns(self._schema, rows, self.n_bins)
        rng = as_generator(self.random_state)
        self.orders_ = column_orders(len(columns), self.n_orders, rng)
        laws = self._learn(columns, rows, rng)
        self._chains = [
            Chain(columns, [next(laws) for _ in order]) for order in self.orders_
        ]
        factors = [factor for chain in self._chains for factor in chain.factors]
        self.n_iter_ = max(factor.n_iter for factor in factors)
        return self

    def _own_units(self, names: list[Any]) -> dict[int, str]:
        return {}

    def _encoder(self, passthrough: list[int]) -> TabularEncoder:
        return TabularEncoder(
            self.categorical_features, max_categories=self.max_categories
        )

    def _check_typed(self, typed: NDArray[Any]) -> None:
        """All typed rows will do."""

    def _learn(self, columns: Columns, rows: Array, rng: np.random.Generator) -> Any:
        """The laws of all columns in all orders, order by order."""
        positions = columns.positions(rows)
        leaf = [columns.cells(rows, j).leaf for j in range(len(columns))]
        boosting = Boosting(
            self.max_iter,
            self.learning_rate,
            self.max_leaf_nodes,
            self.min_samples_leaf,
            self.l2_regularization,
            self.validation_fraction,
            self.n_iter_no_change,
        )
        places = [(order, k) for order in self.orders_ for k in range(len(columns))]
        tasks = [
            delayed(Factor.learn)(columns, positions, leaf[o[k]], o, k, boosting, own)
            for (o, k), own in zip(places, rng.spawn(len(places)), strict=True)
        ]
        laws = Parallel(self.n_jobs, return_as="generator")(tasks)
        if self.verbose:
            from tqdm.auto import tqdm

            laws = tqdm(laws, type(self).__name__, len(tasks), unit="law")
        return laws

    def _ragged(self, rows: Array) -> NDArray[np.bool_]:
        """Which typed rows miss cells."""
        positions = self._chains[0].columns.positions(rows)
        return np.asarray(np.isnan(positions).any(axis=1))

    def _score_samples(self, X: NDArray[Any]) -> Array:
        rows = X.astype(np.float64)
        ragged = self._ragged(rows)
        ratios = np.empty((len(self._chains), len(rows)))
        points = self._points()
        for at, size, log_ratios in (
            (~ragged, _BLOCK, lambda chain, block, _: chain.log_ratios(block)),
            (
                ragged,
                self._n_ragged,
                lambda chain, block, _: Completion(chain, block, points).log_evidence,
            ),
        ):
            found = self._by_blocks(log_ratios, rows[at], size)
            if found:
                ratios[:, at] = np.hstack([np.stack(block) for block in found])
        mixed = logsumexp(ratios, axis=0) - np.log(len(ratios))
        mixed += np.nan_to_num(rows[:, -1]) + self._log_normal(rows)
        return np.asarray(np.maximum(mixed, _LOWEST_LOG))

    def _log_normal(self, rows: Array) -> Array:
        """Log-density or mass of the scores under independent standard normal laws."""
        schema = self._schema
        q = len(schema.scores)
        if q == 0:
            return np.zeros(len(rows))
        normal = DiagonalGaussian.equal(1, np.zeros(q), np.ones(q), 1.0)
        at = np.append(schema.scores, schema.n_learned + np.arange(2 * q))
        out = np.empty((1, len(rows)))
        view = GridGaussian(normal).view(complete=False)
        view.evaluate(rows[:, at], Scratch(), out)
        return np.asarray(out[0])

    def _by_blocks(
        self,
        function: Callable[[Chain, Array, Any], T],
        rows: Array,
        size: int,
        rng: np.random.Generator | None = None,
    ) -> list[list[T]]:
        """What a function of chain, block of rows and stream gives, block by block."""
        starts, n_chains = range(0, len(rows), size), len(self._chains)
        pairs = [(chain, rows[a : a + size]) for a in starts for chain in self._chains]
        streams = [None] * len(pairs) if rng is None else rng.spawn(len(pairs))
        tasks = [(*pair, stream) for pair, stream in zip(pairs, streams, strict=True)]
        found = [function(*task) for task in tasks]
        return [found[i : i + n_chains] for i in range(0, len(found), n_chains)]

    @property
    def _n_ragged(self) -> int:
        """Rows that miss cells in a block of their draws."""
        return max(1, _BLOCK // self.n_particles)

    def _points(self) -> Array:
        return fixed_points(self.n_particles, len(self._chains[0].factors))

    def _sample(self, n_samples: int, rng: np.random.Generator) -> Array:
        of = rng.integers(len(self._chains), size=n_samples)
        sizes = np.bincount(of, minlength=len(self._chains))
        tasks = zip(self._chains, sizes, rng.spawn(len(sizes)), strict=True)
        rows = np.concatenate([chain.sample(n, own) for chain, n, own in tasks])
        return rows[np.argsort(np.argsort(of, kind="stable"))]

    def _sample_conditional(
        self, X: NDArray[Any], rng: np.random.Generator
    ) -> NDArray[Any]:
        rows = X.astype(np.float64)
        ragged = np.flatnonzero(self._ragged(rows))
        points = self._points()

        def draw(
            chain: Chain, block: Array, own: np.random.Generator
        ) -> tuple[Array, Array]:
            shifts = own.random((len(block), points.shape[1]))
            completion = Completion(chain, block, points, shifts)
            return completion.log_evidence, completion.draw(own)

        done = 0
        for block in self._by_blocks(draw, rows[ragged], self._n_ragged, rng):
            shares = _posterior([evidence for evidence, _ in block])
            n = shares.shape[1]
            chosen = np.argmax(rng.random(n) <= shares.cumsum(axis=0), axis=0)
            drawn = np.stack([drawn for _, drawn in block])
            rows[ragged[done : done + n]] = drawn[chosen, np.arange(n)]
            done += n
        rows[:, -1] = rng.random(len(rows))
        return rows

    def _impute(self, X: NDArray[Any]) -> NDArray[Any]:
        rows = X.astype(np.float64)
        ragged = np.flatnonzero(self._ragged(rows))
        points = self._points()

        def average(chain: Chain, block: Array, _: None) -> tuple[Array, Means]:
            completion = Completion(chain, block, points)
            return completion.log_evidence, completion.means()

        columns, done = self._chains[0].columns, 0
        for block in self._by_blocks(average, rows[ragged], self._n_ragged):
            shares = _posterior([evidence for evidence, _ in block])
            at = ragged[done : done + shares.shape[1]]
            rows[at] = columns.at_means(rows[at], [means for _, means in block], shares)
            done += len(at)
        return rows


def _posterior(log_evidence: list[Array]) -> Array:
    """Probability (M, n) of each chain given what rows have."""
    return np.asarray(softmax(np.stack(log_evidence), axis=0))
