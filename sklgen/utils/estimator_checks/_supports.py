"""What each check needs to know about rows of one kind: one object a kind.

A model names the kind of its rows in `_support`. The checks are the same for all kinds;
rows to train on, laws to compare with, and the sum of all probability come from here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.preprocessing import StandardScaler

from sklgen.utils.estimator_checks._asserts import N_ERRORS, assert_integral

# Rows of counts are enumerated up to this total: training rows have 12 at most.
_LONGEST = 40

# Log-density of each row on its own.
Densities = Callable[[Any, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Law:
    """A narrow law q to hold against a model: where it lies, and its log-density."""

    centre: np.ndarray
    log_density: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Support(ABC):
    """Rows of one kind.

    Parameters
    ----------
    kind : str
        What a model calls such rows in `_support`.
    dtypes : dict of str to str
        The columns of a DataFrame of such rows, and the dtypes to try in them.
    any_unit : bool
        Whether rows stay of this kind when columns are shifted and scaled.
    """

    kind: str
    dtypes: Mapping[str, str]
    any_unit: bool

    @property
    def n_columns(self) -> int:
        """Number of columns of the training rows."""
        return len(self.dtypes)

    @abstractmethod
    def rows(self, n_rows: int = 150, seed: int = 0) -> np.ndarray:
        """Make training rows in three clusters."""

    def columns(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """Rows as the columns of a DataFrame."""
        return dict(zip(self.dtypes, X.T, strict=True))

    def typed_columns(self, X: np.ndarray) -> dict[str, np.ndarray]:
        """Rows as columns of several dtypes, rounded where those are integer."""
        return {
            column: (np.rint(values) if "int" in dtype else values).astype(dtype)
            for (column, dtype), values in zip(self.dtypes.items(), X.T, strict=True)
        }

    def scaler(self) -> Any:
        """Make a transformer that leaves rows of this kind, and takes weights."""
        return StandardScaler(with_mean=self.any_unit, with_std=self.any_unit)

    @abstractmethod
    def assert_rows(self, name: str, what: str, X: np.ndarray) -> None:
        """Assert that rows are of this kind."""

    @abstractmethod
    def assert_total(self, name: str, model: Any, densities: Densities) -> None:
        """Assert that the probability of all rows is 1."""

    @abstractmethod
    def patches(self, draws: np.ndarray, n_patches: int = 3) -> list[Law]:
        """Narrow laws that lie where the draws of a model are dense and far apart.

        Each is about half as wide as the draws around its centre, so that the ratio of
        its density to the model's has a small variance under the model.
        """


def _dense_places(
    points: np.ndarray, n_places: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points in dense places far apart, each with the covariance of those around it."""
    white = (points - points.mean(axis=0)) / points.std(axis=0)
    squared = np.sum((white[:, None] - white[None]) ** 2, axis=-1)
    n_near = len(points) // 10
    order = np.argsort(squared, axis=1)[:, :n_near]
    radius = squared[np.arange(len(points)), order[:, -1]]
    dense = radius <= np.median(radius)
    places = [int(np.argmin(radius))]
    while len(places) < n_places:
        nearest = np.min(squared[places], axis=0)
        places.append(int(np.argmax(np.where(dense, nearest, -1.0))))
    return [(points[at], np.cov(points[order[at]], rowvar=False)) for at in places]


