"""Laws of torch: supports, maps of tensors, and those that torch lacks."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import distributions as D

from sklgen.mcmc._torch_laws import Ordered, UnitVector, in_double, transform_of
from sklgen.mcmc._torch_transforms import forward
from tests.torch_models import Pieces, nothing, posterior, slopes_by_differences

pytestmark = pytest.mark.torch


LAWS = {
    "real": D.Normal(torch.tensor([0.5, -1.0]), 2.0),
    "positive": D.Gamma(torch.tensor([2.0, 3.0]), 1.5),
    "above": D.Pareto(torch.tensor([1.0, -1.0]).exp(), 3.0),
    "unit": D.Beta(torch.tensor([2.0, 5.0]), 3.0),
    "interval": D.Uniform(torch.tensor([-1.0, 3.0]), torch.tensor([2.0, 3.5])),
    "circle": D.VonMises(0.3, 2.0),
    "simplex": D.Dirichlet(torch.tensor([[2.0, 3.0, 1.5], [4.0, 2.0, 2.0]])),
    "vector": D.MultivariateNormal(
        torch.zeros(2), torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    ),
    "ordered": Ordered(D.Normal(1.0, 2.0), 3),
    "positive_ordered": Ordered(D.Gamma(3.0, 2.0), 3),
    "independent": D.Independent(D.LogNormal(torch.zeros(2, 2), 0.5), 2),
    "mixture": D.MixtureSameFamily(
        D.Categorical(torch.ones(2)), D.Gamma(torch.tensor([2.0, 5.0]), 1.0)
    ),
}


class Below(D.Distribution):
    """Two numbers below bounds: those minus exponential ones."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, bounds):
        self.bounds = bounds
        super().__init__(batch_shape=bounds.shape, validate_args=False)

    @property
    def support(self):
        return D.constraints.less_than(self.bounds)

    def log_prob(self, value):
        return value - self.bounds

    def sample(self, shape):
        return self.bounds - torch.zeros((*shape, 2)).exponential_()


class Covariance(D.Wishart):
    """With draws by normal rows; those of torch warn of rounding."""

    def sample(self, shape):
        rows = torch.randn((*shape, 7, 2), dtype=torch.float64)
        rows = rows @ torch.linalg.cholesky(torch.eye(2, dtype=torch.float64) + 0.3).mT
        return rows.mT @ rows


class Correlation(D.LKJCholesky):
    """With draws by partial correlations; those of torch 2.13 have another law."""

    def sample(self, shape):
        z = [D.Beta(b, b).sample(shape) * 2 - 1 for b in (2.5, 2.5, 2.0)]
        x = torch.zeros((*shape, 3, 3), dtype=torch.float64)
        x[..., 0, 0] = 1.0
        x[..., 1, 0], x[..., 1, 1] = z[0], (1 - z[0] ** 2).sqrt()
        x[..., 2, 0], rest = z[1], (1 - z[1].double() ** 2).sqrt()
        x[..., 2, 1], x[..., 2, 2] = z[2] * rest, (1 - z[2].double() ** 2).sqrt() * rest
        return x / x.norm(dim=-1, keepdim=True)


class Scaled(D.constraints.Constraint):
    """A support of which only torch's registry knows."""

    event_dim = 0

    def check(self, value):
        return value > 0.0


@D.biject_to.register(Scaled)
def _(constraint):
    return D.ComposeTransform([D.ExpTransform(), D.AffineTransform(0.0, 3.0)])


LAWS["below"] = Below(torch.tensor([2.0, -1.0]))
LAWS["covariance"] = Covariance(torch.tensor(7.0), torch.eye(2) + 0.3)
LAWS["correlation"] = Correlation(3, 2.0)
positive, real = D.constraints.positive, D.constraints.real
LAWS["cat"] = Pieces(D.constraints.cat([real, positive], -1, [1, 2]))
LAWS["stack"] = Pieces(D.constraints.stack([real, positive, positive], 0))
LAWS["registered"] = D.Independent(D.Gamma(torch.full((2,), 2.0), 1.0), 1)
LAWS["registered"].__class__ = type("Own", (D.Independent,), {"support": Scaled()})


