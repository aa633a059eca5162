"""The number of components depends on the rows that have weight, held out or not."""

import numpy as np
import pandas as pd
import pytest

from sklgen.mixture import TabularMixture

N_GROUPS = 2


def labels(rng, n, purity):
    """Twelve columns, each of which names the group of a row with some probability."""
    group = rng.integers(N_GROUPS, size=n)[:, None]
    named = rng.random((n, 12)) < purity
    codes = np.where(named, group, rng.integers(N_GROUPS, size=(n, 12)))
    return pd.DataFrame(np.array(list("ab"))[codes])


@pytest.mark.parametrize("light", [1e-3, 1e-9])
def test_rows_of_next_to_no_weight_have_no_say(light):
    """Alone they have no groups, and a model of groups is worse for them than none."""
    rng = np.random.default_rng(0)
    heavy, stray = labels(rng, 800, 0.9), labels(rng, 2400, 0.0)
    X = pd.concat([heavy, stray], ignore_index=True)
    weight = np.repeat([1.0, light], [len(heavy), len(stray)])
    model = TabularMixture(random_state=0)
    assert model.fit(stray).n_components_ == 1
    assert model.fit(heavy).n_components_ >= N_GROUPS
    assert model.fit(X, sample_weight=weight).n_components_ >= N_GROUPS
