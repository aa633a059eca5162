"""Densities that users give: all kinds of functions, names, pickles, going on."""

import copy
import pickle

import numpy as np
import pytest
from numba import njit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sklgen.mcmc._density import DensitySampler
from sklgen.mcmc._diagnostics import ess_mean

# Runs are short here, and may be told to be.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

COVARIANCE = np.array([[4.0, 1.9], [1.9, 1.0]])
PRECISION = np.linalg.inv(COVARIANCE)
SHORT = {"n_warmup": 200, "n_draws": 300, "random_state": 0}


def log_density(x, precision=PRECISION):
    return -0.5 * ((x @ precision) * x).sum(axis=-1)


def gradient(x, precision=PRECISION):
    return -x @ precision


def both(x, precision=PRECISION):
    return log_density(x, precision), gradient(x, precision)


@njit
def compiled(x, slope, precision):
    value = 0.0
    for i in range(len(x)):
        slope[i] = 0.0
        for j in range(len(x)):
            slope[i] -= precision[i, j] * x[j]
        value += 0.5 * slope[i] * x[i]
    return value


def torch_log_density(x, precision):
    import torch

    products = x[..., :, None] * torch.as_tensor(precision) * x[..., None, :]
    return -0.5 * products.sum(dim=(-1, -2))  # the same bits for any number of points


ARGS = (PRECISION,)
WAYS = {
    "gradient": (log_density, {"grad": gradient}),
    "args": (log_density, {"grad": gradient, "args": ARGS}),
    "pairs": (both, {"grad": True, "args": ARGS}),
    "one by one": (log_density, {"grad": gradient, "vectorized": False}),
    "pairs one by one": (both, {"grad": True, "vectorized": False}),
    "differences": (log_density, {"args": ARGS}),
    "differences one by one": (log_density, {"vectorized": False}),
    "compiled": (compiled, {"args": ARGS}),
    "torch": (torch_log_density, {"grad": "torch", "args": ARGS}),
    "torch one by one": (
        torch_log_density,
        {"grad": "torch", "args": ARGS, "vectorized": False},
    ),
    "ensemble": (log_density, {"sampler": "ensemble", "n_draws": 3_000}),
    "ensemble of pairs": (
        both,
        {"sampler": "ensemble", "grad": True, "n_draws": 3_000},
    ),
    "ensemble, compiled": (
        compiled,
        {"sampler": "ensemble", "args": ARGS, "n_draws": 3_000},
    ),
}
WITH_DERIVATIVES = [
    way for way in WAYS if not way.startswith(("differences", "ensemble"))
]


def ways(names):
    marks = {True: [pytest.mark.torch], False: []}
    params = [pytest.param(name, marks=marks["torch" in name]) for name in names]
    return pytest.mark.parametrize("way", params)


def fitted(way="gradient", **options):
    function, own = WAYS[way]
    return DensitySampler(function, 2, **(SHORT | own | options)).fit()


@ways(WAYS)
def test_law(way):
    sampler = fitted(way)
    x = sampler.draws_
    assert x.shape == (4, sampler.n_draws, 2)
    error = x.mean(axis=(0, 1)) / np.sqrt(np.diag(COVARIANCE) / ess_mean(x))
    assert np.abs(error).max() < 4
    white = np.linalg.solve(np.linalg.cholesky(COVARIANCE), x[..., None])[..., 0]
    assert np.abs((white**2).mean(axis=(0, 1)) - 1).max() < 0.2
    assert abs(white.prod(axis=2).mean()) < 0.15
    np.testing.assert_allclose(sampler.log_densities_, log_density(x), rtol=1e-9)


@ways(WITH_DERIVATIVES)
def test_ways_to_say_the_same_give_the_same(way):
    few = {"n_warmup": 20, "n_draws": 4}
    one, other = fitted(**few), fitted(way, **few)
    np.testing.assert_allclose(other.draws_, one.draws_, rtol=1e-6)


def test_sample():
    sampler = fitted()
    x = sampler.sample(2_000, random_state=0)
    pooled = {tuple(row) for row in sampler.draws_.reshape(-1, 2)}
    assert {tuple(row) for row in x} <= pooled
    assert len(np.unique(x, axis=0)) > 700
    np.testing.assert_array_equal(x, sampler.sample(2_000, random_state=0))
    assert (x != sampler.sample(2_000, random_state=1)).any()
    assert sampler.sample().shape == (1, 2)
    with pytest.raises(ValueError, match="n_samples"):
        sampler.sample(0)
    with pytest.raises(NotFittedError):
        DensitySampler(log_density, 2).sample()


def test_summary_has_names():
    table = fitted(names=["slope", "offset"]).summary()
    assert table.index.tolist() == ["slope", "offset"]
    np.testing.assert_allclose(table["sd"], [2.0, 1.0], rtol=0.2)
    assert fitted().summary().index.tolist() == ["x[0]", "x[1]"]


@ways(WAYS)
def test_seeds_and_clones(way):
    sampler = fitted(way, n_draws=32)
    for other in (sampler, sampler.set_params(n_jobs=2), clone(sampler)):
        again = clone(other).fit()
        np.testing.assert_array_equal(again.draws_, sampler.draws_)
    last = clone(sampler).set_params(random_state=1).fit()
    assert (last.draws_ != sampler.draws_).any()


@ways(WAYS)
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_pickles_go_on(way, copied):
    sampler = fitted(way, n_draws=32, warm_start=True)
    again = copied(sampler)
    np.testing.assert_array_equal(again.draws_, sampler.draws_)
    longer = again.set_params(n_draws=48, random_state=5).fit()
    whole = fitted(way, n_draws=48)
    np.testing.assert_array_equal(longer.draws_, whole.draws_)
    assert longer.diagnostics_["n_evaluations"] == whole.diagnostics_["n_evaluations"]


