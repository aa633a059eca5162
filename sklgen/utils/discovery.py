"""Find every public estimator of the package."""

from __future__ import annotations

import importlib
import inspect

from sklearn.base import BaseEstimator

import sklgen

__all__ = ["all_estimators"]


def all_estimators() -> list[tuple[str, type]]:
    """List the public estimators of sklgen.

    Returns
    -------
    estimators : list of (str, type)
        Name and class of every estimator in the `__all__` of a subpackage, sorted
        by name.

    Examples
    --------
    >>> from sklgen.utils import all_estimators
    >>> dict(all_estimators())["GaussianMixture"]
    <class 'sklgen.mixture._gaussian.GaussianMixture'>
    """
    found = {}
    for subpackage in set(sklgen.__all__) - {"__version__"}:
        module = importlib.import_module(f"sklgen.{subpackage}")
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isclass(member) and issubclass(member, BaseEstimator):
                found[name] = member
    return sorted((n, c) for n, c in found.items() if not inspect.isabstract(c))
