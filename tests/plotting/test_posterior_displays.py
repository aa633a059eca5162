import matplotlib as mpl

mpl.use("Agg")

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from sklgen.plotting import ForestDisplay, PairsDisplay, TraceDisplay
from sklgen.plotting._scalars import density

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(4, 250, 40))
DIVERGENT = RNG.random((4, 250)) < 0.05
DISPLAYS = [ForestDisplay, PairsDisplay, TraceDisplay]


class Posterior(BaseEstimator):
    def fit(self, draws, divergent=None):
        self.posterior_ = draws
        if divergent is not None:
            self._chains = SimpleNamespace(divergent=divergent)
        return self


class Target(BaseEstimator):
    def __init__(self, names=None):
        self.names = names

    def fit(self, draws):
        self.draws_ = draws
        return self


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def matrices():
    """Covariances, and the triangles that they are made of."""
    triangle = np.tril(NOISE[..., :9].reshape(4, 250, 3, 3))
    triangle[..., 0, 0] = 1.0
    return {"L": triangle, "S": triangle @ np.swapaxes(triangle, 2, 3)}


def ticks(line):
    return np.sort(line.get_xdata())


def marks(axes):
    return [line for line in axes.lines if line.get_label() == "divergent"]


@pytest.mark.parametrize("display", DISPLAYS)
def test_parameters_are_names_or_labels_in_the_order_given(display):
    draws = {"mu": NOISE[..., 0], "beta": NOISE[..., 1:4]}
    found = display.from_draws(draws).draws
    assert list(found) == ["mu", "beta[0]", "beta[1]", "beta[2]"]
    assert_array_equal(found["beta[2]"], NOISE[..., 3])
    some = display.from_draws(draws, parameters=["beta[2]", "mu"]).draws
    assert list(some) == ["beta[2]", "mu"]
    assert list(display.from_draws(draws, parameters="beta").draws) == [
        "beta[0]", "beta[1]", "beta[2]",
    ]  # fmt: skip


