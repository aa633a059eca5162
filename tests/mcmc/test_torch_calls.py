"""Functions of torch: how they are traced, and called with arrays."""

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import distributions as D

from sklgen.mcmc._torch_calls import torch_call
from sklgen.mcmc._torch_trace import Untraceable, traced
from tests.torch_models import drawn, rows, sampled

pytestmark = pytest.mark.torch


def test_traces_refuse_what_depends_on_values():
    x = torch.arange(4.0)
    for function in (
        lambda x: (x[x > 1.0].sum(),),
        lambda x: (x * float(x[0]),),
        lambda x: (x + torch.rand(4),),
        lambda x: (torch.from_numpy(x.numpy()) * 2.0,),
    ):
        with torch.random.fork_rng(devices=[]), pytest.raises(Untraceable):
            traced(function, (x,))


def test_traces_write_where_the_function_writes():
    def function(x):
        a, b = torch.zeros_like(x), torch.zeros_like(x)
        view = b.view(3)
        a += x
        view[1:] = 2.0 * x[:2]
        return a * b, x + b

    program = traced(function, (torch.ones(3),))
    for shift in range(3):
        x = torch.arange(3.0) + shift
        for a, b in zip(program(x), function(x), strict=True):
            assert torch.equal(a, b)


def test_traces_leave_out_what_does_nothing():
    zero = torch.zeros(3)

    def function(x):
        y = (x + zero) * 1.0 - torch.zeros_like(x)
        table = torch.arange(9.0).reshape(3, 3).sin()
        parts = torch.split(torch.sin(y) + torch.sin(x), [1, 2])
        return torch.cat(parts[::-1]) @ table, torch.full_like(x, 2.0)

    program = traced(function, (torch.ones(3),))
    for shift in range(3):
        x = torch.arange(3.0) + shift
        for a, b in zip(program(x), function(x), strict=True):
            assert torch.equal(a, b)
    n_sines = sum(value is torch.sin for value in program.__globals__.values())
    assert n_sines == 1
    # x, sine, sum, pieces, what is put together, a matrix of it, product, a vector
    assert len(program.__code__.co_varnames) == 8


def drawn_for_a_point(params, X, generator):
    return params["mean"] + torch.randn(len(X), generator=generator).double()


def sampled_for_a_point(params, X, generator):
    return D.Normal(params["mean"], torch.ones(len(X))).sample()


@pytest.mark.parametrize(
    "method", [drawn, drawn_for_a_point, sampled, sampled_for_a_point]
)
def test_simulations_follow_the_generator(method):
    mean = {"mean": np.array([0.0, 100.0, -100.0])}
    X = rows(2_000)

    def simulated(seed):
        return torch_call(method, mean, X, rng=np.random.default_rng(seed))

    first = simulated(0)
    np.testing.assert_array_equal(first, simulated(0))
    assert (first != simulated(1)).all()
    noise = first - mean["mean"][:, None]
    assert noise.shape == (3, 2_000)
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(noise)[~np.eye(3, dtype=bool)]).max() < 0.1


def test_methods_are_called_with_arrays():
    X, slopes = rows(6, 3), np.random.default_rng(0).normal(size=(4, 3))
    many = lambda p, X: p["slopes"] @ X.T
    one = lambda p, X: X @ p["slopes"]
    shares = lambda p, X: torch.stack(
        [(X @ p["slopes"]).sigmoid(), p["slopes"].sum() + X[:, 0]], -1
    )
    for method in (many, one):
        found = torch_call(method, {"slopes": slopes}, X)
        np.testing.assert_allclose(found, slopes @ X.T, rtol=1e-12)
    found = torch_call(shares, {"slopes": slopes}, X)
    assert found.shape == (4, 6, 2)
    np.testing.assert_allclose(found[..., 0], special.expit(slopes @ X.T), rtol=1e-12)
    np.testing.assert_allclose(found[..., 1], slopes.sum(axis=1)[:, None] + X[:, 0])
    single = torch_call(one, {"slopes": slopes[:1]}, X)
    np.testing.assert_allclose(single, slopes[:1] @ X.T, rtol=1e-12)
