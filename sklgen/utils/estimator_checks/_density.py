"""Checks of `score_samples` and `score` against each other and against `sample`."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklgen.utils.estimator_checks._asserts import (
    assert_ratios,
    assert_same,
)
from sklgen.utils.estimator_checks._supports import support_of
from sklgen.utils.estimator_checks._tools import (
    apart,
    contract_check,
    densities,
    fitted,
    takes_groups,
)


@contract_check("sample", "score_samples")
def check_sample_matches_density(name: str, estimator: Any) -> None:
    """Check that q(x) / p(x) has mean 1, for x from the model p and narrow laws q.

    A wrong scale, a wrong weight of a component or a wrong Jacobian, in `sample` or in
    `score_samples`, moves this mean.
    """
    model = fitted(estimator)
    qs = support_of(estimator).patches(model.sample(1000, random_state=0))
    draws = model.sample(20_000, random_state=1)
    assert_ratios(name, "sample", draws, model.score_samples(draws), qs)


@contract_check("sample", "score_samples")
def check_density_integrates_to_one(name: str, estimator: Any) -> None:
    """Integrate the density over all rows to 1, or sum it if rows are counts.

    Rows of counts have a probability that includes that of their length, their sum:
    lengths must come in `sample` as often as `score_samples` says.
    """
    support_of(estimator).assert_total(name, fitted(estimator), densities)


@contract_check("score", "score_samples")
def check_score_is_weighted_mean(name: str, estimator: Any) -> None:
    """Check that `score` is the weighted mean of `score_samples`."""
    model = fitted(estimator)
    X = support_of(estimator).rows(seed=1)
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
            model.score(X, sample_weight=weight, **apart(model, X)),
            model.score(X[order], **apart(model, X[order])),
        ),
    }
    for what, (one, other) in pairs.items():
        assert_same(name, what, one, other, atol=1e-10)
    assert isinstance(model.score(X), float), f"{name}: score must return a float"


@contract_check("aic", "bic", "score")
def check_information_criteria(name: str, estimator: Any) -> None:
    """Check the penalties that the criteria add to the log-likelihood, and weights."""
    X = support_of(estimator).rows()
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
    for method in () if takes_groups(estimator) else ("aic", "bic", "icl"):
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
