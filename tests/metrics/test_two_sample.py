"""The classifier test: chance for real against real, alert to every difference."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from sklgen import datasets
from sklgen.metrics import TwoSampleTestResult, _two_sample, classifier_two_sample_test
from sklgen.metrics._tables import take
from sklgen.metrics._two_sample import _auc

LOADERS = [name for name in datasets.__all__ if name.startswith("load_")]


def table(loader):
    bunch = getattr(datasets, loader)(as_frame=True)
    return bunch.frame


def halves(X, seed):
    rows = np.random.default_rng(seed).permutation(len(X))
    size = len(X) // 2
    return X.iloc[rows[:size]], X.iloc[rows[size : 2 * size]]


@pytest.mark.parametrize("loader", LOADERS)
def test_real_against_real_is_chance(loader):
    X = table(loader)
    found = [
        classifier_two_sample_test(*halves(X, seed), random_state=seed)
        for seed in range(5)
    ]
    for result in found:
        assert abs(result.auc - 0.5) <= max(0.02, 3.5 * result.std_error)
    auc, std_error = np.mean([(r.auc, r.std_error) for r in found], axis=0)
    of_mean = std_error / np.sqrt(len(found))
    print(f"{loader}: mean AUC {auc:.4f} +- {of_mean:.4f}, one test +- {std_error:.4f}")
    assert abs(auc - 0.5) <= max(0.02, 3 * of_mean)


@pytest.mark.parametrize("loader", ["load_old_faithful", "load_penguins"])
def test_independent_columns_are_told_apart(loader):
    X = table(loader)
    one, other = halves(X, 0)
    rng = np.random.default_rng(0)
    independent = other.apply(lambda column: rng.permutation(column.to_numpy()))
    result = classifier_two_sample_test(one, independent, random_state=0)
    print(f"{loader}: independent columns, AUC {result.auc:.3f}")
    assert result.auc > 0.5 + 5 * result.std_error
    assert result.score < 0.7


def test_rows_of_each_table_come_from_a_stream_of_their_own(monkeypatch):
    """Neither the positions nor the number of the other table's rows show in them."""
    drawn = []

    def spy(table, rows):
        drawn.append(rows)
        return take(table, rows)

    monkeypatch.setattr(_two_sample, "take", spy)
    X = np.random.default_rng(0).normal(size=(300, 1))
    for real in (X, X[:200], X[:100]):
        classifier_two_sample_test(real, X, n_splits=2, random_state=0)
    (one, other), *smaller = zip(drawn[::2], drawn[1::2], strict=True)
    assert sorted(one) == sorted(other)
    # Equal positions are as many as in independent orders: one on average.
    assert (one == other).sum() < 10
    for _, again in smaller:
        assert np.array_equal(again, other[: len(again)])


def test_standard_error_is_the_spread_of_repeated_draws():
    """For a fast classifier whose mistakes, like those of trees, correlate."""
    rng = np.random.default_rng(2)
    for shift in (0.0, 0.5):
        found = np.array(
            [
                (result.auc, result.std_error)
                for result in (
                    classifier_two_sample_test(
                        rng.normal(size=(60, 2)),
                        rng.normal(size=(60, 2)) + shift,
                        classifier=KNeighborsClassifier(5),
                        random_state=seed,
                    )
                    for seed in range(80)
                )
            ]
        )
        spread, std_error = found[:, 0].std(), found[:, 1].mean()
        mean = found[:, 0].mean()
        print(
            f"shift={shift}: mean {mean:.4f} +- {spread / np.sqrt(80):.4f}, "
            f"mean standard error / spread = {std_error / spread:.3f}"
        )
        assert 0.8 < std_error / spread < 1.3
        if shift == 0.0:
            assert abs(mean - 0.5) < 3.5 * spread / np.sqrt(80)


def test_variance_of_the_auc_of_fixed_scores():
    rng = np.random.default_rng(3)
    positive = np.repeat([True, False], [30, 50])
    draws = np.array(
        [_auc((rng.normal(size=80) + positive).round(1), positive) for _ in range(600)]
    )
    ratio = draws[:, 1].mean() / draws[:, 0].var()
    assert 0.8 < ratio < 1.2


def test_auc_is_the_mean_of_the_folds():
    """Cross-fitted by hand, with rows in the order that the seed gives."""
    rng = np.random.default_rng(4)
    one, other = rng.normal(size=(40, 1)), rng.normal(size=(40, 1)) + 1.0

    class Recorder(LogisticRegression):
        seen: list = []  # noqa: RUF012

        def fit(self, X, y):
            self.seen.append((X, y))
            return super().fit(X, y)

    result = classifier_two_sample_test(
        one, other, n_splits=4, classifier=Recorder(), random_state=5
    )
    X = np.concatenate([one, other])
    X = (X - X.mean()) / X.std()
    y = np.repeat([0, 1], 40)
    expected, lengths = [], []
    for seen, labels in Recorder.seen:
        test = ~np.isin(X.round(9), seen.round(9)).ravel()
        model = LogisticRegression().fit(seen, labels)
        expected.append(roc_auc_score(y[test], model.decision_function(X[test])))
        lengths.append(test.sum())
        assert labels.sum() == 30
    assert lengths == [20] * 4
    assert result.auc == pytest.approx(np.mean(expected), abs=1e-12)


def test_score_is_clipped_and_never_folded():
    assert TwoSampleTestResult(0.14, 0.01).score == 1.0
    assert TwoSampleTestResult(0.5, 0.01).score == 1.0
    assert TwoSampleTestResult(0.6, 0.01).score == pytest.approx(0.8)
    assert TwoSampleTestResult(1.0, 0.0).score == 0.0


