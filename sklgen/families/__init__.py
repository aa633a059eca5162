"""Exponential families: the components of every latent-variable model."""

from sklgen.families._base import (
    Components,
    DensityView,
    Family,
    Laws,
    Learner,
    View,
    WholeRowFamily,
)
from sklgen.families._bernoulli import Bernoulli
from sklgen.families._categorical import Categorical, LevelCounts
from sklgen.families._columns import ColumnFamily, ColumnStatistics, ConjugateColumns
from sklgen.families._counts import CountFamily
from sklgen.families._dirichlet import Dirichlet, LogParts
from sklgen.families._dirichlet_multinomial import DirichletMultinomial, UrnStatistics
from sklgen.families._exponential import Exponential
from sklgen.families._gamma import Gamma
from sklgen.families._gaussian import Gaussian, Moments
from sklgen.families._gaussian_axis import DiagonalGaussian, SphericalGaussian
from sklgen.families._gaussian_matrix import FullGaussian, TiedGaussian
from sklgen.families._lengths import Lengths
from sklgen.families._linear_columns import LinearColumns
from sklgen.families._log_normal import LogNormal
from sklgen.families._mixed import Mixed, MixedStatistics
from sklgen.families._multinomial import Multinomial
from sklgen.families._negative_binomial import NegativeBinomial
from sklgen.families._poisson import Poisson
from sklgen.families._product import Product, ProductStatistics
from sklgen.families._von_mises import VonMises

__all__ = [
    "Bernoulli",
    "Categorical",
    "ColumnFamily",
    "ColumnStatistics",
    "Components",
    "ConjugateColumns",
    "CountFamily",
    "DensityView",
    "DiagonalGaussian",
    "Dirichlet",
    "DirichletMultinomial",
    "Exponential",
    "Family",
    "FullGaussian",
    "Gamma",
    "Gaussian",
    "Laws",
    "Learner",
    "Lengths",
    "LevelCounts",
    "LinearColumns",
    "LogNormal",
    "LogParts",
    "Mixed",
    "MixedStatistics",
    "Moments",
    "Multinomial",
    "NegativeBinomial",
    "Poisson",
    "Product",
    "ProductStatistics",
    "SphericalGaussian",
    "TiedGaussian",
    "UrnStatistics",
    "View",
    "VonMises",
    "WholeRowFamily",
]
