"""GaussianMixture: published optima, peers, missing cells, rounding, bad input."""

import tracemalloc
import warnings

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.mixture import GaussianMixture as SklearnMixture

from sklgen.datasets import (
    load_acidity,
    load_diabetes_classes,
    load_galaxies,
    load_old_faithful,
    load_penguins,
)
from sklgen.mixture import GaussianMixture

COVARIANCES = ["full", "tied", "diag", "spherical"]


def clusters(n=600, d=3, k=3, seed=0):
    rng = np.random.default_rng(seed)
    means = 4.0 * rng.normal(size=(k, d))
    roots = np.eye(d) + 0.4 * rng.normal(size=(k, d, d))
    labels = rng.integers(k, size=n)
    noise = np.einsum("nij,nj->ni", roots[labels], rng.normal(size=(n, d)))
    return means[labels] + noise


def with_holes(X, share=0.2, seed=1):
    """A copy with cells missing at random, but no row or column without a cell."""
    rng = np.random.default_rng(seed)
    holes = rng.random(X.shape) < share
    holes[np.arange(len(X)), rng.integers(X.shape[1], size=len(X))] = False
    return np.where(holes, np.nan, X)


def penguin_measurements():
    X = load_penguins().data
    return X[~np.isnan(X).any(axis=1)]


# Name, rows, covariance, components; log-likelihood, parameters, BIC (mclust's sign).
PUBLISHED = {
    "old_faithful": (load_old_faithful, 1.0, "tied", 3, -1126.32, 11, -2314.3),
    "galaxies": (load_galaxies, 1e-3, "full", 3, -203.179, 8, -441.61),
    "acidity": (load_acidity, 1.0, "tied", 2, -185.949, 4, -392.07),
    "diabetes": (load_diabetes_classes, 1.0, "full", 3, -2303.49, 29, -4751.3),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_reach_the_published_optimum(name):
    load, unit, covariance_type, k, log_likelihood, n_parameters, bic = PUBLISHED[name]
    X = load().data * unit
    fits = [
        GaussianMixture(k, covariance_type=covariance_type, random_state=seed).fit(X)
        for seed in range(20)
    ]
    found = np.array([model.lower_bound_ * len(X) for model in fits])
    hits = int((np.abs(found - log_likelihood) <= 0.01).sum())
    print(f"{name}: {hits} of 20 seeds within 0.01 of {log_likelihood}")
    assert hits >= 18
    assert fits[0]._n_parameters() == n_parameters
    assert -fits[0].bic(X) == pytest.approx(bic, abs=0.05)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_steps_agree_with_scikit_learn(covariance_type):
    """Two steps: the third may be an extrapolation."""
    X = clusters()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = SklearnMixture(
            3, covariance_type=covariance_type, random_state=0, max_iter=2
        ).fit(X)
        common = {
            "covariance_type": covariance_type,
            "weights_init": start.weights_,
            "means_init": start.means_ + 0.5,
            "precisions_init": start.precisions_,
            "max_iter": 2,
            "tol": 0.0,
            "reg_covar": 0.0,
        }
        peer = SklearnMixture(3, **common).fit(X)
        model = GaussianMixture(3, **common).fit(X)
    np.testing.assert_allclose(model.weights_, peer.weights_, rtol=1e-9)
    np.testing.assert_allclose(model.means_, peer.means_, rtol=1e-9)
    for name in ("covariances_", "precisions_", "precisions_cholesky_"):
        mine, theirs = getattr(model, name), getattr(peer, name)
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.score_samples(X), peer.score_samples(X))
    np.testing.assert_allclose(
        model.predict_proba(X), peer.predict_proba(X), atol=1e-300
    )
    assert model.bic(X) == pytest.approx(peer.bic(X))
    assert model.aic(X) == pytest.approx(peer.aic(X))


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_holes_that_are_not_there_change_nothing(covariance_type):
    """A row with a hole sends the data through the grouped path; weight 0 drops it."""
    X = clusters()
    holed = np.vstack([X, np.where(np.arange(3) == 1, np.nan, X[:1])])
    weight = np.r_[np.ones(len(X)), 0.0]
    common = {"covariance_type": covariance_type, "random_state": 0}
    plain = GaussianMixture(3, **common).fit(X)
    grouped = GaussianMixture(3, **common).fit(holed, sample_weight=weight)
    np.testing.assert_allclose(grouped.means_, plain.means_, rtol=1e-10)
    np.testing.assert_allclose(grouped.covariances_, plain.covariances_, rtol=1e-10)
    assert grouped.lower_bound_ == pytest.approx(plain.lower_bound_, rel=1e-12)


