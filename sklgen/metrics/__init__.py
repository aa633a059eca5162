"""Metrics of synthetic rows: their likeness to real ones, their use, their privacy."""

from sklgen.metrics._coverage import CoverageDensity, coverage_density
from sklgen.metrics._energy import whitened_energy_distance
from sklgen.metrics._marginals import MarginalDistances, marginal_distances
from sklgen.metrics._membership import MembershipInferenceResult, membership_inference
from sklgen.metrics._privacy import closest_record_share
from sklgen.metrics._scorers import (
    c2st_scorer,
    coverage_scorer,
    negative_energy_scorer,
    negative_sliced_wasserstein_scorer,
)
from sklgen.metrics._sliced import sliced_wasserstein_distance
from sklgen.metrics._two_sample import TwoSampleTestResult, classifier_two_sample_test
from sklgen.metrics._utility import train_synthetic_test_real
from sklgen.metrics._utility_gap import UtilityGap, utility_gap

__all__ = [
    "CoverageDensity",
    "MarginalDistances",
    "MembershipInferenceResult",
    "TwoSampleTestResult",
    "UtilityGap",
    "c2st_scorer",
    "classifier_two_sample_test",
    "closest_record_share",
    "coverage_density",
    "coverage_scorer",
    "marginal_distances",
    "membership_inference",
    "negative_energy_scorer",
    "negative_sliced_wasserstein_scorer",
    "sliced_wasserstein_distance",
    "train_synthetic_test_real",
    "utility_gap",
    "whitened_energy_distance",
]
