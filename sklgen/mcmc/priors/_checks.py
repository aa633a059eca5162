"""Checks of what laws are given."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklgen._typing import Array

FINITE = "finite"
POSITIVE = "positive and finite"


def check_shape(name: str, shape: Any) -> None:
    """Refuse what is no shape of an array.

    Parameters
    ----------
    name : str
        Name of the argument.
    shape : object
        What was given.
    """
    if isinstance(shape, Integral):
        raise ValueError(
            f"{name} must be a tuple of ints, got {shape}; write ({shape},)."
        )
    if not isinstance(shape, tuple) or not all(
        isinstance(length, Integral) and int(length) >= 0 for length in shape
    ):
        raise ValueError(f"{name} must be a tuple of ints from 0 on, got {shape!r}.")


def check_count(name: str, count: Any, least: int = 1) -> None:
    """Refuse what is no int, or too small.

    Parameters
    ----------
    name : str
        Name of the argument.
    count : object
        What was given.
    least : int, default=1
        Smallest value that is allowed.
    """
    if not isinstance(count, Integral) or int(count) < least:
        raise ValueError(f"{name} must be an int of at least {least}, got {count!r}.")


def as_numbers(name: str, given: ArrayLike, kind: str) -> Array:
    """Numbers as an array of their own.

    Parameters
    ----------
    name : str
        Name of the argument.
    given : array-like
        What was given.
    kind : {FINITE, POSITIVE}
        What they must be.

    Returns
    -------
    numbers : ndarray
        A copy.
    """
    try:
        numbers = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a number or an array of numbers, got {given!r}."
        ) from None
    if not np.isfinite(numbers).all() or (kind == POSITIVE and (numbers <= 0.0).any()):
        raise ValueError(f"{name} must be {kind}, got {given!r}.")
    return numbers


def as_parameter(
    name: str, given: ArrayLike, kind: str, shape: tuple[int, ...]
) -> Array:
    """Numbers that broadcast to the shape of a law.

    Parameters
    ----------
    name : str
        Name of the argument.
    given : array-like
        What was given.
    kind : {FINITE, POSITIVE}
        What they must be.
    shape : tuple of int
        Shape of the law.

    Returns
    -------
    numbers : ndarray
        A copy, not yet broadcast.
    """
    numbers = as_numbers(name, given, kind)
    try:
        np.broadcast_to(numbers, shape)
    except ValueError:
        raise ValueError(
            f"{name} must broadcast to shape={shape}, got the shape {numbers.shape}; "
            f"give one number, or a larger shape."
        ) from None
    return numbers


def as_covariance(name: str, given: ArrayLike) -> tuple[Array, Array]:
    """A symmetric and positive definite matrix.

    Parameters
    ----------
    name : str
        Name of the argument.
    given : array-like
        What was given.

    Returns
    -------
    matrix : ndarray of shape (n, n)
        A copy.
    factor : ndarray of shape (n, n)
        Its lower triangular Cholesky factor.
    """
    matrix = as_numbers(name, given, FINITE)
    n = len(matrix) if matrix.ndim else 0
    if not n or matrix.shape != (n, n):
        raise ValueError(f"{name} must have a shape (n, n), got {matrix.shape}.")
    try:
        factor = np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        factor = None
    if factor is None or not np.allclose(matrix, matrix.T, rtol=1e-8, atol=0.0):
        raise ValueError(
            f"{name} must be symmetric and positive definite, got {given!r}; where "
            f"it is so up to rounding, add a little to its diagonal."
        )
    return matrix, factor
