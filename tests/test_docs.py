"""The documentation is held against the program: examples are run, names looked up, tables compared."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import pytest
import typer

from support.doc_examples import FENCE, ROOT, Places, Session, examples_of, pages, server_for
from threadkeep import errors, settings
from threadkeep.cli import app
from threadkeep.commands.welcome import FIRST_RUN_FILE
from threadkeep.contract import lifecycle
from threadkeep.contract.events import KINDS
from threadkeep.contract.lifecycle import Action, State
from threadkeep.contract.responses import ResponseError
from threadkeep.server import dialects
from threadkeep.server.endpoint import Endpoint
from threadkeep.server.openapi import document
from threadkeep.server.paths import Routes
from threadkeep.server.query import fields_of
from threadkeep.server.routes import ENDPOINTS, LISTED
from threadkeep.server.transport import protocol
from threadkeep.settings import DIALECTS

SOURCE = ROOT / "src" / "threadkeep"
PAGES = {str(page.relative_to(ROOT)): page for page in pages()}
WITH_EXAMPLES = [name for name, page in PAGES.items() if examples_of(page.read_text())]

SPOKEN = [dialects.load(name) for name in DIALECTS]
ROUTES = Routes([*ENDPOINTS, *(endpoint for each in SPOKEN for endpoint in each.endpoints)])
PREFIXES = "|".join([*(re.escape(each.speech.prefix) for each in SPOKEN), "/v1"])

CODE = re.compile(r"`([^`\n]+)`")
ROW = re.compile(r"^\| (.+) \|$", re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"^[\w.-]*[\w/-]+\.(?:py|md|sql|toml|txt|yml)$")
COMMAND = re.compile(r"^\s*(?:\.venv/bin/)?threadkeep (?!is\b)([a-z][^\n|>#]*)", re.M)

# Files that a page tells of and that are not in the repository: the program or the reader makes them.
MADE_FILES = {FIRST_RUN_FILE}
PAGES_OF_THE_SERVER = {"/healthz", "/readyz", "/metrics", "/openapi.json"}


def test_into_how_many_pieces_an_answer_was_cut_does_not_matter():
    whole = "response.created \nresponse.output_text.delta This is echo\nresponse.completed \n"
    cut = (
        "response.created \nresponse.output_text.delta This is\nresponse.output_text.delta  echo\nresponse.completed \n"
    )
    other = whole.replace("echo", "another")

    assert Places().normal(cut) == Places().normal(whole) != Places().normal(other)


@pytest.mark.one_database("both answer alike, which test_alike.py holds: what a page shows is shown once")
@pytest.mark.parametrize("name", WITH_EXAMPLES)
async def test_every_example_prints_what_the_page_shows(name, new_database):
    database = await new_database()
    server = await server_for(database).start()
    shown, printed = Places(), Places()
    try:
        # Machines without curl run the examples too; so its stand-in is always tried on one of the databases.
        session = Session(server, real_curl=database.kind == "sqlite")
        for example in examples_of(PAGES[name].read_text()):
            if not example.runs_on(database.kind):
                continue
            output = await asyncio.to_thread(session.run, example)
            assert printed.normal(output) == shown.normal(example.shown), f"{name}:{example.line} prints:\n{output}"
    finally:
        server.stop()


def test_every_curl_is_an_example_that_runs():
    for name, page in PAGES.items():
        for kind, text in FENCE.findall(page.read_text()):
            assert not re.search(r"\bcurl ", text) or kind.startswith("sh run"), f"{name}: {text}"


def test_every_setting_is_in_the_table_with_its_default():
    table = rows("docs/settings.md", "THREADKEEP_[A-Z_]+`$")

    documented = {row[0].strip("`"): row[1].strip("`") for row in table}

    assert documented == known_settings()


def known_settings() -> dict[str, str]:
    """Return all variables with their defaults: the server's, and those that clients alone read."""
    of_clients = {settings.variable(name): "" for name in re.findall(r'from_environment\("(\w+)"\)', source_text())}
    return of_clients | {settings.variable(each.name): shown(each.default) for each in fields(settings.Settings)}


