"""Rows in standard units, and the linear predictors of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklgen._typing import Array
from sklgen.mcmc._model import Params
from sklgen.mcmc.models._row_kernels import add_effects

# Chains that leap too far may ask for effects of any size.
_LARGEST_SPREAD = 1e100


@dataclass(frozen=True, eq=False)
class Design:
    """Columns in standard units, and groups, of n rows.

    Attributes
    ----------
    columns : ndarray of shape (q, n)
        A row of ones first if there is an intercept, then the columns.
    units : ndarray of shape (q,)
        Coefficients of columns in standard units over those in the units of the user.
    has_intercept : bool
        Whether the first of the columns is that of ones.
    stack : tuple of int
        () for one predictor a row, (K,) for K of them.
    codes : ndarray of shape (n,) or None
        Group of each row.
    n_effects : int
        Number r of effects of a group: one is added as it is, the others times the last
        columns. None without groups.
    """

    columns: Array
    units: Array
    has_intercept: bool
    stack: tuple[int, ...]
    codes: NDArray[np.int64] | None
    n_effects: int

    @property
    def first(self) -> int:
        """Where columns begin that have coefficients."""
        return int(self.has_intercept)

    @property
    def sloped(self) -> slice:
        """Columns with coefficients that vary by group."""
        return slice(len(self.units) + 1 - self.n_effects, None)

    def by_group(self, rows: Array, n_groups: int) -> Array:
        """Sums (n_groups,) over the rows of groups."""
        if self.codes is None:
            raise ValueError("There are no groups.")
        return np.bincount(self.codes, rows, minlength=n_groups).astype(np.float64)

    @cached_property
    def effect_units(self) -> Array:
        """Effects (r,) in standard units over those in the units of the user."""
        return np.append(1.0, self.units[self.sloped])

    def lines(self, params: Params) -> Array:
        """Coefficients of columns in standard units.

        Parameters
        ----------
        params : mapping of str to ndarray
            "intercept" (..., *stack) and "coef" (..., *stack, p), if there are any.

        Returns
        -------
        lines : ndarray of shape (..., *stack, q)
            One for each of the columns.
        """
        q = len(self.units)
        if not self.has_intercept:
            return np.asarray(params["coef"] * self.units)
        intercept = np.asarray(params["intercept"])
        lines = np.empty((*intercept.shape, q))
        lines[..., 0] = intercept
        if q > 1:
            np.multiply(params["coef"], self.units[1:], out=lines[..., 1:])
        return lines

    def split(self, slopes: Array) -> dict[str, Array]:
        """Derivatives by parameters.

        Parameters
        ----------
        slopes : ndarray of shape (..., *stack, q)
            Derivatives by what `lines` gives.

        Returns
        -------
        found : dict of str to ndarray
            By "intercept" and "coef", if there are any.
        """
        found = {}
        if self.has_intercept:
            found["intercept"] = slopes[..., 0]
        if self.first < len(self.units):
            found["coef"] = slopes[..., self.first :] * self.units[self.first :]
        return found

    def of_lines(self, lines: Array) -> dict[str, Array]:
        """Parameters, given coefficients of columns in standard units.

        Parameters
        ----------
        lines : ndarray of shape (..., *stack, q)
            As `lines` gives them.

        Returns
        -------
        params : dict of str to ndarray
            "intercept" and "coef", if there are any.
        """
        params = {}
        if self.has_intercept:
            params["intercept"] = lines[..., 0]
        if self.first < len(self.units):
            params["coef"] = lines[..., self.first :] / self.units[self.first :]
        return params

    def by_lines(self, gradient: Mapping[str, ArrayLike]) -> Array:
        """Derivatives by coefficients in standard units, given those by parameters.

        Parameters
        ----------
        gradient : mapping of str to array-like
            By "intercept" and "coef", if there are any.

        Returns
        -------
        slopes : ndarray of shape (..., *stack, q)
            What `split` undoes.
        """
        parts = []
        if self.has_intercept:
            parts.append(np.asarray(gradient["intercept"])[..., None])
        if self.first < len(self.units):
            parts.append(np.asarray(gradient["coef"]) / self.units[self.first :])
        return np.concatenate(parts, axis=-1)

    def spreads(self, params: Params) -> Array:
        """Standard deviations of effects in standard units.

        Parameters
        ----------
        params : mapping of str to ndarray
            "group_sd" (..., r).

        Returns
        -------
        spreads : ndarray of shape (..., *ones, 1, r)
            To multiply "group_effect" (..., *stack, G, r) by.
        """
        spread = np.minimum(params["group_sd"], _LARGEST_SPREAD) * self.effect_units
        *lead, r = spread.shape
        return np.asarray(spread).reshape(*lead, *(1 for _ in self.stack), 1, r)

    def predictor(self, params: Params) -> Array:
        """Linear predictors of all rows.

        Parameters
        ----------
        params : mapping of str to ndarray
            Parameters.

        Returns
        -------
        eta : ndarray of shape (..., *stack, n)
            In the units of the link.
        """
        lines = self.lines(params)
        eta = lines.reshape(-1, lines.shape[-1]) @ self.columns
        if self.codes is not None:
            effects = params["group_effect"] * self.spreads(params)
            effects = effects.reshape(len(eta), -1, self.n_effects)
            add_effects(eta, effects, self.codes, self.columns[self.sloped])
        return np.asarray(eta.reshape(*lines.shape[:-1], -1))
