"""Boosted autoregressive models: densities, draws, and what misses cells."""

import copy
import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import norm, poisson

from sklgen.tree import BoostedAutoregressive
from sklgen.tree._boosted_missing import Completion, fixed_points


def boosted(n_orders=2, **options):
    options = {"random_state": 0, "max_iter": 60, "min_samples_leaf": 10, **options}
    return BoostedAutoregressive(n_orders, **options)


def labels(n=1500, seed=0, missing=0.0):
    """Three columns of labels, each depending on those before it."""
    rng = np.random.default_rng(seed)
    first = rng.choice(4, size=n, p=[0.4, 0.3, 0.2, 0.1])
    second = (first + rng.choice(3, size=n, p=[0.6, 0.3, 0.1])) % 3
    third = (first * second + (rng.random(n) < 0.2)) % 2
    names = [np.array(list("abcd"))[first], np.array(list("xyz"))[second]]
    frame = pd.DataFrame({"a": names[0], "b": names[1], "c": third == 1})
    return frame.astype(object).mask(rng.random(frame.shape) < missing)


def every(frame):
    """All rows that can be made of the values of each column."""
    levels = [sorted(frame[column].dropna().unique()) for column in frame]
    return pd.DataFrame([*itertools.product(*levels)], columns=frame.columns)


def single(model, m):
    """The model of one of the orders alone."""
    own = copy.copy(model)
    own._chains = [model._chains[m]]
    return own


@pytest.fixture(scope="module")
def on_labels():
    X = labels()
    return boosted(n_orders=3).fit(X), every(X)


def test_probabilities_of_all_rows_sum_to_one(on_labels):
    model, rows = on_labels
    assert logsumexp(model.score_samples(rows)) == pytest.approx(0, abs=1e-12)


def test_orders_are_averaged_as_densities(on_labels):
    model, rows = on_labels
    each = [single(model, m).score_samples(rows) for m in range(3)]
    assert np.ptp(each, axis=0).max() > 0.01
    mixed = logsumexp(each, axis=0) - np.log(3)
    np.testing.assert_allclose(model.score_samples(rows), mixed, atol=1e-12)


def brute_marginal(model, rows, seen):
    """Log-probability of some cells of each row, by sums over all rows."""
    log_p = model.score_samples(rows)
    keys = rows[seen].astype(str).agg("|".join, axis=1) if seen else rows.index * 0
    sums = pd.Series(np.exp(log_p)).groupby(np.asarray(keys)).sum()
    return np.log(sums.loc[np.asarray(keys)].to_numpy())


@pytest.mark.parametrize("m", range(3))
def test_marginals_are_exact_where_missing_cells_come_last(on_labels, m):
    model, rows = on_labels
    own = single(model, m)
    names = [rows.columns[j] for j in model.orders_[m]]
    for k in range(3):
        expected = brute_marginal(own, rows, names[:k])
        got = own.score_samples(rows.assign(**dict.fromkeys(names[k:])))
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_marginals_are_near_otherwise(on_labels):
    model, rows = on_labels
    for gone in rows:
        seen = [name for name in rows if name != gone]
        expected = brute_marginal(model, rows, seen)
        got = model.score_samples(rows.assign(**{gone: None}))
        assert np.abs(got - expected).max() < 0.1


def test_density_of_cells_that_are_there_has_no_bias(on_labels):
    model, rows = on_labels
    own = single(model, 0)
    first = rows.columns[model.orders_[0][0]]
    seen = [name for name in rows if name != first]
    typed = own._validate(rows.assign(**{first: None})).astype(float)
    rng = np.random.default_rng(0)
    found = [
        np.exp(
            Completion(
                own._chains[0], typed, fixed_points(3, 3), rng.random((len(typed), 3))
            ).log_evidence
        )
        for _ in range(150)
    ]
    error = np.std(found, axis=0) / np.sqrt(len(found))
    expected = np.exp(brute_marginal(own, rows, seen))
    assert np.all(np.abs(np.mean(found, axis=0) - expected) <= 5 * error + 1e-12)


def conditionals(model, rows, gone):
    """Probability of the cells of a column given the others, by Bayes."""
    seen = [name for name in rows if name not in gone]
    return np.exp(model.score_samples(rows) - brute_marginal(model, rows, seen))


