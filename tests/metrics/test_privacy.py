import numpy as np
import pandas as pd
import pytest

from sklgen.datasets import load_penguins
from sklgen.metrics import closest_record_share


def test_equals_brute_force():
    rng = np.random.default_rng(0)
    train, holdout, rows = rng.integers(0, 4, size=(3, 700, 2)).astype(float)
    both = np.concatenate([train, holdout])
    mean, scale = both.mean(axis=0), both.std(axis=0)
    a, b, r = ((x - mean) / scale for x in (train, holdout, rows))
    near = [((r[:, None] - known) ** 2).sum(axis=2).min(axis=1) for known in (a, b)]
    expected = np.mean((near[0] < near[1]) + 0.5 * (near[0] == near[1]))
    assert closest_record_share(train, holdout, rows) == pytest.approx(expected)


def test_copies_are_seen_and_fresh_rows_are_even():
    rng = np.random.default_rng(1)
    shares = []
    for seed in range(20):
        train, holdout = rng.normal(size=(300, 3)), rng.normal(size=(900, 3))
        fresh = rng.normal(size=(200, 3))
        shares.append(closest_record_share(train, holdout, fresh, random_state=seed))
        noisy = train + 0.05 * rng.normal(size=train.shape)
        assert closest_record_share(train, holdout, noisy, random_state=seed) > 0.9
    assert abs(np.mean(shares) - 0.5) < 3.5 * np.std(shares) / np.sqrt(20)


def test_ties_count_half():
    same = pd.DataFrame({"a": ["x", "y"], "b": [0.1, 0.3]})
    assert closest_record_share(same, same, same) == 0.5


def test_roles_can_be_exchanged():
    X = load_penguins(return_X_y=True, as_frame=True)[0]
    one, other, rows = X[::3], X[1::3], X[2::3]
    share = closest_record_share(one, other[: len(one)], rows, random_state=0)
    swapped = closest_record_share(other[: len(one)], one, rows, random_state=0)
    assert share + swapped == pytest.approx(1.0)
    assert closest_record_share(one, other, one, random_state=0) > 0.9
