"""Generators that are neural networks: trained by steps, drawn from at once."""

__all__: list[str] = []
