"""Tables of mixed columns as typed floats, and back without loss."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
)

from sklgen._frames import open_frame
from sklgen._random import as_generator
from sklgen._typing import Array
from sklgen.base import check_weights
from sklgen.compose._cells import Cells
from sklgen.compose._columns import Rules
from sklgen.compose._table import (
    bounds_by_position,
    complete_table,
    decode_table,
    learn_columns,
    named_columns,
    open_table,
    read_table,
)


class TabularEncoder(TransformerMixin, BaseEstimator):
    """Turn a table of mixed columns into typed floats, and back without loss.

    Labels become codes. Numbers, instants and durations become codes where single
    values carry weight (atoms), standard normal scores where they are spread out, or a
    column of each. Each typed column is thus a category or close to normal, which
    exponential families understand, and a missing cell is NaN.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Number columns to treat as labels: a mask, positions or names. Columns of
        strings, categories, booleans and other objects are labels in any case.
    atom_share : float, default=0.03
        A number is an atom if its weight, of at least 10, is more than that of its
        neighbours tells, by no chance and by more than this share of the observed
        weight that is not on heavier atoms. Where fewer than 10 distinct values are
        left, or have no larger share than this, all are.
    max_categories : int or None, default=None
        Largest number of codes of a column of labels. The rarest labels beyond share
        the last code, from which `inverse_transform` draws one of them by frequency.
        None gives each label a code, and the round trip is exact.
    n_quantiles : int or None, default=None
        About how many quantiles the map to normal scores goes through. None takes the
        weight of a column over 50, at least 10 and at most 1000.
    bounds : dict or None, default=None
        Name or position of a number column: (low, high), in its own terms; None for a
        side without bound. Columns of numbers and durations without negative values
        have a lower bound of 0 unless another one is given.
    passthrough : None or array-like, default=None
        Number columns to leave in their own units, for laws of such numbers: a mask,
        positions or names. They have no atoms, no grid and no bounds.
    handle_unknown : {"missing", "error"}, default="missing"
        Whether labels that `fit` did not see become NaN in `transform` or raise an
        error. The same holds for numbers in columns of nothing but atoms.

    Attributes
    ----------
    kinds_ : tuple of {"category", "normal", "number"}
        Kind of each typed column; "number" for those left in their own units.
    n_levels_ : ndarray of shape (n_typed,)
        Number of codes of category columns, 0 for the others.
    level_shares_ : list of ndarray
        For each category column, the weighted share of each code among the observed
        cells.
    source_ : ndarray of shape (n_typed,)
        Position of the input column that each typed column comes from.
    cell_variance_ : ndarray of shape (n_typed,)
        Mean variance of a score within a cell of the grid of its column, for values
        spread evenly over half a unit to both sides; 0 without a grid.
    columns_ : tuple of objects
        What was learned of each input column: `kind`, `levels`, `atoms`, `resolution`,
        `bounds` and `map`.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `fit` saw a DataFrame with string names.

    See Also
    --------
    sklearn.preprocessing.QuantileTransformer : Scores that end at those of `fit`.
    sklearn.preprocessing.OrdinalEncoder : Codes of labels alone.

    Notes
    -----
    Neighbours are up to five distinct values to each side, whose weight a smooth
    density spreads over the cells of the grid between them; where several values are as
    heavy, as those that others were rounded to, these are neighbours too. A binomial
    test at level 0.01, corrected for the number of distinct values, rules out chance.
    Values that stand out from the cells beside them, but are no atoms, keep their
    weight in draws.

    A column with atoms and a continuous part gives two typed columns: codes, in which 0
    says that the value is no atom, and scores, NaN where it is one.

    Scores are z = Phi^-1(F(x)) with F a smooth distribution function: a monotone
    rational-quadratic spline [1]_ between quantiles, linear in z beyond them, or
    exponential towards a bound. The map is the same in any unit. Columns of integers,
    decimals and dates lie on a grid, whose step is learned: a value is spread over its
    cell before the map and rounded to the grid after its inverse. A grid of more than
    2**30 steps counts as none; draws still are of the column's dtype. Where more than a
    tenth of a column's floats are smaller than the largest by a factor of 2**400, their
    logarithms are mapped, with a sign.

    Missing cells of one column come back as one kind of missing cell, although
    containers of objects can hold several. For columns without grid the distinct values
    are kept, up to 2**20 of them, so that they come back bit by bit; beyond, and in
    float32 where scores coincide, they come back to rounding. Columns of `passthrough`
    come back as far as floats hold them, and rounding makes no 0 where `fit` saw none.

    Time is O(n log n) a column for `fit` and O(n log m) for the rest, with m the number
    of quantiles or distinct values.

    References
    ----------
    .. [1] Gregory, J. A. and Delbourgo, R. (1982). Piecewise rational quadratic
       interpolation to monotonic data. IMA J. Numer. Anal. 2(2).

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklgen.compose import TabularEncoder
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.integers(18, 90, 500)})
    >>> X["job"] = rng.choice(["cook", "nurse"], 500)
    >>> X["gain"] = np.where(rng.random(500) < 0.8, 0, rng.exponential(size=500))
    >>> encoder = TabularEncoder()
    >>> T = encoder.fit_transform(X)
    >>> encoder.kinds_
    ('normal', 'category', 'category', 'normal')
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'job', 'gain_level', 'gain']
    >>> encoder.inverse_transform(T).equals(X)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "atom_share": [Interval(Real, 0, 1, closed="both")],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "n_quantiles": [Interval(Integral, 2, None, closed="left"), None],
        "bounds": [Mapping, None],
        "passthrough": ["array-like", None],
        "handle_unknown": [StrOptions({"missing", "error"})],
    }

    def __init__(
        self,
        categorical_features: Any = "from_dtype",
        *,
        atom_share: float = 0.03,
        max_categories: int | None = None,
        n_quantiles: int | None = None,
        bounds: Any = None,
        passthrough: Any = None,
        handle_unknown: str = "missing",
    ) -> None:
        self.categorical_features = categorical_features
        self.atom_share = atom_share
        self.max_categories = max_categories
        self.n_quantiles = n_quantiles
        self.bounds = bounds
        self.passthrough = passthrough
        self.handle_unknown = handle_unknown

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> TabularEncoder:
        """Learn the levels, grids and quantiles of each column.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows; missing cells are NaN, None, NA or null.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weight of each row; a row of weight 0 counts as removed.

        Returns
        -------
        self : TabularEncoder
            The fitted encoder.
        """
        frame, array = open_table(self, X, reset=True)
        rows = array if frame is None else frame
        weight = check_weights(sample_weight, np.empty((len(rows), 1)))
        if not weight.all():
            keep = weight > 0
            weight = weight[keep]
            rows = rows[keep] if frame is None else rows.filter(keep.tolist())
        table = read_table(rows)
        names = [cells.name for cells in table]
        labelled = named_columns(
            self.categorical_features, names, "categorical_features"
        )
        plain = named_columns(self.passthrough, names, "passthrough")
        bounds = bounds_by_position(self.bounds, names)
        rules = Rules(
            self.atom_share, self.max_categories, self.n_quantiles, self.handle_unknown
        )
        self.columns_ = learn_columns(table, weight, rules, labelled, plain, bounds)
        self._template = None if frame is None else frame.head(0).to_native()
        self._describe()
        return self

    def _describe(self) -> None:
        """Set the attributes that concern typed columns."""
        kinds: list[str] = []
        n_levels: list[int] = []
        source: list[int] = []
        variance: list[float] = []
        self.level_shares_: list[Array] = []
        for j, column in enumerate(self.columns_):
            kinds += column.kinds
            source += [j] * column.n_typed
            n_levels += [0] * column.n_typed
            variance += [0.0] * column.n_typed
            variance[-1] = column.cell_variance
            if column.shares is not None:
                n_levels[-column.n_typed] = len(column.shares)
                self.level_shares_.append(column.shares)
        self.kinds_ = tuple(kinds)
        self.n_levels_ = np.array(n_levels)
        self.source_ = np.array(source)
        self.cell_variance_ = np.array(variance)

    def transform(self, X: Any) -> Any:
        """Encode rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows, with the columns of `fit`.

        Returns
        -------
        T : ndarray of shape (n_samples, n_typed)
            Codes and normal scores, NaN for missing and unknown cells; float32 where X
            is an array of float32.
        """
        table, dtype = self._read(X)
        blocks = [
            c.encode(cells) for c, cells in zip(self.columns_, table, strict=True)
        ]
        return np.hstack(blocks).astype(dtype, copy=False)

    def inverse_transform(self, T: Any, random_state: Any = None) -> Any:
        """Decode typed rows.

        Codes are rounded to one that exists; a score counts where its code is 0.

        Parameters
        ----------
        T : array-like of shape (n_samples, n_typed)
            Codes and normal scores, as `transform` gives them.
        random_state : int, RandomState instance or None, default=None
            Randomness of labels drawn from a bucket of rare ones (`max_categories`).

        Returns
        -------
        X : array or DataFrame, as in `fit`
            Rows with the columns and dtypes of `fit`. A column of numpy's integers or
            booleans with missing cells becomes one of floats or objects.
        """
        columns = [
            column.build(*decoded)
            for column, decoded in zip(
                self.columns_, self._decode(T, random_state), strict=True
            )
        ]
        if self._template is None:
            return np.column_stack(columns)
        return open_frame(self._template, "").select(*columns).to_native()

    def complete(self, X: Any, T: Any, random_state: Any = 0) -> Any:
        """Fill the missing cells of rows by what completed typed rows say.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows as the user gave them; never changed.
        T : array-like of shape (n_samples, n_typed)
            Typed rows of X without NaN where X is to be filled.
        random_state : int, RandomState instance or None, default=0
            Randomness of labels drawn from a bucket of rare ones (`max_categories`).

        Returns
        -------
        completed : array or DataFrame
            X with its container, dtypes and index. Observed cells are the ones of X, to
            the last bit.
        """
        frame, array = open_table(self, X, reset=False)
        drawn = self._decode(T, random_state)
        return complete_table(self.columns_, frame, array, drawn)

    def limits(self, X: Any) -> tuple[Array, Array]:
        """Normal scores of the edges of the cell of the grid that each value is in.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        low, high : ndarray of shape (n_samples, n_typed)
            Scores half a unit below and above each value; both its own score where the
            column has no grid. A cell at a bound reaches to -40 or 40. NaN for missing
            cells, atoms and codes.
        """
        table, _ = self._read(X)
        pairs = [c.limits(cells) for c, cells in zip(self.columns_, table, strict=True)]
        return np.hstack([p[0] for p in pairs]), np.hstack([p[1] for p in pairs])

    def log_density_offset(self, X: Any) -> Array:
        """What turns a log-density of typed rows into one of the rows themselves.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        offset : ndarray of shape (n_samples,)
            Sum of log dz/dx over the observed continuous cells of columns without grid,
            plus the log share of each rare label in its bucket. Cells of a grid add
            nothing: the normal mass between their `limits` is a probability. A label or
            atom that `fit` did not see counts as one seen once, in one row more than
            `fit` saw.
        """
        table, _ = self._read(X)
        offset = np.zeros(len(table[0].missing))
        for column, cells in zip(self.columns_, table, strict=True):
            offset += column.log_density_offset(cells)
        return offset

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the typed columns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns; None takes those of `fit`, or x0, x1, ...

        Returns
        -------
        names : ndarray of str
            The names of the input columns. Where a column has both, its codes are
            called after it with "_level" appended.
        """
        check_is_fitted(self)
        names = [str(n) for n in _check_feature_names_in(self, input_features)]
        out: list[str] = []
        for name, column in zip(names, self.columns_, strict=True):
            if column.n_typed == 2:
                level = f"{name}_level"
                while level in names:
                    level += "_"
                out.append(level)
            out.append(name)
        return np.array(out, dtype=object)

    def _read(self, X: Any) -> tuple[list[Cells], Any]:
        check_is_fitted(self)
        frame, array = open_table(self, X, reset=False)
        single = frame is None and array.dtype == np.float32
        table = read_table(array if frame is None else frame)
        return table, np.float32 if single else np.float64

    def _decode(self, T: Any, random_state: Any) -> list[Any]:
        """Cells of each column, and which are missing."""
        check_is_fitted(self)
        rng, name = as_generator(random_state), type(self).__name__
        return decode_table(self.columns_, T, rng, name)
