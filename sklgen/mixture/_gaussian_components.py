"""Gaussian components as a part of estimators: mixtures and Markov chains."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklgen._typing import Array
from sklgen.em import Rows
from sklgen.families import (
    DiagonalGaussian,
    FullGaussian,
    Gaussian,
    SphericalGaussian,
    TiedGaussian,
)
from sklgen.mixture._structure import Mixture

COVARIANCES: dict[str, type[Gaussian]] = {
    "full": FullGaussian,
    "tied": TiedGaussian,
    "diag": DiagonalGaussian,
    "spherical": SphericalGaussian,
}
# Cells and deviations beyond these have squares that over- or underflow.
_LARGEST, _SMALLEST = 1e100, 1e-99
# A column whose deviation is below this share of its mean is taken as constant.
_CONSTANT = 1e-14
# Covariances keep at least this share of the data's variances, whatever `reg_covar`.
_LOWEST_FLOOR = 1e-12


class GaussianComponents:
    """What an estimator with Gaussian components learns of the data, and tells of them.

    `_learn_scale` comes first; `_n_wanted` is the number of components to fit.
    """

    covariance_type: str
    reg_covar: float
    means_: Array
    covariances_: Array
    _fitted_shape: dict[str, Any]

    if TYPE_CHECKING:

        @property
        def _n_wanted(self) -> int: ...

    @property
    def _family(self) -> type[Gaussian]:
        return COVARIANCES[self.covariance_type]

    @property
    def _floor(self) -> float:
        return max(self.reg_covar, _LOWEST_FLOOR)

    def _learn_scale(self, X: NDArray[Any], weight: Array, threads: int) -> None:
        """Learn the centre and the unit of each column."""
        check_range(X)
        self._mean, self._scale = column_moments(X, weight, threads)

    def _standardized(self, X: Array) -> Array:
        return np.nan_to_num((X - self._mean) / self._scale)

    def _equal_components(self) -> Gaussian:
        return self._family.equal(self._n_wanted, self._mean, self._scale, self._floor)

    def _components(self) -> Gaussian:
        return self._restored(np.asarray(self.means_))

    def _restored(self, means: Array) -> Gaussian:
        """Components with these means (K, d), the rest as in the fitted attributes."""
        family = COVARIANCES[self._fitted_shape["covariance_type"]]
        covariances = np.asarray(self.covariances_)
        return family(
            means,
            covariances.reshape(family.stored_shape(*means.shape)),
            self._scale,
            self._floor,
        )

    def _labelled(
        self, rows: Rows, labels: NDArray[np.intp], equal: Mixture[Any]
    ) -> Mixture[Any]:
        """Means and variances of the observed cells first, then what the family has.

        Independent columns need no guess about missing cells, which would carry the
        distance between clusters into their covariances. The second pass, about the
        means of the first, restores the digits that clusters far apart cost it.
        """
        columns = DiagonalGaussian.equal(
            self._n_wanted, self._mean, self._scale, self._floor
        )
        rough = data = Mixture(equal.weights, columns)
        for _ in range(2):
            rough = rough.m_step(rows.sum(partial(rough.labelled, labels)))
        rough = rough.settle(data)
        components = self._family.independent(
            rough.components.means,
            rough.components.variances(),
            rough.components.scale,
            self._floor,
        )
        start = Mixture(rough.weights, components)
        return start.m_step(rows.sum(partial(start.labelled, labels)))

    def _store_components(self, components: Gaussian) -> None:
        shape = components.public_shape(*components.shape)
        precisions, factors = components.precision_factors()
        self._scale = components.scale
        self.means_ = components.means
        self.covariances_ = components.covariances.reshape(shape)
        self.precisions_ = precisions.reshape(shape)
        self.precisions_cholesky_ = factors.reshape(shape)


def given(values: Any, name: str, shape: tuple[int, ...]) -> Array | None:
    """A user-given start as float64, of the shape it must have."""
    if values is None:
        return None
    array = check_array(
        values, dtype=np.float64, ensure_2d=False, allow_nd=True, input_name=name
    )
    if array.shape != shape:
        raise ValueError(
            f"{name} has shape {array.shape}, but n_components, n_features and "
            f"covariance_type ask for {shape}."
        )
    return np.array(array)


def check_range(X: NDArray[Any], names: NDArray[Any] | None = None) -> None:
    """Squares of the cells must be far from overflow."""
    size = np.maximum(np.fmax.reduce(X, axis=0), -np.fmin.reduce(X, axis=0))
    huge = np.flatnonzero(size.astype(np.float64) > _LARGEST)
    if huge.size:
        named = huge if names is None else names[huge]
        raise ValueError(
            f"X has values beyond {_LARGEST:g} in the columns {named.tolist()}, whose "
            "squares overflow. Rescale these columns."
        )


def column_moments(X: NDArray[Any], weight: Array, threads: int) -> tuple[Array, Array]:
    """Weighted mean and deviation of the observed cells of each column.

    They are what one axis-aligned Gaussian learns in two steps: the first, about any
    row, finds the mean; the second, about the mean, loses no digits.
    """
    d = X.shape[1]
    anywhere = np.nan_to_num(X[np.flatnonzero(weight)[0]].astype(np.float64))
    one = DiagonalGaussian(anywhere[None], np.ones((1, d)), np.ones(d), 1e-200)
    model = Mixture(np.ones(1), one)
    with Rows(X, weight, n_features=one.n_features, n_threads=threads) as rows:
        for _ in range(2):
            model = model.m_step(rows.sum(model.e_step))
    mean, deviation = model.components.means[0], model.components.variances()[0] ** 0.5
    size = np.abs(mean)
    constant = deviation <= np.maximum(_CONSTANT * size, _SMALLEST)
    return mean, np.where(constant, np.where(size > _SMALLEST, size, 1.0), deviation)
