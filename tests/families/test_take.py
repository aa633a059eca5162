"""Some components of any family: their densities, and what they go on to learn."""

import numpy as np
import pytest

from sklgen.em import Rows, Scratch
from sklgen.families import (
    Categorical,
    DiagonalGaussian,
    FullGaussian,
    Product,
    SphericalGaussian,
    TiedGaussian,
)
from sklgen.mixture._structure import Mixture
from tests.families.column_cases import CASES, D, K, made

GAUSSIANS = [FullGaussian, TiedGaussian, DiagonalGaussian, SphericalGaussian]
INDICES = [[1], [1, 0], [0, 1, 1], [0, 1]]


def gaussian(family):
    rng = np.random.default_rng(4)
    root = np.tril(rng.uniform(0.5, 1.5, size=(K, D, D)))
    full = root @ root.mT
    variances = np.einsum("kii->ki", full)
    covariances = {
        FullGaussian: full,
        TiedGaussian: full[:1],
        DiagonalGaussian: variances,
        SphericalGaussian: variances[:, :1],
    }[family]
    return family(rng.normal(size=(K, D)), covariances, np.ones(D), 1e-6, 0.1)


def categorical():
    rng = np.random.default_rng(5)
    shares = [rng.dirichlet(np.ones(n)) for n in (3, 2, 4)]
    return Categorical.equal(K, shares, 0.4).unpack(rng.normal(size=K * 9))


def every():
    """One of each family, and rows for it."""
    rng = np.random.default_rng(6)
    for family in GAUSSIANS:
        yield family.__name__, gaussian(family), rng.normal(size=(40, D))
    for case in CASES:
        components = made(case, strength=0.3)
        X = components.draw(np.arange(40) % K, rng)
        yield case.family.__name__, components, X
    labels = rng.integers((3, 2, 4), size=(40, D)).astype(float)
    yield "Categorical", categorical(), labels
    parts = (gaussian(TiedGaussian), categorical())
    columns = (np.array([0, 4, 2]), np.array([1, 3, 5]))
    X = np.empty((40, 6))
    X[:, columns[0]], X[:, columns[1]] = rng.normal(size=(40, D)), labels
    yield "Product", Product(parts, columns), X


FAMILIES = {name: (components, X) for name, components, X in every()}


def densities(components, X):
    out = np.empty((components.shape[0], len(X)))
    components.view(complete=True).evaluate(X, Scratch(), out)
    return out


def learned(components, X, labels):
    mixture = Mixture(np.full(components.shape[0], 0.5), components)
    n_features = max(components.n_features, components.shape[0])
    with Rows(X, None, n_features=n_features, n_threads=1) as rows:
        sums = rows.sum(lambda *block: mixture.labelled(labels, *block))
    return components.maximize(sums.family)


@pytest.mark.parametrize("indices", INDICES, ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_taken_components_keep_their_densities(name, indices):
    components, X = FAMILIES[name]
    expected = densities(components, X)[indices]
    assert np.ptp(densities(components, X), axis=0).max() > 0.01
    taken = components.take(np.array(indices))
    assert taken.shape == (len(indices), X.shape[1])
    np.testing.assert_allclose(densities(taken, X), expected, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"TiedGaussian", "Product"}))
def test_a_component_alone_learns_as_among_others(name):
    components, X = FAMILIES[name]
    labels = np.arange(len(X)) % K
    among = densities(learned(components, X, labels), X)[1]
    rows = X[labels == 1]
    taken = components.take(np.array([1]))
    alone = learned(taken, rows, np.zeros(len(rows), np.intp))
    np.testing.assert_allclose(densities(alone, X)[0], among, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FAMILIES)
def test_components_taken_share_what_they_shared(name):
    components, _ = FAMILIES[name]
    n_each = [components.take(np.array([0] * n)).n_parameters for n in (1, 2, 3)]
    assert n_each[1] == components.n_parameters
    assert n_each[2] - n_each[1] == n_each[1] - n_each[0]
