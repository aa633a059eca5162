import numpy as np
import pytest

from sklgen.metrics import train_synthetic_test_real, utility_gap


def test_gap_is_the_difference_of_two_scores():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 1))
    rows = np.hstack([x, x**2 + 0.1 * rng.normal(size=x.shape)])
    real, test = rows[:400], rows[400:]
    assert utility_gap(real, real, test, 1, random_state=0).gap == 0.0
    shuffled = rng.permuted(real, axis=0)
    found = utility_gap(real, shuffled, test, 1, random_state=0)
    assert found.gap == pytest.approx(found.real - found.synthetic)
    assert found.gap > 0.8
    # Numbers without rows to sample have no seed: trees of few rows are exact.
    expected = train_synthetic_test_real(real, test, 1, random_state=3)
    assert found.real == pytest.approx(expected, abs=1e-12)
