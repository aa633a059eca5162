"""Processes of counts, levels and products: found, refused, and their bounds."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.special import betaln, gammaln

from sklgen.mixture import (
    DirichletProcessMixture,
    DirichletProcessMultinomialMixture,
)


def fit(X, **params):
    return DirichletProcessMixture(random_state=0, **params).fit(X)


def labelled_cells(family, n=600, seed=0):
    """Rows of three clusters, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    if family == "poisson":
        X = rng.poisson(np.array([[2, 9, 4], [12, 1, 4], [1, 2, 25]])[labels])
    elif family == "bernoulli":
        X = rng.random((n, 12)) < rng.beta(0.3, 0.3, size=(3, 12))[labels]
    else:
        shares = rng.dirichlet(np.full(4, 0.3), size=(3, 8))
        X = np.array([[rng.choice(4, p=p) for p in shares[k]] for k in labels])
    return X.astype(np.float64), labels


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("family", ["poisson", "bernoulli", "categorical"])
def test_other_families_find_their_components(family, missing):
    X, labels = labelled_cells(family)
    holes = X.copy()
    holes[np.random.default_rng(1).random(X.shape) < missing] = np.nan
    holes[:, 0] = X[:, 0]
    model = fit(holes, family=family)
    assert model.n_components_ == 3
    assert np.min(np.diff(model.lower_bounds_), initial=0.0) >= -1e-12
    purity = sum(np.bincount(labels[model.predict(X) == k]).max() for k in range(3))
    assert purity > 0.93 * len(X)
    draws = model.sample(4000, random_state=0)
    spread = model.score_samples(draws).std() / np.sqrt(len(draws))
    assert abs(model.score(draws) - model.score(X)) < 0.1 + 5 * spread
    assert not np.isnan(model.sample_conditional(holes, random_state=0)).any()


def test_mixed_columns_are_products():
    counts, labels = labelled_cells("poisson")
    means = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    numbers = means[labels] + np.random.default_rng(1).normal(size=(len(labels), 2))
    X = np.column_stack([numbers[:, 0], counts, numbers[:, 1]])
    family = [("gaussian", [0, 4]), ("poisson", [1, 2, 3])]
    model = fit(X, family=family)
    assert model.n_components_ == 3
    assert not hasattr(model, "means_")
    # Columns in another order are the same model.
    other = fit(
        np.column_stack([counts, numbers]),
        family=[("poisson", [0, 1, 2]), ("gaussian", [3, 4])],
    )
    assert other.lower_bound_ == pytest.approx(model.lower_bound_, abs=1e-5)
    completed = model.sample_conditional(np.where(labels[:, None] < 2, X, np.nan))
    np.testing.assert_array_equal(completed[:, 1], np.rint(completed[:, 1]))


@pytest.mark.parametrize(
    ("family", "cell", "message"),
    [
        ("poisson", 0.5, "Poisson"),
        ("bernoulli", 2.0, "Bernoulli"),
        ("categorical", -1.0, "no codes of levels"),
        ([("gaussian", [0])], 0.0, "each of the 2 columns"),
        ([("gamma", [0, 1])], 0.0, "has a part 'gamma'"),
    ],
)
def test_rows_and_families_that_do_not_fit_are_errors(family, cell, message):
    X = np.array([[0.0, 1.0], [1.0, 0.0], [cell, 1.0]])
    with pytest.raises(ValueError, match=message):
        fit(X, family=family)


def test_new_levels_are_errors():
    X, _ = labelled_cells("categorical", n=200)
    model = fit(X, family="categorical")
    with pytest.raises(ValueError, match="codes up to 3 only"):
        model.predict(X + 1.0)


