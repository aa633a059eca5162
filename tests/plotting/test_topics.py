import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist

from sklgen.plotting import DocumentsDisplay, TopicsDisplay
from sklgen.topics import LatentDirichletAllocation, LDAMixture

NAMES = np.array(["tea", "cup", "rain", "sun", "wind"])
# Three topics with 50, 30 and 20 per cent of the tokens.
COUNTS = np.array([[2.0, 1, 0, 40, 7], [3, 9, 6, 0, 12], [5, 4, 8, 2, 1]])
SHARES = np.array([[0.7, 0.3, 0.0], [0.1, 0.8, 0.1], [0.0, 0.5, 0.5], [0.2, 0.1, 0.7]])


def with_topics(counts=COUNTS):
    rng = np.random.default_rng(0)
    X = rng.poisson(1.0, (20, counts.shape[1]))
    model = LatentDirichletAllocation(len(counts), max_iter=1, random_state=0).fit(X)
    model.components_ = counts
    return model


class Shares:
    """Knows the shares of topics, and maybe clusters."""

    components_ = np.ones((3, 5))

    def transform(self, X):
        return SHARES


class Clusters(Shares):
    weights_ = np.array([0.4, 0.3, 0.3])
    predict_proba = None

    def predict(self, X):
        return np.array([2, 0, 2, 2])


class Square:
    """A projection to places that are known."""

    places = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])

    def fit_transform(self, roots):
        assert_allclose(roots, np.sqrt(SHARES))
        return self.places


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def ticks(axes):
    return [text.get_text() for text in axes.get_yticklabels()]


def widths(bars):
    return [bar.get_width() for bar in bars]


def shown(display):
    """Where the documents of each label are."""
    return {dots.get_label(): np.asarray(dots.get_offsets()) for dots in display.dots_}


def test_bars_are_the_probabilities_of_top_words():
    display = TopicsDisplay.from_estimator(
        with_topics(), feature_names=NAMES, n_words=3
    )
    found = [ticks(axes) for axes in display.axes_]
    assert found == [
        ["sun", "wind", "tea"],
        ["wind", "cup", "rain"],
        ["rain", "tea", "cup"],
    ]
    expected = [[0.8, 0.14, 0.04], [0.4, 0.3, 0.2], [0.4, 0.25, 0.2]]
    assert_allclose([widths(bars) for bars in display.bars_], expected)
    for axes in display.axes_:
        bottom, top = axes.get_ylim()
        assert bottom > top
    titles = [axes.get_title() for axes in display.axes_]
    assert titles == ["topic 0: 50 %", "topic 1: 30 %", "topic 2: 20 %"]


def test_topics_are_drawn_in_the_order_that_is_asked_for_in_their_own_colours():
    display = TopicsDisplay.from_estimator(with_topics(), topics=[2, 0], n_words=2)
    assert [ticks(axes) for axes in display.axes_] == [["2", "0"], ["3", "4"]]
    titles = [axes.get_title() for axes in display.axes_]
    assert titles == ["topic 2: 20 %", "topic 0: 50 %"]
    colours = [bars[0].get_facecolor() for bars in display.bars_]
    assert colours == [mpl.colormaps["tab10"](2), mpl.colormaps["tab10"](0)]
    alone = TopicsDisplay.from_estimator(
        with_topics(), topics=1, bar_kw={"color": "red"}
    )
    assert len(alone.axes_) == 1
    assert len(alone.bars_[0]) == 5
    assert alone.bars_[0][0].get_facecolor() == to_rgba("red")


def test_every_column_of_topics_has_a_scale_below_it():
    model = with_topics(np.random.default_rng(0).gamma(1.0, size=(7, 4)))
    display = TopicsDisplay.from_estimator(model)
    assert len(display.figure_.axes) == 7
    display.figure_.canvas.draw()
    labelled = [
        any(text.get_visible() and text.get_text() for text in axes.get_xticklabels())
        for axes in display.axes_
    ]
    assert labelled == [False, False, True, True, True, True, True]
    assert len({axes.get_xlim() for axes in display.axes_}) == 1


def test_given_axes_are_drawn_on():
    figure, axes = plt.subplots(3)
    display = TopicsDisplay.from_estimator(with_topics(), ax=axes)
    assert display.figure_ is figure
    assert [one.get_title()[:7] for one in axes] == ["topic 0", "topic 1", "topic 2"]
    _, one = plt.subplots()
    assert TopicsDisplay.from_estimator(with_topics(), topics=0, ax=one).axes_[0] is one
    with pytest.raises(ValueError, match="ax has 1 axes for 3 topics"):
        TopicsDisplay.from_estimator(with_topics(), ax=one)


