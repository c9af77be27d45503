"""How Sphinx makes the documentation site of these pages: `make docs`."""

import re
from importlib.metadata import version as version_of

from sphinx.application import Sphinx

project = "threadkeep"
author = "the threadkeep authors"
version = release = version_of("threadkeep")

extensions = ["myst_parser"]
# A broken link or anchor is a warning of MyST, and `make docs` takes every warning for an error.
nitpicky = True
suppress_warnings = [
    # Examples leave things out with "…", which is no JSON.
    "misc.highlighting_failure",
]
myst_heading_anchors = 4
myst_links_external_new_tab = False

html_theme = "furo"
html_title = f"threadkeep {version}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    # The fonts of the reader's system: nothing is loaded from another host.
    "light_css_variables": {"font-stack": "system-ui, sans-serif", "font-stack--monospace": "ui-monospace, monospace"},
}
pygments_style = "default"
pygments_dark_style = "github-dark"

# The pages are read in the repository too, where these two lie above them.
OUTSIDE = {
    "README.md#five-minutes": "quickstart.md",
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
}


def find_inside(app: Sphinx, name: str, source: list[str]) -> None:
    """Lead links to files above this folder to the pages that show them."""
    up = "../" * name.count("/")
    for outside, inside in OUTSIDE.items():
        source[0] = re.sub(rf"\]\({re.escape(f'{up}../{outside}')}", f"]({up}{inside}", source[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", find_inside)
