"""The collapsed Gibbs sampler against the posterior of all labels, enumerated."""

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.special import gammaln
from sklearn.metrics import normalized_mutual_info_score

from sklgen.families._counts import as_csr
from sklgen.mixture import DirichletMultinomialMixture
from sklgen.mixture._gibbs import Clusters, Walkers, _State, sample_clusters

ALPHA, BETA, K = 0.7, 0.4, 3
SHORT = np.array([[2, 0, 1], [1, 0, 0], [0, 2, 0], [0, 1, 1], [1, 1, 1]])
# More tokens than the 16 that are multiplied up between logarithms.
LONG = np.array([[20, 3, 1], [15, 3, 2], [0, 25, 16], [2, 12, 17]])
FRACTIONS = np.array([[1.5, 0, 0.2], [0.7, 0, 0], [0, 2.2, 0], [0, 0.4, 1.1]])
BEFORE = Clusters(np.array([2.0, 1.0]), np.array([[3.0, 0.0, 1.0], [0.0, 2.0, 2.0]]))

CASES = {
    "short": (SHORT, np.ones(5), None),
    "long": (LONG, np.ones(4), None),
    "before": (SHORT[:4], np.ones(4), BEFORE),
    "repeated": (SHORT[:3], np.array([2.0, 1.0, 1.0]), None),
    "fractions": (FRACTIONS, np.ones(4), None),
    "weights": (SHORT[:4], np.array([0.5, 1.7, 0.3, 1.0]), None),
    "fractions-before": (FRACTIONS, np.ones(4), BEFORE),
}


