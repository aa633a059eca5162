"""Gaussian components and rows with holes, and how tests look at them."""

import itertools

import numpy as np

from sklgen.em import Scratch
from sklgen.families import (
    DiagonalGaussian,
    FullGaussian,
    SphericalGaussian,
    TiedGaussian,
)

K, D = 3, 4
FAMILIES = [FullGaussian, TiedGaussian, DiagonalGaussian, SphericalGaussian]
PATTERNS = [np.array(p) for p in itertools.product([True, False], repeat=D)]


def random_components(family, seed=0, floor=1e-9):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(K, D, D))
    full = root @ root.mT + 0.3 * np.eye(D)
    variances = np.einsum("kii->ki", full)
    covariances = {
        FullGaussian: full,
        TiedGaussian: full.mean(0, keepdims=True),
        DiagonalGaussian: variances,
        SphericalGaussian: variances.mean(1, keepdims=True),
    }[family]
    means = 2.0 * rng.normal(size=(K, D))
    return family(means, covariances, np.ones(D), floor)


def matrices(components):
    """Covariances as K full matrices, whatever the structure keeps."""
    stored = components.covariances
    if stored.ndim == 2:
        return np.array([np.diag(v) for v in components.variances()])
    return np.broadcast_to(stored, (K, D, D))


def random_rows(pattern, n=40, seed=1):
    X = 3.0 * np.random.default_rng(seed).normal(size=(n, D))
    X[:, ~pattern] = np.nan
    return X


def observe(components, pattern):
    return components.view(complete=bool(pattern.all()))


def brute_force_moments(components, X, R):
    """Expected sums of 1, e and e e^T for e = x - mean, one row at a time."""
    count, first = np.zeros(K), np.zeros((K, D))
    second = np.zeros((K, D, D))
    for k, (mean, cov) in enumerate(
        zip(components.means, matrices(components), strict=True)
    ):
        for x, r in zip(X, R[k], strict=True):
            o, m = ~np.isnan(x), np.isnan(x)
            error, spread = np.zeros(D), np.zeros((D, D))
            error[o] = x[o] - mean[o]
            slope = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
            error[m] = slope @ error[o]
            spread[np.ix_(m, m)] = cov[np.ix_(m, m)] - slope @ cov[np.ix_(o, m)]
            count[k] += r
            first[k] += r * error
            second[k] += r * (np.outer(error, error) + spread)
    return count, first, second


def statistics(components, X, R, pattern):
    view = observe(components, pattern)
    sums = view.zeros()
    for rows in (slice(0, 25), slice(25, None)):
        out = np.empty((K, len(X[rows])))
        features = view.evaluate(X[rows], Scratch(), out)
        view.accumulate(sums, features, np.ascontiguousarray(R[:, rows]))
    return view.complete(sums)
