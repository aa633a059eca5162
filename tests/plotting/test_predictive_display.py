import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from sklgen.plotting import PredictiveCheckDisplay
from sklgen.plotting._scalars import density

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "length": RNG.normal(size=60),
        "n": RNG.integers(0, 5, 60),
        "where": RNG.choice(["here", "there"], 60),
    }
)


class Rows(BaseEstimator):
    """Samples rows of the data with replacement."""

    def fit(self, X):
        self.rows_ = X
        return self

    def sample(self, n_samples=1, *, random_state=None):
        return self.rows_.sample(n_samples, replace=True, random_state=random_state)


class Posterior(BaseEstimator):
    """Samples rows that are nothing but a draw of the parameter."""

    def fit(self, draws):
        self.posterior_ = {"mu": draws}
        return self

    def sample(self, n_samples=1, *, random_state=None):
        flat = self.posterior_["mu"].ravel()
        rng = np.random.default_rng(random_state)
        return flat[rng.integers(len(flat), size=(n_samples, 1))]


class Targets(BaseEstimator):
    """Makes targets that tell the row and the replicate they are of."""

    def fit(self):
        self.fitted_ = True
        return self

    def sample_y(self, X, n_samples=1, *, random_state=None):
        assert isinstance(random_state, int)
        return np.asarray(X)[:, :1] + 1000.5 * np.arange(n_samples)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_numbers_are_densities():
    made = RNG.normal(size=(9, 40))
    observed = RNG.normal(size=40)
    display = PredictiveCheckDisplay.from_samples(observed, made)
    assert_allclose(
        display.observed_[0].get_xydata().T, density(observed, bounded=False)
    )
    segments = display.replicated_[0].get_segments()
    for segment, x in zip(segments, made, strict=True):
        assert_allclose(segment.T, density(x, bounded=False))
    # They are whole: nothing is cut off at the first and the last value.
    for places, values in (segment.T for segment in segments):
        assert max(values[0], values[-1]) < 0.02 * values.max()
        assert_allclose(values.sum() * np.diff(places)[0], 1.0)


def test_distribution_functions_rise_at_values():
    observed = np.array([3.5, 1.5, 2.5, 1.5, np.nan])
    display = PredictiveCheckDisplay.from_samples(
        observed, observed[None] + 1.0, kind="ecdf"
    )
    expected = [
        [1.5, 0.0], [1.5, 0.25], [1.5, 0.25], [1.5, 0.5],
        [2.5, 0.5], [2.5, 0.75], [3.5, 0.75], [3.5, 1.0],
    ]  # fmt: skip
    assert_allclose(display.observed_[0].get_xydata(), expected)
    (segment,) = display.replicated_[0].get_segments()
    assert_allclose(segment, np.add(expected, [1.0, 0.0]))


def heights(bars):
    return [bar.get_height() for bar in bars]


def test_counts_are_bars_beside_intervals_of_replicates():
    # Of 101 replicates the k-th has k of 100 ones.
    made = (np.arange(100) < np.arange(101)[:, None]).astype(int) * 2
    observed = np.array([0] * 30 + [2] * 60 + [5] * 10)
    display = PredictiveCheckDisplay.from_samples(observed, made)
    bars = display.observed_[0]
    assert_allclose(heights(bars), [0.3, 0.6, 0.1])
    assert_allclose([b.get_x() + b.get_width() / 2 for b in bars], [0.0, 2.0, 5.0])
    dots, _, (lines,) = display.replicated_[0]
    assert_allclose(dots.get_xydata(), [[0, 0.5], [2, 0.5], [5, 0.0]])
    expected = [[[0, 0.05], [0, 0.95]], [[2, 0.05], [2, 0.95]], [[5, 0], [5, 0]]]
    assert_allclose(lines.get_segments(), expected, atol=1e-12)


def test_counts_of_many_values_and_counts_of_a_model_of_numbers_are_curves():
    many = np.arange(40)
    for made in (many[None], np.arange(40.0)[None] / 7):
        display = PredictiveCheckDisplay.from_samples(many, made)
        assert not display.axes_[0].patches


def test_labels_have_names_and_the_commonest_are_shown():
    observed = np.repeat([f"label {j:02}" for j in range(35)], np.arange(1, 36))
    display = PredictiveCheckDisplay.from_samples(observed, observed[None])
    (axes,) = display.axes_
    names = [text.get_text() for text in axes.get_xticklabels()]
    assert names == [f"label {j:02}" for j in range(5, 35)]
    assert_allclose(heights(display.observed_[0]), np.arange(6, 36) / len(observed))
    gaps = np.array(["a", None, "b", "a", np.nan], dtype=object)
    display = PredictiveCheckDisplay.from_samples(gaps, gaps[None])
    assert_allclose(heights(display.observed_[0]), [2 / 3, 1 / 3])
    numbers = np.array([10, 9, None, 9], dtype=object)
    display = PredictiveCheckDisplay.from_samples(numbers, numbers[None])
    assert_allclose([bar.get_x() + 0.4 for bar in display.observed_[0]], [9, 10])


