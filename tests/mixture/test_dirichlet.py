"""DirichletMixture: maxima, planted clusters, zeros, bad input."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import dirichlet

from sklgen.mixture import DirichletMixture
from sklgen.mixture._dirichlet import close_parts

ALPHA = np.array([[20.0, 6.0, 2.0, 1.0], [2.0, 3.0, 9.0, 4.0], [0.5, 0.5, 0.7, 3.0]])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def compositions(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, n, p=WEIGHTS)
    return np.stack([rng.dirichlet(ALPHA[k]) for k in labels]), labels


def test_score_is_the_mixture_of_plain_formulas():
    X, _ = compositions(300)
    model = DirichletMixture(3, random_state=0).fit(X)
    parts = [dirichlet(alpha).logpdf(X.T) for alpha in model.alphas_]
    joint = np.array(parts) + np.log(model.weights_)[:, None]
    np.testing.assert_allclose(model.score_samples(X), logsumexp(joint, axis=0))
    np.testing.assert_allclose(
        model.predict_proba(X).T, np.exp(joint - logsumexp(joint, axis=0))
    )
    prior = -1e-3 * model.alphas_.sum() / len(X)
    assert model.lower_bound_ == pytest.approx(model.score(X) + prior)
    assert np.diff(model.lower_bounds_).min() > -1e-12


def test_one_component_is_the_most_likely_one():
    X = np.random.default_rng(0).dirichlet(ALPHA[1], 200)
    model = DirichletMixture(reg_concentration=1e-9).fit(X)

    def loss(log_alpha):
        return -dirichlet(np.exp(log_alpha)).logpdf(X.T).sum()

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-4})
    np.testing.assert_allclose(model.alphas_[0], np.exp(best.x), rtol=1e-4)
    assert model.converged_


def test_planted_components_are_recovered():
    X, labels = compositions()
    model = DirichletMixture(3, random_state=0).fit(X)
    order = model.means_[:, 0].argsort()[::-1]
    order = order[[0, *(1 + model.means_[order[1:], 3].argsort())]]
    np.testing.assert_allclose(model.alphas_[order], ALPHA, rtol=0.2)
    np.testing.assert_allclose(model.weights_[order], WEIGHTS, atol=0.03)
    assert np.mean(order[labels] == model.predict(X)) > 0.93
    truth = logsumexp(
        [
            np.log(w) + dirichlet(a).logpdf(X.T)
            for w, a in zip(WEIGHTS, ALPHA, strict=True)
        ],
        axis=0,
    )
    assert model.score(X) > truth.mean()
    assert min((1, 2, 3, 4), key=lambda k: bic(k, X)) == 3


def bic(k, X):
    return DirichletMixture(k, random_state=0).fit(X).bic(X)


def test_zeros_become_a_small_share_and_ratios_stay():
    X = np.array(
        [[2.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1e308, 1e308, 1e308, 0.0]]
    )
    parts = close_parts(X, 1e-3)
    np.testing.assert_allclose(parts.sum(axis=1), 1.0)
    np.testing.assert_array_equal(parts[0, 2:], 1e-3)
    assert parts[0, 0] / parts[0, 1] == pytest.approx(2.0)
    np.testing.assert_allclose(parts[1], 0.25)
    np.testing.assert_allclose(parts[2], [0.333, 0.333, 0.333, 1e-3])


def test_rows_with_zeros_are_rows():
    X, _ = compositions(300)
    X[X < 0.05] = 0.0
    model = DirichletMixture(3, zero_replacement=1e-2, random_state=0).fit(X)
    scores = model.score_samples(X)
    assert np.isfinite(scores).all()
    filled = close_parts(X, 1e-2 / 4)
    np.testing.assert_allclose(model.score_samples(filled), scores)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_draws_of_parts_close_to_zero_are_scored(dtype):
    rng = np.random.default_rng(0)
    X = rng.dirichlet([0.02, 0.05, 0.1], 500).astype(dtype)
    model = DirichletMixture().fit(X)
    draws = model.sample(500, random_state=0)
    assert draws.dtype == dtype
    assert np.isfinite(model.score_samples(draws)).all()


def test_rows_that_are_all_alike_have_a_component():
    X = np.tile([[0.2, 0.3, 0.5]], (20, 1))
    model = DirichletMixture().fit(X)
    np.testing.assert_allclose(model.means_[0], X[0], rtol=1e-2)
    narrow = DirichletMixture(reg_concentration=1e-6).fit(X)
    assert narrow.alphas_.sum() > 100 * model.alphas_.sum()


def test_batches_reach_what_a_fit_of_all_rows_does():
    X, _ = compositions()
    model = DirichletMixture(3, random_state=0)
    whole = model.fit(X).score(X)
    online = DirichletMixture(3, random_state=0)
    for part in np.split(X, 10):
        online.partial_fit(part)
    assert online.score(X) == pytest.approx(whole, abs=0.02)
    assert DirichletMixture(3, warm_start=True).fit(X).fit(X).n_iter_ >= 1


def test_bad_rows_are_errors_with_a_reason():
    with pytest.raises(ValueError, match="n_features = 1"):
        DirichletMixture().fit(np.ones((5, 1)))
    with pytest.raises(ValueError, match="Negative values in data"):
        DirichletMixture().fit(np.array([[1.0, -1.0], [2.0, 0.0]]))


def test_draws_of_whole_parts_are_shares():
    parts = np.random.default_rng(5).dirichlet([3, 3, 4], 200) * 100
    frame = pd.DataFrame(parts.round().astype(int), columns=list("abc"))
    draws = DirichletMixture(random_state=0).fit(frame).sample(50, random_state=0)
    assert list(draws.columns) == list("abc")
    np.testing.assert_allclose(draws.sum(axis=1), 1.0)
    assert draws.to_numpy().min() > 0
