"""Topic models: documents as mixtures of topics, and clusters of such documents."""

from sklgen.topics._lda import LatentDirichletAllocation
from sklgen.topics._mixture import LDAMixture

__all__ = ["LDAMixture", "LatentDirichletAllocation"]
