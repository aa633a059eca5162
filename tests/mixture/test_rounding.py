"""Data that cancel, against 50-digit arithmetic."""

import warnings

import mpmath
import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sklgen.mixture import GaussianMixture

COVARIANCES = ["full", "tied", "diag", "spherical"]
N, D = 40, 2


def far_from_zero(rng):
    """Two clusters near 1e6, each with a spread of 1e-3 and correlated columns."""
    X = 1e-3 * rng.normal(size=(N, D)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    X[: N // 2] += 4e-3
    return 1e6 + X


def far_apart(rng):
    """Two clusters of spread 1, 1e8 apart."""
    X = rng.normal(size=(N, D)) @ np.array([[1.0, 0.5], [0.0, 1.0]])
    X[: N // 2] += 1e8
    return X


CASES = {"1e6 with spread 1e-3": far_from_zero, "1e8 spreads apart": far_apart}


def as_matrices(model):
    """Covariances of the fit as K full matrices, exactly."""
    covariances = model.covariances_
    return {
        "full": lambda: list(covariances),
        "tied": lambda: [covariances] * 2,
        "diag": lambda: [np.diag(v) for v in covariances],
        "spherical": lambda: [np.eye(D) * v for v in covariances],
    }[model.covariance_type]()


def exact_em(X, weights, means, covariances, covariance_type, n_steps):
    """EM in 50 digits; returns weights, means, covariances and mean log-likelihood."""
    rows = [mpmath.matrix(row.tolist()) for row in X]
    weights = [mpmath.mpf(w) for w in weights.tolist()]
    means = [mpmath.matrix(m.tolist()) for m in means]
    covariances = [mpmath.matrix(c.tolist()) for c in covariances]

    def responsibilities():
        table, total = [], mpmath.mpf(0)
        inverses = [c**-1 for c in covariances]
        scales = [
            mpmath.log(w) - mpmath.log((2 * mpmath.pi) ** D * mpmath.det(c)) / 2
            for w, c in zip(weights, covariances, strict=True)
        ]
        for x in rows:
            joint = [
                s - ((x - m).T * p * (x - m))[0] / 2
                for s, m, p in zip(scales, means, inverses, strict=True)
            ]
            log_density = mpmath.log(mpmath.fsum(mpmath.exp(j) for j in joint))
            total += log_density
            table.append([mpmath.exp(j - log_density) for j in joint])
        return table, total / len(rows)

    for _ in range(n_steps):
        table, _ = responsibilities()
        counts = [mpmath.fsum(r[k] for r in table) for k in range(2)]
        weights = [c / len(rows) for c in counts]
        scatters = []
        for k in range(2):
            means[k] = sum(
                (r[k] * x for r, x in zip(table, rows, strict=True)),
                mpmath.zeros(D, 1),
            )
            means[k] /= counts[k]
            scatters.append(
                sum(
                    (
                        r[k] * (x - means[k]) * (x - means[k]).T
                        for r, x in zip(table, rows, strict=True)
                    ),
                    mpmath.zeros(D, D),
                )
            )
        covariances = constrained(scatters, counts, covariance_type)
    return weights, means, covariances, responsibilities()[1]


def constrained(scatters, counts, covariance_type):
    if covariance_type == "tied":
        return [(scatters[0] + scatters[1]) / mpmath.fsum(counts)] * 2
    covariances = [s / c for s, c in zip(scatters, counts, strict=True)]
    if covariance_type == "full":
        return covariances
    diagonals = [[c[j, j] for j in range(D)] for c in covariances]
    if covariance_type == "spherical":
        diagonals = [[mpmath.fsum(v) / D] * D for v in diagonals]
    return [mpmath.diag(v) for v in diagonals]


def floats(matrices):
    return np.array([[float(v) for v in matrix] for matrix in matrices]).reshape(
        len(matrices), D, -1
    )


def assert_close(model, exact):
    """Relative errors: of covariances to their size, of means to the deviations."""
    weights, means, covariances, log_likelihood = exact
    expected = floats(covariances)
    size = np.linalg.norm(expected, axis=(1, 2), keepdims=True)
    assert np.max(np.abs(np.array(as_matrices(model)) - expected) / size) < 1e-6
    np.testing.assert_allclose(model.weights_, [float(w) for w in weights], rtol=1e-6)
    spread = np.sqrt(np.einsum("kii->ki", expected))
    moved = np.abs(model.means_ - floats(means)[:, :, 0])
    # A mean can't be nearer than doubles are to each other.
    assert np.all(moved <= 1e-6 * spread + np.spacing(np.abs(model.means_)))
    assert model.lower_bound_ == pytest.approx(float(log_likelihood), rel=1e-6)


@pytest.fixture(autouse=True)
def fifty_digits():
    with mpmath.workdps(50):
        yield


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("case", CASES)
def test_steps_from_a_given_start(case, covariance_type):
    X = CASES[case](np.random.default_rng(0))
    means = np.array([X[: N // 2].mean(axis=0), X[N // 2 :].mean(axis=0)])
    variance = 4.0 * X[: N // 2].var()
    eye = np.eye(D) / variance
    precisions = {
        "full": np.array([eye, eye]),
        "tied": eye,
        "diag": np.full((2, D), 1 / variance),
        "spherical": np.full(2, 1 / variance),
    }[covariance_type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = GaussianMixture(
            2,
            covariance_type=covariance_type,
            weights_init=[0.5, 0.5],
            means_init=means,
            precisions_init=precisions,
            max_iter=2,
            tol=0.0,
        ).fit(X)
    start = [np.eye(D) * variance] * 2
    exact = exact_em(X, np.array([0.5, 0.5]), means, start, covariance_type, 2)
    assert_close(model, exact)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("case", CASES)
def test_the_default_fit_is_a_fixed_point(case, covariance_type):
    """A step of exact EM from the fit stays where it is."""
    X = CASES[case](np.random.default_rng(0))
    model = GaussianMixture(
        2, covariance_type=covariance_type, random_state=0, tol=1e-13
    ).fit(X)
    if case == "1e8 spreads apart":
        assert np.bincount(model.predict(X)).tolist() == [N // 2, N // 2]
    exact = exact_em(
        X, model.weights_, model.means_, as_matrices(model), covariance_type, 1
    )
    assert_close(model, exact)
