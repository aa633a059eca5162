"""Densities and draws that several laws share."""

from __future__ import annotations

import numpy as np
from scipy.special import betaln

from sklgen._special import HALF_LOG_2_PI
from sklgen._typing import Array

LOG_2 = float(np.log(2.0))
SMALLEST = float(np.finfo(np.float64).tiny)


def normal_coefficient(scale: Array) -> tuple[Array, Array]:
    """What `normal_kernel` needs, and the constant that it leaves out.

    Parameters
    ----------
    scale : ndarray
        Standard deviations.

    Returns
    -------
    minus_precision : ndarray
        -1 / scale**2.
    log_constant : ndarray
        Log-density at the mean.
    """
    return -(scale**-2.0), -np.log(scale) - HALF_LOG_2_PI


def normal_kernel(error: Array, minus_precision: float | Array) -> tuple[Array, Array]:
    """Log-densities of a normal law about its mean, up to a constant.

    Parameters
    ----------
    error : ndarray
        Deviations.
    minus_precision : float or ndarray
        What `normal_coefficient` gave.

    Returns
    -------
    value : ndarray
        Log-densities.
    gradient : ndarray
        Their derivatives.
    """
    gradient = error * minus_precision
    return 0.5 * error * gradient, gradient


def student_coefficients(
    df: Array, scale: Array
) -> tuple[tuple[Array, Array, Array], Array]:
    """What `student_kernel` needs, and the constant that it leaves out.

    Parameters
    ----------
    df : ndarray
        Degrees of freedom.
    scale : ndarray
        Scales.

    Returns
    -------
    coefficients : tuple of ndarray
        Factors of squares, of log-densities and of derivatives.
    log_constant : ndarray
        Log-density at the centre.
    """
    per_square = 1.0 / df / scale**2
    power = -0.5 * (df + 1.0)
    log_constant = -betaln(0.5 * df, 0.5) - 0.5 * np.log(df) - np.log(scale)
    return (per_square, power, 2.0 * power * per_square), log_constant


def student_kernel(
    error: Array,
    per_square: float | Array,
    power: float | Array,
    slope: float | Array,
) -> tuple[Array, Array]:
    """Log-densities of a Student law about its centre, up to a constant.

    Parameters
    ----------
    error : ndarray
        Deviations.
    per_square, power, slope : float or ndarray
        What `student_coefficients` gave.

    Returns
    -------
    value : ndarray
        Log-densities.
    gradient : ndarray
        Their derivatives.
    """
    ratio = error * error * per_square
    return power * np.log1p(ratio), slope * error / (1.0 + ratio)


def draw_log_gamma(a: Array, size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Logarithms of gamma numbers, which for a small shape would underflow themselves.

    Parameters
    ----------
    a : ndarray
        Shapes of the laws.
    size : tuple of int
        Shape of the draws.
    rng : Generator
        Source of randomness.

    Returns
    -------
    logs : ndarray of shape size
        Draws.
    """
    larger = np.log(rng.standard_gamma(a + 1.0, size))
    return np.asarray(larger - rng.standard_exponential(size) / a)
