"""Posterior sampling by Markov chain Monte Carlo: the engine, without estimators yet."""

__all__: list[str] = []
