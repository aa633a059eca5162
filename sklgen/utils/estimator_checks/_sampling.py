"""Checks of `sample`: container, seeds, side effects, order, arguments."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest import SkipTest

import joblib
import numpy as np

from sklgen.utils.estimator_checks._asserts import (
    N_ERRORS,
    assert_raises,
    assert_same,
)
from sklgen.utils.estimator_checks._supports import support_of
from sklgen.utils.estimator_checks._tools import (
    contract_check,
    fitted,
    frame_makers,
    takes_groups,
)


@contract_check("sample")
def check_sample_array(name: str, estimator: Any) -> None:
    """Check arrays in, arrays out: shape, dtype, one row by default."""
    support = support_of(estimator)
    d = support.n_columns
    for dtype in (np.float64, np.float32):
        model = fitted(estimator, support.rows().astype(dtype))
        draws = model.sample(7, random_state=0)
        assert isinstance(draws, np.ndarray), f"{name}: sample gave {type(draws)}"
        assert draws.shape == (7, d), f"{name}: sample(7) has shape {draws.shape}"
        assert draws.dtype == dtype, (
            f"{name}: sample has dtype {draws.dtype} after a fit on {np.dtype(dtype)}"
        )
        assert model.sample().shape == (1, d), f"{name}: sample() must give one row"
        assert np.all(np.isfinite(draws)), f"{name}: sample gave NaN or infinity"


@contract_check("sample", supports=("counts", "composition", "labels"))
def check_sample_support(name: str, estimator: Any) -> None:
    """Check that draws are counts, parts of a whole or labels, as `_support` says."""
    support = support_of(estimator)
    for dtype in (np.float64, np.float32):
        model = fitted(estimator, support.rows().astype(dtype))
        draws = model.sample(2000, random_state=0)
        support.assert_rows(name, f"sample in {np.dtype(dtype)}", draws)


@contract_check("sample")
def check_sample_frame(name: str, estimator: Any) -> None:
    """Check that DataFrames give back their library, columns and dtypes."""
    support = support_of(estimator)
    columns = support.typed_columns(support.rows())
    for library, make in frame_makers().items():
        frame = make(columns)
        draws = fitted(estimator, frame).sample(7, random_state=0)
        assert type(draws) is type(frame), f"{name}: {library} in, {type(draws)} out"
        assert draws.shape == (7, len(columns)), (
            f"{name}: sample(7) has shape {draws.shape}"
        )
        for column in columns:
            assert draws[column].dtype == frame[column].dtype, (
                f"{name}: column {column!r} came back as {draws[column].dtype}, "
                f"was {frame[column].dtype} in {library}"
            )


@contract_check("sample")
def check_sample_random_state(name: str, estimator: Any) -> None:
    """Check that an int repeats, None gives fresh rows, a RandomState advances."""
    model = fitted(estimator)

    def draw(seed: Any) -> Any:
        return model.sample(5, random_state=seed)

    assert_same(name, "two samples with one int seed", draw(3), draw(3))
    pairs = {
        "seeds 3 and 4": (draw(3), draw(4)),
        "two calls with random_state=None": (draw(None), draw(None)),
    }
    state = np.random.RandomState(3)
    first = draw(state)
    pairs["two calls with one RandomState"] = (first, draw(state))
    for what, (one, other) in pairs.items():
        assert not np.array_equal(one, other), f"{name}: {what} gave the same rows"
    again = draw(np.random.RandomState(3))
    assert_same(name, "samples from equal RandomStates", first, again)


@contract_check("sample")
def check_sample_side_effects(name: str, estimator: Any) -> None:
    """Check that sampling changes neither the estimator nor numpy's generator."""
    model = fitted(estimator)
    row = support_of(estimator).rows(n_rows=1)
    row[:, 0] = np.nan
    before = joblib.hash(model)
    state = np.random.get_state(legacy=False)  # noqa: NPY002
    for seed in (None, 0):
        model.sample(5, random_state=seed)
        if hasattr(model, "sample_conditional"):
            model.sample_conditional(row, random_state=seed)
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert joblib.hash(state) == joblib.hash(after), (
        f"{name}: sampling moved numpy's global generator"
    )
    assert joblib.hash(model) == before, f"{name}: sampling changed the estimator"


@contract_check("sample")
def check_sample_order(name: str, estimator: Any) -> None:
    """Check that rows come in random order: neighbours are uncorrelated."""
    if takes_groups(estimator):
        raise SkipTest("rows come in the order of time")
    draws = fitted(estimator).sample(2000, random_state=0)
    white = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    correlation = np.mean(white[1:] * white[:-1], axis=0)
    limit = N_ERRORS / np.sqrt(len(draws))
    assert np.max(np.abs(correlation)) <= limit, (
        f"{name}: neighbouring rows of a sample have correlation "
        f"{np.max(np.abs(correlation)):.3f}, allowed is {limit:.3f}: shuffle the rows"
    )


@contract_check("sample")
def check_sample_n_samples(name: str, estimator: Any) -> None:
    """Check that a number of rows must be a positive integer."""
    model = fitted(estimator)
    for method in ("sample", "sample_latent"):
        for bad in (0, -1, 2.5, "3"):
            if hasattr(model, method):
                call = partial(getattr(model, method), bad)
                errors = (ValueError, TypeError)
                what = f"{method}({bad!r})"
                assert_raises(name, what, call, errors, "n_samples")
