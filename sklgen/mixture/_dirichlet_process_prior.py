"""What a Dirichlet process mixture expects of its components, from the data's scale."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklgen._typing import Array
from sklgen.em import Rows, run
from sklgen.families import Bernoulli, ColumnFamily, FullGaussian, Poisson
from sklgen.families._conjugate import Conjugate
from sklgen.families._conjugate_columns import (
    BetaProbabilities,
    ConjugateCells,
    GammaRates,
)
from sklgen.families._conjugate_gaussian import NormalGamma, NormalWishart
from sklgen.families._conjugate_levels import DirichletLevels
from sklgen.families._conjugate_product import ConjugateProduct
from sklgen.mixture._dirichlet_process_checks import (
    check_codes,
    check_counts,
    check_known,
)
from sklgen.mixture._dirichlet_process_parts import parts_of
from sklgen.mixture._gaussian_components import check_range, column_moments
from sklgen.mixture._structure import Mixture

# Where the prior starts: rows that the expected mean is worth, and the share of the
# data's covariance that is expected within a component.
_MEAN_COUNT = 0.1
_WITHIN = 0.1
# Degrees of freedom beyond the number of columns of a matrix.
_EXTRA_DOF = 1.0
# Smallest eigenvalue of the data's covariance, in standardised columns.
_FLOOR = 1e-4
_COVARIANCE_TOL, _COVARIANCE_ITER = 1e-3, 50
# Mean counts and shares are kept this far from where a conjugate law has no mass.
_LEAST_MEAN = 1e-3


@dataclass(frozen=True)
class Prior(ABC):
    """The prior of the components, and what rows of their kind are.

    Parameters
    ----------
    law : Conjugate
        One law.
    """

    law: Any

    @classmethod
    @abstractmethod
    def of(
        cls,
        estimator: Any,
        X: NDArray[Any],
        weight: Array,
        names: NDArray[Any],
        threads: int,
    ) -> Self:
        """The prior that the parameters of an estimator ask for."""

    @abstractmethod
    def check(self, X: NDArray[Any], names: NDArray[Any]) -> None:
        """Rows must be in the support of the components."""

    @abstractmethod
    def tuned(self, laws: Any) -> Any:
        """The law that fits posteriors best, as far as the user left it open."""

    @staticmethod
    @abstractmethod
    def places(X: Array, weight: Array) -> Array:
        """Rows in which distances are meaningful, without missing cells."""

    @cached_property
    def components(self) -> Any:
        """Components of this kind, which set the size of blocks."""
        return self.law.expected()[0]


@dataclass(frozen=True)
class GaussianPrior(Prior):
    """The prior of Gaussian components.

    Parameters
    ----------
    law : NormalWishart or NormalGamma
        One law.
    fixed : tuple of str
        Fields of the law that the user gave.
    """

    fixed: tuple[str, ...]

    @classmethod
    def of(
        cls,
        estimator: Any,
        X: NDArray[Any],
        weight: Array,
        names: NDArray[Any],
        threads: int,
    ) -> Self:
        """The prior that the parameters of an estimator ask for."""
        check_range(X, names)
        d = X.shape[1]
        full = estimator.covariance_type == "full"
        mean, scale = column_moments(X, weight, threads)
        data = _data_covariance(X, weight, mean, scale, threads) if full else scale**2
        centre = _given(estimator.mean_prior, "mean_prior", mean)
        covariance = _given(
            estimator.covariance_prior, "covariance_prior", _WITHIN * data
        )
        dof = estimator.degrees_of_freedom_prior
        least = d - 1 if full else 0
        if dof is None:
            dof = least + 1 + _EXTRA_DOF
        elif dof <= least:
            raise ValueError(
                f"degrees_of_freedom_prior must be above n_features - 1 = {least} for "
                f"covariance_type='full', got {dof}."
            )
        count = estimator.mean_precision_prior
        given = {"mean_count": count, "scatter": estimator.covariance_prior}
        count = _MEAN_COUNT if count is None else float(count)
        law: Conjugate
        _check_positive(covariance)
        if full:
            law = NormalWishart(
                centre[None], np.array([count]), np.array([dof]), dof * covariance[None]
            )
        else:
            law = NormalGamma(
                centre[None],
                np.full((1, d), count),
                np.full((1, d), float(dof)),
                dof * covariance[None],
            )
        fixed = tuple(name for name, value in given.items() if value is not None)
        return cls(law, fixed)

    def check(self, X: NDArray[Any], names: NDArray[Any]) -> None:
        check_range(X, names)

    def tuned(self, laws: Any) -> Any:
        kept = {name: getattr(self.law, name) for name in self.fixed}
        return replace(laws.tuned(self.law), **kept)

    @staticmethod
    def places(X: Array, weight: Array) -> Array:
        return standardized(X, weight)


@dataclass(frozen=True)
class CellsPrior(Prior):
    """The prior of independent columns with one sufficient statistic."""

    family: ClassVar[type[ColumnFamily]]
    conjugate: ClassVar[type[ConjugateCells]]
    highest: ClassVar[float]

    @classmethod
    def of(
        cls,
        estimator: Any,
        X: NDArray[Any],
        weight: Array,
        names: NDArray[Any],
        threads: int,
    ) -> Self:
        cls._check_support(X, names)
        seen = weight[:, None] * ~np.isnan(X)
        total = np.maximum(seen.sum(axis=0), np.finfo(float).tiny)
        mean = (seen * np.nan_to_num(X)).sum(axis=0) / total
        count = float(estimator.count_prior)
        mean = np.clip(mean, _LEAST_MEAN, cls.highest)
        return cls(cls.conjugate(np.full((1, len(mean)), count), count * mean[None]))

    @classmethod
    def _check_support(cls, X: NDArray[Any], names: NDArray[Any]) -> None:
        cls.family.check_support(X, names.tolist())

    def check(self, X: NDArray[Any], names: NDArray[Any]) -> None:
        self._check_support(X, names)

    def tuned(self, laws: Any) -> Any:
        return laws.tuned(self.law)


class PoissonPrior(CellsPrior):
    """Gamma priors of the rates of counts: `count_prior` cells of the data's mean."""

    family = Poisson
    conjugate = GammaRates
    highest = np.inf

    @classmethod
    def _check_support(cls, X: NDArray[Any], names: NDArray[Any]) -> None:
        super()._check_support(X, names)
        check_counts(X, names)

    @staticmethod
    def places(X: Array, weight: Array) -> Array:
        # The square root of a count has about the same deviation at any mean.
        return np.asarray(2 * standardized(np.sqrt(X), weight, scaled=False))


