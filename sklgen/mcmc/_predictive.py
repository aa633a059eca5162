"""Averages over the draws of a posterior, in blocks of rows and of draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._model import BayesianModel, Params
from sklgen.mcmc._posterior import asked, pointwise

# Numbers that are made at once, which should stay in cache, and rows of them.
_BLOCK, _ROWS = 1 << 18, 512


@dataclass(frozen=True)
class Predictive:
    """What a model says, over all draws of its parameters.

    Parameters
    ----------
    model : BayesianModel
        The model.
    draws : dict of str to ndarray of shape (S, *shape)
        Draws of its parameters.
    torch : bool, default=False
        Whether its methods compute with torch.
    """

    model: BayesianModel
    draws: Params
    torch: bool = False

    @property
    def n_draws(self) -> int:
        """Number S of draws."""
        return len(next(iter(self.draws.values())))

    def log_density(self, X: Array, y: Array | None) -> Array:
        """Log of the mean density of each row."""
        out = np.empty(len(X))
        for rows in self._blocks(len(X)):
            top, total = np.full(len(X[rows]), -np.inf), np.zeros(len(X[rows]))
            for value in self._each("log_likelihood", X, y, rows):
                value = np.where(np.isnan(value), -np.inf, value)
                peak = np.maximum(top, value.max(axis=0))
                level = np.where(np.isfinite(peak), peak, 0.0)
                total *= np.exp(top - level)
                total += np.exp(value - level).sum(axis=0)
                top = peak
            with np.errstate(divide="ignore"):
                out[rows] = np.log(total) + np.where(np.isfinite(top), top, 0.0)
        return np.asarray(out - np.log(self.n_draws))

    def log_likelihoods(
        self, X: Array, y: Array | None, n_chains: int
    ) -> Iterator[Array]:
        """Log-likelihoods (n_chains, n_draws, m) of blocks of m rows."""
        for rows in self._blocks(len(X)):
            parts = list(self._each("log_likelihood", X, y, rows))
            yield np.concatenate(parts).reshape(n_chains, -1, len(X[rows]))

    def mean(self, method: str, X: Array) -> Array:
        """Mean over draws of what a method says of each row."""
        parts = []
        for rows in self._blocks(len(X)):
            sums = [value.sum(axis=0) for value in self._each(method, X, None, rows)]
            parts.append(np.sum(sums, axis=0) / self.n_draws)
        return np.concatenate(parts)

    def moments(self, X: Array) -> tuple[Array, Array]:
        """Mean and variance of the target of each row.

        The variance is the mean of that given parameters, and that of their means.
        """
        centre = self.mean("mean", X)
        parts = []
        for rows in self._blocks(len(X)):
            total = np.zeros(len(X[rows]))
            for value in self._each("mean", X, None, rows):
                total += ((value - centre[rows]) ** 2).sum(axis=0)
            parts.append(total / self.n_draws)
        return centre, np.concatenate(parts) + self.mean("variance", X)

    def quantiles(self, X: Array, shares: Array, rng: np.random.Generator) -> Array:
        """Quantiles (n, n_shares) of one target for each draw and row."""
        parts = []
        for rows in self._blocks(len(X)):
            part = X[rows].astype(np.float64)
            drawn = self._call("simulate", self.draws, part, rng=rng)
            parts.append(np.quantile(drawn, shares, axis=0).T)
        return np.concatenate(parts)

    def simulate(
        self, X: Array | None, n_draws: int, rng: np.random.Generator
    ) -> Array:
        """Targets (n_draws, n) or rows (n_draws, d) under draws of the parameters."""
        given = None if X is None else X.astype(np.float64)
        return self._call("simulate", self.some(n_draws, rng), given, rng=rng)

    def some(self, n_draws: int, rng: np.random.Generator) -> dict[str, Array]:
        """Draw parameters with replacement."""
        which = rng.integers(self.n_draws, size=n_draws)
        return {name: values[which] for name, values in self.draws.items()}

    def _blocks(self, n_rows: int) -> list[slice]:
        size = _ROWS if self.model.independent_rows else max(n_rows, 1)
        return [slice(low, low + size) for low in range(0, n_rows, size)]

    def _each(
        self, method: str, X: Array, y: Array | None, rows: slice
    ) -> Iterator[Array]:
        """What a method says of some rows under blocks of draws."""
        data: tuple[Any, ...] = (X[rows].astype(np.float64),)
        if method == "log_likelihood":
            data = (*data, None if y is None else y[rows])
        size = max(1, _BLOCK // len(X[rows]))
        for low in range(0, self.n_draws, size):
            part = {k: values[low : low + size] for k, values in self.draws.items()}
            yield self._call(method, part, *data)

    def _call(self, method: str, params: Params, *data: Any, rng: Any = None) -> Array:
        of_model = getattr(self.model, method)
        if self.torch:
            from sklgen.mcmc._torch_calls import torch_call

            found: Array = torch_call(of_model, params, *data, rng=rng)
            return found
        if method == "log_likelihood":
            n_draws = len(next(iter(params.values())))
            return pointwise(self.model, params, data[0], data[1], n_draws)
        given = data if rng is None else (*data, rng)
        return np.asarray(asked(of_model, params, *given))
