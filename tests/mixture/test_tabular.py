"""TabularMixture: total probability, marginals, draws and means of mixed tables."""

import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, ks_2samp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklgen.families._gaussian import Gaussian
from sklgen.mixture import TabularMixture, _tabular

COVARIANCES = ["full", "diag"]
both = pytest.mark.parametrize("covariance_type", COVARIANCES)


def mixture(n_components=3, **options):
    options = {"random_state": 0, "max_iter": 15, **options}
    return TabularMixture(n_components, **options)


def table(n=800, seed=0, missing=0.0):
    """Two groups of rows; a label, a flag, a number, a grid and a skewed amount."""
    rng = np.random.default_rng(seed)
    group = rng.random(n) < 0.4
    x = np.where(group, 2.0, -1.0) + 0.7 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "label": np.where(
                rng.random(n) < 0.8,
                np.where(group, "a", "b"),
                rng.choice(["c", "d"], n),
            ),
            "flag": rng.random(n) < np.where(group, 0.9, 0.3),
            "x": x,
            "count": np.rint(40 + 9 * x + 6 * rng.normal(size=n)).astype(int),
            "amount": np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2.0, 3.0, n)),
        }
    )
    if missing:
        frame["flag"] = frame["flag"].astype("boolean")
        frame["count"] = frame["count"].astype("Int64")
        holes = rng.random(frame.shape) < missing
        frame = frame.mask(holes)
    return frame


def discrete(n=600, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=n)
    return pd.DataFrame(
        {
            "label": np.array(list("abc"))[(group + (rng.random(n) < 0.2)) % 3],
            "flag": rng.random(n) < 0.2 + 0.3 * group,
            "rating": rng.integers(1, 4, n) + group,
            "level": rng.choice([0.0, 0.5, 7.25], n),
        }
    )


def every(frame):
    """All rows that can be made of the values of each column."""
    values = [frame[name].dropna().unique() for name in frame]
    rows = pd.DataFrame(list(itertools.product(*values)), columns=frame.columns)
    return rows.astype(frame.dtypes)


def probability(model, rows):
    return np.exp(model.score_samples(rows))


def chi_square(counts, probabilities, n):
    expected = n * probabilities
    cells = np.where(expected < 5, 0, 1 + np.arange(len(expected)))
    found, wanted = (np.bincount(cells, weights=w) for w in (counts, expected))
    rest = n - wanted.sum()
    found, wanted = np.append(found, n - found.sum()), np.append(wanted, max(rest, 0))
    kept = wanted > 1e-6 * n
    wanted = wanted[kept] * (found[kept].sum() / wanted[kept].sum())
    return chisquare(found[kept], wanted).pvalue


@both
def test_probabilities_of_all_discrete_rows_sum_to_one(covariance_type):
    frame = discrete()
    rows = every(frame)
    model = mixture(covariance_type=covariance_type).fit(frame)
    found = probability(model, rows)
    assert found.sum() == pytest.approx(1.0, rel=1e-12)
    n = 20_000
    drawn = model.sample(n, random_state=1)
    counts = drawn.value_counts().reindex(pd.MultiIndex.from_frame(rows), fill_value=0)
    assert counts.sum() == n
    assert chi_square(counts.to_numpy(), found, n) > 1e-4


@both
def test_a_column_of_integers_and_a_label_sum_to_one(covariance_type):
    """The whole range of a grid, values that fit never saw included."""
    frame = table()[["count", "label"]]
    frame["count"] = 3 * frame["count"] + np.arange(len(frame)) % 3
    model = mixture(covariance_type=covariance_type).fit(frame)
    assert model.encoder_.kinds_ == ("normal", "category")
    rows = pd.DataFrame(
        list(itertools.product(range(-10, 1000), list("abcd"))), columns=frame.columns
    )
    found = probability(model, rows)
    assert found.sum() == pytest.approx(1.0, abs=1e-9)
    n = 20_000
    drawn = model.sample(n, random_state=1)
    index = pd.MultiIndex.from_frame(rows)
    counts = drawn.value_counts().reindex(index, fill_value=0).to_numpy()
    assert counts.sum() == n
    assert chi_square(counts, found, n) > 1e-4


@both
def test_two_correlated_integers_sum_to_one(covariance_type):
    rng = np.random.default_rng(0)
    a = rng.normal(size=2000)
    X = np.rint(np.column_stack([20 * a, 20 * a + 4 * rng.normal(size=2000)]))
    X = X.astype(int)
    model = mixture(covariance_type=covariance_type).fit(X)
    assert model.encoder_.kinds_ == ("normal", "normal")
    ticks = np.arange(-150, 151)
    rows = np.array(list(itertools.product(ticks, ticks)))
    assert probability(model, rows).sum() == pytest.approx(1.0, abs=1e-6)


