"""What a transformer does to volume: log-Jacobians, looked up by type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklgen._typing import Array

Mask = NDArray[np.bool_]
LogDerivatives = Callable[..., Any]
Image = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True)
class Rule:
    """What is known of one transformer.

    Attributes
    ----------
    log_det : callable or None
        Log-derivatives of rows, one a cell or one a row; None without density.
    columnwise : bool
        Whether each output column is a function of one input column, and a missing
        cell stays missing.
    affine : bool
        Whether columns are only shifted and scaled.
    image : callable or None
        Ends of the interval that each output column lies in; None for all numbers.
    obstacle : str
        Why there is no density, if there is none; it goes on from "step 'name' (Type)".
    """

    log_det: Callable[[Any], Any] | None = None
    columnwise: bool = False
    affine: bool = False
    image: Callable[[], tuple[Any, Any]] | None = None
    obstacle: str = ""


@singledispatch
def rule_of(transformer: Any) -> Rule:
    """The rule for a transformer, fitted or not."""
    name = type(transformer).__name__
    return Rule(
        obstacle="has no log-Jacobian, so that rows have no density in their own "
        f"units: register one for {name} with sklgen.compose.register_jacobian, or use "
        "a transformer that has one"
    )


def register_jacobian(
    target: Any, *, columnwise: bool = False, image: Image | None = None
) -> Callable[[LogDerivatives], LogDerivatives]:
    """Tell pipelines how a transformer changes volumes, as a decorator.

    Parameters
    ----------
    target : type or callable
        Class of transformers, or a function that `FunctionTransformer` applies to each
        number. Classes inherit what is registered for their bases.
    columnwise : bool, default=False
        Whether each output column depends on one input column, and a missing cell
        stays missing. Then rows with missing cells have densities, and can be
        completed. A function acts on each number, whatever is given here.
    image : callable, default=None
        Where outputs do not reach all numbers: takes the fitted transformer (for a
        function, nothing) and returns the lower and the upper end of each output
        column. Rows beyond have no original: they are not drawn.

    Returns
    -------
    decorator : callable
        Registers a function and returns it. The function takes the fitted transformer
        and rows as an array, and returns the log of the absolute determinant of the
        transformer's derivative: one number a row or, from transformers that act column
        by column, one a cell. For a target that is a function, it takes the rows alone
        and returns log-derivatives, one a cell. It may give -inf or NaN where the
        transformer is not defined: such rows have density 0.

    See Also
    --------
    log_abs_det_jacobian : Evaluates what was registered.

    Notes
    -----
    A pipeline takes what its steps need of the registry along when it is pickled, so
    that it works in the processes of a grid search with `n_jobs`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, TransformerMixin
    >>> from sklgen.compose import log_abs_det_jacobian, register_jacobian
    >>> class Double(TransformerMixin, BaseEstimator):
    ...     def fit(self, X, y=None):
    ...         return self
    ...
    ...     def transform(self, X):
    ...         return 2 * np.asarray(X)
    ...
    ...     def inverse_transform(self, X):
    ...         return np.asarray(X) / 2
    >>> @register_jacobian(Double, columnwise=True)
    ... def log_derivatives(transformer, X):
    ...     return np.full(X.shape, np.log(2))
    >>> bool(log_abs_det_jacobian(Double(), [[1.0, 3.0]]) == 2 * np.log(2))
    True
    """
    if not callable(target):
        raise TypeError(
            f"target must be a class of transformers or a function, got {target!r}: "
            "pass type(transformer)."
        )

    def register(function: LogDerivatives) -> LogDerivatives:
        _register(target, Registered(function, image, columnwise=columnwise))
        return function

    return register


@dataclass(frozen=True)
class Registered:
    """What a user said of a class or function."""

    log_derivatives: LogDerivatives
    image: Image | None
    columnwise: bool

    def rule(self, transformer: Any) -> Rule:
        """The rule for a transformer of the class."""
        return Rule(
            log_det=lambda X: self.log_derivatives(transformer, as_rows(X)),
            columnwise=self.columnwise,
            image=partial(self.image, transformer) if self.image else None,
        )


# What users registered, by class or function.
REGISTERED: dict[Any, Registered] = {}
# Functions of numbers: log-derivatives of cells, and the ends of the image if any.
FUNCTIONS: dict[Any, tuple[LogDerivatives, Image | None]] = {}


def _register(target: Any, found: Registered) -> None:
    REGISTERED[target] = found
    if isinstance(target, type):
        rule_of.register(target, found.rule)
    else:
        FUNCTIONS[target] = found.log_derivatives, found.image


def register_all(found: dict[Any, Registered]) -> None:
    """Register what another process had registered."""
    for target, entry in found.items():
        _register(target, entry)


def log_abs_det_jacobian(transformer: Any, X: Any) -> Array:
    """Log of the factor by which a fitted transformer stretches volumes.

    The log-density of a row is that of the transformed row plus this. scikit-learn's
    `StandardScaler`, `MinMaxScaler`, `MaxAbsScaler`, `RobustScaler`,
    `PowerTransformer`, `QuantileTransformer`, `PCA` of full rank, `FunctionTransformer`
    with a function that is known, `ColumnTransformer` and `Pipeline` of these, and
    `TabularEncoder` have one; `register_jacobian` adds others.

    Parameters
    ----------
    transformer : estimator
        A fitted transformer.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows as the transformer takes them. Missing cells count nothing.

    Returns
    -------
    log_det : ndarray of shape (n_samples,)
        Log of the absolute determinant of the derivative of `transform` at each row,
        -inf where the transformer is not defined.

    Raises
    ------
    ValueError
        If the transformer has none: its type is not registered, or it is not
        one-to-one.

    See Also
    --------
    register_jacobian : Says what it is for other transformers.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklgen.compose import log_abs_det_jacobian
    >>> scaler = StandardScaler().fit([[0.0], [4.0]])
    >>> bool(np.isclose(log_abs_det_jacobian(scaler, [[1.0]]), -np.log(2)))
    True
    """
    rule = rule_of(transformer)
    if rule.log_det is None or rule.obstacle:
        raise ValueError(f"{type(transformer).__name__} {rule.obstacle}.")
    found = np.asarray(rule.log_det(X), dtype=np.float64)
    if found.ndim == 2:
        rows = as_rows(X)
        found = np.where(np.isnan(found), -np.inf, found)
        found = np.where(np.isnan(rows), 0.0, found).sum(axis=1)
    return np.where(np.isnan(found), -np.inf, found)


def as_rows(X: Any) -> NDArray[Any]:
    """Rows of numbers as an array of floats, NaN where a cell is missing."""
    rows: NDArray[Any] = check_array(
        X,
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        ensure_min_samples=0,
        ensure_min_features=0,
    )
    return rows
