"""A well-behaved caller, in a process of its own so that the noise of the others does not slow its clock.

    python -m proof.steady URL KEY

asks for this and that, twenty times a second, until its input ends, and prints a line for each request: when it began
(the machine's monotonic clock), what it was, the seconds it took, and the status, or 0 where there was no answer.
"""

import asyncio
import itertools
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

PAUSE_S = 0.05
# Nobody waits longer for an answer.
GIVEN_UP_S = 20
END_S = 60


@dataclass(frozen=True)
class Asked:
    """One request of the well-behaved caller."""

    at_s: float
    what: str
    took_s: float
    status: int


class Steady:
    """What the well-behaved caller met, to be looked at by time."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def between(self, begun_s: float, ended_s: float) -> list[Asked]:
        return [each for each in self.asked if begun_s <= each.at_s <= ended_s]


def median_s(asked: list[Asked]) -> float:
    return statistics.median(each.took_s for each in asked)


def worst_s(asked: list[Asked]) -> float:
    return max(each.took_s for each in asked)


@asynccontextmanager
async def well_behaved(url: str, key: str) -> AsyncIterator[Steady]:
    """Run the caller; inside the block it asks and asks."""
    steady = Steady()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proof.steady", url, key),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    async def read(stdout: asyncio.StreamReader) -> None:
        async for line in stdout:
            steady.asked.append(Asked(*json.loads(line)))

    reading = asyncio.create_task(read(process.stdout))
    try:
        yield steady
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(reading, END_S)
        except BaseException:
            process.kill()
            raise
        finally:
            await process.wait()


async def ask_until_end(url: str, key: str) -> None:
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    headers = {"x-api-key": key}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=GIVEN_UP_S) as client:
        thread = (await client.post("/v1/threads", json={"title": "steady"})).json()["id"]
        messages = f"/v1/threads/{thread}/messages"
        calls = [
            ("get", "GET", f"/v1/threads/{thread}", None),
            ("append", "POST", messages, {"role": "user", "content": "steady"}),
            ("list", "GET", "/v1/threads", None),
            ("create", "POST", "/v1/threads", {}),
            ("messages", "GET", f"{messages}?order=desc", None),
        ]
        for number in itertools.count():
            if ended.done():
                return
            what, method, path, body = calls[number % len(calls)]
            if number % 7 == 0:
                # Now and then on a connection of its own: whoever comes anew is not kept out either.
                what = f"{what} on a new connection"
                async with httpx.AsyncClient(
                    base_url=url, headers=headers, trust_env=False, timeout=GIVEN_UP_S
                ) as newcomer:
                    await ask(newcomer, what, method, path, body)
            else:
                await ask(client, what, method, path, body)
            await asyncio.sleep(PAUSE_S)


async def ask(client: httpx.AsyncClient, what: str, method: str, path: str, body: object) -> None:
    begun_s = time.monotonic()
    try:
        status = (await client.request(method, path, json=body)).status_code
    except httpx.TransportError:
        status = 0
    print(json.dumps([begun_s, what, time.monotonic() - begun_s, status]), flush=True)


if __name__ == "__main__":
    asyncio.run(ask_until_end(*sys.argv[1:3]))
