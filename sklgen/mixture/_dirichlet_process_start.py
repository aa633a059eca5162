"""Where Dirichlet process mixtures start: too many clusters of a sample, merged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sklgen.em import Rows
from sklgen.families._base import Array
from sklgen.mixture._dirichlet_process_model import ProcessPosterior, Sticks
from sklgen.mixture._dirichlet_process_search import Ascent
from sklgen.mixture._starts import STARTS, distinct_rows

# A posterior on a sample is a start: it need not be exact.
_ROUGH_TOL = 1e-3
_ROUGH_ITER = 200
# A component with less than a row is not found, it is left over.
_LEAST_WEIGHT = 1.0


@dataclass(frozen=True)
class Discovery:
    """Finds components in rows: clusters, more than needed, of which pairs are merged.

    Parameters
    ----------
    prior : Conjugate
        One law: the prior of the parameters.
    concentration : float
        Concentration of the process.
    seeds : int
        Number of clusters to start from.
    limit : int
        Number of rows beyond which a sample is taken.
    open_rows : callable
        `open_rows(X, weight)` gives `Rows`.
    places : callable
        `places(X, weight)` gives rows in which distances are meaningful.
    rng : numpy.random.Generator
        Source of randomness.
    """

    prior: Any
    concentration: float
    seeds: int
    limit: int
    open_rows: Callable[[NDArray[Any], Array], Rows]
    places: Callable[[NDArray[Any], Array], Array]
    rng: np.random.Generator

    def with_seeds(self, seeds: int) -> Self:
        """The same, from another number of clusters."""
        return replace(self, seeds=seeds)

    def __call__(
        self, X: NDArray[Any], weight: Array
    ) -> tuple[ProcessPosterior, float]:
        """Components found in rows, and what they gain over one component, in nats."""
        sample, sample_weight = distinct_rows(X, weight, self.limit, self.rng)
        labels = self._clusters(sample, sample_weight)
        with self.open_rows(sample, sample_weight) as rows:
            ascent = Ascent(self._labelled(rows, labels), rows, max_iter=_ROUGH_ITER)
            ascent.climb(_ROUGH_TOL)
            ascent.drop(_LEAST_WEIGHT)
            while ascent.merge():
                ascent.climb(_ROUGH_TOL)
                ascent.drop(_LEAST_WEIGHT)
            found = ascent.model
            if len(found) == 1:
                return found, 0.0
            whole = Ascent(
                self._labelled(rows, np.zeros(len(sample), np.intp)), rows, max_iter=0
            )
        total = ascent.statistics.weight
        return found, (ascent.bounds[-1] - whole.bounds[-1]) * total

    def _clusters(self, sample: Array, weight: Array) -> NDArray[np.intp]:
        if len(sample) <= self.seeds:
            return np.arange(len(sample))
        return STARTS["kmeans"](
            self.places(sample, weight), weight, self.seeds, self.rng
        )

    def _labelled(self, rows: Rows, labels: NDArray[np.intp]) -> ProcessPosterior:
        """The posterior of labelled rows.

        The second pass, about the means of the first, restores the digits that
        clusters far apart cost it.
        """
        n = int(labels.max()) + 1
        laws = self.prior.take(np.zeros(n, np.intp))
        model = ProcessPosterior(
            self.prior, laws, Sticks(np.ones(n), self.concentration)
        )
        for _ in range(2):
            model = model.updated(rows.sum(partial(model.mixture.labelled, labels)))
        return model.sorted()
