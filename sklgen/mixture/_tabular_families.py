"""Laws of number columns in their own units: one family for each column named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.compose._table import position_of
from sklgen.em import Rows
from sklgen.families import (
    Bernoulli,
    ColumnFamily,
    ConjugateColumns,
    DiagonalGaussian,
    Exponential,
    Family,
    Gamma,
    LogNormal,
    NegativeBinomial,
    Poisson,
    VonMises,
)
from sklgen.families._columns import STRENGTH
from sklgen.mixture._gaussian_components import check_range, column_moments
from sklgen.mixture._structure import Mixture

FAMILIES: dict[str, type[ColumnFamily] | type[DiagonalGaussian]] = {
    "bernoulli": Bernoulli,
    "exponential": Exponential,
    "gamma": Gamma,
    "gaussian": DiagonalGaussian,
    "log_normal": LogNormal,
    "negative_binomial": NegativeBinomial,
    "poisson": Poisson,
    "von_mises": VonMises,
}
# Families of whole numbers.
COUNTS = frozenset({"bernoulli", "negative_binomial", "poisson"})
# What leaves little of the skewness of a law; angles count within one turn.
_EVEN: dict[str, Callable[[Array], Array]] = {
    **dict.fromkeys(COUNTS, lambda counts: np.sqrt(counts + 0.375)),
    "exponential": np.cbrt,
    "gamma": np.cbrt,
    "log_normal": np.log,
    "von_mises": lambda angles: np.remainder(angles, 2.0 * np.pi),
}
# Smallest variance of a Gaussian, as a share of the one within the start's components.
_FLOOR = 1e-6


def families_by_position(given: Any, names: list[Any]) -> dict[int, str]:
    """The parameter `families` by position of the column."""
    families: dict[int, str] = {}
    for key, family in (given or {}).items():
        j = position_of(key, names, "families")
        if not isinstance(family, str) or family not in FAMILIES:
            raise ValueError(
                f"families gives column {names[j]!r} the family {family!r}. Allowed "
                f"are {', '.join(sorted(FAMILIES))}."
            )
        if j in families:
            raise ValueError(
                f"families gives column {names[j]!r} two families, "
                f"{families[j]!r} and {family!r}: name each column once, by name or "
                "by position."
            )
        families[j] = family
    return families


def check_cells(family: str, X: NDArray[Any], names: list[Any]) -> None:
    """Cells must be in the support of a family."""
    law = FAMILIES[family]
    if issubclass(law, ColumnFamily):
        law.check_support(X, names)
    else:
        check_range(X, np.array(names))


def law_of_data(family: str, X: NDArray[Any], weight: Array, threads: int) -> Family:
    """One component that describes the data as a whole, with its prior."""
    law = FAMILIES[family]
    if not issubclass(law, ColumnFamily):
        mean, scale = column_moments(X, weight, threads)
        equal = DiagonalGaussian.equal(1, mean, scale, _FLOOR)
        return replace(equal, prior_count=STRENGTH)
    one = Mixture(np.ones(1), law.standard(X.shape[1]))
    n_features = one.components.n_features
    with Rows(X, weight, n_features=n_features, n_threads=threads) as rows:
        statistics = rows.sum(one.e_step).family
    return one.components.equal(1, statistics)


def parameters_of(law: Any) -> dict[str, Array]:
    """Parameters (K, d) by name; those of the logarithms where they are Gaussian."""
    if isinstance(law, ConjugateColumns):
        return dict(law.parameters)
    gaussian = law.gaussian if isinstance(law, LogNormal) else law
    return {"means": gaussian.means, "variances": gaussian.covariances}


def evened(family: str, X: NDArray[Any]) -> Array:
    """Numbers that are less skewed than their law: how starts compare them."""
    return np.asarray(_EVEN.get(family, np.positive)(X.astype(np.float64)))
