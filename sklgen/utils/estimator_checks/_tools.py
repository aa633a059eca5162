"""What every check needs: the registry, data, fitted models, random patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import numpy as np
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

Check = Callable[[str, Any], None]

REGISTRY: list[tuple[Check, tuple[str, ...]]] = []

# Five standard errors: about one false alarm in two million for a correct model,
# and seeds are fixed, so that a check that passes once always passes.
N_ERRORS = 5.0


def contract_check(*needs: str) -> Callable[[Check], Check]:
    """Register a check for the estimators that have all the attributes it needs."""

    def register(check: Check) -> Check:
        REGISTRY.append((check, needs))
        return check

    return register


def training_rows(n_rows: int = 150, seed: int = 0) -> np.ndarray:
    """Make two columns in three clusters, with standard deviations far from one."""
    rng = np.random.default_rng(seed)
    label = rng.choice(3, size=n_rows, p=[0.4, 0.35, 0.25])
    means = np.array([[0.0, 0.0], [18.0, 6.0], [6.0, 28.0]])
    roots = np.array(
        [[[2.0, 0.0], [1.0, 3.0]], [[3.0, 0.0], [-1.0, 2.0]], [[1.5, 0.0], [0.5, 4.0]]]
    )
    noise = rng.normal(size=(n_rows, 2))
    X: np.ndarray = means[label] + np.einsum("nij,nj->ni", roots[label], noise)
    return X


def with_missing(X: np.ndarray, seed: int = 0) -> np.ndarray:
    """Copy X with one cell missing in a third of its rows."""
    rng = np.random.default_rng(seed)
    X = X.copy()
    rows = rng.choice(len(X), size=len(X) // 3, replace=False)
    X[rows, rng.integers(X.shape[1], size=len(rows))] = np.nan
    return X


def fitted(
    estimator: Any, X: Any = None, sample_weight: Any = None, **params: Any
) -> Any:
    """Fit a clone with a fixed seed, by default on `training_rows()`."""
    model = clone(estimator).set_params(**params)
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=0)
    X = training_rows() if X is None else X
    if sample_weight is None:
        return model.fit(X)
    return model.fit(X, sample_weight=sample_weight)


def takes_weights(estimator: Any) -> None:
    """Skip the check for an estimator whose `fit` takes no weights."""
    if not has_fit_parameter(estimator, "sample_weight"):
        raise SkipTest("fit takes no sample_weight")


def has_array_parameter(estimator: Any) -> bool:
    """Whether a parameter is an array, a list or a table, fixing units and columns."""
    return any(
        isinstance(value, (list, tuple)) or getattr(value, "shape", ()) != ()
        for value in estimator.get_params().values()
    )


def frame_makers() -> dict[str, Callable[[dict[str, np.ndarray]], Any]]:
    """DataFrame constructors of the installed libraries."""
    makers: dict[str, Callable[[dict[str, np.ndarray]], Any]] = {}
    for library in ("pandas", "polars"):
        try:
            makers[library] = __import__(library).DataFrame
        except ImportError:
            continue
    if not makers:
        raise SkipTest("neither pandas nor polars is installed")
    return makers


def outputs(model: Any, X: Any) -> dict[str, np.ndarray]:
    """Compute everything a fitted model says about rows and its own draws."""
    result = {"sample": np.asarray(model.sample(20, random_state=0))}
    for method in ("score_samples", "predict", "predict_proba"):
        if hasattr(model, method):
            result[method] = np.asarray(getattr(model, method)(X))
    return result


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


def assert_integral(name: str, what: str, integral: float) -> None:
    """Assert that a numerical integral of a density is 1."""
    assert abs(integral - 1) <= 2e-3, (
        f"{name}: {what} integrates to {integral:.4f}, not to 1"
    )


def patches(draws: np.ndarray, n_patches: int = 3) -> list[Any]:
    """Narrow Gaussians that lie where the draws of a model are dense and far apart.

    Each has half the covariance of the draws around its centre, so that the ratio of
    its density to the model's has a small variance under the model.
    """
    white = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    squared = np.sum((white[:, None] - white[None]) ** 2, axis=-1)
    n_near = len(draws) // 10
    order = np.argsort(squared, axis=1)[:, :n_near]
    radius = squared[np.arange(len(draws)), order[:, -1]]
    dense = radius <= np.median(radius)
    centres = [int(np.argmin(radius))]
    while len(centres) < n_patches:
        nearest = np.min(squared[centres], axis=0)
        centres.append(int(np.argmax(np.where(dense, nearest, -1.0))))
    return [
        multivariate_normal(
            draws[centre], 0.5 * np.cov(draws[order[centre]], rowvar=False)
        )
        for centre in centres
    ]


def assert_ratios(
    name: str, what: str, draws: np.ndarray, log_density: np.ndarray, qs: list[Any]
) -> None:
    """Assert that q(x) / p(x) has mean 1 over draws from p, for each density q."""
    for q in qs:
        ratio = np.exp(q.logpdf(draws) - log_density)
        at = np.round(np.atleast_1d(q.mean), 2).tolist()
        assert_mean(name, f"{what}: q / p around {at}", ratio, 1.0)
