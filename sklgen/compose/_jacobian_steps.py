"""Transformers made of others: in sequence, or side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from sklgen._typing import Array
from sklgen.compose._jacobian import (
    REGISTERED,
    Mask,
    Registered,
    Rule,
    log_abs_det_jacobian,
    rule_of,
)

Steps = list[tuple[str, Any]]


@contextmanager
def named(name: str, transformer: Any) -> Iterator[None]:
    """Add the name of the step to whatever goes wrong in it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in step {name!r} ({type(transformer).__name__})")
        raise


def acting(steps: Iterable[Any]) -> Steps:
    """The steps that do something, as names and transformers."""
    return [
        (name, step)
        for name, step in steps
        if step is not None and step != "passthrough"
    ]


def first_obstacle(steps: Steps) -> str:
    """Why steps give no density, with the name of the first one to blame."""
    for name, step in steps:
        obstacle = rule_of(step).obstacle
        if obstacle:
            return f"step {name!r} ({type(step).__name__}) {obstacle}"
    return ""


def forward(steps: Steps, X: Any, params: Any = None) -> tuple[Array, Any, Mask]:
    """Transform rows, with the log-Jacobian of all steps.

    Returns the log-Jacobian of each row, the transformed rows where it is finite, and
    where that is.
    """
    log_det = np.zeros(_num_samples(X))
    inside = np.ones(len(log_det), dtype=bool)
    for name, step in steps:
        with named(name, step):
            found = log_abs_det_jacobian(step, X)
            log_det[inside] += found
            keep = found > -np.inf
            if not keep.all():
                X = _safe_indexing(X, np.flatnonzero(keep))
                inside[inside] = keep
            if not keep.any():
                break
            X = step.transform(X, **(params[name] if params else {}))
    return log_det, X, inside


@rule_of.register(Pipeline)
def _pipeline(pipeline: Any) -> Rule:
    steps = acting(pipeline.steps)
    rules = [rule_of(step) for _, step in steps]
    return Rule(
        log_det=lambda X: forward(steps, X)[0],
        columnwise=all(rule.columnwise for rule in rules),
        affine=all(rule.affine for rule in rules),
        obstacle=_nested(steps),
    )


@rule_of.register(FeatureUnion)
def _union(union: Any) -> Rule:
    return Rule(
        obstacle="maps a row to several places side by side, where few rows have an "
        "original: use a ColumnTransformer, which sends each column to one transformer"
    )


def parts(transformer: Any) -> list[tuple[str, Any, Any]]:
    """The parts of a ColumnTransformer: name, transformer or None, input columns."""
    if not hasattr(transformer, "transformers_"):
        found = [*transformer.transformers, ("remainder", transformer.remainder, [])]
        return [
            (name, _acting(step), None) for name, step, _ in found if step != "drop"
        ]
    inputs = transformer._transformer_to_input_indices
    return [
        (name, _acting(step), list(inputs[name]))
        for name, step, _ in transformer.transformers_
        if step != "drop" and len(inputs[name])
    ]


def _acting(step: Any) -> Any:
    return None if step is None or isinstance(step, str) else step


def leaves(steps: Steps) -> Iterator[tuple[str, Any]]:
    """The transformers inside pipelines and parts of columns, and all others."""
    for name, step in steps:
        if isinstance(step, Pipeline):
            yield from leaves(acting(step.steps))
        elif isinstance(step, ColumnTransformer):
            inner = [(name, part) for name, part, _ in parts(step) if part is not None]
            yield from leaves(inner)
        else:
            yield name, step


@rule_of.register(ColumnTransformer)
def _columns(transformer: Any) -> Rule:
    found = parts(transformer)
    steps = [(name, step) for name, step, _ in found if step is not None]
    rules = [rule_of(step) for _, step in steps]

    def log_det(X: Any) -> Array:
        total = np.zeros(_num_samples(X))
        names = getattr(transformer, "feature_names_in_", None)
        if names is not None and hasattr(X, "columns"):
            # In the order of `fit`, as `transform` finds them.
            X = _safe_indexing(X, list(names), axis=1)
        for name, step, at in found:
            if step is not None:
                with named(name, step):
                    total += log_abs_det_jacobian(step, _safe_indexing(X, at, axis=1))
        return total

    return Rule(
        log_det=log_det,
        columnwise=all(rule.columnwise for rule in rules),
        affine=all(rule.affine for rule in rules),
        obstacle=unused(transformer) or _nested(steps),
    )


def unused(transformer: Any) -> str:
    """Why rows can't be had back from a ColumnTransformer, if they can't."""
    if not hasattr(transformer, "transformers_"):
        return ""
    seen = [j for _, _, at in parts(transformer) for j in at]
    if len({*seen}) < len(seen):
        return "gives a column to two transformers: give it to one"
    lost = sorted({*range(transformer.n_features_in_)} - {*seen})
    if lost:
        return (
            f"drops the columns {lost}, which then can't be had back: set "
            "remainder='passthrough', or leave them out of X"
        )
    return ""


def _nested(steps: Steps) -> str:
    obstacle = first_obstacle(steps)
    return f"has a part without density: {obstacle}" if obstacle else ""


def registered_for(steps: Steps) -> dict[Any, Registered]:
    """What users registered that steps need."""
    needed: list[Any] = []
    for _, step in leaves(steps):
        needed += [*type(step).__mro__, getattr(step, "func", None)]
    return {
        target: found
        for target, found in REGISTERED.items()
        if any(target is one for one in needed)
    }
