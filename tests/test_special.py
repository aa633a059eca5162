"""Special functions against many digits, and the search for a peak."""

import mpmath
import numpy as np
import pytest

from sklgen import _special as special
from sklgen.families import VonMises


@pytest.mark.parametrize(
    "z", [1e-3, 0.7, 5.0, 15.999, 16.001, 25.0, 299.99, 300.01, 1e5, 1e8]
)
def test_special_functions_do_not_cancel(z):
    at, x = np.array([z]), mpmath.mpf(z)
    with mpmath.workdps(60):
        log_gamma = (x - 0.5) * mpmath.log(x) - x + mpmath.log(2 * mpmath.pi) / 2
        expected = {
            special.stirling_remainder: mpmath.loggamma(x) - log_gamma,
            special.digamma_excess: mpmath.digamma(x) - mpmath.log(x),
            special.digamma_excess_slope: mpmath.polygamma(1, x) - 1 / x,
            special.resultant_gap: 1 - mpmath.besseli(1, x) / mpmath.besseli(0, x),
            special.log_bessel: mpmath.log(mpmath.besseli(0, x)) - x,
        }
        found = {
            name: float(name(at)[0] / value - 1) for name, value in expected.items()
        }
    for name, error in found.items():
        assert abs(error) < 2e-12, name


def test_climb_finds_roots_and_bounds():
    """Scores that Newton's method alone would leave, or that have no root between."""
    root = np.array([1e-7, 1e-3, 0.5, 40.0, 1e6, 1e12])

    def score(x):
        return root / (root + x) - 0.5, -root / (root + x) ** 2

    found = special.climb(score, np.full(6, 3.0), 1e-4, 1e8)
    np.testing.assert_allclose(found, np.clip(root, 1e-4, 1e8), rtol=1e-12)


@pytest.mark.parametrize("size", [1.0, 10.0, 1e6, 1e12])
def test_cosines_and_sines_are_exact(size):
    """Also where the angle is a multiple of an eighth of a turn, or too large."""
    eighths = np.arange(-40, 41) * np.pi / 4
    random = np.random.default_rng(0).uniform(-size, size, 4000)
    angles = np.concatenate([eighths, random, [0.0, size, -size]])[None]
    found = np.empty((2, *angles.shape))
    VonMises.sufficient(angles, found)
    np.testing.assert_allclose(found[0], np.cos(angles), rtol=0, atol=3e-16)
    np.testing.assert_allclose(found[1], np.sin(angles), rtol=0, atol=3e-16)
