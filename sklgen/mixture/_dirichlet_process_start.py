"""Where Dirichlet process mixtures start: too many clusters of a sample, merged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklgen._typing import Array
from sklgen.em import Rows, first_best
from sklgen.em._distinct import distinct_rows
from sklgen.mixture._dirichlet_process_model import ProcessPosterior, Sticks
from sklgen.mixture._dirichlet_process_search import Ascent
from sklgen.mixture._starts import STARTS

# A posterior on a sample is a start: it need not be exact.
_ROUGH_TOL = 1e-3
# Too many clusters are merged before they settle.
_FIRST_ITER, _ROUGH_ITER = 5, 100
_MOST_ITER = 1000
# Pairs that are merged although nothing promises a gain.
_DOUBTFUL = 3
# A component with less than a row is not found, it is left over.
_LEAST_WEIGHT = 1.0


@dataclass(frozen=True)
class Found:
    """What a search from scratch found.

    Parameters
    ----------
    model : ProcessPosterior
        The components.
    bound : float
        Mean bound on the sample.
    gain : float
        What the components gain over a single one, in nats.
    """

    model: ProcessPosterior
    bound: float
    gain: float


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
    open_rows: Callable[[Any, Array], Rows]
    places: Callable[[Any, Array], Any]
    rng: np.random.Generator

    def best_of(self, n_init: int, X: Any, weight: Array) -> Found:
        """The best of several searches."""
        found = [self(X, weight) for _ in range(n_init)]
        return found[first_best([each.bound for each in found])]

    def __call__(self, X: Any, weight: Array) -> Found:
        """Components of which the rows, or a sample of them, consist."""
        sample, sample_weight = distinct_rows(X, weight, self.limit, self.rng)
        labels = self._clusters(sample, sample_weight)
        with self.open_rows(sample, sample_weight) as rows:
            ascent = Ascent(self._labelled(rows, labels), rows, max_iter=_MOST_ITER)
            for n_iter, n_doubtful in ((_FIRST_ITER, 0), (_ROUGH_ITER, _DOUBTFUL)):
                merged = True
                while merged:
                    ascent.climb(_ROUGH_TOL, n_iter)
                    ascent.drop(_LEAST_WEIGHT)
                    merged = ascent.merge(n_doubtful)
            found = ascent.model
            bound = ascent.bounds[-1]
            if len(found) == 1:
                return Found(found, bound, 0.0)
            together = np.zeros(len(sample_weight), np.intp)
            whole = Ascent(self._labelled(rows, together), rows, max_iter=0)
        gain = (bound - whole.bounds[-1]) * ascent.statistics.weight
        return Found(found, bound, gain)

    def _clusters(self, sample: Any, weight: Array) -> NDArray[np.intp]:
        if len(weight) <= self.seeds:
            return np.arange(len(weight))
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
