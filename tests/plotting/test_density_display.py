"""Densities that are drawn are those of the model, or of the rows."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import norm
from sklearn.cluster import KMeans
from sklearn.neighbors import KernelDensity

from sklgen.datasets import load_old_faithful, load_penguins
from sklgen.mixture import GaussianMixture, TabularMixture
from sklgen.plotting import DensityDisplay
from sklgen.plotting._density import mass_levels


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return rng.multivariate_normal([1.0, -2.0, 5.0], np.eye(3) + 0.5, size=500)


@pytest.fixture(scope="module")
def model(X):
    return GaussianMixture(1, random_state=0).fit(X)


def test_a_curve_is_the_marginal_density(model, X):
    display = DensityDisplay.from_estimator(model, X, features=[1])
    expected = norm(model.means_[0, 1], model.covariances_[0, 1, 1] ** 0.5)
    np.testing.assert_allclose(display.density, expected.pdf(display.grid[0]))
    x, y = display.line_.get_data()
    np.testing.assert_array_equal(y, display.density)
    np.testing.assert_array_equal(x, display.grid[0])


def test_contours_have_the_mass_they_should(model, X):
    display = DensityDisplay.from_estimator(model, X, features=[2, 0])
    x, y = display.grid
    cell = (x[1] - x[0]) * (y[1] - y[0])
    assert display.density.sum() * cell == pytest.approx(1.0, abs=0.02)
    assert x[0] < X[:, 2].min()
    assert y[-1] > X[:, 0].max()
    levels = display.contours_.levels
    masses = [
        display.density[display.density >= level].sum() * cell for level in levels
    ]
    np.testing.assert_allclose(masses[:4], [0.95, 0.8, 0.5, 0.2], atol=0.03)
    # The other axis: integrated away, it leaves the marginal.
    along = DensityDisplay.from_estimator(model, X, features=[2]).density
    np.testing.assert_allclose(
        display.density.sum(axis=0) * (y[1] - y[0]), along, atol=5e-3
    )


def test_levels_of_a_normal_law_are_known():
    x = np.linspace(-6.0, 6.0, 601)
    density = norm.pdf(x) * norm.pdf(x[:, None])
    found = mass_levels(density, (0.95, 0.5))
    np.testing.assert_allclose(found, np.array([0.05, 0.5]) / (2 * np.pi), rtol=0.01)


@pytest.mark.parametrize("make", [lambda X: X, pl.from_pandas, pd.DataFrame.to_numpy])
def test_containers_do_not_matter(make):
    X = load_old_faithful(as_frame=True).data.astype(float)
    model = GaussianMixture(2, random_state=0)
    expected = DensityDisplay.from_estimator(model.fit(X), X).density
    rows = make(X)
    found = DensityDisplay.from_estimator(model.fit(rows), rows)
    np.testing.assert_allclose(found.density, expected)


def test_tables_have_marginals_beside_labels():
    X = load_penguins(as_frame=True).frame
    model = TabularMixture(3, random_state=0).fit(X)
    name = "bill_length_mm"
    display = DensityDisplay.from_estimator(
        model, X, features=[name, "body_mass_g"], grid_resolution=30
    )
    assert display.names == [name, "body_mass_g"]
    assert np.isfinite(display.density).all()
    alone = X[[name]].assign(**dict.fromkeys(X.columns.drop(name), None))[X.columns]
    curve = DensityDisplay.from_estimator(model, X, features=[name])
    places = X[name].dropna().head(5)
    expected = np.exp(model.score_samples(alone.loc[places.index]))
    near = np.interp(places, curve.grid[0], curve.density)
    np.testing.assert_allclose(near, expected, rtol=0.25)


def test_integers_are_drawn_at_integers():
    X = pd.DataFrame({"n": np.random.default_rng(0).poisson(4.0, 500)})
    model = TabularMixture(2, families={"n": "poisson"}, random_state=0).fit(X)
    display = DensityDisplay.from_estimator(model, X)
    np.testing.assert_array_equal(display.grid[0] % 1, 0.0)
    assert display.grid[0][0] == 0.0
    assert display.density.sum() == pytest.approx(1.0, abs=0.02)


def test_positive_numbers_stay_positive():
    X = np.random.default_rng(0).lognormal(size=(300, 1))
    model = TabularMixture(1, families={0: "log_normal"}, random_state=0).fit(X)
    display = DensityDisplay.from_estimator(model, X)
    assert 0.0 < display.grid[0][0] < X.min()


def test_samples_have_the_density_of_their_histogram(X):
    one = DensityDisplay.from_samples(X, features=[0], bins=10)
    heights, edges = np.histogram(X[:, 0], 10, density=True)
    np.testing.assert_allclose(one.density, heights)
    np.testing.assert_allclose(one.line_.get_data().edges, edges)
    two = DensityDisplay.from_samples(X, features=[0, 2], bins=7)
    expected, x, y = np.histogram2d(X[:, 0], X[:, 2], 7, density=True)
    np.testing.assert_allclose(two.density, expected.T)
    assert two.ax_.get_xlim() == pytest.approx((x[0], x[-1]))
    assert two.ax_.get_ylim() == pytest.approx((y[0], y[-1]))


def test_missing_cells_are_left_out_of_histograms(X):
    gaps = X[:, :2].copy()
    gaps[::3, 0] = np.nan
    found = DensityDisplay.from_samples(gaps, bins=5)
    expected = DensityDisplay.from_samples(gaps[~np.isnan(gaps[:, 0])], bins=5)
    np.testing.assert_allclose(found.density, expected.density)


def test_dollars_are_no_formulas():
    X = pd.DataFrame({"$x_{$": [1.0, 2.0, 3.0]})
    DensityDisplay.from_samples(X).figure_.canvas.draw()


def test_rows_may_be_left_out_and_axes_given(model, X):
    _, ax = plt.subplots()
    display = DensityDisplay.from_estimator(
        model, X, features=[0, 1], show_rows=False, ax=ax, cmap="Greens"
    )
    assert display.ax_ is ax
    assert display.rows is None


def test_what_cannot_be_drawn_is_refused(model, X):
    with pytest.raises(ValueError, match="features has 3 columns"):
        DensityDisplay.from_estimator(model, X)
    with pytest.raises(ValueError, match="takes no missing cells"):
        DensityDisplay.from_estimator(KernelDensity().fit(X), X, features=[0])
    with pytest.raises(ValueError, match="names 'z', no column"):
        DensityDisplay.from_samples(X, features=["z"])
    with pytest.raises(ValueError, match=r"\['a'\], which are no numbers"):
        DensityDisplay.from_samples(pd.DataFrame({"a": ["x", "y"]}))
    clusters = KMeans(1).fit(X)
    with pytest.raises(TypeError, match="KMeans has no score_samples"):
        DensityDisplay.from_estimator(clusters, X, features=[0, 1])
