"""Products of families: sums of their parts in everything."""

import numpy as np
import pytest
from scipy import stats

from sklgen.em import Rows, Scratch, run
from sklgen.families import Categorical, FullGaussian, Poisson, Product
from sklgen.mixture._structure import Mixture

K = 2
# Columns of the parts interleave.
COLUMNS = (np.array([4, 0]), np.array([1, 5, 3]), np.array([2]))
ROOT = np.array([[[1.0, 0, 0], [0.6, 0.5, 0], [-0.3, 0.2, 0.9]], np.eye(3)])


def product(seed=0, prior_count=0.0):
    rng = np.random.default_rng(seed)
    shares = [rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(2))]
    labels = Categorical.equal(K, shares, 0.3).unpack(rng.normal(size=K * 5))
    means = rng.normal(size=(K, 3))
    gaussian = FullGaussian(means, ROOT @ ROOT.mT, np.ones(3), 1e-6, prior_count)
    one = Poisson.standard(1)
    counts = Poisson(np.array([[2.0], [7.0]]) + seed, prior=one.prior)
    return Product((labels, gaussian, counts), COLUMNS)


def rows(n=60, missing=0.3, seed=1):
    rng = np.random.default_rng(seed)
    X = np.empty((n, 6))
    X[:, COLUMNS[0]] = rng.integers((3, 2), size=(n, 2))
    X[:, COLUMNS[1]] = rng.normal(size=(n, 3)) + X[:, [4]]
    X[:, COLUMNS[2]] = rng.poisson(4.0, size=(n, 1))
    X[rng.random(X.shape) < missing] = np.nan
    return X


def shares(n, seed=2):
    return np.random.default_rng(seed).dirichlet(np.ones(K), n).T.copy()


def densities(model, X, *, view=None):
    view = model.view(complete=not np.isnan(X).any()) if view is None else view
    out = np.full((K, len(X)), np.nan)
    view.evaluate(X, Scratch(), out)
    return out


def statistics(model, X, R, *, view=None):
    view = model.view(complete=not np.isnan(X).any()) if view is None else view
    sums, scratch = view.zeros(), Scratch()
    for at in np.array_split(np.arange(len(X)), 3):
        out = np.empty((K, len(at)))
        features = view.evaluate(X[at], scratch, out)
        view.accumulate(sums, features, np.ascontiguousarray(R[:, at]))
    return view.complete(sums)


