"""One model on one fold: what it is fitted to, what it draws, what is measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from sklgen._frames import open_frame
from sklgen._random import seeded
from sklgen.compose._pipeline import GenerativePipeline
from sklgen.metrics._coverage import coverage_density
from sklgen.metrics._energy import whitened_energy_distance
from sklgen.metrics._privacy import closest_record_share
from sklgen.metrics._scorers import _draw
from sklgen.metrics._two_sample import classifier_two_sample_test
from sklgen.metrics._utility import train_synthetic_test_real

REAL, INDEPENDENT = "real against real", "independent columns"
# What each column of the table is, and whether higher is better.
MEASURES: dict[str, tuple[str, bool | None]] = {
    "log_likelihood": (
        "mean log-density of unseen rows, in nats, in the units of the table",
        True,
    ),
    "energy": ("whitened energy distance to unseen rows; 0 is best", False),
    "c2st_auc": ("AUC of trees that tell draws from unseen rows; 0.5 is best", False),
    "c2st_std_error": ("standard error of that AUC", None),
    "tstr": (
        "score of trees that learned from draws, on unseen rows: AUC for two values of "
        "the target, accuracy for more labels, R² for other numbers",
        True,
    ),
    "coverage": ("share of unseen rows with a draw among their neighbours", True),
    "closest_record_share": (
        "share of draws nearer to training than to unseen rows; 0.5 is best",
        False,
    ),
    "fit_seconds": ("seconds to fit", False),
    "sample_seconds": ("seconds to draw as many rows as in training", False),
}


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows to learn from and rows to compare with; seeds are those of all models.

    Parameters
    ----------
    train, test : array-like or DataFrame
        The rows.
    target : str, int or None
        What to predict.
    max_rows : int
        Most rows that metrics of pairs see.
    seed : int
        Seed of the metrics.
    """

    train: Any
    test: Any
    target: Any
    max_rows: int
    seed: int


@dataclass(eq=False)
class Outcome:
    """What was measured of one model on one fold, its draws, and what went wrong."""

    measures: dict[str, float] = field(default_factory=dict)
    draws: Any = None
    failures: list[str] = field(default_factory=list)

    def attempt(self, name: str, measure: Callable[[], Any]) -> Any:
        """The result; None and a note of the failure if there is an error."""
        try:
            return measure()
        except Exception as error:  # one model that fails is no reason to stop
            self.failures.append(f"{name}: {type(error).__name__}: {error}")
            return None

    def time(self, name: str, run: Callable[[], Any]) -> Any:
        """The same, which keeps the seconds it took."""
        start = time.perf_counter()
        result = self.attempt(name, run)
        if result is not None:
            self.measures[f"{name}_seconds"] = time.perf_counter() - start
        return result


def measure_model(estimator: Any, fold: Fold, seed: int) -> Outcome:
    """Fit a clone, and measure it."""
    outcome = Outcome()
    model = outcome.time("fit", lambda: seeded(clone(estimator), seed).fit(fold.train))
    if model is None:
        return outcome
    if _has_density(model):
        logs = outcome.attempt(
            "log_likelihood", lambda: np.mean(model.score_samples(fold.test))
        )
        outcome.measures["log_likelihood"] = np.nan if logs is None else float(logs)
    draws = outcome.time("sample", lambda: _draw(model, len(fold.train), seed))
    if draws is not None:
        _measure_draws(outcome, fold, draws, fold.train, draws)
    return outcome


def measure_real(fold: Fold, seed: int) -> Outcome:
    """Measure training rows as if they were draws: what a perfect model would give.

    Halves of them are the training rows and the draws of the share of closest records.
    """
    outcome = Outcome()
    rng = np.random.default_rng(seed)
    shuffled = _safe_indexing(fold.train, rng.permutation(len(fold.train)))
    halves = np.array_split(np.arange(len(fold.train)), 2)
    known, fresh = (_safe_indexing(shuffled, half) for half in halves)
    _measure_draws(outcome, fold, shuffled, known, fresh)
    return outcome


def measure_independent(fold: Fold, seed: int) -> Outcome:
    """Measure training rows whose columns were shuffled: no dependence, no model."""
    outcome = Outcome()
    rng = np.random.default_rng(seed)
    draws = shuffle_columns(fold.train, rng)
    _measure_draws(outcome, fold, draws, fold.train, draws)
    return outcome


def shuffle_columns(X: Any, rng: np.random.Generator) -> Any:
    """Rows with each column in an order of its own, in the container of X."""
    frame = open_frame(X, "X")
    if frame is None:
        return np.column_stack([rng.permutation(column) for column in np.asarray(X).T])
    moved = [
        column[rng.permutation(len(column)).tolist()] for column in frame.iter_columns()
    ]
    return frame.select(*moved).to_native()


def _has_density(model: Any) -> bool:
    """Whether `score_samples` is a density in the units of the table.

    That of a scikit-learn pipeline is one of transformed rows.
    """
    transforms = isinstance(model, Pipeline) and not isinstance(
        model, GenerativePipeline
    )
    return hasattr(model, "score_samples") and not transforms


def _measure_draws(
    outcome: Outcome, fold: Fold, draws: Any, known: Any, fresh: Any
) -> None:
    """Measure draws; those of `fresh` must not be among the `known` rows."""
    measures, seed = outcome.measures, fold.seed
    size = min(len(fold.test), fold.max_rows)
    sizes = (size, size, size, fold.max_rows, len(fold.test))
    rng = np.random.default_rng(seed)
    parts = outcome.attempt(
        "draws",
        lambda: [
            _some(X, n, rng)
            for X, n in zip((fold.test, draws, fresh, known, draws), sizes, strict=True)
        ],
    )
    if parts is None:
        return
    test, rows, near, train, outcome.draws = parts
    found = {
        "energy": lambda: whitened_energy_distance(test, rows),
        "coverage": lambda: coverage_density(test, rows).coverage,
        "closest_record_share": lambda: closest_record_share(
            train, test, near, random_state=seed
        ),
    }
    if fold.target is not None:
        found["tstr"] = lambda: train_synthetic_test_real(
            draws, fold.test, fold.target, random_state=seed
        )
    for name, measure in found.items():
        value = outcome.attempt(name, measure)
        measures[name] = np.nan if value is None else value
    told = outcome.attempt(
        "c2st",
        lambda: classifier_two_sample_test(fold.test, draws, random_state=seed),
    )
    if told is not None:
        measures |= {"c2st_auc": told.auc, "c2st_std_error": told.std_error}


def _some(X: Any, n: int, rng: np.random.Generator) -> Any:
    """So many rows at random: tables may be sorted, and draws come by component."""
    return _safe_indexing(X, rng.permutation(len(X))[:n])
