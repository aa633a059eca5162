"""The energy distance between two tables, in units of the real rows' covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np

from sklgen.base import check_weights
from sklgen.metrics._encoding import NumericEncoding
from sklgen.metrics._kernels import sum_pairs
from sklgen.metrics._tables import n_rows, read_tables

# No direction is stretched by more than the inverse root of this.
_SMALLEST_EIGENVALUE = 1e-4


@overload
def whitened_energy_distance(
    X: Any,
    Y: Any,
    *,
    sample_weight: Any = None,
    return_std_error: Literal[False] = False,
) -> float: ...
@overload
def whitened_energy_distance(
    X: Any, Y: Any, *, sample_weight: Any = None, return_std_error: Literal[True]
) -> tuple[float, float]: ...
def whitened_energy_distance(
    X: Any,
    Y: Any,
    *,
    sample_weight: Any = None,
    return_std_error: bool = False,
) -> float | tuple[float, float]:
    """Unbiased energy distance between real and synthetic rows, whitened.

    The energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| is zero if and only if two
    distributions are the same [1]_. Rows are first whitened by the covariance of the
    real rows: otherwise the columns and directions that vary most drown the others.
    The estimate is unbiased: for two tables from one distribution its mean is zero,
    and so about half of such estimates are negative.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_real, n_features)
        Real rows, at least two, with numbers, labels, dates and missing cells.
    Y : array-like or DataFrame of shape (n_synthetic, n_features)
        Synthetic rows, at least two, with the columns of `X`.
    sample_weight : array-like of shape (n_real,), default=None
        Non-negative weight of each row of `X`, a count: a weight of 2 is the row twice.
        The sum must exceed 1. None weighs all rows by 1.
    return_std_error : bool, default=False
        Whether to return the standard error too.

    Returns
    -------
    distance : float
        Estimated distance, in standard deviations; lower is better.
    std_error : float
        Standard error of `distance`, only if `return_std_error` is True. It holds
        under the null hypothesis too, where `distance` is not normal.

    Raises
    ------
    ValueError
        If the tables have different columns, a column with numbers in one table and
        text in the other, infinite cells, fewer than two rows, or weights that are
        negative or sum to 1 or less.

    See Also
    --------
    classifier_two_sample_test : Finds more, and takes longer.
    negative_energy_scorer : The same as a scorer for grid searches.

    Notes
    -----
    Numbers are standardised; a label becomes one indicator for each level that at
    least 1 % of the real rows have, and one for all others; a missing cell becomes the
    mean and an indicator. Then the covariance of the real rows is shrunk by the rule of
    Ledoit and Wolf [2]_ and its eigenvalues are bounded below, so that collinear
    columns are safe. A column that is constant in `X` keeps its unit.

    The standard error takes the estimate as a U-statistic of order (2, 2) and adds up
    the terms of first and second order of its Hoeffding decomposition, each estimated
    without bias; the sum is at least half of the second one. The whitening counts as
    known. In truth it is learned on `X`, which makes the mean for two tables from one
    distribution slightly positive: by a few hundredths of the standard error at a
    hundred rows.

    Time is proportional to (n_real + n_synthetic)² times the number of encoded
    columns, memory to the encoded tables: no matrix of pairs is kept.

    References
    ----------
    .. [1] G. J. Székely and M. L. Rizzo (2013). Energy statistics: a class of
       statistics based on distances. Journal of Statistical Planning and Inference
       143, 1249-1272.
    .. [2] O. Ledoit and M. Wolf (2004). A well-conditioned estimator for
       large-dimensional covariance matrices. Journal of Multivariate Analysis 88,
       365-411.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.metrics import whitened_energy_distance
    >>> rng = np.random.default_rng(0)
    >>> X = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=500)
    >>> alike = rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=500)
    >>> independent = rng.normal(size=(500, 2))
    >>> distance, std_error = whitened_energy_distance(X, alike, return_std_error=True)
    >>> abs(distance) < 3 * std_error
    True
    >>> whitened_energy_distance(X, independent) > 0.1
    True
    """
    real, synthetic = read_tables(X=X, Y=Y, min_rows=2)
    weight = check_weights(sample_weight, np.empty((n_rows(real), 1)))
    if weight.sum() <= 1.0:
        raise ValueError(
            f"sample_weight sums to {weight.sum():g}; weights are counts of rows, and "
            "their sum must exceed 1. Multiply them by the number of rows."
        )
    encoding = NumericEncoding.learn(real, weight, independent=True)
    A, B = encoding.encode(real, synthetic)
    whiten = _whitening(A, weight)
    pairs = _Pairs.of(A @ whiten, weight, B @ whiten)
    if return_std_error:
        return pairs.distance(), pairs.std_error()
    return pairs.distance()


def _whitening(A: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The matrix W for which the rows A @ W have about unit covariance."""
    total, d = weight.sum(), A.shape[1]
    A = A - np.average(A, axis=0, weights=weight)
    covariance = (A * weight[:, None]).T @ A / total
    # Ledoit and Wolf's share of the identity, from weighted sums.
    mean_variance = np.trace(covariance) / d
    squares = (covariance**2).sum()
    spread = squares - d * mean_variance**2
    noise = (weight @ (A**2).sum(axis=1) ** 2 / total - squares) / total
    share = min(noise / spread, 1.0) if spread > 0.0 else 0.0
    covariance *= 1.0 - share
    covariance[np.diag_indices(d)] += share * mean_variance
    # A column that varies less than its scale (rare levels, constants) is no reason to
    # stretch it.
    short = np.maximum(1.0 - covariance.diagonal(), 0.0)
    covariance[np.diag_indices(d)] += short
    values, vectors = np.linalg.eigh(covariance)
    floor = _SMALLEST_EIGENVALUE * values[-1]
    whitening: np.ndarray = vectors / np.sqrt(np.maximum(values, floor))
    return whitening


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Mean distances of each row to rows of its own table and of the other one.

    `weights` are n and m counts; `own` and `other` hold one array a table; `squares`
    are mean squared distances within the real table, the other, and between them.
    """

    weights: tuple[np.ndarray, np.ndarray]
    own: tuple[np.ndarray, np.ndarray]
    other: tuple[np.ndarray, np.ndarray]
    squares: tuple[float, float, float]

    @classmethod
    def of(cls, A: np.ndarray, weight_a: np.ndarray, B: np.ndarray) -> _Pairs:
        A, B = np.ascontiguousarray(A), np.ascontiguousarray(B)
        A_columns, B_columns = np.ascontiguousarray(A.T), np.ascontiguousarray(B.T)
        weight_b = np.ones(len(B))
        n, m = weight_a.sum(), weight_b.sum()
        within_a, within_b = np.zeros(len(A)), np.zeros(len(B))
        a_to_b, b_to_a = np.zeros(len(A)), np.zeros(len(B))
        squares_a = sum_pairs(A, weight_a, A_columns, weight_a, within_a, within_a, 1)
        squares_b = sum_pairs(B, weight_b, B_columns, weight_b, within_b, within_b, 1)
        between = sum_pairs(A, weight_a, B_columns, weight_b, a_to_b, b_to_a, 0)
        return cls(
            (weight_a, weight_b),
            (within_a / (n - 1.0), within_b / (m - 1.0)),
            (a_to_b / m, b_to_a / n),
            (
                2.0 * squares_a / (n * (n - 1.0)),
                2.0 * squares_b / (m * (m - 1.0)),
                between / (n * m),
            ),
        )

    def distance(self) -> float:
        """The unbiased estimate: a mean of differences, row by row."""
        gaps = (
            np.average(other - own, weights=weight)
            for own, other, weight in zip(
                self.own, self.other, self.weights, strict=True
            )
        )
        return float(sum(gaps))

    def std_error(self) -> float:
        """Root of the variance of first and second order.

        A distance is a mean, an effect of each of its two rows, and a remainder; the
        effects' differences give the first order, the remainders the second. A row's
        mean over n others holds a remainder too, which is subtracted.
        """
        n, m = (weight.sum() for weight in self.weights)
        effects = [
            _variance(mean, weight)
            for means in (self.own, self.other)
            for mean, weight in zip(means, self.weights, strict=True)
        ]
        grand = np.average(self.other[0], weights=self.weights[0])
        rest_a, rest_b = (
            _remainder(square, np.average(mean, weights=weight), 2.0 * effect)
            for square, mean, weight, effect in zip(
                self.squares[:2], self.own, self.weights, effects[:2], strict=True
            )
        )
        rest = _remainder(self.squares[2], grand, effects[2] + effects[3])
        first, second = 0.0, 4.0 * rest / (n * m)
        for j, (size, others, own_rest) in enumerate([(n, m, rest_a), (m, n, rest_b)]):
            gap = _variance(self.other[j] - self.own[j], self.weights[j])
            first += 4.0 * (gap - rest / others - own_rest / size) / size
            second += 2.0 * own_rest / (size * (size - 1.0))
        # Without bias the first order may be negative, but no sum of both can be.
        return float(np.sqrt(max(first + second, 0.5 * second)))


def _variance(values: np.ndarray, weight: np.ndarray) -> float:
    mean = np.average(values, weights=weight)
    return float(weight @ (values - mean) ** 2 / (weight.sum() - 1.0))


def _remainder(square: float, mean: float, effects: float) -> float:
    """Variance of the distances, less that of the effects of their rows."""
    return max(square - mean**2 - effects, 0.0)