def test_a_model_of_rows_replicates_tables():
    model = Rows().fit(ROWS)
    display = PredictiveCheckDisplay.from_estimator(
        model, ROWS, n_replicates=7, random_state=0
    )
    assert [axes.get_xlabel() for axes in display.axes_] == ["length", "n", "where"]
    assert {x.shape for x in display.replicated.values()} == {(7, 60)}
    for name, x in display.replicated.items():
        assert set(x.ravel()) <= set(ROWS[name])
        assert len({tuple(row) for row in x}) == 7
    again = PredictiveCheckDisplay.from_estimator(
        model, ROWS, n_replicates=7, random_state=0, columns=["where", 0]
    )
    assert list(again.observed) == ["where", "length"]
    for name, x in again.replicated.items():
        assert_array_equal(x, display.replicated[name])
    with pytest.raises(ValueError, match="columns has 'width'"):
        PredictiveCheckDisplay.from_estimator(model, ROWS, columns="width")


def test_all_rows_of_a_replicate_have_the_same_parameters():
    draws = RNG.normal(size=(4, 100))
    model = Posterior().fit(draws)
    X = np.zeros((30, 1))
    display = PredictiveCheckDisplay.from_estimator(model, X, n_replicates=40)
    made = display.replicated["column 0"]
    assert (made == made[:, :1]).all()
    assert len(np.unique(made)) > 30
    assert set(made[:, 0]) <= set(draws.ravel())
    assert model.posterior_["mu"] is draws


def test_a_model_of_targets_replicates_them_for_each_row():
    y = pd.Series(np.arange(6.0), name="price")
    X = np.arange(12.0).reshape(6, 2)
    display = PredictiveCheckDisplay.from_estimator(
        Targets().fit(), X, y, n_replicates=3
    )
    assert list(display.observed) == ["price"]
    assert_array_equal(display.observed["price"], y)
    expected = X[:, 0] + 1000.5 * np.arange(3)[:, None]
    assert_array_equal(display.replicated["price"], expected)
    with pytest.raises(ValueError, match="give the targets that were observed as y"):
        PredictiveCheckDisplay.from_estimator(Targets().fit(), X)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        PredictiveCheckDisplay.from_estimator(Targets().fit(), X, y[:5])


def test_models_that_make_nothing_are_refused():
    class Nothing(BaseEstimator):
        def fit(self):
            self.fitted_ = True
            return self

    with pytest.raises(ValueError, match="can neither `sample` rows nor `sample_y`"):
        PredictiveCheckDisplay.from_estimator(Nothing().fit(), ROWS)
    with pytest.raises(NotFittedError):
        PredictiveCheckDisplay.from_estimator(Rows(), ROWS)


def test_columns_and_shapes_must_match():
    x = RNG.normal(size=9)
    draw = PredictiveCheckDisplay.from_samples
    with pytest.raises(ValueError, match=r"replicated has columns \['a'\]"):
        draw({"b": x}, {"a": x[None]})
    with pytest.raises(ValueError, match=r"\(9,\) for 'y'; give one replicate"):
        draw(x, x)
    with pytest.raises(ValueError, match="kind must be 'density' or 'ecdf', got 'pdf'"):
        draw(x, x[None], kind="pdf")


def test_it_draws_on_axes_that_are_given():
    figure, axes = plt.subplots(1, 2)
    columns = {"a": RNG.normal(size=20), "b": RNG.normal(size=20)}
    made = {name: x + RNG.normal(size=(5, 20)) for name, x in columns.items()}
    display = PredictiveCheckDisplay.from_samples(
        columns, made, ax=axes, line_kw={"color": "red", "alpha": None}
    )
    assert display.figure_ is figure
    assert_array_equal(display.replicated_[0].get_color()[0], to_rgba("red"))
    assert not figure.legends
    with pytest.raises(ValueError, match="ax has 1 axes for 2 columns"):
        PredictiveCheckDisplay.from_samples(columns, made, ax=axes[0])


@pytest.mark.parametrize("n", [1, 30])
def test_one_column_and_many(n):
    columns = {f"column {j}": RNG.normal(size=20) for j in range(n)}
    made = {name: x[None] + 1.0 for name, x in columns.items()}
    display = PredictiveCheckDisplay.from_samples(columns, made)
    display.figure_.canvas.draw()
    assert len(display.figure_.axes) == n
    (legend,) = display.figure_.legends
    assert [t.get_text() for t in legend.get_texts()] == ["observed", "replicated"]
