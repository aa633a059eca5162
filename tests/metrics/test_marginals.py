import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from sklgen.metrics import marginal_distances


def test_numbers_have_the_statistic_of_kolmogorov_and_smirnov():
    rng = np.random.default_rng(0)
    for ties in (None, 1):
        one, other = rng.normal(size=200), 1.3 * rng.normal(size=150) + 0.2
        if ties is not None:
            one, other = one.round(ties), other.round(ties)
        found = marginal_distances(one[:, None], other[:, None]).columns[0]
        assert found == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)


def test_labels_have_total_variation():
    real = pd.DataFrame({"a": ["x"] * 5 + ["y"] * 3 + [None] * 2})
    synthetic = pd.DataFrame({"a": ["x"] * 3 + ["z"] * 1})
    # shares .5 .3 .2(missing) 0 against .75 0 0 .25
    assert marginal_distances(real, synthetic).columns["a"] == pytest.approx(0.5)


def test_missing_numbers_count():
    real, synthetic = np.arange(10.0)[:, None], np.arange(10.0)[:, None]
    synthetic[[2, 4, 6]] = np.nan
    assert marginal_distances(real, synthetic).mean == pytest.approx(0.3)


def test_mean_is_over_columns():
    real = np.array([[0.0, 0.0], [1.0, 1.0]])
    found = marginal_distances(real, real + np.array([0.0, 0.5]))
    assert found.columns == {0: 0.0, 1: 0.5}
    assert found.mean == 0.25
