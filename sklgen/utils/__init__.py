"""Tools for authors of models: the contract as tests, and discovery."""

from sklgen.utils.discovery import all_estimators

__all__ = ["all_estimators"]