@both
def test_integers_with_atoms_sum_to_one_and_draws_agree(covariance_type):
    """The map leaves next to no weight to the cells of atoms."""
    rng = np.random.default_rng(0)
    n = 3000
    values = np.where(rng.random(n) < 0.3, 40, np.rint(rng.gamma(4.0, 20.0, n)))
    values = np.where(rng.random(n) < 0.2, 0, values).astype(int)
    frame = pd.DataFrame({"n": values, "g": rng.choice(["u", "v"], n)})
    model = mixture(2, covariance_type=covariance_type).fit(frame)
    assert model.encoder_.kinds_ == ("category", "normal", "category")
    rows = pd.DataFrame(
        list(itertools.product(range(-5, 2000), ["u", "v"])), columns=frame.columns
    )
    found = probability(model, rows)
    assert 1.0 - 1e-4 < found.sum() < 1.0 + 1e-9
    drawn = model.sample(30_000, random_state=1)
    index = pd.MultiIndex.from_frame(rows)
    counts = drawn.value_counts().reindex(index, fill_value=0).to_numpy()
    assert chi_square(counts, found, 30_000) > 1e-4


@both
def test_the_density_of_a_number_integrates_to_one(covariance_type):
    frame = table()[["x", "label"]]
    model = mixture(covariance_type=covariance_type).fit(frame)
    x = np.linspace(-15.0, 15.0, 60_001)
    total = 0.0
    for label in "abcd":
        rows = pd.DataFrame({"x": x, "label": label})
        total += np.trapezoid(probability(model, rows), x)
    assert total == pytest.approx(1.0, abs=1e-4)


def test_atoms_and_the_density_beside_them_integrate_to_one():
    frame = table()[["amount", "flag"]]
    model = mixture(2).fit(frame)
    x = np.append(np.geomspace(1e-9, 1.0, 20_000), np.linspace(1.0, 300.0, 40_000)[1:])
    total, atoms = 0.0, 0.0
    for flag in (False, True):
        rows = pd.DataFrame({"amount": x, "flag": flag})
        total += np.trapezoid(probability(model, rows), x)
        atoms += probability(model, pd.DataFrame({"amount": [0.0], "flag": [flag]}))[0]
    assert total + atoms == pytest.approx(1.0, abs=1e-4)
    assert atoms == pytest.approx((frame["amount"] == 0).mean(), abs=0.01)
    drawn = model.sample(20_000, random_state=0)["amount"]
    assert (drawn == 0).mean() == pytest.approx(atoms, abs=0.015)
    assert drawn.min() >= 0.0


@both
def test_units_change_densities_by_their_factor_and_probabilities_not_at_all(
    covariance_type,
):
    frame = table()
    scaled = frame.assign(x=4.0 * frame["x"] - 3.0, count=10 * frame["count"])
    one = mixture(covariance_type=covariance_type).fit(frame)
    two = mixture(covariance_type=covariance_type).fit(scaled)
    np.testing.assert_allclose(
        two.score_samples(scaled), one.score_samples(frame) - np.log(4.0), atol=1e-6
    )


@both
def test_a_missing_cell_is_summed_or_integrated_over(covariance_type):
    frame = table()
    model = mixture(covariance_type=covariance_type).fit(frame)
    rows = frame.iloc[:4]
    x = np.linspace(-15.0, 15.0, 20_001)
    for name, cells in (
        ("label", list("abcd")),
        ("flag", [False, True]),
        ("x", x),
        ("count", range(-60, 300)),
    ):
        hole = rows.astype(object).assign(**{name: None})
        hole = hole.astype({k: v for k, v in frame.dtypes.items() if k != name})
        found = probability(model, hole)
        for i in range(len(rows)):
            filled = pd.DataFrame([rows.iloc[i]] * len(cells)).assign(**{name: cells})
            density = probability(model, filled.astype(frame.dtypes))
            total = np.trapezoid(density, x) if name == "x" else density.sum()
            # With a matrix, columns of a grid before others count to second order.
            exact = covariance_type == "diag" or name != "count"
            assert total == pytest.approx(found[i], rel=1e-3 if exact else 0.2), name


