"""Generators that are neural networks: trained by steps, drawn from at once."""

from sklgen.neural._gan import GAN

__all__ = ["GAN"]
