"""Metrics: their maps as matrices, and adaptation to Gaussians."""

import numpy as np
import pytest
from scipy.linalg import eigvalsh

from sklgen.mcmc._metric import (
    Dense,
    Diagonal,
    LowRank,
    convert,
    fisher,
    identity,
    separate,
    shared,
    stacked,
)

KINDS = ["diagonal", "dense", "low_rank"]


def random_metric(kind, rng, d=5, width=2):
    location = rng.normal(size=(1, d))
    scale = rng.gamma(5, size=(1, d))
    if kind == "diagonal":
        return Diagonal(location, scale)
    if kind == "dense":
        return Dense(location, np.tril(rng.normal(size=(1, d, d))) + 3 * np.eye(d))
    basis = np.linalg.qr(rng.normal(size=(d, width)))[0].T
    spread = rng.gamma(5, size=(1, width))
    return LowRank(location, scale, basis[None].copy(), spread)


def matrix(metric, c=0):
    d = metric.location.shape[1]
    rows = np.full(d, c)
    return (metric.positions(np.eye(d), rows) - metric.location[c]).T


def gaussian(covariance, size, rng):
    draws = rng.multivariate_normal(np.arange(len(covariance)), covariance, size)
    gradients = -np.linalg.solve(covariance, (draws - np.arange(len(covariance))).T).T
    return draws, gradients


