"""Where fits of mixtures start: labels of a small sample of distinct rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin

from sklgen._typing import Array

Labels = NDArray[np.intp]


def nearest(Z: Array, seeds: Array) -> Labels:
    """Index of the closest seed of each row."""
    return np.asarray(pairwise_distances_argmin(Z, seeds), dtype=np.intp)


def _kmeans(Z: Array, weight: Array, K: int, rng: np.random.Generator) -> Labels:
    model = KMeans(K, n_init=1, random_state=_legacy(rng))
    return np.asarray(model.fit(Z, sample_weight=weight).labels_, dtype=np.intp)


def _kmeans_plusplus(Z: Array, weight: Array, K: int, rng: Any) -> Labels:
    seeds, _ = kmeans_plusplus(Z, K, sample_weight=weight, random_state=_legacy(rng))
    return nearest(Z, seeds)


def _random_from_data(Z: Array, weight: Array, K: int, rng: Any) -> Labels:
    share = weight / weight.sum()
    return nearest(Z, Z[rng.choice(Z.shape[0], K, replace=False, p=share)])


def _random(Z: Array, weight: Array, K: int, rng: np.random.Generator) -> Labels:
    return nearest(Z, rng.standard_normal((K, Z.shape[1])))


def _legacy(rng: np.random.Generator) -> np.random.RandomState:
    return np.random.RandomState(rng.integers(2**32, dtype=np.uint64))


STARTS: dict[str, Callable[[Array, Array, int, np.random.Generator], Labels]] = {
    "kmeans": _kmeans,
    "k-means++": _kmeans_plusplus,
    "random": _random,
    "random_from_data": _random_from_data,
}
