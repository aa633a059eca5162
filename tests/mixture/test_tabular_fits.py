"""TabularMixture: weights, order, threads, priors and the number of components."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklgen.families._gaussian import Gaussian
from sklgen.mixture import _selection
from tests.mixture.tabular_cases import (
    both,
    discrete,
    every,
    mixture,
    probability,
    table,
)


def as_weighted(fit, frame, weight):
    return fit(frame, weight), fit(
        frame.loc[frame.index.repeat(weight)].reset_index(drop=True), None
    )


@pytest.mark.parametrize("n_components", [3, "auto"])
@both
def test_weights_are_repeats(covariance_type, n_components):
    frame = table(400, missing=0.15)
    weight = np.random.default_rng(1).integers(0, 4, len(frame))

    def fit(rows, sample_weight):
        model = mixture(n_components, covariance_type=covariance_type, max_iter=8)
        return model.fit(rows, sample_weight=sample_weight)

    one, two = as_weighted(fit, frame, weight)
    assert one.n_components_ == two.n_components_
    assert one.lower_bound_ == pytest.approx(two.lower_bound_, rel=1e-9)
    np.testing.assert_allclose(
        one.score_samples(frame), two.score_samples(frame), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("n_components", [3, "auto"])
def test_the_order_of_rows_does_not_matter(n_components):
    frame = table(500, missing=0.1)
    order = np.random.default_rng(0).permutation(len(frame))
    one = mixture(n_components).fit(frame)
    two = mixture(n_components).fit(frame.iloc[order])
    np.testing.assert_allclose(
        one.score_samples(frame), two.score_samples(frame), rtol=1e-6, atol=1e-6
    )


@both
def test_threads_give_the_same_bits(covariance_type):
    frame = table(12_000, missing=0.1)
    fits = [
        mixture(covariance_type=covariance_type, max_iter=4, n_jobs=n).fit(frame)
        for n in (1, 3)
    ]
    assert fits[0].lower_bounds_ == fits[1].lower_bounds_
    hole = frame.iloc[:3000]
    scores = [model.score_samples(hole) for model in fits]
    np.testing.assert_array_equal(*scores)
    draws = [model.sample_conditional(hole, random_state=0) for model in fits]
    pd.testing.assert_frame_equal(*draws)


@both
def test_the_lower_bound_never_falls_and_is_the_log_posterior(covariance_type):
    frame = table(missing=0.1)
    model = mixture(covariance_type=covariance_type, tol=0.0, max_iter=60).fit(frame)
    assert len(model.lower_bounds_) > 30
    assert np.diff(model.lower_bounds_).min() > -1e-12 * abs(model.lower_bound_)
    typed = model._validate(frame)
    seen = model._schema.learn_from(typed)
    with model._rows(seen, None, model._components()) as rows:
        fitted = model._fitted()
        sums = fitted.posterior_bound(rows.sum(fitted.e_step))
    assert sums.bound / len(frame) == pytest.approx(model.lower_bound_, rel=1e-10)


@both
def test_covariances_have_a_prior_in_every_step(covariance_type):
    """As many components as groups of two rows: no variance runs to the floor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = mixture(30, covariance_type=covariance_type).fit(table(60))
    (gaussian,) = [p for p in model._components().parts if isinstance(p, Gaussian)]
    prior = gaussian.prior_count
    assert prior > 0.0
    mode = prior * gaussian.scale**2 / (60 * model.weights_[:, None] + prior)
    assert np.all(gaussian.variances() >= 0.999 * mode)


def test_the_number_of_components_follows_the_data():
    rng = np.random.default_rng(0)
    n = 2000
    noise = pd.DataFrame(rng.normal(size=(n, 6)), columns=list("abcdef"))
    noise["g"] = rng.choice(list("uvw"), n)
    assert mixture("auto").fit(noise).n_components_ <= 8
    group = rng.integers(4, size=n)
    centres = 5.0 * rng.normal(size=(4, 6))
    apart = noise.assign(
        **dict(
            zip(
                "abcdef",
                (noise[list("abcdef")] + centres[group]).to_numpy().T,
                strict=True,
            )
        )
    )
    apart["g"] = np.array(list("uvwx"))[group]
    model = mixture("auto").fit(apart)
    assert model.n_components_ >= 4
    assert len(model.weights_) == model.n_components_
    assert clone(model).n_components == "auto"


GAINS = {1: 0.0, 2: 0.9, 4: 1.0, 8: 0.95, 16: 0.85, 32: 1.1}
# Two alone may be worse than one.
DIPS = {**GAINS, 2: -5.0}


