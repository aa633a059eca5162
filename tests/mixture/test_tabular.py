"""TabularMixture: total probability, marginals, draws and means of mixed tables."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, ks_2samp

from tests.mixture.tabular_cases import (
    both,
    discrete,
    every,
    mixture,
    probability,
    table,
)


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
