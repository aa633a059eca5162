"""Coverage and density: who has whom among his nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import gammaln
from sklearn.utils import check_scalar

from sklgen._typing import Array
from sklgen.base import check_weights
from sklgen.metrics._encoding import NumericEncoding
from sklgen.metrics._neighbours import radii, within
from sklgen.metrics._tables import n_rows, read_tables


@dataclass(frozen=True)
class CoverageDensity:
    """How synthetic rows lie among the neighbours of real ones.

    Parameters
    ----------
    coverage : float
        Share of the real rows that have a synthetic row in their ball: of those that
        the synthetic rows stand for.
    density : float
        Mean number of balls that a synthetic row is in, divided by the number of
        neighbours: 1 on average for the true distribution, more where real rows are
        dense.
    expected_coverage : float
        Mean coverage of rows from the true distribution.

    See Also
    --------
    coverage_density : Makes it.

    Examples
    --------
    >>> from sklgen.metrics import CoverageDensity
    >>> CoverageDensity(coverage=0.5, density=1.1, expected_coverage=0.97).coverage
    0.5
    """

    coverage: float
    density: float
    expected_coverage: float


def coverage_density(
    X_real: Any,
    X_synthetic: Any,
    *,
    n_neighbors: int = 5,
    sample_weight: Any = None,
) -> CoverageDensity:
    """Coverage of real rows by synthetic ones, and density of these among them.

    Each real row has a ball that ends at its k-th nearest neighbour among real rows.
    Coverage is the share of balls with a synthetic row in them: it falls where a model
    leaves out a part of the data. Density counts the balls that synthetic rows are in:
    it falls where a model draws rows that are like no real one [1]_.

    Parameters
    ----------
    X_real : array-like or DataFrame of shape (n_real, n_features)
        Real rows, more than `n_neighbors` of them, that the model has not seen.
    X_synthetic : array-like or DataFrame of shape (n_synthetic, n_features)
        Synthetic rows with the columns of `X_real`.
    n_neighbors : int, default=5
        Which neighbour is at the edge of a ball.
    sample_weight : array-like of shape (n_real,), default=None
        Non-negative weight of each row of `X_real`, a count: a weight of 2 is the row
        twice. The sum must exceed `n_neighbors`. None weighs all rows by 1.

    Returns
    -------
    result : CoverageDensity
        Object with `coverage`, `density`, and the `expected_coverage` of rows from the
        true distribution.

    Raises
    ------
    ValueError
        If the tables have different columns, a column with numbers in one table and
        text in the other, infinite cells, or there are too few real rows.

    See Also
    --------
    whitened_energy_distance : One number for all differences.
    closest_record_share : Whether rows are copies.
    coverage_scorer : The coverage as a scorer for grid searches.

    Notes
    -----
    Numbers are standardised by the real rows; a label becomes one indicator for each
    level that at least 1 % of the real rows have, and one for all others; a missing
    cell becomes the mean and an indicator. Distances are Euclidean.

    Rows from the true distribution miss a ball if the nearest k rows around its centre
    are all real, among n - 1 real and m synthetic ones. So the expected coverage is
    1 - (n-1)...(n-k) / ((n+m-1)...(n+m-k)), or about ``1 - 2**-k`` for equal numbers of
    rows, for any distribution; the expected density is 1.

    In tables of labels many rows are at the same distance. What is given is the mean
    over all orders of such rows, so that both expectations hold for them too.

    Time is proportional to n_real (n_real + n_synthetic) times the number of encoded
    columns. Unless weights are far below 1, no matrix of pairs is kept.

    References
    ----------
    .. [1] M. F. Naeem, S. J. Oh, Y. Uh, Y. Choi and J. Yoo (2020). Reliable fidelity
       and diversity metrics for generative models. International Conference on Machine
       Learning.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgen.metrics import coverage_density
    >>> rng = np.random.default_rng(0)
    >>> real, alike = rng.normal(size=(2, 500, 2))
    >>> coverage_density(real, alike).coverage > 0.9
    True
    >>> coverage_density(real, np.abs(alike)).coverage < 0.5
    True
    """
    check_scalar(n_neighbors, "n_neighbors", Integral, min_val=1)
    real, synthetic = read_tables(X_real=X_real, X_synthetic=X_synthetic)
    weight = check_weights(sample_weight, np.empty((n_rows(real), 1)))
    n, m, k = float(weight.sum()), n_rows(synthetic), float(n_neighbors)
    if n < k + 1.0:
        raise ValueError(
            f"X_real has {n:g} row(s), counted by weights; {n_neighbors} neighbours "
            f"need {n_neighbors + 1}: lower n_neighbors, or give more rows."
        )
    used = weight > 0.0
    A, B = NumericEncoding.learn(real, weight).encode(real, synthetic)
    A, weight = np.ascontiguousarray(A[used]), weight[used]
    columns, others = np.ascontiguousarray(A.T), np.ascontiguousarray(B.T)
    radius = radii(A, columns, weight, k)
    nearer, tied = within(A, columns, weight, radius)
    itself = np.minimum(weight, 1.0)
    nearer -= itself * (radius > 0.0)
    tied -= itself * (radius == 0.0)
    inside, edge = within(A, others, np.ones(m), radius)
    left = k - nearer  # places in the ball for rows at its edge
    missed = np.exp(_log_all_first(tied, edge, left)) * (inside == 0.0)
    balls = inside + edge * left / (tied + 1.0)
    expected = -np.expm1(_log_all_first(np.array(n - 1.0), np.array(float(m)), k))
    return CoverageDensity(
        coverage=float(np.average(1.0 - missed, weights=weight)),
        density=float(weight @ balls / (k * m)),
        expected_coverage=float(expected),
    )


def _log_all_first(own: Array, others: Array, places: Any) -> Array:
    """Log-probability that so many places go to `own` rows, in a random order of all.

    Weights that are no whole numbers are between those that are.
    """
    total = own + others
    # At most all rows of one kind can be first: rounding must not say otherwise.
    places = np.minimum(places, own)
    return np.asarray(
        gammaln(own + 1.0)
        - gammaln(own - places + 1.0)
        - gammaln(total + 1.0)
        + gammaln(total - places + 1.0)
    )
