"""The documentation site: built without a warning, complete without another host; its reference is up to date."""

import re
import runpy
import subprocess
import sys

import pytest

from support.doc_examples import ROOT, pages

LOADED_FROM_ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc="(?:https?:)?//|<link[^>]*\shref="(?:https?:)?//"""
)


def test_the_reference_is_what_the_structs_and_the_route_table_say():
    made = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["pages"]()

    kept = {page.name: page.read_text() for page in (ROOT / "docs" / "reference").iterdir()}

    assert kept == made, "run .venv/bin/python docs/make_reference.py"


@pytest.mark.prove
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    finished = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", str(ROOT / "docs"), tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    pages_made = sorted(tmp_path.rglob("*.html"))
    # README and CHANGELOG are shown within other pages.
    assert len(pages_made) >= len(pages()) - 2
    for page in pages_made:
        assert not LOADED_FROM_ELSEWHERE.search(page.read_text()), page
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", style.read_text()), style
