"""Every public class, function and method has a full numpydoc docstring.

No list of names to spare: what is exported is validated.
"""

import inspect

import pytest
from api_index import own_members, public_objects
from numpydoc.validate import validate

IGNORED = {
    "ES01": "one sentence is enough where the name and the parameters say the rest",
    "EX01": "test_public_api asks for examples where they help: estimators, loaders",
    "RT02": "returned values have names, which the text can refer to",
    "SA01": "not everything has a relative worth pointing at",
}


def import_paths():
    """Where each docstring is written: an inherited one is validated once."""
    paths = set()
    for path, member in public_objects().items():
        paths.add(path)
        if inspect.isclass(member):
            paths |= {*own_members(member).values()}
    return sorted(paths)


@pytest.mark.parametrize("path", import_paths())
def test_docstring(path):
    errors = validate(path)["errors"]
    serious = [f"{code}: {text}" for code, text in errors if code not in IGNORED]
    assert not serious, "\n".join([path, *serious])


def test_a_poor_docstring_is_found():
    codes = {code for code, _ in validate("tests.test_docstrings.poor")["errors"]}
    assert {"SS03", "PR01", "RT01"} <= codes


def poor(X):
    """Return nothing much"""
    return X