@pytest.mark.parametrize("name", LAWS)
def test_identities_of_stein_hold_for_every_support(name):
    """E[gradient] = 0 and E[u gradient'] = -1 under the law, and its derivatives."""
    law = LAWS[name]
    given = posterior({"x": law}, nothing)
    exact = in_double(law, "cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = exact.sample((20_000,)).double().numpy()
    transform = transform_of(exact)
    u = transform.to_unconstrained(x)
    back = given.constrain(u)["x"]
    np.testing.assert_allclose(back, x, rtol=1e-9, atol=1e-9)
    gradient = given.value_and_gradient(u)[1]
    products = (u - u.mean(axis=0))[:, :, None] * gradient[:, None, :]
    for terms, mean in (gradient, 0.0), (products, -np.eye(u.shape[1])):
        error = terms.std(axis=0) / math.sqrt(len(u))
        assert (np.abs(terms.mean(axis=0) - mean) < 5 * error + 1e-9).all()
    few = u[:5]
    expected = slopes_by_differences(given.value, few)
    np.testing.assert_allclose(gradient[:5], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["interval", "positive", "simplex", "above"])
def test_densities_are_finite_far_out(name):
    given = posterior({"x": LAWS[name]}, nothing)
    value, gradient = given.value_and_gradient(np.full((2, given.n_dim), 800.0))
    assert not np.isnan(value).any()
    assert not np.isnan(gradient).any()


def test_supports_of_mixtures_are_united():
    parts = D.Uniform(torch.tensor([0.5, 0.0]), torch.tensor([1.0, 3.0]))
    law = D.MixtureSameFamily(D.Categorical(torch.ones(2)), parts)
    transform = transform_of(law)
    assert (transform.lower, transform.upper) == (0.0, 3.0)


def test_ordered_numbers_have_the_law_of_order_statistics():
    x = np.sort(np.random.default_rng(0).normal(size=(4, 3)), axis=1)
    found = Ordered(D.Normal(0.0, 1.0), 3).log_prob(torch.from_numpy(x))
    expected = stats.norm.logpdf(x).sum(axis=1) + math.log(6.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_frames_are_those_of_the_priors():
    class Improper(D.Normal):
        def sample(self, shape):
            raise NotImplementedError

    priors = {
        "a": D.Normal(torch.tensor([10.0, -5.0]), 3.0),
        "b": D.LogNormal(2.0, 0.5),
        "c": Improper(5.0, 3.0),
    }
    frame = posterior(priors, nothing).frame
    np.testing.assert_allclose(frame.origin, [10.0, -5.0, 2.0, 0.0], atol=0.6)
    np.testing.assert_allclose(frame.scale, [3.0, 3.0, 0.5, 1.0], rtol=0.15)


def test_directions_have_a_normal_density():
    given = posterior({"x": UnitVector(4)}, nothing)
    u = np.random.default_rng(0).normal(size=(5, 4))
    value, gradient = given.value_and_gradient(u)
    np.testing.assert_allclose(value, stats.norm.logpdf(u).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(gradient, -u, rtol=1e-10)
    x = given.constrain(u)["x"]
    np.testing.assert_allclose((x**2).sum(axis=1), 1.0)


@pytest.mark.parametrize("name", LAWS)
def test_maps_of_tensors_are_those_of_arrays(name):
    transform = transform_of(in_double(LAWS[name], "cpu"))
    u = np.random.default_rng(0).normal(size=(2, 3, transform.size))
    x, log_jacobian = transform.to_constrained(u)
    at = torch.tensor(u, requires_grad=True)
    found, found_jacobian = forward(transform, at)
    np.testing.assert_allclose(found.detach(), x, rtol=1e-12, atol=1e-12)
    whole = found_jacobian.detach().expand(log_jacobian.shape)
    np.testing.assert_allclose(whole, log_jacobian, rtol=1e-10, atol=1e-10)
    slope = np.random.default_rng(1).normal(size=x.shape)
    total = (found * torch.as_tensor(slope)).sum() + found_jacobian.sum()
    pulled = torch.autograd.grad(total, at)[0]
    expected = transform.pull_back(slope, u)
    np.testing.assert_allclose(pulled, expected, rtol=1e-9, atol=1e-9)
