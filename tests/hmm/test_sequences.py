"""Sequences in and out: groups, lists, routing, missing rows, forecasts."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.hmm import GaussianHMM, groups_from_lengths
from tests.hmm.brute_force import enumerate_paths

LENGTHS = [5, 1, 4, 8]
CHAIN = {
    "startprob_init": [0.6, 0.4],
    "transmat_init": [[0.8, 0.2], [0.3, 0.7]],
    "means_init": [[0.0, 1.0], [2.0, -1.0]],
    "covariances_init": [[[1.0, 0.5], [0.5, 1.0]], [[0.5, 0.0], [0.0, 2.0]]],
    "n_init": 1,
    "max_iter": 0,
}


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(sum(LENGTHS), 2))


@pytest.fixture
def model(rows):
    return GaussianHMM(2, **CHAIN).fit(rows)


def log_densities(model, X):
    """Of each row under each state, missing cells integrated out; shape (K, n)."""
    out = np.zeros((2, len(X)))
    for k, row in np.ndindex(out.shape):
        seen = ~np.isnan(X[row])
        error = (X[row] - model.means_[k])[seen]
        covariance = model.covariances_[k][np.ix_(seen, seen)]
        quadratic = error @ np.linalg.solve(covariance, error)
        constant = seen.sum() * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1]
        out[k, row] = -0.5 * (quadratic + constant)
    return out


def enumerated(model, X):
    return enumerate_paths(log_densities(model, X), model.startprob_, model.transmat_)


def test_lists_are_groups(rows):
    groups = groups_from_lengths(LENGTHS)
    tables = np.split(rows, np.cumsum(LENGTHS)[:-1])
    one = GaussianHMM(2, random_state=0, tol=1e-2, reg_covar=0.1).fit(tables)
    other = GaussianHMM(2, random_state=0, tol=1e-2, reg_covar=0.1)
    other.fit(rows, groups=groups)
    assert_array_equal(one.means_, other.means_)
    assert one.score(tables) == other.score(rows, groups=groups)
    for method in ("predict", "predict_proba", "score_samples", "transform", "impute"):
        found = getattr(one, method)(tables)
        assert [len(part) for part in found] == LENGTHS
        assert_array_equal(np.concatenate(found), getattr(other, method)(rows, groups))


def test_three_dimensions_are_a_list(rows, model):
    cube = rows[:16].reshape(2, 8, 2)
    found = model.score_samples(cube)
    assert_array_equal(found, model.score_samples([*cube]))


def test_lists_of_frames_come_back_as_frames(rows):
    tables = [pd.DataFrame(part, columns=["a", "b"]) for part in (rows[:6], rows[6:])]
    model = GaussianHMM(1).fit(tables)
    tables[0].iloc[2, 1] = np.nan
    filled = model.impute(tables)
    assert [list(part.columns) for part in filled] == [["a", "b"]] * 2
    assert filled[0].notna().all(axis=None)
    drawn = model.sample(3, n_sequences=2, random_state=0)
    assert [part.shape for part in drawn] == [(3, 2)] * 2
    assert isinstance(drawn[0], pd.DataFrame)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([0, 0, 1, 1, 0, 0], r"group 0 comes back at row 4 .*sort_values"),
        (["a", "b", "a", "a", "a", "a"], "group 'a' comes back at row 2"),
        ([0, 0, 1], "groups has 3 entries for 6 rows"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "score", "predict", "score_samples"])
def test_groups_that_are_none(rows, model, groups, message, method):
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(rows[:6], groups=groups)


def test_lists_that_are_no_sequences(rows, model):
    with pytest.raises(ValueError, match="groups is for rows in one table"):
        model.predict([rows], groups=np.zeros(len(rows)))
    with pytest.raises(ValueError, match=r"X\[1\] has no rows"):
        model.predict([rows, rows[:0]])
    with pytest.raises(ValueError, match=r"different numbers of columns: \[1, 2\]"):
        model.predict([rows, rows[:, :1]])
    with pytest.raises(ValueError, match="positive whole numbers"):
        groups_from_lengths([2, 0])


def missing(rows):
    X = rows[:6].copy()
    X[1] = np.nan
    X[2, 0] = np.nan
    X[5] = np.nan
    return X


def test_missing_rows_are_summed_out(rows, model):
    X = missing(rows)
    found = enumerated(model, X)
    assert_allclose(model.score_samples(X), found.density, atol=1e-12)
    assert_allclose(model.score_samples(X)[[1, 5]], 0.0, atol=1e-15)
    assert_allclose(model.predict_proba(X), found.smoothed.T)
    assert_allclose(model.predict_proba(X, method="filter"), found.filtered.T)
    best = found.paths[found.log_joint.argmax()]
    assert_array_equal(model.predict(X), best)
    marginal = model.set_params(algorithm="marginal").predict(X)
    assert_array_equal(marginal, found.smoothed.argmax(axis=0))


def test_gaps_are_filled_with_means_given_the_sequence(rows, model):
    X = missing(rows)
    states = enumerated(model, X).smoothed
    filled = model.impute(X)
    seen = ~np.isnan(X)
    assert_array_equal(filled[seen], X[seen])
    for row in (1, 5):
        assert_allclose(filled[row], states[:, row] @ model.means_)
    slopes = model.covariances_[:, 0, 1] / model.covariances_[:, 1, 1]
    means = model.means_[:, 0] + slopes * (X[2, 1] - model.means_[:, 1])
    assert_allclose(filled[2, 0], states[:, 2] @ means)


def test_gaps_are_drawn_from_their_law_given_the_sequence(rows, model):
    X = missing(rows)
    n = 4000
    drawn = np.stack(model.sample_conditional([X] * n, random_state=0))
    seen = ~np.isnan(X)
    assert (drawn[:, seen] == X[seen]).all()
    errors = drawn.mean(axis=0) - model.impute(X)
    assert (np.abs(errors) <= 5 * drawn.std(axis=0) / np.sqrt(n) + 1e-12).all()
    # States of neighbouring gaps go together.
    both = np.full((2, 2), np.nan)
    pairs = np.stack(model.sample_conditional([both] * n, random_state=0))[:, :, 0]
    start = np.array([0.6, 0.4])
    law = np.diag(start) @ model.transmat_
    first, second = start @ model.means_[:, 0], law.sum(axis=0) @ model.means_[:, 0]
    expected = model.means_[:, 0] @ law @ model.means_[:, 0] - first * second
    assert abs(np.cov(pairs.T)[0, 1] - expected) < 0.1


def test_forecasts_go_on_from_the_last_row(rows, model):
    X = missing(rows)
    forecast = model.forecast(X, horizon=3)
    law = enumerated(model, X).filtered[:, -1]
    for row in range(3):
        law = law @ model.transmat_
        assert_allclose(forecast.probabilities[row], law)
        assert_allclose(forecast.mean[row], law @ model.means_)
    futures = np.stack(forecast.sample(4000, random_state=0))
    margin = 5 * futures.std(axis=0) / np.sqrt(4000)
    assert (np.abs(futures.mean(axis=0) - forecast.mean) < margin).all()
    both = model.forecast([X, rows], horizon=2)
    assert_allclose(both[0].mean, forecast.mean[:2])
    assert_allclose(both[1].mean, model.forecast(rows, 2).mean)


def test_draws_have_the_law_of_the_chain(model):
    tables, states = model.sample_latent(4, n_sequences=5000, random_state=0)
    states = np.stack(states)
    law = np.array([0.6, 0.4])
    for step in states.T:
        assert abs(np.mean(step == 0) - law[0]) < 0.04
        law = law @ model.transmat_
    stays = np.mean(states[:, 1:][states[:, :-1] == 0] == 0)
    assert abs(stays - 0.8) < 0.02
    rows = np.concatenate(tables)
    for k in range(2):
        own = rows[states.ravel() == k]
        assert_allclose(own.mean(axis=0), model.means_[k], atol=0.06)
        assert_allclose(np.cov(own.T), model.covariances_[k], atol=0.08)


def planted(seed=0, m=18, n=30):
    """Sequences of two states far apart, whose columns lean either way."""
    rng = np.random.default_rng(seed)
    state = np.empty((m, n), int)
    state[:, 0] = rng.integers(2, size=m)
    for t in range(1, n):
        stays = rng.random(m) < 0.9
        state[:, t] = np.where(stays, state[:, t - 1], 1 - state[:, t - 1])
    z = rng.normal(size=(m, n, 2))
    lean = np.where(state == 0, 0.9, -0.9)[..., None]
    second = lean * z[..., :1] + np.sqrt(1 - lean**2) * z[..., 1:]
    return [*np.concatenate([z[..., :1] + 4 * state[..., None], second], axis=2)]


SEARCHED = {"n_components": [1, 2, 3], "covariance_type": ["diag", "full"]}
QUICK = {"n_init": 2, "tol": 1e-3, "random_state": 0}


def test_search_with_groups_finds_the_planted_model():
    tables = planted()
    X, groups = np.concatenate(tables), groups_from_lengths([len(t) for t in tables])
    grid = {f"gaussianhmm__{name}": values for name, values in SEARCHED.items()}
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), GaussianHMM(**QUICK)),
            grid,
            cv=GroupKFold(3),
        ).fit(X, groups=groups)
        best = search.best_estimator_
        assert_allclose(
            best.score(X, groups=groups),
            best[-1].score(best[0].transform(X), groups=groups),
        )
    assert search.best_params_ == {
        "gaussianhmm__n_components": 2,
        "gaussianhmm__covariance_type": "full",
    }
    fold = next(GroupKFold(3).split(X, groups=groups))
    by_hand = make_pipeline(StandardScaler(), GaussianHMM(2, **QUICK))
    by_hand.fit(X[fold[0]], gaussianhmm__groups=groups[fold[0]])
    held_out = by_hand[0].transform(X[fold[1]])
    score = by_hand[1].score(held_out, groups=groups[fold[1]])
    at = search.cv_results_["params"].index(search.best_params_)
    assert_allclose(search.cv_results_["split0_test_score"][at], score)


def test_search_over_lists_finds_the_planted_model():
    search = GridSearchCV(GaussianHMM(**QUICK), SEARCHED, cv=KFold(3)).fit(planted())
    assert search.best_params_ == {"n_components": 2, "covariance_type": "full"}


def test_rows_that_a_splitter_chose_are_noticed():
    X = pd.DataFrame(np.concatenate(planted(m=6)), columns=["a", "b"])
    fold = X.iloc[np.r_[0:60, 120:180]]
    with pytest.warns(UserWarning, match="jumps at 1 place.*enable_metadata_routing"):
        GaussianHMM(1).fit(fold)
    GaussianHMM(1).fit(fold.reset_index(drop=True))


@pytest.mark.parametrize("kind", ["default", "pandas"])
@pytest.mark.parametrize("method", ["transform", "fit_transform"])
def test_transform_gives_a_table_for_each_table(rows, method, kind):
    frame = pd.DataFrame(rows, columns=["a", "b"])
    parts = [frame[:5], frame[5:6], frame[6:]]
    model = GaussianHMM(2, **CHAIN).fit(parts).set_output(transform=kind)
    given = getattr(model, method)(parts)
    for table, part, expected in zip(
        given, parts, model.predict_proba(parts), strict=True
    ):
        assert_array_equal(table, expected)
        if kind == "pandas":
            assert_array_equal(table.columns, ["gaussianhmm0", "gaussianhmm1"])
            assert_array_equal(table.index, part.index)
        else:
            assert isinstance(table, np.ndarray)


@pytest.mark.parametrize("as_list", [False, True])
def test_transform_gives_frames_for_arrays(model, rows, as_list):
    model = model.set_output(transform="pandas")
    X = np.split(rows, [5, 10]) if as_list else rows
    given = model.transform(X)
    expected = model.predict_proba(X)
    if as_list:
        given, expected = pd.concat(given), np.concatenate(expected)
    assert_array_equal(given, expected)
    assert_array_equal(given.columns, model.get_feature_names_out())


def test_transform_keeps_to_the_global_setting(model, rows):
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(model.transform([rows])[0], pd.DataFrame)
    assert isinstance(model.transform([rows])[0], np.ndarray)
