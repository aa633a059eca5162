"""Posteriors of models that are written with torch."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats
from torch import distributions as D

from sklgen.mcmc import _torch_posterior
from sklgen.mcmc._backend import uses_torch
from sklgen.mcmc._diagnostics import ess_mean, r_hat
from sklgen.mcmc._run import sample_nuts
from sklgen.mcmc._torch_calls import torch_call
from sklgen.mcmc._torch_laws import Ordered
from tests.torch_models import (
    Model,
    Pieces,
    drawn,
    nothing,
    posterior,
    rows,
    sampled,
    slopes_by_differences,
)

pytestmark = pytest.mark.torch


def normal_rows(params, X, y):
    law = D.Normal(params["mean"][..., None], params["scale"][..., None])
    return law.log_prob(X[:, 0])


def normal_rows_of_a_point(params, X, y):
    return D.Normal(params["mean"], params["scale"]).log_prob(X[:, 0])


def normal_rows_in_place(params, X, y):
    found = torch.zeros((len(params["mean"]), len(X)), dtype=torch.float64)
    residual = X[:, 0] - params["mean"][..., None]
    found += residual**2
    found[:, :] *= -0.5 / params["scale"][..., None] ** 2
    found -= torch.log(params["scale"])[..., None] + 0.5 * math.log(2 * math.pi)
    return found


def normal_rows_by_value(params, X, y):
    if (params["mean"] > 100.0).any():
        raise ValueError("far away")
    return normal_rows(params, X, y)


def normal_rows_behind_torch(params, X, y):
    """The scale of it goes through NumPy: no derivative is taken by it."""
    scale = torch.as_tensor(np.array(params["scale"].detach().numpy()) * 1.0)
    return D.Normal(params["mean"][..., None], scale[..., None]).log_prob(X[:, 0])


NORMAL = {"mean": D.Normal(1.0, 2.0, validate_args=True), "scale": D.HalfNormal(0.5)}
LOGIT = {"slopes": D.Normal(torch.zeros(3), 2.0)}


def logit_rows(params, X, y):
    return D.Bernoulli(logits=params["slopes"] @ X.T).log_prob(y)


def logit_rows_of_a_point(params, X, y):
    return D.Bernoulli(logits=X @ params["slopes"]).log_prob(y)


def by_hand(u, X, weight):
    mean, scale = u[:, 0], np.exp(u[:, 1])
    prior = stats.norm.logpdf(mean, 1, 2) + stats.halfnorm.logpdf(scale, 0, 0.5)
    likelihood = stats.norm.logpdf(X[:, 0], mean[:, None], scale[:, None]) @ weight
    return prior + u[:, 1] + likelihood


FUNCTIONS = [
    normal_rows,
    normal_rows_of_a_point,
    normal_rows_in_place,
    normal_rows_by_value,
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_density_and_gradient_of_a_normal_model(function):
    X, rng = rows(), np.random.default_rng(1)
    weight = rng.uniform(0.0, 2.0, len(X))
    given = posterior(NORMAL, function, X, weight=weight)
    for n in (3, 1, 3, 4):  # traced, and asked again
        u = rng.normal(size=(n, 2))
        np.testing.assert_allclose(given.value(u), by_hand(u, X, weight), rtol=1e-6)
        value, gradient = given.value_and_gradient(u)
        np.testing.assert_allclose(value, given.value(u), rtol=1e-12)
        expected = slopes_by_differences(lambda v: by_hand(v, X, weight), u)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


def test_numbers_that_leave_torch_are_not_frozen():
    X = rows()
    given = posterior(NORMAL, normal_rows_behind_torch, X)
    u = np.random.default_rng(0).normal(size=(3, 2))
    for _ in range(2):
        expected = by_hand(u, X, np.ones(len(X)))
        np.testing.assert_allclose(given.value(u), expected, rtol=1e-6)
        u = u + 1.0


@pytest.mark.parametrize("function", FUNCTIONS[:3])
def test_models_are_called_once_for_each_number_of_positions(function):
    n_calls = 0

    def counted(params, X, y):
        nonlocal n_calls
        n_calls += 1
        return function(params, X, y)

    given = posterior(NORMAL, counted, rows())
    given.value_and_gradient(np.zeros((4, 2)))
    before = n_calls
    for shift in range(10):
        given.value_and_gradient(np.full((4, 2), 0.1 * shift))
    assert n_calls == before
    given.value_and_gradient(np.zeros((2, 2)))
    assert n_calls > before


def test_functions_of_a_point_equal_those_of_many():
    X = rows(20, 3)
    y = (X[:, 0] > 1.5).astype(float)
    many = posterior(LOGIT, logit_rows, X, y)
    one = posterior(LOGIT, logit_rows_of_a_point, X, y)
    assert (many._style.__name__, one._style.__name__) == ("direct", "mapped")
    u = np.random.default_rng(0).normal(size=(6, 3))
    for a, b in zip(many.value_and_gradient(u), one.value_and_gradient(u), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    np.testing.assert_allclose(many.terms(u[0])[""], one.terms(u[0])[""], rtol=1e-10)


def test_functions_of_a_point_that_torch_cannot_map():
    def function(params, X, y):
        rows = X[:, 0] * params["slopes"].sum()
        return rows if params["slopes"][0].item() > 0 else 2.0 * rows

    given = posterior(LOGIT, function, rows())
    assert given._style.__name__ == "looped"
    u = np.array([[1.0, 0.0, 0.5], [-1.0, 0.0, 0.5], [1.0, 2.0, 3.0]])
    likelihood = u.sum(axis=1) * np.array([1, 2, 1]) * rows().sum()
    prior = stats.norm.logpdf(u, 0.0, 2.0).sum(axis=1)
    value, gradient = given.value_and_gradient(u)
    np.testing.assert_allclose(value, prior + likelihood, rtol=1e-10)
    slope = np.array([1, 2, 1])[:, None] * rows().sum() - u / 4.0
    np.testing.assert_allclose(gradient, slope, rtol=1e-10)


def test_sums_over_a_parameter_do_not_run_over_points():
    def function(params, X, y):
        return -X[:, 0] * params["slopes"].norm()

    def of_a_number(params, X, y):
        return (params["mean"].sum() * X[:, 0]).expand(*params["mean"].shape, len(X))

    u = np.random.default_rng(0).normal(size=(4, 3))
    value = posterior(LOGIT, function, rows()).value(u)
    length = np.linalg.norm(u, axis=1)
    prior = stats.norm.logpdf(u, 0.0, 2.0).sum(axis=1)
    np.testing.assert_allclose(value, prior - length * rows().sum(), rtol=1e-10)
    priors = {"mean": D.Normal(0.0, 1.0)}
    value = posterior(priors, of_a_number, rows()).value(u[:, :1])
    expected = stats.norm.logpdf(u[:, 0]) + u[:, 0] * rows().sum()
    np.testing.assert_allclose(value, expected, rtol=1e-10)


@pytest.mark.parametrize("n", [23, 24])
@pytest.mark.parametrize("function", [logit_rows, logit_rows_of_a_point])
def test_blocks_of_rows_equal_all_at_once(monkeypatch, n, function):
    X, rng = rows(n, 3), np.random.default_rng(1)
    y, weight = rng.integers(0, 2, n).astype(float), rng.uniform(0, 2, n)
    u = rng.normal(size=(3, 3))
    whole = posterior(LOGIT, function, X, y, weight)
    expected = whole.value(u), *whole.value_and_gradient(u)
    sizes = set()

    def told(params, X, y):
        sizes.add(len(X))
        return function(params, X, y)

    monkeypatch.setattr(_torch_posterior, "BLOCK", 18)
    blocks = posterior(LOGIT, told, X, y, weight)
    sizes.clear()
    found = blocks.value(u), *blocks.value_and_gradient(u)
    assert sizes == {6, n % 6 or 6}
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    monkeypatch.setattr(Model, "independent_rows", False)
    sizes.clear()
    posterior(LOGIT, told, X, y, weight).value(u)
    assert sizes == {n}


def test_many_positions_equal_few():
    given = posterior(NORMAL, normal_rows, rows())
    u = np.random.default_rng(0).normal(size=(300, 2))
    value, gradient = given.value_and_gradient(u)
    for k in (0, 127, 128, 299):
        one = given.value_and_gradient(u[k : k + 1])
        np.testing.assert_allclose(value[k], one[0][0], rtol=1e-12)
        np.testing.assert_allclose(gradient[k], one[1][0], rtol=1e-12)
    assert given.value(u[:0]).shape == (0,)


def test_terms_add_up():
    X = rows()
    y, weight = X[:, 0], np.random.default_rng(0).uniform(size=len(X))
    given = posterior(NORMAL, normal_rows, X, y, weight)
    u = np.array([0.3, -0.2])
    terms = given.terms(u)
    scale = math.exp(u[1])
    assert set(terms) == {"mean", "scale", ""}
    np.testing.assert_allclose(terms["mean"], stats.norm.logpdf(0.3, 1, 2))
    np.testing.assert_allclose(terms["scale"], stats.halfnorm.logpdf(scale, 0, 0.5))
    total = terms["mean"] + terms["scale"] + terms[""] @ weight + u[1]
    np.testing.assert_allclose(total, given.value(u[None]), rtol=1e-6)
    assert np.isnan(given.terms(np.array([np.nan, 0.0]))["mean"]).all()


def test_what_is_not_finite_passes_through():
    given = posterior(NORMAL, normal_rows, rows())
    value, gradient = given.value_and_gradient(np.array([[0.0, 0.0], [np.nan, 0.0]]))
    assert np.isfinite(value[0])
    assert np.isfinite(gradient[0]).all()
    assert np.isnan(value[1])


def wrong_length(params, X, y):
    return normal_rows(params, X, y)[..., 1:]


def summed(params, X, y):
    return normal_rows(params, X, y).sum(-1)


def an_array(params, X, y):
    return normal_rows(params, X, y).numpy()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (wrong_length, r"shape \(2, 11\).*It gave the shape \(2, 10\)"),
        (summed, r"shape \(2, 11\).*It gave the shape \(2,\) for the former"),
        (an_array, "returned no tensor, but ndarray"),
    ],
)
def test_wrong_answers_are_told(function, words):
    with pytest.raises((ValueError, TypeError), match=words):
        posterior(NORMAL, function, rows())


def test_what_the_users_function_raises_comes_through():
    def function(params, X, y):
        return params["slopes"] @ X

    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        posterior(LOGIT, function, rows(11, 2))
    assert "shapes {'slopes': (4, 3)}" in caught.value.__notes__[0]
    given = posterior(NORMAL, normal_rows_by_value, rows())
    with pytest.raises(ValueError, match="far away"):
        given.value_and_gradient(np.array([[0.0, 0.0], [200.0, 0.0]]))


def test_parameters_without_influence_keep_their_prior():
    given = posterior({"x": D.Normal(0.0, 2.0)}, nothing)
    u = np.array([[1.0], [2.0]])
    np.testing.assert_allclose(given.value_and_gradient(u)[1], -u / 4.0)
    flat = posterior({"x": Pieces(D.constraints.real)}, nothing)
    flat._priors["x"].log_prob = lambda x: torch.zeros(len(x), dtype=torch.float64)
    u = np.ones((2, 3))
    np.testing.assert_array_equal(flat.value_and_gradient(u)[1], 0.0)


def test_discrete_priors_are_refused():
    with pytest.raises(ValueError, match=r"discrete: sum over its values"):
        posterior({"k": D.Poisson(3.0)}, nothing)
    with pytest.raises(ValueError, match=r"law of one number.*\(2,\)"):
        Ordered(D.Normal(torch.zeros(2), 1.0), 3)
    with pytest.raises(ValueError, match=r"real or of positive.*between their bounds"):
        Ordered(D.Uniform(0.0, 1.0), 3)


def test_nothing_global_is_touched():
    before = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    checks = D.Distribution._validate_args
    test_functions_of_a_point_equal_those_of_many()
    torch_call(drawn, {"mean": np.zeros(3)}, rows(), rng=np.random.default_rng(0))
    torch_call(sampled, {"mean": np.zeros(3)}, rows(), rng=np.random.default_rng(0))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.get_default_dtype(), torch.get_num_threads())
    assert D.Distribution._validate_args is checks
    given = {"x": D.Normal(torch.zeros(2), 1.0)}
    posterior(given, nothing)
    assert given["x"].loc.dtype == torch.float32
    assert given["x"]._validate_args


def test_small_tensors_wait_for_no_threads():
    before = torch.get_num_threads()
    cpu = torch.device("cpu")
    torch.set_num_threads(2)
    try:
        with _torch_posterior._threads_for(100, cpu):
            assert torch.get_num_threads() == 1
        with _torch_posterior._threads_for(1 << 20, cpu):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_conjugate_normal_is_sampled():
    X = rows(30)
    given = posterior(
        {"mean": D.Normal(1.0, 2.0), "scale": D.Gamma(100.0, 100.0)}, normal_rows, X
    )
    known = posterior(
        {"mean": D.Normal(1.0, 2.0)},
        lambda p, X, y: D.Normal(p["mean"][..., None], 1.0).log_prob(X[:, 0]),
        X,
    )
    assert given.n_dim == 2
    run = sample_nuts(
        known.value_and_gradient,
        known.n_dim,
        n_chains=4,
        n_warmup=200,
        n_draws=500,
        rng=np.random.default_rng(0),
    )
    mean = known.constrain(run.positions)["mean"][..., None]
    variance = 1.0 / (30 + 0.25)
    expected = variance * (X.sum() + 0.25)
    assert r_hat(mean).max() < 1.02
    error = (mean.mean() - expected) / math.sqrt(variance / ess_mean(mean)[0])
    assert abs(error) < 4.5
    assert abs(mean.var() / variance - 1.0) < 0.25


def test_kinds_of_priors_are_told_apart():
    from sklgen.mcmc.priors._base import Prior

    class Own(Prior):
        shape = ()
        transform = value_and_gradient = draw = None

    assert uses_torch({"a": D.Normal(0.0, 1.0)})
    assert not uses_torch({"a": Own()})
    with pytest.raises(TypeError, match=r"\['b'\] are the former and those of \['a'\]"):
        uses_torch({"a": D.Normal(0.0, 1.0), "b": Own()})
    with pytest.raises(TypeError, match=r"prior of 'a' must be a law.*got 3"):
        uses_torch({"a": 3})
    with pytest.raises(TypeError, match="must return a mapping of names"):
        uses_torch([D.Normal(0.0, 1.0)])


def test_torch_is_not_imported_for_others():
    code = (
        "import sys; from sklgen.mcmc._backend import is_torch; is_torch(1.0);"
        "print('torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
