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
from sklgen.hmm import GaussianHMM
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
    display = DensityDisplay.from_estimator(
        model, X, features=1, grid_resolution=np.int64(50)
    )
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


def test_flat_densities_have_a_contour():
    x = np.linspace(0.0, 1.0, 5)
    display = DensityDisplay((x, x), np.ones((5, 5)), ["a", "b"]).plot()
    (region, *_) = display.contours_.get_paths()
    np.testing.assert_array_equal(region.get_extents().get_points(), [[0, 0], [1, 1]])


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
    # Lengths are to a tenth of a millimetre.
    expected = np.exp(model.score_samples(alone.loc[places.index])) / 0.1
    near = np.interp(places, curve.grid[0], curve.density)
    np.testing.assert_allclose(near, expected, rtol=0.25)


def test_integers_are_drawn_at_integers():
    X = pd.DataFrame({"n": np.random.default_rng(0).poisson(4.0, 500)})
    model = TabularMixture(2, families={"n": "poisson"}, random_state=0).fit(X)
    display = DensityDisplay.from_estimator(model, X)
    np.testing.assert_array_equal(display.grid[0] % 1, 0.0)
    assert display.grid[0][0] == 0.0
    assert display.density.sum() == pytest.approx(1.0, abs=0.02)


def area(display):
    """What is under a curve over places, or under contours."""
    steps = [places[1] - places[0] for places in display.grid]
    return display.density.sum() * np.prod(steps)


def heaped(n=400):
    """Amounts, many of them multiples of a hundred, times to a tenth, and zeros."""
    rng = np.random.default_rng(0)
    amounts = rng.gamma(9.0, 300.0, n).round()
    amounts[::3] = (amounts[::3] / 100.0).round() * 100.0
    gains = np.where(rng.random(n) < 0.4, 0.0, rng.lognormal(size=n))
    return pd.DataFrame(
        {
            "amount": amounts,
            "time": (amounts / 100.0 + rng.normal(size=n)).round(1),
            "gain": gains,
            "fives": 5 * rng.poisson(20, n),
        }
    )


@pytest.mark.parametrize("name", ["amount", "time", "gain", "fives"])
def test_probabilities_of_cells_are_drawn_as_densities(name):
    X = heaped()[[name]]
    model = TabularMixture(3, random_state=0).fit(X)
    display = DensityDisplay.from_estimator(model, X)
    assert area(display) == pytest.approx(1.0, abs=0.03)
    # Half of the rows are below the median, and of the area.
    (places,) = display.grid
    below = np.interp(
        X[name].median(), places, np.cumsum(display.density) * (places[1] - places[0])
    )
    assert below == pytest.approx(0.5, abs=0.06)


def test_contours_of_cells_have_the_marginals_of_the_model():
    X = heaped()[["amount", "time"]]
    model = TabularMixture(3, random_state=0).fit(X)
    display = DensityDisplay.from_estimator(model, X)
    assert area(display) == pytest.approx(1.0, abs=0.05)
    _, y = display.grid
    along = DensityDisplay.from_estimator(model, X, features="amount").density
    found = display.density.sum(axis=0) * (y[1] - y[0])
    assert np.abs(found - along).sum() < 0.1 * along.sum()


def test_values_that_are_all_there_is_are_spread_over_their_place():
    X = pd.DataFrame({"x": np.repeat([0.25, 1.5], [100, 300])})
    model = TabularMixture(1, random_state=0).fit(X)
    display = DensityDisplay.from_estimator(model, X)
    mass = display.density * (display.grid[0][1] - display.grid[0][0])
    assert mass[mass > 0] == pytest.approx([0.25, 0.75], abs=0.01)


@pytest.mark.parametrize(
    ("law", "values"),
    [
        ("poisson", [0.0, 1.0, 3.0, np.nan, 2.0, 1.0]),
        ("log_normal", [1, 2, 4, 9, 3, 2]),
        ("bernoulli", [0, 1, 1, 0, 1, 0]),
        ("bernoulli", [0.0, 1.0, np.nan, 0.0, 1.0, 1.0]),
    ],
)
def test_laws_are_asked_for_values_that_they_have(law, values):
    X = pd.DataFrame({"n": values, "x": np.arange(6.0)})
    model = TabularMixture(1, families={"n": law}, random_state=0).fit(X)
    display = DensityDisplay.from_estimator(model, X, features="n")
    assert (display.grid[0] % 1 == 0).all()
    assert (display.density > 0).all()


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


