"""Laws of cells against scipy, and against quadrature."""

import numpy as np
import pytest
import torch
from scipy import stats

from sklgen.neural._vae_inference import untempered
from sklgen.neural._vae_laws import LAWS, Cells, Laws, log_likelihood
from sklgen.neural._vae_prior import Prior
from sklgen.neural._vae_rows import clipped_mean

REFERENCES = {"gaussian": stats.norm(), "student": stats.t(4)}


def as_tensors(*arrays):
    return [torch.tensor(np.asarray(array), dtype=torch.float64) for array in arrays]


@pytest.mark.parametrize("name", LAWS)
def test_densities_of_points(name):
    t = np.linspace(-30, 30, 241)
    found = LAWS[name].log_mass(*as_tensors(t, t, t))
    np.testing.assert_allclose(found, REFERENCES[name].logpdf(t), rtol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_masses_of_intervals(name):
    law = REFERENCES[name]
    middle, width = np.meshgrid(np.linspace(-25, 25, 101), 10.0 ** np.arange(-5, 1.5))
    low, high = (middle - width / 2).ravel(), (middle + width / 2).ravel()
    found = LAWS[name].log_mass(*as_tensors(middle.ravel(), low, high)).numpy()
    # Of an interval to the right of 0, the difference of its upper tails is accurate.
    right = low > 0
    below = np.where(right, -high, low), np.where(right, -low, high)
    logs = [law.logcdf(end) for end in below]
    wide = high - low > 0.01
    expected = logs[1] + np.log(-np.expm1(logs[0] - logs[1]))
    np.testing.assert_allclose(found[wide], expected[wide], atol=1e-4)
    narrow = law.logpdf(middle.ravel()) + np.log(high - low)
    np.testing.assert_allclose(found[~wide], narrow[~wide], atol=0.03)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("step", [0.003, 0.02, 0.3, 4.0])
def test_cells_of_a_grid_sum_to_one(name, step):
    edges = np.arange(-60 / step, 60 / step + 1) * step + 0.1
    edges = np.concatenate([[-4000.0], edges, [4000.0]])
    low, high = edges[:-1], edges[1:]
    masses = LAWS[name].log_mass(*as_tensors((low + high) / 2, low, high)).exp()
    assert masses.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", LAWS)
def test_gradients_are_finite_in_single_precision(name):
    low = torch.tensor([-4000.0, -4000.0, -500.0, 300.0, 0.1, -0.001, 2.0])
    high = torch.tensor([-400.0, 4000.0, 0.0, 4000.0, 0.2, 0.001, 2.0])
    scale = torch.ones(7, requires_grad=True)
    middle = 0.5 * (low + high)
    mass = LAWS[name].log_mass(middle / scale, low / scale, high / scale)
    mass.sum().backward()
    assert torch.isfinite(mass).all()
    assert torch.isfinite(scale.grad).all()


def test_student_as_a_mixture_of_normal_laws():
    law = LAWS["student"]
    assert law.weights.sum() == pytest.approx(1.0)
    t = np.linspace(-6, 6, 25)
    found = stats.norm(scale=law.precisions**-0.5).cdf(t[:, None]) @ law.weights
    np.testing.assert_allclose(found, stats.t(4).cdf(t), atol=2e-4)
    draws = law.draw(np.random.default_rng(0), 20_000)
    assert stats.kstest(draws, stats.t(4).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("n_vectors", [1, 3])
def test_likelihood_of_a_row_is_the_product_of_its_observed_cells(name, n_vectors):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 2))
    codes = np.array([0, 2, 1])
    observed = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0]], dtype=float)
    x *= observed[:, :2]
    low, high = x.copy(), x.copy()
    low[0, 1], high[0, 1] = x[0, 1] - 0.4, x[0, 1] + 0.3
    indicators = np.eye(3)[codes] * observed[:, 2:]
    cells = Cells(*as_tensors(np.hstack([x, indicators]), low, high, observed))
    mean, scale = rng.normal(size=(2, n_vectors, 5, 2))
    scale = np.exp(scale)
    logs = np.log(rng.dirichlet(np.ones(3), size=(n_vectors, 5)))
    found = log_likelihood(Laws(*as_tensors(mean, scale, logs)), cells, LAWS[name])
    law = REFERENCES[name]
    for i in range(3):
        own = min(i, n_vectors - 1)
        m, s = mean[own], scale[own]
        parts = law.logpdf((x[i] - m) / s) - np.log(s)
        if i == 0:
            ends = [law.cdf((end[0, 1] - m[:, 1]) / s[:, 1]) for end in (low, high)]
            parts[:, 1] = np.log(ends[1] - ends[0])
        expected = parts @ observed[i, :2] + observed[i, 2] * logs[own][:, codes[i]]
        np.testing.assert_allclose(found[i], expected, rtol=1e-9)


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.8), (-np.inf, 0.2), (0.3, np.inf)])
def test_means_of_clipped_numbers(low, high):
    mean, scale = np.array([-3.0, -0.4, 0.1, 2.0]), np.array([0.5, 1.0, 0.1, 3.0])
    found = clipped_mean(mean, scale, low, high)
    nodes = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    draws = np.clip(mean[:, None] + scale[:, None] * nodes, low, high)
    np.testing.assert_allclose(found, draws.mean(axis=1), atol=1e-4)


def test_deviations_of_untempered_posteriors():
    # A normal prior, and a likelihood with these precisions.
    precision, beta = np.array([0.0, 0.3, 5.0, 400.0]), 0.4
    tempered = torch.from_numpy((1.0 + precision / beta) ** -0.5)
    found = untempered(tempered, beta)
    np.testing.assert_allclose(found, (1.0 + precision) ** -0.5)
    assert untempered(torch.tensor([1.7]), beta) == pytest.approx(1.7)


def test_density_and_points_of_a_prior():
    rng = np.random.default_rng(1)
    roots = np.linalg.cholesky(
        np.array([np.cov(rng.normal(size=(2, 6))) for _ in "ab"])
    )
    prior = Prior(np.array([0.3, 0.7]), rng.normal(size=(2, 2)), roots)
    z = rng.normal(size=(4, 3, 2))
    expected = sum(
        weight * stats.multivariate_normal(mean, root @ root.T).pdf(z)
        for weight, mean, root in zip(
            prior.weights, prior.means, prior.roots, strict=True
        )
    )
    found = prior.log_density(torch.from_numpy(z)).exp()
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    mean = prior.weights @ prior.means
    for points in (prior.points(4096), prior.draw(200_000, rng)):
        np.testing.assert_allclose(points.mean(axis=0), mean, atol=0.01)
        second = np.einsum("k,kij->ij", prior.weights, roots @ roots.transpose(0, 2, 1))
        second += np.einsum("k,ki,kj->ij", prior.weights, prior.means, prior.means)
        np.testing.assert_allclose(points.T @ points / len(points), second, atol=0.03)
