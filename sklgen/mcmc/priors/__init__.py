"""Laws of parameters of Bayesian models."""

from sklgen.mcmc.priors._base import Prior
from sklgen.mcmc.priors._flat import Flat
from sklgen.mcmc.priors._halves import HalfNormal, HalfStudentT
from sklgen.mcmc.priors._positives import Exponential, Gamma
from sklgen.mcmc.priors._reals import Normal, StudentT

__all__ = [
    "Exponential",
    "Flat",
    "Gamma",
    "HalfNormal",
    "HalfStudentT",
    "Normal",
    "Prior",
    "StudentT",
]
