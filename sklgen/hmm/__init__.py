"""Hidden Markov models, and mixtures of them."""

from sklgen.hmm._categorical import CategoricalHMM
from sklgen.hmm._forecast import Forecast
from sklgen.hmm._gaussian import GaussianHMM
from sklgen.hmm._gmm import GMMHMM
from sklgen.hmm._groups import groups_from_lengths
from sklgen.hmm._mixture import HMMMixture
from sklgen.hmm._poisson import PoissonHMM
from sklgen.hmm._tabular import TabularHMM

__all__ = [
    "GMMHMM",
    "CategoricalHMM",
    "Forecast",
    "GaussianHMM",
    "HMMMixture",
    "PoissonHMM",
    "TabularHMM",
    "groups_from_lengths",
]
