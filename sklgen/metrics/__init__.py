"""Metrics of synthetic rows: their likeness to real ones, their use, their privacy."""

from sklgen.metrics._energy import whitened_energy_distance
from sklgen.metrics._marginals import MarginalDistances, marginal_distances
from sklgen.metrics._privacy import closest_record_share
from sklgen.metrics._scorers import c2st_scorer, negative_energy_scorer
from sklgen.metrics._two_sample import TwoSampleTestResult, classifier_two_sample_test
from sklgen.metrics._utility import train_synthetic_test_real

__all__ = [
    "MarginalDistances",
    "TwoSampleTestResult",
    "c2st_scorer",
    "classifier_two_sample_test",
    "closest_record_share",
    "marginal_distances",
    "negative_energy_scorer",
    "train_synthetic_test_real",
    "whitened_energy_distance",
]
