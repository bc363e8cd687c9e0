"""Sphinx settings; `make docs` puts the pages together (docs/generate.py) and builds them."""

from importlib.metadata import version as installed

project = "pseudolink"
author = "the pseudolink authors"
release = version = installed("pseudolink")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
# Specifications link to files of the repository that are no pages here.
suppress_warnings = ["myst.xref_missing", "myst.header"]
exclude_patterns = ["_build"]

autodoc_typehints = "description"
autodoc_member_order = "bysource"
nitpicky = False

html_theme = "furo"
html_title = f"pseudolink {release}"
html_copy_source = False
html_show_sphinx = False
# Nothing is fetched from elsewhere: fonts are the reader's, search is an index in the site itself.
html_static_path = ["static"]
html_css_files = ["site.css"]
