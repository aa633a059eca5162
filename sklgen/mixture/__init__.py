"""Mixtures of exponential families."""

from sklgen.mixture._dirichlet import DirichletMixture
from sklgen.mixture._dirichlet_multinomial import DirichletMultinomialMixture
from sklgen.mixture._dirichlet_process import DirichletProcessMixture
from sklgen.mixture._dirichlet_process_counts import (
    DirichletProcessMultinomialMixture,
)
from sklgen.mixture._gaussian import GaussianMixture
from sklgen.mixture._tabular import TabularMixture

__all__ = [
    "DirichletMixture",
    "DirichletMultinomialMixture",
    "DirichletProcessMixture",
    "DirichletProcessMultinomialMixture",
    "GaussianMixture",
    "TabularMixture",
]
