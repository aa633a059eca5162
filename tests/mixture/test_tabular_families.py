"""TabularMixture with columns in their own units, each of a family of its own."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logsumexp, softmax
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklgen.mixture import TabularMixture
from sklgen.mixture._tabular_families import evened
from tests.mixture.family_cases import (
    COUNTS,
    FAMILIES,
    LAWS,
    log_laws,
    mean_cells,
    own_units,
)
from tests.mixture.tabular_cases import mixture

GROUP = np.random.default_rng(3).integers(2, size=500)


def fitted(n_components=2, frame=None, **options):
    frame = own_units(GROUP) if frame is None else frame
    return mixture(n_components, families=FAMILIES, **options).fit(frame)


def log_joint(model, X):
    return np.log(model.weights_)[:, None] + log_laws(model, X)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_densities_are_those_of_the_laws_in_the_units_of_the_columns(missing):
    model = fitted(frame=own_units(GROUP, missing=missing))
    X = own_units(GROUP[:60], seed=1, missing=missing)
    joint = log_joint(model, X)
    assert_allclose(model.score_samples(X), logsumexp(joint, axis=0), rtol=1e-9)
    assert_allclose(model.predict_proba(X), softmax(joint, axis=0).T, atol=1e-9)


def test_missing_cells_are_filled_by_their_conditional_means():
    model = fitted(frame=own_units(GROUP, missing=0.1))
    X = own_units(GROUP[:80], seed=1, missing=0.4)
    filled, posterior = model.impute(X), softmax(log_joint(model, X), axis=0)
    for name in FAMILIES:
        gone = X[name].isna().to_numpy()
        expected = mean_cells(model, name, posterior[:, gone])
        assert_allclose(filled.loc[gone, name], expected, rtol=1e-8, atol=1e-8)
        pd.testing.assert_series_equal(filled.loc[~gone, name], X.loc[~gone, name])
    assert np.isfinite(model.score_samples(filled)).all()


def test_conditional_draws_follow_the_component_that_the_row_points_to():
    model = fitted()
    X = own_units(GROUP).assign(boats=np.nan, wind=np.nan, rain=np.nan)
    drawn = model.sample_conditional(X, random_state=0)
    for name in ("boats", "rain"):
        for group in range(2):
            cells = drawn.loc[group == GROUP, name]
            expected = own_units(GROUP).loc[group == GROUP, name]
            error = np.sqrt(2.0 * expected.var() / len(expected))
            assert abs(cells.mean() - expected.mean()) < 5.0 * error
    assert np.cos(drawn.loc[GROUP == 0, "wind"]).mean() > 0.5
    assert np.cos(drawn.loc[GROUP == 1, "wind"]).mean() < -0.5


def test_groups_are_found_and_parameters_are_in_own_units():
    model = fitted()
    right = np.mean(model.predict(own_units(GROUP)) == GROUP)
    assert max(right, 1 - right) > 0.99
    one = int(model.family_parameters_["boats"]["rates"].argmin())
    boats = model.family_parameters_["boats"]["rates"][[1 - one, one]]
    assert_allclose(boats, [30.0, 8.0], rtol=0.05)
    rain = model.family_parameters_["rain"]
    assert_allclose(rain["means"][[1 - one, one]], [2.0, 8.0], rtol=0.15)
    assert_allclose(rain["shapes"], 2.0, rtol=0.3)
    level = model.family_parameters_["level"]
    assert_allclose(level["means"][[1 - one, one]], [1e4, 1e4 + 5.0], atol=0.3)
    assert_allclose(level["variances"], 2.25, rtol=0.3)
    directions = model.family_parameters_["wind"]["directions"]
    assert_allclose(np.cos(directions[[1 - one, one]]), [1.0, -1.0], atol=0.05)


@pytest.mark.parametrize("init", ["tree", "kmeans", "random_from_data"])
@pytest.mark.parametrize("family", ["poisson", "von_mises", "log_normal"])
def test_one_column_is_enough_to_start_from(family, init):
    name = {v: k for k, v in FAMILIES.items()}[family]
    x = own_units(GROUP)[[name]]
    model = TabularMixture(
        2,
        families={0: family},
        init_params=init,
        random_state=0,
        n_init=3,
        max_iter=200,
    ).fit(x.to_numpy())
    right = np.mean(model.predict(x.to_numpy()) == GROUP)
    assert max(right, 1 - right) > 0.85


def test_draws_have_the_means_and_dtypes_of_the_data():
    """The maximum-likelihood means of these laws are those of the data."""
    frame = own_units(GROUP).astype({"flag": "int8", "boats": "uint16"})
    frame["calls"] = frame["calls"].astype("Int64").mask(GROUP == 5)
    drawn = fitted(1, frame).sample(40_000, random_state=0)
    assert drawn.dtypes.equals(frame.dtypes)
    for name in ("flag", "wait", "rain", "calls", "boats", "level"):
        error = 5.0 * frame[name].std() / np.sqrt(len(drawn))
        assert abs(drawn[name].mean() - frame[name].mean()) < error
    logs = np.log(drawn["size"]).mean(), np.log(frame["size"]).mean()
    assert_allclose(*logs, atol=0.03)


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_follow_the_mixture_of_the_laws(name):
    model = fitted()
    drawn = model.sample(20_000, random_state=2)[name].to_numpy()
    law = LAWS[FAMILIES[name]](
        {k: v[:, None] for k, v in model.family_parameters_[name].items()}
    )
    if name in COUNTS:
        cells = np.arange(drawn.max() + 1)
        found = np.bincount(drawn.astype(int)) / len(drawn)
        expected = model.weights_ @ law.pmf(cells)
        error = np.sqrt(expected * (1 - expected) / len(drawn))
        assert np.all(np.abs(found - expected) <= 4.5 * error + 1e-3)
        return
    # Angles are drawn from -pi on; scipy's law of them goes round and round.
    low = -np.pi if name == "wind" else -np.inf

    def cdf(x):
        return model.weights_ @ (law.cdf(x) - law.cdf(low))

    assert stats.ks_1samp(drawn, cdf).pvalue > 1e-3


def test_counts_have_probabilities_and_sum_to_one():
    """Cells of integers under a law of counts are no intervals."""
    x = own_units(GROUP)[["label", "boats"]]
    for family in ("poisson", "negative_binomial"):
        model = mixture(2, families={"boats": family}).fit(x)
        rows = pd.DataFrame({"boats": np.arange(200)}).merge(
            pd.DataFrame({"label": list("abc")}), how="cross"
        )[["label", "boats"]]
        assert np.exp(model.score_samples(rows)).sum() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("family", ["gamma", "log_normal", "exponential"])
def test_integers_under_laws_of_positive_numbers_stay_in_the_support(family):
    x = np.random.default_rng(0).poisson(0.4, size=(400, 1)) + 1
    model = mixture(2, families={0: family}).fit(x)
    drawn = model.sample(2000, random_state=0)
    assert drawn.dtype == x.dtype
    assert np.isfinite(model.score_samples(drawn)).all()


def test_columns_without_family_stay_as_they_are():
    """One component: columns are independent, so their densities add up."""
    frame = own_units(GROUP)[["label", "boats", "rain", "level"]]
    both = mixture(1, families={"boats": "poisson"}).fit(frame)
    rest = frame.drop(columns="boats")
    alone = mixture(1, families={0: "poisson"}).fit(frame[["boats"]])
    plain = mixture(1).fit(rest)
    assert_allclose(both.means_, plain.means_)
    assert_allclose(both.covariances_, plain.covariances_)
    assert_allclose(
        both.score_samples(frame),
        plain.score_samples(rest) + alone.score_samples(frame[["boats"]]),
    )


def test_weights_are_repeats_and_positions_are_names():
    frame = own_units(GROUP, missing=0.1)
    weight = np.random.default_rng(1).integers(0, 4, len(frame))
    by_position = {frame.columns.get_loc(k): FAMILIES[k] for k in reversed(FAMILIES)}
    one = mixture(2, families=FAMILIES).fit(frame, sample_weight=weight)
    repeated = frame.loc[frame.index.repeat(weight)].reset_index(drop=True)
    two = mixture(2, families=by_position).fit(repeated)
    assert list(two.family_parameters_) == list(one.family_parameters_)
    assert_allclose(one.score_samples(frame), two.score_samples(frame), atol=1e-6)


def test_threads_give_the_same_bits_and_the_bound_never_falls():
    frame = own_units(np.resize(GROUP, 12_000), missing=0.1)
    fits = [fitted(3, frame, max_iter=6, n_jobs=n) for n in (1, 3)]
    assert fits[0].lower_bounds_ == fits[1].lower_bounds_
    assert np.diff(fits[0].lower_bounds_).min() > -1e-10
    np.testing.assert_array_equal(*(fit.score_samples(frame) for fit in fits))


def test_far_clusters_of_narrow_cells_keep_their_digits():
    x = np.random.default_rng(0).normal(1e6 + 1e5 * GROUP, 1e-3)[:, None]
    model = mixture(2, families={0: "gaussian"}).fit(x)
    order = np.argsort(model.family_parameters_[0]["means"])
    found = model.family_parameters_[0]["variances"][order]
    assert_allclose(found, [x[g == GROUP].var() for g in range(2)], rtol=0.05)


def test_a_narrow_component_may_lie_within_a_wide_one():
    """Bounds and priors of variances leave room for a three-hundredth of the data's."""
    x = np.random.default_rng(0).normal(7.0, np.where(GROUP, 3.0, 0.01))[:, None]
    model = mixture(2, families={0: "gaussian"}, max_iter=200, n_init=5, tol=1e-6)
    variances = model.fit(x).family_parameters_[0]["variances"]
    assert_allclose(np.sqrt(np.sort(variances)), [0.01, 3.0], rtol=0.1)