def test_numbers_of_matrices_that_tell_nothing_are_left_out_unless_asked_for():
    found = ForestDisplay.from_draws(matrices()).draws
    lower = [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    upper = [(0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    expected = [f"L[{i},{j}]" for i, j in lower] + [f"S[{i},{j}]" for i, j in upper]
    assert list(found) == expected
    asked = ForestDisplay.from_draws(matrices(), parameters="L[0,2]").draws
    assert_array_equal(asked["L[0,2]"], np.zeros((4, 250)))


@pytest.mark.parametrize(("display", "most"), [(PairsDisplay, 6), (TraceDisplay, 30)])
def test_of_many_numbers_those_that_mix_worst_are_drawn(display, most):
    draws = NOISE.copy()
    slow = np.arange(40)[1::5][:6]
    draws[..., slow] = np.cumsum(draws[..., slow], axis=1)
    found = list(display.from_draws({"b": draws}).draws)
    assert len(found) == most
    assert {f"b[{j}]" for j in slow} <= set(found)
    assert found == sorted(found, key=lambda label: int(label[2:-1]))


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("gamma", r"has 'gamma', but there are 'mu', 'beta' of shape \(3,\)"),
        ("beta[3]", r"has 'beta\[3\]', but beta goes from beta\[0\] to beta\[2\]"),
        ("mu[0]", r"has 'mu\[0\]', but mu is a single number"),
        ([], "no parameter to draw: give one name or more"),
    ],
)
def test_unknown_parameters_are_named(display, parameters, message):
    draws = {"mu": NOISE[..., 0], "beta": NOISE[..., 1:4]}
    with pytest.raises(ValueError, match=message):
        display.from_draws(draws, parameters=parameters)


@pytest.mark.parametrize("display", DISPLAYS)
def test_draws_must_belong_together(display):
    with pytest.raises(ValueError, match="same numbers of chains and draws"):
        display.from_draws({"a": NOISE[..., 0], "b": NOISE[:, :9, 0]})
    with pytest.raises(ValueError, match="must have the shape"):
        display.from_draws({"a": NOISE[0, :, 0]})


@pytest.mark.parametrize("display", DISPLAYS)
def test_estimators_have_draws_and_divergences(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(Posterior())
    draws = {"mu": NOISE[..., 0], "beta": NOISE[..., 1:4]}
    found = display.from_estimator(Posterior().fit(draws, DIVERGENT), parameters="beta")
    assert list(found.draws) == ["beta[0]", "beta[1]", "beta[2]"]
    if display is not ForestDisplay:
        assert_array_equal(found.divergent, DIVERGENT)
    target = display.from_estimator(Target().fit(NOISE[..., :2]))
    assert list(target.draws) == ["x[0]", "x[1]"]
    target = display.from_estimator(Target(["a", "b"]).fit(NOISE[..., :2]))
    assert list(target.draws) == ["a", "b"]
    assert_array_equal(target.draws["b"], NOISE[..., 1])


@pytest.mark.parametrize("display", [PairsDisplay, TraceDisplay])
def test_divergences_are_marks_of_draws(display):
    with pytest.raises(ValueError, match=r"shape \(4, 249\): .* \(4, 250\)"):
        display.from_draws({"a": NOISE[..., 0]}, divergent=DIVERGENT[:, 1:])


def test_a_density_is_that_of_the_law():
    share = (np.arange(4000) + 0.5) / 4000
    places, heights = density(stats.norm.ppf(share))
    assert_allclose(heights, stats.norm.pdf(places), atol=0.015)
    assert_allclose(heights.sum() * np.diff(places)[0], 1.0)
    # It does not fall off at a bound.
    places, heights = density(stats.expon.ppf(share))
    near = places < 4.0
    assert_allclose(heights[near], stats.expon.pdf(places[near]), atol=0.12)
    # A few draws that are very far out do not squeeze the others.
    places, heights = density(stats.cauchy.ppf(share))
    assert np.abs(places).max() < 50.0
    near = np.abs(places) < 30.0
    assert_allclose(heights[near], stats.cauchy.pdf(places[near]), atol=0.02)


def test_densities_of_odd_draws():
    for x in (np.ones(9), np.array([0.0, 1.0, np.nan, np.inf]), np.full(5, np.nan)):
        places, heights = density(x)
        assert np.isfinite(places).all()
        assert np.isfinite(heights).all()


def test_traces_are_draws_with_ticks_where_they_diverge():
    draws = {"mu": NOISE[..., 0], "tau": NOISE[..., 1]}
    display = TraceDisplay.from_draws(draws, divergent=DIVERGENT)
    assert display.axes_.shape == (2, 2)
    assert [a.get_title(loc="left") for a in display.axes_[:, 0]] == ["mu", "tau"]
    shown = np.array([line.get_ydata() for line in display.lines_])
    assert_array_equal(shown, np.concatenate(list(draws.values())))
    colours = [line.get_color() for line in display.lines_[:4]]
    assert len(set(colours)) == 4
    (at,) = marks(display.axes_[0, 0])
    assert_array_equal(ticks(at), np.sort(np.nonzero(DIVERGENT)[1]))
    (at,) = marks(display.axes_[1, 1])
    ranks = stats.rankdata(NOISE[..., 1]).reshape(4, 250)
    assert_array_equal(ticks(at), np.sort(ranks[DIVERGENT]))
    (legend,) = display.figure_.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["chain 0", "chain 1", "chain 2", "chain 3", "divergent"]


def tops(bars):
    """Height of each bar, in that of bars of chains that agree."""
    return bars.get_data().values - bars.get_data().baseline


def dashes(axes):
    (lines,) = axes.collections
    return np.array([path.vertices[0, 1] for path in lines.get_paths()])


def test_ranks_of_chains_that_agree_end_at_the_dashed_lines():
    interleaved = np.arange(400.0).reshape(100, 4).T
    display = TraceDisplay.from_draws({"x": np.exp(interleaved / 99)})
    levels = dashes(display.axes_[0, 1])
    assert (np.diff(levels) == -1.0).all()
    for bars, level in zip(display.bars_, levels, strict=True):
        assert_allclose(bars.get_data().values, level)


def test_ranks_tell_which_chain_is_elsewhere():
    draws = NOISE[..., 0].copy()
    draws[2] += 1e6
    display = TraceDisplay.from_draws({"x": draws})
    level = dashes(display.axes_[0, 1])[0] - display.bars_[0].get_data().baseline
    shares = np.stack([tops(bars) for bars in display.bars_]) / level
    # All ranks of chain 2 are in the last fourth of the bins, and no others.
    assert_allclose(shares[2, -5:], 4.0)
    assert_allclose(shares[2, :-5], 0.0, atol=1e-12)
    assert_allclose(shares.mean(axis=0), 1.0)
    assert shares[2].max() * level <= 1.0


def test_densities_of_chains():
    display = TraceDisplay.from_draws(
        {"x": NOISE[..., 0]}, kind="density", divergent=DIVERGENT, cmap="viridis"
    )
    lines = display.axes_[0, 1].lines
    assert len(lines) == 5
    for line, chain in zip(lines, NOISE[..., 0], strict=False):
        assert_allclose(np.array(line.get_data()), density(chain))
    assert_array_equal(ticks(lines[-1]), np.sort(NOISE[..., 0][DIVERGENT]))
    assert not display.bars_
    with pytest.raises(ValueError, match="kind must be 'rank' or 'density', got 'x'"):
        display.plot(kind="x")


def test_dots_are_pairs_and_all_divergences_are_seen():
    draws = {"a": NOISE[..., 0], "b": NOISE[..., 1], "c": NOISE[..., 2]}
    display = PairsDisplay.from_draws(draws, divergent=DIVERGENT)
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    for pair, dots, divergences in zip(
        pairs, display.dots_, display.divergences_, strict=True
    ):
        x, y = (draws[name] for name in pair)
        expected = np.column_stack([x[~DIVERGENT], y[~DIVERGENT]])
        assert_array_equal(dots.get_offsets(), expected)
        expected = np.column_stack([x[DIVERGENT], y[DIVERGENT]])
        assert_array_equal(divergences.get_offsets(), expected)
    assert [axes.get_xlabel() for axes in display.axes_[-1]] == ["a", "b", "c"]
    assert [axes.get_ylabel() for axes in display.axes_[:, 0]] == ["", "b", "c"]
    seen = [[axes.get_visible() for axes in row] for row in display.axes_]
    assert_array_equal(seen, np.tri(3, dtype=bool))
    for j in range(3):
        assert len({axes.get_xlim() for axes in display.axes_[j:, j]}) == 1
        assert len({axes.get_ylim() for axes in display.axes_[j, :j]}) <= 1
    assert display.axes_[2, 1].get_ylim() == display.axes_[2, 2].get_xlim()


def test_draws_very_far_out_do_not_squeeze_the_others():
    tails = np.random.default_rng(0).standard_cauchy((4, 250))
    display = PairsDisplay.from_draws({"a": NOISE[..., 0], "b": tails})
    limits = display.axes_[1, 0].get_ylim()
    assert limits == display.axes_[1, 1].get_xlim()
    assert np.ptp(limits) < 100.0 < np.ptp(tails)


def test_many_dots_are_thinned_but_no_divergences():
    x = np.arange(20_000.0).reshape(4, 5000, 1)
    many = np.concatenate([x, x**2], axis=2)
    diverged = (x[..., 0] % 5) == 0
    display = PairsDisplay.from_draws({"x": many}, divergent=diverged)
    assert 1000 <= len(display.dots_[0].get_offsets()) <= 2000
    assert len(display.divergences_[0].get_offsets()) == 4000
    whole = PairsDisplay.from_draws({"x": many}, divergent=np.ones_like(diverged))
    assert len(whole.dots_[0].get_offsets()) == 0
    assert not PairsDisplay.from_draws({"x": many}).divergences_


def test_intervals_are_quantiles():
    order = np.random.default_rng(1).permutation(1001)
    uniform = np.append(order, np.arange(999))[:1001] / 1000.0
    display = ForestDisplay.from_draws({"u": uniform[None]})
    assert_allclose(display.intervals_, [[0.05, 0.25, 0.5, 0.75, 0.95]])
    thin, thick = display.ax_.collections
    assert_allclose(thin.get_segments(), [[[0.05, 0], [0.95, 0]]])
    assert_allclose(thick.get_segments(), [[[0.25, 0], [0.75, 0]]])
    assert thin.get_linewidth() < thick.get_linewidth()
    assert_allclose(display.ax_.lines[0].get_data(), [[0.5], [0]])


def written(display):
    return {
        text.get_text(): text.get_color()
        for text in display.ax_.texts
        if text.get_text() not in ("R-hat", "ESS")
    }


def test_diagnostics_beside_intervals_are_red_where_draws_cannot_be_trusted():
    good = NOISE[..., 0]
    apart = NOISE[..., 1] + np.array([0.0, 0.0, 0.0, 9.0])[:, None]
    draws = {"good": good, "apart": apart, "fixed": np.ones((4, 250))}
    display = ForestDisplay.from_draws(draws)
    assert display.r_hat_[0] < 1.01 < display.r_hat_[1]
    assert display.ess_[0] > 400 > display.ess_[1]
    texts = written(display)
    r_good, r_apart = (f"{r:.3f}" for r in display.r_hat_[:2])
    e_good, e_apart = (f"{e:.0f}" for e in display.ess_[:2])
    assert {texts[r_good], texts[e_good], texts["-"]} == {"0.3"}
    assert {texts[r_apart], texts[e_apart]} == {"tab:red"}
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == ["good", "apart", "fixed"]
    bottom, top = display.ax_.get_ylim()
    assert bottom > top


def test_displays_draw_on_axes_that_are_given():
    draws = {"x": NOISE[..., :2]}
    figure, axes = plt.subplots(2, 2)
    assert TraceDisplay.from_draws(draws, ax=axes).figure_ is figure
    figure, axes = plt.subplots(2, 2)
    display = PairsDisplay.from_draws(draws, ax=axes, scatter_kw={"color": "red"})
    assert display.figure_ is figure
    assert_array_equal(display.dots_[0].get_facecolor()[0][:3], to_rgba("red")[:3])
    figure, axes = plt.subplots()
    assert ForestDisplay.from_draws(draws, ax=axes).ax_ is axes
    for display in (PairsDisplay, TraceDisplay):
        with pytest.raises(ValueError, match="ax has 1 axes for 4"):
            display.from_draws(draws, ax=axes)


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize("shape", [(1, 4), (12, 40)])
def test_one_chain_and_many(display, shape):
    draws = {"x": np.random.default_rng(0).normal(size=(*shape, 2))}
    display.from_draws(draws).figure_.canvas.draw()


def test_names_stand_beside_each_other():
    draws = {"a_rather_long_name_of_a_parameter": NOISE[..., :12]}
    display = ForestDisplay.from_draws(draws)
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.ax_.get_yticklabels()]
    right = display.ax_.get_window_extent().x1
    for low, high in zip(boxes[1:], boxes, strict=False):
        assert low.y1 <= high.y0
    for text in display.ax_.texts:
        box = text.get_window_extent()
        assert right < box.x0
        assert box.x1 <= display.figure_.bbox.x1
    assert boxes[0].x0 >= 0.0
