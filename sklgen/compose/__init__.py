"""Around models: tables as numbers, transformers before a model, tasks for one."""

from sklgen.compose._classifier import GenerativeClassifier
from sklgen.compose._compare import compare
from sklgen.compose._comparison import Comparison
from sklgen.compose._encoder import TabularEncoder
from sklgen.compose._imputer import GenerativeImputer
from sklgen.compose._jacobian import log_abs_det_jacobian, register_jacobian
from sklgen.compose._outliers import DensityOutlierDetector
from sklgen.compose._over_sampler import GenerativeOverSampler
from sklgen.compose._pipeline import GenerativePipeline, make_generative_pipeline
from sklgen.compose._synthesize import synthesize

__all__ = [
    "Comparison",
    "DensityOutlierDetector",
    "GenerativeClassifier",
    "GenerativeImputer",
    "GenerativeOverSampler",
    "GenerativePipeline",
    "TabularEncoder",
    "compare",
    "log_abs_det_jacobian",
    "make_generative_pipeline",
    "register_jacobian",
    "synthesize",
]
