"""Laws of parameters of Bayesian models."""

from sklgen.mcmc.priors._base import Prior
from sklgen.mcmc.priors._flat import Flat
from sklgen.mcmc.priors._halves import HalfNormal, HalfStudentT
from sklgen.mcmc.priors._matrices import InverseWishart, LKJCholesky, Wishart
from sklgen.mcmc.priors._positives import Exponential, Gamma
from sklgen.mcmc.priors._reals import Normal, StudentT
from sklgen.mcmc.priors._vectors import Dirichlet, MultivariateNormal, UnitVector

__all__ = [
    "Dirichlet",
    "Exponential",
    "Flat",
    "Gamma",
    "HalfNormal",
    "HalfStudentT",
    "InverseWishart",
    "LKJCholesky",
    "MultivariateNormal",
    "Normal",
    "Prior",
    "StudentT",
    "UnitVector",
    "Wishart",
]
