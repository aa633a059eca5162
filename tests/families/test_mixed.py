"""Laws that are mixtures: against sums over their members."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from sklgen.em import Rows, Scratch, run
from sklgen.families import FullGaussian, Mixed, Poisson, TiedGaussian
from sklgen.mixture._structure import Mixture

K, M, D = 2, 3, 2


def gaussians(family=FullGaussian, seed=0):
    rng = np.random.default_rng(seed)
    root = np.tril(rng.uniform(0.4, 1.2, size=(K * M, D, D)))
    covariances = (root @ root.mT)[: family.stored_shape(K * M, D)[0]]
    means = 2.0 * rng.normal(size=(K * M, D))
    return family(means, covariances, np.ones(D), 1e-6)


def mixed(family=FullGaussian, seed=0):
    weights = np.random.default_rng(seed).dirichlet(np.ones(M), K)
    return Mixed(weights, gaussians(family, seed))


def rows(n=50, missing=0.3, seed=1):
    rng = np.random.default_rng(seed)
    X = 2.0 * rng.normal(size=(n, D))
    X[rng.random(X.shape) < missing] = np.nan
    return X


def log_members(model, X):
    """Log of weight times density (K, M, n) of the observed cells, by scipy."""
    log = np.empty((K * M, len(X)))
    covariances = np.broadcast_to(model.members.covariances, (K * M, D, D))
    for k, (mean, covariance) in enumerate(
        zip(model.members.means, covariances, strict=True)
    ):
        for i, row in enumerate(X):
            seen = np.flatnonzero(~np.isnan(row))
            part = covariance[np.ix_(seen, seen)]
            law = multivariate_normal(mean[seen], part) if len(seen) else None
            log[k, i] = law.logpdf(row[seen]) if len(seen) else 0.0
    return log.reshape(K, M, -1) + np.log(model.weights)[:, :, None]


def densities(model, X):
    out = np.empty((K, len(X)))
    model.view(complete=not np.isnan(X).any()).evaluate(X, Scratch(), out)
    return out


def statistics(model, X, R):
    view = model.view(complete=not np.isnan(X).any())
    sums, scratch = view.zeros(), Scratch()
    for at in np.array_split(np.arange(len(X)), 3):
        features = view.evaluate(X[at], scratch, np.empty((K, len(at))))
        view.accumulate(sums, features, np.ascontiguousarray(R[:, at]))
    return view.complete(sums)


def shares(n, seed=2):
    return np.random.default_rng(seed).dirichlet(np.ones(K), n).T.copy()


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("family", [FullGaussian, TiedGaussian])
def test_density_is_the_sum_over_members(family, missing):
    model, X = mixed(family), rows(missing=missing)
    expected = logsumexp(log_members(model, X), axis=1)
    assert_allclose(densities(model, X), expected, atol=1e-10)


def test_statistics_are_those_of_members_by_their_posterior():
    model, X, R = mixed(), rows(), shares(50)
    log = log_members(model, X)
    joint = R[:, None] * np.exp(log - logsumexp(log, axis=1, keepdims=True))
    found = statistics(model, X, R)
    assert_allclose(found.counts, joint.sum(axis=2), rtol=1e-10)
    view = model.members.view(complete=False)
    sums = view.zeros()
    features = view.evaluate(X, Scratch(), np.empty((K * M, len(X))))
    view.accumulate(sums, features, joint.reshape(K * M, -1))
    members = view.complete(sums)
    for name in ("count", "first", "second"):
        expected = getattr(members, name)
        assert_allclose(getattr(found.family, name), expected, atol=1e-10)
    assert_allclose(
        model.maximize(found).weights,
        joint.sum(axis=2) / joint.sum(axis=(1, 2))[:, None],
        rtol=1e-10,
    )


def test_the_bound_never_falls_and_ends_where_it_is_flat():
    X = rows(120)
    start = Mixture(np.full(K, 0.5), mixed())
    with Rows(X, None, n_features=start.components.n_features, n_threads=1) as data:
        found = run(start, lambda m: data.sum(m.e_step), tol=1e-9, max_iter=1000)
    assert np.diff(found.bounds).min() >= -1e-12
    best = found.model
    rng = np.random.default_rng(0)
    vector = best.components.pack()
    for _ in range(20):
        moved = best.components.unpack(vector + 0.02 * rng.normal(size=vector.shape))
        total = logsumexp(densities(moved, X) + np.log(best.weights)[:, None], axis=0)
        assert total.mean() <= found.bounds[-1] + 1e-7


def test_completed_cells_are_averages_over_members():
    model, X, R = mixed(), rows(), shares(50)
    log = log_members(model, X)
    joint = R[:, None] * np.exp(log - logsumexp(log, axis=1, keepdims=True))
    means, _ = model.members.conditional_moments(X)
    expected = np.einsum("kn,knj->nj", joint.reshape(K * M, -1), means)
    gone = np.isnan(X)
    assert_allclose(model.conditional_mean(X, R)[gone], expected[gone], atol=1e-10)
    row = np.array([[0.5, np.nan]])
    labels = np.repeat([0, 1], 20_000)
    drawn = model.conditional_draw(
        np.tile(row, (40_000, 1)), labels, np.random.default_rng(0)
    )
    for law, own in enumerate((drawn[:20_000, 1], drawn[20_000:, 1])):
        mean = model.conditional_mean(row, np.eye(K)[:, [law]])[0, 1]
        assert own.mean() == pytest.approx(mean, abs=5 * own.std() / np.sqrt(20_000))


def test_parameters_go_to_a_vector_and_back():
    model, X = mixed(), rows()
    again = model.unpack(model.pack())
    assert_allclose(again.weights, model.weights, rtol=1e-12)
    assert_allclose(densities(again, X), densities(model, X), atol=1e-9)
    assert model.n_parameters == K * (M - 1) + K * M * (D + D * (D + 1) // 2)


def test_some_laws_keep_their_members():
    model, X = mixed(), rows()
    swapped = model.take(np.array([1, 0]))
    assert_allclose(densities(swapped, X), densities(model, X)[::-1], atol=1e-12)


def test_statistics_move_to_other_parameters():
    model, other, X, R = mixed(), mixed(seed=5), rows(missing=0.0), shares(50)
    found = statistics(model, X, R)
    moved = model.recentre(found, other)
    assert_allclose(moved.counts, found.counts)
    one, two = model.maximize(found), other.maximize(moved)
    assert_allclose(two.members.means, one.members.means, atol=1e-10)
    assert_allclose(two.members.covariances, one.members.covariances, atol=1e-10)


def test_a_law_without_weight_stays_as_it_is():
    model, X, R = mixed(), rows(), shares(50)
    R[1] = 0.0
    updated = model.maximize(statistics(model, X, R))
    assert_allclose(updated.weights[1], model.weights[1])
    assert_allclose(updated.members.means[M:], model.members.means[M:])


def test_members_may_be_of_any_family():
    one = Poisson.standard(1)
    rates = np.array([[1.0], [9.0], [2.0], [5.0], [7.0], [30.0]])
    weights = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    model = Mixed(weights, Poisson(rates, prior=one.prior))
    X = np.arange(200.0)[:, None]
    out = densities(model, X)
    assert_allclose(np.exp(out).sum(axis=1), 1.0, rtol=1e-10)
    means = np.exp(out) @ X[:, 0]
    assert_allclose(means, np.sum(weights * rates.reshape(K, M), axis=1), rtol=1e-8)


def test_a_dead_member_stays_dead_and_has_a_place_in_the_vector():
    model = mixed()
    weights = model.weights.copy()
    weights[0] = [0.0, 0.25, 0.75]
    model = Mixed(weights, model.members)
    vector = model.pack()
    assert np.isfinite(vector).all()
    assert_allclose(model.unpack(vector).weights, weights)
    assert model.unpack(vector + 0.5 * np.arange(len(vector))).weights[0, 0] == 0.0


def test_units_are_deviations_within_members_by_their_weight():
    model, data = mixed(), mixed()
    wide = data.members.equal(K * M, np.zeros(D), np.full(D, 100.0), 1e-6)
    shares = np.array([0.9, 0.1])
    settled = model.settle(shares, Mixed(data.weights, wide))
    within = (shares[:, None] * model.weights).ravel() @ model.members.variances()
    assert_allclose(settled.members.scale, np.sqrt(within))
