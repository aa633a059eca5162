"""Pipelines inside scikit-learn: searches, routing, caching, parameters, copies."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, rankdata
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler

from sklgen.compose import GenerativePipeline, make_generative_pipeline
from sklgen.hmm import GaussianHMM
from sklgen.mixture import GaussianMixture
from tests.compose.transformer_cases import positive_rows

CV = KFold(3, shuffle=True, random_state=0)
GRID = {
    "scaler": [None, StandardScaler(), PowerTransformer()],
    "gmm__n_components": [1, 2],
}


def pipeline(scaler=None, n_components=2):
    gmm = GaussianMixture(n_components, random_state=0)
    return GenerativePipeline([("scaler", scaler), ("gmm", gmm)])


def by_hand(X, scaler, n_components):
    """Held-out log-densities through the derivative of the inverse map."""
    found = []
    rng = np.random.default_rng(0)
    for train, test in CV.split(X):
        fitted = clone(scaler).fit(X[train]) if scaler is not None else None
        back = fitted.inverse_transform if fitted else lambda Z: Z
        Z = fitted.transform(X) if fitted else X
        model = GaussianMixture(n_components, random_state=0).fit(Z[train])
        step = 1e-5
        slopes = (back(Z[test] + step) - back(Z[test] - step)) / (2 * step)
        log_density = model.score_samples(Z[test]) - np.log(slopes).sum(axis=1)
        # PowerTransformer makes NaN of what has no original.
        seed = int(rng.integers(1000))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original = back(model.sample(100_000, random_state=seed))
        share = np.isfinite(original).all(axis=1).mean()
        found.append(np.mean(log_density) - np.log(share))
    return np.mean(found)


def test_grid_search_finds_what_scores_by_hand_find():
    X = positive_rows()
    search = GridSearchCV(pipeline(), GRID, cv=CV, n_jobs=2).fit(X)
    found = search.cv_results_["mean_test_score"]
    params = search.cv_results_["params"]
    expected = [by_hand(X, p["scaler"], p["gmm__n_components"]) for p in params]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    affine = [type(p["scaler"]) is not PowerTransformer for p in params]
    np.testing.assert_allclose(found[affine], np.array(expected)[affine], atol=1e-6)
    best = params[int(np.argmax(expected))]
    assert search.best_params_ == best
    # Rows are not normal in their own units, and nearly so in another one.
    assert isinstance(search.best_params_["scaler"], PowerTransformer)
    assert search.score(X) == search.best_estimator_.score_samples(X).mean()


def test_another_unit_shifts_all_scores_and_changes_no_ranking():
    X = positive_rows()
    power = make_pipeline(StandardScaler(), PowerTransformer())
    scalers = [None, StandardScaler(), power, PowerTransformer("box-cox")]
    grid = GRID | {"scaler": scalers}
    plain, milli = (
        GridSearchCV(pipeline(), grid, cv=CV).fit(rows).cv_results_["mean_test_score"]
        for rows in (X, 1000 * X)
    )
    np.testing.assert_allclose(milli, plain - 2 * np.log(1000), atol=1e-5)
    # Affine maps tie, to rounding.
    ranks = [rankdata(np.round(scores - scores[0], 4)) for scores in (plain, milli)]
    np.testing.assert_array_equal(*ranks)
    assert len({*ranks[0]}) > 4


def test_the_pipeline_of_scikit_learn_takes_what_shrinks_the_rows_most():
    X = positive_rows()
    scalers = [MinMaxScaler((0, high)) for high in (1, 1e-2, 1e-4)]
    grid = {"scaler": [None, StandardScaler(), PowerTransformer(), *scalers]}
    plain = GridSearchCV(Pipeline(pipeline().steps), grid, cv=CV).fit(X)
    assert plain.best_params_["scaler"].feature_range == (0, 1e-4)
    ours = GridSearchCV(pipeline(), grid, cv=CV).fit(X)
    assert isinstance(ours.best_params_["scaler"], PowerTransformer)
    # All affine maps give one model: they differ by rounding alone.
    affine = np.delete(ours.cv_results_["mean_test_score"], 2)
    np.testing.assert_allclose(affine, affine[0], atol=1e-6)


def test_fit_leaves_the_steps_as_they_were():
    scaler, gmm = StandardScaler(), GaussianMixture()
    model = GenerativePipeline([("scaler", scaler), ("gmm", gmm)])
    steps = model.steps
    model.fit(positive_rows())
    assert model.steps is steps
    assert model.steps == [("scaler", scaler), ("gmm", gmm)]
    assert not hasattr(scaler, "scale_")
    assert hasattr(model.named_steps["scaler"], "scale_")
    assert model[-1] is model.steps_[-1][1] is model["gmm"]
    assert type(model[:-1]) is Pipeline
    assert len(model) == 2


def test_nested_parameters_and_steps_can_be_set():
    X = positive_rows()
    model = pipeline(StandardScaler())
    model.set_params(gmm__n_components=1, scaler__with_std=False)
    model.fit(X)
    assert model["gmm"].n_components == 1
    assert model["scaler"].scale_ is None
    model.set_params(scaler="passthrough").fit(X)
    expected = multivariate_normal(X.mean(axis=0), np.cov(X.T, bias=True)).logpdf(X)
    np.testing.assert_allclose(model.score_samples(X), expected, atol=1e-8)
    assert model.n_features_in_ == 2
    frame = pd.DataFrame(X, columns=["a", "b"])
    assert model.fit(frame).feature_names_in_.tolist() == ["a", "b"]


def test_generators_that_are_pipelines_nest():
    X = positive_rows()
    inner = make_generative_pipeline(
        PowerTransformer(), GaussianMixture(2, random_state=0)
    )
    outer = make_generative_pipeline(StandardScaler(), inner).fit(X)
    flat = make_generative_pipeline(
        make_pipeline(StandardScaler(), PowerTransformer()),
        GaussianMixture(2, random_state=0),
    ).fit(X)
    np.testing.assert_allclose(outer.score_samples(X), flat.score_samples(X), atol=1e-8)
    holes = X.copy()
    holes[::3, 0] = np.nan
    np.testing.assert_allclose(outer.score_samples(holes), flat.score_samples(holes))
    assert np.isfinite(outer.impute(holes)).all()


class Counting(StandardScaler):
    fits = 0

    def fit(self, X, y=None, sample_weight=None):
        Counting.fits += 1
        return super().fit(X, y, sample_weight)


def test_fitted_transformers_are_cached(tmp_path):
    X = positive_rows()
    Counting.fits = 0
    model = pipeline(Counting()).set_params(memory=str(tmp_path))
    scores = [model.set_params(gmm__n_components=k).fit(X).score(X) for k in (1, 2, 1)]
    assert Counting.fits == 1
    assert scores[0] == scores[2]
    assert scores[0] == pytest.approx(pipeline(StandardScaler(), 1).fit(X).score(X))


def test_weights_reach_every_step():
    X = positive_rows()
    weight = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    model = pipeline(StandardScaler())
    found = model.fit(X, sample_weight=weight).score_samples(X)
    repeated = model.fit(np.repeat(X, weight.astype(int), axis=0)).score_samples(X)
    np.testing.assert_allclose(found, repeated, atol=1e-6)
    one = pipeline(PowerTransformer())
    with pytest.raises(ValueError, match=r"'scaler' \(PowerTransformer\) takes no"):
        one.fit(X, sample_weight=weight)
    one.fit(X, gmm__sample_weight=weight)
    Z = PowerTransformer().fit_transform(X)
    gmm = GaussianMixture(2, random_state=0).fit(Z, sample_weight=weight)
    np.testing.assert_array_equal(one["gmm"].means_, gmm.means_)


def test_metadata_goes_where_it_was_requested():
    X = positive_rows()
    weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    by_default = pipeline(StandardScaler()).fit(X, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        model = pipeline(StandardScaler()).fit(X, sample_weight=weight)
        np.testing.assert_array_equal(model["gmm"].means_, by_default["gmm"].means_)
        score = model.score(X, sample_weight=weight)
        assert score == by_default.score(X, sample_weight=weight)

        own = pipeline(StandardScaler().set_fit_request(sample_weight=False))
        own.fit(X, sample_weight=weight)
        np.testing.assert_allclose(own["scaler"].mean_, X.mean(axis=0))
        plain = GaussianMixture(2, random_state=0)
        plain.fit(StandardScaler().fit_transform(X), sample_weight=weight)
        np.testing.assert_array_equal(own["gmm"].means_, plain.means_)

        groups = np.repeat([0, 1, 2], 100)
        hmm = GaussianHMM(2, random_state=0)
        hmm.set_fit_request(groups=True).set_score_request(groups=True)
        model = make_generative_pipeline(StandardScaler(), hmm).fit(X, groups=groups)
        expected = model.score_samples(X, groups=groups).mean()
        assert model.score(X, groups=groups) == pytest.approx(expected)
        assert model.score(X) != pytest.approx(expected, abs=1e-12)


def test_copies_draw_and_score_the_same():
    X = positive_rows()
    model = pipeline(PowerTransformer("box-cox")).fit(X)
    for copy in (pickle.loads(pickle.dumps(model)), clone(model).fit(X)):
        np.testing.assert_array_equal(copy.score_samples(X), model.score_samples(X))
        ours, theirs = (m.sample(5, random_state=0) for m in (model, copy))
        np.testing.assert_array_equal(ours, theirs)


def test_what_was_registered_reaches_other_processes():
    code = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV
from sklgen.compose import make_generative_pipeline, register_jacobian
from sklgen.mixture import GaussianMixture

class Half(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        return np.asarray(X) / 2
    def inverse_transform(self, X):
        return 2 * np.asarray(X)

@register_jacobian(Half, columnwise=True)
def log_derivatives(transformer, X):
    return np.full(X.shape, -np.log(2))

X = np.random.default_rng(0).normal(size=(60, 2))
model = make_generative_pipeline(Half(), GaussianMixture(random_state=0))
grid = {"half": ["passthrough", Half()]}
search = GridSearchCV(model, grid, cv=3, n_jobs=2, error_score="raise").fit(X)
one, other = search.cv_results_["mean_test_score"]
assert abs(one - other) < 1e-8
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        ([], ValueError, "empty"),
        ([("a", StandardScaler())], TypeError, "must be a generator.*GaussianMixture"),
        ([("a", GaussianMixture()), ("b", GaussianMixture())], TypeError, "transform"),
    ],
)
def test_steps_that_make_no_generator_are_refused(steps, error, words):
    with pytest.raises(error, match=words):
        GenerativePipeline(steps).fit(positive_rows())


class Blind(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.asarray(X)


def test_a_transformer_without_way_back_is_named():
    X = positive_rows()
    model = make_generative_pipeline(Blind(), GaussianMixture())
    with pytest.raises(NotFittedError):
        model.sample()
    with pytest.raises(
        AttributeError, match="Blind has no inverse_transform"
    ) as caught:
        model.fit(X).sample()
    assert caught.value.__notes__ == ["in step 'blind' (Blind)"]
