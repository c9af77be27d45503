"""What the tests with other services' JavaScript clients share: the clients, installed once, and a server."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.answering import Place, open_place
from support.scripted_model import Call, answer_of, finish, tool_call

NODE = Path(__file__).parent / "node"
WITHIN_S = 120


@pytest.fixture(scope="session")
def installed() -> Path:
    if not (NODE / "node_modules").is_dir():
        pytest.fail("The JavaScript clients are not installed: `make test-clients` installs them with npm.")
    if shutil.which("node") is None:
        pytest.fail("These tests need node, version 20 or newer, on the path: install it from nodejs.org.")
    return NODE


def speak(call: Call) -> Sequence[Any]:
    """Say again what was asked, slowly if that is asked for; call two functions at once where tools are to be used, and
    have no results yet."""
    asked = call.last_user_text
    if "tools" in asked and call.body["messages"][-1]["role"] == "user":
        return [tool_call(0, "call_1", "look", "{}"), tool_call(1, "call_2", "look", "{}"), finish("tool_calls")]
    return answer_of("said ", *([1.0] if "slowly" in asked else []), asked)


@pytest.fixture(scope="module")
async def place(new_database, zygote, installed):
    async with open_place(new_database, zygote) as place:
        place.model.script = speak
        yield place


async def run_script(place: Place, name: str) -> None:
    """Run a program of these tests; it ends with 0 if all that it says of the client holds."""
    # Each in an organization of its own: some look at whole lists.
    ada = await place.people.owner()
    environment = {**os.environ, "SERVER": place.server.url, "KEY": str(ada.key), "TOKEN": str(ada.token)}
    process = await asyncio.create_subprocess_exec(
        "node", "--no-warnings", name, cwd=NODE, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WITHIN_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, said.decode()