class BernoulliPrior(CellsPrior):
    """Beta priors of probabilities: `count_prior` cells of the data's mean."""

    family = Bernoulli
    conjugate = BetaProbabilities
    highest = 1.0 - _LEAST_MEAN

    @staticmethod
    def places(X: Array, weight: Array) -> Array:
        return standardized(X, weight, scaled=False)


class LevelsPrior(Prior):
    """Dirichlet priors of levels: `count_prior` cells of the data's shares."""

    @classmethod
    def of(
        cls,
        estimator: Any,
        X: NDArray[Any],
        weight: Array,
        names: NDArray[Any],
        threads: int,
    ) -> Self:
        check_codes(X, names)
        counts = []
        for cells in X.T:
            seen = ~np.isnan(cells) & (weight > 0)
            share = np.bincount(cells[seen].astype(np.intp), weight[seen])
            share = np.maximum(share / share.sum(), _LEAST_MEAN)
            counts.append(estimator.count_prior * share / share.sum())
        n_levels = tuple(len(count) for count in counts)
        return cls(DirichletLevels(np.concatenate(counts)[None], n_levels))

    def check(self, X: NDArray[Any], names: NDArray[Any]) -> None:
        check_codes(X, names)
        check_known(X, names, np.array(self.law.n_levels))

    def tuned(self, laws: Any) -> Any:
        return laws.tuned(self.law)

    @staticmethod
    def places(X: Array, weight: Array) -> Array:
        codes = [np.arange(np.fmax.reduce(cells, initial=0.0) + 1) for cells in X.T]
        one_hot = [cells[:, None] == own for cells, own in zip(X.T, codes, strict=True)]
        return np.concatenate(one_hot, axis=1).astype(np.float64)