def test_rows_that_miss_everything_score_zero():
    frame = table(missing=0.2)
    frame.loc[5] = None
    frame = frame.astype(table(missing=0.2).dtypes)
    for keep_missing in (True, False):
        model = mixture(keep_missing=keep_missing).fit(frame)
        np.testing.assert_allclose(
            model.score_samples(frame.iloc[[5, 5]]), 0.0, atol=1e-12
        )
        assert np.isfinite(model.score_samples(frame)).all()


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_draws_given_observed_cells_follow_their_law(missing):
    """p(label, flag | x, count, amount), by p(row) / p(observed)."""
    frame = table(missing=missing)
    model = mixture().fit(frame)
    row = table(missing=missing).dropna().iloc[[3]]
    hole = row.assign(label=None, flag=pd.array([None], dtype="boolean"))
    rows = pd.DataFrame(
        list(itertools.product("abcd", [False, True])), columns=["label", "flag"]
    )
    filled = pd.concat([row] * 8, ignore_index=True)
    filled["label"], filled["flag"] = rows["label"], rows["flag"]
    expected = probability(model, filled) / probability(model, hole)
    assert expected.sum() == pytest.approx(1.0)
    n = 8000
    many = pd.concat([hole] * n, ignore_index=True)
    drawn = model.sample_conditional(many, random_state=0)
    index = pd.MultiIndex.from_frame(rows)
    pairs = drawn[["label", "flag"]].astype({"flag": bool}).value_counts()
    counts = pairs.reindex(index, fill_value=0).to_numpy()
    assert chi_square(counts, expected, n) > 1e-4


@both
def test_numbers_are_drawn_from_their_law_given_the_rest(covariance_type):
    frame = table()
    model = mixture(covariance_type=covariance_type).fit(frame)
    row, n = frame.iloc[[7]], 4000
    hole = row.assign(x=np.nan)
    x = np.linspace(-15.0, 15.0, 20_001)
    grid = pd.concat([row] * len(x), ignore_index=True).assign(x=x)
    density = probability(model, grid)
    law = np.cumsum(density) / density.sum()
    many = pd.concat([hole] * n, ignore_index=True)
    drawn = model.sample_conditional(many, random_state=0)["x"]
    uniform = np.interp(drawn, x, law)
    assert ks_2samp(uniform, (np.arange(10**5) + 0.5) / 10**5).pvalue > 1e-4


@both
def test_imputed_numbers_are_means_of_draws_and_labels_are_modes(covariance_type):
    frame = table()
    model = mixture(covariance_type=covariance_type).fit(frame)
    n = 4000
    for i in (1, 2):
        row = frame.iloc[[i]].astype(object)
        for gone in (["x"], ["amount"], ["count", "label"], ["x", "amount", "flag"]):
            hole = row.assign(**dict.fromkeys(gone))
            hole = hole.astype({k: frame.dtypes[k] for k in frame if k not in gone})
            hole[gone] = hole[gone].astype(
                {k: float for k in gone if k not in ("label", "flag")}
            )
            filled = model.impute(hole)
            many = pd.concat([hole] * n, ignore_index=True)
            drawn = model.sample_conditional(many, random_state=i)
            for name in gone:
                if name in ("label", "flag"):
                    shares = drawn[name].value_counts(normalize=True)
                    assert shares[filled[name].iloc[0]] > shares.max() - 0.03
                else:
                    values = drawn[name].astype(float)
                    error = values.std() / np.sqrt(n)
                    found = float(filled[name].iloc[0])
                    rounding = 0.5 if name == "count" else 0.0
                    assert abs(found - values.mean()) < 5 * error + rounding + 1e-3


def test_a_column_of_levels_is_imputed_by_the_level_nearest_to_the_mean():
    frame = discrete()
    model = mixture().fit(frame)
    hole = frame.iloc[:20].assign(rating=np.nan)
    filled = model.impute(hole)["rating"]
    many = pd.concat([hole] * 500, ignore_index=True)
    drawn = model.sample_conditional(many, random_state=0)["rating"]
    means = drawn.to_numpy(float).reshape(500, 20).mean(axis=0)
    assert np.abs(filled - means).max() < 0.5 + 0.2


