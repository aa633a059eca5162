"""Means of numbers whose scores are normal: quadrature over a table of the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Nodes of the quadrature over a normal law.
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
# Components with less posterior probability than this add nothing to a mean.
_NEGLIGIBLE = 1e-9
# Intervals of the table, and how far beyond the outermost knots it goes.
_SIZE, _BEYOND = 8192, 4.0


class MappedMeans:
    """Means of `quantile_map.inverse(Z)` for normal laws of Z.

    The inverse is tabulated densely and read by linear interpolation, which takes an
    index in place of a search and a root.
    """

    def __init__(self, quantile_map: Any) -> None:
        first, last = quantile_map.z[0] - _BEYOND, quantile_map.z[-1] + _BEYOND
        self._first = float(first)
        self._density = _SIZE / float(last - first)
        self._values = quantile_map.inverse(np.linspace(first, last, _SIZE + 1))
        self._bounds = float(quantile_map.low), float(quantile_map.high)

    def __call__(self, means: Array, variances: Array, share: Array) -> Array:
        """Mean (K, n) of each law; zero where `share` (K, n) of it is negligible."""
        out = np.empty(means.shape)
        _average(
            np.ascontiguousarray(means),
            np.sqrt(variances),
            np.ascontiguousarray(share),
            self._first,
            self._density,
            self._values,
            *self._bounds,
            out,
        )
        return out


@njit(nogil=True, cache=True)
def _average(
    means: Array,
    deviations: Array,
    share: Array,
    first: float,
    density: float,
    values: Array,
    low: float,
    high: float,
    out: Array,
) -> None:
    last = len(values) - 2
    for k in range(means.shape[0]):
        for i in range(means.shape[1]):
            total = 0.0
            if share[k, i] > _NEGLIGIBLE:
                middle = (means[k, i] - first) * density
                scale = deviations[k, i] * density
                for node in range(len(_NODES)):
                    place = middle + scale * _NODES[node]
                    at = int(min(max(place, 0.0), last))
                    left = values[at]
                    value = left + (place - at) * (values[at + 1] - left)
                    total += _NODE_WEIGHTS[node] * min(max(value, low), high)
            out[k, i] = total
