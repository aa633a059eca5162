"""Windows of the warm-up, and whether chains adapt together."""

from itertools import pairwise

import numpy as np
import pytest

from sklgen.mcmc._metric import identity, stacked
from sklgen.mcmc._warmup import adapted, apart, pooled, schedule


@pytest.mark.parametrize("n_warmup", [0, 1, 5, 20, 21, 39, 40, 41, 99, 300, 1000, 9999])
def test_windows_add_up_and_grow(n_warmup):
    windows = schedule(n_warmup, 10)
    assert sum(window.n_draws for window in windows) == n_warmup
    assert all(window.n_draws > 0 for window in windows)
    sizes = [window.n_draws for window in windows[:-1]]
    assert all(b >= 2 * a for a, b in pairwise(sizes))
    assert [window.last for window in windows] == [False] * len(sizes) + [True] * bool(
        n_warmup
    )


def test_trees_are_short_at_first():
    depths = [window.max_depth for window in schedule(1000, 10)]
    assert depths == sorted(depths)
    assert depths[0] == 5
    assert depths[-1] == 10
    assert {window.max_depth for window in schedule(1000, 3)} == {3}


def chains(shift):
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4, 30, 3))
    draws[0, :, 1] += shift
    return draws, -draws, -0.5 * (draws**2).sum(axis=2)


def test_chains_in_one_mode_share_a_metric():
    draws, gradients, values = chains(0.5)
    assert not apart(draws, values)
    assert len(adapted("dense", draws, gradients, values).location) == 1


def test_chains_in_modes_of_their_own_do_not():
    draws, gradients, values = chains(20.0)
    assert apart(draws, values)
    metric = adapted("dense", draws, gradients, values)
    assert len(metric.location) == 4
    np.testing.assert_allclose(metric.location, draws.mean(axis=1))


def test_a_chain_that_is_stuck_far_below_is_apart():
    draws, _, values = chains(0.0)
    assert not apart(draws, values)
    values[2] -= 1e4
    assert apart(draws, values)


def test_steps_are_pooled_where_the_metric_is():
    steps = np.array([0.1, 0.4])
    np.testing.assert_allclose(pooled(steps, identity(2)), 0.2)
    np.testing.assert_array_equal(
        pooled(steps, stacked([identity(2), identity(2)])), steps
    )
