"""Hidden Markov models of tables whose columns have families of their own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV

from sklgen.hmm import HMMMixture, PoissonHMM, TabularHMM
from tests.hmm.brute_force import enumerate_paths
from tests.mixture.family_cases import FAMILIES, log_laws, mean_cells, own_units

STATES = np.repeat([0, 1, 0, 1, 0], [40, 60, 50, 30, 70])


def hmm(n_components=2, **options):
    options = {"random_state": 0, "n_init": 2, "families": FAMILIES, **options}
    return TabularHMM(n_components, **options)


def counts(seed=0):
    rates = np.array([[2.0, 20.0], [9.0, 12.0]])
    return np.random.default_rng(seed).poisson(rates[STATES])


@pytest.mark.parametrize("missing", [False, True])
def test_a_table_of_poisson_columns_is_a_poisson_hmm(missing):
    X = counts().astype(float)
    if missing:
        X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    table = hmm(families={0: "poisson", 1: "poisson"}, keep_missing=False).fit(X)
    rates = [table.family_parameters_[j]["rates"] for j in range(2)]
    same = PoissonHMM(
        2,
        startprob_init=table.startprob_,
        transmat_init=table.transmat_,
        rates_init=np.stack(rates, axis=1),
        max_iter=0,
    ).fit(X)
    assert_allclose(table.score_samples(X), same.score_samples(X), rtol=1e-10)
    assert_allclose(table.predict_proba(X), same.predict_proba(X), atol=1e-10)
    assert table.bic(X) == pytest.approx(same.bic(X), rel=1e-10)
    best = PoissonHMM(2, random_state=0).fit(X)
    assert table.lower_bound_ == pytest.approx(best.lower_bound_, abs=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_mixed_tables_are_scored_by_sums_over_all_paths(missing):
    model = hmm().fit(own_units(STATES, missing=missing))
    X = own_units(STATES[37:43], seed=1, missing=missing)
    expected = enumerate_paths(log_laws(model, X), model.startprob_, model.transmat_)
    assert_allclose(model.score_samples(X), expected.density, atol=1e-8)
    assert_allclose(model.predict_proba(X), expected.smoothed.T, atol=1e-8)
    if missing:
        filled = model.impute(X)
        for name in FAMILIES:
            gone = X[name].isna().to_numpy()
            cells = mean_cells(model, name, expected.smoothed[:, gone])
            assert_allclose(filled.loc[gone, name], cells, rtol=1e-7, atol=1e-7)


def test_planted_states_and_laws_are_recovered_and_found_again_in_draws():
    model = hmm().fit(own_units(STATES))
    right = np.mean(model.predict(own_units(STATES)) == STATES)
    assert max(right, 1 - right) > 0.99
    refit = hmm().fit(model.sample(4000, random_state=0))
    for one in (model, refit):
        order = np.argsort(-one.family_parameters_["boats"]["rates"])
        for name, parameter, values, rtol in (
            ("boats", "rates", [30.0, 8.0], 0.05),
            ("wait", "means", [1.0, 10.0], 0.3),
            ("rain", "means", [2.0, 8.0], 0.25),
            ("calls", "means", [3.0, 27.0], 0.3),
            ("level", "means", [1e4, 1e4 + 5.0], 1e-4),
            ("flag", "probabilities", [0.2, 0.8], 0.3),
        ):
            found = one.family_parameters_[name][parameter][order]
            assert_allclose(found, values, rtol=rtol)


def test_whole_numbers_come_back_whole_and_missing_as_often():
    X = own_units(STATES).astype({"boats": "int16"})
    X["calls"] = X["calls"].astype("Int64").mask(STATES == 1)
    model = hmm().fit(X)
    drawn = model.sample(3000, random_state=0)
    assert drawn.dtypes.equals(X.dtypes)
    assert abs(drawn["calls"].isna().mean() - np.mean(STATES == 1)) < 0.1
    forecast = model.forecast(X, 3)
    assert forecast.mean.dtypes.equals(X.dtypes)
    assert not forecast.mean["boats"].isna().any()
    error = 5.0 * X["rain"].std() * np.sqrt(10 / len(drawn))
    assert abs(drawn["rain"].mean() - X["rain"].mean()) < error


def test_the_bound_never_falls_and_batches_go_on_learning():
    model = hmm(tol=1e-9).fit(own_units(STATES, missing=0.2))
    assert np.diff(model.lower_bounds_).min() >= -1e-10
    more = own_units(STATES, seed=3)
    before = model.score(more)
    for _ in range(3):
        model.partial_fit(more)
    assert model.score(more) > before


def test_families_are_searched_over():
    X = [own_units(STATES, seed)[["calls"]] for seed in range(6)]
    choices = [{"calls": "poisson"}, {"calls": "negative_binomial"}]
    search = GridSearchCV(hmm(1, families=None), {"families": choices}, cv=3).fit(X)
    assert search.best_params_["families"] == {"calls": "negative_binomial"}


def test_clusters_of_sequences_have_families_too():
    quiet = [counts(seed) for seed in range(4)]
    loud = [5 * counts(seed) for seed in range(4, 8)]
    template = hmm(families={0: "poisson", 1: "poisson"})
    model = HMMMixture(2, 2, hmm=template, random_state=0).fit([*quiet, *loud])
    found = model.predict_sequences([*quiet, *loud])
    assert len({*found[:4]}) == len({*found[4:]}) == 1
    assert found[0] != found[4]


def test_errors_name_the_column():
    with pytest.raises(ValueError, match="Column 'label' is of kind 'label'"):
        hmm(families={"label": "poisson"}).fit(own_units(STATES))
    with pytest.raises(ValueError, match=r"Column 'level' of X has .* Poisson"):
        hmm(families={"level": "poisson"}).fit(own_units(STATES))
