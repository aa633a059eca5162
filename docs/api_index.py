"""The one list of the public API: every `__all__` of every public module.

The documentation's pages and the tests of docstrings and exports are built from it.
"""

import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import sklgen
from sklgen.utils.estimator_checks import REGISTRY
from sklgen.utils.estimator_checks._supports import SUPPORTS

CHECKS_INTRODUCTION = """\
What `sklgen.utils.estimator_checks.check_generator` demands of a model. A check runs on
models that have the methods in brackets. Some skip models that lack something else: a
`fit` with weights, say. Rows are of the kind that the model's `_support` names.
"""


def public_modules() -> Iterator[ModuleType]:
    """Every module whose path has no private part, packages before their contents."""
    for info in pkgutil.walk_packages(sklgen.__path__, "sklgen."):
        if "._" not in info.name:
            yield importlib.import_module(info.name)


def public_objects() -> dict[str, type | object]:
    """Every exported class and function once, under the first path that exports it."""
    objects: dict[str, object] = {}
    for module in public_modules():
        for name in module.__all__:
            member = getattr(module, name)
            is_code = inspect.isclass(member) or inspect.isroutine(member)
            if is_code and not any(member is known for known in objects.values()):
                objects[f"{module.__name__}.{name}"] = member
    return objects


def own_members(cls: type) -> dict[str, str]:
    """The public methods and properties written in this package.

    Each comes with the path of its docstring: a method without one has the docstring of
    the nearest base class that has one.
    """
    members = {}
    for name in dir(cls):
        written = [vars(base)[name] for base in cls.__mro__ if name in vars(base)]
        codes = [inspect.unwrap(_code(member)) for member in written]
        if name.startswith("_") or not inspect.isfunction(codes[0]):
            continue
        if codes[0].__module__.startswith("sklgen"):
            code = next((code for code in codes if code.__doc__), codes[0])
            members[name] = f"{code.__module__}.{code.__qualname__}"
    return members


def _code(member: object) -> object:
    """The function inside a property, a class method or the like."""
    for wrapper in ("__func__", "fget", "func", "fn"):
        member = getattr(member, wrapper, member)
    return member


def write_index(path: Path) -> None:
    """Write the page that lists everything; autosummary makes one page of each."""
    lines = ["API reference", "=" * 13, ""]
    objects = public_objects()
    for module in public_modules():
        names = [name for name in objects if name.rpartition(".")[0] == module.__name__]
        if names:
            title = module.__name__
            lines += [title, "-" * len(title), "", _first_paragraph(module), ""]
            lines += [".. autosummary::", "   :toctree: generated", ""]
            lines += [f"   ~{name}" for name in names] + [""]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def write_checks(path: Path) -> None:
    """Write the page that says what each check of the contract demands."""
    lines = ["# Checks of the contract", "", CHECKS_INTRODUCTION]
    groups: dict[str, list[str]] = {}
    for entry in REGISTRY:
        check = entry.check
        demands = [f"`{name}`" for name in entry.needs]
        if len(entry.supports) < len(SUPPORTS):
            kinds = " or ".join(f'`"{kind}"`' for kind in entry.supports)
            demands.append(f"`_support` {kinds}")
        if entry.sparse:
            demands.append("tag `input_tags.sparse`")
        term = f"`{check.__name__}` (for {', '.join(demands)})"
        definition = _definition(f"{term}\n\n{inspect.getdoc(check)}")
        groups.setdefault(check.__module__, []).append(definition)
    for module, entries in groups.items():
        title = _first_paragraph(importlib.import_module(module)).rstrip(".")
        lines += ["", f"## {title}", "", *entries]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def _definition(entry: str) -> str:
    """A term and paragraphs as an entry of a definition list in Markdown."""
    term, _, text = entry.partition("\n\n")
    return f"{term}\n: " + textwrap.indent(text, "  ").lstrip() + "\n"


def _first_paragraph(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").partition("\n\n")[0]
