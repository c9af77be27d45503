"""What is for operators alone, through the balancers as deploy/ has them: not passed, however it is written."""

import asyncio
import subprocess

import pytest

from operations.test_balancer import DEPLOY, KINDS, PORTS
from support.ports import free_port
from support.waiting import eventually

# Nothing here reaches the database, so one kind is enough.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")

INNER = ("metrics", "readyz", "healthz")
# The balancers know these, and the process is not even asked.
KNOWN = (
    "/{name}", "/%{first:x}{rest}", "/%{first:X}{rest}", "/%2e/{name}", "/./{name}", "//{name}", "/{name}/",
    "/{name}%2f", "/{name}?x=1", "/%2f{name}", "/web/../{name}", "/web/..%2f{name}", "http://x/{name}", "http://x//{name}",
    "http://x/%{first:x}{rest}",
)  # fmt: skip
SPELLINGS = (
    *KNOWN,
    "/v1/../{name}",
    "/v1/..%2f{name}",
    "/v1/%2e%2e/{name}",
    "/%25{first:x}{rest}",
    "/{name};x",
    "/{name}%00",
)


@pytest.fixture(params=KINDS)
async def port(request, server, new_folder):
    """The port of a balancer before one process that stands for both."""
    folder = new_folder()
    name, command = KINDS[request.param]
    config, port = (DEPLOY / name).read_text(), free_port()
    for written, used in zip(PORTS, (port, server.port, server.port), strict=True):
        config = config.replace(written, f"127.0.0.1:{used}")
    balancer = await asyncio.to_thread(subprocess.Popen, command(folder, config), stdin=subprocess.DEVNULL)
    try:
        await eventually(lambda: answer_of(port, "/v1/user"), lambda answer: answer == (401, True), 20)
        yield port
    finally:
        balancer.terminate()
        balancer.wait(20)


async def answer_of(port, path):
    """Ask for a path as it stands; return the status, 0 while nobody listens, and whether it is the process's own."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return 0, False
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert b"threadkeep_" not in answer, (path, answer)
    return int(answer.split(b" ")[1]), b"x-request-id" in answer.lower()


def written(spellings):
    return [each.format(name=name, first=ord(name[0]), rest=name[1:]) for name in INNER for each in spellings]


async def test_what_is_for_operators_is_not_passed(port):
    answers = {path: await answer_of(port, path) for path in written(KNOWN)}

    assert {path: answer for path, answer in answers.items() if answer != (404, False)} == {}


async def test_what_is_for_operators_is_not_there_however_it_is_written(port):
    answers = {path: await answer_of(port, path) for path in written(SPELLINGS)}

    assert {path: answer for path, answer in answers.items() if answer[0] not in (400, 404)} == {}


async def test_what_is_for_callers_is_passed(port):
    paths = ("/", "/docs", "/openapi.json", "/v1/user", "/v1/organizations/metrics", "/v1/threads/thread_%61")

    assert [(await answer_of(port, path))[0] for path in paths] == [200, 200, 200, 401, 401, 401]
