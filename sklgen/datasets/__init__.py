"""Small real tables, each with its origin."""

from sklgen.datasets._penguins import load_penguins
from sklgen.datasets._tables import (
    load_acidity,
    load_diabetes_classes,
    load_earthquakes,
    load_galaxies,
    load_old_faithful,
)

__all__ = [
    "load_acidity",
    "load_diabetes_classes",
    "load_earthquakes",
    "load_galaxies",
    "load_old_faithful",
    "load_penguins",
]
