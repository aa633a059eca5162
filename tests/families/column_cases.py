"""Families of single columns with parameters, and how tests look at them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sklgen.em import Rows, Scratch
from sklgen.families import (
    Bernoulli,
    Exponential,
    Gamma,
    LogNormal,
    NegativeBinomial,
    Poisson,
    VonMises,
)
from sklgen.mixture._structure import Mixture

K, D = 2, 3


@dataclass(frozen=True)
class Case:
    """A family, its parameters under test, and scipy's name for one component."""

    family: Any
    parameters: tuple[Any, ...]
    law: Any
    # Degenerate columns: all cells alike, and at the edge of the support.
    constants: tuple[float, ...]

    @property
    def discrete(self):
        return hasattr(self.law(*(p[0][0] for p in self.parameters)), "pmf")

    def law_of(self, k, j):
        return self.law(*(np.asarray(p)[k, j] for p in self.parameters))

    def log_density(self, x, k, j):
        law = self.law_of(k, j)
        return law.logpmf(x) if self.discrete else law.logpdf(x)


CASES = [
    Case(
        Bernoulli,
        ([[0.1, 0.05, 0.99], [0.9, 0.8, 0.2]],),
        stats.bernoulli,
        (0.0, 1.0),
    ),
    Case(
        Poisson,
        ([[0.3, 4.0, 1500.0], [2.0, 1.0, 900.0]],),
        stats.poisson,
        (0.0, 7.0, 1e6),
    ),
    Case(
        NegativeBinomial,
        ([[0.5, 6.0, 200.0], [3.0, 1.0, 120.0]], [[0.4, 3.0, 2.0], [20.0, 1.0, 8.0]]),
        lambda mean, size: stats.nbinom(size, size / (size + mean)),
        (0.0, 7.0, 1e6),
    ),
    Case(
        Exponential,
        ([[0.3, 4.0, 60.0], [2.0, 1.0, 30.0]],),
        lambda mean: stats.expon(scale=mean),
        (0.0, 2.5, 1e-9),
    ),
    Case(
        Gamma,
        ([[0.5, 6.0, 90.0], [3.0, 1.0, 40.0]], [[1.4, 3.0, 500.0], [20.0, 1.5, 8.0]]),
        lambda mean, shape: stats.gamma(shape, scale=mean / shape),
        (2.5, 1e-9, 1e9),
    ),
    Case(
        LogNormal,
        ([[0.5, 6.0, -9.0], [1.5, 5.0, -8.0]], [[0.4, 0.3, 0.2], [0.1, 1.0, 0.8]]),
        lambda mean, sd: stats.lognorm(sd, scale=np.exp(mean)),
        (2.5, 1e-9, 1e9),
    ),
    Case(
        VonMises,
        ([[0.5, 3.0, -2.0], [1.5, -3.1, 0.0]], [[0.4, 3.0, 50.0], [9.0, 1e-3, 4.0]]),
        lambda direction, kappa: stats.vonmises(kappa, loc=direction),
        (0.0, 3.0, 100.0),
    ),
]
cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.family.__name__)


def made(case, *, strength=0.0, seed=3):
    """The components of a case, with a prior centred on draws from them."""
    family, parameters = case.family, [np.array(p, float) for p in case.parameters]
    one = family.standard(D)
    if family is LogNormal:
        means, deviations = parameters
        gaussian = replace(one.gaussian, means=means, covariances=deviations**2)
        plain = replace(one, gaussian=gaussian)
    else:
        plain = family(*parameters, prior=one.prior)
    if strength == 0.0:
        return plain
    labels = np.arange(600) % K
    whole = started(family, plain.draw(labels, np.random.default_rng(seed)), strength)
    return plain.settle(np.full(K, 1 / K), whole)


def started(family, X, strength=0.01, n=K, weight=None):
    """Equal components for rows, as every fit makes them."""
    one = family.standard(X.shape[1])
    return one.equal(n, summed(Mixture(np.ones(1), one), X, weight).family, strength)


def summed(mixture, X, weight=None):
    n_features = mixture.components.n_features
    with Rows(X, weight, n_features=n_features, n_threads=1) as rows:
        return rows.sum(mixture.e_step)


def drawn(case, n=60, *, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = made(case).draw(rng.integers(K, size=n), rng)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def shares(n, seed=2):
    return np.random.default_rng(seed).dirichlet(np.ones(K), n).T


def densities(components, X, *, complete):
    out = np.empty((components.shape[0], len(X)))
    components.view(complete=complete).evaluate(X, Scratch(), out)
    return out


def statistics(components, X, R, *, complete, cut=25):
    view = components.view(complete=complete)
    sums = view.zeros()
    for rows in (slice(0, cut), slice(cut, None)):
        out = np.empty((len(R), len(X[rows])))
        features = view.evaluate(X[rows], Scratch(), out)
        view.accumulate(sums, features, np.ascontiguousarray(R[:, rows]))
    return view.complete(sums)


def flat(values):
    """All numbers of statistics or parameters, side by side."""
    found = [getattr(values, name) for name in values.__dataclass_fields__]
    return np.concatenate([np.ravel(v) for v in found])
