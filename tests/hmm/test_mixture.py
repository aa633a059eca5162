"""Mixtures of HMMs: planted clusters, enumeration, the models they contain."""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score

import sklgen.em._sequences as cutting
from sklgen.hmm import (
    GaussianHMM,
    HMMMixture,
    groups_from_lengths,
)
from sklgen.mixture import GaussianMixture
from tests.hmm.cluster_cases import planted, tiny


@pytest.fixture(scope="module")
def fitted():
    """Two chains of two states, after a few steps on rows with missing cells."""
    X, _ = planted(0, n_each=4, T=12)
    rng = np.random.default_rng(1)
    for part in X:
        part[rng.random(part.shape) < 0.1] = np.nan
    model = HMMMixture(2, 2, n_init=2, max_iter=4, random_state=0)
    with pytest.warns(UserWarning, match="did not converge"):
        return model.fit(X)


def joint(model, X):
    """Log-density of X with each chain and path: (chain, path, value)."""
    for c, (weight, hmm) in enumerate(zip(model.weights_, model.hmms_, strict=True)):
        for path in itertools.product(range(2), repeat=len(X)):
            value = np.log(weight) + np.log(hmm.startprob_[path[0]])
            for here, then in itertools.pairwise(path):
                value += np.log(hmm.transmat_[here, then])
            for x, k in zip(X, path, strict=True):
                at = ~np.isnan(x)
                if at.any():
                    cov = hmm.covariances_[k][np.ix_(at, at)]
                    value += multivariate_normal.logpdf(x[at], hmm.means_[k][at], cov)
            yield c, path, value


@pytest.mark.parametrize("X", tiny(), ids=len)
def test_likelihood_and_clusters_equal_enumeration(fitted, X):
    chains, _, values = zip(*joint(fitted, X), strict=True)
    whole = logsumexp(values)
    found = fitted.score_samples([X])[0]
    np.testing.assert_allclose(found.sum(), whole, rtol=1e-10, atol=1e-13)
    for t in range(1, len(X)):
        past = logsumexp([value for *_, value in joint(fitted, X[:t])])
        np.testing.assert_allclose(found[:t].sum(), past, rtol=1e-10)
    share = np.bincount(chains, np.exp(np.array(values) - whole))
    proba = fitted.predict_proba_sequences([X])[0]
    np.testing.assert_allclose(proba, share, rtol=1e-9)
    np.testing.assert_allclose(fitted.predict_proba([X])[0], [share] * len(X))
    assert (fitted.predict([X])[0] == share.argmax()).all()


def test_imputed_cells_equal_enumeration(fitted):
    X = tiny(3, missing=0.4)[0]
    assert np.isnan(X).any()
    expected, total = np.zeros(X.shape), 0.0
    for c, path, value in joint(fitted, X):
        hmm, weight = fitted.hmms_[c], np.exp(value)
        filled = X.copy()
        for x, k in zip(filled, path, strict=True):
            o, m = ~np.isnan(x), np.isnan(x)
            cov = hmm.covariances_[k]
            slope = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
            x[m] = hmm.means_[k][m] + slope @ (x[o] - hmm.means_[k][o])
        expected += weight * filled
        total += weight
    np.testing.assert_allclose(fitted.impute([X])[0], expected / total, rtol=1e-8)


@pytest.mark.parametrize("missing", [0.4, 1.0])
def test_draws_of_missing_cells_have_the_imputed_mean(fitted, missing):
    X = tiny(3, missing=missing)[0]
    n = 4000
    drawn = np.stack(fitted.sample_conditional([X] * n, random_state=0))
    error = drawn.std(axis=0) / np.sqrt(n)
    gap = np.abs(drawn.mean(axis=0) - fitted.impute([X])[0])
    assert (gap <= 4.0 * error + 1e-12).all()


def test_each_model_can_be_used_alone(fitted):
    X = tiny()
    sums = [[part.sum() for part in hmm.score_samples(X)] for hmm in fitted.hmms_]
    mixed = logsumexp(np.log(fitted.weights_)[:, None] + sums, axis=0)
    found = [part.sum() for part in fitted.score_samples(X)]
    np.testing.assert_allclose(found, mixed, rtol=1e-10, atol=1e-12)
    for hmm in fitted.hmms_:
        assert hmm.sample(5, random_state=0).shape == (5, 2)
        assert set(np.concatenate(hmm.predict(X))) <= {0, 1}
        assert hmm.n_components == 2
    assert fitted.hmms_[0].get_params() == clone(fitted.hmms_[0]).get_params()


def test_draws_come_from_the_clusters_in_their_shares(fitted):
    n = 4000
    X, labels = fitted.sample_latent(3, n_sequences=n, random_state=0)
    assert all((part == part[0]).all() for part in labels)
    drawn = np.bincount([part[0] for part in labels], minlength=2) / n
    error = np.sqrt(fitted.weights_.prod() / n)
    assert np.abs(drawn - fitted.weights_).max() < 4.0 * error
    proba = fitted.predict_proba_sequences(X)
    assert np.abs(proba.mean(axis=0) - fitted.weights_).max() < 4.0 * error
    # Rows of a sequence hang together as in the chain of its cluster.
    firsts = np.array([part[0] for part in labels])
    for c, hmm in enumerate(fitted.hmms_):
        pairs = np.stack([part for part, at in zip(X, firsts, strict=True) if at == c])
        second = hmm.startprob_ @ hmm.transmat_ @ hmm.transmat_
        error = pairs[:, 2].std(axis=0) / np.sqrt(len(pairs))
        assert (
            np.abs(pairs[:, 2].mean(axis=0) - second @ hmm.means_) < 4 * error
        ).all()