def _labels(n_rows: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(3, size=n_rows, p=[0.4, 0.35, 0.25])


class _Continuous(Support):
    """Rows with a density, which two free coordinates describe."""

    @abstractmethod
    def coordinates(self, X: np.ndarray) -> np.ndarray:
        """Rows as points of the plane."""

    @abstractmethod
    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows at points of the plane, and the log of the volume a unit area covers."""

    def assert_total(self, name: str, model: Any, densities: Densities) -> None:
        """Integrate by the trapezoid rule over both coordinates."""
        points = self.coordinates(model.sample(2000, random_state=0))
        margin = 0.5 * np.ptp(points, axis=0)
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
        for n in (200, 400):
            axes = [np.linspace(a, b, n) for a, b in zip(low, high, strict=True)]
            grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
            rows, log_volume = self.at(grid.reshape(-1, 2))
            density = np.exp(densities(model, rows) + log_volume).reshape(n, n)
            inner = np.trapezoid(density, axes[1], axis=1)
            integral = float(np.trapezoid(inner, axes[0]))
            # Smooth densities need few points.
            if abs(integral - 1) < 1e-3:
                break
        assert_integral(name, "the density", integral)

    def patches(self, draws: np.ndarray, n_patches: int = 3) -> list[Law]:
        """Gaussians in the coordinates."""
        places = _dense_places(self.coordinates(draws), n_patches)
        return [self._patch(centre, covariance) for centre, covariance in places]

    def _patch(self, centre: np.ndarray, covariance: np.ndarray) -> Law:
        gaussian = multivariate_normal(centre, 0.5 * covariance)

        def log_density(X: np.ndarray) -> np.ndarray:
            points = self.coordinates(X)
            difference: np.ndarray = gaussian.logpdf(points) - self.at(points)[1]
            return difference

        return Law(self.at(centre[None])[0][0], log_density)


class Real(_Continuous):
    """Any numbers, in any unit."""

    def rows(self, n_rows: int = 150, seed: int = 0) -> np.ndarray:
        """Make Gaussian clusters, with standard deviations far from one."""
        rng = np.random.default_rng(seed)
        label = _labels(n_rows, rng)
        means = np.array([[0.0, 0.0], [18.0, 6.0], [6.0, 28.0]])
        roots = np.array([[[2, 0], [1, 3]], [[3, 0], [-1, 2]], [[1.5, 0], [0.5, 4]]])
        noise = rng.normal(size=(n_rows, 2))
        X: np.ndarray = means[label] + np.einsum("nij,nj->ni", roots[label], noise)
        return X

    def assert_rows(self, name: str, what: str, X: np.ndarray) -> None:
        """Assert that all cells are finite."""
        assert np.all(np.isfinite(X)), f"{name}: {what} has NaN or infinity"

    def coordinates(self, X: np.ndarray) -> np.ndarray:
        """Rows as they are."""
        return X

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points as they are."""
        return points, np.zeros(len(points))


class Composition(_Continuous):
    """Positive parts of a whole: only their ratios matter, and they sum to one.

    Densities are with respect to the volume of all parts but the last.
    """

    def rows(self, n_rows: int = 150, seed: int = 0) -> np.ndarray:
        """Make Dirichlet clusters."""
        rng = np.random.default_rng(seed)
        alpha = np.array([[24.0, 12.0, 4.0], [4.0, 8.0, 18.0], [3.0, 14.0, 3.0]])
        X: np.ndarray = rng.gamma(alpha[_labels(n_rows, rng)])
        X /= X.sum(axis=1, keepdims=True)
        return X

    def assert_rows(self, name: str, what: str, X: np.ndarray) -> None:
        """Assert that no part is negative and that parts sum to one, to rounding."""
        assert np.min(X) >= 0, f"{name}: {what} has the negative part {np.min(X):.3g}"
        sums = X.astype(np.float64).sum(axis=1)
        worst = float(sums[np.argmax(np.abs(sums - 1))])
        assert abs(worst - 1) <= (1e-6 if X.dtype == np.float32 else 1e-12), (
            f"{name}: {what} has a row whose parts sum to {worst:.10g}, not to 1"
        )

    def coordinates(self, X: np.ndarray) -> np.ndarray:
        """Logarithms of the ratios of parts to the last one."""
        log_parts = np.log(np.maximum(X, np.finfo(np.float64).tiny))
        ratios: np.ndarray = log_parts[:, :-1] - log_parts[:, -1:]
        return ratios

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Parts with these log-ratios; a unit area covers the product of the parts."""
        log_parts = np.column_stack([points, np.zeros(len(points))])
        log_parts -= logsumexp(log_parts, axis=1, keepdims=True)
        return np.exp(log_parts), log_parts.sum(axis=1)


class _Discrete(Support):
    """Rows that can be drawn more than once."""

    def patches(self, draws: np.ndarray, n_patches: int = 3) -> list[Law]:
        """Make laws on the rows that were drawn, so that none is impossible."""
        rows, copies = np.unique(draws, axis=0, return_counts=True)
        return [
            self._patch(rows, copies, centre, covariance)
            for centre, covariance in _dense_places(draws, n_patches)
        ]

    def _patch(
        self,
        rows: np.ndarray,
        copies: np.ndarray,
        centre: np.ndarray,
        covariance: np.ndarray,
    ) -> Law:
        # A tenth keeps the law wider than one row where near draws are all alike.
        width = 0.5 * covariance + 0.1 * np.eye(len(centre))
        errors = rows - centre
        squared = np.sum(errors * np.linalg.solve(width, errors.T).T, axis=1)
        log_weight = np.log(copies) - 0.5 * squared
        log_weight -= logsumexp(log_weight)
        table = dict(zip(map(tuple, rows.tolist()), log_weight, strict=True))

        def log_density(X: np.ndarray) -> np.ndarray:
            return np.array([table.get(tuple(row), -np.inf) for row in X.tolist()])

        return Law(centre, log_density)


class Counts(_Discrete):
    """Non-negative whole numbers, such as the words of a text.

    The probability of a row includes that of its length, the sum of its counts.
    """

    def rows(self, n_rows: int = 150, seed: int = 0) -> np.ndarray:
        """Make Dirichlet-multinomial clusters, with lengths from 3 to 12."""
        rng = np.random.default_rng(seed)
        alpha = np.array([[12.0, 2.0, 1.0], [1.0, 4.0, 12.0], [1.5, 9.0, 1.5]])
        shares = rng.gamma(alpha[_labels(n_rows, rng)])
        shares /= shares.sum(axis=1, keepdims=True)
        lengths = rng.integers(3, 13, size=n_rows)
        return rng.multinomial(lengths, shares).astype(np.float64)

    def assert_rows(self, name: str, what: str, X: np.ndarray) -> None:
        """Assert that cells are non-negative whole numbers."""
        wrong = X[(X < 0) | (np.rint(X) != X)]
        assert wrong.size == 0, (
            f"{name}: {what} has the cell {wrong[0]:.4g}, not a count"
        )

    def assert_total(self, name: str, model: Any, densities: Densities) -> None:
        """Sum over all rows up to a length, and compare with how many draws are such.

        Longer rows than those summed over have some probability: draws say how much.
        """
        lengths = np.rint(_first_rows(model, 20_000).sum(axis=1))
        rows = _all_counts(_LONGEST, self.n_columns)
        probability = np.exp(densities(model, rows))
        of_length = np.bincount(rows.sum(axis=1).astype(int), probability)
        quantiles = np.quantile(lengths, np.linspace(0.1, 0.9, 9))
        for longest in (_LONGEST, *np.unique(quantiles).astype(int)):
            total = float(of_length[: longest + 1].sum())
            share = float(np.mean(lengths <= longest))
            error = np.sqrt(share * (1 - share) / len(lengths))
            assert abs(total - share) <= 2e-3 + N_ERRORS * error, (
                f"{name}: the probability of all rows with a sum of up to {longest} "
                f"sums to {total:.4f}, but {share:.4f} of the draws are such rows"
            )


class Labels(_Discrete):
    """Labels that are numbers: only which are the same has a meaning."""

    def rows(self, n_rows: int = 150, seed: int = 0) -> np.ndarray:
        """Make clusters of labels from 1 to 8, independent within."""
        rng = np.random.default_rng(seed)
        shares = np.array([[0.15, 0.2], [0.5, 0.85], [0.85, 0.4]])
        X: np.ndarray = 1.0 + rng.binomial(7, shares[_labels(n_rows, rng)])
        return X

    def assert_rows(self, name: str, what: str, X: np.ndarray) -> None:
        """Assert that cells are labels."""
        wrong = X[(X < 1) | (X > 8) | (np.rint(X) != X)]
        assert wrong.size == 0, (
            f"{name}: {what} has the cell {wrong[0]:.4g}, no label from 1 to 8"
        )

    def assert_total(self, name: str, model: Any, densities: Densities) -> None:
        """Sum over all rows of labels that training rows have."""
        axes = [np.unique(column) for column in self.rows().T]
        rows = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, self.n_columns)
        total = float(np.exp(densities(model, rows)).sum())
        assert_integral(name, "the probability of rows", total)


def _first_rows(model: Any, n_rows: int) -> np.ndarray:
    """Draws without a past: models of sequences draw one sequence for each."""
    if "n_sequences" not in signature(model.sample).parameters:
        return np.asarray(model.sample(n_rows, random_state=0))
    return np.concatenate(model.sample(1, n_sequences=n_rows, random_state=0))


def _all_counts(longest: int, n_columns: int) -> np.ndarray:
    """Every row of counts with a sum of up to `longest`."""
    axes = [np.arange(longest + 1.0)] * n_columns
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, n_columns)
    rows: np.ndarray = grid[grid.sum(axis=1) <= longest]
    return rows


SUPPORTS = {
    support.kind: support
    for support in (
        Real("real", {"size": "float64", "count": "int16"}, any_unit=True),
        Counts(
            "counts",
            {"tea": "float64", "milk": "int16", "sugar": "int64"},
            any_unit=False,
        ),
        Composition(
            "composition",
            {"sand": "float64", "silt": "float32", "clay": "float32"},
            any_unit=False,
        ),
        Labels("labels", {"colour": "float64", "shape": "int16"}, any_unit=False),
    )
}


def support_of(estimator: Any) -> Support:
    """Look up the kind of rows that an estimator is about."""
    kind = getattr(estimator, "_support", "real")
    if kind not in SUPPORTS:
        raise ValueError(
            f"{type(estimator).__name__}._support is {kind!r}: it must be one of "
            f"{', '.join(map(repr, SUPPORTS))}."
        )
    return SUPPORTS[kind]
