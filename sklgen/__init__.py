"""Generative models as scikit-learn estimators: fit, score, sample."""

import importlib
from types import ModuleType

__version__ = "0.1.0.dev0"

_subpackages = [
    "base",
    "compose",
    "datasets",
    "em",
    "families",
    "hmm",
    "mcmc",
    "metrics",
    "mixture",
    "neural",
    "plotting",
    "topics",
    "tree",
    "utils",
]

__all__ = ["__version__", *_subpackages]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> ModuleType:
    # Loaded on first use, so that importing sklgen alone loads nothing heavy.
    if name in _subpackages:
        return importlib.import_module(f"sklgen.{name}")
    raise AttributeError(f"module 'sklgen' has no attribute {name!r}")