def planted(n=400, n_clusters=6, d=80, seed=0):
    """Short rows of counts from clusters with few columns each."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(d, 0.05), n_clusters)
    labels = rng.integers(n_clusters, size=n)
    X = np.stack([rng.multinomial(rng.integers(4, 15), shares[k]) for k in labels])
    return X.astype(float), labels


def log_joint(rows, mass, labels, before):
    """Log-probability of labels and rows, up to a constant."""
    d = rows.shape[1]
    weights, counts = np.zeros(K), np.zeros((K, d))
    if before is not None:
        weights[:2], counts[:2] = before.weights, before.counts
    for x, m, k in zip(rows, mass, labels, strict=True):
        weights[k] += m
        counts[k] += m * x
    value = gammaln(weights + ALPHA).sum() + gammaln(counts + BETA).sum()
    return value - gammaln(counts.sum(axis=1) + d * BETA).sum()


def partition(labels, n_fixed=0):
    """Labels up to the names of clusters, apart from those of the first `n_fixed`."""
    names = {k: k for k in range(n_fixed)}
    return tuple(names.setdefault(int(k), len(names)) for k in labels)


def posterior(rows, mass, before):
    fixed = 0 if before is None else 2
    found = {}
    for labels in itertools.product(range(K), repeat=len(rows)):
        key = partition(labels, fixed)
        value = log_joint(rows, mass, labels, before)
        found[key] = np.logaddexp(found.get(key, -np.inf), value)
    total = np.logaddexp.reduce(list(found.values()))
    return {key: np.exp(value - total) for key, value in found.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_chain_visits_labels_as_often_as_their_posterior_says(name):
    X, weight, before = CASES[name]
    rng = np.random.default_rng(0)
    walkers = Walkers(as_csr(X.astype(float)), weight, rng)
    assert walkers.whole == ("fractions" not in name and name != "weights")
    expected = posterior(X[walkers.rows], walkers.mass, before)
    state = _State(walkers, rng.integers(K, size=len(walkers)), before, K)
    n, visits = 12_000, Counter()
    for _ in range(n):
        state.close_ranks()
        state.sweep(ALPHA, BETA, rng.random(len(walkers)))
        visits[partition(state._labels, 0 if before is None else 2)] += 1
    for key, probability in expected.items():
        # Sweeps depend on each other: five of them are worth one.
        error = np.sqrt(probability * (1 - probability) / (n / 5))
        assert abs(visits[key] / n - probability) < 4.5 * error + 1e-4, (
            key,
            visits[key],
        )


def test_kernels_of_whole_and_fractional_counts_agree():
    X, _ = planted(n=150)
    found = []
    for whole in (True, False):
        rng = np.random.default_rng(0)
        walkers = Walkers(as_csr(X), np.ones(len(X)), rng)
        walkers.whole = whole
        labels = rng.integers(30, size=len(walkers))
        found.append(
            sample_clusters(
                walkers, labels, None,
                n_clusters=30, n_sweeps=10, alpha=0.1, beta=0.1, rng=rng,
            )
        )  # fmt: skip
    (one, clusters), (two, others) = found
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(clusters.counts, others.counts, atol=1e-9)
    np.testing.assert_allclose(clusters.weights, others.weights)


def test_tables_are_those_of_the_labels():
    X, _ = planted()
    weight = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    model = DirichletMultinomialMixture(40, method="gibbs", random_state=0)
    model.fit(X, sample_weight=weight)
    rng = np.random.default_rng(0)
    walkers = Walkers(as_csr(X), weight, rng)
    labels, clusters = sample_clusters(
        walkers, rng.integers(40, size=len(walkers)), None,
        n_clusters=40, n_sweeps=5, alpha=0.1, beta=0.1, rng=rng,
    )  # fmt: skip
    assert (np.diff(clusters.weights) <= 0).all()
    assert clusters.weights.min() > 0
    for k, counts in enumerate(clusters.counts):
        rows = walkers.rows[labels == k]
        assert len(rows) == clusters.weights[k]
        np.testing.assert_array_equal(counts, X[rows].sum(axis=0))


def test_planted_clusters_are_found_and_the_others_left_empty():
    X, labels = planted()
    for seed in range(3):
        model = DirichletMultinomialMixture(60, method="gibbs", random_state=seed).fit(
            X
        )
        assert 6 <= model.n_components_ <= 9
        for found in (model.labels_, model.predict(X)):
            assert normalized_mutual_info_score(labels, found) > 0.97


def test_fitted_attributes_are_posterior_means_of_the_last_labels():
    X, _ = planted()
    model = DirichletMultinomialMixture(20, method="gibbs", random_state=0).fit(X)
    sizes = np.bincount(model.labels_) + 0.1
    np.testing.assert_allclose(model.weights_, sizes / sizes.sum())
    for k in range(model.n_components_):
        counts = X[model.labels_ == k].sum(axis=0) + 0.1
        np.testing.assert_allclose(model.probabilities_[k], counts / counts.sum())
        assert model.concentrations_[k] == pytest.approx(counts.sum())


def test_rows_without_weight_have_the_label_that_predict_gives():
    X, _ = planted()
    weight = (np.arange(len(X)) % 3 > 0).astype(float)
    model = DirichletMultinomialMixture(20, method="gibbs", random_state=0)
    model.fit(X, sample_weight=weight)
    absent = weight == 0
    np.testing.assert_array_equal(model.labels_[absent], model.predict(X[absent]))
    assert model._clusters.weights.sum() == weight.sum()


def test_later_batches_join_the_clusters_of_earlier_ones():
    X, labels = planted(n=600)
    model = DirichletMultinomialMixture(40, method="gibbs", random_state=0)
    found = [model.partial_fit(part).predict(X) for part in np.split(X, 3)]
    assert model.n_iter_ == 90
    assert model._clusters.weights.sum() == 600
    np.testing.assert_allclose(model._clusters.counts.sum(axis=0), X.sum(axis=0))
    assert normalized_mutual_info_score(labels, found[-1]) > 0.97
    assert model._lengths.mean == pytest.approx(X.sum(axis=1).mean())


def test_a_warm_start_goes_on_from_the_clusters_found():
    X, labels = planted()
    model = DirichletMultinomialMixture(
        40, method="gibbs", n_sweeps=10, warm_start=True, random_state=0
    ).fit(X)
    model.set_params(n_sweeps=1).fit(X)
    assert model.n_iter_ == 1
    assert normalized_mutual_info_score(labels, model.labels_) > 0.97
