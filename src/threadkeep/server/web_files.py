"""The files of the package's `web` folder as browsers get them: joined, compressed, and named by their content.

`WebFiles` is made once in a process. Its version is a hash of all files, and part of their addresses:
`/web/<version>/<path>` never changes, so browsers keep it for ever; after an upgrade the page names other addresses.
"""

import base64
import gzip
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from threadkeep.server.page_modules import join

PLAIN = "text/plain; charset=utf-8"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".md": PLAIN,
    ".txt": PLAIN,
}
FONTS = {".woff2": "font/woff2", ".woff": "font/woff", ".ttf": "font/ttf"}
JOINED = "joined/"
VERSION_CHARACTERS = 16
STYLE = re.compile(r'<link rel="stylesheet" href="web/([^"]+)">\n')
SCRIPT = re.compile(r'<script src="web/([^"]+)"></script>')
FIRST_MODULE = re.compile(r'<script type="module" src="web/([^"]+)"></script>')
# Text that would end an inline script too early, or extend it beyond its end tag.
ENDS_SCRIPT = re.compile(r"</script|<!--", re.I)


class WebFile(NamedTuple):
    kind: str
    body: bytes
    is_packed: bool
    tag: str


class WebPage(NamedTuple):
    """The page's text, with the parts of its policy that let its own scripts and styles in, and nothing else."""

    file: WebFile
    scripts: str
    styles: str


class WebFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = {
            path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        self.version = version_of(self._paths)
        self.page, self._joined = self._join()
        # Cached in one form, texts compressed, from the first request for the file.
        self._read = cache(self._read_one)

    def find(self, path: str) -> WebFile | None:
        """Return a file by its path below the folder, or a joined script by its path below `joined/`."""
        # Only paths that exist reach the cache: unknown ones, which anybody may request, would fill it.
        return self._read(path) if path in self._joined or path in self._paths else None

    def _read_one(self, path: str) -> WebFile:
        if path in self._joined:
            return packed(KINDS[".js"], self._joined[path].encode())
        found = self._paths[path]
        body = found.read_bytes()
        if found.suffix == ".html":
            body = self.renamed(body.decode()).encode()
        kind = KINDS.get(found.suffix)
        if kind is None:
            return WebFile(FONTS.get(found.suffix, "application/octet-stream"), body, False, tag_of(body))
        return packed(kind, body)

    def _join(self) -> tuple[WebPage, dict[str, str]]:
        """Put the page's first styles and scripts into one file: each further one costs a slow network a round trip."""
        text = (self._folder / "index.html").read_text()
        joined: dict[str, str] = {}

        def put_module(found: re.Match[str]) -> str:
            joined.update(join(self._folder, found[1]))
            return f'<script type="module">{closed(joined.pop(found[1]))}</script>'

        style = "".join((self._folder / name).read_text() for name in STYLE.findall(text))
        text = STYLE.sub("", text).replace("</title>\n", f"</title>\n<style>{style}</style>\n", 1)
        text = SCRIPT.sub(lambda found: f"<script>{closed((self._folder / found[1]).read_text())}</script>", text)
        text = self.renamed(FIRST_MODULE.sub(put_module, text))
        page = WebPage(packed(KINDS[".html"], text.encode()), hashes(text, "script"), hashes(text, "style"))
        return page, {JOINED + name: self.renamed(each) for name, each in joined.items()}

    def renamed(self, text: str) -> str:
        """Return the text with this version in the addresses of files."""
        return re.sub(r'(?<=")(/?web/)', rf"\g<1>{self.version}/", text)


def closed(script: str) -> str:
    """Return the script if it may stand inline in a page. Raises ValueError if `ENDS_SCRIPT` finds something in it."""
    if ENDS_SCRIPT.search(script):
        raise ValueError("A script of the page holds '</script' or '<!--': write that in two parts.")
    return script


def hashes(page: str, element: str) -> str:
    """Return the policy's hash sources for a page's inline elements of this name (CSP 3, hash-source)."""
    texts = re.findall(rf"<{element}[^>]*>(.*?)</{element}>", page, re.S)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def version_of(paths: dict[str, Path]) -> str:
    seen = hashlib.sha256()
    for name, path in paths.items():
        seen.update(f"{name}\0{path.stat().st_size}\0".encode())
        seen.update(path.read_bytes())
    return seen.hexdigest()[:VERSION_CHARACTERS]


def packed(kind: str, body: bytes) -> WebFile:
    return WebFile(kind, gzip.compress(body, 9, mtime=0), True, tag_of(body))


def tag_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:VERSION_CHARACTERS]
