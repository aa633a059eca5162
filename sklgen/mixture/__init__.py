"""Mixtures of exponential families."""

from sklgen.mixture._gaussian import GaussianMixture

__all__ = ["GaussianMixture"]
