"""Exponential families: the components of every latent-variable model."""

from sklgen.families._base import Components, DensityView, Family, View
from sklgen.families._gaussian import Gaussian, Moments
from sklgen.families._gaussian_axis import DiagonalGaussian, SphericalGaussian
from sklgen.families._gaussian_matrix import FullGaussian, TiedGaussian

__all__ = [
    "Components",
    "DensityView",
    "DiagonalGaussian",
    "Family",
    "FullGaussian",
    "Gaussian",
    "Moments",
    "SphericalGaussian",
    "TiedGaussian",
    "View",
]