def numbers(value):
    """All numbers of statistics, parts of parts included."""
    if isinstance(value, tuple):
        return np.concatenate([numbers(v) for v in value if not isinstance(v, str)])
    if hasattr(value, "__dataclass_fields__"):
        return numbers(tuple(getattr(value, f) for f in value.__dataclass_fields__))
    return np.ravel(value)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_density_is_the_product_of_the_laws(missing):
    model, X = product(), rows(missing=missing)
    labels, gaussian, _ = model.parts
    for k in range(K):
        for x, found in zip(X, densities(model, X)[k], strict=True):
            expected = 0.0
            for law, cell in zip(labels.probabilities(), x[COLUMNS[0]], strict=True):
                expected += 0.0 if np.isnan(cell) else np.log(law[k, int(cell)])
            seen = ~np.isnan(x[COLUMNS[1]])
            if seen.any():
                expected += stats.multivariate_normal(
                    gaussian.means[k, seen], gaussian.covariances[k][np.ix_(seen, seen)]
                ).logpdf(x[COLUMNS[1]][seen])
            if not np.isnan(x[2]):
                expected += stats.poisson.logpmf(x[2], [2.0, 7.0][k])
            assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_statistics_are_those_of_the_parts(missing):
    model, X = product(), rows(missing=missing)
    R = shares(len(X))
    found = statistics(model, X, R)
    for part, at, own in zip(model.parts, COLUMNS, found.parts, strict=True):
        view = part.view(complete=missing == 0.0)
        expected = statistics(part, X[:, at], R, view=view)
        np.testing.assert_allclose(numbers(own), numbers(expected), atol=1e-12)
    half = np.arange(len(X)) < 20
    total = statistics(model, X[half], R[:, half]) + statistics(
        model, X[~half], R[:, ~half]
    )
    np.testing.assert_allclose(numbers(total), numbers(found), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(numbers(found * 0.25), 0.25 * numbers(found))


def test_the_view_of_a_pattern_is_that_of_any_rows():
    model, X = product(), rows(missing=0.0)
    X[:, [1, 4]] = np.nan
    view, R = model.pattern_view(~np.isnan(X[0])), shares(len(X))
    np.testing.assert_allclose(densities(model, X, view=view), densities(model, X))
    np.testing.assert_allclose(
        numbers(statistics(model, X, R, view=view)),
        numbers(statistics(model, X, R)),
        rtol=1e-9,
        atol=1e-10,
    )


def test_m_step_is_that_of_each_part():
    model, X = product(prior_count=1.5), rows()
    assert model.parts[0].log_prior != model.log_prior
    found = statistics(model, X, shares(len(X)))
    updated = model.maximize(found)
    for part, own, new in zip(model.parts, found.parts, updated.parts, strict=True):
        np.testing.assert_array_equal(numbers(part.maximize(own)), numbers(new))
    assert updated.log_prior == pytest.approx(sum(p.log_prior for p in updated.parts))


def test_recentred_statistics_give_the_same_m_step():
    model, target, X = product(), product(seed=5), rows(missing=0.0)
    R = shares(len(X))
    moved = model.recentre(statistics(model, X, R), target)
    np.testing.assert_allclose(
        numbers(moved), numbers(statistics(target, X, R)), rtol=1e-9, atol=1e-9
    )


def test_pack_and_unpack_are_inverse_part_by_part():
    model = product()
    again = model.unpack(model.pack())
    np.testing.assert_allclose(numbers(again.parts), numbers(model.parts))
    assert model.shape == (K, 6)
    assert model.n_parameters == sum(part.n_parameters for part in model.parts)


def test_draws_given_observed_cells_follow_each_law():
    model, n = product(), 20_000
    x = np.array([np.nan, np.nan, np.nan, 0.4, 1.0, -0.8])
    drawn = model.conditional_draw(
        np.tile(x, (n, 1)), np.ones(n, dtype=int), np.random.default_rng(3)
    )
    labels, gaussian, _ = model.parts
    counts = np.bincount(drawn[:, 0].astype(int), minlength=2)
    p = labels.probabilities()[1][1]
    assert stats.chisquare(counts, p * n).pvalue > 1e-4
    # The second component has independent columns: given the others, the same law.
    law = stats.norm(gaussian.means[1, 0], 1.0)
    assert stats.kstest(drawn[:, 1], law.cdf).pvalue > 1e-4
    counts = np.bincount(drawn[:, 2].astype(int), minlength=30)[:16]
    expected = stats.poisson.pmf(np.arange(16), 7.0)
    found = np.append(counts, n - counts.sum())
    assert stats.chisquare(
        found, np.append(expected, 1 - expected.sum()) * n
    ).pvalue > (1e-4)


def test_conditional_means_are_those_of_the_parts():
    model, X = product(), rows()
    weights = shares(len(X))
    found = model.conditional_mean(X, weights)
    for part, at in zip(model.parts, COLUMNS, strict=True):
        np.testing.assert_array_equal(
            found[:, at], part.conditional_mean(X[:, at], weights)
        )


@pytest.mark.parametrize("prior_count", [0.0, 1.5])
def test_the_posterior_never_falls(prior_count):
    """All priors included: labels, covariances, and none for counts."""
    model, X = Mixture(np.full(K, 1 / K), product(prior_count=prior_count)), rows(400)
    with Rows(X, None, n_features=12, n_threads=1) as opened:
        bounds = []
        for _ in range(25):
            sums = model.posterior_bound(opened.sum(model.e_step))
            bounds.append(sums.bound)
            model = model.m_step(sums)
        ended = run(
            model,
            lambda m: m.posterior_bound(opened.sum(m.e_step)),
            tol=0.0,
            max_iter=40,
        )
    assert np.diff(bounds).min() > -1e-9
    assert bounds[-1] > bounds[0] + 1.0
    assert np.diff(ended.bounds).min() > -1e-12
