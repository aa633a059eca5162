"""Settings of the documentation; `make docs` builds it."""

import inspect
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from api_index import own_members, public_objects, write_checks, write_index

import sklgen

project = "sklgen"
author = "sklgen developers"
copyright = "2026, sklgen developers"
version = release = sklgen.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# One list for everything: the index is written before autosummary reads it.
write_index(HERE / "api" / "index.rst")
write_checks(HERE / "api" / "checks.md")
autosummary_context = {
    "own_members": {
        name: list(own_members(member))
        for name, member in public_objects().items()
        if inspect.isclass(member)
    }
}
autodoc_typehints = "none"  # the docstrings say more than the annotations
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = f"sklgen {version}"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
