import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal

from sklgen.hmm import GaussianHMM
from sklgen.plotting import StatesDisplay

STATES = np.array([0, 0, 1, 1, 1, 0, 2])
X = pd.DataFrame({"a": [0.0, 0.1, 5.0, 5.2, np.nan, 0.2, 9.0], "b": np.arange(7.0)})


class Decoder:
    """Knows the states."""

    transmat_ = np.array([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])

    def __init__(self, ends=None):
        self.ends = ends

    def predict(self, X, groups=None):
        return STATES if self.ends is None else np.split(STATES, self.ends)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def bands_of(display, axes):
    """Where each state is shown: its label to pairs of start and end."""
    found = {}
    for band in display.bands_:
        if band.axes is axes:
            boxes = [path.get_extents() for path in band.get_paths()]
            found[band.get_label()] = [(box.x0, box.x1) for box in boxes]
    return found


def test_background_has_the_runs_of_each_state():
    display = StatesDisplay.from_estimator(Decoder(), X)
    for axes in display.axes_:
        assert bands_of(display, axes) == {
            "state 0": [(-0.5, 1.5), (4.5, 5.5)],
            "state 1": [(1.5, 4.5)],
            "state 2": [(5.5, 6.5)],
        }
    bottom, top = display.bands_[0].get_transform().transform([[0, 0], [0, 1]])[:, 1]
    extent = display.bands_[0].get_paths()[0].get_extents()
    assert (extent.y0, extent.y1) == (0.0, 1.0)
    assert_allclose([bottom, top], display.axes_[0].bbox.intervaly)


def test_lines_have_the_values_of_each_column():
    display = StatesDisplay.from_estimator(Decoder(), X, line_kw={"color": "red"})
    for line, (name, values) in zip(display.lines_, X.items(), strict=True):
        assert_array_equal(line.get_ydata(), values)
        assert_array_equal(line.get_xdata(), np.arange(7.0))
        assert line.axes.get_ylabel() == name
        assert line.get_color() == "red"


def test_legend_names_the_states_once():
    display = StatesDisplay.from_estimator(Decoder(), X)
    legends = [axes.get_legend() for axes in display.axes_]
    texts = [text.get_text() for text in legends[0].get_texts()]
    assert texts == ["state 0", "state 1", "state 2"]
    assert legends[1] is None
    shades = [tuple(band.get_facecolor()[0]) for band in display.bands_[:3]]
    handles = legends[0].legend_handles
    assert [handle.get_facecolor() for handle in handles] == shades
    assert shades[1] == to_rgba(mpl.colormaps["tab10"](1), 0.3)


@pytest.mark.parametrize(
    ("cmap", "places"), [("tab10", [0, 1, 2]), ("viridis", [0.0, 0.5, 1.0])]
)
def test_states_have_colours_of_their_own_or_evenly_along_a_scale(cmap, places):
    display = StatesDisplay.from_estimator(Decoder(), X[["a"]], cmap=cmap)
    shades = [tuple(band.get_facecolor()[0]) for band in display.bands_]
    assert shades == [to_rgba(mpl.colormaps[cmap](place), 0.3) for place in places]


@pytest.mark.parametrize("as_list", [False, True])
def test_sequences_stand_apart(as_list):
    if as_list:
        tables = [X.iloc[:3], X.iloc[3:]]
        display = StatesDisplay.from_estimator(Decoder([3]), tables, columns="a")
    else:
        groups = [7, 7, 7, 3, 3, 3, 3]
        display = StatesDisplay.from_estimator(Decoder(), X, groups, columns="a")
    assert [len(line.get_xdata()) for line in display.lines_] == [3, 4]
    found = bands_of(display, display.axes_[0])
    assert found["state 1"] == [(1.5, 2.5), (2.5, 4.5)]


def test_time_is_in_numbers_or_dates():
    time = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 9.0, 10.0])
    display = StatesDisplay.from_estimator(Decoder(), X, columns=0, time=time)
    assert_array_equal(display.lines_[0].get_xdata(), time)
    assert bands_of(display, display.axes_[0])["state 1"] == [(1.5, 8.5)]
    dates = pd.date_range("2024-01-01", periods=7)
    display = StatesDisplay.from_estimator(Decoder(), X, columns=[1], time=dates)
    display.figure_.canvas.draw()
    labels = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    assert "2024-01-02" in labels


def test_labels_become_ticks():
    table = pd.DataFrame({"word": ["b", "a", None, "b", "c", "a", "a"]})
    display = StatesDisplay.from_estimator(Decoder(), table)
    assert_array_equal(display.lines_[0].get_ydata(), [1, 0, np.nan, 1, 2, 0, 0])
    ticks = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert ticks == ["a", "b", "c"]


def test_given_axes_are_drawn_on():
    figure, axes = plt.subplots(2)
    display = StatesDisplay.from_estimator(Decoder(), X.to_numpy(), ax=axes)
    assert display.figure_ is figure
    assert [one.get_ylabel() for one in axes] == ["column 0", "column 1"]
    _, one = plt.subplots()
    assert StatesDisplay.from_estimator(Decoder(), X, columns="b", ax=one).axes_ == [
        one
    ]


def test_transitions_are_a_heat_map():
    display = StatesDisplay.from_estimator(Decoder(), X).plot_transitions()
    assert_allclose(display.image_.get_array(), Decoder.transmat_)
    assert display.image_.get_clim() == (0.0, 1.0)
    texts = [text.get_text() for text in display.axes_[0].texts]
    assert texts == ["0.50", "0.50", "0", "0.25", "0.75", "0", "0", "0", "1.00"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": "c"}, r"columns has 'c', but those of X are \['a', 'b'\]"),
        ({"columns": 2}, "columns has 2, but"),
        ({"time": [0, 1, 2, 3, 3, 5, 6]}, "time must rise .* at row 4"),
        ({"time": [0, 1]}, "inconsistent numbers of samples"),
        ({"ax": [None]}, "ax has 1 axes for 2 columns"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        StatesDisplay.from_estimator(Decoder(), X, **arguments)


def test_transitions_need_a_matrix():
    display = StatesDisplay({"a": X["a"].to_numpy()}, STATES)
    with pytest.raises(ValueError, match="no transition matrix"):
        display.plot_transitions()


def test_fitted_model():
    model = GaussianHMM(2, random_state=0).fit(X)
    display = StatesDisplay.from_estimator(model, X)
    assert_array_equal(display.states, model.predict(X))
    assert_array_equal(display.transmat, model.transmat_)
