"""Posterior sampling by Markov chain Monte Carlo: the engine, no estimators yet."""

__all__: list[str] = []
