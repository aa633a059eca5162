"""Pictures of fitted models, drawn with matplotlib."""

from sklgen.plotting._documents import DocumentsDisplay
from sklgen.plotting._states import StatesDisplay
from sklgen.plotting._topics import TopicsDisplay

__all__ = ["DocumentsDisplay", "StatesDisplay", "TopicsDisplay"]