def test_clusters_of_counts_are_found_sparse_or_not():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=500)
    shares = rng.dirichlet(np.full(60, 0.05), size=4)
    X = np.array([rng.multinomial(15, shares[k]) for k in labels]).astype(float)
    model = DirichletProcessMultinomialMixture(random_state=0).fit(csr_array(X))
    assert model.n_components_ == 4
    assert np.min(np.diff(model.lower_bounds_), initial=0.0) >= -1e-12
    pairs = set(zip(labels.tolist(), model.predict(X).tolist(), strict=True))
    assert len(pairs) == 4
    dense = DirichletProcessMultinomialMixture(random_state=0).fit(X)
    np.testing.assert_allclose(dense.score_samples(X), model.score_samples(X))
    assert model.predict_proba(csr_array(X)).shape == (500, 4)
    error = np.abs(model.probabilities_[model.predict(X)] - shares[labels]).max()
    assert error < 0.05


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_constant_and_rare_columns_cost_no_component(family, value):
    rng = np.random.default_rng(0)
    second = rng.random(300) < 0.5
    X = 1.0 * (rng.random((300, 6)) < np.where(second[:, None], 0.85, 0.15))
    if family == "poisson":
        X = rng.poisson(np.where(second[:, None], 8.0, 2.0), size=(300, 6))
    rare = np.zeros(300)
    rare[17] = 1.0
    wide = np.column_stack([X, np.full(300, value), rare])
    plain, model = fit(X, family=family), fit(wide, family=family)
    assert plain.n_components_ == model.n_components_ == 2
    assert model.lower_bound_ > plain.lower_bound_ - (2.0 if value else 0.1)
    assert np.min(np.diff(model.lower_bounds_), initial=0.0) >= -1e-12
    assert np.isfinite(model.score_samples(wide)).all()


@pytest.mark.parametrize("family", ["bernoulli", "poisson"])
def test_with_one_component_the_bound_on_rare_cells_is_the_evidence(family):
    n, alpha = 400, 0.7
    X = np.zeros((n, 4))
    X[:, 1], X[3, 2], X[::3, 3] = 1.0, 1.0, 1.0
    model = fit(
        X, family=family, max_components=1, weight_concentration_prior=alpha, n_jobs=1
    )
    highest = 1.0 - 1e-3 if family == "bernoulli" else np.inf
    prior, ones = np.clip(X.mean(axis=0), 1e-3, highest), X.sum(axis=0)
    if family == "bernoulli":
        cells = betaln(prior + ones, 1 - prior + n - ones) - betaln(prior, 1 - prior)
    else:
        # A gamma prior of rate 1; all factorials are one.
        cells = gammaln(prior + ones) - gammaln(prior)
        cells -= (prior + ones) * np.log(1.0 + n)
    evidence = cells.sum() + betaln(1 + n, alpha) - betaln(1, alpha)
    assert model.lower_bound_ * n == pytest.approx(evidence, rel=1e-10)


def mixed_frame(n=60):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "n": rng.poisson(3.0, n),
            "b": rng.normal(size=n),
            "code": rng.integers(3, size=n),
        }
    )
    return frame.astype(np.float64)


MIXED = [("gaussian", [0, 2]), ("poisson", [1]), ("categorical", [3])]


