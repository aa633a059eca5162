"""Assertions whose messages name the model, what was compared, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# Five standard errors: about one false alarm in two million for a correct model,
# and seeds are fixed, so that a check that passes once always passes.
N_ERRORS = 5.0


def assert_same(
    name: str, what: str, first: Any, second: Any, *, atol: float = 0.0
) -> None:
    """Assert that two arrays agree, naming the largest difference."""
    first, second = np.asarray(first), np.asarray(second)
    assert first.shape == second.shape, (
        f"{name}: {what}: shapes {first.shape} and {second.shape} differ"
    )
    gap = float(np.max(np.abs(first - second), initial=0.0))
    assert gap <= atol, (
        f"{name}: {what}: the largest difference is {gap:.3g}, allowed is {atol:.3g}"
    )


def assert_mean(name: str, what: str, values: np.ndarray, expected: float) -> None:
    """Assert that the mean of independent values is as expected, within its error."""
    mean = float(np.mean(values))
    error = float(np.std(values) / np.sqrt(len(values)))
    assert abs(mean - expected) <= N_ERRORS * error + 1e-6, (
        f"{name}: {what}: mean {mean:.4f} with standard error {error:.4f}, "
        f"expected {expected:.4f}"
    )


def assert_raises(
    name: str,
    what: str,
    call: Callable[[], Any],
    errors: type[Exception] | tuple[type[Exception], ...],
    word: str,
) -> None:
    """Assert that a call is an error whose message has a word in it."""
    message = None
    try:
        call()
    except errors as error:
        message = str(error)
    assert message is not None, f"{name}: {what} must be an error"
    assert word in message, f"{name}: the error of {what} must say {word!r}: {message}"


def assert_ratios(
    name: str, what: str, draws: np.ndarray, log_density: np.ndarray, laws: list[Any]
) -> None:
    """Assert that q(x) / p(x) has mean 1 over draws from p, for each law q."""
    impossible = float(np.mean(np.isneginf(log_density)))
    assert impossible == 0, (
        f"{name}: {what}: a share of {impossible:.4f} of the draws has density 0"
    )
    for law in laws:
        ratio = np.exp(law.log_density(draws) - log_density)
        at = np.round(law.centre, 2).tolist()
        assert_mean(name, f"{what}: q / p around {at}", ratio, 1.0)


def assert_integral(name: str, what: str, integral: float) -> None:
    """Assert that a numerical integral of a density is 1."""
    assert abs(integral - 1) <= 2e-3, (
        f"{name}: {what} integrates to {integral:.4f}, not to 1"
    )
