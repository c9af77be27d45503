"""Two processes behind nginx or HAProxy, as deploy/ has them: one is killed, one is drained, while people write."""

import asyncio
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from operations.clusters import Node
from operations.places import Watch, tell, verified
from support.cast import Caller
from support.load import Load, check
from support.people import People
from support.ports import free_port
from support.scripted_model import DONE, ScriptedModel, finish
from support.server import Database, Server
from support.streams import CREATED, TEXT, Stream, check_whole, responses_path
from support.waiting import eventually

DEPLOY = Path(__file__).parents[2] / "deploy"
WORDS = [f"word{number} " for number in range(60)]
PORTS = ("127.0.0.1:8000", "127.0.0.1:8001", "127.0.0.1:8002")
STREAMS = 10
SHOWN_S = 3


@dataclass
class Site:
    """What callers see is one address; behind it are two processes."""

    kind: str
    url: str
    servers: list[Server]
    ada: Caller

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def nginx(folder: Path, config: str) -> list[str]:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    around = f"daemon off; worker_processes 2; error_log {folder}/error.log; pid {folder}/pid;\nevents {{}}\nhttp {{\n"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(f"{around}access_log off;\n{temporary}{config}}}\n")
    return [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]


def haproxy(folder: Path, config: str) -> list[str]:
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    (folder / "haproxy.cfg").write_text(config)
    return [program, "-db", "-f", str(folder / "haproxy.cfg")]


KINDS = {"nginx": ("nginx-balancer.conf", nginx), "haproxy": ("haproxy.cfg", haproxy)}


@pytest.fixture(params=KINDS)
async def site(request, new_folder, zygote) -> AsyncIterator[Site]:
    folder = new_folder()
    node = Node(folder / "postgres")
    await asyncio.to_thread(node.start)
    model = await ScriptedModel.start()
    model.script = [part for word in WORDS for part in (word, 0.1)] + [finish(), DONE]
    database = Database("postgres", await node.create_database(), folder)
    servers = [Server(database, {**model.settings, "THREADKEEP_DRAIN_S": "10"}, name) for name in ("one", "two")]
    name, command = KINDS[request.param]
    config, url = (DEPLOY / name).read_text(), f"127.0.0.1:{free_port()}"
    for written, used in zip(PORTS, (url, *(f"127.0.0.1:{server.port}" for server in servers)), strict=True):
        config = config.replace(written, used)
    balancer = None
    try:
        for server in servers:
            await server.start()
        balancer = await asyncio.to_thread(subprocess.Popen, command(folder, config), stdin=subprocess.DEVNULL)
        hooks = {"response": [refuse_its_own_words]}
        async with httpx.AsyncClient(
            base_url=f"http://{url}", timeout=60, trust_env=False, event_hooks=hooks
        ) as client:
            await eventually(lambda: answers(client), bool, 10)
            yield Site(request.param, f"http://{url}", servers, await People(servers[0], client, zygote).owner())
    finally:
        if balancer is not None:
            balancer.terminate()
            balancer.wait(20)
        for server in servers:
            server.kill()
        await model.stop()
        await asyncio.to_thread(node.remove)


class AnsweredByTheBalancer(httpx.TransportError):
    """The balancer itself refused or gave up; whether the work was done is unknown."""


async def refuse_its_own_words(response: httpx.Response) -> None:
    if response.status_code in (502, 503, 504) and "html" in response.headers.get("content-type", ""):
        raise AnsweredByTheBalancer(f"{response.status_code}")


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/v1/user")).status_code == 401
    except httpx.TransportError:
        return False


class Reader:
    """Reads a streamed answer through the balancer to its end, and comes back after every cut."""

    def __init__(self, ada: Caller, site: Site) -> None:
        self.ada, self.site = ada, site
        self.events: list = []
        self.cuts = Counter[str]()
        self.first_text_s = self.end_s = 0.0

    async def read(self) -> None:
        watch = Watch()
        self.thread = await self.ada.create_thread()
        stream = await Stream.post(self.ada, responses_path(self.thread), port=self.site.port, input="Speak.")
        response = (await stream.until(CREATED)).data["response"]["id"]
        await stream.until(TEXT)
        self.first_text_s = watch.s
        while True:
            async with stream:
                self.events += (await stream.rest(60))[:]
            if self.events and self.events[-1].is_terminal:
                break
            self.cuts["streams cut and followed on"] += 1
            stream = await self.follow(response)
        self.end_s = watch.s

    async def follow(self, response: str) -> Stream:
        while True:
            try:
                stream = await Stream.follow(self.ada, self.thread, response, self.events[-1].id, port=self.site.port)
            except (ConnectionError, OSError):
                self.cuts["refused connections"] += 1
            else:
                if stream.status == 200:
                    return stream
                self.cuts[f"answers {stream.status}"] += 1
                stream.cut()
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("way", ["killed", "drained"])
async def test_one_of_two_processes_goes_and_comes_back(site, way):
    threads = [(await site.ada.create_thread()).id for _ in range(8)]
    readers = [Reader(site.ada, site) for _ in range(STREAMS)]
    gone = site.servers[0]
    async with Load(site.ada, threads, 8) as load:
        await load.goes_on(100)
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        await asyncio.sleep(2)
        before, watch = Counter(load.seen), Watch()
        status = await asyncio.to_thread(gone.kill if way == "killed" else gone.stop)
        ended_s = watch.s
        await asyncio.gather(*reading)
        await gone.start()
        await load.goes_on(300)

    await check(load, site.ada)
    await verified(gone.database)
    endings = Counter(reader.events[-1].type for reader in readers)
    for reader in readers:
        check_whole(reader.events)
    # It is shown while it is written: nothing gathers it on the way.
    assert max(reader.first_text_s for reader in readers) < SHOWN_S
    refused = Counter({kind: count for kind, count in (load.seen - before).items() if kind != "201"})
    tell(f"{site.kind}, one of two processes {way}", exit_status=status, ended_after_s=ended_s,
         writes_not_answered=dict(refused), slowest_write_s=load.slowest_s, answers_end=dict(endings),
         readers=dict(sum((reader.cuts for reader in readers), Counter())),
         last_reader_done_after_s=max(reader.end_s for reader in readers))  # fmt: skip