def normal_em(X, n_iter=3000):
    """EM for one multivariate normal with missing cells, row by row."""
    mean, cov = np.nanmean(X, axis=0), np.diag(np.nanvar(X, axis=0))
    for _ in range(n_iter):
        filled, spread = X.copy(), np.zeros_like(cov)
        for row in filled:
            m = np.isnan(row)
            o = ~m
            slope = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
            row[m] = mean[m] + slope @ (row[o] - mean[o])
            spread[np.ix_(m, m)] += cov[np.ix_(m, m)] - slope @ cov[np.ix_(o, m)]
        before, mean = cov, filled.mean(axis=0)
        cov = (filled - mean).T @ (filled - mean) / len(X) + spread / len(X)
        if np.abs(cov - before).max() < 1e-14:
            break
    return mean, cov


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_one_component_is_em_for_the_multivariate_normal(covariance_type):
    X = with_holes(clusters(n=120, k=1), share=0.3)
    mean, cov = normal_em(X)
    model = GaussianMixture(covariance_type=covariance_type, tol=1e-14).fit(X)
    np.testing.assert_allclose(model.means_[0], mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.covariances_.reshape(3, 3), cov, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_scores_of_rows_with_holes_are_marginal(covariance_type):
    X = clusters()
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    holed = with_holes(X, share=0.4)[:50]
    full = {
        "full": model.covariances_,
        "tied": [model.covariances_] * 3,
        "diag": [np.diag(np.atleast_1d(v)) for v in model.covariances_],
        "spherical": [np.eye(3) * v for v in model.covariances_],
    }[covariance_type]
    for row, found in zip(holed, model.score_samples(holed), strict=True):
        o = ~np.isnan(row)
        expected = sum(
            w * multivariate_normal(m[o], c[np.ix_(o, o)]).pdf(row[o])
            for w, m, c in zip(model.weights_, model.means_, full, strict=True)
        )
        assert found == pytest.approx(np.log(expected), rel=1e-9)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_bound_rises_and_ends_at_the_score_with_holes(covariance_type):
    X = with_holes(clusters(), share=0.3)
    model = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    assert np.diff(model.lower_bounds_).min() >= -1e-12
    assert model.score(X) == pytest.approx(model.lower_bound_, rel=1e-12)
    assert model.converged_


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_no_small_change_raises_the_likelihood_with_holes(covariance_type):
    """The fit is a stationary point of the observed-data likelihood itself."""
    X = with_holes(clusters(), share=0.3)
    model = GaussianMixture(3, covariance_type=covariance_type, tol=1e-13).fit(X)
    mixture = model._fitted()
    vector, rng = mixture.pack(), np.random.default_rng(0)
    best = model.score(X)
    for direction in rng.normal(size=(30, len(vector))):
        model._keep(mixture.unpack(vector + 1e-3 * direction), model._statistics)
        assert model.score(X) < best


def test_impute_beats_iterative_imputer_on_penguins():
    X = penguin_measurements()
    scale = X.std(axis=0)
    errors = np.zeros(2)
    for seed in range(10):
        holed = with_holes(X, share=0.2, seed=seed)
        at = np.isnan(holed)
        model = GaussianMixture(4, random_state=0).fit(holed)
        peer = IterativeImputer(random_state=0, max_iter=50)
        for i, filled in enumerate((model.impute(holed), peer.fit_transform(holed))):
            errors[i] += np.mean(((filled - X) / scale)[at] ** 2) / 10
    mine, theirs = np.sqrt(errors)
    print(f"RMSE in standard deviations: {mine:.4f}, IterativeImputer {theirs:.4f}")
    assert mine < theirs


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_bits_do_not_depend_on_the_number_of_threads(covariance_type, n_jobs):
    X = with_holes(np.tile(clusters(), (40, 1)), share=0.1).astype(np.float32)
    X += np.random.default_rng(0).normal(size=X.shape).astype(np.float32)
    common = {"covariance_type": covariance_type, "random_state": 0, "max_iter": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one = GaussianMixture(3, n_jobs=1, **common).fit(X)
        more = GaussianMixture(3, n_jobs=n_jobs, **common).fit(X)
    np.testing.assert_array_equal(one.means_, more.means_)
    np.testing.assert_array_equal(one.covariances_, more.covariances_)
    np.testing.assert_array_equal(one.score_samples(X), more.score_samples(X))
    np.testing.assert_array_equal(one.impute(X), more.impute(X))


def test_starts_depend_on_neither_order_nor_repetition_beyond_the_sample_size():
    rng = np.random.default_rng(0)
    X = np.tile(clusters(), (40, 1)) + rng.normal(size=(24_000, 3))
    order = rng.permutation(2 * len(X)) % len(X)
    common = {"n_components": 3, "random_state": 0}
    weighted = GaussianMixture(**common).fit(X, sample_weight=np.full(len(X), 2.0))
    repeated = GaussianMixture(**common).fit(X[order])
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-8)
    assert weighted.lower_bound_ == pytest.approx(repeated.lower_bound_, rel=1e-12)


def test_memory_does_not_grow_with_rows_times_components():
    X = np.random.default_rng(0).normal(size=(200_000, 4))
    model = GaussianMixture(
        32, random_state=0, n_init=1, max_iter=2, init_params="random"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X[:1000])
        tracemalloc.start()
        model.fit(X)
        model.score(X)
        model.predict(X)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 0.5 * len(X) * 32 * 8


def test_partial_fit_approaches_fit():
    X = clusters(n=4000)
    whole = GaussianMixture(3, random_state=0).fit(X)
    online = GaussianMixture(3, random_state=0)
    for batch in np.split(X, 20):
        online.partial_fit(batch)
    assert online.score(X) > whole.score(X) - 0.01
    assert online.n_iter_ > 19


def test_partial_fit_continues_a_fit_and_weighs_batches():
    X = clusters()
    model = GaussianMixture(3, random_state=0).fit(X)
    before = model.means_.copy()
    model.partial_fit(X)
    np.testing.assert_allclose(model.means_, before, atol=1e-3)
    one, two = (GaussianMixture(3, random_state=0).fit(X) for _ in range(2))
    one.partial_fit(X[:50], sample_weight=np.full(50, 2.0))
    two.partial_fit(np.repeat(X[:50], 2, axis=0))
    np.testing.assert_allclose(one.means_, two.means_)


def test_warm_start_goes_on_from_the_last_solution():
    X = clusters()
    model = GaussianMixture(3, random_state=0, warm_start=True, max_iter=2, tol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        bounds = [model.fit(X).lower_bound_ for _ in range(4)]
    assert np.diff(bounds).min() >= 0
    model.set_params(max_iter=1000).fit(X)
    assert model.converged_
    assert model.fit(X).n_iter_ <= 3


def test_verbose_shows_a_bar(capfd):
    GaussianMixture(2, random_state=0, verbose=1).fit(clusters())
    assert "GaussianMixture" in capfd.readouterr().err


def test_max_iter_warns_and_is_not_convergence():
    with pytest.warns(ConvergenceWarning, match="max_iter=1 .*Raise max_iter"):
        model = GaussianMixture(3, random_state=0, max_iter=1).fit(clusters())
    assert not model.converged_


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("seed", range(3))
def test_collapsing_components_never_end_a_fit(covariance_type, seed):
    rng = np.random.default_rng(seed)
    repeated = np.repeat(rng.normal(size=(4, 2)), 10, axis=0)
    line = np.c_[np.arange(40.0), 2 * np.arange(40.0)]
    constant = np.c_[np.full(40, 7.0), rng.normal(size=40)]
    for X in (repeated, line, constant, np.zeros((40, 2)), np.round(line / 20)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = GaussianMixture(
                6, covariance_type=covariance_type, random_state=seed
            ).fit(X)
        for name in ("weights_", "means_", "covariances_", "precisions_"):
            assert np.isfinite(getattr(model, name)).all()
        assert np.isfinite(model.score_samples(X)).all()
        assert np.isfinite(model.sample(20, random_state=0)).all()
        assert np.diff(model.lower_bounds_).min() >= -1e-9


def test_an_empty_component_is_reported():
    X = np.repeat([[0.0], [1.0]], 5, axis=0)
    with pytest.warns(ConvergenceWarning, match="Lower n_components"):
        model = GaussianMixture(3, random_state=0).fit(X)
    assert (model.weights_ < 1e-10).sum() == 1
    assert model.weights_[model.predict(X)].min() > 0.1


BAD_INPUT = {
    "fewer rows": (lambda X: X[:3], {}, "n_components=5 needs at least as many rows"),
    "empty row": (lambda X: put_nan(X, np.s_[7]), {}, r"first at \[7\]"),
    "empty column": (lambda X: put_nan(X, np.s_[:, 1]), {}, r"cell: \[1\]"),
    "infinity": (lambda X: np.where(X[0, 0] == X, np.inf, X), {}, "infinity"),
    "covariance": (None, {"covariance_type": "ful"}, "'spherical'"),
    "init": (None, {"init_params": "best"}, "'k-means\\+\\+'"),
    "weights": (None, {"weights_init": [0.5, 0.5]}, r"weights_init has shape \(2,\)"),
    "weights sum": (None, {"weights_init": np.ones(5)}, "a sum of 5. Divide"),
    "means": (None, {"means_init": np.zeros((5, 2))}, r"ask for \(5, 3\)"),
    "precisions": (None, {"precisions_init": np.ones((5, 3))}, r"\(5, 3, 3\)"),
    "not positive": (
        None,
        {"precisions_init": -np.tile(np.eye(3), (5, 1, 1))},
        "precisions_init must be positive",
    ),
    "not symmetric": (
        None,
        {"precisions_init": np.tile(np.eye(3) + np.eye(3, k=-1) / 2, (5, 1, 1))},
        "symmetric",
    ),
    "tolerance": (None, {"tol": -1.0}, "'tol' parameter"),
}


def put_nan(X, at):
    X = X.copy()
    X[at] = np.nan
    return X


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_says_what_is_wrong_and_what_to_do(case):
    spoil, parameters, message = BAD_INPUT[case]
    X = clusters(n=60) if spoil is None else spoil(clusters(n=60))
    with pytest.raises(ValueError, match=message):
        GaussianMixture(5, **parameters).fit(X)


def test_zero_total_weight_is_an_error():
    with pytest.raises(ValueError, match="at least one non-zero"):
        GaussianMixture().fit(clusters(n=10), sample_weight=np.zeros(10))
    weight = np.r_[1.0, np.zeros(9)]
    with pytest.raises(ValueError, match="with positive weight"):
        GaussianMixture(2).fit(clusters(n=10), sample_weight=weight)


def test_parts_of_a_start_may_be_given():
    X = clusters()
    found = GaussianMixture(3, random_state=0).fit(X)
    for name, values in {
        "weights_init": found.weights_,
        "means_init": found.means_,
        "precisions_init": found.precisions_,
    }.items():
        model = GaussianMixture(3, random_state=0, **{name: values}).fit(X)
        assert model.score(X) == pytest.approx(found.score(X), abs=1e-6)
    np.testing.assert_allclose(
        GaussianMixture(3, means_init=found.means_).fit(X).means_,
        found.means_,
        rtol=1e-3,
    )


def test_icl_is_bic_plus_the_doubt_about_labels():
    X = clusters()
    model = GaussianMixture(3, random_state=0).fit(X)
    doubt = -2 * np.log(model.predict_proba(X).max(axis=1)).sum()
    assert model.icl(X) == pytest.approx(model.bic(X) + doubt)
    assert model.icl(X) > model.bic(X)
