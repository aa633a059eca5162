"""Rows that miss cells: draws of these, weighed by what is seen behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax
from scipy.stats import qmc

from sklgen._typing import Array
from sklgen.tree._boosted_chain import Chain, Factor
from sklgen.tree._boosted_leaves import Means


def fixed_points(n_particles: int, n_columns: int) -> Array:
    """Points of the unit cube, spread evenly, the same at each call."""
    engine = qmc.Sobol(n_columns, rng=np.random.default_rng(0))
    exponent = int(np.ceil(np.log2(n_particles)))
    return np.asarray(engine.random_base2(exponent)[:n_particles])


class Completion:
    """Rows that miss cells, and the law of these under one chain.

    Columns are drawn in the order of the chain. Those before the last cell that is
    there are drawn `S` times, and weighed by the cells behind them; the mean weight
    estimates the density of what is there without bias. Where no missing cell comes
    before one that is there, the density is exact.

    Parameters
    ----------
    chain : Chain
        The laws.
    rows : ndarray of shape (n, width)
        Typed rows, each with a missing cell.
    points : ndarray of shape (S, D)
        Uniform numbers at which to draw.
    shifts : ndarray of shape (n, D) or float, default=0.0
        What is added to these in each row, modulo 1.
    """

    def __init__(
        self, chain: Chain, rows: Array, points: Array, shifts: Array | float = 0.0
    ) -> None:
        self.chain, self._points = chain, points
        self._positions = chain.columns.positions(rows)
        self._rows = rows.copy()
        n, D = self._positions.shape
        self._shifts = np.broadcast_to(shifts, (n, D))
        order = [factor.column for factor in chain.factors]
        self._gone = np.isnan(self._positions[:, order])
        first = self._gone.argmax(axis=1)
        last = D - 1 - (~self._gone[:, ::-1]).argmax(axis=1)
        self._last = np.where(self._gone.all(axis=1), -1, last)
        self.log_evidence = np.zeros(n)
        for place, factor in enumerate(chain.factors):
            at = np.flatnonzero(place < first)
            if len(at):
                ratios = self._ratios(factor, self._rows[at], self._positions[at])
                self.log_evidence[at] += ratios
        self._weigh(np.flatnonzero(self._last > first), first)

    def _weigh(self, uncertain: NDArray[np.intp], first: NDArray[np.intp]) -> None:
        """Draw what comes before cells that are there, and weigh the draws."""
        S = len(self._points)
        self._uncertain, pairs = uncertain, np.repeat(uncertain, S)
        rows, positions = self._rows[pairs], self._positions[pairs]
        log_weights = np.zeros(len(pairs))
        for place, factor in enumerate(self.chain.factors):
            open_ = (first[pairs] <= place) & (place <= self._last[pairs])
            gone = open_ & self._gone[pairs, place]
            if gone.any():
                uniform = self._uniform(uncertain, factor.column)
                self.chain.fill(rows, positions, gone, factor, uniform)
            seen = np.flatnonzero(open_ & ~gone)
            if len(seen):
                log_weights[seen] += self._ratios(factor, rows[seen], positions[seen])
        self._drawn, self._placed = rows, positions
        by_row = log_weights.reshape(-1, S)
        self.log_evidence[uncertain] += logsumexp(by_row, axis=1) - np.log(S)
        self._shares = softmax(by_row, axis=1)

    def _uniform(self, rows: NDArray[np.intp], column: int) -> Array:
        """Uniform numbers for a column, of each draw of each row."""
        numbers = self._shifts[rows, column, None] + self._points[:, column]
        return np.asarray((numbers % 1.0).ravel())

    def _ratios(self, factor: Factor, rows: Array, positions: Array) -> Array:
        cells = self.chain.columns.cells(rows, factor.column)
        return factor.log_ratios(positions, cells)

    def draw(self, rng: np.random.Generator) -> Array:
        """One completion of each row."""
        n, S = len(self._rows), len(self._points)
        rows, positions = self._rows.copy(), self._positions.copy()
        chosen = _chosen(self._shares, rng.random(len(self._uncertain)))
        at = S * np.arange(len(chosen)) + chosen
        rows[self._uncertain] = self._drawn[at]
        positions[self._uncertain] = self._placed[at]
        self._finish(rows, positions, np.arange(n), rng.random(positions.shape))
        return rows

    def means(self) -> Means:
        """Expected values over all draws."""
        n, S = len(self._rows), len(self._points)
        pairs = np.repeat(np.arange(n), S)
        rows, positions = self._rows[pairs], self._positions[pairs]
        shares = np.full((n, S), 1.0 / S)
        at = (S * self._uncertain[:, None] + np.arange(S)).ravel()
        rows[at], positions[at] = self._drawn, self._placed
        shares[self._uncertain] = self._shares
        every = np.arange(n)
        columns = range(positions.shape[1])
        uniform = np.column_stack([self._uniform(every, j) for j in columns])
        self._finish(rows, positions, pairs, uniform)
        return self.chain.columns.means(rows, shares)

    def _finish(
        self, rows: Array, positions: Array, of: NDArray[np.intp], uniform: Array
    ) -> None:
        """Draw the cells behind the last one that is there; `of` names their rows."""
        for place, factor in enumerate(self.chain.factors):
            behind = self._last[of] < place
            if behind.any():
                own = uniform[:, factor.column]
                self.chain.fill(rows, positions, behind, factor, own)


def _chosen(shares: Array, uniform: Array) -> NDArray[np.intp]:
    """Places in rows of probabilities at uniform numbers."""
    below = np.cumsum(shares, axis=1)
    return np.asarray((uniform[:, None] * below[:, -1:] >= below[:, :-1]).sum(axis=1))
