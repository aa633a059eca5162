import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import sklgen
from sklgen.mcmc._arviz import statistics, to_arviz
from sklgen.mcmc._runner import Chains, Settings

RNG = np.random.default_rng(0)
POSTERIOR = {"mu": RNG.normal(size=(4, 50)), "beta": RNG.normal(size=(4, 50, 3))}
LOG_LIKELIHOOD = {"y": RNG.normal(size=(4, 50, 7))}
OBSERVED = {"y": np.arange(7.0)}


def chains(sampler="nuts"):
    return Chains(
        RNG.normal(size=(4, 50, 4)),
        RNG.integers(0, 9, size=(4, 50, 7)).astype(float),
        SimpleNamespace(),
        Settings(sampler=sampler),
        n_walkers=1,
        n_evaluations=9,
        interrupted=False,
    )


class Stub(ModuleType):
    """Keeps what `from_dict` was called with."""

    def __init__(self, from_dict):
        super().__init__("arviz")
        self.from_dict = from_dict


def older(posterior=None, *, sample_stats=None, log_likelihood=None,
          observed_data=None, attrs=None):  # fmt: skip
    groups = {
        "posterior": posterior,
        "sample_stats": sample_stats,
        "log_likelihood": log_likelihood,
        "observed_data": observed_data,
    }
    return groups, attrs


def newer(data, *, name=None, sample_dims=None, attrs=None):
    return data, attrs["/"]


@pytest.mark.parametrize("from_dict", [older, newer])
def test_both_generations_of_arviz_get_all_groups(monkeypatch, from_dict):
    monkeypatch.setitem(sys.modules, "arviz", Stub(from_dict))
    stats = statistics(chains())
    groups, attrs = to_arviz(
        POSTERIOR, stats, log_likelihood=LOG_LIKELIHOOD, observed=OBSERVED
    )
    given = [POSTERIOR, stats, LOG_LIKELIHOOD, OBSERVED]
    names = ["posterior", "sample_stats", "log_likelihood", "observed_data"]
    assert list(groups) == names
    for name, group in zip(names, given, strict=True):
        assert set(groups[name]) == set(group)
        for key, values in group.items():
            assert_array_equal(groups[name][key], values)
    assert attrs["inference_library"] == "sklgen"
    assert attrs["inference_library_version"] == sklgen.__version__


def test_groups_that_are_not_given_are_not_made(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", Stub(newer))
    groups, _ = to_arviz(POSTERIOR, {"lp": np.zeros((4, 50))})
    assert set(groups) == {"posterior", "sample_stats"}


def test_statistics_have_the_names_of_arviz():
    run = chains()
    found = statistics(run)
    assert list(found) == [
        "lp",
        "acceptance_rate",
        "energy",
        "step_size",
        "tree_depth",
        "n_steps",
        "diverging",
    ]
    columns = [0, 2, 1, 3, 4, 5]
    for values, column in zip(found.values(), columns, strict=False):
        assert_array_equal(values, run.records[..., column])
    assert_array_equal(found["diverging"], run.records[..., 6] > 0)
    assert found["diverging"].dtype == bool


def test_ensembles_have_no_trajectories():
    assert list(statistics(chains("ensemble"))) == ["lp", "acceptance_rate"]


def test_without_arviz_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(ImportError, match="pip install arviz"):
        to_arviz(POSTERIOR, {})


@pytest.mark.filterwarnings("ignore")  # those of ArviZ when it is imported
def test_arviz_reads_what_was_given():
    arviz = pytest.importorskip("arviz")
    stats = statistics(chains())
    data = to_arviz(POSTERIOR, stats, log_likelihood=LOG_LIKELIHOOD, observed=OBSERVED)
    assert data.attrs["inference_library"] == "sklgen"
    for name, group in [
        ("posterior", POSTERIOR),
        ("sample_stats", stats),
        ("log_likelihood", LOG_LIKELIHOOD),
        ("observed_data", OBSERVED),
    ]:
        assert set(data[name].data_vars) == set(group)
        for key, values in group.items():
            assert_array_equal(data[name][key].values, values)
    assert data["posterior"]["beta"].dims == ("chain", "draw", "beta_dim_0")
    table = arviz.summary(data)
    assert list(table.index) == ["mu", "beta[0]", "beta[1]", "beta[2]"]
    loo = arviz.loo(data)
    assert np.isfinite(loo.elpd_loo if hasattr(loo, "elpd_loo") else loo.elpd)
