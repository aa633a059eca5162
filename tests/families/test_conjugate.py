"""Conjugate laws against draws of the parameters, Bayes' rule and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sklgen.em import Scratch
from sklgen.families import Lengths
from sklgen.families._conjugate_columns import BetaProbabilities, GammaRates
from sklgen.families._conjugate_gaussian import NormalGamma, NormalWishart
from sklgen.families._conjugate_levels import DirichletLevels, DirichletShares
from sklgen.families._conjugate_product import ConjugateProduct

D = 3
KINDS = [NormalWishart, NormalGamma]


def matrix(rng):
    root = rng.normal(size=(D, D))
    return root @ root.T + np.eye(D)


def laws(kind, n=2, seed=0):
    """Some laws; one of them is a prior."""
    rng = np.random.default_rng(seed)
    scatter = np.array([matrix(rng) for _ in range(n)])
    mean = rng.normal(size=(n, D))
    if kind is NormalWishart:
        return kind(mean, rng.uniform(0.5, 3, n), rng.uniform(D + 3, 9, n), scatter)
    return kind(
        mean,
        rng.uniform(0.5, 3, (n, D)),
        rng.uniform(4, 9, (n, D)),
        np.einsum("kii->ki", scatter),
    )


def draws(law, k, n, rng):
    """Means and precisions of one law; precisions of columns where they are apart."""
    if isinstance(law, NormalWishart):
        scale = np.linalg.inv(law.scatter[k])
        precision = stats.wishart(law.dof[k], scale).rvs(n, random_state=rng)
        roots = np.linalg.cholesky(np.linalg.inv(precision) / law.mean_count[k])
        noise = np.einsum("nij,nj->ni", roots, rng.normal(size=(n, D)))
    else:
        precision = rng.gamma(law.dof[k] / 2, 2 / law.scatter[k], size=(n, D))
        noise = rng.normal(size=(n, D)) / np.sqrt(law.mean_count[k] * precision)
    return law.mean[k] + noise, precision


def log_density(law, k, mean, precision):
    """Log-density of means and precisions, for one law or the only one."""
    if isinstance(law, NormalWishart):
        scale = np.linalg.inv(law.scatter[k])
        of_precision = stats.wishart(law.dof[k], scale).logpdf(
            np.moveaxis(precision, 0, -1)
        )
        distance = np.einsum(
            "ni,nij,nj->n", mean - law.mean[k], precision, mean - law.mean[k]
        )
        log_det = np.linalg.slogdet(precision)[1]
        count = law.mean_count[k]
        of_mean = 0.5 * (log_det + D * np.log(count / (2 * np.pi)) - count * distance)
        return of_precision + of_mean
    gamma = stats.gamma(law.dof[k] / 2, scale=2 / law.scatter[k])
    normal = stats.norm(law.mean[k], 1 / np.sqrt(law.mean_count[k] * precision))
    return (gamma.logpdf(precision) + normal.logpdf(mean)).sum(axis=1)


def row_log_density(x, mean, precision):
    """Log-density of one row under each draw; columns that miss are left out."""
    seen = ~np.isnan(x)
    if precision.ndim == 3:
        covariance = np.linalg.inv(precision)
        return np.array(
            [
                stats.multivariate_normal(m[seen], c[np.ix_(seen, seen)]).logpdf(
                    x[seen]
                )
                for m, c in zip(mean, covariance, strict=True)
            ]
        )
    return stats.norm(mean, precision**-0.5).logpdf(x)[:, seen].sum(axis=1)


def evaluate(components, X):
    out = np.empty((components.shape[0], len(X)))
    view = components.view(complete=not np.isnan(X).any())
    view.evaluate(X, Scratch(), out)
    return out


def learn(prior, X, weight=None):
    """The posterior of rows, about some other components."""
    about, _ = laws(type(prior), 1, seed=5).expected()
    view = about.view(complete=not np.isnan(X).any())
    sums, out = view.zeros(), np.empty((1, len(X)))
    features = view.evaluate(X, Scratch(), out)
    view.accumulate(sums, features, np.ones((1, len(X))) if weight is None else weight)
    return prior.posterior(about, view.complete(sums))


def same(one, other):
    for name in ("mean", "mean_count", "dof", "scatter"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("kind", KINDS)
def test_expected_log_density_is_the_mean_over_draws(kind):
    law, rng = laws(kind), np.random.default_rng(1)
    components, offset = law.expected()
    x = np.array([0.3, -1.0, 2.0])
    out = np.empty((2, 1))
    components.view(complete=True).evaluate(x[None], Scratch(), out)
    for k in range(2):
        values = row_log_density(x, *draws(law, k, 4000, rng))
        error = values.std() / np.sqrt(len(values))
        assert abs(out[k, 0] + offset[k] - values.mean()) < 4 * error


def test_missing_cells_of_independent_columns_expect_nothing():
    law, rng = laws(NormalGamma), np.random.default_rng(1)
    components, offset = law.expected()
    x = np.array([0.3, np.nan, 2.0])
    out = np.empty((2, 1))
    components.view(complete=False).evaluate(x[None], Scratch(), out)
    for k in range(2):
        values = row_log_density(x, *draws(law, k, 20_000, rng))
        error = values.std() / np.sqrt(len(values))
        assert abs(out[k, 0] + offset[k] - values.mean()) < 4 * error


@pytest.mark.parametrize("kind", KINDS)
def test_divergence_is_the_mean_log_ratio(kind):
    law, prior, rng = laws(kind), laws(kind, 1, seed=3), np.random.default_rng(1)
    divergence = law.divergence(prior)
    for k in range(2):
        at = draws(law, k, 20_000, rng)
        ratio = log_density(law, k, *at) - log_density(prior, 0, *at)
        error = ratio.std() / np.sqrt(len(ratio))
        assert abs(divergence[k] - ratio.mean()) < 4 * error
    np.testing.assert_allclose(prior.divergence(prior), 0.0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_one_by_one_make_the_evidence(kind):
    prior = laws(kind, 1)
    X = np.random.default_rng(2).normal(size=(6, D))
    law, total = prior, 0.0
    for at, x in enumerate(X):
        total += float(evaluate(law.predictive(), x[None])[0, 0])
        law = learn(prior, X[: at + 1])
    ratio = float((law.log_normalizer() - prior.log_normalizer())[0])
    assert ratio - 0.5 * X.size * np.log(2 * np.pi) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_and_repeating_is_learning_from_those_rows(kind):
    prior = laws(kind, 1)
    X = 2.0 + np.random.default_rng(2).normal(size=(9, D))
    one, other = learn(prior, X[:4]), learn(prior, X[4:])
    same(one.pooled(prior, other), learn(prior, X))
    same(one.repeated(prior, 3.0), learn(prior, np.repeat(X[:4], 3, axis=0)))
    same(one.join(other).take(np.array([1, 0])).take(np.array([1])), one)


@pytest.mark.parametrize("kind", KINDS)
def test_without_rows_the_posterior_is_the_prior(kind):
    prior = laws(kind, 1)
    X = np.random.default_rng(2).normal(size=(5, D))
    same(learn(prior, X, np.zeros((1, 5))), prior)


@pytest.mark.parametrize("kind", KINDS)
def test_pack_and_unpack_are_inverse(kind):
    law, prior = laws(kind), laws(kind, 1, seed=3)
    vector = law.pack(prior)
    same(law.unpack(prior, vector), law)
    moved = law.unpack(prior, vector + 0.1)
    np.testing.assert_allclose(moved.pack(prior), vector + 0.1)


def test_student_density_is_the_marginal_of_the_observed_cells():
    model = laws(NormalWishart).predictive()
    X = np.random.default_rng(2).normal(size=(20, D)) * 3
    for seen in ([0, 1, 2], [0, 2], [1], []):
        rows = np.full_like(X, np.nan)
        rows[:, seen] = X[:, seen]
        found = evaluate(model, rows)
        for k in range(2):
            expected = np.zeros(len(X))
            if seen:
                expected = stats.multivariate_t(
                    model.locations[k, seen],
                    model.scales[k][np.ix_(seen, seen)],
                    df=model.dof[k],
                ).logpdf(X[:, seen])
            np.testing.assert_allclose(found[k], expected, rtol=1e-10, atol=1e-12)


def test_student_draws_are_t_given_the_observed_cells():
    model, n, k = laws(NormalWishart).predictive(), 20_000, 1
    rows = np.tile([1.5, np.nan, -4.0], (n, 1))
    rng = np.random.default_rng(3)
    drawn = model.conditional_draw(rows, np.full(n, k), rng)[:, 1]
    seen, scale = [0, 2], model.scales[k]
    error = rows[0, seen] - model.locations[k, seen]
    inverse = np.linalg.inv(scale[np.ix_(seen, seen)])
    slope = scale[1, seen] @ inverse
    dof = model.dof[k]
    spread = (dof + error @ inverse @ error) / (dof + 2)
    variance = spread * (scale[1, 1] - slope @ scale[seen, 1])
    law = stats.t(dof + 2, model.locations[k, 1] + slope @ error, np.sqrt(variance))
    assert stats.kstest(drawn, law.cdf).pvalue > 1e-3
    only_k = np.zeros((2, n))
    only_k[k] = 1.0
    mean = model.conditional_mean(rows[:1], only_k[:, :1])[0, 1]
    assert mean == pytest.approx(law.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_draws_of_whole_rows_follow_the_density(kind):
    model, n, k = laws(kind).predictive(), 20_000, 0
    rng = np.random.default_rng(4)
    labels = np.full(n, k)
    drawn = model.conditional_draw(np.full((n, D), np.nan), labels, rng)
    for j in range(D):
        if kind is NormalWishart:
            scale, dof = np.sqrt(model.scales[k, j, j]), model.dof[k]
        else:
            scale, dof = model.scales[k, j], model.dof[k, j]
        law = stats.t(dof, model.locations[k, j], scale)
        assert stats.kstest(drawn[:, j], law.cdf).pvalue > 1e-3


def test_axis_student_density_skips_missing_cells():
    model = laws(NormalGamma).predictive()
    X = np.random.default_rng(2).normal(size=(20, D)) * 3
    X[3, 1] = X[5, 0] = X[5, 2] = np.nan
    law = stats.t(model.dof[:, None], model.locations[:, None], model.scales[:, None])
    expected = np.nansum(law.logpdf(X[None]), axis=2)
    np.testing.assert_allclose(evaluate(model, X), expected)


def discrete(kind, n=2, seed=0):
    """Some laws of binary cells, counts or levels of two columns."""
    rng = np.random.default_rng(seed)
    if kind is DirichletLevels:
        return kind(rng.uniform(0.5, 4, (n, 5)), (2, 3))
    if kind is DirichletShares:
        return kind(rng.uniform(0.5, 4, (n, 3)), Lengths(3.0, 2.0))
    sums = rng.uniform(0.5, 4, (n, 2))
    return kind(sums + rng.uniform(0.5, 4, (n, 2)), sums)


DISCRETE = [GammaRates, BetaProbabilities, DirichletLevels, DirichletShares]
CELLS = {
    GammaRates: [[0.0, 3.0], [2.0, np.nan], [np.nan, 7.0], [1.0, 1.0]],
    BetaProbabilities: [[0.0, 1.0], [1.0, np.nan], [np.nan, 0.0], [1.0, 1.0]],
    DirichletLevels: [[0.0, 2.0], [1.0, np.nan], [np.nan, 0.0], [1.0, 1.0]],
    DirichletShares: [[0.0, 2.0, 1.0], [1.0, 0.0, 0.0], [4.0, 0.0, 7.0], [1.0, 1.0, 0]],
}


def cell_log_probabilities(law, k, X, n, rng):
    """Log-probability (n, rows, cells) under draws of one law; shares have one cell."""
    if isinstance(law, DirichletShares):
        shares = rng.dirichlet(law.counts[k], n)
        totals = X.sum(axis=1)
        logs = stats.multinomial.logpmf(X, totals, shares[:, None])
        return (logs + law.lengths.log_probability(totals))[:, :, None]
    X = np.nan_to_num(X)
    if isinstance(law, GammaRates):
        rate = rng.gamma(law.sums[k], 1 / law.count[k], size=(n, 2))
        return stats.poisson(rate[:, None]).logpmf(X)
    if isinstance(law, BetaProbabilities):
        p = rng.beta(law.sums[k], law.count[k] - law.sums[k], size=(n, 2))
        return stats.bernoulli(p[:, None]).logpmf(X)
    codes = X.astype(int)
    parts = [rng.dirichlet(c, n) for c in np.split(law.counts[k], [2])]
    return np.stack([np.log(p[:, codes[:, j]]) for j, p in enumerate(parts)], axis=2)


@pytest.mark.parametrize("kind", DISCRETE)
def test_discrete_expectations_and_predictions_are_means_over_draws(kind):
    law, rng = discrete(kind), np.random.default_rng(1)
    components, offset = law.expected()
    X = np.array(CELLS[kind])
    for rows in (X, X[~np.isnan(X).any(axis=1)]):
        view = components.view(complete=not np.isnan(rows).any())
        found = np.empty((2, len(rows)))
        view.evaluate(rows, Scratch(), found)
        found += np.broadcast_to(offset, 2)[:, None]
        predicted = evaluate(law.predictive(), rows)
        for k in range(2):
            cells = cell_log_probabilities(law, k, rows, 20_000, rng)
            missing = np.isnan(rows) if cells.shape[2] > 1 else False
            logs = np.where(missing, 0.0, cells).sum(axis=2)
            error = logs.std(axis=0) / np.sqrt(len(logs))
            assert np.all(np.abs(found[k] - logs.mean(axis=0)) < 5 * error)
            p = np.exp(logs)
            error = p.std(axis=0) / np.sqrt(len(p))
            assert np.all(np.abs(np.exp(predicted[k]) - p.mean(axis=0)) < 5 * error)


@pytest.mark.parametrize("kind", DISCRETE)
def test_discrete_predictions_one_by_one_make_the_evidence(kind):
    """So log-normalisers, and the divergence, which is one of them at the optimum."""
    prior = discrete(kind, 1)
    X = np.array(CELLS[kind])
    law, total = prior, 0.0
    for x in X:
        total += float(evaluate(law.predictive(), x[None])[0, 0])
        law = law.pooled(prior, learn_discrete(prior, x[None]))
    components, offset = law.expected()
    out = np.empty((1, len(X)))
    components.view(complete=False).evaluate(X, Scratch(), out)
    expected = out.sum() + float(np.sum(offset)) * len(X)
    assert expected - law.divergence(prior)[0] == pytest.approx(total, rel=1e-10)


def learn_discrete(prior, X):
    about, _ = prior.expected()
    view = about.view(complete=False)
    sums, out = view.zeros(), np.empty((1, len(X)))
    features = view.evaluate(X, Scratch(), out)
    view.accumulate(sums, features, np.ones((1, len(X))))
    return prior.posterior(about, view.complete(sums))


def fields_close(one, other):
    for name, array in one._arrays.items():
        np.testing.assert_allclose(array, getattr(other, name), rtol=1e-12)


@pytest.mark.parametrize("kind", DISCRETE)
def test_discrete_laws_pool_repeat_and_pack(kind):
    prior = discrete(kind, 1)
    X = np.array(CELLS[kind])
    one, other = learn_discrete(prior, X[:2]), learn_discrete(prior, X[2:])
    fields_close(one.pooled(prior, other), learn_discrete(prior, X))
    fields_close(one.repeated(prior, 2.0), learn_discrete(prior, X[[0, 1, 0, 1]]))
    laws = discrete(kind, seed=5)
    fields_close(laws.unpack(prior, laws.pack(prior)), laws)
    np.testing.assert_allclose(prior.divergence(prior), 0.0, atol=1e-14)
    assert np.all(laws.divergence(prior) > 0)


def test_a_product_is_the_sum_of_its_parts():
    columns = (np.array([0, 3, 4]), np.array([1, 2]))

    def product(seed, n=2):
        parts = laws(NormalWishart, n, seed), discrete(GammaRates, n, seed)
        return ConjugateProduct(parts, columns)

    some, prior = product(0), product(3, 1)
    divergences = [
        part.divergence(own) for part, own in zip(some.parts, prior.parts, strict=True)
    ]
    np.testing.assert_allclose(some.divergence(prior), sum(divergences))
    rng = np.random.default_rng(0)
    X = np.empty((30, 5))
    X[:, columns[0]], X[:, columns[1]] = (
        rng.normal(size=(30, 3)),
        rng.poisson(3, (30, 2)),
    )
    X[3, 1] = X[5, 0] = X[6] = np.nan
    expected = sum(
        evaluate(part.predictive(), X[:, at])
        for part, at in zip(some.parts, columns, strict=True)
    )
    np.testing.assert_allclose(evaluate(some.predictive(), X), expected)
    again = some.unpack(prior, some.pack(prior))
    same(again.parts[0], some.parts[0])
    fields_close(again.parts[1], some.parts[1])
    assert len(some.join(prior).take(np.array([2, 0, 1]))) == 3


@pytest.mark.parametrize("kind", [*KINDS, DirichletShares])
def test_the_tuned_prior_has_the_smallest_divergence(kind):
    """Among priors that differ by what is tuned: the scatter, counts of the mean."""
    law = laws(kind, 4) if kind in KINDS else discrete(kind, 4)
    prior = laws(kind, 1, seed=3) if kind in KINDS else discrete(kind, 1, seed=3)
    names = ("mean_count", "scatter") if kind in KINDS else ("counts",)
    best = law.tuned(prior)
    least = law.divergence(best).sum()
    assert least < law.divergence(prior).sum()
    for name in names:
        for factor in (0.9, 1.1):
            moved = replace(best, **{name: factor * getattr(best, name)})
            assert law.divergence(moved).sum() > least
