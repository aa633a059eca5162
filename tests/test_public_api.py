"""What is exported is documented, and what is documented is there."""

import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from api_index import public_modules, public_objects, write_index
from numpydoc.docscrape import ClassDoc
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

import sklgen
from sklgen.mcmc import BayesianModel
from sklgen.utils._instances import DENSITIES, OTHERS
from sklgen.utils.estimator_checks import INSTANCES
from sklgen.utils.estimator_checks._supports import support_of

ROOT = Path(__file__).parents[1]

ESTIMATORS = {
    path: member
    for path, member in public_objects().items()
    if inspect.isclass(member)
    and issubclass(member, BaseEstimator)
    and not inspect.isabstract(member)
    and hasattr(member, "fit")
}
MODELS = {
    path: member
    for path, member in public_objects().items()
    if inspect.isclass(member)
    and issubclass(member, BayesianModel)
    and not inspect.isabstract(member)
}
LOADERS = {
    path: member
    for path, member in public_objects().items()
    if path.startswith("sklgen.datasets.load_")
}


def by_path(members):
    return pytest.mark.parametrize("member", members.values(), ids=members)


@pytest.mark.parametrize(
    "module", [sklgen, *public_modules()], ids=lambda module: module.__name__
)
def test_exports_resolve_and_are_sorted(module):
    names = list(module.__all__)
    assert len(names) == len(set(names))
    assert names == sorted(
        names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    for name in names:
        assert hasattr(module, name)


def test_every_subpackage_is_exported():
    subpackages = {
        module.__name__.removeprefix("sklgen.")
        for module in public_modules()
        if module.__name__.count(".") == 1
    }
    assert {*sklgen.__all__} == {"__version__", *subpackages}


def test_there_are_estimators():
    assert "sklgen.mixture.GaussianMixture" in ESTIMATORS
    assert "sklgen.mcmc.models.LinearModel" in MODELS
    assert not {*ESTIMATORS} & {*MODELS}


@by_path(ESTIMATORS | MODELS | LOADERS)
def test_docstring_example_runs(member):
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(member))
    assert any(example.want for example in examples)
    assert not any(doctest.SKIP in example.options for example in examples)


@pytest.mark.parametrize("path", ESTIMATORS)
def test_estimator_is_in_the_readme(path):
    row = rf"^\| `{re.escape(path)}` \|"
    assert re.search(row, (ROOT / "README.md").read_text(), flags=re.MULTILINE)


def test_everything_has_a_page(tmp_path):
    index = tmp_path / "api" / "index.rst"
    write_index(index)
    listed = [line.strip(" ~") for line in index.read_text().splitlines()]
    assert {*public_objects()} <= {*listed}


def set_by_fitting(model):
    """What it has got from rows, and the properties that go with it."""
    names = {*vars(model), *dir(type(model))}
    return {name for name in names if re.fullmatch(r"[a-z]\w*_", name)}


def documented(cls):
    return {attribute.name for attribute in ClassDoc(cls)["Attributes"]}


# Some instances draw little; what they say of that is tested elsewhere (2026-11).
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@by_path(ESTIMATORS)
def test_fitted_attributes_are_documented(member):
    fitted = set()
    for make in {**INSTANCES, **OTHERS, **DENSITIES}.values():
        model = make()
        if type(model) is not member:
            continue
        support = support_of(model)
        rows = support.rows(n_rows=60)
        # Generators that know classes have them where there are labels.
        needs_y = get_tags(model).target_tags.required or hasattr(member, "_n_classes")
        y = np.arange(60) % 2 if needs_y else None
        fitted |= set_by_fitting(model.fit(pd.DataFrame(support.columns(rows)), y))
    assert fitted == documented(member)


@by_path(MODELS)
def test_what_models_remember_is_documented(member):
    model = member()
    rng = np.random.default_rng(0)
    model.parameters(rng.normal(size=(60, 2)), rng.integers(2, size=60))
    assert set_by_fitting(model) == documented(member)
