import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from sklgen.plotting import TrainingHistoryDisplay

BEST = [True, False, True, False]
DISTANCES = {1: 0.9, 3: 0.002}
HISTORY = [
    {
        "epoch": at + 1,
        "dur": 0.5,
        "train_batch_count": 20 if at == 3 else 50,
        "valid_batch_count": 1,
        "train_loss": np.float64(4.0 - at),
        "train_loss_best": True,
        "valid_loss": 5.0 - at,
        "critic_loss": np.float32(-0.5),
        "best": np.bool_(BEST[at]),
        "lr": "cosine",
    }
    | ({"valid_distance": DISTANCES[at]} if at in DISTANCES else {})
    for at in range(4)
]


class Trained(BaseEstimator):
    def fit(self, history=HISTORY):
        self.history_ = history
        return self


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def points(line):
    return list(zip(*map(list, line.get_data()), strict=True))


def entries(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_values_are_drawn_at_the_steps_at_which_their_epochs_end():
    display = TrainingHistoryDisplay.from_estimator(Trained().fit())
    assert list(display.lines_) == [
        "train_loss", "valid_loss", "critic_loss", "valid_distance",
    ]  # fmt: skip
    lines = display.lines_
    assert points(lines["train_loss"]) == [(50, 4), (100, 3), (150, 2), (170, 1)]
    assert points(lines["valid_distance"]) == [(100, 0.9), (170, 0.002)]
    assert np.isnan(display.values["valid_distance"][[0, 2]]).all()
    assert display.axes_[-1].get_xlabel() == "step"


def test_values_of_training_and_held_out_rows_share_a_panel():
    display = TrainingHistoryDisplay.from_estimator(Trained().fit())
    kinds = [axes.get_ylabel() for axes in display.axes_]
    assert kinds == ["loss", "critic loss", "distance"]
    assert [line.get_label() for line in display.axes_[0].lines[:2]] == [
        "train_loss", "valid_loss",
    ]  # fmt: skip
    assert display.lines_["train_loss"].get_color() == mpl.colormaps["tab10"](0)
    assert display.lines_["valid_loss"].get_color() == mpl.colormaps["tab10"](1)


def test_epochs_are_counted_from_1():
    display = TrainingHistoryDisplay.from_history(
        HISTORY, against="epochs", values="valid_loss"
    )
    assert points(display.lines_["valid_loss"]) == [(1, 5), (2, 4), (3, 3), (4, 2)]
    assert display.axes_[-1].get_xlabel() == "epoch"
    display.figure_.canvas.draw()
    ticks = display.axes_[-1].get_xticks()
    assert_array_equal(ticks, np.round(ticks))
    # A history that does not count batches has a step an epoch.
    plain = TrainingHistoryDisplay.from_history([{"loss": 2.0}, {"loss": 1.0}])
    assert points(plain.lines_["loss"]) == [(1, 2), (2, 1)]


@pytest.mark.parametrize(("against", "place"), [("steps", 150), ("epochs", 3)])
def test_the_best_epoch_is_the_last_that_was_better(against, place):
    display = TrainingHistoryDisplay.from_history(HISTORY, against=against)
    assert display.best == 2
    assert len(display.marks_) == len(display.axes_)
    assert {tuple(mark.get_xdata()) for mark in display.marks_} == {(place, place)}
    assert entries(display.axes_[0]) == ["train_loss", "valid_loss", "best epoch: 3"]
    assert entries(display.axes_[1]) == ["critic_loss"]


def test_no_epoch_is_best_where_none_were_compared():
    bare = [{"train_loss": 2.0}, {"train_loss": 1.0}]
    display = TrainingHistoryDisplay.from_history(bare)
    assert display.best is None
    assert display.marks_ == []
    assert entries(display.axes_[0]) == ["train_loss"]


def test_positive_values_over_decades_have_logarithms():
    display = TrainingHistoryDisplay.from_history(HISTORY)
    scales = [axes.get_yscale() for axes in display.axes_]
    assert scales == ["linear", "linear", "log"]
    mixed = [{"loss": 900.0}, {"loss": 1.0}, {"loss": 0.0}]
    display = TrainingHistoryDisplay.from_history(mixed)
    assert display.axes_[0].get_yscale() == "linear"


def test_values_colours_and_lines_are_those_that_were_asked_for():
    display = TrainingHistoryDisplay.from_history(
        HISTORY,
        values=["valid_distance", "valid_loss"],
        line_kw={"linewidth": 3.0, "color": "red"},
    )
    assert [axes.get_ylabel() for axes in display.axes_] == ["distance", "loss"]
    for line in display.lines_.values():
        assert line.get_linewidth() == 3.0
        assert to_rgba(line.get_color()) == to_rgba("red")
    again = display.plot(cmap="viridis")
    assert again is display
    colour = display.lines_["valid_loss"].get_color()
    assert colour == mpl.colormaps["viridis"](0.0)


def test_many_epochs_have_a_line_and_few_have_dots():
    few = TrainingHistoryDisplay.from_history([{"loss": 1.0}])
    assert few.lines_["loss"].get_marker() == "o"
    many = TrainingHistoryDisplay.from_history([{"loss": 1.0}] * 50)
    assert many.lines_["loss"].get_marker() == "None"


def test_axes_may_be_given():
    figure, axes = plt.subplots(3)
    display = TrainingHistoryDisplay.from_history(HISTORY, ax=axes)
    assert list(display.axes_) == list(axes)
    assert display.figure_ is figure
    # They may lie anywhere, so that each says what it counts, in whole numbers.
    assert [one.get_xlabel() for one in axes] == ["step"] * 3
    display.plot(ax=axes, against="epochs")
    for one in axes:
        assert_array_equal(one.get_xticks(), np.round(one.get_xticks()))
    with pytest.raises(ValueError, match="ax has 1 axes for 3 kinds of values"):
        TrainingHistoryDisplay.from_history(HISTORY, ax=axes[0])


def test_what_cannot_be_drawn_is_said():
    draw = TrainingHistoryDisplay.from_history
    with pytest.raises(ValueError, match=r"among .*'train_loss'.*got 'val_loss'"):
        draw(HISTORY, values="val_loss")
    for name in "lr", "best", "dur", "train_batch_count", "train_loss_best":
        with pytest.raises(ValueError, match="values must be among those"):
            draw(HISTORY, values=[name])
    with pytest.raises(ValueError, match="against must be 'steps' or 'epochs', got"):
        draw(HISTORY, against="batches")
    with pytest.raises(ValueError, match="fit for at least one epoch"):
        draw([])
    for wrong in ({"loss": [1.0, 2.0]}, [1.0, 2.0], None):
        name = type(wrong).__name__
        with pytest.raises(TypeError, match=f"history must be .* got {name}"):
            draw(wrong)
    unlike = StandardScaler().fit([[0.0], [1.0]])
    with pytest.raises(TypeError, match="StandardScaler has no history_"):
        TrainingHistoryDisplay.from_estimator(unlike)
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(Trained())
