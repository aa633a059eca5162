"""Generators made of decision trees: forests, and boosted trees."""

__all__: list[str] = []
