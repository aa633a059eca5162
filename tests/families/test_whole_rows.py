"""Families of counts and compositions, against plain formulas and brute force."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.sparse import csr_array
from scipy.special import digamma as scipy_digamma
from scipy.special import gammaln, polygamma
from scipy.stats import dirichlet, dirichlet_multinomial, multinomial, nbinom, poisson

import sklgen.families._dirichlet_multinomial as urn_module
from sklgen.em import Scratch
from sklgen.families import Dirichlet, DirichletMultinomial, Lengths, Multinomial
from sklgen.families._count_kernels import digamma, log_rising, slope_rising
from sklgen.families._dirichlet import inverse_digamma, most_likely, trigamma

K, D = 3, 4
ALPHA = np.array([[0.3, 1.0, 2.0, 4.0], [8.0, 0.5, 3.0, 1.0], [2.0, 2.0, 0.1, 9.0]])
LENGTHS = Lengths(5.0, 2.5)


def multinomials(lengths=None):
    shares = ALPHA / ALPHA.sum(axis=1, keepdims=True)
    return Multinomial(lengths, np.log(shares), 0.1)


def urns(lengths=None):
    return DirichletMultinomial(lengths, ALPHA, 0.1)


def dirichlets():
    return Dirichlet(ALPHA, 1e-3)


def count_rows(n=60, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    totals = rng.integers(0, 40, n)
    shares = rng.dirichlet([0.5, 1.0, 1.0, 2.0], n)
    return rng.multinomial(totals, shares).astype(dtype)


def fractional_rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return count_rows(n, seed) * rng.random((n, D)) + 0.3 * rng.random((n, D))


def compositions(n=60, seed=0):
    return np.random.default_rng(seed).dirichlet([2.0, 1.0, 3.0, 1.5], n)


CASES = {
    "multinomial": (multinomials, count_rows),
    "multinomial-fractions": (multinomials, fractional_rows),
    "urn": (urns, count_rows),
    "urn-fractions": (urns, fractional_rows),
    "dirichlet": (dirichlets, compositions),
}
cases = pytest.mark.parametrize(("make", "rows"), CASES.values(), ids=CASES)
counts = pytest.mark.parametrize("make", [multinomials, urns])


def densities(components, X):
    out = np.empty((components.shape[0], X.shape[0]))
    components.view(complete=True).evaluate(X, Scratch(), out)
    return out


def statistics(components, X, R, step=25):
    view = components.view(complete=True)
    sums = view.zeros()
    for start in range(0, len(X), step):
        part = slice(start, start + step)
        out = np.empty((components.shape[0], len(X[part])))
        features = view.evaluate(X[part], Scratch(), out)
        view.accumulate(sums, features, np.ascontiguousarray(R[:, part]))
    return view.complete(sums)


def responsibilities(n, seed=2):
    return np.random.default_rng(seed).dirichlet(np.ones(K), n).T


def objective(components, X, R):
    return float((R * densities(components, X)).sum() + components.log_prior)


def all_counts(total, d=D):
    """Every row of d whole numbers with this total."""
    return np.array(
        [
            np.diff([-1, *bars, total + d - 1]) - 1
            for bars in itertools.combinations(range(total + d - 1), d - 1)
        ]
    )


REFERENCES = {
    multinomials: lambda X, alpha: multinomial(
        X.sum(axis=1).astype(int), alpha / alpha.sum()
    ).logpmf(X),
    urns: lambda X, alpha: dirichlet_multinomial(
        alpha, X.sum(axis=1).astype(int)
    ).logpmf(X.astype(int)),
    dirichlets: lambda X, alpha: dirichlet(alpha).logpdf(X.T),
}


@pytest.mark.parametrize("make", REFERENCES)
def test_density_is_that_of_scipy(make):
    X = compositions() if make is dirichlets else count_rows()
    expected = [REFERENCES[make](X, alpha) for alpha in ALPHA]
    np.testing.assert_allclose(densities(make(), X), expected, rtol=1e-9, atol=1e-9)


@counts
@pytest.mark.parametrize("total", [0, 1, 2, 7])
def test_probabilities_of_all_rows_of_a_total_sum_to_one(make, total):
    X = all_counts(total).astype(float)
    np.testing.assert_allclose(np.exp(densities(make(), X)).sum(axis=1), 1.0)
    with_lengths = np.exp(densities(make(LENGTHS), X)).sum(axis=1)
    expected = np.exp(LENGTHS.log_probability(np.array([float(total)])))
    np.testing.assert_allclose(with_lengths, np.full(K, expected))


def test_dirichlet_density_integrates_to_one():
    model = Dirichlet(np.array([[1.7, 4.0]]), 1e-3)

    def density(x):
        return np.exp(densities(model, np.array([[x, 1 - x]]))[0, 0])

    assert quad(density, 0, 1)[0] == pytest.approx(1.0, abs=1e-8)


@cases
def test_statistics_add_over_blocks_and_weights_repeat(make, rows):
    components, X = make(), rows()
    R = responsibilities(len(X))
    whole = statistics(components, X, R, step=len(X))
    parts = statistics(components, X, R, step=7)
    copies = np.random.default_rng(3).integers(0, 4, len(X))
    weighted = statistics(components, X, R * copies)
    order = np.repeat(np.arange(len(X)), copies)
    repeated = statistics(components, X[order], R[:, order])
    half = np.arange(len(X)) < 20
    added = statistics(components, X[half], R[:, half]) + statistics(
        components, X[~half], R[:, ~half]
    )
    for name in vars(whole):
        expected = getattr(whole, name)
        np.testing.assert_allclose(getattr(parts, name), expected)
        np.testing.assert_allclose(getattr(added, name), expected)
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name))


@cases
def test_m_step_maximizes_the_expected_posterior(make, rows):
    components, X = make(), rows()
    R = responsibilities(len(X))
    found = components.maximize(statistics(components, X, R))
    best = objective(found, X, R)
    assert best > objective(components, X, R)
    vector = found.pack()
    for direction in np.random.default_rng(4).normal(size=(40, len(vector))):
        assert objective(found.unpack(vector + 1e-3 * direction), X, R) < best


@pytest.mark.parametrize("entries", [2**20, 4 * K * D, K * D, 0])
@pytest.mark.parametrize("rows", [count_rows, fractional_rows])
def test_urn_steps_rise_to_a_maximum(rows, entries, monkeypatch):
    """With tables too small for all counts, and totals, steps are no maxima."""
    monkeypatch.setattr(urn_module, "_ENTRIES", entries)
    monkeypatch.setattr(urn_module, "_LONGEST", 1024 if entries else 3)
    components, X = urns(), rows()
    R = responsibilities(len(X))
    values = [objective(components, X, R)]
    for _ in range(800):
        components = components.maximize(statistics(components, X, R))
        values.append(objective(components, X, R))
    assert np.diff(values).min() > -1e-9
    vector = components.pack()
    for direction in np.random.default_rng(4).normal(size=(40, len(vector))):
        assert (
            objective(components.unpack(vector + 1e-2 * direction), X, R) < values[-1]
        )


@cases
def test_pack_and_unpack_are_inverse(make, rows):
    components, X = make(), rows()
    again = components.unpack(components.pack())
    np.testing.assert_allclose(densities(again, X), densities(components, X))
    far = components.unpack(1e3 * np.random.default_rng(0).normal(size=K * D))
    assert np.isfinite(densities(far, X)).all()


@counts
def test_sparse_rows_are_dense_rows(make):
    components, X = make(LENGTHS), count_rows()
    X[3] = 0.0
    R = responsibilities(len(X))
    sparse = csr_array(X)
    np.testing.assert_array_equal(
        densities(components, sparse), densities(components, X)
    )
    np.testing.assert_array_equal(
        densities(components, sparse.astype(np.float32)), densities(components, X)
    )
    view = components.view(complete=True)
    sums, out = view.zeros(), np.empty((K, len(X)))
    view.accumulate(sums, view.evaluate(sparse, Scratch(), out), R)
    expected = statistics(components, X, R, step=len(X))
    for name, value in vars(view.complete(sums)).items():
        np.testing.assert_array_equal(value, getattr(expected, name))
    messy = csr_array(
        (np.array([1.0, 2.0, 0.0, 1.0]), np.array([3, 0, 1, 3]), np.array([0, 4])),
        shape=(1, D),
    )
    np.testing.assert_array_equal(
        densities(components, messy), densities(components, messy.toarray())
    )
    assert messy.nnz == 4


@counts
@pytest.mark.parametrize("mean", [2.0, 6.0], ids=["by-tokens", "by-rows"])
def test_draws_of_counts_follow_the_density(make, mean):
    components, n = make(Lengths(mean, 3.0)), 40_000
    labels = np.full(n, 1)
    draws = components.draw(labels, np.random.default_rng(0)).toarray()
    alpha = ALPHA[1]
    share, total = alpha / alpha.sum(), draws.sum(axis=1)
    variance = mean + mean**2 / 3.0
    assert abs(total.mean() - mean) < 5 * np.sqrt(variance / n)
    # Each row again, by the density: the share of rows that are like the common ones.
    rows, copies = np.unique(draws, axis=0, return_counts=True)
    expected = np.exp(densities(components, rows)[1])
    common = expected > 1e-3
    error = np.sqrt(expected * (1 - expected) / n)
    assert np.all(np.abs(copies / n - expected)[common] < 5 * error[common])
    assert np.all(
        np.abs(draws.mean(axis=0) - mean * share) < 5 * draws.std(axis=0) / n**0.5
    )
    size = 1.0 if make is multinomials else None
    burst = 1.0 if size else (1 + alpha.sum() * 1.0)
    pairs = (draws * (draws - 1)).mean(axis=0)
    twice = (total * (total - 1)).mean()
    repeat = share if size else (alpha + 1) / burst
    np.testing.assert_allclose(pairs, twice * share * repeat, rtol=0.15)


@counts
def test_draws_of_given_totals_have_them(make):
    components = make()
    labels, totals = np.array([0, 1, 2, 2]), np.array([0, 3, 5, 1000])
    draws = components.draw(labels, np.random.default_rng(0), totals)
    np.testing.assert_array_equal(draws.sum(axis=1), totals)
    with pytest.raises(ValueError, match="totals"):
        components.draw(labels, np.random.default_rng(0))


def test_draws_of_compositions_follow_the_moments():
    components, n = dirichlets(), 40_000
    for k, alpha in enumerate(ALPHA):
        draws = components.draw(np.full(n, k), np.random.default_rng(k))
        np.testing.assert_allclose(draws.sum(axis=1), 1.0)
        expected = scipy_digamma(alpha) - scipy_digamma(alpha.sum())
        logs = np.log(draws)
        assert np.all(np.abs(logs.mean(0) - expected) < 5 * logs.std(0) / n**0.5)
        share = alpha / alpha.sum()
        spread = share * (1 - share) / (1 + alpha.sum())
        assert np.all(np.abs(draws.mean(0) - share) < 5 * np.sqrt(spread / n))
        np.testing.assert_allclose(draws.var(axis=0), spread, rtol=0.05)


def test_draws_of_tiny_parameters_are_positive():
    draws = Dirichlet(np.full((1, 3), 1e-4), 1e-3).draw(
        np.zeros(2000, int), np.random.default_rng(0)
    )
    assert draws.min() > 0
    assert abs((draws[:, 0] > 0.5).mean() - 1 / 3) < 5 * np.sqrt(2 / 9 / 2000)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e7])
def test_dirichlet_parameters_are_found_at_any_scale(scale):
    alpha = scale * ALPHA
    mean = scipy_digamma(alpha) - scipy_digamma(alpha.sum(axis=1, keepdims=True))
    for guess in (1e-3, 1.0, 1e6):
        found = most_likely(mean, np.full(K, guess))
        np.testing.assert_allclose(found, alpha, rtol=1e-6)


def test_a_dirichlet_component_of_one_row_stays_finite():
    X = np.tile(compositions(1), (5, 1))
    R = np.zeros((K, 5))
    R[0], R[1, 0] = 1.0, 1.0
    found = dirichlets().maximize(statistics(dirichlets(), X, R))
    assert np.isfinite(found.alpha).all()
    np.testing.assert_allclose(found.alpha[0] / found.alpha[0].sum(), X[0], rtol=5e-2)
    np.testing.assert_array_equal(found.alpha[2], ALPHA[2])
    # The weight of the prior is that of `rate` over a sum: five rows, five times it.
    ratio = found.alpha[0].sum() / found.alpha[1].sum()
    assert ratio == pytest.approx(5.0, rel=0.05)


@counts
def test_a_component_without_weight_goes_to_the_mode_of_its_prior(make):
    components, X = make(), count_rows()
    R = np.zeros((K, len(X)))
    R[0] = 1.0
    for _ in range(2):
        components = components.maximize(statistics(components, X, R))
    shares = components.probabilities()
    np.testing.assert_allclose(shares[1:], 1.0 / D)


def test_gamma_kernels_are_those_of_scipy():
    for alpha in (1e-8, 0.3, 2.0, 50.0, 1e6):
        assert digamma(alpha) == pytest.approx(
            scipy_digamma(alpha), rel=1e-12, abs=1e-12
        )
        for count in (0.0, 0.4, 1.0, 3.0, 16.0, 17.0, 200.5):
            expected = gammaln(alpha + count) - gammaln(alpha)
            assert log_rising(alpha, count) == pytest.approx(expected, abs=1e-7)
        for count in (0, 1, 3, 16, 17, 200):
            slope = scipy_digamma(alpha + count) - scipy_digamma(alpha)
            assert slope_rising(alpha, count) == pytest.approx(
                slope, rel=1e-7, abs=1e-9
            )
        assert trigamma(alpha) == pytest.approx(polygamma(1, alpha), rel=1e-12)
    for value in (-1e6, -30.0, -2.3, -2.2, 0.0, 3.0, 25.0):
        found = scipy_digamma(inverse_digamma(value))
        assert found == pytest.approx(value, rel=1e-10, abs=1e-10)


def test_lengths_are_the_most_likely_negative_binomial():
    rng = np.random.default_rng(0)
    lengths = Lengths(7.0, 1.5).draw(3000, rng).astype(float)
    weight = rng.integers(0, 3, len(lengths)).astype(float)
    law = Lengths.fit(lengths, weight)

    def likelihood(law):
        return weight @ law.log_probability(lengths)

    best = likelihood(law)
    for factor in (0.99, 1.01):
        assert likelihood(Lengths(law.mean * factor, law.size)) < best
        assert likelihood(Lengths(law.mean, law.size * factor)) < best
    repeated = np.repeat(lengths, weight.astype(int))
    again = Lengths.fit(repeated, np.ones(len(repeated)))
    assert again.mean == pytest.approx(law.mean)
    assert again.size == pytest.approx(law.size)
    x = np.arange(50.0)
    p = law.size / (law.size + law.mean)
    np.testing.assert_allclose(law.log_probability(x), nbinom(law.size, p).logpmf(x))


@pytest.mark.parametrize("lengths", [[4.0] * 9, [3.0, 4.0, 5.0], [0.0, 0.0]])
def test_lengths_that_vary_little_have_a_poisson_law(lengths):
    law = Lengths.fit(np.array(lengths), np.ones(len(lengths)))
    assert np.isinf(law.size)
    x = np.arange(20.0)
    np.testing.assert_allclose(law.log_probability(x), poisson(law.mean).logpmf(x))
    assert np.isfinite(law.log_probability(x)).all()


@pytest.mark.parametrize("law", [Lengths(3.0, 0.7), Lengths(3.0, np.inf)])
def test_draws_of_lengths_follow_their_law(law):
    n = 40_000
    found = np.bincount(law.draw(n, np.random.default_rng(0)))[:12] / n
    expected = np.exp(law.log_probability(np.arange(12.0)))
    assert np.all(np.abs(found - expected) < 5 * np.sqrt(expected / n))


def test_no_rows_are_drawn_for_no_labels():
    family = Multinomial(None, np.log(np.full((2, 3), 1 / 3)), 0.1)
    empty = np.zeros(0, np.int64)
    rows = family.draw(empty, np.random.default_rng(0), empty)
    assert rows.shape == (0, 3)