def test_the_prior_of_a_variance_is_a_thousandth_of_a_cell():
    """As spread as cells are within the components of the start, here both groups."""
    wide = np.random.default_rng(0).normal(100.0, 1.0, 30)
    x = np.concatenate([np.zeros(20), wide])[:, None]
    found = mixture(2, families={0: "gaussian"}).fit(x).family_parameters_[0]
    n, squares = np.array([20.0, 30.0]), np.array([0.0, 30.0 * wide.var()])
    expected = (squares + 1e-3 * squares.sum() / 50.0) / (n + 1e-3)
    order = np.argsort(found["means"])
    assert_allclose(found["variances"][order], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "law"),
    [
        ("exponential", stats.expon()),
        ("gamma", stats.gamma(0.8)),
        ("log_normal", stats.lognorm(1.0)),
        ("negative_binomial", stats.nbinom(2, 0.1)),
    ],
)
def test_starts_see_numbers_without_most_of_their_skewness(family, law):
    x = law.rvs((20_000, 1), random_state=0).astype(float)
    assert abs(stats.skew(evened(family, x))) < 0.5 * stats.skew(x)


def test_starts_see_counts_with_the_same_variance_whatever_the_rate():
    rates = [4.0, 100.0]
    x = np.random.default_rng(0).poisson(rates, (20_000, 2))
    assert_allclose(evened("poisson", x).std(axis=0), 0.5, rtol=0.05)


