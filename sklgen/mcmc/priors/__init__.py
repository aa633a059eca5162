"""Laws of parameters of Bayesian models."""

__all__: list[str] = []
