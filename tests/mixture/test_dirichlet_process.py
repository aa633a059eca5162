"""The bound against exact evidence, the moves, and the number of components."""

import warnings

import numpy as np
import pytest
from scipy.special import betaln, gammaln
from sklearn.exceptions import ConvergenceWarning

from sklgen.datasets import load_galaxies, load_penguins
from sklgen.em import Rows
from sklgen.mixture import (
    DirichletProcessMixture,
)
from sklgen.mixture._dirichlet_process_model import Sticks
from sklgen.mixture._dirichlet_process_prior import prior_of
from sklgen.mixture._dirichlet_process_search import Ascent
from sklgen.mixture._dirichlet_process_start import Discovery

COVARIANCES = ["full", "diag"]


def clusters(n, seed, n_clusters=8, apart=6.0):
    """Round clusters of unit deviation, of different sizes, in the plane."""
    rng = np.random.default_rng(seed)
    while True:
        means = rng.uniform(-15, 15, size=(n_clusters, 2))
        distance = np.linalg.norm(means[:, None] - means, axis=2)
        if distance[np.triu_indices(n_clusters, 1)].min() > apart:
            break
    labels = rng.choice(n_clusters, n, p=rng.dirichlet(np.full(n_clusters, 5.0)))
    return means[labels] + rng.normal(size=(n, 2)), labels


def fit(X, **params):
    return DirichletProcessMixture(random_state=0, **params).fit(X)


def partitions(items):
    """All ways to put items into groups."""
    if not items:
        yield []
        return
    first, *rest = items
    for groups in partitions(rest):
        yield [[first], *groups]
        for at, group in enumerate(groups):
            yield [*groups[:at], [first, *group], *groups[at + 1 :]]


@pytest.fixture
def fixed_prior():
    """A prior that does not look at the data."""
    return {
        "mean_prior": [0.0, 0.0],
        "mean_precision_prior": 0.3,
        "degrees_of_freedom_prior": 4.0,
    }


def covariance(covariance_type):
    return [[2.0, 0.5], [0.5, 1.0]] if covariance_type == "full" else [2.0, 1.0]


def exact_log_evidence(X, covariance_type, fixed_prior):
    """Log-evidence of rows in one component, from predictions one by one."""
    total = 0.0
    model = DirichletProcessMixture(
        covariance_type=covariance_type,
        covariance_prior=covariance(covariance_type),
        **fixed_prior,
    )
    prior = prior_of(model, X, np.ones(len(X)), np.arange(2), 1).law
    for n, x in enumerate(X):
        law = prior
        if n:
            about, _ = prior.expected()
            view = about.view(complete=True)
            sums, out = view.zeros(), np.empty((1, n))
            features = view.evaluate(X[:n], _allocate, out)
            view.accumulate(sums, features, np.ones((1, n)))
            law = prior.posterior(about, view.complete(sums))
        out = np.empty((1, 1))
        law.predictive().view(complete=True).evaluate(x[None], _allocate, out)
        total += float(out[0, 0])
    return total


def _allocate(name, shape):
    return np.empty(shape)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_with_one_component_the_bound_is_the_evidence(covariance_type, fixed_prior):
    X = np.random.default_rng(0).normal(size=(7, 2))
    model = fit(
        X,
        covariance_type=covariance_type,
        covariance_prior=covariance(covariance_type),
        max_components=1,
        weight_concentration_prior=0.7,
        **fixed_prior,
    )
    # All rows on the first stick, of length Beta(1, 0.7).
    stick = betaln(1 + len(X), 0.7) - betaln(1, 0.7)
    evidence = exact_log_evidence(X, covariance_type, fixed_prior) + stick
    assert model.lower_bound_ * len(X) == pytest.approx(evidence, rel=1e-10)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("apart", [0.0, 12.0])
def test_the_bound_is_below_the_evidence_over_all_partitions(
    covariance_type, apart, fixed_prior
):
    X = np.random.default_rng(1).normal(size=(4, 2))
    X[:2] += apart
    concentration = 0.7
    logs = []
    for groups in partitions(list(range(len(X)))):
        log_partition = len(groups) * np.log(concentration)
        log_partition += gammaln(concentration) - gammaln(concentration + len(X))
        for group in groups:
            log_partition += gammaln(len(group))
            log_partition += exact_log_evidence(X[group], covariance_type, fixed_prior)
        logs.append(log_partition)
    assert len(logs) == 15
    exact = np.logaddexp.reduce(logs)
    model = fit(
        X,
        covariance_type=covariance_type,
        covariance_prior=covariance(covariance_type),
        weight_concentration_prior=concentration,
        n_init=3,
        **fixed_prior,
    )
    gap = exact - model.lower_bound_ * len(X)
    # Labels of sticks are ordered and the posterior factorises: a few nats are lost.
    assert 0.0 < gap < 2.5
    assert model.n_components_ == (1 if apart == 0 else 2)