@pytest.mark.parametrize(
    "family",
    [
        [("gaussian", ["a", "b"]), ("poisson", "n"), ("categorical", ["code"])],
        [("gaussian", [True, False, True, False]), ("poisson", 1), ("categorical", 3)],
        (["gaussian", np.array([0, 2])], ("poisson", range(1, 2)), ("categorical", 3)),
        [
            ("gaussian", pd.Index(["a", "b"])),
            ("poisson", np.arange(4) == 1),
            ("categorical", [np.int8(3)]),
        ],
    ],
)
def test_columns_of_families_have_names_positions_or_masks(family):
    frame = mixed_frame()
    expected = fit(frame, family=MIXED).score_samples(frame)
    found = fit(frame, family=family).score_samples(frame)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ([], r"family=\[\] is empty"),
        ((), r"family=\(\) is empty"),
        (["gaussian", "poisson"], "a part 'gaussian'. Allowed are pairs"),
        (("gaussian", [0, 1]), "a part 'gaussian'. Allowed are pairs"),
        ([(["gaussian"], [0])], r"a part \['gaussian'\], allowed are \['bern"),
        ([("gaussian", [0, 2.7])], r"columns \[0, 2.7\]. Allowed are positions"),
        ([("gaussian", [0, 4])], "Allowed are positions from 0 to 3"),
        ([("gaussian", [-1])], "Allowed are positions from 0 to 3"),
        ([("gaussian", [])], r"columns \[\]. Allowed"),
        ([("gaussian", [[0, 1], [2, 3]])], "Allowed are positions"),
        ([("gaussian", [[0], [2, 3]])], "Allowed are positions"),
        ([("gaussian", [True, False])], "mask of 2 columns"),
        ([("gaussian", [False] * 4)], "0 of them chosen"),
        ([("gaussian", ["a", "z"])], r"names the columns \['z'\]"),
        ([("gaussian", ["a", "b"]), ("poisson", ["b"])], r"\['n', 'code'\].*\['b'\]"),
    ],
)
def test_parts_of_families_that_do_not_fit_are_errors(family, message):
    with pytest.raises(ValueError, match=message) as caught:
        fit(mixed_frame(), family=family)
    assert "family" in str(caught.value)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (1, 0.5, "that Poisson cannot have"),
        (1, 2.0**32, r"allows counts up to 2\*\*32 - 1"),
        (2, 1e200, "values beyond"),
        (3, 0.5, "no codes of levels"),
        (3, 7.0, "codes up to 2 only"),
    ],
)
def test_errors_of_products_name_the_column(named, column, value, message):
    frame = mixed_frame()
    model = fit(frame if named else frame.to_numpy(), family=MIXED)
    frame.iloc[5, column] = value
    X = frame if named else frame.to_numpy()
    label = repr(frame.columns[column]) if named else rf"\b{column}\b"
    with pytest.raises(ValueError, match=message) as caught:
        model.score_samples(X)
    assert re.search(rf"[Cc]olumns? \[?{label}", str(caught.value))
    if value != 7.0:
        with pytest.raises(ValueError, match=message) as caught:
            fit(X, family=MIXED)
        assert re.search(rf"[Cc]olumns? \[?{label}", str(caught.value))


def test_the_largest_counts_are_scored_and_drawn():
    X = np.full((50, 1), 2.0**32 - 1)
    X[::2] -= np.arange(25)[:, None] * 5000
    # The log-factorial of such a count is rounded by 1e-5.
    model = fit(X, family="poisson", tol=1e-3)
    assert np.isfinite(model.score_samples(X)).all()
    assert model.sample(50, random_state=0).mean() == pytest.approx(X.mean(), rel=1e-4)


@pytest.mark.parametrize("sparse", [True, False])
def test_counts_that_float64_cannot_tell_apart_are_errors(sparse):
    X = np.random.default_rng(0).poisson(3.0, (40, 3)).astype(float)
    X[7, 2] = 2.0**53
    X[7, :2] = 0
    form = csr_array if sparse else np.asarray
    # Rounding of such a bound is above any tolerance.
    model = DirichletProcessMultinomialMixture(max_iter=0, random_state=0)
    assert np.isfinite(model.fit(form(X)).sample(5000, random_state=0).sum())
    X[7, 2] += 2.0
    with pytest.raises(ValueError, match=r"in column 2 the count .* 2\*\*53"):
        model.fit(form(X))


@pytest.mark.parametrize(
    "model", [DirichletProcessMixture(), DirichletProcessMultinomialMixture()]
)
def test_one_row_is_too_few(model):
    with pytest.raises(ValueError, match="minimum of 2"):
        model.fit(np.ones((1, 2)))


def test_the_bound_on_counts_knows_their_totals():
    rng, n, alpha, count = np.random.default_rng(0), 30, 0.7, 0.4
    X = rng.poisson([1.0, 4.0, 0.2], size=(n, 3)).astype(float)
    model = DirichletProcessMultinomialMixture(
        max_components=1,
        count_prior=count,
        weight_concentration_prior=alpha,
        random_state=0,
    ).fit(X)
    totals, sums = X.sum(axis=1), X.sum(axis=0)
    evidence = model.posterior_.lengths.log_probability(totals).sum()
    evidence += gammaln(totals + 1).sum() - gammaln(X + 1).sum()
    evidence += gammaln(count + sums).sum() - gammaln(3 * count + sums.sum())
    evidence -= 3 * gammaln(count) - gammaln(3 * count)
    evidence += betaln(1 + n, alpha) - betaln(1, alpha)
    assert model.lower_bound_ * n == pytest.approx(evidence, rel=1e-10)
