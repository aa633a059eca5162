"""Comparisons: anchors, memorisers, units, failures, seeds, containers."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.compose import compare, make_generative_pipeline
from sklgen.compose._compare_parts import seeded, shuffle_columns
from sklgen.mixture import GaussianMixture, TabularMixture

REAL, INDEPENDENT = "real against real", "independent columns"
SECONDS = ["fit_seconds", "sample_seconds"]


class Memoriser(BaseEstimator):
    """Draws its training rows again."""

    def fit(self, X, y=None):
        self.rows_ = X
        return self

    def sample(self, n_samples=1, *, random_state=None):
        rng = np.random.RandomState(random_state)
        return self.rows_[rng.randint(len(self.rows_), size=n_samples)]


class Failing(BaseEstimator):
    """Fails where it is told to."""

    def __init__(self, at="fit"):
        self.at = at

    def fit(self, X, y=None):
        self.n_columns_ = X.shape[1]
        if self.at == "fit":
            raise RuntimeError("no <luck>")
        return self

    def score_samples(self, X):
        raise RuntimeError("no density")

    def sample(self, n_samples=1, *, random_state=None):
        rng = np.random.default_rng(random_state)
        rows = rng.normal(size=(n_samples, self.n_columns_))
        return rows * np.inf if self.at == "sample" else rows


def correlated(n=360, seed=0):
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal([0.0, 5.0], [[1.0, 0.9], [0.9, 1.0]], size=n)


MODELS = {"truth": GaussianMixture(1), "memoriser": Memoriser()}


@pytest.fixture(scope="module")
def comparison():
    return compare(correlated(), MODELS, target=1, random_state=0)


def test_anchors_and_models_are_where_they_must_be(comparison):
    table = comparison.table
    assert table.index.tolist() == [REAL, "truth", "memoriser", INDEPENDENT]
    for name in (REAL, "truth"):
        row = table.loc[name]
        assert abs(row["c2st_auc"] - 0.5) < 3 * row["c2st_std_error"]
        assert row["energy"] < 0.02
        assert row["coverage"] == pytest.approx(1 - 2.0**-5, abs=0.03)
        assert row["closest_record_share"] == pytest.approx(0.5, abs=0.1)
        assert row["tstr"] > 0.65
    independent = table.loc[INDEPENDENT]
    assert independent["c2st_auc"] > 0.75
    assert independent["energy"] > 0.1
    assert independent["tstr"] < 0.1
    assert independent["coverage"] < 0.8


def test_a_memoriser_is_flagged_by_nothing_but_closest_records(comparison):
    row = comparison.table.loc["memoriser"]
    # Half of the training rows are looked at: as many as there are unseen ones.
    assert row["closest_record_share"] == pytest.approx(0.75, abs=0.06)
    assert row["energy"] < 0.02


def test_log_likelihood_is_that_of_cross_validation():
    X = correlated(120)
    folds = KFold(4, shuffle=True, random_state=3)
    model = GaussianMixture(1)
    found = compare(X, {"one": model}, cv=folds, random_state=0).folds
    expected = cross_val_score(model, X, cv=folds)
    np.testing.assert_allclose(found.loc["one", "log_likelihood"], expected)
    assert found.loc[REAL, "log_likelihood"].isna().all()


def test_densities_are_in_the_units_of_the_table():
    X = correlated(150)
    models = {
        "plain": GaussianMixture(1),
        "generative": make_generative_pipeline(StandardScaler(), GaussianMixture(1)),
        "transformed": SamplingPipeline(StandardScaler(), GaussianMixture(1)),
    }
    one, thousand = (
        compare(X * scale, models, cv=2, random_state=0).table["log_likelihood"]
        for scale in (1.0, 1000.0)
    )
    np.testing.assert_allclose(
        one - thousand, [np.nan, *[2 * np.log(1e3)] * 2, *[np.nan] * 2]
    )
    assert one["plain"] == pytest.approx(one["generative"], abs=1e-6)


def SamplingPipeline(*steps):
    """A pipeline of scikit-learn, with the `sample` that it lacks."""
    pipeline = make_pipeline(*steps)

    class _Sampling(type(pipeline)):
        def sample(self, n_samples=1, *, random_state=None):
            rows = self[-1].sample(n_samples, random_state=random_state)
            return self[0].inverse_transform(rows)

    return _Sampling(pipeline.steps)


@pytest.mark.parametrize("at", ["fit", "sample", "score"])
def test_a_model_that_fails_is_named_and_the_others_go_on(at):
    X = correlated(90)
    alone = compare(X, {"good": GaussianMixture(1)}, cv=2, random_state=0).table
    with pytest.warns(FitFailedWarning, match="'bad' failed") as caught:
        both = compare(
            X, {"bad": Failing(at), "good": GaussianMixture(1)}, cv=2, random_state=0
        )
    assert len(caught) == 1
    assert "(folds 0, 1)" in str(caught[0].message)
    table = both.table
    pd.testing.assert_frame_equal(
        table.drop(index="bad", columns=SECONDS), alone.drop(columns=SECONDS)
    )
    known = table.loc["bad"].notna()
    assert not known["log_likelihood"]
    assert known["fit_seconds"] == (at != "fit")
    assert known["energy"] == known["coverage"] == known["c2st_auc"] == (at == "score")


def test_one_failure_among_folds_is_no_mean():
    class Once(GaussianMixture):
        def fit(self, X, y=None, sample_weight=None):
            if X[:, 0].min() > low:
                raise RuntimeError("lacks a row")
            return super().fit(X)

    X = correlated(60)
    low = X[:, 0].min()
    with pytest.warns(FitFailedWarning, match=r"\(folds \d\)"):
        found = compare(X, {"once": Once(1)}, random_state=0)
    assert found.folds.loc["once", "energy"].notna().sum() == 2
    assert np.isnan(found.table.loc["once", "energy"])


def test_seeds_repeat_and_estimators_stay_as_they_are():
    X = correlated(60)
    models = {"two": GaussianMixture(2), "tables": TabularMixture(2)}
    before = {name: clone(model).get_params() for name, model in models.items()}
    one, other = (
        compare(X, models, cv=2, random_state=1).table.drop(columns=SECONDS)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, other)
    assert {name: model.get_params() for name, model in models.items()} == before
    assert not hasattr(models["two"], "means_")


@pytest.mark.slow  # starts processes
def test_processes_do_not_matter():
    X = correlated(60)
    one, two = (
        compare(X, {"one": GaussianMixture(1)}, cv=2, random_state=0, n_jobs=n)
        for n in (1, 2)
    )
    pd.testing.assert_frame_equal(
        one.table.drop(columns=SECONDS), two.table.drop(columns=SECONDS)
    )


def mixed(n=90):
    rng = np.random.default_rng(2)
    size = rng.normal(size=n)
    table = {
        "size": size,
        "count": rng.poisson(3, n),
        "label": np.where(size + rng.normal(size=n) > 0, "a", "b"),
    }
    return pd.DataFrame(table, index=rng.integers(3, size=n))


def test_containers_do_not_matter():
    frame = mixed()
    models = {"tables": TabularMixture(2)}
    one, other = (
        compare(X, models, target="label", cv=2, random_state=0).table
        for X in (frame, pl.from_pandas(frame))
    )
    pd.testing.assert_frame_equal(
        one.drop(columns=SECONDS), other.drop(columns=SECONDS)
    )
    assert one.notna()["tstr"].all()


def test_lists_of_rows_are_tables():
    frame = mixed()
    found = compare(
        frame.to_numpy().tolist(), {"tables": TabularMixture(2)}, cv=2, random_state=0
    )
    assert not found.failures
    assert found.real.dtype == object


@pytest.mark.parametrize("make", [lambda X: X, pl.from_pandas, pd.DataFrame.to_numpy])
def test_shuffled_columns_keep_cells_and_lose_rows(make):
    X = make(mixed(200))
    shuffled = shuffle_columns(X, np.random.default_rng(0))
    assert type(shuffled) is type(X)
    one, other = (np.asarray(rows, dtype=object) for rows in (X, shuffled))
    for before, after in zip(one.T, other.T, strict=True):
        assert sorted(before.tolist()) == sorted(after.tolist())
        assert before.tolist() != after.tolist()
    sizes = [[rows[rows[:, 2] == k, 0].mean() for k in "ab"] for rows in (one, other)]
    assert sizes[0][0] - sizes[0][1] > 0.5 > abs(sizes[1][0] - sizes[1][1])
    if isinstance(X, pd.DataFrame):
        pd.testing.assert_series_equal(X.dtypes, shuffled.dtypes)


def test_real_rows_are_not_copies_of_themselves():
    """With two folds, training rows are no more than those to compare with."""
    shares = [
        compare(correlated(200, seed), {"m": Memoriser()}, cv=2, random_state=seed)
        .table["closest_record_share"]
        .to_dict()
        for seed in range(3)
    ]
    assert np.mean([share[REAL] for share in shares]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([share["m"] for share in shares]) == 1.0


def test_standard_errors_shrink_with_folds(comparison):
    errors = comparison.folds.loc["truth", "c2st_std_error"]
    assert len(errors) == 3
    expected = np.sqrt((errors**2).mean() * (2 - 1 / 3) / 3)
    found = comparison.table.loc["truth", "c2st_std_error"]
    assert found == pytest.approx(expected)


def test_few_rows_of_many_are_enough_for_metrics_of_pairs():
    X = correlated(300)
    folds = compare(X, {"m": Memoriser()}, cv=2, max_rows=20, random_state=0).folds
    share = folds.loc[REAL, "coverage"] * 20
    np.testing.assert_allclose(share, share.round(), atol=1e-9)


class Sorted(Memoriser):
    """Draws its rows in their order, as mixtures draw component by component."""

    def sample(self, n_samples=1, *, random_state=None):
        rows = super().sample(n_samples, random_state=random_state)
        return rows[np.argsort(rows[:, 0])]


def test_order_of_rows_and_draws_does_not_matter():
    X = correlated(400)
    X = X[np.argsort(X[:, 0])]
    table = compare(X, {"s": Sorted()}, cv=2, max_rows=60, random_state=0).table
    for name in (REAL, "s"):
        assert table.loc[name, "energy"] < 0.1
        assert table.loc[name, "coverage"] > 0.9
    assert abs(table.loc[REAL, "closest_record_share"] - 0.5) < 0.15
    assert table.loc[INDEPENDENT, "energy"] > 0.1


def test_draws_that_are_no_table_are_a_failure():
    class Wrong(Memoriser):
        def sample(self, n_samples=1, *, random_state=None):
            return 3.0

    with pytest.warns(FitFailedWarning, match="'w' failed"):
        found = compare(correlated(40), {"w": Wrong()}, cv=2, random_state=0)
    assert found.table.loc["w"].isna().sum() == len(found.table.columns) - 2


def test_seeds_are_set_in_parts_that_have_none():
    model = make_generative_pipeline(StandardScaler(), GaussianMixture(2))
    seeded(model, 3)
    assert model[-1].random_state == 3
    assert seeded(GaussianMixture(2, random_state=5), 3).random_state == 5


def test_what_cannot_be_compared_is_refused():
    X = correlated(30)
    with pytest.raises(TypeError, match="mapping of names to models"):
        compare(X, [GaussianMixture(1)])
    with pytest.raises(TypeError, match="'scale' of type StandardScaler, which lacks"):
        compare(X, {"scale": StandardScaler()})
    with pytest.raises(ValueError, match=f"names must be strings other than '{REAL}'"):
        compare(X, {INDEPENDENT: GaussianMixture(1)})
    with pytest.raises(ValueError, match="target is 'y'"):
        compare(X, {"one": GaussianMixture(1)}, target="y")


def test_nothing_is_warned_of_where_all_is_well():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(correlated(60), {"one": GaussianMixture(1)}, cv=2, random_state=0)
