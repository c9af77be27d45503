"""The libraries of the page: what is written about them is true, and the page's own files keep to the house's rules."""

import hashlib
import re
from pathlib import Path

import threadkeep

WEB = Path(threadkeep.__file__).parent / "web"
VENDOR = WEB / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \| ([@a-z/-]+ [\d.]+) \| ([^|]+) \| `([0-9a-f]{64})` \|$", re.M)
AXE_HASH = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
OWN = [path for path in WEB.rglob("*") if path.suffix in (".js", ".css") and not {"vendor", "docs"} & set(path.parts)]
LINES_MAX = 300
SERVED = (".js", ".mjs", ".css", ".woff2")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_library_file_is_the_one_that_was_published():
    written = {name: hash for name, _, _, hash in ROW.findall((VENDOR / "README.md").read_text())}
    files = {str(path.relative_to(VENDOR)): sha256(path) for path in VENDOR.rglob("*") if path.suffix in SERVED}

    assert files and files == written


def test_every_library_has_its_licence_beside_it():
    for folder in (path for path in VENDOR.iterdir() if path.is_dir()):
        assert len(list(folder.glob("*.LICENSE.txt"))) == 1, folder


def test_the_accessibility_checker_is_the_one_that_was_published():
    assert sha256(Path(__file__).parent / "axe.min.js") == AXE_HASH


def test_the_pages_own_files_are_short_and_make_no_elements_from_texts():
    assert OWN
    for path in OWN:
        text = path.read_text()
        assert len(text.splitlines()) <= LINES_MAX, path
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|unsafe-?html|eval\(|new Function", text
        ), path
        assert path.name in ("api.js",) or "fetch(" not in text, path


def test_nothing_in_the_page_names_another_host():
    for path in [*OWN, WEB / "index.html"]:
        hosts = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", path.read_text()))
        assert hosts == set(), (path, hosts)
