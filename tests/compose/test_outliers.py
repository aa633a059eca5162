"""Outliers by density: how many, in which units, and which cells are odd."""

import pickle

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import RepeatedKFold, ShuffleSplit

from sklgen.compose import DensityOutlierDetector
from sklgen.datasets import load_penguins
from sklgen.hmm import GaussianHMM
from sklgen.mixture import DirichletMixture, GaussianMixture, TabularMixture

ONE = GaussianMixture(1)


def rows(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal([1, 2, 3], [[4, 1, 0], [1, 1, 0.3], [0, 0.3, 2]], n)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.33])
def test_the_share_of_training_rows_is_the_one_asked_for(share):
    X = rows()
    detector = DensityOutlierDetector(ONE, contamination=share)
    assert np.count_nonzero(detector.fit_predict(X) == -1) == round(share * len(X))
    lowest = np.argsort(GaussianMixture(1).fit(X).score_samples(X))
    assert np.all(detector.predict(X[lowest[: round(share * len(X))]]) == -1)


def test_weights_are_repetitions():
    X = rows(60)
    weight = np.random.default_rng(0).integers(0, 4, size=60)
    one = DensityOutlierDetector(ONE).fit(X, sample_weight=weight)
    other = DensityOutlierDetector(ONE).fit(np.repeat(X, weight, axis=0))
    assert one.offset_ == pytest.approx(other.offset_, rel=1e-6)
    detector = DensityOutlierDetector(DirichletMixture(1))
    parts = np.abs(X) / np.abs(X).sum(axis=1, keepdims=True)
    assert detector.fit(parts, sample_weight=weight).predict(parts).min() == -1


def test_units_move_no_row():
    X = rows()
    one = DensityOutlierDetector(ONE).fit(X)
    other = DensityOutlierDetector(ONE).fit(1000 * X - 5)
    assert np.array_equal(one.predict(X), other.predict(1000 * X - 5))
    assert one.offset_ - other.offset_ == pytest.approx(3 * np.log(1000), abs=1e-4)


def test_folds_make_the_share_that_of_new_rows():
    X, new = rows(120), rows(20_000, seed=1)
    crowded = GaussianMixture(12, random_state=0, n_init=1)
    fooled = DensityOutlierDetector(crowded).fit(X)
    honest = DensityOutlierDetector(crowded, cv=5).fit(X)
    shares = [np.mean(model.predict(new) == -1) for model in (fooled, honest)]
    assert shares[0] > 0.2
    assert abs(shares[1] - 0.1) < 0.07
    assert honest.offset_ < fooled.offset_
    assert honest.offset_ == DensityOutlierDetector(crowded, cv=5).fit(X).offset_


def test_folds_may_be_a_splitter_of_scikit_learn():
    from sklearn.model_selection import KFold

    X = rows(100)
    folds = KFold(4, shuffle=True, random_state=0)
    one = DensityOutlierDetector(ONE, cv=folds).fit(X)
    assert one.offset_ == DensityOutlierDetector(ONE, cv=4).fit(X).offset_
    with pytest.raises(ValueError, match="every row once"):
        DensityOutlierDetector(ONE, cv=ShuffleSplit(3, random_state=0)).fit(X)


def test_cells_have_their_density_given_the_others():
    X = rows()
    detector = DensityOutlierDetector(ONE).fit(X)
    law = detector.estimator_
    cells = detector.score_cells(X)
    precision = np.linalg.inv(law.covariances_[0])
    for j in range(3):
        others = [k for k in range(3) if k != j]
        pull = (X - law.means_[0])[:, others] @ precision[j, others] / precision[j, j]
        expected = stats.norm(law.means_[0][j] - pull, precision[j, j] ** -0.5)
        np.testing.assert_allclose(cells[:, j], expected.logpdf(X[:, j]), rtol=1e-6)


