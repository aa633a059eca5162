"""Mixtures of exponential families."""

from sklgen.mixture._dirichlet_process import DirichletProcessMixture
from sklgen.mixture._gaussian import GaussianMixture

__all__ = ["DirichletProcessMixture", "GaussianMixture"]
