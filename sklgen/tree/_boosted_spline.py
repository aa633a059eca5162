"""Densities within bins: between bins of given mass, splines without jumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklgen._typing import Array

# Shares of a bin narrower than this are points: a difference would lose digits.
_NARROW = 1e-4
# Densities at ends, over the mean density, are not less: logarithms stay finite.
_LEAST = 1e-300


@dataclass(frozen=True)
class BinSplines:
    """Distribution functions within bins, relative to a uniform law.

    A monotone rational-quadratic spline from 0 to 1, as in `QuantileMap`.

    Parameters
    ----------
    start, end : ndarray of shape (n,)
        Densities at both ends of the bin, over the mean density.
    """

    start: Array
    end: Array

    @classmethod
    def between(cls, widths: Array, log_masses: Array) -> BinSplines:
        """Splines of the middle ones of three bins (n, 3) beside each other.

        At an end without a neighbour, whose width is 0, the density goes on level.
        """
        with np.errstate(divide="ignore", over="ignore"):
            densities = np.exp(log_masses - log_masses[:, 1:2]) / widths
            middle = 1.0 / widths[:, 1]
        ends = []
        for at in (0, 2):
            own, other = widths[:, 1], widths[:, at]
            # Weighted harmonic means, which leave every spline monotone.
            near, far = own + 2 * other, other + 2 * own
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                mean = (near + far) / (near + far * (middle / densities[:, at]))
            ends.append(np.where(other > 0, np.maximum(mean, _LEAST), 1.0))
        return cls(*ends)

    @property
    def _bend(self) -> Array:
        return self.start + self.end - 2.0

    def log_density(self, low: Array, high: Array) -> Array:
        """Log of the mean density between shares of the bin, or at a point."""
        width = high - low
        wide = width > _NARROW
        t = low + width / 2
        u = 1.0 - t
        steep = self.end * t * t + 2.0 * t * u + self.start * u * u
        density = steep / (1.0 + self._bend * t * u) ** 2
        rise = self._below(high) - self._below(low)
        return np.log(np.where(wide, rise / np.where(wide, width, 1.0), density))

    def _below(self, t: Array) -> Array:
        u = 1.0 - t
        return (t * t + self.start * t * u) / (1.0 + self._bend * t * u)

    def inverse(self, mass: Array) -> Array:
        """Shares of the bin below which there is a share of its probability."""
        bend = self._bend
        a = (1.0 - self.start) + mass * bend
        b = self.start - mass * bend
        root = np.sqrt(np.maximum(b * b + 4.0 * a * mass, 0.0))
        below = np.where(mass > 0, b + root, 1.0)
        return np.asarray(np.clip(2.0 * mass / below, 0.0, 1.0))
