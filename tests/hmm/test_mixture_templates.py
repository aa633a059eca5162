"""Mixtures of HMMs: what the template, the start and the fit may be told."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.hmm import (
    CategoricalHMM,
    GaussianHMM,
    HMMMixture,
    PoissonHMM,
    TabularHMM,
    groups_from_lengths,
)
from sklgen.hmm._mixture_start import label_profiles
from sklgen.mixture import GaussianMixture
from tests.hmm.cluster_cases import MEANS, TRANSITIONS, planted


@pytest.mark.parametrize(
    ("hmm", "expected"),
    [
        (None, 2 + 3 * (1 + 2 + 2 * 5)),
        (GaussianHMM(covariance_type="tied"), 2 + 3 * (1 + 2 + 2 * 2) + 3),
        (GaussianHMM(covariance_type="diag", stationary=True), 2 + 3 * (2 + 2 * 4)),
        (GaussianHMM(topology="linear"), 2 + 3 * (0 + 1 + 2 * 5)),
    ],
    ids=["full", "tied", "stationary", "linear"],
)
def test_criteria_count_free_parameters(hmm, expected):
    X, _ = planted(4, n_each=4, T=20)
    model = HMMMixture(3, 2, hmm=hmm, n_init=1, tol=1e-2, random_state=0).fit(X)
    n = sum(map(len, X))
    fit = 2.0 * n * model.score(X)
    np.testing.assert_allclose(model.aic(X) + fit, 2.0 * expected)
    np.testing.assert_allclose(model.bic(X) + fit, np.log(n) * expected)


def test_chains_keep_to_the_topology_and_the_start():
    rng = np.random.default_rng(0)
    X = []
    for n in range(40):
        cuts = np.sort(rng.choice(np.arange(3, 27), 2, replace=False))
        levels = np.array([0.0, 4.0, 8.0] if n % 2 else [8.0, 4.0, 0.0])
        X.append(levels[np.searchsorted(cuts, np.arange(30))] + rng.normal(size=30))
    X = [part[:, None] for part in X]
    hmm = GaussianHMM(topology="left-right")
    model = HMMMixture(2, 3, hmm=hmm, n_init=1, tol=1e-4, random_state=0).fit(X)
    assert adjusted_rand_score(np.arange(40) % 2, model.predict_sequences(X)) == 1.0
    for own in model.hmms_:
        assert np.array_equal(own.startprob_, [1.0, 0.0, 0.0])
        assert not np.tril(own.transmat_, -1).any()


def test_impossible_transitions_stay_so_and_fixed_ones_too():
    X, _ = planted(5, n_each=10)
    law = np.array([[0.5, 0.5, 0.0], [0.2, 0.5, 0.3], [0.0, 0.4, 0.6]])
    hmm = GaussianHMM(transmat_init=law, startprob_init=[0.0, 0.3, 0.7])
    options = {"n_init": 2, "tol": 1e-2, "random_state": 0}
    for own in HMMMixture(2, 3, hmm=hmm, **options).fit(X).hmms_:
        assert np.array_equal(own.transmat_ > 0, law > 0)
        assert own.startprob_[0] == 0.0
        assert np.abs(own.transmat_ - law).max() > 0.01
    hmm.set_params(fixed=["transition"])
    for own in HMMMixture(2, 3, hmm=hmm, **options).fit(X).hmms_:
        assert np.array_equal(own.transmat_, law)


def test_clusters_that_share_fixed_emissions_learn_their_transitions():
    X, clusters = planted(5, n_each=30, T=60)
    hmm = GaussianHMM(
        covariance_type="spherical",
        means_init=MEANS,
        covariances_init=np.full(3, 0.49),
        fixed=["emission"],
    )
    model = HMMMixture(3, 3, hmm=hmm, n_init=2, tol=1e-5, random_state=0).fit(X)
    assert adjusted_rand_score(clusters, model.predict_sequences(X)) > 0.95
    for own in model.hmms_:
        assert np.array_equal(own.means_, MEANS)
        gaps = np.abs(own.transmat_ - TRANSITIONS).max(axis=(1, 2))
        assert gaps.min() < 0.1


@pytest.mark.parametrize("max_iter", [0, 1000])
def test_known_states_name_the_states_of_every_cluster(max_iter):
    X, _ = planted(6, n_each=10, apart=4.0, noise=0.2)
    # States by the corner of the triangle, which all clusters share.
    states = [np.argmin(np.abs(x[:, :1] - x[:, 1:] - [0, 3, -3]), axis=1) for x in X]
    given = [np.where(np.arange(len(s)) % 2, s, -1) for s in states]
    model = HMMMixture(3, 3, n_init=1, max_iter=max_iter, random_state=0)
    model.fit(X, state_labels=given)
    for c, part, own in zip(model.predict_sequences(X), X, states, strict=True):
        assert np.mean(model.hmms_[c].predict([part])[0] == own) > 0.98


def test_partial_fit_goes_on_and_minds_the_shapes():
    X, clusters = planted(7, n_each=40)
    model = HMMMixture(3, 3, n_init=3, tol=1e-3, random_state=0)
    for at in range(0, len(X), 30):
        model.partial_fit(X[at : at + 30])
    assert adjusted_rand_score(clusters, model.predict_sequences(X)) > 0.9
    assert model.score(X) > clone(model).fit(X).score(X) - 0.02
    with pytest.raises(ValueError, match="n_states"):
        model.set_params(n_states=2).partial_fit(X[:30])
    model.set_params(n_states=3, hmm=GaussianHMM(covariance_type="diag"))
    with pytest.raises(ValueError, match="hmm__covariance_type"):
        model.partial_fit(X[:30])


def test_a_grid_search_finds_the_planted_model():
    X, _ = planted(8, n_each=20, T=30)
    groups = groups_from_lengths([len(part) for part in X])
    model = HMMMixture(3, 3, hmm=GaussianHMM(), n_init=2, tol=1e-3, random_state=0)
    grid = {
        "hmmmixture__n_components": [1, 3],
        "hmmmixture__hmm__covariance_type": ["diag", "full"],
    }
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), model), grid, cv=GroupKFold(3)
        ).fit(np.vstack(X), groups=groups)
    assert search.best_params_["hmmmixture__n_components"] == 3
    assert search.best_params_["hmmmixture__hmm__covariance_type"] == "diag"
    plain = {name.removeprefix("hmmmixture__"): value for name, value in grid.items()}
    search = GridSearchCV(model, plain, cv=3).fit(X)
    assert search.best_params_ == {"n_components": 3, "hmm__covariance_type": "diag"}


def test_the_template_is_left_alone():
    X, _ = planted(9, n_each=3)
    hmm = GaussianHMM(7, covariance_type="diag", tol=0.5)
    before = vars(hmm).copy()
    model = HMMMixture(2, 2, hmm=hmm, n_init=1, tol=1e-2, random_state=0).fit(X)
    assert vars(hmm) == before
    assert [own.tol for own in model.hmms_] == [0.5, 0.5]
    assert model.hmms_[0].means_.shape == (2, 2)


@pytest.mark.parametrize("hmm", [PoissonHMM(), CategoricalHMM(), TabularHMM()], ids=str)
def test_clusters_of_any_emissions_are_recovered(hmm):
    rng = np.random.default_rng(0)
    clusters = np.arange(60) % 2
    names = np.array(["calm", "gusty", "wild"])
    X = []
    for c in clusters:
        states = (np.arange(48) // (1 + 3 * c) + (rng.random(48) < 0.1)) % 2
        counts = rng.poisson(np.where(states, 9.0, 2.0))
        labels = names[np.where(states, 2, rng.integers(2, size=48))]
        tables = {
            "poisson": counts[:, None],
            "categorical": pd.DataFrame({"wind": labels}),
            "tabular": pd.DataFrame({"wind": labels, "n": counts * 1.0}),
        }
        X.append(tables[type(hmm).__name__.lower().removesuffix("hmm")])
    model = HMMMixture(2, 2, hmm=hmm, n_init=4, tol=1e-4, random_state=0).fit(X)
    assert adjusted_rand_score(clusters, model.predict_sequences(X)) > 0.95
    # Each model alone reads the tables, and draws some like them.
    sums = [[part.sum() for part in own.score_samples(X)] for own in model.hmms_]
    mixed = logsumexp(np.log(model.weights_)[:, None] + sums, axis=0)
    found = [part.sum() for part in model.score_samples(X)]
    np.testing.assert_allclose(found, mixed, rtol=1e-9)
    assert type(model.hmms_[1].sample(3)) is type(X[0])
    drawn = model.sample(48, n_sequences=300, random_state=1)
    assert type(drawn[0]) is type(X[0])
    gap = model.score(drawn) - model.score(X)
    assert abs(gap) < 0.1


@pytest.mark.parametrize("hmm", [3, GaussianHMM, GaussianMixture()], ids=str)
def test_templates_that_are_no_hmms_are_errors(hmm):
    with pytest.raises(ValueError, match="hmm"):
        HMMMixture(hmm=hmm).fit(np.zeros((4, 1)))


def test_profiles_are_hellinger_distances_of_labels_and_pairs():
    labels = np.array([0, 1, 0, 1, 0, 0, 1, 1, 2])
    ends = np.array([4, 8, 9])
    first, second, third = label_profiles(labels, ends, 3) ** 2
    np.testing.assert_allclose(first[:3], [0.5, 0.5, 0.0])
    np.testing.assert_allclose(first[3:].reshape(3, 3)[0, 1], 2 / 3)
    np.testing.assert_allclose(second[3:].reshape(3, 3).diagonal(), [1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(second.sum(), 2.0)
    np.testing.assert_allclose(third, np.eye(12)[2])
