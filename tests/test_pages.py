"""The pages at / and /docs: light, complete without another host, under a policy that lets no foreign code in."""

import hashlib
import re
from base64 import b64encode
from pathlib import Path

import pytest

from threadkeep.server.pages import FOLDER
from threadkeep.server.web_files import WebFiles

pytestmark = pytest.mark.one_database("files that are served as they are")

WEB = Path(__file__).parent.parent / "src" / "threadkeep" / "web"
VENDOR = WEB / "docs" / "vendor"
REFERENCE = re.compile(r'(?:src|href)="([^"]+)"')
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


@pytest.fixture
async def page(nobody):
    return await nobody.request("GET", "/docs")


async def test_the_api_page_needs_no_credential_and_is_html(page):
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "SwaggerUIBundle" in (WEB / "docs" / "docs.js").read_text()


async def test_the_api_page_allows_no_inline_code_no_eval_and_no_other_host(page):
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


async def test_everything_that_the_api_page_names_is_on_this_server(page, nobody):
    text = page.response.text

    names = [name for name in REFERENCE.findall(text) if name != "data:,"]

    assert len(names) >= 5
    for name in names:
        assert name.startswith("/"), name
        assert (await nobody.request("GET", name)).status == 200, name
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/", "/docs", "/web/docs/vendor/swagger-ui.css", "/web/joined/conversation-half.js"])
async def test_a_page_is_asked_for_again_each_time_and_sent_only_if_it_has_changed(nobody, path, coding):
    first = await nobody.request("GET", path, headers={"Accept-Encoding": coding})
    headers = {"Accept-Encoding": coding, "If-None-Match": first.headers["etag"]}
    again = await nobody.request("GET", path, headers=headers)

    assert first.headers["cache-control"] == "no-cache"
    assert (again.status, again.response.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_what_a_page_names_is_kept_for_ever_under_the_name_of_its_content(page, nobody):
    [version] = set(re.findall(r"/web/([^/]+)/", page.response.text))

    script = await nobody.request("GET", f"/web/{version}/docs/vendor/swagger-ui-bundle.js")
    nothing = await nobody.request("GET", f"/web/{version}/nothing.js")
    other = await nobody.request("GET", f"/web/{version[::-1]}/docs/vendor/swagger-ui-bundle.js")

    assert re.fullmatch("[0-9a-f]{16}", version)
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert nothing.status == other.status == 404


async def test_a_file_is_compressed_for_those_who_take_that(nobody):
    path = "/web/joined/conversation-half.js"

    packed = await nobody.request("GET", path, headers={"Accept-Encoding": "br, gzip"})
    plain = await nobody.request("GET", path, headers={"Accept-Encoding": "br"})

    unwanted = await nobody.request("GET", path, headers={"Accept-Encoding": "gzip;q=0, identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in unwanted.headers
    assert "content-encoding" not in plain.headers
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.response.content == plain.response.content
    assert 2 * int(packed.headers["content-length"]) < int(plain.headers["content-length"])


def test_nothing_is_remembered_of_a_file_that_is_not_there():
    files = WebFiles(FOLDER)

    assert [files.find(path) for path in ("nothing.js", "x" * 7_000, "../settings.py")] == [None] * 3
    assert files.find("icon.svg") is not None
    assert files._read.cache_info().currsize == 1


@pytest.mark.parametrize("path", ["/", "/docs", "/web/icon.svg"])
async def test_a_page_can_be_asked_about_without_its_body(nobody, path):
    whole = await nobody.request("GET", path)
    head = await nobody.request("HEAD", path)

    assert (head.status, head.response.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert head.headers["etag"] == whole.headers["etag"]


async def test_the_page_names_its_own_scripts_and_styles_by_their_hashes_and_no_other_runs(nobody):
    page = await nobody.request("GET", "/")

    def hashes(element: str) -> list[str]:
        texts = re.findall(f"<{element}[^>]*>(.*?)</{element}>", page.response.text, re.S)
        return [f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]

    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["script-src"].split() == ["'self'", *hashes("script")]
    assert policy["style-src"].split() == ["'self'", *hashes("style")]
    assert len(hashes("script")) == 2
    assert not re.search(r"\sstyle=|\son\w+=\"", page.response.text.partition("<style>")[0])


@pytest.mark.parametrize("path", ["/", "/docs", "/web/docs/docs.js"])
@pytest.mark.parametrize("asked", ["bytes=0-3", "bytes=9-1", "bytes=99999999-", "lines=1", "nonsense"])
async def test_a_file_is_served_whole_whatever_part_of_it_is_asked_for(nobody, path, asked):
    part = await nobody.request("GET", path, headers={"Range": asked})

    assert (part.status, part.headers["accept-ranges"]) == (200, "none")
    assert part.response.text == (await nobody.request("GET", path)).response.text


@pytest.mark.parametrize("path", ["/web/../server/app.py", "/web/%2e%2e/server/app.py", "/web/docs", "/web/nothing.js"])
async def test_only_files_of_the_folder_are_served(nobody, path):
    answer = await nobody.request("GET", path)

    assert (answer.status, answer.code) == (404, "not_found")


def test_the_vendored_files_are_those_that_their_page_lists():
    listed = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.M))

    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.name != "README.md"
    }

    assert listed == found


def test_the_styles_load_nothing_from_elsewhere():
    for path in WEB.rglob("*.css"):
        text = path.read_text()
        assert "@import" not in text, path
        for address in re.findall(r"url\(\s*[\"']?([^\"')]+)", text):
            assert address.startswith(("data:", "#", "/web/", "./")) or "://" not in address, (path, address)
        assert set(re.findall(r"https?://[\w./-]+", text)) <= NAMESPACES, path


def test_the_api_page_asks_no_validator_and_keeps_no_key():
    script = (WEB / "docs" / "docs.js").read_text()

    assert "validatorUrl: null" in script
    assert "persistAuthorization: false" in script
