"""Laws of parameters of Bayesian models."""

from sklgen.mcmc.priors._base import Prior
from sklgen.mcmc.priors._composed import Ordered, Stacked
from sklgen.mcmc.priors._flat import Flat
from sklgen.mcmc.priors._halves import HalfCauchy, HalfNormal, HalfStudentT
from sklgen.mcmc.priors._intervals import Beta, Uniform
from sklgen.mcmc.priors._matrices import InverseWishart, LKJCholesky, Wishart
from sklgen.mcmc.priors._positives import Exponential, Gamma, InverseGamma, LogNormal
from sklgen.mcmc.priors._reals import Cauchy, Laplace, Normal, StudentT
from sklgen.mcmc.priors._vectors import Dirichlet, MultivariateNormal, UnitVector

__all__ = [
    "Beta",
    "Cauchy",
    "Dirichlet",
    "Exponential",
    "Flat",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
    "InverseGamma",
    "InverseWishart",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "MultivariateNormal",
    "Normal",
    "Ordered",
    "Prior",
    "Stacked",
    "StudentT",
    "Uniform",
    "UnitVector",
    "Wishart",
]