@pytest.mark.parametrize("gone", [["a"], ["b"], ["c"], ["a", "b"], ["b", "c"]])
def test_conditional_draws_are_those_of_bayes(on_labels, gone):
    model, rows = on_labels
    shares = conditionals(model, rows, gone)
    n = 200
    many = rows.loc[rows.index.repeat(n)].assign(**dict.fromkeys(gone))
    drawn = model.sample_conditional(many, random_state=1)
    right = drawn.to_numpy() == rows.loc[rows.index.repeat(n)].to_numpy()
    share = right.all(axis=1).reshape(-1, n).mean(axis=1)
    error = np.sqrt(shares * (1 - shares) / n)
    # 0.02 is for what 32 draws a row know of the weights.
    assert np.all(np.abs(share - shares) <= 5 * error + 0.02)


def test_orders_count_by_the_density_of_what_is_there():
    # Two orders that disagree: in the second one, the second column means nothing.
    X = labels()
    mixed_up = X.assign(b=np.random.default_rng(1).permutation(X["b"]))
    model, other = (boosted(n_orders=1).fit(table) for table in (X, mixed_up))
    model._chains = [*model._chains, *other._chains]
    rows = every(X)
    expected = conditionals(model, rows, ["c"])
    each = [conditionals(own, rows, ["c"]) for own in (single(model, 0), other)]
    assert np.abs(expected - np.mean(each, axis=0)).max() > 0.1
    many = rows.assign(c=None).loc[rows.index.repeat(1000)]
    drawn = model.sample_conditional(many, random_state=0)
    right = drawn.to_numpy() == rows.loc[many.index].to_numpy()
    share = right.all(axis=1).reshape(-1, 1000).mean(axis=1)
    error = np.sqrt(expected * (1 - expected) / 1000)
    assert np.all(np.abs(share - expected) <= 5 * error)


def test_impute_gives_the_mode(on_labels):
    model, rows = on_labels
    for gone in rows:
        shares = conditionals(model, rows, [gone])
        seen = [name for name in rows if name != gone]
        filled = model.impute(rows.assign(**{gone: None}))
        for _, same in rows.groupby(seen):
            ordered = np.sort(shares[same.index])
            if ordered[-1] > ordered[-2] + 0.1:
                mode = rows.loc[same.index[shares[same.index].argmax()], gone]
                assert (filled.loc[same.index, gone] == mode).all()


def test_draws_are_as_probable_as_they_score(on_labels):
    model, rows = on_labels
    n = 20_000
    drawn = model.sample(n, random_state=0).astype(str).agg("|".join, axis=1)
    shares = drawn.value_counts(normalize=True)
    for row, p in zip(
        rows.itertuples(index=False), model.score_samples(rows), strict=True
    ):
        share = shares.get("|".join(map(str, row)), 0.0)
        error = np.sqrt(np.exp(p) * (1 - np.exp(p)) / n)
        assert abs(share - np.exp(p)) <= 5 * error


def mixed(n=1200, seed=0):
    """A number, a count, an amount with an atom, and a label."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": 10 + 3 * x,
            "count": rng.poisson(30 * np.exp(0.3 * x)),
            "amount": np.where(rng.random(n) < 0.4, 0.0, rng.gamma(3.0, size=n) + x**2),
            "label": np.where(x + rng.normal(size=n) > 0, "up", "down"),
        }
    )


@pytest.fixture(scope="module")
def on_mixed():
    return boosted().fit(mixed())


def test_density_of_mixed_columns_integrates_to_one():
    model = boosted().fit(mixed()[["x", "count", "label"]])
    x, counts = np.linspace(-4, 24, 561), np.arange(0, 141)
    total = 0.0
    for label in ("up", "down"):
        X, C = (axis.ravel() for axis in np.meshgrid(x, counts, indexing="ij"))
        frame = pd.DataFrame({"x": X, "count": C, "label": label})
        density = np.exp(model.score_samples(frame)).reshape(561, 141).sum(axis=1)
        total += np.trapezoid(density, x)
    assert total == pytest.approx(1, abs=2e-3)


def test_atoms_and_the_rest_share_the_probability():
    model = boosted().fit(mixed()[["amount", "label"]])
    amounts, total = np.linspace(1e-6, 60, 20_001), 0.0
    for label in ("up", "down"):
        rest = pd.DataFrame({"amount": amounts, "label": label})
        density = np.trapezoid(np.exp(model.score_samples(rest)), amounts)
        atom = pd.DataFrame({"amount": [0.0], "label": [label]})
        atom = float(np.exp(model.score_samples(atom))[0])
        assert atom / (density + atom) == pytest.approx(0.4, abs=0.05)
        total += density + atom
    assert total == pytest.approx(1, abs=1e-3)


def test_tails_are_finite_and_fall():
    X = mixed()[["x", "label"]]
    model = boosted().fit(X)
    far = pd.DataFrame({"x": [10.0, 30.0, 60.0, 200.0, -1e300], "label": "up"})
    score = model.score_samples(far)
    assert np.isfinite(score).all()
    assert np.all(np.diff(score[:4]) < -5)


def test_conditional_laws_follow_the_data():
    X = mixed(4000)[["x", "count"]]
    model = BoostedAutoregressive(random_state=0).fit(X)
    new = mixed(4000, seed=1)[["x", "count"]]
    rate = 30 * np.exp(0.3 * (new["x"] - 10) / 3)
    truth = norm(10, 3).logpdf(new["x"]) + poisson(rate).logpmf(new["count"])
    assert 0 < truth.mean() - model.score(new) < 0.2


def test_draws_come_as_they_went_in(on_mixed):
    X = mixed()
    drawn = on_mixed.sample(5000, random_state=0)
    assert drawn.dtypes.equals(X.dtypes)
    share = np.mean(X["amount"] == 0)
    assert np.mean(drawn["amount"] == 0) == pytest.approx(share, abs=0.03)
    for a, b in itertools.combinations(["x", "count", "amount"], 2):
        apart = drawn[a].corr(drawn[b], "spearman") - X[a].corr(X[b], "spearman")
        assert abs(apart) < 0.1


def with_holes(n=3000, seed=0):
    """A count that is missing where a number is large, and a label that depends."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    gone = rng.random(n) < np.where(x > 0, 0.6, 0.1)
    count = np.where(gone, np.nan, rng.poisson(20 + 5 * x))
    label = np.where(gone ^ (rng.random(n) < 0.1), "none", "some")
    return pd.DataFrame({"x": x, "count": count, "label": label})