@both
def test_the_mean_of_a_skewed_number_is_no_median(covariance_type):
    """One component of independent columns: the mean of the column itself."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.exponential(size=5000), "y": rng.normal(size=5000)})
    model = mixture(1, covariance_type=covariance_type).fit(frame)
    hole = pd.DataFrame({"x": [np.nan, np.nan], "y": [0.0, np.nan]})
    found = model.impute(hole)["x"]
    np.testing.assert_allclose(found, frame["x"].mean(), rtol=0.03)
    np.testing.assert_allclose(model.impute(hole)["y"][1], frame["y"].mean(), atol=0.03)


@both
def test_marginals_are_those_of_the_rows(covariance_type):
    frame = table(2000)
    model = mixture(covariance_type=covariance_type).fit(frame)
    for name in ("label", "flag"):
        shares = frame[name].value_counts(normalize=True)
        one = frame.iloc[: len(shares)].astype(object)
        one[:] = None
        one = one.astype({"x": float, "count": float, "amount": float})
        one[name] = shares.index.to_numpy()
        np.testing.assert_allclose(probability(model, one), shares, atol=5e-3)


def as_weighted(fit, frame, weight):
    return fit(frame, weight), fit(
        frame.loc[frame.index.repeat(weight)].reset_index(drop=True), None
    )


@pytest.mark.parametrize("n_components", [3, "auto"])
@both
def test_weights_are_repeats(covariance_type, n_components):
    frame = table(400, missing=0.15)
    weight = np.random.default_rng(1).integers(0, 4, len(frame))

    def fit(rows, sample_weight):
        model = mixture(n_components, covariance_type=covariance_type, max_iter=8)
        return model.fit(rows, sample_weight=sample_weight)

    one, two = as_weighted(fit, frame, weight)
    assert one.n_components_ == two.n_components_
    assert one.lower_bound_ == pytest.approx(two.lower_bound_, rel=1e-9)
    np.testing.assert_allclose(
        one.score_samples(frame), two.score_samples(frame), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("n_components", [3, "auto"])
def test_the_order_of_rows_does_not_matter(n_components):
    frame = table(500, missing=0.1)
    order = np.random.default_rng(0).permutation(len(frame))
    one = mixture(n_components).fit(frame)
    two = mixture(n_components).fit(frame.iloc[order])
    np.testing.assert_allclose(
        one.score_samples(frame), two.score_samples(frame), rtol=1e-6, atol=1e-6
    )


@both
def test_threads_give_the_same_bits(covariance_type):
    frame = table(12_000, missing=0.1)
    fits = [
        mixture(covariance_type=covariance_type, max_iter=4, n_jobs=n).fit(frame)
        for n in (1, 3)
    ]
    assert fits[0].lower_bounds_ == fits[1].lower_bounds_
    hole = frame.iloc[:3000]
    scores = [model.score_samples(hole) for model in fits]
    np.testing.assert_array_equal(*scores)
    draws = [model.sample_conditional(hole, random_state=0) for model in fits]
    pd.testing.assert_frame_equal(*draws)


@both
def test_the_lower_bound_never_falls_and_is_the_log_posterior(covariance_type):
    frame = table(missing=0.1)
    model = mixture(covariance_type=covariance_type, tol=0.0, max_iter=60).fit(frame)
    assert len(model.lower_bounds_) > 30
    assert np.diff(model.lower_bounds_).min() > -1e-12 * abs(model.lower_bound_)
    typed = model._validate(frame)
    seen = model._schema.learn_from(typed)
    with model._rows(seen, None, model._components()) as rows:
        fitted = model._fitted()
        sums = fitted.posterior_bound(rows.sum(fitted.e_step))
    assert sums.bound / len(frame) == pytest.approx(model.lower_bound_, rel=1e-10)


@both
def test_covariances_have_a_prior_in_every_step(covariance_type):
    """As many components as groups of two rows: no variance runs to the floor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = mixture(30, covariance_type=covariance_type).fit(table(60))
    (gaussian,) = [p for p in model._components().parts if isinstance(p, Gaussian)]
    prior = gaussian.prior_count
    assert prior > 0.0
    mode = prior * gaussian.scale**2 / (60 * model.weights_[:, None] + prior)
    assert np.all(gaussian.variances() >= 0.999 * mode)


def test_the_number_of_components_follows_the_data():
    rng = np.random.default_rng(0)
    n = 2000
    noise = pd.DataFrame(rng.normal(size=(n, 6)), columns=list("abcdef"))
    noise["g"] = rng.choice(list("uvw"), n)
    assert mixture("auto").fit(noise).n_components_ <= 8
    group = rng.integers(4, size=n)
    centres = 5.0 * rng.normal(size=(4, 6))
    apart = noise.assign(
        **dict(
            zip(
                "abcdef",
                (noise[list("abcdef")] + centres[group]).to_numpy().T,
                strict=True,
            )
        )
    )
    apart["g"] = np.array(list("uvwx"))[group]
    model = mixture("auto").fit(apart)
    assert model.n_components_ >= 4
    assert len(model.weights_) == model.n_components_
    assert clone(model).n_components == "auto"