def test_same_seed_same_result_and_fresh_rows_without():
    rng = np.random.default_rng(5)
    real, synthetic = rng.normal(size=(300, 2)), rng.normal(size=(200, 2))
    one, other = (
        classifier_two_sample_test(real, synthetic, random_state=0) for _ in range(2)
    )
    assert one == other
    free = {classifier_two_sample_test(real, synthetic).auc for _ in range(3)}
    assert len(free) == 3


def test_the_larger_table_gives_equal_numbers_from_everywhere():
    small, large = np.arange(400.0)[:, None], np.arange(2000.0)[:, None]
    seen = []

    class Recorder(LogisticRegression):
        def fit(self, X, y):
            seen.append((X[y == 0], X[y == 1]))
            return super().fit(X, y)

    classifier_two_sample_test(small, large, classifier=Recorder(), random_state=0)
    one, other = seen[0]
    assert len(one) == len(other) == 320
    # In units of both together: the larger table reaches five times as far.
    assert np.ptp(other) / np.ptp(one) == pytest.approx(5.0, rel=0.05)
    assert other.mean() - one.min() > 4 * (one.mean() - one.min())


def mixed(rng, n, shift=0.0):
    """Every kind of column, with missing cells in each."""
    size = rng.integers(0, 1000, size=n)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=n) + shift,
            "count": pd.array(rng.poisson(3, size=n), dtype="Int64"),
            "flag": pd.array(rng.random(n) < 0.3, dtype="boolean"),
            "word": np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, n)],
            "kind": pd.Categorical.from_codes(rng.integers(0, 4, n), list("wxyz")),
            "name": pd.Series([f"n{i}" for i in size], dtype=object),
            "day": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
        }
    )
    return frame.mask(
        pd.DataFrame(rng.random(frame.shape) < 0.1, columns=frame.columns)
    )


@pytest.mark.parametrize("convert", [lambda X: X, pl.from_pandas], ids=["pd", "pl"])
def test_mixed_tables(convert):
    rng = np.random.default_rng(7)
    aucs = []
    for seed in range(3):
        one, other = convert(mixed(rng, 400)), convert(mixed(rng, 500))
        aucs.append(classifier_two_sample_test(one, other, random_state=seed).auc)
    print(f"mixed tables: mean AUC {np.mean(aucs):.4f}")
    assert abs(np.mean(aucs) - 0.5) < 0.04
    shifted = convert(mixed(rng, 400, shift=1.0))
    assert classifier_two_sample_test(one, shifted, random_state=0).auc > 0.65


def test_dtypes_and_libraries_do_not_give_the_game_away():
    rng = np.random.default_rng(8)
    one, other = mixed(rng, 300), mixed(rng, 300)
    expected = classifier_two_sample_test(one, other, random_state=0)
    as_polars = pl.from_pandas(other)
    assert classifier_two_sample_test(one, as_polars, random_state=0) == expected
    retyped = other.astype({"word": "category", "kind": object, "count": "float64"})
    assert classifier_two_sample_test(one, retyped, random_state=0) == expected
    numbers = rng.normal(size=(2, 400, 2))
    narrow = numbers[1].astype(np.float32)
    result = classifier_two_sample_test(numbers[0], narrow, random_state=0)
    assert abs(result.auc - 0.5) < 3 * result.std_error


def test_many_levels_are_grouped_without_the_labels():
    """All names differ: nothing to learn. Names of one table twice: much to learn."""
    aucs = []
    for seed in range(4):
        names = np.random.default_rng(seed).permutation([f"n{i}" for i in range(1000)])
        one, other = names[:500, None], names[500:, None]
        aucs.append(classifier_two_sample_test(one, other, random_state=seed).auc)
    assert abs(np.mean(aucs) - 0.5) < 0.03
    twice = np.repeat(names[:100], 5)[:, None]
    assert classifier_two_sample_test(one, twice, random_state=0).auc > 0.7


@pytest.mark.parametrize("blank", [None, np.nan])
def test_missing_cells_are_seen(blank):
    words = pd.DataFrame({"a": ["x", "y"] * 200})
    with_missing = words.copy()
    with_missing.loc[::3, "a"] = blank
    result = classifier_two_sample_test(words, with_missing, random_state=0)
    assert result.auc > 0.6
    both = classifier_two_sample_test(with_missing, with_missing[::-1], random_state=0)
    assert both.auc < 0.55


def test_columns_without_cells_or_variance_are_harmless():
    rng = np.random.default_rng(9)
    one, other = rng.normal(size=(2, 100, 3))
    for rows in (one, other):
        rows[:, 1], rows[:, 2] = np.nan, 7.0
    result = classifier_two_sample_test(one, other, random_state=0)
    assert abs(result.auc - 0.5) < 3.5 * result.std_error


def test_other_classifiers_get_complete_numbers():
    rng = np.random.default_rng(10)
    one, other = mixed(rng, 200), mixed(rng, 200, shift=2.0)
    classifier = LogisticRegression()
    before = clone(classifier).get_params()
    result = classifier_two_sample_test(
        one, other, classifier=classifier, random_state=0
    )
    assert result.auc > 0.8
    assert classifier.get_params() == before
    assert not hasattr(classifier, "coef_")


def test_too_few_rows_are_refused():
    X = np.arange(8.0).reshape(4, 2)
    with pytest.raises(ValueError, match="X_real has 4 rows"):
        classifier_two_sample_test(X, X)
    with pytest.raises(ValueError, match="n_splits"):
        classifier_two_sample_test(X, X, n_splits=1)
    with pytest.raises(ValueError, match="'a' holds"):
        classifier_two_sample_test(
            pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": ["1", "2"]}), n_splits=2
        )
