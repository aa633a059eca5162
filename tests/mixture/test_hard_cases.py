"""Data and calls that once ended or spoiled a fit."""

import threading
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

from sklgen.mixture import GaussianMixture

COVARIANCES = ["full", "tied", "diag", "spherical"]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def rows(n=60, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def with_holes(X, share, seed=1):
    rng = np.random.default_rng(seed)
    X = np.where(rng.random(X.shape) < share, np.nan, X)
    return X[~np.isnan(X).all(axis=1)]


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_the_distance_of_clusters_with_holes_does_not_matter(covariance_type):
    X = rows(400, 2)
    X[::2] += 1e3
    common = {"covariance_type": covariance_type, "random_state": 0}
    near = GaussianMixture(2, **common).fit(with_holes(X, 0.2)).lower_bound_
    X[::2] += 1e8
    far = GaussianMixture(2, **common).fit(with_holes(X, 0.2)).lower_bound_
    assert far == pytest.approx(near, abs=1e-4)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_many_components_on_few_ragged_rows(covariance_type):
    for seed in range(20):
        X = with_holes(rows(26, 4, seed), 0.25, seed)
        model = GaussianMixture(
            7, covariance_type=covariance_type, random_state=seed, max_iter=50
        ).fit(X)
        assert np.isfinite(model.covariances_).all()
        assert np.all(np.diff(model.lower_bounds_) >= -1e-12)


@pytest.mark.parametrize("reg_covar", [0.0, 1e-6])
@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_rows_in_pairs(covariance_type, reg_covar):
    for seed in range(20):
        X = np.repeat(rows(6, 5, seed), 2, axis=0)
        model = GaussianMixture(
            4, covariance_type=covariance_type, reg_covar=reg_covar, random_state=seed
        ).fit(X)
        assert np.isfinite(model.score_samples(X)).all()


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_a_column_that_is_the_sum_of_others(covariance_type):
    X = rows(200)
    X = np.c_[X, X.sum(axis=1)]
    for k in (1, 3):
        model = GaussianMixture(
            k, covariance_type=covariance_type, reg_covar=0.0, random_state=0
        ).fit(X)
        assert np.all(np.diff(model.lower_bounds_) >= -1e-12)


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info()]


def test_fits_in_several_threads_leave_no_limit_and_agree():
    X = rows(20_000, 4)
    alone = GaussianMixture(3, n_init=1, max_iter=4, random_state=0).fit(X)
    before, bounds = blas_threads(), []

    def work(n_other):
        GaussianMixture(3, n_init=1, max_iter=2, random_state=0).fit(X[:n_other])
        model = GaussianMixture(3, n_init=1, max_iter=4, random_state=0).fit(X)
        bounds.append(model.lower_bounds_)

    workers = [threading.Thread(target=work, args=(100 * 4**i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert blas_threads() == before
    assert bounds == [alone.lower_bounds_] * 4


@pytest.mark.parametrize("seed", range(5))
def test_a_plateau_is_not_convergence(seed):
    X = rows(6000, 2, seed)
    X[::2] += 4
    good = GaussianMixture(2, random_state=0).fit(X)
    random = GaussianMixture(2, init_params="random", n_init=1, random_state=seed)
    assert random.fit(X).lower_bound_ == pytest.approx(good.lower_bound_, abs=1e-4)


@pytest.mark.parametrize("unit", [1e-200, 1e-90, 1e90])
def test_units_far_from_one(unit):
    model = GaussianMixture(2, random_state=0).fit(rows() * unit)
    assert np.isfinite(model.means_).all()
    assert np.isfinite(model.lower_bound_)


def test_values_whose_squares_overflow_are_an_error():
    with pytest.raises(ValueError, match=r"columns \[1\].*Rescale"):
        GaussianMixture().fit(rows() * [1.0, 1e160, 1.0])


def test_rows_far_from_every_component_have_a_density_and_labels():
    model = GaussianMixture(2, random_state=0).fit(rows())
    far = np.array([[1e10, 0.0, 0.0], [1e200, 0.0, 0.0]])
    assert np.all(model.score_samples(far) < -1e15)
    np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1.0)
    far[:, 1] = np.nan
    assert np.isfinite(model.impute(far[:1])).all()


def test_shapes_may_not_change_between_fits_that_continue():
    X = rows()
    model = GaussianMixture(2, warm_start=True, random_state=0).fit(X)
    with pytest.raises(ValueError, match="n_components=2, got n_components=3"):
        model.set_params(n_components=3).fit(X)
    assert model.predict_proba(X).shape == (60, 2)
    with pytest.raises(ValueError, match="covariance_type='full', got"):
        model.set_params(n_components=2, covariance_type="diag").partial_fit(X)
    with pytest.raises(ValueError, match="3 columns, got 2"):
        model.set_params(covariance_type="full").fit(X[:, :2])


def test_a_later_batch_may_miss_a_column():
    X = rows()
    model = GaussianMixture(2, random_state=0).fit(X)
    batch = X[:10].copy()
    batch[:, 1] = np.nan
    assert np.isfinite(model.partial_fit(batch).means_).all()
    with pytest.raises(ValueError, match="columns without any observed cell"):
        model.fit(batch)


@pytest.mark.slow
def test_wide_rows_take_little_memory():
    import tracemalloc

    X = rows(600, 300)
    model = GaussianMixture(2, n_init=1, max_iter=2, random_state=0)
    tracemalloc.start()
    model.fit(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A table of all products of columns for 256 rows would take 92 MB.
    assert peak < 40e6
