"""Coordinates in which linear models with normal errors have simple posteriors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from sklgen._typing import Array
from sklgen.mcmc._transforms import Coordinates, bounded_exp
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._lines import normal_laws
from sklgen.mcmc.priors import Prior


@final
class Whitened(Coordinates):
    """Lines that are standard normal, given rows and the scale of errors.

    Columns in units of the priors have the singular values s, and targets the
    projections r on what they span: a line has, given the scale of errors, independent
    coordinates of mean s r / (s^2 + sigma^2) and variance sigma^2 / (s^2 + sigma^2).
    Scales far below the priors', where lines are all but determined, are no harder to
    come to than others. A vector has a number for each column, and then the logarithm
    of the scale above its least value.

    Parameters
    ----------
    design : Design
        Rows.
    priors : mapping of str to Prior
        Laws of the parameters.
    y : ndarray of shape (n,)
        Targets.
    weight : ndarray of shape (n,)
        Weight of each row.
    """

    def __init__(
        self, design: Design, priors: Mapping[str, Prior], y: Array, weight: Array
    ) -> None:
        location, precision = normal_laws(priors)
        self._design, self._location = design, location * design.units
        self._spread = design.units / np.sqrt(precision)
        root = np.sqrt(weight)
        columns = (design.columns * root).T * self._spread
        target = (y - self._location @ design.columns) * root
        basis, singular, self._axes = np.linalg.svd(columns, full_matrices=False)
        self.squares = singular**2
        projections = basis.T @ target
        off = target - basis @ projections
        self.projections, self.rest = projections**2, float(off @ off)
        self._pull = singular * projections
        # Axes that no row tells of keep their prior.
        self._others = np.linalg.svd(self._axes)[2][len(singular) :]
        sigma: Any = priors["sigma"]
        self._lower = float(sigma.lower)
        self.size = len(self._spread) + 1

    def to_constrained(self, u: ArrayLike) -> tuple[dict[str, Array], Array]:
        """Parameters and log-Jacobians, up to a constant, at vectors (..., size)."""
        given = np.asarray(u, dtype=np.float64)
        above = bounded_exp(given[..., -1])
        sigma = self._lower + above
        variance = sigma[..., None] ** 2 + self.squares
        shrink = sigma[..., None] / np.sqrt(variance)
        k = len(self.squares)
        line = (self._pull / variance + given[..., :k] * shrink) @ self._axes
        line = line + given[..., k:-1] @ self._others
        x = self._design.of_lines(self._location + line * self._spread)
        return x | {"sigma": sigma}, np.log(shrink).sum(axis=-1) + given[..., -1]

    def pull_back(self, gradient: Mapping[str, ArrayLike], u: ArrayLike) -> Array:
        """Gradient by u of what has gradients by the parameters."""
        given = np.asarray(u, dtype=np.float64)
        above = bounded_exp(given[..., -1])
        sigma = (self._lower + above)[..., None]
        variance = sigma**2 + self.squares
        root, k = np.sqrt(variance), len(self.squares)
        by_line = self._design.by_lines(gradient) * self._spread
        along = by_line @ self._axes.T
        out = np.empty(given.shape)
        out[..., :k] = along * sigma / root
        out[..., k:-1] = by_line @ self._others.T
        per_sigma = self.squares / variance
        bend = (
            given[..., :k] * per_sigma / root - 2.0 * sigma * self._pull / variance**2
        )
        slope = (along * bend + per_sigma / sigma).sum(axis=-1)
        out[..., -1] = (np.asarray(gradient["sigma"]) + slope) * above + 1.0
        return out
