"""Checks of models with latent labels: `predict`, `predict_proba`, `sample_latent`."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklgen.utils.estimator_checks._asserts import (
    assert_mean,
    assert_same,
)
from sklgen.utils.estimator_checks._supports import support_of
from sklgen.utils.estimator_checks._tools import (
    apart,
    contract_check,
    fitted,
)


@contract_check("predict", "predict_proba", "fit_predict")
def check_labels(name: str, estimator: Any) -> None:
    """Check that probabilities sum to 1 and the label is the most probable one.

    Rows of a sequence may be labelled together: here each is a sequence of its own.
    """
    X = support_of(estimator).rows()
    model = fitted(estimator, X)
    probability = model.predict_proba(X, **apart(model, X))
    assert np.min(probability) >= 0, f"{name}: predict_proba has negative entries"
    sums = probability.sum(axis=1)
    assert_same(name, "sums of predict_proba and 1", sums, np.ones(len(X)), atol=1e-8)
    labels = model.predict(X, **apart(model, X))
    assert np.issubdtype(labels.dtype, np.integer), (
        f"{name}: predict gave {labels.dtype}, not integers"
    )
    what = "predict and the argmax of predict_proba"
    assert_same(name, what, labels, probability.argmax(axis=1))
    labels = model.predict(X)
    assert_same(name, "predict and fit_predict", labels, model.fit_predict(X))


@contract_check("sample", "sample_latent", "predict_proba")
def check_sample_latent(name: str, estimator: Any) -> None:
    """Check that a seed gives the rows of `sample`, each with a label in range."""
    model = fitted(estimator)
    rows, labels = model.sample_latent(50, random_state=0)
    what = "rows of sample_latent and of sample with one seed"
    assert_same(name, what, rows, model.sample(50, random_state=0))
    n_labels = model.predict_proba(rows).shape[1]
    assert labels.shape == (50,), f"{name}: labels have shape {labels.shape}"
    assert np.issubdtype(labels.dtype, np.integer), (
        f"{name}: sample_latent gave labels of dtype {labels.dtype}"
    )
    assert labels.min() >= 0, f"{name}: sample_latent gave the label {labels.min()}"
    assert labels.max() < n_labels, (
        f"{name}: sample_latent gave the label {labels.max()}, "
        f"predict_proba has {n_labels} columns"
    )


@contract_check("sample_latent", "predict_proba")
def check_posterior_is_calibrated(name: str, estimator: Any) -> None:
    """Check that among draws with probability p of a label, a share p carries it."""
    model = fitted(estimator)
    rows, labels = model.sample_latent(5000, random_state=0)
    probability = model.predict_proba(rows)
    for k, p in enumerate(probability.T):
        excess = (labels == k) - p
        assert_mean(name, f"label {k} less its probability", excess, 0.0)
        what = f"label {k} less its probability, times its probability"
        assert_mean(name, what, excess * p, 0.0)
