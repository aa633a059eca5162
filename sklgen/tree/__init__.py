"""Generators made of decision trees: forests, and boosted trees."""

from sklgen.tree._boosted import BoostedAutoregressive
from sklgen.tree._forest import AdversarialForest

__all__ = ["AdversarialForest", "BoostedAutoregressive"]
