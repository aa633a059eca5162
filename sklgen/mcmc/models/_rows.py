"""Log-likelihoods of models with linear predictors, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklgen._typing import Array
from sklgen.mcmc._model import Params
from sklgen.mcmc.models._design import Design
from sklgen.mcmc.models._row_kernels import add_effects, sum_effects

# Numbers of a block of rows, of the columns and of the predictors of a few chains,
# which stay in the cache; fewer rows than these are not worth a call.
_BLOCK, _FEWEST = 1 << 16, 256
_FEW_CHAINS = 8

# A log-likelihood (A,), and its derivatives by some of the parameters.
Closed = tuple[Array, dict[str, Array]]


@dataclass(frozen=True)
class RowLaw:
    """What a law of targets is for compiled code.

    Attributes
    ----------
    kernel : callable
        One of `_row_kernels`.
    targets : ndarray of shape (n,)
        As it wants them.
    close : callable
        From parameters and sums (A, n_sums) to log-likelihoods (A,), and derivatives
        by parameters that are not in the predictor.
    own : callable or None
        From parameters to what the kernel wants to know of each chain.
    n_sums : int
        Number of sums.
    """

    kernel: Callable[..., None]
    targets: Array
    close: Callable[[Params, Array], Closed]
    own: Callable[[Params], Array] | None = None
    n_sums: int = 1


class RowLikelihood:
    """Log-likelihood of rows with linear predictors, and its derivatives.

    Rows come in blocks that stay in the cache for all chains: the data are read once,
    whatever the number of chains.

    Parameters
    ----------
    design : Design
        The rows.
    law : RowLaw
        Law of their targets.
    weight : ndarray of shape (n,)
        Their weights.
    """

    def __init__(self, design: Design, law: RowLaw, weight: Array) -> None:
        self._design, self._law = design, law
        self._n_lines = int(np.prod(design.stack, dtype=np.int64))
        q, n = design.columns.shape
        size = max(_FEWEST, _BLOCK // (q + _FEW_CHAINS * self._n_lines))
        codes = design.codes
        self._blocks: list[tuple[Array, Array, Array, Any]] = [
            (
                design.columns[:, rows],
                law.targets[rows],
                weight[rows],
                None if codes is None else codes[rows],
            )
            for rows in (slice(low, low + size) for low in range(0, n, size))
        ]

    def __call__(self, params: Params) -> Closed:
        """Log-likelihoods (A,) and derivatives at parameters (A, *shape)."""
        design, law = self._design, self._law
        lines = design.lines(params)
        n_chains = len(lines)
        own = np.empty((n_chains, 0)) if law.own is None else law.own(params)
        sums = np.zeros((n_chains, law.n_sums))
        flat = lines.reshape(-1, lines.shape[-1])
        slopes, effect_slopes = self._sum(params, flat, own, sums)
        value, found = law.close(params, sums)
        found |= design.split(slopes.reshape(lines.shape))
        if design.codes is not None:
            effects = np.asarray(params["group_effect"])
            effect_slopes = effect_slopes.reshape(effects.shape)
            found["group_effect"] = effect_slopes * design.spreads(params)
            axes = tuple(range(1, effects.ndim - 1))
            by_sd = np.add.reduce(effect_slopes * effects, axis=axes)
            found["group_sd"] = by_sd * design.effect_units
        return value, found

    def _sum(
        self, params: Params, lines: Array, own: Array, sums: Array
    ) -> tuple[Array, Array]:
        """Fill the sums; derivatives by lines (A * K, q), and effects (A * K, G, r)."""
        design, kernel = self._design, self._law.kernel
        shape = (len(sums), self._n_lines, -1)
        slopes = np.zeros(lines.shape)
        effects = effect_slopes = np.empty(0)
        grouped = design.codes is not None
        if grouped:
            effects = params["group_effect"] * design.spreads(params)
            effects = effects.reshape(len(lines), -1, design.n_effects)
            effect_slopes = np.zeros(effects.shape)
        for columns, targets, weight, codes in self._blocks:
            eta = lines @ columns
            if grouped:
                add_effects(eta, effects, codes, columns[design.sloped])
            kernel(eta.reshape(shape), targets, weight, own, sums)
            slopes += eta @ columns.T
            if grouped:
                sum_effects(eta, codes, columns[design.sloped], effect_slopes)
        return slopes, effect_slopes
