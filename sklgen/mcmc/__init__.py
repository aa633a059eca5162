"""Posterior sampling by Markov chain Monte Carlo."""