@pytest.mark.parametrize(
    ("topics", "message"),
    [
        (3, "topics has 3: .* from 0 to 2"),
        ([0, -1], "topics has -1"),
        ([0.5], "topics has 0.5"),
        ([], "topics is empty"),
    ],
)
def test_unknown_topics_are_refused(topics, message):
    with pytest.raises(ValueError, match=message):
        TopicsDisplay.from_estimator(with_topics(), topics=topics)


@pytest.mark.parametrize(
    ("model", "y", "expected"),
    [
        (Shares(), None, {"topic 0": [0], "topic 1": [1, 2], "topic 2": [3]}),
        (Clusters(), None, {"cluster 0": [1], "cluster 2": [0, 2, 3]}),
        (Clusters(), ["b", "a", "a", "b"], {"a": [1, 2], "b": [0, 3]}),
    ],
    ids=["topics", "clusters", "y"],
)
def test_documents_are_coloured_by_what_is_known_of_them(model, y, expected):
    display = DocumentsDisplay.from_estimator(model, None, y, projection=Square())
    found = shown(display)
    assert found.keys() == expected.keys()
    for label, rows in expected.items():
        assert_array_equal(found[label], Square.places[rows])
    legend = display.ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == list(expected)


def test_colours_are_those_of_topics_and_stay_where_labels_are_absent():
    display = DocumentsDisplay.from_estimator(Clusters(), None, projection=Square())
    colours = [dots.get_facecolor()[0] for dots in display.dots_]
    expected = [to_rgba(mpl.colormaps["tab10"](c), 0.7) for c in (0, 2)]
    assert_allclose(colours, expected)
    red = DocumentsDisplay.from_estimator(
        Shares(), None, projection=Square(), scatter_kw={"color": "red", "alpha": 1}
    )
    assert tuple(red.dots_[0].get_facecolor()[0]) == to_rgba("red")


def test_three_topics_keep_the_distances_of_hellinger_nearly():
    # Roots of shares are on a sphere: of a small patch, a plane shows all.
    center = np.array([0.3, 0.3, 0.4])
    model = Shares()
    shares = center + 1e-3 * np.random.default_rng(0).dirichlet(np.ones(3), 30)
    shares /= shares.sum(axis=1, keepdims=True)
    model.transform = lambda X: shares
    display = DocumentsDisplay.from_estimator(model, None)
    assert_allclose(pdist(display.places), pdist(np.sqrt(shares)), rtol=1e-2)


def test_one_topic_and_one_document_have_a_place():
    model = Shares()
    for shares in ([[1.0], [1.0]], [[0.2, 0.8, 0.0]]):
        model.transform = lambda X, shares=shares: np.array(shares)
        display = DocumentsDisplay.from_estimator(model, None)
        assert_array_equal(display.places, np.zeros((len(shares), 2)))


def test_many_labels_are_written_among_their_documents():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(25), 9)
    middle = rng.permutation(100)[:25, None] * [10.0, 3.0]
    places = middle[labels] + rng.uniform(-1, 1, (225, 2))
    places[::9] += 50.0  # one document of each label is far from the others
    names = {label: f"label {label}" for label in range(25)}
    display = DocumentsDisplay(places, labels, names).plot()
    assert display.ax_.get_legend() is None
    texts = {text.get_text(): text.xy for text in display.ax_.texts}
    assert texts.keys() == set(names.values())
    for label, name in names.items():
        assert texts[name] in places[labels == label]
        assert np.abs(texts[name] - middle[label]).max() < 1


def test_what_does_not_fit_is_refused():
    class Wide:
        def fit_transform(self, roots):
            return roots

    with pytest.raises(ValueError, match=r"shape \(4, 3\) .* two columns"):
        DocumentsDisplay.from_estimator(Shares(), None, projection=Wide())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        DocumentsDisplay.from_estimator(Shares(), None, [0, 1])


def test_fitted_models_are_drawn_with_names_of_words():
    rng = np.random.default_rng(0)
    rates = np.array([[9.0, 6.0, 0.1, 0.1, 0.1], [0.1, 0.1, 9.0, 3.0, 6.0]])
    X = np.vstack([rng.poisson(rate, (30, 5)) for rate in rates])
    model = LatentDirichletAllocation(2, random_state=0).fit(X)
    display = DocumentsDisplay.from_estimator(model, X, feature_names=NAMES)
    names = {name.split(": ")[1] for name in shown(display)}
    assert any(name.startswith("tea, cup") for name in names)
    assert "rain, wind, sun" in names
    again = DocumentsDisplay.from_estimator(model, X)
    assert_array_equal(again.places, display.places)
    clusters = LDAMixture(2, n_topics=2, random_state=0).fit(X)
    found = shown(DocumentsDisplay.from_estimator(clusters, X))
    assert sorted(map(len, found.values())) == [30, 30]


def test_labels_that_matplotlib_would_hide_are_in_the_legend():
    places = np.zeros((2, 2))
    display = DocumentsDisplay(places, np.array([0, 1]), {0: "_a", 1: "b"}).plot()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["_a", "b"]