def test_lone_rows_are_drawn_as_sequences_of_one_row(fitted):
    X, labels = fitted.sample_latent(4000, random_state=0)
    assert X.shape == (4000, 2)
    start = np.stack([hmm.startprob_ for hmm in fitted.hmms_])
    means = np.stack([hmm.means_ for hmm in fitted.hmms_])
    expected = np.einsum("c,ck,ckd->d", fitted.weights_, start, means)
    error = X.std(axis=0) / np.sqrt(len(X))
    assert (np.abs(X.mean(axis=0) - expected) < 4.0 * error).all()
    assert 0 < labels.mean() < 1


@pytest.mark.parametrize("apart", [0.0, 1.5])
@pytest.mark.parametrize("seed", range(3))
def test_planted_clusters_are_recovered(seed, apart):
    X, clusters = planted(seed, T=30, apart=apart)
    model = HMMMixture(3, 3, n_init=3, tol=1e-4, random_state=seed).fit(X)
    assert adjusted_rand_score(clusters, model.predict_sequences(X)) > 0.95
    np.testing.assert_allclose(model.weights_, 1 / 3, atol=0.02)
    np.testing.assert_allclose(model.score(X), model.lower_bound_, rtol=1e-10)
    assert np.diff(model.lower_bounds_).min() > -1e-12


def test_one_state_and_one_row_a_sequence_is_a_plain_mixture():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) * [1.0, 2.0] + rng.choice([-4.0, 3.0, 9.0], (400, 1))
    options = {"n_init": 3, "tol": 1e-12, "random_state": 0}
    plain = GaussianMixture(3, **options).fit(X)
    model = HMMMixture(3, **options).fit(X)
    order = np.argsort(plain.means_[:, 0])
    means = np.concatenate([hmm.means_ for hmm in model.hmms_])
    own = np.argsort(means[:, 0])
    np.testing.assert_allclose(means[own], plain.means_[order], atol=1e-6)
    np.testing.assert_allclose(model.weights_[own], plain.weights_[order], atol=1e-7)
    np.testing.assert_allclose(
        model.score_samples(X), plain.score_samples(X), atol=1e-6
    )
    np.testing.assert_allclose(model.bic(X), plain.bic(X), rtol=1e-9)
    same = (own[None] == model.predict(X)[:, None]) == (
        order[None] == plain.predict(X)[:, None]
    )
    assert same.all()


def test_one_cluster_is_the_plain_hmm():
    X, _ = planted(0, n_each=5)
    options = {"n_init": 3, "tol": 1e-5, "random_state": 0}
    plain = GaussianHMM(3, covariance_type="diag", **options).fit(X)
    hmm = GaussianHMM(covariance_type="diag")
    model = HMMMixture(1, 3, hmm=hmm, **options).fit(X)
    assert model.lower_bounds_ == plain.lower_bounds_
    assert np.array_equal(model.hmms_[0].means_, plain.means_)
    assert np.array_equal(model.hmms_[0].transmat_, plain.transmat_)
    assert model.bic(X) == plain.bic(X)
    assert np.array_equal(
        np.hstack(model.score_samples(X)), np.hstack(plain.score_samples(X))
    )


def test_threads_and_containers_change_no_bit():
    X, _ = planted(1, n_each=30)
    groups = groups_from_lengths([len(part) for part in X])
    model = HMMMixture(3, 3, n_init=2, tol=1e-3, random_state=0, n_jobs=1).fit(X)
    for n_jobs in (2, 3):
        other = clone(model).set_params(n_jobs=n_jobs).fit(np.vstack(X), groups=groups)
        assert other.lower_bounds_ == model.lower_bounds_
        found = other.predict_proba(np.vstack(X), groups)
        assert np.array_equal(found, np.vstack(model.predict_proba(X)))
        labels = other.predict(np.vstack(X), groups)
        assert np.array_equal(np.split(labels, len(X)), model.predict(X))
        assert np.array_equal(labels[::40], model.predict_sequences(X))


def test_a_weight_of_two_is_the_sequence_twice():
    X, _ = planted(2, n_each=8)
    weight = np.arange(len(X)) % 3
    repeated = [part for part, n in zip(X, weight, strict=True) for _ in range(n)]
    model = HMMMixture(3, 3, n_init=4, tol=1e-9, random_state=0)
    one = clone(model).fit(X, sequence_weight=weight)
    two = clone(model).fit(repeated[::-1])
    np.testing.assert_allclose(one.lower_bound_, two.lower_bound_, rtol=1e-10)
    np.testing.assert_allclose(
        one.predict_proba_sequences(X), two.predict_proba_sequences(X), atol=1e-6
    )


def test_segments_of_long_sequences_equal_whole_ones(monkeypatch):
    X, _ = planted(3, n_each=1, T=2500)
    X.append(X[0][:90])
    model = HMMMixture(2, 2, n_init=1, tol=1e-2, random_state=0).fit(X)
    found = [np.hstack(model.score_samples(X)), model.predict_proba_sequences(X)]
    bounds, statistics = model.lower_bounds_, model._statistics
    monkeypatch.setattr(cutting, "_SEGMENT_ROWS", 4000)
    whole = clone(model).fit(X)
    np.testing.assert_allclose(bounds, whole.lower_bounds_, rtol=1e-10)
    expected = whole._statistics
    np.testing.assert_allclose(statistics.transitions, expected.transitions, rtol=1e-7)
    np.testing.assert_allclose(statistics.clusters, expected.clusters, rtol=1e-9)
    np.testing.assert_allclose(np.hstack(whole.score_samples(X)), found[0], atol=1e-7)
    np.testing.assert_allclose(whole.predict_proba_sequences(X), found[1], atol=1e-9)
