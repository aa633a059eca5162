"""Outliers by density: how many, in which units, and which cells are odd."""

import pickle

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import ShuffleSplit

from sklgen.compose import DensityOutlierDetector
from sklgen.datasets import load_penguins
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
    assert one.offset_ - other.offset_ == pytest.approx(3 * np.log(1000))


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
