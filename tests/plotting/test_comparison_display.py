"""Real rows beside synthetic ones: shares, dots and correlations are theirs."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.stats import spearmanr
from sklearn.mixture import GaussianMixture as SklearnMixture

from sklgen.datasets import load_old_faithful, load_penguins
from sklgen.plotting import ModelComparisonDisplay, SampleComparisonDisplay


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def tables():
    X = load_penguins(as_frame=True).frame
    return X[::2], X[1::2]


def test_shares_are_of_all_rows_with_missing_cells_beside():
    real, synthetic = tables()
    display = SampleComparisonDisplay.from_samples(real, synthetic)
    axes = dict(zip(display.features_, display.axes_, strict=True))
    assert list(axes) == list(real.columns)
    bars = axes["sex"].containers
    names = [label.get_text() for label in axes["sex"].get_yticklabels()]
    assert names[-1] == "missing"
    for container, table in zip(bars, (real, synthetic), strict=True):
        shares = (
            table["sex"].astype(object).fillna("missing").value_counts(normalize=True)
        )
        widths = [bar.get_width() for bar in container]
        assert widths == pytest.approx([shares[name] for name in names])
    for patch, table in zip(
        axes["body_mass_g"].patches, (real, synthetic), strict=True
    ):
        heights, edges, _ = patch.get_data()
        mass = table["body_mass_g"]
        counts, _ = np.histogram(mass.dropna(), edges)
        np.testing.assert_allclose(heights, counts / len(mass))
        assert heights.sum() == pytest.approx(mass.notna().mean(), abs=0.01)
    gone = real["body_mass_g"].isna().mean(), synthetic["body_mass_g"].isna().mean()
    expected = f"missing: {gone[0]:.1%} | {gone[1]:.1%}".replace("%", " %")
    assert axes["body_mass_g"].get_xlabel() == expected


def test_pairs_are_real_below_and_synthetic_above():
    real, synthetic = (table.dropna() for table in tables())
    names = ["bill_depth_mm", "body_mass_g", "sex"]
    display = SampleComparisonDisplay.from_samples(
        real, synthetic, kind="pairs", features=names
    )
    below = display.axes_[1, 0].collections[0].get_offsets()
    np.testing.assert_array_equal(below, real[names[:2]])
    above = display.axes_[0, 1].collections[0].get_offsets()
    np.testing.assert_array_equal(above, synthetic[names[1::-1]])
    codes = np.rint(display.axes_[2, 0].collections[0].get_offsets()[:, 1])
    levels = [label.get_text() for label in display.axes_[2, 0].get_yticklabels()]
    assert [levels[int(code)] for code in codes] == real["sex"].tolist()


def test_some_of_many_rows_are_drawn_from_all_over():
    X = np.sort(np.random.default_rng(0).normal(size=(5000, 2)), axis=0)
    display = SampleComparisonDisplay.from_samples(X, X, kind="pairs")
    places = np.asarray(display.axes_[1, 0].collections[0].get_offsets())
    assert len(places) == 1000
    assert abs(places.mean()) < 0.05


def test_correlations_are_theirs_and_their_difference():
    real, synthetic = (table.dropna() for table in tables())
    names = ["bill_depth_mm", "body_mass_g"]
    display = SampleComparisonDisplay.from_samples(
        real, synthetic, kind="correlations", features=names
    )
    one, other = (spearmanr(table[names]).statistic for table in (real, synthetic))
    found = [ax.images[0].get_array()[0, 1] for ax in display.axes_]
    assert found == pytest.approx([one, other, other - one])
    assert display.axes_[0].texts[1].get_text() == f"{one:.2f}"


def test_the_columns_that_differ_most_are_drawn():
    rng = np.random.default_rng(0)
    X, Y = (pd.DataFrame(rng.normal(size=(200, 30))).rename(columns=str) for _ in "ab")
    Y["7"] += 2.0
    Y["21"] *= 4.0
    display = SampleComparisonDisplay.from_samples(X, Y)
    assert len(display.axes_) == 24
    assert {"7", "21"} <= {*display.features_}
    assert len(display.plot(kind="pairs").features_) == 5
    assert {"7", "21"} <= {*display.features_}


def test_all_kinds_of_columns_and_names_are_drawn():
    rng = np.random.default_rng(1)
    days = pd.to_timedelta(rng.exponential(300, 80), "D")
    X = pd.DataFrame(
        {
            "$when_{$": pd.Timestamp("2020-01-01") + days,
            "wait": days,
            "n": rng.poisson(3, 80),
            "ok": rng.random(80) < 0.3,
            "city": rng.choice([f"$c_{{$ number {k}" for k in range(20)], 80),
            "none": None,
            "one": 1.0,
        }
    )
    X.loc[::9, "$when_{$"] = pd.NaT
    for kind in ("marginals", "pairs", "correlations"):
        display = SampleComparisonDisplay.from_samples(
            X[:40], X[40:], kind=kind, features=list(X.columns)
        )
        display.figure_.canvas.draw()
    display.plot()
    when, wait, n, ok, city = display.axes_[:5]
    year = when.dataLim.x0 / 365.2425 + 1970
    assert year == pytest.approx(2020.0, abs=0.3)
    assert wait.get_title() == "wait (days)"
    assert (n.patches[0].get_data().edges % 1 == 0.5).all()
    assert [label.get_text() for label in ok.get_yticklabels()] == ["False", "True"]
    names = [label.get_text() for label in city.get_yticklabels()]
    assert len(names) == 8
    assert names[-1] == "13 others"
    assert sum(bar.get_width() for bar in city.containers[0]) == pytest.approx(1.0)


def test_no_more_than_a_hundredth_is_left_out():
    far = np.zeros((1000, 2))
    far[:5, 0] = 100.0  # outliers of a constant
    far[:50, 1] = 100.0  # a part of the law
    display = SampleComparisonDisplay.from_samples(far, far)
    shown = [ax.patches[0].get_data().values.sum() for ax in display.axes_]
    assert shown == pytest.approx([0.995, 1.0])


def test_models_of_others_are_drawn_from_with_a_seed():
    X = load_old_faithful().data
    model = SklearnMixture(2, random_state=None).fit(X)
    one, again, other = (
        SampleComparisonDisplay.from_estimator(
            model, X, n_samples=50, random_state=seed
        ).synthetic[0].values
        for seed in (0, 0, 1)
    )  # fmt: skip
    np.testing.assert_array_equal(one, again)
    assert len(one) == 50
    assert not np.isin(one, other).any()


def test_axes_may_be_given():
    real, synthetic = tables()
    _, axes = plt.subplots(1, 2)
    display = SampleComparisonDisplay.from_samples(
        real, synthetic, features=["sex", 3], ax=axes
    )
    assert display.features_ == ["sex", "bill_depth_mm"]
    assert display.axes_.tolist() == axes.tolist()
    with pytest.raises(ValueError, match="ax has 2 axes for 3 matrices"):
        display.plot(kind="correlations", ax=axes)


def test_what_is_unknown_is_refused():
    real, synthetic = tables()
    model = SklearnMixture().fit(np.eye(4))
    with pytest.raises(ValueError, match=r"X_real must be a table, .* got csr_array"):
        SampleComparisonDisplay.from_estimator(model, csr_array(np.eye(4)))
    with pytest.raises(ValueError, match="kind must be one of"):
        SampleComparisonDisplay.from_samples(real, synthetic, kind="all")
    with pytest.raises(ValueError, match="features names 'weight'"):
        SampleComparisonDisplay.from_samples(real, synthetic, features=["weight"])


def test_one_column_needs_no_list():
    display = SampleComparisonDisplay.from_samples(*tables(), features="sex")
    assert display.features_ == ["sex"]
    assert display.plot(features=0).features_ == ["species"]
    with pytest.raises(ValueError, match=r"features is empty: name one or more of \["):
        display.plot(features=[])
    with pytest.raises(ValueError, match="features names 0 twice"):
        display.plot(features=["species", 0])


def test_constants_of_any_size_are_drawn():
    X = np.array([[1e17, -1e300, 1e-30]] * 3)
    display = SampleComparisonDisplay.from_samples(X, X)
    for ax, x in zip(display.axes_, X[0], strict=True):
        low, high = ax.get_xlim()
        assert low < x < high
        assert ax.patches[0].get_data().values.sum() == pytest.approx(1.0)
    assert [ax.get_title() for ax in display.axes_] == ["x0", "x1", "x2"]


def test_long_names_are_cut():
    name = "a name that goes on and on to its end"
    X = pd.DataFrame({name: [1.0, 2.0, 3.0], "b": [1.0, 3.0, 2.0]})
    display = SampleComparisonDisplay.from_samples(X, X)
    short = display.axes_[0].get_title()
    assert short == "a name that…n to its end"
    assert display.features_[0] == name
    display.plot(kind="correlations")
    assert display.axes_[0].get_yticklabels()[0].get_text() == short
    assert display.plot(kind="pairs").axes_[1, 0].get_xlabel() == short


def test_dates_are_marked_without_a_word():
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(1500), "D")
    for last in (5, 40, 300, 1500):
        X = pd.DataFrame({"day": days[:last], "x": np.arange(last)})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            display = SampleComparisonDisplay.from_samples(X, X)
            display.figure_.canvas.draw()
            assert 2 <= len(display.axes_[0].get_xticks()) <= 7
            display.plot(kind="pairs").figure_.canvas.draw()


def test_matrices_are_of_one_size_without_lines_across():
    real, synthetic = tables()
    with plt.style.context("ggplot"):
        _, axes = plt.subplots(1, 3)
        display = SampleComparisonDisplay.from_samples(
            real, synthetic, kind="correlations", ax=axes
        )
        display.figure_.canvas.draw()
        for ax in axes:
            assert not any(line.get_visible() for line in ax.get_xgridlines())
    widths = [ax.get_position().width for ax in axes[:2]]
    assert widths[0] == pytest.approx(widths[1])


def test_bars_are_means_of_those_that_never_failed():
    values = {
        "energy": {
            "a": np.array([0.1, 0.3]),
            "b": np.array([0.5, np.nan]),
            "c": np.array([np.nan, np.nan]),
        },
        "fit_seconds": {"a": np.array([1.0, 1.0]), "b": np.array([100.0, 200.0])},
    }
    values["fit_seconds"]["c"] = values["energy"]["c"]
    display = ModelComparisonDisplay(values, anchors=("b",)).plot()
    energy, seconds = display.axes_
    assert [line.get_xdata()[0] for line in energy.lines] == pytest.approx([0.2])
    dots = [dot.get_offsets()[:, 0].tolist() for dot in energy.collections]
    assert dots == [[0.1, 0.3], [0.5]]
    assert seconds.get_xscale() == "log"


def test_models_need_not_have_all_measures():
    values = {"energy": {"a": [0.1, 0.3]}, "coverage": {"b": [0.5], "a": [1.0, 0.0]}}
    display = ModelComparisonDisplay(values).plot()
    energy, coverage = display.axes_
    names = [label.get_text() for label in energy.get_yticklabels()]
    assert names == ["a", "b"]
    assert [line.get_xdata()[0] for line in energy.lines] == pytest.approx([0.2])
    dots = {tuple(dot.get_offsets()[0]) for dot in coverage.collections}
    assert dots == {(1.0, 0.0), (0.5, 1.0)}


def test_what_is_no_comparison_is_refused():
    with pytest.raises(
        TypeError, match=r"comparison must be what .*compare.* got list"
    ):
        ModelComparisonDisplay.from_comparison([])
    with pytest.raises(ValueError, match="values is empty"):
        ModelComparisonDisplay({}).plot()
