"""Pictures of fitted models, drawn with matplotlib."""

from sklgen.plotting._comparison import SampleComparisonDisplay
from sklgen.plotting._density import DensityDisplay
from sklgen.plotting._documents import DocumentsDisplay
from sklgen.plotting._forest import ForestDisplay
from sklgen.plotting._history import TrainingHistoryDisplay
from sklgen.plotting._models import ModelComparisonDisplay
from sklgen.plotting._pairs import PairsDisplay
from sklgen.plotting._predictive import PredictiveCheckDisplay
from sklgen.plotting._states import StatesDisplay
from sklgen.plotting._topics import TopicsDisplay
from sklgen.plotting._traces import TraceDisplay

__all__ = [
    "DensityDisplay",
    "DocumentsDisplay",
    "ForestDisplay",
    "ModelComparisonDisplay",
    "PairsDisplay",
    "PredictiveCheckDisplay",
    "SampleComparisonDisplay",
    "StatesDisplay",
    "TopicsDisplay",
    "TraceDisplay",
    "TrainingHistoryDisplay",
]