def test_the_number_of_components_can_be_chosen():
    model = fitted("auto", own_units(np.resize(GROUP, 1500)))
    assert model.n_components_ > 1
    assert len(model.family_parameters_["boats"]["rates"]) == model.n_components_
    alone = own_units(0 * np.resize(GROUP, 1500))
    one = fitted(1, alone).score(own_units(0 * GROUP, seed=9))
    assert fitted("auto", alone).score(own_units(0 * GROUP, seed=9)) > one - 0.1


def test_missing_cells_come_as_often_as_in_fit():
    frame = own_units(GROUP)
    frame.loc[GROUP == 1, "boats"] = np.nan
    model = fitted(frame=frame)
    drawn = model.sample(4000, random_state=0)
    gone = drawn["boats"].isna()
    assert abs(gone.mean() - GROUP.mean()) < 0.06
    assert drawn.loc[gone, "level"].mean() > drawn.loc[~gone, "level"].mean() + 3.0
    never = fitted(frame=frame, keep_missing=False).sample(400, random_state=0)
    assert not never.isna().any(axis=None)
    blank = frame.assign(boats=np.nan)
    model = fitted(frame=blank)
    assert model.sample(50, random_state=0)["boats"].isna().all()
    assert "boats" not in model.family_parameters_


def test_criteria_count_the_parameters_of_every_law():
    model = fitted(3)
    labels, laws = 2, 1 + 1 + 2 + 2 + 2 + 1 + 2 + 2
    assert model._n_parameters() == 2 + 3 * (labels + laws)


