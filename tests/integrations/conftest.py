"""What the tests of all integrations share: a client over HTTP and one inside the process, and programs that end."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import threadkeep
from support.cast import Caller
from threadkeep.client import AsyncClient, Client

PROGRAM_S = 120


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot be: see `is_possible`."""
    left_out = [each for each in items if isinstance(each, pytest.Function) and not is_possible(each)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [each for each in items if each not in left_out]


def is_possible(item: pytest.Function) -> bool:
    """Return whether the service can be had so: inside the process it keeps its threads in SQLite, for one client."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    is_over_http = given.get("way") != "embedded"
    return is_over_http or (given["database_kind"] != "postgres" and given.get("either") != "async")


@pytest.fixture(params=["http", "embedded"])
def way(request: pytest.FixtureRequest, database_kind: str) -> str:
    return str(request.param)


@pytest.fixture
def service(way: str, server: Any, fresh_owner: Caller, tmp_path: Any) -> Iterator[Client]:
    """An owner's client; nobody else uses the organization."""
    if way == "http":
        with Client(server.url, api_key=fresh_owner.key, organization_id=fresh_owner.organization) as client:
            yield client
    else:
        with threadkeep.open(tmp_path / "own.db") as client:
            yield client


@pytest.fixture(params=["sync", "async"])
async def either(
    request: pytest.FixtureRequest, way: str, service: Client, server: Any, fresh_owner: Caller
) -> AsyncIterator[Client | AsyncClient]:
    """The same for frameworks with asyncio, which take a client of either kind."""
    if request.param == "sync":
        yield service
        return
    async with AsyncClient(server.url, api_key=fresh_owner.key, organization_id=fresh_owner.organization) as client:
        yield client


@pytest.fixture
def documented(request: pytest.FixtureRequest) -> Callable[[str], tuple[str, str]]:
    """Return the program under a heading of docs/frameworks.md, and what it prints as the page has it."""

    def documented(heading: str) -> tuple[str, str]:
        page = (request.config.rootpath / "docs" / "frameworks.md").read_text()
        section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        [program] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        [printed] = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
        return program, printed

    return documented


@pytest.fixture
def run(server: Any, fresh_owner: Caller) -> Callable[..., str]:
    """Run a program in a process of its own, as the owner, and return what it printed."""

    def run(program: str, *arguments: str) -> str:
        finished = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={
                **os.environ,
                "THREADKEEP_URL": server.url,
                "THREADKEEP_API_KEY": fresh_owner.key,
                "THREADKEEP_ORGANIZATION": fresh_owner.organization,
            },
            capture_output=True,
            text=True,
            timeout=PROGRAM_S,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run
