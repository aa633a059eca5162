"""Hidden Markov models of labels and of mixed tables."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from sklgen.hmm import CategoricalHMM, TabularHMM
from sklgen.mixture import TabularMixture
from tests.hmm.brute_force import enumerate_paths

STATES = np.repeat([0, 1, 0, 1, 0], [40, 60, 50, 30, 70])


def words(seed=0):
    """Two columns of labels, strings and numbers, in two states."""
    rng = np.random.default_rng(seed)
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    first = [rng.choice(list("abc"), p=shares[state]) for state in STATES]
    second = np.where(rng.random(len(STATES)) < 0.9, STATES, 1 - STATES) * 10
    return np.array([first, second.tolist()], dtype=object).T


def weather(seed=0):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    n = len(STATES)
    sky = np.where(rng.random(n) < 0.9, STATES, 1 - STATES)
    return pandas.DataFrame(
        {
            "sky": pandas.Categorical.from_codes(sky, ["clear", "cloudy"]),
            "rain": np.round(rng.gamma(2.0, 1.0 + 5.0 * STATES), 1),
            "boats": rng.poisson(30 - 20 * STATES),
        }
    )


def with_holes(X, seed=0, share=0.2):
    gone = np.random.default_rng(seed).random(X.shape) < share
    gone[1] = True
    return X.mask(gone) if hasattr(X, "mask") else np.where(gone, None, X)


def labels_log(model, X):
    """Log-density (K, n) of rows of labels from the fitted attributes."""
    log = np.zeros((model.n_components, len(X)))
    columns = zip(X.T, model.levels_, model.emission_probabilities_, strict=True)
    for cells, levels, probabilities in columns:
        for i, cell in enumerate(cells):
            if cell is not None:
                log[:, i] += np.log(probabilities[:, levels.tolist().index(cell)])
    return log


@pytest.mark.parametrize("missing", [False, True])
def test_labels_are_scored_by_sums_over_all_paths(missing):
    model = CategoricalHMM(3, random_state=0, n_init=3).fit(with_holes(words()))
    X = words(1)[38:43]
    X = with_holes(X) if missing else X
    expected = enumerate_paths(labels_log(model, X), model.startprob_, model.transmat_)
    assert_allclose(model.score_samples(X), expected.density, atol=1e-10)
    assert_allclose(model.predict_proba(X), expected.smoothed.T, atol=1e-10)


def test_labels_come_back_as_they_are_and_states_are_found():
    X = words()
    model = CategoricalHMM(2, random_state=0).fit(X)
    assert [levels.tolist() for levels in model.levels_] == [["a", "b", "c"], [0, 10]]
    assert all(np.allclose(p.sum(axis=1), 1) for p in model.emission_probabilities_)
    states = model.predict(X)
    right = np.mean(states == STATES)
    assert max(right, 1 - right) > 0.97
    drawn = model.sample(500, random_state=0)
    assert set(drawn[:, 0]) == {"a", "b", "c"}
    assert set(drawn[:, 1]) == {0, 10}
    hidden = with_holes(X)
    filled = model.sample_conditional(hidden, random_state=0)
    seen = np.array([[cell is not None for cell in row] for row in hidden])
    assert (filled[seen] == X[seen]).all()
    assert not any(cell is None for cell in filled.ravel())


def test_an_unseen_label_counts_as_one_seen_once():
    X = words()[:, :1]
    model = CategoricalHMM(2, random_state=0, n_init=2).fit(X)
    new = model.score_samples(np.array([["z"]], dtype=object))
    assert_allclose(new, -np.log(len(X) + 1), rtol=1e-12)


def test_labels_refit_on_draws_recover_and_the_bound_never_falls():
    model = CategoricalHMM(2, random_state=0).fit(words())
    drawn = model.sample(6000, random_state=0)
    refit = CategoricalHMM(2, random_state=0, n_init=3, tol=1e-9).fit(drawn)
    assert np.diff(refit.lower_bounds_).min() >= -1e-12
    swap = np.argsort(refit.emission_probabilities_[1][:, 0])
    order = np.argsort(model.emission_probabilities_[1][:, 0])
    for one, two in zip(
        model.emission_probabilities_, refit.emission_probabilities_, strict=True
    ):
        assert_allclose(two[swap], one[order], atol=0.04)
    assert_allclose(
        refit.transmat_[np.ix_(swap, swap)],
        model.transmat_[np.ix_(order, order)],
        atol=0.03,
    )


def test_a_column_of_labels_without_any_is_an_error():
    X = words()
    X[:, 1] = None
    with pytest.raises(ValueError, match=r"without any observed cell: \[1\]"):
        CategoricalHMM().fit(X)


def test_tables_come_back_in_their_types_and_states_are_found():
    X = with_holes(weather(), share=0.1)
    model = TabularHMM(2, random_state=0, n_init=3).fit(X)
    states = model.predict(X)
    right = np.mean(states == STATES)
    assert max(right, 1 - right) > 0.97
    drawn = model.sample(3000, random_state=0)
    assert drawn.dtypes.equals(X.dtypes)
    assert_allclose(drawn.isna().mean(), X.isna().mean(), atol=0.04)
    tables = model.sample(5, n_sequences=3, random_state=0)
    assert [table.shape for table in tables] == [(5, 3)] * 3
    filled = model.impute(X)
    assert not filled.isna().any(axis=None)
    whole = X.notna().all(axis=1)
    assert filled[whole].equals(X[whole])
    forecast = model.forecast(X, 4)
    assert list(forecast.mean.columns) == list(X.columns)
    assert len(forecast.sample(3, random_state=0)) == 3


def test_one_state_is_one_component_of_a_table():
    X = with_holes(weather())
    model = TabularHMM(1).fit(X)
    mixture = TabularMixture(1, tol=1e-6, max_iter=1000).fit(X)
    assert_allclose(model.score_samples(X), mixture.score_samples(X), atol=1e-4)


@pytest.mark.parametrize("missing", [False, True])
def test_tables_are_scored_by_sums_over_all_paths(missing):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    sky = np.where(rng.random(len(STATES)) < 0.9, STATES, 1 - STATES)
    names = np.array(["clear", "cloudy"])[sky]
    wind = rng.normal(3.0 * STATES)
    X = pandas.DataFrame({"sky": names, "wind": wind})
    model = TabularHMM(2, covariance_type="diag", random_state=0, n_init=2).fit(X)
    some = X.iloc[38:43].reset_index(drop=True)
    some = with_holes(some, share=0.3) if missing else some
    typed = model.encoder_.transform(some)
    probabilities = model.level_probabilities_[0]
    offset = model.encoder_.log_density_offset(some)
    log = np.zeros((2, 5)) + offset
    for i, (code, score) in enumerate(typed):
        if not np.isnan(code):
            log[:, i] += np.log(probabilities[:, int(code)])
        if not np.isnan(score):
            sd = np.sqrt(model.covariances_[:, 0])
            log[:, i] += norm(model.means_[:, 0], sd).logpdf(score)
    expected = enumerate_paths(log, model.startprob_, model.transmat_)
    assert_allclose(model.score_samples(some), expected.density, atol=1e-8)
    assert_allclose(model.predict_proba(some), expected.smoothed.T, atol=1e-8)


def test_several_frames_are_several_sequences():
    X = weather()
    frames = [X.iloc[:100], X.iloc[100:].reset_index(drop=True)]
    model = TabularHMM(2, random_state=0, n_init=2).fit(frames)
    groups = np.repeat([0, 1], [100, len(X) - 100])
    together = model.score_samples(X, groups=groups)
    assert_allclose(np.concatenate(model.score_samples(frames)), together, rtol=1e-12)
    first = len(model.lower_bounds_)
    model.partial_fit(frames)
    assert len(model.lower_bounds_) == first + 1
