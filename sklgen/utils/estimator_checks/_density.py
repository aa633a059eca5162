"""Checks of `score_samples` and `score` against each other and against `sample`."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklgen.utils.estimator_checks._tools import (
    assert_integral,
    assert_ratios,
    assert_same,
    contract_check,
    fitted,
    patches,
    training_rows,
)


@contract_check("sample", "score_samples")
def check_sample_matches_density(name: str, estimator: Any) -> None:
    """Check that q(x) / p(x) has mean 1, for x from the model p and narrow Gaussians q.

    A wrong scale, a wrong weight of a component or a wrong Jacobian, in `sample` or in
    `score_samples`, moves this mean.
    """
    model = fitted(estimator)
    qs = patches(model.sample(1000, random_state=0))
    draws = model.sample(20_000, random_state=1)
    assert_ratios(name, "sample", draws, model.score_samples(draws), qs)


@contract_check("sample", "score_samples")
def check_density_integrates_to_one(name: str, estimator: Any) -> None:
    """Integrate the density to 1, by the trapezoid rule over both columns."""
    model = fitted(estimator)
    draws = model.sample(2000, random_state=0)
    margin = 0.5 * np.ptp(draws, axis=0)
    low, high = draws.min(axis=0) - margin, draws.max(axis=0) + margin
    axes = [np.linspace(a, b, 400) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    density = np.exp(model.score_samples(grid.reshape(-1, 2))).reshape(400, 400)
    inner = np.trapezoid(density, axes[1], axis=1)
    assert_integral(name, "the density", float(np.trapezoid(inner, axes[0])))


@contract_check("score", "score_samples")
def check_score_is_weighted_mean(name: str, estimator: Any) -> None:
    """Check that `score` is the weighted mean of `score_samples`."""
    model = fitted(estimator)
    X = training_rows(seed=1)
    log_density = model.score_samples(X)
    assert log_density.shape == (len(X),), (
        f"{name}: score_samples has shape {log_density.shape} for {len(X)} rows"
    )
    weight = np.random.default_rng(0).integers(0, 4, size=len(X))
    order = np.random.default_rng(1).permutation(np.repeat(np.arange(len(X)), weight))
    pairs = {
        "score and the mean of score_samples": (model.score(X), log_density.mean()),
        "score with weights and the weighted mean": (
            model.score(X, sample_weight=weight),
            np.average(log_density, weights=weight),
        ),
        "score with integer weights and score of repeated rows": (
            model.score(X, sample_weight=weight),
            model.score(X[order]),
        ),
    }
    for what, (one, other) in pairs.items():
        assert_same(name, what, one, other, atol=1e-10)
    assert isinstance(model.score(X), float), f"{name}: score must return a float"


@contract_check("aic", "bic", "score")
def check_information_criteria(name: str, estimator: Any) -> None:
    """Check the penalties that the criteria add to the log-likelihood, and weights."""
    X = training_rows()
    model = fitted(estimator, X)
    deviance = -2 * len(X) * model.score(X)
    n_parameters = (model.aic(X) - deviance) / 2
    assert n_parameters > 0, f"{name}: aic implies {n_parameters:.3g} parameters"
    assert_same(
        name, "twice the number of parameters in aic, and its nearest even number",
        2 * n_parameters, 2 * round(n_parameters), atol=1e-6,
    )  # fmt: skip
    expected = n_parameters * np.log(len(X)) + deviance
    assert_same(name, "bic and its definition", model.bic(X), expected, atol=1e-6)
    weight = np.random.default_rng(0).integers(0, 4, size=len(X))
    for method in ("aic", "bic", "icl"):
        if not hasattr(model, method):
            continue
        criterion = getattr(model, method)
        assert_same(
            name, f"{method} with integer weights and with repeated rows",
            criterion(X, sample_weight=weight), criterion(np.repeat(X, weight, axis=0)),
            atol=1e-6,
        )  # fmt: skip
    if hasattr(model, "icl"):
        assert model.icl(X) >= model.bic(X) - 1e-6, (
            f"{name}: icl {model.icl(X):.6g} is below bic {model.bic(X):.6g}, although "
            "it adds the uncertainty of the labels to it"
        )