def test_the_odd_cell_of_a_table_is_found():
    X = load_penguins(as_frame=True).frame
    detector = DensityOutlierDetector(TabularMixture(3, random_state=0)).fit(X)
    heavy = X.dropna().head(1).assign(body_mass_g=9000.0)
    cells = detector.score_cells(heavy) - detector.score_cells(X.dropna().head(1))
    assert cells[0].argmin() == X.columns.get_loc("body_mass_g")
    gap = X.head(4)
    assert gap.iloc[3].isna().sum() == 5
    assert np.array_equal(detector.score_cells(gap)[3] == 0.0, gap.iloc[3].isna())
    copy = pickle.loads(pickle.dumps(detector))
    assert np.array_equal(copy.predict(X), detector.predict(X))


def test_without_marginals_there_are_no_scores_of_cells():
    assert not hasattr(DensityOutlierDetector(DirichletMixture(1)), "score_cells")
    assert hasattr(DensityOutlierDetector(ONE), "score_cells")


def fixed(scores):
    """A density whose log is the first column."""

    class Fixed(GaussianMixture):
        def score_samples(self, X):
            return np.asarray(scores(X[:, 0]), dtype=float)

    return Fixed(1)


def test_thresholds_are_scores_of_rows_with_weight():
    X = np.arange(4.0)[:, None]
    detector = DensityOutlierDetector(fixed(lambda x: x), contamination=0.2)
    weight = [1.0, 1.0, 0.0, 8.0]
    assert detector.fit(X, sample_weight=weight).offset_ == pytest.approx(3.0, abs=1e-5)
    assert detector.fit(
        np.repeat(X, np.int64(weight), axis=0)
    ).offset_ == pytest.approx(3.0, abs=1e-5)


def test_rounding_of_scores_moves_no_training_row():
    X = rows(30)
    detector = DensityOutlierDetector(ONE).fit(X)
    assert np.abs(detector.decision_function(X)).min() > 1e-6


def test_ties_are_no_more_outliers_than_asked_for():
    X = np.array([[1.0]] * 5 + [[2.0]] * 5)
    labels = DensityOutlierDetector(fixed(lambda x: x)).fit_predict(X)
    assert np.all(labels == 1)


def test_impossible_rows_are_outliers_however_many():
    X = np.arange(10.0)[:, None]
    half = fixed(lambda x: np.where(x < 5, -np.inf, x))
    detector = DensityOutlierDetector(half).fit(X)
    assert detector.offset_ == pytest.approx(5.0, abs=1e-5)
    assert detector.predict(X).tolist() == [-1] * 5 + [1] * 5
    assert not np.isnan(detector.decision_function(X)).any()
    with pytest.raises(ValueError, match="All 10 rows are impossible"):
        DensityOutlierDetector(fixed(lambda x: x - np.inf)).fit(X)


def test_folds_hold_out_every_row_once():
    folds = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    with pytest.raises(ValueError, match="every row once"):
        DensityOutlierDetector(ONE, cv=folds).fit(rows(30))


def test_cells_of_words_in_arrays_can_be_odd():
    X = np.array([["a", "x"], ["b", "y"], ["a", "y"], ["b", "x"]] * 15)
    detector = DensityOutlierDetector(TabularMixture(1))
    cells = detector.fit(X).score_cells(X)
    np.testing.assert_allclose(cells, np.log(0.5), rtol=1e-6)


def test_sequences_are_odd_as_a_whole():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 2)) for n in (4, 6, 8) * 10]
    sequences[4] += 5.0 * rng.normal(size=(6, 2))
    detector = DensityOutlierDetector(GaussianHMM(1), contamination=0.03, cv=5)
    labels = detector.fit(sequences).predict(sequences)
    assert np.flatnonzero(labels == -1).tolist() == [4]
    assert detector.n_features_in_ == 2
    with pytest.raises(ValueError, match="list of sequences"):
        detector.score_cells(sequences)


def test_folds_take_weights_along():
    X = rows(80)
    weight = np.tile([0.0, 1.0], 40)
    X[::2] += 50.0
    folds = [(np.r_[:40], np.r_[40:80]), (np.r_[40:80], np.r_[:40])]
    swapped = [(np.r_[:20], np.r_[20:40]), (np.r_[20:40], np.r_[:20])]
    one = DensityOutlierDetector(ONE, cv=folds).fit(X, sample_weight=weight)
    other = DensityOutlierDetector(ONE, cv=swapped).fit(X[1::2])
    assert one.offset_ == pytest.approx(other.offset_, rel=1e-6)