def test_tables_with_many_missing_cells_take_the_best_number(monkeypatch):
    """By the same rows, one that copies takes more: none of these is the best."""
    hidden = table(1000, missing=0.25)
    best = mixture("auto", max_iter=0).fit(hidden).n_components_
    blank = hidden.assign(blank=np.nan)
    assert mixture("auto", max_iter=0).fit(blank).n_components_ == best
    monkeypatch.setattr(_tabular, "_MANY_MISSING", 1.0)
    assert mixture("auto", max_iter=0).fit(hidden).n_components_ > best


def test_a_column_without_cells_does_not_count_as_missing():
    frame = table(300).assign(blank=np.nan)
    model = mixture(2, max_iter=0).fit(frame)
    rows = model._schema.read(frame)
    assert model._schema.missing_share(rows, np.ones(300)) == 0.0
    rows[::2, : model._schema.n_typed] = np.nan
    weight = np.where(np.arange(300) % 2 == 0, 3.0, 1.0)
    assert model._schema.missing_share(rows, weight) == pytest.approx(0.75)


def test_a_fit_goes_on_from_where_the_choice_of_components_ended():
    frame = table(1000)
    chosen = mixture("auto", max_iter=0).fit(frame)
    fresh = mixture(chosen.n_components_, max_iter=0).fit(frame)
    assert chosen.lower_bound_ > fresh.lower_bound_ + 0.1
    tried = mixture("auto", max_iter=0, n_init=3).fit(frame)
    assert tried.lower_bound_ < chosen.lower_bound_ - 0.1


def test_components_find_the_groups():
    frame = table()
    model = mixture(2, max_iter=40).fit(frame)
    labels = model.predict(frame)
    group = frame["x"] > 0.5
    agreement = max((labels == group).mean(), (labels != group).mean())
    assert agreement > 0.95
    np.testing.assert_allclose(model.predict_proba(frame).sum(axis=1), 1.0)


def test_partial_fit_learns_from_a_second_batch():
    frame = table(900, missing=0.1)
    model = mixture(2).partial_fit(frame.iloc[:300])
    encoder = model.encoder_
    before = model.score(frame.iloc[300:])
    for start in range(300, 900, 100):
        model.partial_fit(frame.iloc[start : start + 100])
    assert model.encoder_ is encoder
    assert np.isfinite(model.score_samples(frame)).all()
    assert model.score(frame.iloc[300:]) > before - 0.02
    odd = frame.iloc[300:310].assign(label="never seen")
    assert np.isfinite(model.partial_fit(odd).score(frame))


def test_a_batch_of_another_law_moves_the_model():
    frame = table(600)
    model = mixture(2).partial_fit(frame)
    other = frame.assign(label="d")
    before = model.score(other)
    for _ in range(5):
        model.partial_fit(other)
    assert model.score(other) > before + 0.5


def test_one_column_of_scores_or_of_codes_is_enough():
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=200), rng.integers(3, size=200), np.full(200, 4.0)):
        model = mixture(min(2, len(set(values)))).fit(values[:, None])
        assert np.isfinite(model.score(values[:, None]))
        assert model.sample(5, random_state=0).shape == (5, 1)


def test_pickles_and_clones():
    frame = table(300, missing=0.1)
    model = mixture().fit(frame)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.score_samples(frame), model.score_samples(frame)
    )
    pd.testing.assert_frame_equal(
        again.sample(20, random_state=3), model.sample(20, random_state=3)
    )
    one = clone(model).fit(frame)
    assert one.lower_bounds_ == model.lower_bounds_


@pytest.mark.slow
def test_processes_search_pipelines():
    search = GridSearchCV(
        Pipeline([("model", mixture(max_iter=5))]),
        {"model__n_components": [1, 3]},
        cv=2,
        n_jobs=2,
    ).fit(table(300, missing=0.1))
    assert search.best_params_ == {"model__n_components": 3}


def test_criteria_count_every_free_parameter():
    frame = discrete()
    model = mixture(2).fit(frame)
    levels = sum(len(frame[name].unique()) - 1 for name in frame)
    assert model._n_parameters() == 1 + 2 * levels
    log_likelihood = model.score_samples(frame).sum()
    expected = model._n_parameters() * np.log(len(frame)) - 2 * log_likelihood
    assert model.bic(frame) == pytest.approx(expected)


def test_empty_components_are_told_and_harmless():
    """More components than distinct rows."""
    frame = pd.DataFrame({"g": ["a", "b"] * 20, "h": ["u"] * 40})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = mixture(6).fit(frame)
    assert probability(model, every(frame)).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random"])
def test_every_start_gives_a_law(init):
    frame = discrete()
    model = mixture(init_params=init, n_init=2).fit(frame)
    assert probability(model, every(frame)).sum() == pytest.approx(1.0)