def shown(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_call_of_the_api_is_in_its_tables():
    documented = {row[0].strip("`") for row in rows("docs/api.md", "`?(?:GET|POST|PUT|PATCH|DELETE) /")}

    assert documented == {f"{each.method} {each.path}" for each in LISTED} | {
        f"GET {path}" for path in PAGES_OF_THE_SERVER
    }


def test_the_pages_outside_v1_are_those_that_the_application_has():
    source = (SOURCE / "server" / "app.py").read_text()

    assert set(re.findall(r'Route\("([^"]+)"', source)) == PAGES_OF_THE_SERVER


@pytest.mark.parametrize("endpoint", LISTED, ids=lambda each: f"{each.method} {each.path}")
def test_every_parameter_and_field_of_a_call_is_in_its_section_of_the_reference(endpoint):
    names = {*fields_of(endpoint.query), *body_fields(endpoint)}

    text = "".join(page.read_text() for name, page in PAGES.items() if name.startswith("docs/reference/"))
    section = text.partition(f"```text\n{endpoint.method} {endpoint.path}\n```")[2].partition("\n## ")[0]

    assert {name for name in names if f"`{name}`" not in section} == set()


def test_every_error_code_is_documented_with_its_status():
    documented = [(int(row[0]), row[1].strip("`")) for row in rows("docs/errors.md", r"\d{3}")]

    assert len(documented) == len(set(documented))
    assert set(documented) == {(each.status, each.code) for each in error_classes(errors.ApiError)}


def test_every_code_of_a_response_that_failed_is_documented():
    documented = [
        row[1].strip("`") for row in rows("docs/errors.md", "(?:failed|cancelled)`", under="## In a response")
    ]

    assert sorted(documented) == sorted(get_args(get_type_hints(ResponseError)["code"]))


def test_every_event_of_a_stream_is_in_its_table():
    table = rows("docs/api.md", "response.", under="## Streams")

    documented = {event for row in table for event in re.findall(r"`([a-z_.]+)`", row[0])}

    assert documented == {each.type for each in KINDS}


def test_the_table_of_states_is_the_one_in_the_code():
    documented = {row[0]: row[1:] for row in rows("docs/concepts.md", "[a-z ]+", under="## States")}

    assert documented == {
        str(action): [allowed(lifecycle.REFUSALS[action][place]) for place in range(len(State))] for action in Action
    }


def test_every_command_and_option_is_documented():
    text = "\n".join(page.read_text() for page in PAGES.values())

    for words, command in commands():
        assert f"threadkeep {words}" in text, words
        for option in options(command) - {"--help"}:
            assert re.search(rf"{option}\b", text), f"threadkeep {words} {option}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_only_commands_and_options_that_exist(name):
    known = dict(commands())
    for line in code_of(PAGES[name]):
        for found in COMMAND.findall(line):
            words = found.split()
            depth = 2 if words[0] in ("admin", "threads") and len(words) > 1 and not words[1].startswith("-") else 1
            command = " ".join(words[:depth])
            if command in ("admin", "threads") or words[1:2] == ["…"]:
                continue
            assert command in known, f"threadkeep {found}"
            used = {word for word in words if word.startswith("--")}
            assert used <= options(known[command]) | {"--help"}, f"threadkeep {found}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_only_settings_that_exist(name):
    known = known_settings()

    for variable in re.findall(r"\bTHREADKEEP_[A-Z_]*", PAGES[name].read_text()):
        assert variable in known or any(each.startswith(variable) and variable.endswith("_") for each in known)


# Its page makes the call, in a copy of the repository.
NEW_CALL = "/v1/threads/{threadId}/messageCounts"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_only_calls_that_exist(name):
    for code in code_of(PAGES[name]):
        for path in re.findall(rf"(?:{PREFIXES})(?:/[\w{{}}$-]+)+(?!\.json)", code):
            if path == NEW_CALL and name == "docs/adding-an-endpoint.md":
                continue
            # Raises NotFound.
            ROUTES.find({"path": path, "raw_path": path.encode()})


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_only_files_that_exist(name):
    page = PAGES[name]
    for code in CODE.findall(FENCE.sub("", page.read_text())):
        path = code.rstrip("/")
        if (
            PATH.match(path) or (code.endswith("/") and "/v1/" not in code and "://" not in code)
        ) and path not in MADE_FILES:
            assert any((folder / path).exists() for folder in (ROOT, SOURCE, page.parent)), code


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_only_functions_and_targets_that_exist(name):
    source = source_text()
    makefile = (ROOT / "Makefile").read_text()
    # Programs that readers run for themselves call libraries, and SQL calls the database's functions.
    for code in code_of(PAGES[name], without=("python", "js", "sql")):
        for function in re.findall(r"\b(\w+)\(\)", code):
            assert re.search(rf"\b(?:def|class) {function}\b", source), f"{function}()"
        for target in re.findall(r"^make ([\w-]+)", code, re.M):
            assert f"\n{target}:" in makefile, f"make {target}"


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name):
    page = PAGES[name]
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_readme():
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        links = [link.partition("#")[0] for link in LINK.findall(page.read_text())]
        waiting += [(page.parent / link).resolve() for link in links if link.endswith(".md")]

    assert set(PAGES.values()) - reached == set()


