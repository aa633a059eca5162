"""Von Mises components: independent columns of angles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sklgen._special import climb, log_bessel, resultant_gap
from sklgen._typing import Array
from sklgen.families._gaussian import LOG_2_PI
from sklgen.families._linear_columns import LinearColumns

_LOWEST, _HIGHEST = 1e-10, 1e8
# Larger angles need more digits of pi than `cosines_and_sines` has.
_MANY_TURNS = 1e6
_QUARTER_HIGH = 1.57079632673412561417e00
_QUARTER_LOW = 6.07710050650619224932e-11
# Adding 1.5 * 2**52 rounds a double to an integer.
_ROUND = 6755399441055744.0


@dataclass(frozen=True)
class VonMises(LinearColumns):
    """Components with independent columns of angles, in radians.

    The density is one over a turn: angles that differ by full turns have the same.
    Draws and mean directions lie from -pi to pi.

    Parameters
    ----------
    directions : ndarray of shape (K, d)
        Mean direction, in radians.
    concentrations : ndarray of shape (K, d)
        Concentration, from 1e-10, which is uniform, to 1e8, a deviation of 1e-4.
    prior : ColumnStatistics
        Pseudo-observations: their number, and the sums of their cosines and sines.

    References
    ----------
    Mardia, K. V. and Jupp, P. E. (2000). Directional Statistics. Wiley.
    """

    directions: Array
    concentrations: Array

    support: ClassVar[str] = "finite angles in radians."
    n_statistics: ClassVar[int] = 2
    origin: ClassVar[tuple[float, ...]] = (0.0, 1.0)

    @staticmethod
    def supports(cells: Array) -> NDArray[np.bool_]:
        return np.isfinite(cells)

    @staticmethod
    def sufficient(cells: Array, out: Array) -> float:
        if np.abs(cells).max(initial=0.0) <= _MANY_TURNS:
            cosines_and_sines(cells, out[0], out[1])
        else:
            np.cos(cells, out=out[0])
            np.sin(cells, out=out[1])
        return 0.0

    @property
    def _vectors(self) -> Array:
        """Unit vectors (2, K, d) of the mean directions."""
        return np.stack([np.cos(self.directions), np.sin(self.directions)])

    @property
    def natural(self) -> Array:
        return np.asarray(self.concentrations * self._vectors)

    @property
    def log_normalizer(self) -> Array:
        return LOG_2_PI + self.concentrations + log_bessel(self.concentrations)

    @staticmethod
    def estimate(mean: Array) -> tuple[Array, ...]:
        length = np.minimum(np.hypot(*mean), 1.0)

        def score(concentration: Array) -> tuple[Array, Array]:
            gap = resultant_gap(concentration)
            slope = gap * (2.0 - gap) - (1.0 - gap) / concentration
            return gap - (1.0 - length), -np.maximum(slope, 0.0)

        narrow = np.maximum(1.0 - length, 0.5 / _HIGHEST)
        start = length * (2.0 - length**2) / (narrow * (1.0 + length))
        found = climb(score, np.maximum(start, _LOWEST), _LOWEST, _HIGHEST)
        return np.arctan2(mean[1], mean[0]), found

    @property
    def moments(self) -> Array:
        return (1.0 - resultant_gap(self.concentrations)) * self._vectors

    @staticmethod
    def location(moments: Array) -> Array:
        return np.asarray(np.arctan2(moments[1], moments[0]))

    def draw(self, labels: NDArray[np.intp], rng: np.random.Generator) -> Array:
        return rng.vonmises(self.directions[labels], self.concentrations[labels])

    def pack(self) -> Array:
        return (np.log1p(self.concentrations) * self._vectors).ravel()

    def unpack(self, vector: Array) -> Self:
        x, y = vector.reshape(2, *self.shape)
        size = np.minimum(np.hypot(x, y), np.log1p(_HIGHEST))
        concentrations = np.clip(np.expm1(size), _LOWEST, _HIGHEST)
        return replace(self, directions=np.arctan2(y, x), concentrations=concentrations)


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
def cosines_and_sines(angles: Array, cosines: Array, sines: Array) -> None:
    """Write both for `angles` (d, n) of at most a million.

    They are written out (quarter turns taken off, Taylor's polynomials up to an eighth
    of a turn, exact to 2e-16) because loops of this form compile to vector instructions
    and calls to libm do not.
    """
    for j in range(len(angles)):
        for i in range(angles.shape[1]):
            x = angles[j, i]
            n = (x / 1.5707963267948966 + _ROUND) - _ROUND
            r = (x - n * _QUARTER_HIGH) - n * _QUARTER_LOW
            z = r * r
            s = -1.0 / 1307674368000.0
            s = s * z + 1.0 / 6227020800.0
            s = s * z - 1.0 / 39916800.0
            s = s * z + 1.0 / 362880.0
            s = s * z - 1.0 / 5040.0
            s = s * z + 1.0 / 120.0
            s = s * z - 1.0 / 6.0
            s = r + r * z * s
            c = 1.0 / 20922789888000.0
            c = c * z - 1.0 / 87178291200.0
            c = c * z + 1.0 / 479001600.0
            c = c * z - 1.0 / 3628800.0
            c = c * z + 1.0 / 40320.0
            c = c * z - 1.0 / 720.0
            c = c * z + 1.0 / 24.0
            c = 1.0 - z * (0.5 - z * c)
            # 0, 1/4, 1/2 or 3/4 of a turn were taken off.
            turns = 0.25 * n
            part = turns - (((turns - 0.375) + _ROUND) - _ROUND)
            odd = part == 0.25 or part == 0.75
            cosine, sine = (s, c) if odd else (c, s)
            cosines[j, i] = -cosine if part == 0.25 or part == 0.5 else cosine
            sines[j, i] = -sine if part >= 0.5 else sine


# Calls kernels of other modules, as of 5b4483990772.
