"""Student's t: what Gaussian components predict once their parameters are integrated.

A multivariate t has t laws as marginals and conditionals, so that missing cells are
drawn and left out exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from sklgen._typing import Array
from sklgen.families._base import Allocate, Components, DensityView
from sklgen.families._gaussian import LOG_2_PI
from sklgen.families._gaussian_matrix import FullGaussian
from sklgen.families._gaussian_matrix_view import factorize
from sklgen.families._missing_kernels import add_residual_draws, complete_errors


@dataclass(frozen=True)
class Student(Components):
    """Multivariate t laws with a matrix each.

    Parameters
    ----------
    locations : ndarray of shape (K, d)
        Centre of each component: its mean where it has more than 1 degree of freedom.
    scales : ndarray of shape (K, d, d)
        Scale matrix of each component.
    dof : ndarray of shape (K,)
        Positive degrees of freedom.

    Notes
    -----
    A block of n rows takes O(n K d^2) operations, and O(K d^3) more for each pattern
    of missing cells in it.
    """

    locations: Array
    scales: Array
    dof: Array

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.locations.shape
        return n, d

    @property
    def n_features(self) -> int:
        return self._gaussian.n_features

    @cached_property
    def _gaussian(self) -> FullGaussian:
        """Gaussians whose exponents are the squared distances."""
        d = self.shape[1]
        return FullGaussian(self.locations, self.scales, np.ones(d), 0.0)

    @cached_property
    def _views(self) -> tuple[DensityView, DensityView]:
        return RaggedStudentView(self), CompleteStudentView(self, self._gaussian)

    def view(self, *, complete: bool) -> DensityView:
        return self._views[complete]

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        return self._gaussian.conditional_mean(X, weights)

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        """Regress on the observed cells; their distance widens what is left."""
        n, d = X.shape
        errors, distance, _ = self.regressed(X)
        at = labels, np.arange(n)
        rows: Array = self.locations[labels] + errors.transpose(0, 2, 1)[at]
        n_seen = d - np.isnan(X).sum(axis=1)
        dof = self.dof[labels]
        spread = np.sqrt((dof + distance[at]) / rng.chisquare(dof + n_seen))
        noise = rng.standard_normal(X.shape) * spread[:, None]
        add_residual_draws(X, labels, self.scales, noise, rows)
        return rows

    def regressed(self, X: NDArray[Any]) -> tuple[Array, Array, Array]:
        """Errors with missing cells at their regression on the observed ones.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows; NaN marks missing cells.

        Returns
        -------
        errors : ndarray of shape (K, d, n)
            Row less location.
        distance : ndarray of shape (K, n)
            Squared distance of the observed cells, in units of the scale.
        log_gaussian : ndarray of shape (K, n)
            Log-densities of Gaussians with these locations and scales.
        """
        n, d = self.shape
        errors, log_gaussian = np.empty((n, d, len(X))), np.empty((n, len(X)))
        complete_errors(X, self.locations, self.scales, log_gaussian, errors)
        # With missing cells at their regression, the full distance is the observed one.
        white = self.inverse_roots @ errors
        return errors, np.square(white).sum(axis=1), log_gaussian

    @cached_property
    def inverse_roots(self) -> Array:
        """Inverses of the Cholesky factors of the scales, of shape (K, d, d)."""
        return factorize(self.scales)[1]


class CompleteStudentView(DensityView):
    """Multivariate t laws on complete rows, by the distances of Gaussians."""

    def __init__(self, model: Student, gaussian: FullGaussian) -> None:
        d = model.shape[1]
        self._view = gaussian.view(complete=True)
        self._dof = model.dof[:, None]
        roots = np.einsum("kii->ki", model.inverse_roots)
        self._peak = (np.log(roots).sum(axis=1) - 0.5 * d * LOG_2_PI)[:, None]
        self._constant = log_constant(self._dof, d) + self._peak
        self._half = (self._dof + d) / 2

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> None:
        self._view.evaluate(X, allocate, out)
        distance = np.maximum(2 * (self._peak - out), 0.0)
        out[:] = self._constant - self._half * np.log1p(distance / self._dof)


class RaggedStudentView(DensityView):
    """Multivariate t laws on rows with missing cells."""

    def __init__(self, model: Student) -> None:
        self._model = model

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> None:
        _, distance, log_gaussian = self._model.regressed(X)
        dof = self._model.dof[:, None]
        n_seen = X.shape[1] - np.isnan(X).sum(axis=1)
        out[:] = log_gaussian + 0.5 * distance + log_constant(dof, n_seen)
        out -= (dof + n_seen) / 2 * np.log1p(distance / dof)


@dataclass(frozen=True)
class AxisStudent(Components):
    """Independent columns, each with a t law.

    Parameters
    ----------
    locations : ndarray of shape (K, d)
        Centre of each column: its mean where it has more than 1 degree of freedom.
    scales : ndarray of shape (K, d)
        Positive scales.
    dof : ndarray of shape (K, d)
        Positive degrees of freedom.

    Notes
    -----
    A block of n rows takes O(n K d) operations, with or without missing cells.
    """

    locations: Array
    scales: Array
    dof: Array

    @property
    def shape(self) -> tuple[int, int]:
        n, d = self.locations.shape
        return n, d

    @property
    def n_features(self) -> int:
        return self.locations.size

    def view(self, *, complete: bool) -> DensityView:
        return AxisStudentView(self)

    def conditional_mean(self, X: NDArray[Any], weights: Array) -> Array:
        return weights.T @ self.locations

    def conditional_draw(
        self, X: NDArray[Any], labels: NDArray[np.intp], rng: np.random.Generator
    ) -> Array:
        noise = rng.standard_t(self.dof[labels])
        return self.locations[labels] + noise * self.scales[labels]


class AxisStudentView(DensityView):
    """Columns with t laws; a missing cell adds nothing."""

    def __init__(self, model: AxisStudent) -> None:
        self._model = model
        self._constant = (
            log_constant(model.dof, 1) - 0.5 * LOG_2_PI - np.log(model.scales)
        )

    def evaluate(self, X: NDArray[Any], allocate: Allocate, out: Array) -> None:
        model = self._model
        out[:] = 0.0
        for j, cells in enumerate(X.T.astype(np.float64)):
            scaled = (cells - model.locations[:, j, None]) / model.scales[:, j, None]
            dof = model.dof[:, j, None]
            term = -(dof + 1) / 2 * np.log1p(scaled**2 / dof)
            out += np.nan_to_num(term + self._constant[:, j, None])


def log_constant(dof: Array, d: Any) -> Array:
    """Log-density of a t law at its centre, relative to a Gaussian's."""
    ratio = gammaln((dof + d) / 2) - gammaln(dof / 2)
    return np.asarray(ratio - 0.5 * d * np.log(dof / 2))