@pytest.mark.parametrize(
    ("missing", "gains", "noise", "expected"),
    [
        (0.0, GAINS, 0.0, 8),
        (0.25, GAINS, 0.0, 4),
        (0.0, DIPS, 0.0, 8),
        (0.0, GAINS, 3.0, 32),
    ],
)
def test_tables_with_many_missing_cells_take_the_best_number(
    monkeypatch, missing, gains, noise, expected
):
    """Others take the largest number that loses little; none looks beyond a loss.

    A loss of 16 that differs so from row to row may be chance.
    """

    def density(estimator, model, X):
        n = len(model.weights)
        signs = np.where(np.arange(len(X)) % 2, 1.0, -1.0)
        return gains[n] + (n == 16) * noise * signs

    monkeypatch.setattr(_selection, "_density", density)
    hidden = table(1200, missing=missing).assign(blank=np.nan)
    model = mixture("auto", max_iter=0).fit(hidden)
    assert model.n_components_ == expected


def test_a_column_without_cells_does_not_count_as_missing():
    frame = table(300).assign(blank=np.nan)
    model = mixture(2, max_iter=0).fit(frame)
    rows = model._schema.read(frame)
    assert model._schema.missing_share(rows, np.ones(300)) == 0.0
    rows[::2, : model._schema.n_typed] = np.nan
    weight = np.where(np.arange(300) % 2 == 0, 3.0, 1.0)
    assert model._schema.missing_share(rows, weight) == pytest.approx(0.75)


def test_a_fit_goes_on_from_where_the_choice_of_components_ended():
    frame = table(1000)
    chosen = mixture("auto", max_iter=0).fit(frame)
    fresh = mixture(chosen.n_components_, max_iter=0).fit(frame)
    assert chosen.lower_bound_ > fresh.lower_bound_ + 0.1
    tried = mixture("auto", max_iter=0, n_init=3).fit(frame)
    assert tried.lower_bound_ < chosen.lower_bound_ - 0.1


def test_components_find_the_groups():
    frame = table()
    model = mixture(2, max_iter=40).fit(frame)
    labels = model.predict(frame)
    group = frame["x"] > 0.5
    agreement = max((labels == group).mean(), (labels != group).mean())
    assert agreement > 0.95
    np.testing.assert_allclose(model.predict_proba(frame).sum(axis=1), 1.0)


def test_partial_fit_learns_from_a_second_batch():
    frame = table(900, missing=0.1)
    model = mixture(2).partial_fit(frame.iloc[:300])
    encoder = model.encoder_
    before = model.score(frame.iloc[300:])
    for start in range(300, 900, 100):
        model.partial_fit(frame.iloc[start : start + 100])
    assert model.encoder_ is encoder
    assert np.isfinite(model.score_samples(frame)).all()
    assert model.score(frame.iloc[300:]) > before - 0.02
    odd = frame.iloc[300:310].assign(label="never seen")
    assert np.isfinite(model.partial_fit(odd).score(frame))


def test_a_batch_of_another_law_moves_the_model():
    frame = table(600)
    model = mixture(2).partial_fit(frame)
    other = frame.assign(label="d")
    before = model.score(other)
    for _ in range(5):
        model.partial_fit(other)
    assert model.score(other) > before + 0.5


def test_one_column_of_scores_or_of_codes_is_enough():
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=200), rng.integers(3, size=200), np.full(200, 4.0)):
        model = mixture(min(2, len(set(values)))).fit(values[:, None])
        assert np.isfinite(model.score(values[:, None]))
        assert model.sample(5, random_state=0).shape == (5, 1)


def test_pickles_and_clones():
    frame = table(300, missing=0.1)
    model = mixture().fit(frame)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.score_samples(frame), model.score_samples(frame)
    )
    pd.testing.assert_frame_equal(
        again.sample(20, random_state=3), model.sample(20, random_state=3)
    )
    one = clone(model).fit(frame)
    assert one.lower_bounds_ == model.lower_bounds_


@pytest.mark.slow
def test_processes_search_pipelines():
    search = GridSearchCV(
        Pipeline([("model", mixture(max_iter=5))]),
        {"model__n_components": [1, 3]},
        cv=2,
        n_jobs=2,
    ).fit(table(300, missing=0.1))
    assert search.best_params_ == {"model__n_components": 3}


def test_criteria_count_every_free_parameter():
    frame = discrete()
    model = mixture(2).fit(frame)
    levels = sum(len(frame[name].unique()) - 1 for name in frame)
    assert model._n_parameters() == 1 + 2 * levels
    log_likelihood = model.score_samples(frame).sum()
    expected = model._n_parameters() * np.log(len(frame)) - 2 * log_likelihood
    assert model.bic(frame) == pytest.approx(expected)


def test_empty_components_are_told_and_harmless():
    """More components than distinct rows."""
    frame = pd.DataFrame({"g": ["a", "b"] * 20, "h": ["u"] * 40})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = mixture(6).fit(frame)
    assert probability(model, every(frame)).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random"])
def test_every_start_gives_a_law(init):
    frame = discrete()
    model = mixture(init_params=init, n_init=2).fit(frame)
    assert probability(model, every(frame)).sum() == pytest.approx(1.0)