def test_every_quoted_sentence_is_one_that_the_program_says():
    source = source_text()
    table = rows("docs/troubleshooting.md", "`", under="## Sentences")

    assert table
    for row in table:
        for part in row[0].strip("`").split(" … "):
            assert part in source, part


async def test_the_metrics_are_those_that_the_server_has(nobody):
    text = (await nobody.request("GET", "/metrics")).response.text

    documented = {row[0].split("`")[1] for row in rows("docs/operations.md", "`(?:threadkeep|process)_[a-z_]+`")}

    assert {name for name in documented if name not in text} == set()
    assert set(re.findall(r"^# TYPE (threadkeep_\w+)", text, re.M)) <= documented


def test_what_operations_cost_is_said_in_one_place():
    """On the benchmark page; the README's table is taken from it, the guide for operators has no figures."""
    measured = PAGES["docs/benchmarks.md"].read_text()
    shown = re.findall(r"^\| (?:get|list|append) .*", PAGES["README.md"].read_text(), re.M)

    assert len(shown) == 5
    for row in shown:
        cells = [cell.strip() for cell in row.split("|")]
        for rate in (cells[2], cells[5]):
            assert f" {rate} (" in measured, row
    assert re.findall(r"\d a second|\d µs", PAGES["docs/operations.md"].read_text()) == []


ELSEWHERE = """

async def test_the_field_of_the_page_is_the_same_elsewhere(exported, imported, ada, fresh_owner):
    thread = await ada.create_thread(language="de", userId="uid_of_the_page")

    lines = await exported(ada, "export", "--user", "uid_of_the_page")
    finished = await imported(fresh_owner, lines)

    found = await fresh_owner.get(thread.id)
    assert (finished["returncode"], found.language, found.metadata) == (0, "de", {})
"""


# Files whole, and by their words those tests of others that the pages touch.
TOUCHED = (
    "test_threads.py or test_client_description or test_tenant_matrix or test_statements.py or field_of_the_page "
    "or tokens_the_model_counted or one_end or names_its_events or every_call_of_the_api or section_of_the_reference "
    "or every_event_of_a_stream or test_openapi"
)


@pytest.mark.prove
def test_what_the_pages_on_changes_add_works_and_an_import_keeps_the_field(tmp_path):
    """All three in one copy: each costs a server and the imports of everything. None changes what another quotes."""
    tests = made_from(tmp_path, "docs/adding-a-field.md", "docs/adding-an-endpoint.md", "docs/adding-an-event.md")
    with (tmp_path / "tests" / "test_export.py").open("a") as file:
        file.write(ELSEWHERE)

    assert "language: str | UnsetType | None" in (tmp_path / "src/threadkeep/client/given.py").read_text()
    assert "as the application names it" in (tmp_path / "docs/reference/threads.md").read_text()
    assert "`response.tokens_counted`" in (tmp_path / "docs/reference/types.md").read_text()
    others = ("client_description", "tenant_matrix", "statements", "docs", "export")
    run = {each for each in tests if each.startswith("tests/test_")} | {f"tests/test_{each}.py" for each in others}
    assert what_fails(tmp_path, [*sorted(run), "--sqlite", "-k", TOUCHED]) == ""


