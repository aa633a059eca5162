"""TabularMixture on DataFrames of every kind: what goes in comes out."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from sklearn import config_context

from sklgen.mixture import TabularMixture
from tests.mixture.frame_cases import FRAMES, N, each, mixture, pandas_frame


def nulls(frame):
    """Which cells are missing, as an array."""
    if isinstance(frame, pd.DataFrame):
        return frame.isna().to_numpy()
    return frame.select(pl.all().is_null()).to_numpy()


def kinds(frame):
    return dict(zip(frame.columns, list(frame.dtypes), strict=True))


@pytest.fixture(scope="module")
def fits():
    return {
        name: mixture(max_categories=40).fit(make()) for name, make in FRAMES.items()
    }


@each
def test_draws_have_the_columns_dtypes_and_ranges_of_the_rows(library, fits):
    frame = FRAMES[library]()
    drawn = fits[library].sample(500, random_state=0)
    assert type(drawn) is type(frame)
    assert kinds(drawn) == kinds(frame)
    assert len(drawn) == 500
    for name in frame.columns:
        seen = set(pd.Series(frame[name].to_list()).dropna())
        found = set(pd.Series(drawn[name].to_list()).dropna())
        if name in ("whole", "x", "nullable_whole", "amount", "single", "when"):
            assert len(found - seen) > 0
        elif name not in ("lasted", "day"):
            assert found <= seen, name
    if library == "pandas":
        assert drawn["amount"].min() >= 0.0
        assert drawn["lasted"].min() >= pd.Timedelta(0)
        assert str(drawn["when"].dtype.tz) == "Europe/Berlin"
        assert drawn["nothing"].isna().all()
        share = (drawn["amount"] == 0).sum() / drawn["amount"].notna().sum()
        assert share == pytest.approx(0.5, abs=0.12)


@each
def test_observed_cells_are_kept_to_the_last_bit(library, fits):
    frame, model = FRAMES[library](), fits[library]
    seen = ~nulls(frame)
    for filled in (
        model.impute(frame),
        model.sample_conditional(frame, random_state=0),
    ):
        assert kinds(filled) == kinds(frame)
        for j, name in enumerate(frame.columns):
            before = pd.Series(frame[name].to_list(), dtype=object)[seen[:, j]]
            after = pd.Series(filled[name].to_list(), dtype=object)[seen[:, j]]
            assert before.equals(after), name
            if name != "nothing":
                assert not nulls(filled)[:, j].any(), name
        if library == "pandas":
            pd.testing.assert_index_equal(filled.index, frame.index)


@each
def test_draws_without_missing_cells(library):
    frame = FRAMES[library]()
    model = mixture(2, keep_missing=False, max_iter=3).fit(frame)
    missing = nulls(model.sample(300, random_state=0))
    for name, column in zip(frame.columns, missing.T, strict=True):
        assert column.all() if name == "nothing" else not column.any()


@each
def test_scores_are_finite_and_those_of_the_rows_in_any_order(library, fits):
    frame, model = FRAMES[library](), fits[library]
    scores = model.score_samples(frame)
    assert np.isfinite(scores).all()
    order = np.random.default_rng(0).permutation(len(frame))
    other = frame.iloc[order] if library == "pandas" else frame[order.tolist()]
    np.testing.assert_allclose(model.score_samples(other), scores[order], rtol=1e-12)


@each
def test_what_was_given_is_never_changed(library, fits):
    frame = FRAMES[library]()
    copy = frame.copy() if library == "pandas" else frame.clone()
    mixture(2, max_iter=2).fit(frame)
    fits[library].impute(frame)
    fits[library].sample_conditional(frame, random_state=0)
    assert frame.equals(copy)


def test_missing_cells_are_as_common_and_as_dependent_as_in_the_rows():
    """`b` misses cells where `a` is large, `c` at random, `d` together with `b`."""
    rng = np.random.default_rng(0)
    n = 4000
    a = rng.choice(["low", "high"], n, p=[0.6, 0.4])
    gone = rng.random(n) < np.where(a == "high", 0.7, 0.05)
    frame = pd.DataFrame(
        {
            "a": a,
            "b": pd.Series(rng.normal(size=n)).mask(gone),
            "c": pd.Series(rng.choice(["u", "v"], n)).mask(rng.random(n) < 0.2),
            "d": pd.Series(rng.normal(size=n)).mask(gone),
        }
    )
    model = mixture(8, max_iter=60).fit(frame)
    drawn = model.sample(20_000, random_state=0)
    assert not drawn["a"].isna().any()
    for name in "bcd":
        assert drawn[name].isna().mean() == pytest.approx(
            frame[name].isna().mean(), abs=0.02
        )
    for level in ("low", "high"):
        found = drawn["b"].isna()[drawn["a"] == level].mean()
        expected = frame["b"].isna()[frame["a"] == level].mean()
        assert found == pytest.approx(expected, abs=0.04)
    assert (drawn["b"].isna() == drawn["d"].isna()).mean() > 0.97
    # Densities are about values: no cell is drawn as missing to complete a row.
    filled = model.sample_conditional(frame, random_state=0)
    assert not filled.isna().any().any()


def test_only_columns_that_miss_used_cells_have_an_indicator():
    """Two columns miss cells, but only in rows of weight zero."""
    frame = pandas_frame()[["text", "whole", "amount"]]
    weight = frame.notna().all(axis=1).astype(float)
    model = mixture(2).fit(frame, sample_weight=weight)
    n_codes = len(model.level_probabilities_)
    assert not model.sample(500, random_state=0).isna().any().any()
    model = mixture(2).fit(frame)
    assert len(model.level_probabilities_) == n_codes + 2


def test_unseen_labels_score_as_labels_seen_once(fits):
    frame, model = pandas_frame(), fits["pandas"]
    odd = frame.assign(text="unicorn", id="nobody")
    gone = frame.assign(text=None, id=None)
    loss = np.log1p(frame["text"].notna().sum()) + np.log1p(frame["id"].notna().sum())
    np.testing.assert_allclose(
        model.score_samples(odd), model.score_samples(gone) - loss
    )
    # They were observed, so they stay as they are.
    assert (model.impute(odd)["text"] == "unicorn").all()


def test_rare_labels_share_a_code_and_are_drawn_by_their_frequencies():
    rng = np.random.default_rng(0)
    n = 5000
    labels = np.where(
        rng.random(n) < 0.5,
        "common",
        np.char.add("rare ", rng.integers(0, 9, n).astype(str)),
    )
    labels[:40] = "rarest"
    frame = pd.DataFrame({"label": labels, "x": rng.normal(size=n)})
    model = mixture(1, max_categories=3).fit(frame)
    assert model.level_probabilities_[0].shape == (1, 3)
    every = pd.DataFrame({"label": np.unique(labels), "x": np.nan})
    found = np.exp(model.score_samples(every))
    assert found.sum() == pytest.approx(1.0, rel=1e-9)
    expected = frame["label"].value_counts(normalize=True)[every["label"]].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=0.02)
    drawn = model.sample(n, random_state=0)["label"].value_counts(normalize=True)
    np.testing.assert_allclose(
        drawn.reindex(every["label"], fill_value=0.0), expected, atol=0.02
    )


def test_rare_labels_follow_the_random_state():
    """One row at a time, each seed draws a label of its own."""
    frame = pd.DataFrame({"label": [f"name {i}" for i in range(200)]})
    model = mixture(1, max_categories=1).fit(frame)
    hole = pd.DataFrame({"label": [None]}, dtype=object)
    for draw in (model.sample, lambda **at: model.sample_conditional(hole, **at)):
        found = [draw(random_state=seed)["label"][0] for seed in range(40)]
        assert len(set(found)) > 25
        again = [draw(random_state=seed)["label"][0] for seed in range(40)]
        assert found == again


def test_durations_and_integers_are_whole_and_within_their_dtype():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "byte": rng.integers(0, 250, 600).astype(np.uint8),
            "small": np.rint(rng.normal(size=600) * 40).astype(np.int8),
            "price": np.round(rng.gamma(2.0, 5.0, 600), 2),
        }
    )
    drawn = mixture().fit(frame).sample(5000, random_state=0)
    assert kinds(drawn) == kinds(frame)
    assert (drawn["price"] >= 0).all()
    np.testing.assert_allclose(drawn["price"], drawn["price"].round(2), rtol=1e-12)
    # Values beyond the dtype would wrap around to the other end.
    assert np.abs(drawn["byte"].astype(float).mean() - frame["byte"].mean()) < 10


def test_holes_in_columns_that_had_none():
    """Integers and booleans of numpy arrive as floats or objects."""
    frame = pandas_frame()
    model = mixture().fit(frame)
    hole = frame.copy()
    hole["whole"] = hole["whole"].astype(float).mask(np.arange(N) % 3 == 0)
    hole["flag"] = hole["flag"].astype(object).mask(np.arange(N) % 3 == 1)
    hole["ordered"] = hole["ordered"].mask(np.arange(N) % 3 == 2)
    for filled in (model.impute(hole), model.sample_conditional(hole, random_state=0)):
        assert not filled[["whole", "flag", "ordered"]].isna().any().any()
        assert (filled["whole"] % 1 == 0).all()
        assert set(filled["flag"]) == {True, False}
        assert filled["ordered"].dtype == frame["ordered"].dtype
        kept = np.arange(N) % 3 != 0
        assert (filled["whole"][kept] == frame["whole"][kept]).all()


def test_arrays_come_back_as_arrays():
    rng = np.random.default_rng(0)
    for X in (
        rng.normal(size=(200, 3)),
        rng.normal(size=(200, 3)).astype(np.float32),
        rng.integers(0, 90, (200, 3)),
        np.column_stack([rng.choice(["a", "b"], 200), rng.normal(size=200)]).astype(
            object
        ),
    ):
        model = mixture(2).fit(X)
        drawn = model.sample(50, random_state=0)
        assert isinstance(drawn, np.ndarray)
        assert drawn.dtype == X.dtype
        assert np.isfinite(model.score_samples(X)).all()


def test_float32_rows_score_as_float64_ones():
    """Cells of a grid keep their mass, though their scores are rounded."""
    X = np.rint(np.random.default_rng(0).normal(size=(3000, 2)) * 3e3)
    one = mixture(2).fit(X)
    two = mixture(2).fit(X.astype(np.float32))
    assert one.encoder_.columns_[0].resolution == 1.0
    assert two.encoder_.columns_[0].resolution == 1.0
    found = two.score_samples(X.astype(np.float32))
    np.testing.assert_allclose(found, one.score_samples(X), atol=3e-3)


def test_errors_name_the_column():
    frame = pandas_frame()
    model = mixture(2).fit(frame)
    infinite = frame.assign(amount=np.inf)
    for call in (model.score_samples, model.impute, mixture(2).fit):
        with pytest.raises(ValueError, match="amount"):
            call(infinite)
    with pytest.raises(ValueError, match="feature names"):
        model.score_samples(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="feature names"):
        model.score_samples(frame.drop(columns="text"))
    with pytest.raises((TypeError, ValueError), match="whole"):
        model.score_samples(frame.assign(whole="text"))
    with pytest.raises((TypeError, ValueError), match=r"[Ss]parse"):
        mixture(2).fit(csr_array(np.eye(20)))
    with pytest.raises(ValueError, match="n_components=50"):
        mixture(50).fit(frame.iloc[:20])
    with pytest.raises(ValueError, match="n_components"):
        mixture("many").fit(frame)
    with pytest.raises(ValueError, match="smoothing"):
        mixture(2, smoothing=0.0).fit(frame)


def test_categorical_features_make_labels_of_numbers():
    frame = pd.DataFrame({"code": np.arange(300) % 30 * 7, "x": np.arange(300.0)})
    model = mixture(2, categorical_features=["code"]).fit(frame)
    drawn = model.sample(300, random_state=0)
    assert set(drawn["code"]) <= set(frame["code"])
    assert drawn["code"].dtype == frame["code"].dtype
    every = pd.DataFrame({"code": np.arange(30) * 7, "x": np.nan})
    assert np.exp(model.score_samples(every)).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("keep_missing", [True, False])
def test_a_table_with_nothing_but_missing_cells(keep_missing):
    frame = pd.DataFrame({"a": [None] * 5, "b": [np.nan] * 5})
    model = mixture(1, keep_missing=keep_missing).fit(frame)
    np.testing.assert_array_equal(model.score_samples(frame), 0.0)
    assert model.sample(3, random_state=0).isna().all().all()


@pytest.mark.parametrize("blank", [np.nan, None, pd.NA])
def test_labels_hidden_by_any_missing_value_come_back_as_labels(blank):
    frame = pd.DataFrame({"a": np.r_[np.zeros(40), np.ones(40)], "b": ["x", "y"] * 40})
    model = TabularMixture(2, random_state=0).fit(frame)
    completed = model.impute(frame.assign(b=blank))
    assert completed["b"].dtype == frame["b"].dtype
    assert set(completed["b"]) <= {"x", "y"}


@pytest.mark.parametrize("blank", [float("nan"), None])
def test_labels_hidden_in_polars_come_back_as_labels(blank):
    frame = pl.DataFrame({"a": [0.0, 1.0] * 40, "b": ["x", "y"] * 40})
    model = TabularMixture(2, random_state=0).fit(frame)
    completed = model.impute(frame.with_columns(b=pl.lit(blank)))
    assert completed["b"].dtype == pl.String
    assert set(completed["b"]) <= {"x", "y"}


def test_unseen_numbers_of_few_are_less_probable_than_seen_ones():
    counts = np.random.default_rng(0).poisson(3, 400)
    model = mixture(2).fit(pd.DataFrame({"a": counts, "b": counts % 2}))
    rows = pd.DataFrame({"a": [3, counts.max(), 1000, -5], "b": np.nan})
    usual, rare, high, low = model.score_samples(rows)
    assert usual > rare > high == low == pytest.approx(-np.log(401))


def test_frames_from_transformers_do_not_reach_the_rows():
    frame = pandas_frame(200)
    plain = mixture(2).fit(frame)
    with config_context(transform_output="pandas"):
        model = mixture(2).fit(frame)
        assert model.score(frame) == plain.score(frame)