def autoregressive(d, rho=0.9):
    lag = np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    scale = np.geomspace(0.1, 10, d)
    return rho**lag * np.outer(scale, scale)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_are_those_of_one_matrix(kind):
    rng = np.random.default_rng(0)
    metric = stacked([random_metric(kind, rng) for _ in range(3)])
    vectors = rng.normal(size=(3, 4, 5))
    rows = np.arange(3)
    for c in range(3):
        F = matrix(metric, c)
        x = metric.location[c] + vectors[c] @ F.T
        np.testing.assert_allclose(metric.traced(vectors)[c], x, rtol=1e-10)
        np.testing.assert_allclose(metric.covariances()[c], F @ F.T, rtol=1e-9)
        log_determinant = np.linalg.slogdet(F)[1]
        np.testing.assert_allclose(metric.log_determinants()[c], log_determinant)
        np.testing.assert_allclose(
            metric.pull(vectors[:, 0], rows)[c], F.T @ vectors[c, 0], rtol=1e-10
        )
        pushed = np.linalg.solve(F.T, vectors[c].T).T
        np.testing.assert_allclose(metric.push(vectors)[c], pushed, rtol=1e-8)
    positions = metric.traced(vectors)
    np.testing.assert_allclose(metric.unit(positions), vectors, rtol=1e-8)
    np.testing.assert_allclose(metric.unit(positions[:, 0]), vectors[:, 0], rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_one_metric_serves_all_chains_with_the_bits_of_one(kind):
    rng = np.random.default_rng(1)
    metric = random_metric(kind, rng, d=7)
    vectors = rng.normal(size=(9, 7))
    together = metric.positions(vectors, np.arange(9))
    pulled = metric.pull(vectors, np.arange(9))
    for c in range(9):
        alone = metric.positions(vectors[c : c + 1], np.array([c]))
        np.testing.assert_array_equal(alone[0], together[c])
        slope = metric.pull(vectors[c : c + 1], np.array([c]))
        np.testing.assert_array_equal(slope[0], pulled[c])


def test_low_rank_metrics_of_different_ranks_go_side_by_side():
    rng = np.random.default_rng(2)
    parts = [random_metric("low_rank", rng, width=width) for width in (0, 1, 3)]
    metric = stacked(parts)
    for c, part in enumerate(parts):
        np.testing.assert_allclose(metric.covariances()[c], part.covariances()[0])


def test_dense_metric_is_the_covariance_of_a_gaussian_whatever_the_draws():
    covariance = autoregressive(10)
    draws, gradients = gaussian(covariance, 3_000, np.random.default_rng(3))
    draws, gradients = draws[draws[:, 0] > 0], gradients[draws[:, 0] > 0]
    found = fisher("dense", draws, gradients).covariances()[0]
    ratio = eigvalsh(found, covariance)  # those of a sample covariance are off by .1
    np.testing.assert_allclose(ratio, 1.0, atol=2e-3)


def test_few_draws_do_not_mislead_the_dense_metric():
    covariance = autoregressive(40, 0.5)
    draws, gradients = gaussian(covariance, 10, np.random.default_rng(4))
    ratio = eigvalsh(fisher("dense", draws, gradients).covariances()[0], covariance)
    assert ratio.max() / ratio.min() < 30


def test_metric_is_the_geometric_mean():
    rng = np.random.default_rng(5)
    draws = rng.normal(size=(4_000, 3)) @ rng.normal(size=(3, 3))
    gradients = rng.normal(size=(4_000, 3)) @ rng.normal(size=(3, 3))
    S = fisher("dense", draws, gradients).covariances()[0]
    np.testing.assert_allclose(
        S @ np.cov(gradients.T) @ S, np.cov(draws.T), rtol=2e-2, atol=2e-2
    )
    diagonal = fisher("diagonal", draws, gradients)
    np.testing.assert_allclose(
        diagonal.scale[0] ** 4, draws.var(axis=0) / gradients.var(axis=0)
    )


def test_low_rank_metric_finds_the_directions_that_stand_out():
    rng = np.random.default_rng(6)
    d = 300
    scale = np.geomspace(0.1, 10, d)
    basis = np.linalg.qr(rng.normal(size=(d, 4)))[0]
    covariance = np.eye(d) + basis * [400.0, 100.0, -0.99, -0.97] @ basis.T
    covariance *= np.outer(scale, scale)
    draws, gradients = gaussian(covariance, 1_000, rng)
    metric = fisher("low_rank", draws, gradients)
    assert metric.spread.shape[1] < 60
    ratio = eigvalsh(covariance, metric.covariances()[0])
    plain = eigvalsh(covariance, np.diag(scale**2))
    assert ratio.max() / ratio.min() < 20
    assert plain.max() / plain.min() > 1e4


def test_low_rank_metric_is_exact_along_its_directions_and_level_across():
    covariance = autoregressive(60)
    draws, gradients = gaussian(covariance, 2_000, np.random.default_rng(12))
    metric = fisher("low_rank", draws, gradients)
    root = np.linalg.inv(metric.factors()[0])
    white = root @ covariance @ root.T
    basis = metric.basis[0]
    np.testing.assert_allclose(np.diag(basis @ white @ basis.T), 1.0, atol=0.02)
    np.testing.assert_allclose(np.median(np.linalg.eigvalsh(white)), 1.0, atol=0.1)


def test_parameters_without_spread_or_slope_leave_finite_metrics():
    rng = np.random.default_rng(7)
    draws, gradients = gaussian(np.eye(4), 50, rng)
    gradients[:, 1] = 0.0  # the density does not depend on it
    draws[:, 2] = 3.0  # it never moved
    gradients[:, 3] = draws[:, 3] = 0.0
    draws[:, 1] *= 20.0
    spread = fisher("diagonal", draws, gradients).scale[0, 1]
    np.testing.assert_allclose(spread, draws[:, 1].std())
    for kind in KINDS:
        metric = fisher(kind, draws, gradients)
        F = matrix(metric)
        assert np.isfinite(F).all()
        assert np.linalg.cond(F) < 1e3


@pytest.mark.parametrize("kind", KINDS)
def test_chains_that_fall_from_far_leave_finite_metrics(kind):
    rng = np.random.default_rng(10)
    slope = 10.0 ** np.linspace(200, 0, 40)[:, None]
    gradients = slope * rng.normal(size=(40, 4))
    draws = np.cumsum(np.log(slope) * rng.normal(size=(40, 4)), axis=0)
    draws[:, 1] = draws[:, 0] * (1 + 1e-13 * rng.normal(size=40))
    metric = fisher(kind, draws, gradients)
    F = matrix(metric)
    assert np.isfinite(F).all()
    assert np.isfinite(metric.log_determinants()).all()
    u = rng.normal(size=(1, 3, 4))
    np.testing.assert_allclose(
        metric.push(metric.pull(u[:, 0], np.zeros(1, int))), u[:, 0], rtol=1e-3
    )


def test_conversion_bears_large_ratios():
    basis = np.linalg.qr(np.random.default_rng(11).normal(size=(6, 2)))[0].T
    scale = np.geomspace(1e-8, 1e8, 6)[None]
    spread = np.array([[1e-6, 1e5]])
    metric = LowRank(np.zeros((1, 6)), scale, basis[None].copy(), spread)
    dense = convert(metric, "dense")
    volume = metric.log_determinants()
    np.testing.assert_allclose(dense.log_determinants(), volume, rtol=1e-3)
    assert (np.diagonal(dense.factors()[0]) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_shared_and_separate_metrics(kind):
    rng = np.random.default_rng(8)
    pairs = [gaussian(autoregressive(3, rho), 60, rng) for rho in (0.1, 0.9)]
    draws, gradients = (np.stack(part) for part in zip(*pairs, strict=True))
    apart = separate(kind, draws, gradients).covariances()
    for c in range(2):
        alone = fisher(kind, draws[c], gradients[c]).covariances()
        np.testing.assert_allclose(apart[c], alone[0])
    together = fisher(kind, np.concatenate(draws), np.concatenate(gradients))
    np.testing.assert_allclose(
        shared(kind, draws, gradients).covariances(), together.covariances()
    )


def test_conversions_keep_what_they_can():
    metric = random_metric("low_rank", np.random.default_rng(9))
    covariance = metric.covariances()
    np.testing.assert_allclose(convert(metric, "dense").covariances(), covariance)
    diagonal = convert(metric, "diagonal").covariances()[0]
    np.testing.assert_allclose(diagonal, np.diag(np.diag(covariance[0])))
    np.testing.assert_array_equal(identity(3).covariances()[0], np.eye(3))
