"""Means of numbers whose normal scores have a known law."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from sklgen.compose._quantile_map import QuantileMap
from sklgen.mixture._mapped_means import MappedMeans

KNOTS = np.linspace(-3.0, 3.0, 13)


@pytest.mark.parametrize("low", [-np.inf, 0.0])
def test_a_mean_is_the_integral_of_the_inverse(low):
    quantile_map = QuantileMap(np.exp(KNOTS), KNOTS, low, np.inf)
    mean, variance = np.array([[-1.0, 0.3, 2.0]]), np.array([[0.5, 0.01, 0.2]])
    found = MappedMeans(quantile_map)(mean, variance, np.ones((1, 3)))
    for at, (m, v) in enumerate(zip(mean[0], variance[0], strict=True)):
        s = np.sqrt(v)
        wanted = quad(
            lambda z, m=m, s=s: (
                norm.pdf(z, m, s) * float(quantile_map.inverse(np.array([z]))[0])
            ),
            m - 8 * s,
            m + 8 * s,
            limit=400,
        )[0]
        np.testing.assert_allclose(found[0, at], wanted, rtol=1e-3)


def test_means_of_a_line_are_exact_far_beyond_its_knots():
    line = MappedMeans(QuantileMap(2.0 * KNOTS + 1.0, KNOTS))
    means = np.array([[-40.0, 0.0, 25.0]])
    found = line(means, np.full((1, 3), 9.0), np.ones((1, 3)))
    np.testing.assert_allclose(found, 2.0 * means + 1.0, rtol=1e-10)


def test_no_mean_is_beyond_a_bound():
    bounded = MappedMeans(QuantileMap(np.exp(KNOTS), KNOTS, 0.0, 25.0))
    means = np.array([[-50.0, 50.0]])
    found = bounded(means, np.full((1, 2), 0.01), np.ones((1, 2)))
    np.testing.assert_allclose(found, [[0.0, 25.0]], atol=1e-9)


def test_laws_of_no_share_are_left_out():
    line = MappedMeans(QuantileMap(2.0 * KNOTS + 1.0, KNOTS))
    share = np.array([[1.0, 0.0]])
    found = line(np.ones((1, 2)), np.ones((1, 2)), share)
    np.testing.assert_allclose(found, [[3.0, 0.0]], rtol=1e-12)