def test_batches_go_on_learning():
    frame = own_units(GROUP, missing=0.1)
    model = mixture(2, families=FAMILIES).partial_fit(frame.iloc[:250])
    before = model.score(own_units(GROUP, seed=5))
    shifted = own_units(GROUP, seed=5).assign(boats=lambda x: x["boats"] + 40)
    for _ in range(5):
        model.partial_fit(shifted)
    assert model.family_parameters_["boats"]["rates"].min() > 25.0
    assert model.score(shifted) > before - 3.0
    model.set_params(families=None)
    with pytest.raises(ValueError, match="continues a fit with families="):
        model.partial_fit(frame)


def test_parameters_pickle_clone_and_search():
    given = dict(FAMILIES)
    model = mixture(2, families=given).fit(own_units(GROUP))
    assert given == FAMILIES
    assert model.families is given
    again = pickle.loads(pickle.dumps(model))
    frame = own_units(GROUP, seed=1)
    np.testing.assert_array_equal(
        again.score_samples(frame), model.score_samples(frame)
    )
    assert clone(model).families == FAMILIES
    choices = [{"calls": "poisson"}, {"calls": "negative_binomial"}]
    search = GridSearchCV(mixture(2), {"families": choices}, cv=3)
    search.fit(own_units(GROUP)[["label", "calls", "boats"]])
    assert search.best_params_["families"] == {"calls": "negative_binomial"}


NEGATIVE = own_units(GROUP).assign(rain=-1.0)


@pytest.mark.parametrize(
    ("families", "X", "message"),
    [
        ({"tide": "gamma"}, None, "families names 'tide', which is no column of X"),
        ({99: "gamma"}, None, "families names 99, which is no column of X"),
        ({"rain": "cauchy"}, None, "column 'rain' the family 'cauchy'. Allowed are"),
        ({"rain": ["gamma"]}, None, r"column 'rain' the family \['gamma'\]"),
        ({"rain": "gamma", 3: "gaussian"}, None, "column 'rain' two families"),
        ({"label": "gamma"}, None, "Column 'label' is of kind 'label'"),
        ({"rain": "gamma"}, NEGATIVE, "Column 'rain' of X has 500 cell.*Gamma cannot"),
        ({"rain": "poisson"}, None, "Column 'rain' of X has .* Poisson cannot have"),
        ({"level": "gaussian"}, own_units(GROUP).assign(level=1e200), "'level'"),
    ],
)
def test_what_families_cannot_be(families, X, message):
    frame = own_units(GROUP) if X is None else X
    with pytest.raises(ValueError, match=message):
        mixture(2, families=families).fit(frame)


def test_cells_outside_of_the_support_are_errors_after_fit_too():
    model = fitted()
    odd = own_units(GROUP).assign(boats=lambda x: x["boats"] + 0.5)
    for method in (model.score_samples, model.predict, model.impute, model.partial_fit):
        with pytest.raises(ValueError, match="Column 'boats' of X has 500 cell"):
            method(odd)


def test_labels_cannot_have_a_family():
    with pytest.raises(ValueError, match="Column 'boats' is of kind 'label'"):
        mixture(2, categorical_features=["boats"], families={"boats": "poisson"}).fit(
            own_units(GROUP)
        )
    assert set(COUNTS) < set(FAMILIES)