def test_the_decisions_are_numbered_without_a_gap():
    numbers = sorted(int(page.name[:4]) for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


def made_from(folder: Path, *names: str) -> list[str]:
    """Make the changes of pages in a copy of the repository, and what is made of them; return the tests among them."""
    for copied in ("src", "tests", "docs", "pyproject.toml", "README.md", "CHANGELOG.md"):
        copy = shutil.copytree if (ROOT / copied).is_dir() else shutil.copy
        copy(ROOT / copied, folder / copied)
    changed = [each for name in names for each in change(folder, PAGES[name].read_text())]
    for command in (["-m", "support.client_fields", "--write"], ["-m", "support.sync_client", "--write"],
                    ["docs/make_reference.py"]):  # fmt: skip
        paths = os.pathsep.join(str(folder / each) for each in ("src", "tests"))
        subprocess.run([sys.executable, *command], cwd=folder, env={**os.environ, "PYTHONPATH": paths}, check=True)
    return [each for each in changed if each.startswith("tests/")]


def change(folder: Path, text: str) -> list[str]:
    """Make the changes in a page's blocks that name a file; return the files."""
    changed = []
    for kind, block in FENCE.findall(text):
        language, _, name = kind.partition(" ")
        if "/" not in name:
            continue
        file = folder / name
        changed.append(name)
        if language != "diff":
            file.write_text(block)
            continue
        for hunk in block.split("@@\n")[1:]:
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            new = "".join(line[1:] for line in lines if line[0] in " +")
            source = file.read_text()
            assert source.count(old) == 1, f"{name} has this {source.count(old)} times:\n{old}"
            file.write_text(source.replace(old, new))
    return changed


def what_fails(folder: Path, tests: list[str]) -> str:
    """Run tests in a copy of the repository; return what they print if they fail."""
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tests and finished.returncode == 0 else f"{tests}\n{finished.stdout}{finished.stderr}"


def rows(name: str, first_cell: str, under: str = "") -> list[list[str]]:
    """Return the cells of the table rows whose first cell begins like that, within the section `under`."""
    text = PAGES[name].read_text()
    if under:
        text = text.partition(f"\n{under}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in row.split(" | ")] for row in ROW.findall(text.replace("| |", "|  |"))]
    return [row for row in cells if re.match(rf"`?{first_cell}", row[0]) and row[0] != "action"]


def allowed(refusal: lifecycle.Refusal) -> str:
    return "yes" if refusal is None else f"`{refusal.code}`"


def body_fields(endpoint: Endpoint) -> set[str]:
    """Return the names of the fields that an endpoint's body takes."""
    operation = json_document()["paths"][endpoint.path][endpoint.method.lower()]
    schemas = json_document()["components"]["schemas"]
    if "requestBody" not in operation:
        return set()
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    names = [each["$ref"].rpartition("/")[2] for each in schema.get("oneOf", [schema]) if "$ref" in each]
    return {field for name in names for field in schemas[name].get("properties", {})}


@cache
def json_document() -> Any:
    return json.loads(document(tuple(ENDPOINTS)))


def error_classes(kind: type[errors.ApiError]) -> Iterator[type[errors.ApiError]]:
    """Give the errors with a code of their own that the API may answer."""
    if "code" in vars(kind) and kind.__module__ in (errors.__name__, protocol.__name__):
        yield kind
    for each in kind.__subclasses__():
        yield from error_classes(each)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Give every command of the command line with its words."""
    waiting: list[tuple[str, click.Command]] = [("", typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        children = getattr(command, "commands", None)
        if children is None:
            yield words, command
        else:
            waiting += [(f"{words} {name}".strip(), child) for name, child in children.items()]


def options(command: click.Command) -> set[str]:
    return {name for each in command.params for name in each.opts if name.startswith("--")}


def code_of(page: Path, without: tuple[str, ...] = ()) -> list[str]:
    """Return everything that a page shows as code, but blocks of the kinds `without`."""
    text = page.read_text()
    blocks = [block for kind, block in FENCE.findall(text) if not kind.startswith(("diff", *without))]
    return blocks + CODE.findall(FENCE.sub("", text))


@cache
def source_text() -> str:
    return "\n".join(path.read_text() for path in sorted(SOURCE.rglob("*.py")))


def anchors(page: Path) -> set[str]:
    """Return the names that a page's headings get on the web."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