def test_draws_miss_cells_as_rows_do():
    drawn = boosted().fit(with_holes()).sample(6000, random_state=0)
    gone = drawn["count"].isna()
    assert gone[drawn["x"] > 0].mean() == pytest.approx(0.6, abs=0.05)
    assert gone[drawn["x"] < 0].mean() == pytest.approx(0.1, abs=0.04)
    assert (drawn["label"] == "none")[gone].mean() == pytest.approx(0.9, abs=0.05)
    kept = boosted(keep_missing=False).fit(with_holes()).sample(500, random_state=0)
    assert not kept.isna().to_numpy().any()


def test_density_of_values_integrates_to_one_where_fit_missed_some():
    X = with_holes()[["x", "count"]]
    model = boosted().fit(X)
    x, counts = np.linspace(-8, 8, 1601), np.arange(0, 101)
    A, C = (axis.ravel() for axis in np.meshgrid(x, counts, indexing="ij"))
    frame = pd.DataFrame({"x": A, "count": C.astype(float)})
    density = np.exp(model.score_samples(frame)).reshape(1601, 101).sum(axis=1)
    assert np.trapezoid(density, x) == pytest.approx(1, abs=2e-3)


def test_a_column_that_misses_all_misses_all():
    X = mixed()[["x", "label"]].assign(nothing=np.nan)
    model = boosted().fit(X)
    assert model.sample(50, random_state=0)["nothing"].isna().all()
    assert np.isfinite(model.score_samples(X)).all()


def test_labels_of_many_levels():
    rng = np.random.default_rng(0)
    group = rng.integers(400, size=4000)
    X = pd.DataFrame(
        {"group": group.astype(str), "x": group % 2 + rng.normal(size=4000)}
    )
    model = boosted(max_iter=5).fit(X)
    drawn = model.sample(2000, random_state=0)
    assert drawn["group"].nunique() > 300
    unseen = pd.DataFrame({"group": ["new"], "x": [0.5]})
    alone = model.score_samples(unseen.assign(group=None))
    gap = model.score_samples(unseen) - alone
    assert gap[0] == pytest.approx(-np.log(4001))


def test_orders_come_with_their_reverse():
    X = np.random.default_rng(0).normal(size=(60, 5))
    model = boosted(n_orders=4, max_iter=1).fit(X)
    assert np.array_equal(model.orders_[0], model.orders_[1][::-1])
    assert np.array_equal(model.orders_[2], model.orders_[3][::-1])
    assert len({tuple(order) for order in model.orders_}) == 4
    assert boosted(n_orders=9, max_iter=1).fit(X[:, :2]).orders_.tolist() in (
        [[0, 1], [1, 0]],
        [[1, 0], [0, 1]],
    )
    assert boosted(n_orders=3, max_iter=1).fit(X[:, :1]).orders_.tolist() == [[0]]