def test_sticks_against_draws():
    sticks = Sticks(np.array([5.0, 3.5, 1.0]), 1.7)
    rng = np.random.default_rng(0)
    a = 1 + sticks.counts
    b = 1.7 + np.array([4.5, 1.0, 0.0])
    v = rng.beta(a, b, size=(200_000, 3))
    left = np.cumprod(1 - v, axis=1)
    weights = v * np.column_stack([np.ones(len(v)), left[:, :-1]])
    log_error = np.log(weights).std(axis=0) / np.sqrt(len(v))
    gap = np.log(weights).mean(axis=0) - sticks.expected_log_weights
    assert np.all(np.abs(gap) < 5 * log_error)
    error = weights.std(axis=0) / np.sqrt(len(v))
    assert np.all(np.abs(weights.mean(axis=0) - sticks.mean_weights) < 5 * error)
    log_q = (a - 1) * np.log(v) + (b - 1) * np.log1p(-v) - betaln(a, b)
    log_p = (1.7 - 1) * np.log1p(-v) - betaln(1, 1.7)
    ratio = (log_q - log_p).sum(axis=1)
    error = ratio.std() / np.sqrt(len(ratio))
    assert abs(ratio.mean() - sticks.divergence) < 5 * error


def test_a_component_without_rows_changes_no_stick():
    some, more = Sticks(np.array([5.0, 3.0]), 2.0), Sticks(np.array([5.0, 3.0, 0.0]), 2)
    assert some.divergence == pytest.approx(more.divergence, rel=1e-12)
    np.testing.assert_allclose(
        some.expected_log_weights, more.expected_log_weights[:2], rtol=1e-12
    )


def ascent(X, n_seeds, covariance_type="full"):
    """A rough posterior of rows, nothing merged, and the rows it is of."""
    model = DirichletProcessMixture(covariance_type=covariance_type, n_jobs=1)
    family = prior_of(model, X, np.ones(len(X)), np.arange(2), 1)
    rows = Rows(X, None, n_features=10, n_threads=1)
    discover = Discovery(
        family.law, 1.0, n_seeds, 8192, None, family.places, np.random.default_rng(0)
    )
    labels = discover._clusters(X, np.ones(len(X)))
    return Ascent(discover._labelled(rows, labels), rows, max_iter=10_000), rows


@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_an_e_step_gains_at_least_what_a_merge_promises(covariance_type):
    X, _ = clusters(400, seed=1, n_clusters=3)
    climber, rows = ascent(X, 7, covariance_type)
    climber.climb(1e-2, 3)
    updated = climber.model.updated(climber.statistics)
    first, second, gain = climber._pairs(updated)
    assert len(gain) == 21
    for a, b, promised in zip(first, second, gain, strict=True):
        merged = updated.merged(np.array([a]), np.array([b]))
        bound = merged.bounded(rows.sum(merged.e_step)).bound
        assert bound - climber.statistics.bound >= promised - 1e-8 * abs(bound)
    assert (gain > 0).any()
    assert (gain < 0).any()


def test_sorting_components_by_size_raises_the_bound():
    X, _ = clusters(300, seed=1, n_clusters=3)
    climber, rows = ascent(X, 5)
    ordered = climber.model
    assert np.all(np.diff(ordered.sticks.counts) <= 0)
    shuffled = ordered.take(np.array([3, 1, 0, 4, 2]))
    bounds = [m.bounded(rows.sum(m.e_step)).bound for m in (shuffled, ordered)]
    assert bounds[0] < bounds[1]


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_bound_never_falls(covariance_type, missing):
    X, _ = clusters(600, seed=3)
    rng = np.random.default_rng(0)
    X[rng.random(X.shape) < missing] = np.nan
    X = X[~np.isnan(X).all(axis=1)]
    weight = rng.uniform(0.2, 3.0, len(X))
    model = DirichletProcessMixture(covariance_type=covariance_type, random_state=0)
    model.fit(X, sample_weight=weight)
    assert model.converged_
    assert len(model.lower_bounds_) > 2
    assert np.min(np.diff(model.lower_bounds_)) >= -1e-12 * abs(model.lower_bound_)


