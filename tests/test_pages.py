"""The API page at /docs: complete without another host, under a policy that lets no foreign code in."""

import hashlib
import re
from pathlib import Path

import pytest

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


async def test_a_file_of_the_page_says_what_it_is_and_is_asked_for_again_each_time(nobody):
    script = await nobody.request("GET", "/web/docs/vendor/swagger-ui-bundle.js")
    again = await nobody.request(
        "GET", "/web/docs/vendor/swagger-ui-bundle.js", headers={"If-None-Match": script.headers["etag"]}
    )

    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "no-cache"
    assert again.status == 304


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
