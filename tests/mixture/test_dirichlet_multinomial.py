"""DirichletMultinomialMixture: brute force, maxima, lengths, bad input."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import dirichlet_multinomial, multinomial, nbinom

from sklgen.mixture import DirichletMultinomialMixture
from tests.mixture.test_gibbs import planted

VARIANTS = {
    "em": {"n_components": 3},
    "overdispersed": {"n_components": 2, "overdispersed": True},
    "gibbs": {"n_components": 12, "method": "gibbs"},
}
variants = pytest.mark.parametrize("params", VARIANTS.values(), ids=VARIANTS)


def bursty(n=400, seed=0):
    """Rows of two clusters whose shares differ from row to row."""
    rng = np.random.default_rng(seed)
    alpha = np.array([[3.0, 1.0, 0.3, 0.2], [0.2, 0.5, 2.0, 4.0]])
    labels = rng.integers(2, size=n)
    shares = np.stack([rng.dirichlet(alpha[k]) for k in labels])
    totals = rng.negative_binomial(4, 0.2, n)
    return rng.multinomial(totals, shares).astype(float), labels, alpha


@variants
def test_score_is_the_mixture_of_plain_formulas(params):
    X, _, _ = bursty()
    model = DirichletMultinomialMixture(**params, random_state=0).fit(X)
    totals = X.sum(axis=1).astype(int)
    if model.concentrations_ is None:
        laws = [multinomial(totals, p) for p in model.probabilities_]
        parts = [law.logpmf(X) for law in laws]
    else:
        alpha = model.probabilities_ * model.concentrations_[:, None]
        parts = [dirichlet_multinomial(a, totals).logpmf(X.astype(int)) for a in alpha]
    joint = np.array(parts) + np.log(model.weights_)[:, None]
    law = model._lengths
    lengths = nbinom(law.size, law.size / (law.size + law.mean)).logpmf(totals)
    expected = logsumexp(joint, axis=0) + lengths
    np.testing.assert_allclose(model.score_samples(X), expected)
    np.testing.assert_array_equal(model.predict(X), joint.argmax(axis=0))


def test_one_component_has_the_shares_of_all_counts():
    X, _ = planted()
    model = DirichletMultinomialMixture(beta=0.5).fit(X)
    counts = X.sum(axis=0) + 0.5
    np.testing.assert_allclose(model.probabilities_[0], counts / counts.sum())
    assert model.converged_


def test_one_urn_is_the_most_likely_one():
    X, _, _ = bursty()
    model = DirichletMultinomialMixture(overdispersed=True, beta=1e-6).fit(X)
    totals = X.sum(axis=1).astype(int)

    def loss(log_alpha):
        law = dirichlet_multinomial(np.exp(log_alpha), totals)
        size = np.exp(log_alpha).sum()
        # The prior: shares of a millionth of a count, and a weak one of their sum.
        prior = (1e-6 + 0.25) * log_alpha.sum() - 4e-6 * np.log(size) - 1e-3 * size
        return -law.logpmf(X.astype(int)).sum() - prior

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-4})
    alpha = model.concentrations_[0] * model.probabilities_[0]
    np.testing.assert_allclose(alpha, np.exp(best.x), rtol=1e-3)
    assert loss(np.log(alpha)) <= best.fun + 1e-6


def test_overdispersed_components_are_recovered():
    X, _, alpha = bursty(n=4000)
    model = DirichletMultinomialMixture(2, overdispersed=True, random_state=0).fit(X)
    plain = DirichletMultinomialMixture(2, random_state=0).fit(X)
    assert model.score(X) > plain.score(X) + 0.5
    assert model.bic(X) < plain.bic(X)
    order = model.probabilities_[:, 3].argsort()
    found = (model.probabilities_ * model.concentrations_[:, None])[order]
    np.testing.assert_allclose(found, alpha, rtol=0.25)


@variants
def test_bounds_rise_and_are_those_of_the_fit(params):
    X, _, _ = bursty()
    model = DirichletMultinomialMixture(**params, random_state=0).fit(X)
    if model.method == "gibbs":
        assert not hasattr(model, "lower_bounds_")
        return
    assert np.diff(model.lower_bounds_).min() > -1e-12
    assert model.converged_
    prior = model._components().log_prior / len(X)
    assert model.lower_bound_ == pytest.approx(model.score(X) + prior)


def test_number_of_parameters():
    X, _, _ = bursty()
    for params, expected in (
        ({"n_components": 3}, 2 + 3 * 3 + 2),
        ({"n_components": 2, "overdispersed": True}, 1 + 2 * 4 + 2),
    ):
        model = DirichletMultinomialMixture(**params, random_state=0).fit(X)
        penalty = model.aic(X) + 2 * len(X) * model.score(X)
        assert penalty / 2 == pytest.approx(expected)


@pytest.mark.parametrize("overdispersed", [False, True])
def test_batches_reach_what_a_fit_of_all_rows_does(overdispersed):
    X, _, _ = bursty(n=3000)
    model = DirichletMultinomialMixture(2, overdispersed=overdispersed, random_state=0)
    whole = model.fit(X).score(X)
    lengths = model._lengths
    online = DirichletMultinomialMixture(2, overdispersed=overdispersed, random_state=0)
    for part in np.split(X, 30):
        online.partial_fit(part)
    assert online.score(X) == pytest.approx(whole, abs=0.02)
    assert online._lengths.mean == pytest.approx(lengths.mean)
    assert online._lengths.size == pytest.approx(lengths.size)


def test_a_change_of_shape_between_batches_is_an_error():
    X, _, _ = bursty()
    model = DirichletMultinomialMixture(2).partial_fit(X)
    model.set_params(method="gibbs")
    with pytest.raises(ValueError, match="method='em', got method='gibbs'"):
        model.partial_fit(X)


@variants
def test_draws_have_the_lengths_of_the_rows(params):
    X, _, _ = bursty(n=2000)
    model = DirichletMultinomialMixture(**params, random_state=0).fit(X)
    lengths = model.sample(20_000, random_state=0).sum(axis=1)
    seen = X.sum(axis=1)
    assert lengths.mean() == pytest.approx(seen.mean(), rel=0.05)
    assert lengths.std() == pytest.approx(seen.std(), rel=0.1)


@variants
def test_empty_rows_and_fractions_are_rows(params):
    X, _, _ = bursty(n=60)
    X[:5] = 0.0
    X[5:20] *= 0.3
    model = DirichletMultinomialMixture(**params, random_state=0).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    np.testing.assert_allclose(
        model.predict_proba(X[:5]), np.tile(model.weights_, (5, 1))
    )
    empty = DirichletMultinomialMixture(1).fit(np.zeros((4, 3)))
    assert np.isfinite(empty.score_samples(X[:, :3])).all()
    assert (empty.sample(50) == 0).all()


def test_negative_counts_are_an_error():
    with pytest.raises(ValueError, match="Negative values in data"):
        DirichletMultinomialMixture().fit(np.array([[1.0, -1.0], [2.0, 0.0]]))


@pytest.mark.parametrize("overdispersed", [False, True])
def test_counts_beyond_whole_doubles_are_refused_by_column(overdispersed):
    counts = np.random.default_rng(0).poisson(3, (40, 3)).astype(float)
    counts[7, 1] = 1e20
    model = DirichletMultinomialMixture(2, overdispersed=overdispersed)
    with pytest.raises(ValueError, match=r"column 1 .* 1e\+20: .* 2\*\*53"):
        model.fit(counts)
