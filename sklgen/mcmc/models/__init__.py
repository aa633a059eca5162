"""Bayesian models that are ready to use."""

from sklgen.mcmc.models._count_models import PoissonModel
from sklgen.mcmc.models._gaussian import GaussianModel
from sklgen.mcmc.models._linear import LinearModel
from sklgen.mcmc.models._logistic import LogisticModel
from sklgen.mcmc.models._negative_binomial import NegativeBinomialModel
from sklgen.mcmc.models._student_model import StudentModel

__all__ = [
    "GaussianModel",
    "LinearModel",
    "LogisticModel",
    "NegativeBinomialModel",
    "PoissonModel",
    "StudentModel",
]
