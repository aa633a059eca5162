"""Where a model is asked for the density of columns, and what it says there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from sklgen._frames import narwhals, open_frame
from sklgen._typing import Array
from sklgen.plotting._columns import reach

# Most cells of a grid, such as integers, that are asked for in place of one.
_CELLS = 64


# The log-density of cells of some columns.
Score = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Places:
    """Places along a column, each of which stands for the cells of a grid around it.

    Parameters
    ----------
    middles : ndarray of shape (n_places,)
        Places at even distances.
    cells : ndarray of shape (n_places, n_cells)
        Values that the model is asked for; without a grid the middles.
    width : float
        Width of a cell, if the model tells the probability of one; 1 for densities.
    atoms : ndarray
        Values that have a probability of their own.
    only_atoms : bool
        Whether there are no others.
    """

    middles: Array
    cells: Array
    width: float
    atoms: Array
    only_atoms: bool

    @classmethod
    def of(cls, estimator: Any, X: Any, j: int, values: Array, n: int) -> Places:
        """Find places for the values of a column of X.

        Parameters
        ----------
        estimator : estimator
            A fitted model. What its encoder has learned of the column is kept to.
        X : array-like or DataFrame
            Rows of the model.
        j : int
            Position of the column.
        values : ndarray of shape (n_rows,)
            Its cells.
        n : int
            Most places.

        Returns
        -------
        places : Places
            The places.
        """
        encoder: Any = getattr(estimator, "encoder_", None)
        column = encoder.columns_[j] if hasattr(encoder, "columns_") else None
        seen = values[np.isfinite(values)]
        own_law = column is not None and "number" in column.kinds
        whole = _is_whole(X, j) or bool(own_law and (seen == np.rint(seen)).all())
        step = getattr(column, "resolution", None) or (1.0 if whole else None)
        low, high = _view(seen, binary=whole)
        if step is None:
            middles = np.linspace(low, high, n)
            cells, width = middles[:, None], 1.0
        else:
            cells, middles = _on_grid(seen, low, high, float(step), n)
            width = float(step)
        atoms = np.empty(0) if column is None else _atoms(column, middles)
        only = column is not None and column.map is None and bool(len(column.atoms))
        return cls(middles, cells, width, atoms, only)

    @property
    def is_plain(self) -> bool:
        """Whether the density at a place is what the model says there."""
        return self.cells.shape[1] == 1 and not len(self.atoms) and not self.only_atoms

    def along(self, score: Score) -> tuple[Array, Array, Array]:
        """The density of this column alone.

        Parameters
        ----------
        score : callable
            Log-density of values of the column, alone.

        Returns
        -------
        heights : ndarray of shape (n_places,)
            Density: the mean over cells; atoms are spread over the distance of places.
        values : ndarray of shape (n_places,)
            The most probable of the values that each place stands for.
        said : ndarray of shape (n_places,)
            What the model says of these.
        """
        told = np.zeros(self.cells.shape)
        if not self.only_atoms:
            told = np.exp(score(self.cells.reshape(-1, 1))).reshape(self.cells.shape)
            told[np.isin(self.cells, self.atoms)] = 0.0
        best = told.argmax(axis=1)
        rows = np.arange(len(best))
        heights = told.mean(axis=1) / self.width
        values, said = self.cells[rows, best], told[rows, best]
        if len(self.atoms):
            distance = self.middles[1] - self.middles[0]
            at = np.rint((self.atoms - self.middles[0]) / distance).astype(np.intp)
            masses = np.exp(score(self.atoms[:, None]))
            for i, atom, mass in zip(at, self.atoms, masses, strict=True):
                if mass / distance > heights[i]:
                    values[i], said[i] = atom, mass
                heights[i] += mass / distance
        return heights, values, said


def density_of(
    places: tuple[Places, ...], joint: Score, alone: tuple[Score | None, ...]
) -> Array:
    """The density at places of one column, or of two.

    Parameters
    ----------
    places : tuple of Places
        Places along each column.
    joint : callable
        Log-density of cells of all these columns.
    alone : tuple of callable or None
        Of two columns also that of each alone; None if the model does not know it.

    Returns
    -------
    density : ndarray of shape (n_places,) or (n_y, n_x)
        The density.
    """
    if len(places) == 1:
        return places[0].along(joint)[0]
    values, factors = [], []
    for one, score in zip(places, alone, strict=True):
        if one.is_plain or score is None:
            values.append(one.cells[:, one.cells.shape[1] // 2])
            factors.append(np.full(len(one.middles), 1.0 / one.width))
            continue
        # One value speaks for its neighbours: given any of them, the law of the other
        # column is much the same.
        heights, value, said = one.along(score)
        values.append(value)
        factors.append(heights / np.where(said > 0.0, said, np.inf))
    cells = np.stack(np.meshgrid(*values), axis=-1)
    told = np.exp(joint(cells.reshape(-1, 2))).reshape(cells.shape[:2])
    return np.asarray(told * factors[0] * factors[1][:, None])


def rows_at(X: Any, chosen: list[int], cells: Array) -> Any:
    """Rows in the container of X with these cells, which miss all others.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_rows, n_features)
        Rows.
    chosen : list of int
        Positions of columns.
    cells : ndarray of shape (n, n_chosen)
        Their cells.

    Returns
    -------
    rows : ndarray or DataFrame of shape (n, n_features)
        The rows.
    """
    frame = open_frame(X, "X")
    if frame is None:
        rows = np.full((len(cells), np.asarray(X).shape[1]), np.nan)
        rows[:, chosen] = cells
        return rows
    nw = narwhals()
    rows = nw.from_native(_safe_indexing(X, np.zeros(len(cells), dtype=int)))
    nothing = np.full(len(cells), np.nan)
    columns: list[Any] = []
    for j, name in enumerate(frame.columns):
        if j in chosen or rows.schema[name].is_numeric():
            told = cells[:, chosen.index(j)] if j in chosen else nothing
            columns.append(nw.new_series(name, told, backend=rows.implementation))
        else:
            columns.append(nw.when(nw.lit(value=False)).then(nw.col(name)).alias(name))
    return rows.select(*columns).to_native()


def _is_whole(X: Any, j: int) -> bool:
    frame = open_frame(X, "X")
    if frame is None:
        return np.asarray(X).dtype.kind in "iu"
    return bool(frame.schema[frame.columns[j]].is_integer())


def _view(seen: Array, *, binary: bool) -> tuple[float, float]:
    """From where to where a density is drawn: somewhat beyond the values."""
    low, high = reach(seen)
    if binary and np.isin(seen, (0.0, 1.0)).all():
        return 0.0, 1.0
    margin = 0.1 * (high - low)
    # Positive numbers stay positive: some laws have no others.
    low = low - margin if low < 0.0 else max(low - margin, low / 2.0)
    return low, high + margin


def _on_grid(
    seen: Array, low: float, high: float, step: float, n: int
) -> tuple[Array, Array]:
    """Cells of a grid for each of at most n places, and the middles of these."""
    origin = float(seen[0]) if len(seen) else 0.0
    first, last = np.ceil((low - origin) / step), np.floor((high - origin) / step)
    each = max(1, int(np.ceil((last - first + 1.0) / n)))
    n_places = max(2, int(np.ceil((last - first + 1.0) / each)))
    start = first + each * np.arange(float(n_places))
    inside = np.arange(min(each, _CELLS)) * each // min(each, _CELLS)
    digits = max(0, round(-np.log10(step)))
    cells = np.round(origin + step * (start[:, None] + inside), digits)
    return cells, origin + step * (start + (each - 1) / 2.0)


def _atoms(column: Any, middles: Array) -> Array:
    """Atoms of a column of numbers that places stand for."""
    atoms = np.asarray(column.atoms, np.float64) / 10.0 ** getattr(column, "digits", 0)
    half = (middles[1] - middles[0]) / 2.0
    near = (atoms > middles[0] - half) & (atoms < middles[-1] + half)
    return np.asarray(atoms[near])
