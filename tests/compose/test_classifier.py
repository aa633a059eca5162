"""A classifier by Bayes' rule, against closed forms and other classifiers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import clone
from sklearn.datasets import load_wine, make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgen.compose import GenerativeClassifier
from sklgen.datasets import load_penguins
from sklgen.hmm import GaussianHMM
from sklgen.mixture import GaussianMixture, TabularMixture

ONE = GaussianMixture(1)
DIAG = GaussianMixture(1, covariance_type="diag")


def three(n=300, seed=0):
    """Rows of three Gaussian classes that overlap."""
    return make_blobs(n, centers=[[0, 0], [2, 1], [0, 3]], random_state=seed)


def joint(X, y, new, columns=slice(None)):
    """Log-densities of rows and classes, of one Gaussian for each class."""
    logs = []
    for k in np.unique(y):
        own = X[y == k]
        law = stats.multivariate_normal(
            own.mean(axis=0)[columns],
            np.atleast_2d(np.cov(own.T, bias=True))[columns][:, columns],
        )
        logs.append(np.log(np.mean(y == k)) + law.logpdf(new[:, columns]))
    return np.column_stack(logs)


def test_probabilities_are_those_of_bayes_rule():
    X, y = three()
    new, _ = three(50, seed=1)
    model = GenerativeClassifier(ONE).fit(X, y)
    logs = joint(X, y, new)
    np.testing.assert_allclose(model.predict_joint_log_proba(new), logs, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(new), softmax(logs, 1), rtol=1e-5)
    assert np.array_equal(model.predict(new), logs.argmax(axis=1))
    np.testing.assert_array_equal(
        model.decision_function(new), model.predict_joint_log_proba(new)
    )


def test_of_independent_columns_it_is_naive_bayes():
    X, y = load_wine(return_X_y=True)
    ours = GenerativeClassifier(DIAG).fit(X, y)
    theirs = GaussianNB(var_smoothing=0.0).fit(X, y)
    np.testing.assert_allclose(
        ours.predict_joint_log_proba(X), theirs.predict_joint_log_proba(X), rtol=1e-4
    )


def test_missing_cells_are_integrated_out():
    X, y = three()
    model = GenerativeClassifier(ONE).fit(X, y)
    new, _ = three(50, seed=1)
    for column in (0, 1):
        rows = new.copy()
        rows[:, 1 - column] = np.nan
        np.testing.assert_allclose(
            model.predict_log_proba(rows),
            log_softmax(joint(X, y, new, [column]), axis=1),
            atol=1e-5,
        )
    empty = np.full((1, 2), np.nan)
    np.testing.assert_allclose(model.predict_proba(empty)[0], model.class_shares_)


def test_two_classes_have_log_odds():
    X, y = make_blobs(200, centers=2, cluster_std=4.0, random_state=0)
    names = np.array(["no", "yes"])[y]
    model = GenerativeClassifier(ONE).fit(X, names)
    odds = model.decision_function(X)
    log_proba = model.predict_log_proba(X)
    np.testing.assert_allclose(odds, log_proba[:, 1] - log_proba[:, 0])
    assert np.array_equal(model.predict(X) == "yes", odds > 0)


def test_priors_are_those_given():
    X, y = three()
    model = GenerativeClassifier(ONE, priors=[0.7, 0.2, 0.1]).fit(X, y)
    plain = GenerativeClassifier(ONE).fit(X, y)
    moved = model.predict_joint_log_proba(X) - plain.predict_joint_log_proba(X)
    np.testing.assert_allclose(moved, [np.log([2.1, 0.6, 0.3])] * len(X), atol=1e-12)


@pytest.mark.parametrize(
    ("priors", "message"), [([0.5, 0.5], "3 classes"), ([0.5, 0.4, 0.3], "add up to 1")]
)
def test_bad_priors(priors, message):
    with pytest.raises(ValueError, match=message):
        GenerativeClassifier(ONE, priors=priors).fit(*three())


def test_weights_are_repetitions():
    X, y = three(100)
    weight = np.random.default_rng(0).integers(0, 4, size=100)
    one = GenerativeClassifier(ONE).fit(X, y, sample_weight=weight)
    other = GenerativeClassifier(ONE).fit(
        np.repeat(X, weight, axis=0), np.repeat(y, weight)
    )
    np.testing.assert_allclose(
        one.predict_joint_log_proba(X), other.predict_joint_log_proba(X), rtol=1e-6
    )


class Uniform(GaussianMixture):
    """A density that is 0 outside of a square."""

    def score_samples(self, X):
        return np.where(np.abs(X).max(axis=1) < 5, -np.log(100), -np.inf)


def test_impossible_rows_have_the_prior():
    X, y = three()
    model = GenerativeClassifier(Uniform(1), priors=[0.5, 0.3, 0.2]).fit(X, y)
    np.testing.assert_allclose(model.predict_proba([[9.0, 9.0]]), [[0.5, 0.3, 0.2]])


def few_labels(n=300, n_known=4):
    X, y = make_blobs(n, centers=[[0, 0], [3, 1], [0, 4]], random_state=0)
    known = np.full(n, -1)
    for k in range(3):
        own = np.flatnonzero(y == k)[:n_known]
        known[own] = k
    return X, y, known


def test_rows_without_label_raise_the_likelihood_step_by_step():
    X, y, known = few_labels()
    open_ = known == -1
    scores = []
    for n_iter in (1, 2, 4, 100):
        model = GenerativeClassifier(
            ONE, semi_supervised=True, max_iter=n_iter, tol=0.01
        )
        if n_iter < 100:
            with pytest.warns(ConvergenceWarning, match="make max_iter or tol larger"):
                model.fit(X, known)
        else:
            model.fit(X, known)
        logs = model.predict_joint_log_proba(X)
        given = logs[~open_, known[~open_]].sum()
        scores.append(given + logsumexp(logs[open_], axis=1).sum())
    assert np.all(np.diff(scores) > -1e-6)
    assert 4 < model.n_iter_ < 100
    labelled = GenerativeClassifier(ONE).fit(X[~open_], known[~open_])
    assert model.score(X, y) > labelled.score(X, y) + 0.02
    full = GenerativeClassifier(ONE).fit(X, y)
    assert model.score(X, y) > full.score(X, y) - 0.03


def test_without_semi_supervision_minus_one_is_a_class():
    X, y = make_blobs(60, centers=2, random_state=0)
    model = GenerativeClassifier(ONE).fit(X, 2 * y - 1)
    assert model.classes_.tolist() == [-1, 1]


def test_semi_supervision_needs_weights():
    class Unweighted(GaussianMixture):
        def fit(self, X, y=None):
            return super().fit(X)

    with pytest.raises(ValueError, match="take weights"):
        GenerativeClassifier(Unweighted(1), semi_supervised=True).fit(*three())
    with pytest.raises(ValueError, match="takes no weights"):
        GenerativeClassifier(Unweighted(1)).fit(*three(), sample_weight=np.ones(300))


def test_draws_are_of_their_class():
    X, y = three()
    names = np.array(["a", "b", "c"])[y]
    model = GenerativeClassifier(ONE, priors=[0.6, 0.3, 0.1]).fit(X, names)
    wanted = np.tile(["c", "a", "b", "b"], 2000)
    draws = model.sample(8000, y=wanted, random_state=0)
    for k, name in enumerate("abc"):
        own = draws[wanted == name]
        law = model.estimators_[k]
        error = 5 * np.sqrt(np.diag(law.covariances_[0]) / len(own))
        assert np.all(np.abs(own.mean(axis=0) - law.means_[0]) < error)
    free = model.sample(8000, random_state=0)
    mean = np.average([e.means_[0] for e in model.estimators_], axis=0,
                      weights=[0.6, 0.3, 0.1])  # fmt: skip
    assert np.all(np.abs(free.mean(axis=0) - mean) < 5 * free.std(axis=0) / 80)
    assert np.array_equal(free, model.sample(8000, random_state=0))
    assert model.sample(2, y="b", random_state=0).shape == (2, 2)
    with pytest.raises(ValueError, match="labels that `fit` saw"):
        model.sample(2, y="d")


def test_tables_come_back_with_their_dtypes():
    frame = load_penguins(as_frame=True).frame
    X, y = frame.drop(columns="species"), frame["species"]
    model = GenerativeClassifier(TabularMixture(2, random_state=0)).fit(X, y)
    assert model.score(X, y) > 0.97
    draws = model.sample(50, random_state=0)
    assert draws.dtypes.equals(X.dtypes)
    assert draws.index.equals(pd.RangeIndex(50))
    copy = pickle.loads(pickle.dumps(model))
    assert np.array_equal(copy.predict_proba(X), model.predict_proba(X))


def test_sequences_have_classes_too():
    rng = np.random.default_rng(0)
    slow = [np.cumsum(rng.normal(size=(20, 1)), axis=0) for _ in range(20)]
    fast = [3.0 * rng.normal(size=(20, 1)) for _ in range(20)]
    y = np.repeat(["slow", "fast"], 20)
    density = GaussianHMM(2, tol=1e-3, random_state=0)
    model = GenerativeClassifier(density).fit(slow + fast, y)
    assert model.score(slow + fast, y) > 0.8


def test_search_and_pipelines():
    X, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), GenerativeClassifier(clone(DIAG)))
    assert cross_val_score(pipeline, X, y).mean() > 0.95
    search = GridSearchCV(
        GenerativeClassifier(GaussianMixture(random_state=0)),
        {"estimator__covariance_type": ["diag", "tied"]},
        n_jobs=2,
    ).fit(X, y)
    assert search.best_score_ > 0.9


def test_sequences_are_drawn_whole_with_lengths_of_their_class():
    rng = np.random.default_rng(0)
    sequences = [
        10.0 * k + rng.normal(size=(n, 2))
        for k, n in [(0, 5), (1, 9), (0, 7), (1, 12)] * 5
    ]
    y = [0, 1] * 10
    density = GaussianHMM(1, random_state=0)
    model = GenerativeClassifier(density).fit(sequences, y)
    assert model.n_features_in_ == 2
    assert model.predict(sequences[3:]).tolist() == y[3:]
    wanted = [1, 0, 0, 1] * 10
    draws = model.sample(40, y=wanted, random_state=0)
    assert [int(len(own) in (9, 12)) for own in draws] == wanted
    assert model.predict(draws).tolist() == wanted
    assert len({len(own) for own in draws}) == 4
    again = model.sample(40, y=wanted, random_state=0)
    assert all(map(np.array_equal, draws, again))
    assert not np.array_equal(draws[0][:5], draws[3][:5])
    with pytest.raises(ValueError, match="1 features"):
        model.predict([own[:, :1] for own in sequences])


@pytest.mark.parametrize("first", [0, 2])
def test_words_have_a_number_for_no_label(first):
    X, _, known = few_labels(90)
    numbers = GenerativeClassifier(ONE, semi_supervised=True, tol=0.1).fit(X, known)
    words = np.array(["a", "b", "c", -1], dtype=object)[known]
    order = np.argsort(known == first, kind="stable")  # begin with -1, or a word
    order = order if first else order[::-1]
    model = GenerativeClassifier(ONE, semi_supervised=True, tol=0.1).fit(
        X[order], words[order]
    )
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert np.array_equal(
        model.predict(X), np.array(["a", "b", "c"])[numbers.predict(X)]
    )
    with pytest.raises(ValueError, match="which is no -1"):
        model.fit(X, words.astype(str))


def test_a_weight_of_zero_is_no_missing_label():
    X, y = three(60)
    weight = np.r_[0.0, np.ones(59)]
    model = GenerativeClassifier(ONE, semi_supervised=True)
    assert model.fit(X, y, sample_weight=weight).n_iter_ == 1
    without = GenerativeClassifier(ONE).fit(X, y, sample_weight=1.0 * (y != 1))
    assert without.classes_.tolist() == [0, 2]


def test_a_table_without_rows_is_refused():
    model = GenerativeClassifier(ONE)
    with pytest.raises(ValueError, match="X has no rows"):
        model.fit(pd.DataFrame({"a": []}), np.array([], dtype=int))
