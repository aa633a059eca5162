"""Pictures of fitted models, drawn with matplotlib."""

from sklgen.plotting._states import StatesDisplay

__all__ = ["StatesDisplay"]