@pytest.mark.parametrize("seed", range(3))
def test_separated_clusters_are_found(seed):
    X, labels = clusters(2000, seed=seed)
    model = DirichletProcessMixture(random_state=seed).fit(X)
    assert model.n_components_ == 8
    found = model.predict(X)
    assert len(set(zip(labels.tolist(), found.tolist(), strict=True))) <= 12
    true = np.array([X[labels == k].mean(axis=0) for k in range(8)])
    nearest = np.linalg.norm(true[:, None] - model.means_, axis=2).min(axis=1)
    assert nearest.max() < 0.2


def test_more_clusters_than_a_start_has_are_found_by_births():
    grid = 12.0 * np.stack(np.meshgrid(*[np.arange(6)] * 2), axis=-1).reshape(-1, 2)
    X = np.repeat(grid, 40, axis=0)
    X = X + np.random.default_rng(0).normal(size=X.shape)
    model = DirichletProcessMixture(random_state=0).fit(X)
    assert 32 <= model.n_components_ <= 38
    capped = DirichletProcessMixture(max_components=25, random_state=0).fit(X)
    assert 20 <= capped.n_components_ <= 25
    assert capped.lower_bound_ < model.lower_bound_


def test_the_number_of_components_of_the_galaxies():
    model = fit(load_galaxies().data)
    assert 3 <= model.n_components_ <= 6


def test_units_and_rotations_change_nothing():
    X, _ = clusters(500, seed=4, n_clusters=4)
    turn = np.array([[3.0, 1.0], [-0.5, 0.01]])
    plain, turned = fit(X, n_init=2), fit(X @ turn + 5.0, n_init=2)
    shift = np.log(abs(np.linalg.det(turn)))
    assert plain.n_components_ == turned.n_components_
    assert turned.lower_bound_ == pytest.approx(plain.lower_bound_ - shift, abs=1e-5)
    np.testing.assert_allclose(
        turned.score_samples(X @ turn + 5.0), plain.score_samples(X) - shift, atol=1e-3
    )


def test_columns_that_follow_from_others_are_no_obstacle():
    X, _ = clusters(300, seed=5, n_clusters=3)
    X = np.column_stack([X, X[:, 0] - X[:, 1], np.ones(len(X))])
    model = fit(X)
    assert model.n_components_ >= 3
    assert np.isfinite(model.score_samples(X)).all()


def test_missing_cells_cost_no_component():
    X = load_penguins(as_frame=True).data.select_dtypes("number").dropna(how="all")
    complete = X.dropna()
    holes = X.mask(np.random.default_rng(0).random(X.shape) < 0.1).dropna(how="all")
    one, other = fit(complete), fit(holes)
    assert one.n_components_ == other.n_components_
    assert other.score(complete) > one.score(complete) - 0.15


def test_a_higher_concentration_expects_more_components():
    X = np.random.default_rng(0).standard_t(3, size=(400, 1))
    few = fit(X, weight_concentration_prior=1e-3)
    many = fit(X, weight_concentration_prior=30.0)
    assert few.n_components_ <= many.n_components_
    assert few.lower_bound_ != many.lower_bound_


def test_the_limit_on_iterations_is_kept():
    X, _ = clusters(500, seed=6)
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        model = fit(X, max_iter=3)
    assert not model.converged_
    assert model.n_iter_ == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit(X, max_iter=0).n_iter_ == 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"mean_prior": [0.0]}, "mean_prior has shape"),
        ({"covariance_prior": [1.0, 1.0]}, "covariance_prior has shape"),
        ({"covariance_prior": [[1.0, 2.0], [2.0, 1.0]]}, "positive definite"),
        ({"degrees_of_freedom_prior": 1.0}, "above n_features - 1 = 1"),
        (
            {"covariance_type": "diag", "covariance_prior": [1.0, 0.0]},
            "covariance_prior must be positive",
        ),
    ],
)
def test_priors_that_do_not_fit_are_errors(params, message):
    X, _ = clusters(50, seed=7, n_clusters=2)
    with pytest.raises(ValueError, match=message):
        fit(X, **params)
