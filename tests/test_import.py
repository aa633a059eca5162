import subprocess
import sys

import pytest

import sklgen

HEAVY = {"dask", "matplotlib", "numba", "pandas", "skorch", "torch"}


def loaded_by(names):
    code = f"import sys, {names}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {*done.stdout.split()}


def test_import_loads_nothing_heavy():
    assert HEAVY.isdisjoint(loaded_by("sklgen"))


def test_chains_load_little_beyond_scikit_learn():
    loaded = loaded_by("sklgen.mcmc") - loaded_by("numba, sklearn.utils.validation")
    heavy = HEAVY | {"sklearn.cluster", "sklgen.families", "sklgen.mixture"}
    assert heavy.isdisjoint(loaded)


def test_subpackages_are_loaded_on_first_use():
    code = """
import sys, sklgen
assert "sklgen.datasets" not in sys.modules
assert sklgen.datasets.load_galaxies().data.shape == (82, 1)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="'sklgen' has no attribute 'mixtures'"):
        _ = sklgen.mixtures


def test_dir_shows_what_is_public():
    assert dir(sklgen) == sorted(sklgen.__all__)