def test_bins_may_be_uneven(X):
    edges = [-2.0, 0.0, 0.5, 5.0]
    one = DensityDisplay.from_samples(X, features=0, bins=edges)
    np.testing.assert_array_equal(one.line_.get_data().edges, edges)
    two = DensityDisplay.from_samples(X, features=[0, 1], bins=edges)
    drawn = two.contours_.get_coordinates()
    np.testing.assert_array_equal(drawn[0, :, 0], edges)
    np.testing.assert_array_equal(drawn[:, 0, 1], edges)


def test_integers_are_in_the_middle_of_their_bins():
    n = np.random.default_rng(0).poisson(6.0, (500, 2))
    shares = np.bincount(n[:, 0]) / 500
    one = DensityDisplay.from_samples(n, features=0)
    middles = one.grid[0][:-1] + 0.5
    np.testing.assert_allclose(one.density, shares[middles.astype(int)])
    model = GaussianMixture(1).fit(n[:, :1])
    rows = DensityDisplay.from_estimator(model, n[:, :1]).ax_.patches[0].get_data()
    np.testing.assert_allclose(rows.values, one.density)
    np.testing.assert_array_equal(rows.edges, one.grid[0])
    assert plt.gca().get_xlim()[0] == rows.edges[0]
    two = DensityDisplay.from_samples(n)
    np.testing.assert_allclose(two.density.sum(axis=0), one.density)


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


def test_densities_share_axes(model, X):
    _, ax = plt.subplots()
    first = DensityDisplay.from_samples(X, features=0, ax=ax)
    wide = ax.get_xlim()
    narrow = GaussianMixture(1, random_state=0).fit(X / 9.0)
    for one, rows, name in ((narrow, X / 9.0, "narrow"), (model, X, "wide")):
        display = DensityDisplay.from_estimator(
            one, rows, features=0, show_rows=False, ax=ax, line_kw={"label": name}
        )
        low, high = ax.get_xlim()
        assert low <= min(wide[0], display.grid[0][0])
        assert high >= max(wide[1], display.grid[0][-1])
        assert ax.get_ylim()[0] == 0.0
        assert ax.get_ylim()[1] >= max(first.density.max(), display.density.max())
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["narrow", "wide"]
    one, other = ax.lines
    assert one.get_color() != other.get_color()
    contours = DensityDisplay.from_samples(X, features=[0, 1])
    low, high = contours.ax_.get_ylim()
    DensityDisplay.from_estimator(model, X + 3.0, features=[0, 1], ax=contours.ax_)
    assert contours.ax_.get_ylim()[0] <= low
    assert contours.ax_.get_ylim()[1] > high + 1.0


def test_axes_are_one_that_can_be_drawn_on(X):
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ValueError, match="ax has 2 axes for 1 density"):
        DensityDisplay.from_samples(X, features=0, ax=axes)
    with pytest.raises(TypeError, match="ax has 'left' of type str: give axes of mat"):
        DensityDisplay.from_samples(X, features=0, ax="left")


def test_columns_of_arrays_have_names():
    X = np.arange(6.0).reshape(3, 2)
    display = DensityDisplay.from_samples(X)
    assert display.names == ["x0", "x1"]
    assert display.ax_.get_ylabel() == "x1"


def test_what_cannot_be_drawn_is_refused(model, X):
    with pytest.raises(ValueError, match="features has 3 columns"):
        DensityDisplay.from_estimator(model, X)
    with pytest.raises(ValueError, match="takes no missing cells"):
        DensityDisplay.from_estimator(KernelDensity().fit(X), X, features=[0])
    with pytest.raises(ValueError, match=r"names 'z', no column .* from 0 to 2"):
        DensityDisplay.from_samples(X, features=["z"])
    with pytest.raises(ValueError, match="names 1 twice"):
        DensityDisplay.from_samples(X, features=[1, 1])
    with pytest.raises(ValueError, match=r"\['a'\], which are no numbers"):
        DensityDisplay.from_samples(pd.DataFrame({"a": ["x", "y"]}))
    chain = GaussianHMM(1, random_state=0).fit(X)
    with pytest.raises(TypeError, match="GaussianHMM scores rows given those before"):
        DensityDisplay.from_estimator(chain, X, features=[0, 1])
    clusters = KMeans(1).fit(X)
    with pytest.raises(TypeError, match="KMeans has no score_samples"):
        DensityDisplay.from_estimator(clusters, X, features=[0, 1])
