"""Compiled code is kept on disk, and must not outlive the code that it calls.

numba compares what it kept with the file that a function is in, and with no other: a
kernel that calls those of other modules would go on with their old code. So its file
ends in a stamp of theirs, which changes the file whenever they change.

    python tests/test_kernel_stamps.py

writes the stamps.
"""

import ast
import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STAMP = re.compile(r"\n+# Calls kernels of other modules, as of ([0-9a-f]{12})\.\n$")


def _called(source):
    """The modules of kernels that a module takes names from, or takes whole."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            for module in (node.module, *names):
                path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
                if path.is_file() and "njit(" in path.read_text():
                    found.add(path)
    return sorted(found)


def _stamp(source):
    sources = [path.read_bytes() for path in _called(source)]
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]


def _callers():
    for path in sorted((ROOT / "sklgen").rglob("*.py")):
        source = path.read_text()
        if "cache=True" in source and _called(source):
            yield path


@pytest.mark.parametrize(
    "path", list(_callers()), ids=lambda path: str(path.relative_to(ROOT))
)
def test_kernels_are_stamped_with_those_they_call(path):
    source = path.read_text()
    written = STAMP.search(source)
    assert written is not None, "run python tests/test_kernel_stamps.py"
    assert written[1] == _stamp(source), "run python tests/test_kernel_stamps.py"


def test_kernels_that_call_others_are_found():
    found = {path.name for path in _callers()}
    assert {"_compiled_kernels.py", "_pattern_kernels.py"} <= found


def _write():
    changed = True
    while changed:  # a stamp changes a file, and so the stamps of its callers
        changed = False
        for path in _callers():
            source = path.read_text()
            line = f"\n\n# Calls kernels of other modules, as of {_stamp(source)}.\n"
            stamped = STAMP.sub("", source).rstrip("\n") + "\n" + line
            if stamped != source:
                path.write_text(stamped)
                changed = True


if __name__ == "__main__":
    _write()
