import pickle

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture as SklearnMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from sklgen.datasets import load_old_faithful
from sklgen.metrics import (
    c2st_scorer,
    coverage_scorer,
    negative_energy_scorer,
    negative_sliced_wasserstein_scorer,
)
from sklgen.mixture import GaussianMixture

SCORERS = [
    negative_energy_scorer,
    c2st_scorer,
    coverage_scorer,
    negative_sliced_wasserstein_scorer,
]


@pytest.fixture(scope="module")
def X():
    return load_old_faithful(as_frame=True).data


@pytest.mark.slow  # starts processes
@pytest.mark.parametrize("scorer", SCORERS)
def test_grid_search_in_two_processes_rejects_the_worst(scorer, X):
    search = GridSearchCV(
        GaussianMixture(random_state=0),
        {"n_components": [1, 2]},
        scoring=scorer,
        cv=2,
        n_jobs=2,
        error_score="raise",
    ).fit(X)
    assert search.best_params_ == {"n_components": 2}
    assert pickle.loads(pickle.dumps(scorer)) is scorer


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize(
    "model",
    [GaussianMixture(2), SklearnMixture(2), KernelDensity(bandwidth=0.2)],
    ids=["sklgen", "sklearn-mixture", "sklearn-density"],
)
def test_scores_are_repeatable_and_leave_no_trace(scorer, model, X):
    values = X.to_numpy()
    model.fit(values)
    before, state = vars(model).copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert scorer(model, values) == scorer(model, values)
    assert vars(model) == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_the_true_model_scores_zero_and_one(X):
    truth = GaussianMixture(2, random_state=0).fit(X)
    worse = GaussianMixture(1, random_state=0).fit(X)
    energy, trees = [], []
    for seed in range(10):
        rows = truth.sample(250, random_state=seed + 1)
        energy.append([negative_energy_scorer(m, rows) for m in (truth, worse)])
        if seed < 2:
            trees.append([c2st_scorer(m, rows) for m in (truth, worse)])
    mean, worst = np.mean(energy, axis=0)
    assert abs(mean) < 0.005 < 0.015 < -worst
    assert np.mean(trees, axis=0)[0] > 0.8
    assert np.mean(trees, axis=0)[1] < 0.7


def test_models_that_do_not_sample_are_refused(X):
    with pytest.raises(TypeError, match="`sample`, which PCA lacks"):
        negative_energy_scorer(PCA().fit(X), X)
