"""Around models: tables as numbers, and scikit-learn's transformers before a model."""

from sklgen.compose._encoder import TabularEncoder
from sklgen.compose._jacobian import log_abs_det_jacobian, register_jacobian
from sklgen.compose._pipeline import GenerativePipeline, make_generative_pipeline

__all__ = [
    "GenerativePipeline",
    "TabularEncoder",
    "log_abs_det_jacobian",
    "make_generative_pipeline",
    "register_jacobian",
]
