"""Exponential families: the components of every latent-variable model."""

from sklgen.families._base import Components, DensityView, Family, View
from sklgen.families._categorical import Categorical, LevelCounts
from sklgen.families._gaussian import Gaussian, Moments
from sklgen.families._gaussian_axis import DiagonalGaussian, SphericalGaussian
from sklgen.families._gaussian_matrix import FullGaussian, TiedGaussian
from sklgen.families._product import Product, ProductStatistics

__all__ = [
    "Categorical",
    "Components",
    "DensityView",
    "DiagonalGaussian",
    "Family",
    "FullGaussian",
    "Gaussian",
    "LevelCounts",
    "Moments",
    "Product",
    "ProductStatistics",
    "SphericalGaussian",
    "TiedGaussian",
    "View",
]
