"""Configuration of the Sphinx site: ``python -m sphinx -W -b html docs docs/_build/html``."""

import sys
from pathlib import Path

from fastconv import __version__

sys.path.insert(0, str(Path(__file__).parent))  # where the extensions of our own lie

project = "fastconv"
author = "The fastconv authors"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "code_links",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
# generated/ holds tables that pages include; they are no pages of their own.
exclude_patterns = ["_build", "generated", "gallery/**/*.ipynb"]
nitpicky = False
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings carry types with shapes, which say more
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_validation_checks: set[str] = set()

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",  # all are run
    "ignore_pattern": r"__init__\.py$",
    "reset_argv": "gallery_build.arguments",
    "image_scrapers": ("gallery_build.pictures",),
    "first_notebook_cell": "import sys\n\nsys.argv[1:] = []  # those of the notebook itself are not for the program",
    "write_computation_times": False,
    "show_signature": False,
    "abort_on_example_error": True,
}

html_theme = "furo"
html_title = f"fastconv {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_search_scorer = str(Path(__file__).parent / "search_scorer.js")
