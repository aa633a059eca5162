"""Generators that are neural networks: trained by steps, drawn from at once."""

from sklgen.neural._flow import NormalizingFlow
from sklgen.neural._gan import GAN
from sklgen.neural._vae import VAE

__all__ = ["GAN", "VAE", "NormalizingFlow"]