def test_lambdas_survive():
    shift = 3.0
    sampler = DensitySampler(
        lambda x: log_density(x - shift), 2, grad=lambda x: gradient(x - shift), **SHORT
    )
    again = pickle.loads(pickle.dumps(sampler))
    assert again.log_density is not sampler.log_density
    np.testing.assert_array_equal(again.fit().draws_, clone(sampler).fit().draws_)
    assert np.abs(again.draws_.mean(axis=(0, 1)) - 3).max() < 0.6


def test_nothing_but_parameters_and_arrays_is_kept():
    sampler = fitted("compiled")
    size = len(pickle.dumps(sampler))
    assert size < sampler.draws_.nbytes + 1.2 * sampler._chains.records.nbytes + 10_000
    assert set(vars(sampler)) - set(sampler.get_params()) == {
        "_chains",
        "draws_",
        "log_densities_",
        "diagnostics_",
        "converged_",
    }


def test_starts():
    far = np.full((4, 2), 50.0) + np.arange(8).reshape(4, 2)
    x = fitted(starts=far.tolist(), n_warmup=0, n_draws=4, max_depth=1).draws_
    assert x.min() > 20
    with pytest.raises(ValueError, match=r"starts must have the shape .* \(4, 2\)"):
        fitted(starts=far[:2])
    with pytest.raises(ValueError, match=r"\(4, 16, 2\)"):
        fitted("ensemble", starts=far)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ["a"]}, "names must be n_dim=2 distinct names"),
        ({"names": ["a", "a"]}, "distinct names"),
        ({"n_dim": 0}, "'n_dim' parameter"),
        ({"grad": False}, "'grad' parameter"),
        ({"grad": "jax"}, "'grad' parameter"),
        ({"log_density": None}, "'log_density' parameter"),
        ({"n_draws": 3}, "'n_draws' parameter"),
        ({"target_accept": 1.0}, "'target_accept' parameter"),
        ({"sampler": "gibbs"}, "'sampler' parameter"),
    ],
)
def test_parameters_are_checked(change, message):
    sampler = DensitySampler(log_density, 2, grad=gradient, **SHORT)
    with pytest.raises(ValueError, match=message):
        sampler.set_params(**change).fit()


@pytest.mark.parametrize(
    ("function", "options", "error", "message"),
    [
        (lambda x: x @ x, {}, ValueError, "set vectorized=False"),
        (lambda x: (x * x).sum(), {}, ValueError, "set vectorized=False"),
        (lambda x: -x, {"vectorized": False}, ValueError, r"of shape \(2,\)"),
        (log_density, {"grad": True}, TypeError, "a tuple of the log-density"),
        (log_density, {"grad": log_density}, ValueError, r"\(n, 2\), got \(4,\)"),
        (
            log_density,
            {"grad": log_density, "vectorized": False},
            ValueError,
            r"\(2\), got \(\)",
        ),
        (
            lambda x: np.zeros(2),
            {"grad": "torch"},
            TypeError,
            "gets and returns tensors",
        ),
    ],
)
def test_wrong_functions_are_told(function, options, error, message):
    with pytest.raises(error) as told:
        DensitySampler(function, 2, **(SHORT | options)).fit()
    notes = " ".join(getattr(told.value, "__notes__", []))
    assert (
        told.match(message) if "vectorized=False" not in message else message in notes
    )


def test_errors_tell_the_position():
    def fragile(x):
        if x[0] > 1.5:
            raise OverflowError("no more")
        return log_density(x)

    sampler = DensitySampler(fragile, 2, vectorized=False, **SHORT)
    with pytest.raises(OverflowError, match="no more") as told:
        sampler.fit()
    position = told.value.__notes__[0].split("[")[1].split(",")[0]
    assert float(position) > 1.4


def test_problems_are_one_warning():
    sampler = DensitySampler(
        lambda x: np.zeros(len(x)), 1, grad=lambda x: 0 * x, names=["drift"]
    )
    sampler.set_params(n_warmup=60, n_draws=20, max_depth=5, random_state=0)
    with pytest.warns(ConvergenceWarning) as seen:
        sampler.fit()
    assert len(seen) == 1
    message = str(seen[0].message)
    assert message.startswith("DensitySampler: Draws of drift run away")
    assert seen[0].filename == __file__
    assert not sampler.converged_
    assert fitted(n_draws=1_000).converged_


def test_interrupts_are_told():
    whole = fitted(n_draws=1_000)
    left = [whole.diagnostics_["n_evaluations"] * 2 // 3]

    def impatient(x):
        left[0] -= len(x)
        if left[0] < 0:
            raise KeyboardInterrupt
        return both(x)

    sampler = DensitySampler(impatient, 2, grad=True, **(SHORT | {"n_draws": 1_000}))
    with pytest.warns(ConvergenceWarning, match="The run was interrupted after"):
        sampler.fit()
    n = sampler.draws_.shape[1]
    assert 10 < n < 1_000
    assert not sampler.converged_
    np.testing.assert_allclose(sampler.draws_, whole.draws_[:, :n])
    left[0] = 10**9
    sampler.set_params(warm_start=True).fit()
    assert sampler.draws_.shape == (4, 1_000, 2)


def test_chains_of_another_density_do_not_go_on():
    sampler = fitted(warm_start=True)
    sampler.set_params(n_draws=400, args=(2 * PRECISION,))
    with pytest.raises(ValueError, match="warm_start=True goes on with chains of the"):
        sampler.fit()
