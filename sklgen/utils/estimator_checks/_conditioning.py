"""Checks of `sample_conditional` and `impute`: missing cells given observed ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

from sklgen.utils.estimator_checks._asserts import (
    assert_integral,
    assert_mean,
    assert_ratios,
    assert_same,
)
from sklgen.utils.estimator_checks._supports import support_of
from sklgen.utils.estimator_checks._tools import (
    apart,
    contract_check,
    densities,
    fitted,
    frame_makers,
    with_missing,
)

_COMPLETIONS = ("sample_conditional", "impute")


def _complete(model: Any, method: str, X: Any) -> Any:
    if method == "impute":
        return model.impute(X)
    return model.sample_conditional(X, random_state=0)


def _mask(X: np.ndarray, column: int) -> np.ndarray:
    masked = X.copy()
    masked[:, column] = np.nan
    return masked


@contract_check(*_COMPLETIONS)
def check_completion_keeps_observed(name: str, estimator: Any) -> None:
    """Check that observed cells come back bit for bit, and none is left missing."""
    support = support_of(estimator)
    model = fitted(estimator)
    for dtype in (np.float64, np.float32):
        X = with_missing(support.rows(seed=1)).astype(dtype)
        X[0] = np.nan
        before, observed = X.copy(), ~np.isnan(X)
        for method in _COMPLETIONS:
            done = _complete(model, method, X)
            assert done.dtype == X.dtype, f"{name}: {method}: {X.dtype} to {done.dtype}"
            assert np.all(np.isfinite(done)), f"{name}: {method} left cells missing"
            what = f"observed cells before and after {method}"
            assert_same(name, what, X[observed], done[observed])
            assert np.array_equal(before, X, equal_nan=True), (
                f"{name}: {method} changed its input"
            )
            full = support.rows(seed=1)
            what = f"complete rows before and after {method}"
            assert_same(name, what, full, _complete(model, method, full))


@contract_check(*_COMPLETIONS)
def check_completion_frames(name: str, estimator: Any) -> None:
    """Check that DataFrames come back complete, in their library and columns."""
    support = support_of(estimator)
    X = support.rows()
    columns = support.columns(X)
    first, *others = columns
    for library, make in frame_makers().items():
        model = fitted(estimator, make(columns))
        frame = make({**columns, first: with_missing(X)[:, 0]})
        for method in _COMPLETIONS:
            done = _complete(model, method, frame)
            assert type(done) is type(frame), f"{name}: {library} in, {type(done)} out"
            assert list(done.columns) == [*columns], f"{name}: columns {done.columns}"
            assert np.all(np.isfinite(done.to_numpy())), (
                f"{name}: {method} left cells of a {library} DataFrame missing"
            )
            what = f"observed column before and after {method} in {library}"
            for column in others:
                assert_same(name, what, frame[column], done[column])


@contract_check("sample_conditional", supports=("real", "counts", "labels"))
def check_completion_random_state(name: str, estimator: Any) -> None:
    """Check that an int repeats the drawn cells and None draws fresh ones."""
    model = fitted(estimator)
    X = _mask(support_of(estimator).rows(), 0)

    def draw(seed: Any) -> Any:
        return model.sample_conditional(X, random_state=seed)

    assert_same(name, "sample_conditional with one int seed twice", draw(3), draw(3))
    for one, other in ((3, 4), (None, None)):
        assert not np.array_equal(draw(one), draw(other)), (
            f"{name}: sample_conditional with random_state {one} and {other} "
            "gave the same cells"
        )


@contract_check("sample", "score_samples", "sample_conditional")
def check_conditionals_keep_joint(name: str, estimator: Any) -> None:
    """Check that draws with a column drawn anew are still draws of the model."""
    model = fitted(estimator)
    qs = support_of(estimator).patches(model.sample(1000, random_state=0))
    draws = model.sample(20_000, random_state=1)
    for column in range(draws.shape[1]):
        redrawn = model.sample_conditional(_mask(draws, column), random_state=2)
        what = f"column {column} redrawn by sample_conditional"
        assert_ratios(name, what, redrawn, model.score_samples(redrawn), qs)


def _densest_fifth(values: np.ndarray) -> tuple[float, float]:
    """Middle and width of the shortest interval that holds a fifth of the values."""
    values = np.sort(values)
    fifth = len(values) // 5
    widths = values[fifth:] - values[:-fifth]
    at = int(np.argmin(widths))
    return float(values[at] + widths[at] / 2), float(widths[at])


@contract_check("sample", "score_samples", "sample_conditional", supports=("real",))
def check_chain_rule(name: str, estimator: Any) -> None:
    """Check that missing cells are drawn from p(row) / p(observed cells)."""
    model = fitted(estimator)
    for column in (0, 1):
        for row in model.sample(3, random_state=0):
            masked = _mask(np.tile(row, (5000, 1)), column)
            own = apart(model, masked)
            draws = model.sample_conditional(masked, random_state=1, **own)
            log_density = densities(model, draws) - densities(model, masked[:1])
            cells = draws[:, column]
            middle, width = _densest_fifth(cells)
            what = f"p(row) / p(observed) where column {column} is missing"
            q = norm(middle, width / 4)
            ratio = np.exp(q.logpdf(cells) - log_density)
            assert_mean(name, f"{what}: q / p around {middle:.3g}", ratio, 1.0)


@contract_check("sample", "score_samples", "sample_conditional", supports=("real",))
def check_marginals_integrate_to_one(name: str, estimator: Any) -> None:
    """Integrate the density of one observed cell to 1; of no cell it is 1."""
    model = fitted(estimator)
    draws = model.sample(2000, random_state=0)
    for column in range(draws.shape[1]):
        values = draws[:, column]
        margin = 0.5 * np.ptp(values)
        grid = np.linspace(values.min() - margin, values.max() + margin, 4000)
        rows = np.full((len(grid), draws.shape[1]), np.nan)
        rows[:, column] = grid
        density = np.exp(densities(model, rows))
        integral = float(np.trapezoid(density, grid))
        assert_integral(name, f"the marginal density of column {column}", integral)
    empty = model.score_samples(np.full((1, draws.shape[1]), np.nan))
    what = "log-density of a row with nothing observed"
    assert_same(name, what, empty, [0.0], atol=1e-12)


@contract_check("sample", *_COMPLETIONS, supports=("real", "counts", "composition"))
def check_impute_is_conditional_mean(name: str, estimator: Any) -> None:
    """Check that `impute` is the mean of many conditional draws."""
    model = fitted(estimator)
    for column in range(support_of(estimator).n_columns):
        for row in model.sample(3, random_state=0):
            masked = _mask(np.tile(row, (5000, 1)), column)
            own = apart(model, masked)
            drawn = model.sample_conditional(masked, random_state=1, **own)
            draws = drawn[:, column]
            mean = model.impute(masked[:1])[0, column]
            what = f"draws of column {column} against impute"
            assert_mean(name, what, draws, float(mean))


@contract_check("score_samples", *_COMPLETIONS)
def check_fit_with_missing(name: str, estimator: Any) -> None:
    """Compare a fit on rows with missing cells with one on the complete rows."""
    X = support_of(estimator).rows()
    loss = fitted(estimator, X).score(X) - fitted(estimator, with_missing(X)).score(X)
    assert loss <= 0.5, (
        f"{name}: fitted with a third of the rows incomplete, the model scores the "
        f"complete rows by {loss:.3f} nats a row worse, allowed is 0.5"
    )
