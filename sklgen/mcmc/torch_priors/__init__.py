"""Laws of parameters that torch has none of, for models that are written with it."""

from sklgen.mcmc._torch_laws import Ordered, UnitVector

__all__ = ["Ordered", "UnitVector"]