@dataclass(frozen=True)
class ProductPrior:
    """Independent priors for sets of columns."""

    parts: tuple[Prior, ...]
    columns: tuple[NDArray[np.intp], ...]

    @classmethod
    def of(
        cls,
        estimator: Any,
        X: NDArray[Any],
        weight: Array,
        names: NDArray[Any],
        threads: int,
    ) -> Self:
        """The prior of each part of `estimator.family`."""
        families, columns = parts_of(estimator.family, names, PRIORS)
        parts = (
            PRIORS[family].of(estimator, X[:, at], weight, names[at], threads)
            for family, at in zip(families, columns, strict=True)
        )
        return cls(tuple(parts), columns)

    @property
    def law(self) -> ConjugateProduct:
        """One law."""
        return ConjugateProduct(tuple(part.law for part in self.parts), self.columns)

    @cached_property
    def components(self) -> Any:
        """Components of this kind, which set the size of blocks."""
        return self.law.expected()[0]

    def _pairs(self) -> Iterator[tuple[Prior, NDArray[np.intp]]]:
        return zip(self.parts, self.columns, strict=True)

    def check(self, X: NDArray[Any], names: NDArray[Any]) -> None:
        """Rows must be in the support of the components."""
        for part, at in self._pairs():
            part.check(X[:, at], names[at])

    def tuned(self, laws: Any) -> ConjugateProduct:
        """The law that fits posteriors best, as far as the user left it open."""
        pairs = zip(self.parts, laws.parts, strict=True)
        tuned = tuple(part.tuned(own) for part, own in pairs)
        return ConjugateProduct(tuned, self.columns)

    def places(self, X: Array, weight: Array) -> Array:
        """Rows in which distances are meaningful, without missing cells."""
        places = [part.places(X[:, at], weight) for part, at in self._pairs()]
        return np.concatenate(places, axis=1)


PRIORS: dict[str, type[Prior]] = {
    "bernoulli": BernoulliPrior,
    "categorical": LevelsPrior,
    "gaussian": GaussianPrior,
    "poisson": PoissonPrior,
}


def prior_of(
    estimator: Any,
    X: NDArray[Any],
    weight: Array,
    names: NDArray[Any],
    threads: int,
) -> Prior | ProductPrior:
    """The prior that the parameters of an estimator ask for.

    The columns have `names`, which are their positions if X has none.
    """
    one = isinstance(estimator.family, str)
    kind = PRIORS[estimator.family] if one else ProductPrior
    return kind.of(estimator, X, weight, names, threads)


def standardized(X: Array, weight: Array, *, scaled: bool = True) -> Array:
    """Rows less their mean, by deviation if `scaled`; missing cells at the mean."""
    seen = weight[:, None] * ~np.isnan(X)
    total = np.maximum(seen.sum(axis=0), np.finfo(float).tiny)
    error = np.nan_to_num(X - np.nansum(X * seen, axis=0) / total)
    if not scaled:
        return np.asarray(error)
    scale = np.sqrt((seen * error**2).sum(axis=0) / total)
    return np.asarray(error / np.where(scale > 0, scale, 1.0))


def _data_covariance(
    X: NDArray[Any], weight: Array, mean: Array, scale: Array, threads: int
) -> Array:
    """Most likely covariance of the data as one Gaussian."""
    one = FullGaussian.independent(mean[None], scale[None] ** 2, scale, _FLOOR)
    model = Mixture(np.ones(1), one)
    with Rows(X, weight, n_features=one.n_features, n_threads=threads) as rows:
        found = run(
            model,
            lambda model: rows.sum(model.e_step),
            tol=_COVARIANCE_TOL,
            max_iter=_COVARIANCE_ITER if np.isnan(X.sum()) else 1,
        )
    covariance: Array = found.model.components.covariances[0]
    return covariance


def _given(values: Any, name: str, default: Array) -> Array:
    """What the user gave, as float64 and of the shape of the default."""
    if values is None:
        return default
    array = check_array(values, dtype=np.float64, ensure_2d=False, input_name=name)
    if array.shape != default.shape:
        raise ValueError(
            f"{name} has shape {array.shape}, but n_features and covariance_type ask "
            f"for {default.shape}."
        )
    return np.array(array)


def _check_positive(covariance: Array) -> None:
    """Covariances must be positive, and matrices symmetric."""
    matrix = covariance if covariance.ndim == 2 else np.diag(covariance)
    positive = np.allclose(matrix, matrix.T)
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        positive = False
    if not positive:
        raise ValueError(
            "covariance_prior must be positive, or a symmetric and positive definite "
            "matrix for covariance_type='full'."
        )
