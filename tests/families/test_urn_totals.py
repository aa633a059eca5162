"""Dirichlet-multinomial laws whose parameters have a given sum."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import gammaln, softmax

from sklgen.em import Block, Scratch
from sklgen.families import DirichletMultinomial
from sklgen.families._counts import as_csr
from sklgen.mixture._structure import Mixture


def draw(n=200, d=5, total=4.0, length=30, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(d, 1.0))
    shares = rng.dirichlet(total * p, n)
    return np.stack([rng.multinomial(length, q) for q in shares]).astype(float)


def statistics(X, law, weight=None):
    weight = np.ones(len(X)) if weight is None else weight
    block = Block(as_csr(X), weight, complete=True, rows=slice(0, len(X)))
    model = Mixture(np.ones(1), law)
    return model.e_step(iter([block]), Scratch()).family


def log_posterior(X, alpha, law):
    """Of the parameters, up to what does not depend on them given their sum."""
    rising = gammaln(X + alpha) - gammaln(alpha)
    return rising.sum() + law._pseudo_count * np.log(alpha).sum()


@pytest.mark.parametrize("total", [1e-3, 0.7, 4.0, 300.0])
def test_the_m_step_finds_the_maximum_at_this_total(total):
    X = draw()
    law = DirichletMultinomial(None, np.full((1, 5), total / 5), 1e-3, total)
    found = law.maximize(statistics(X, law))
    assert found.alpha.sum() == pytest.approx(total, rel=1e-12)
    assert found.total == total
    best = minimize(
        lambda z: -log_posterior(X, total * softmax(z), law),
        np.log(X.mean(axis=0)),
        tol=1e-12,
    )
    assert log_posterior(X, found.alpha[0], law) >= -best.fun - 1e-6
    assert found.alpha[0] == pytest.approx(total * softmax(best.x), rel=1e-3)


def test_the_best_total_is_that_of_no_total():
    X = draw(n=500)
    free = DirichletMultinomial(None, np.ones((1, 5)), 1e-3)
    for _ in range(3):
        free = free.maximize(statistics(X, free))
    total = free.alpha.sum()
    given = replace(free, alpha=np.full((1, 5), total / 5), total=total)
    given = given.maximize(statistics(X, given))
    assert given.alpha == pytest.approx(free.alpha, rel=1e-3)
    assert given.n_parameters == free.n_parameters - 1


@pytest.mark.parametrize("total", [1e-8, 1e-2, 1e3, 1e9])
@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1.0, 1e12])
def test_totals_hold_for_any_counts(scale, total):
    X = draw(n=20) * scale
    X[:, 0] = 0.0
    law = DirichletMultinomial(None, np.full((1, 5), total / 5), 1e-3, total)
    for _ in range(3):
        law = law.maximize(statistics(X, law))
    assert np.isfinite(law.alpha).all()
    assert law.alpha.sum() == pytest.approx(total, rel=1e-9)
    assert (law.alpha > 0).all()


def test_no_rows_give_equal_parameters():
    law = DirichletMultinomial(None, np.array([[1.0, 2.0, 3.0]]), 1e-3, 6.0)
    found = law.maximize(statistics(np.zeros((2, 3)), law))
    assert found.alpha == pytest.approx(2.0)


def test_components_have_the_same_total_and_their_own_shares():
    X = np.concatenate([draw(seed=0), draw(seed=7)])
    law = DirichletMultinomial(None, np.full((2, 5), 0.8), 1e-3, 4.0)
    parts = [
        law.maximize(statistics(X, replace(law, alpha=law.alpha[:1]), weight)).alpha
        for weight in (np.repeat([1.0, 0.0], 200), np.repeat([0.0, 1.0], 200))
    ]
    alone = [
        law.maximize(statistics(rows, replace(law, alpha=law.alpha[:1]))).alpha
        for rows in (X[:200], X[200:])
    ]
    assert np.concatenate(parts) == pytest.approx(np.concatenate(alone), rel=1e-9)
    assert np.concatenate(parts).sum(axis=1) == pytest.approx(4.0)
