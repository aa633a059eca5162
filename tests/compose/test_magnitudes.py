"""Floats over hundreds of orders of magnitude: finite, exact, with their density."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from sklgen.compose import TabularEncoder
from sklgen.compose._resolution import Floats, Magnitudes, learn_scale
from sklgen.mixture import TabularMixture

rng = np.random.default_rng(0)
WIDE = {
    "positive": 10.0 ** rng.uniform(-300, 300, 500),
    "signed": rng.choice([-1, 1], 500) * 10.0 ** rng.uniform(-300, 300, 500),
    "ends": np.append(rng.normal(size=300), [1.7e308, -1.7e308]),
    "two scales": np.append(rng.normal(size=300), 1e200 * rng.normal(size=300)),
    "subnormal": np.append(0.0, 10.0 ** rng.uniform(-323, 200, 800)),
    "many": 10.0 ** rng.uniform(-100, 100, 20_000),
}
NARROW = {
    "large": 1e307 * rng.normal(size=500),
    "small": 1e-310 * rng.normal(size=500),
    "smallest": 5e-320 * rng.exponential(size=500),
    "skewed": rng.lognormal(0, 30, 500),
    "nearly 0": np.append(rng.normal(size=500), [0.0, 1e-200, 1e-300, -1e-300]),
}


@pytest.mark.parametrize("name", [*WIDE, *NARROW])
def test_round_trip_and_density_are_exact_and_finite(name):
    x = (WIDE | NARROW)[name][:, None]
    encoder = TabularEncoder().fit(x)
    T = encoder.transform(x)
    back = encoder.inverse_transform(T)
    # Values next to 0 share a score with it.
    same = back == x
    assert (same | (np.abs(x) < 1e-100)).all() if name == "nearly 0" else same.all()
    assert np.abs(back - x)[~same].max(initial=0) < 1e-100
    assert np.isfinite(encoder.log_density_offset(x)).all()
    draws = encoder.inverse_transform(3 * rng.normal(size=(2000, 1)))
    assert np.isfinite(draws).all()
    scores = encoder.transform(draws)
    assert np.isfinite(scores).all()
    scale = learn_scale(np.unique(x), np.dtype(np.float64), None)
    assert isinstance(scale, Magnitudes if name in WIDE else Floats)


@pytest.mark.parametrize("name", ["positive", "signed", "many", "two scales"])
def test_draws_have_the_law_of_the_column(name):
    x = WIDE[name]
    encoder = TabularEncoder().fit(x[:, None])
    draws = encoder.inverse_transform(rng.normal(size=(4000, 1)))[:, 0]
    assert kstest(draws, x).pvalue > 0.01


@pytest.mark.parametrize("name", WIDE)
def test_offset_is_the_slope_of_scores(name):
    x = WIDE[name]
    x = np.sort(x[(np.abs(x) > 1e-290) & (np.abs(x) < 1e290)])
    encoder = TabularEncoder().fit(WIDE[name][:, None])
    step = 1e-6 * np.abs(x)
    ends = [encoder.transform((x + sign * step)[:, None])[:, 0] for sign in (-1, 1)]
    slope = np.log(ends[1] - ends[0]) - np.log(2 * step)
    offset = encoder.log_density_offset(x[:, None])
    # The spline's third derivative jumps at knots, and cells of the quotient straddle.
    gap = np.abs(slope - offset)
    assert np.quantile(gap, 0.95) < 1e-4
    assert gap.max() < 0.05


def test_a_mixture_has_finite_densities_and_draws():
    frame = pd.DataFrame({"x": WIDE["signed"], "y": rng.normal(size=500)})
    model = TabularMixture(3, random_state=0).fit(frame)
    assert np.isfinite(model.score_samples(frame)).all()
    assert np.isfinite(model.sample(500, random_state=0)).all(axis=None)
    assert np.isfinite(model.impute(frame.assign(x=np.nan))).all(axis=None)


def test_knots_too_close_for_slopes_count_as_one():
    x = np.append(rng.normal(size=500), 1e-300 * rng.normal(size=40))[:, None]
    encoder = TabularEncoder(n_quantiles=270).fit(x)
    assert np.isfinite(encoder.log_density_offset(x)).all()
    draws = encoder.inverse_transform(rng.normal(size=(4000, 1)))
    assert kstest(draws[:, 0], x[:, 0]).statistic < 0.08
    np.testing.assert_allclose(
        encoder.inverse_transform(encoder.transform(x)), x, atol=1e-100
    )
