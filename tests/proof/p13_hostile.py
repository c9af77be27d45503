"""P13: no input produces a 500; every error has the one shape and echoes nothing."""

import asyncio
import json
import random
import re
from collections.abc import Callable
from itertools import chain
from typing import Any

import jwt
import schemathesis

from proof.hostile.bodies import VALUES, bodies, spoilt
from proof.hostile.raw import ECHO, SMUGGLED, Reply, corpus, fuzz, post, request, speak
from proof.place import Place
from proof.record import Record, proof
from proof.tenants.references import METHODS
from proof.tenants.worlds import World, body_of, make_world
from support.cast import JSON, Caller
from support.document import PATHS, documents_of
from support.fuzzing import operations, try_operation
from support.people import People
from support.server import SECRET, Server

AT_A_TIME = 16
FIELDS = {"message", "type", "code", "param", "requestId"}
SEED = 13
# What stands in the place of a claim.
CLAIMS = (
    None, "", " ", "\0", "é", "a" * 5_000, 0, -1, 1.5, True, 2**70, 1e300, [], {}, ["threadkeep-users"], [[]], {"a": 1},
    "key_\0", "gen_" + "0" * 26, "key_" + "0" * 26, "key_" + "0" * 25 + "\n", "' or 1=1 --", "threadkeep-users",
)  # fmt: skip
# Words of programs, not of sentences for callers.
INTERNALS = re.compile(r"Traceback|File \"|asyncpg|apsw|msgspec|sqlite3?\.|uvicorn|site-packages|select .* from ", re.I)


# The method and the path of an operation, and what its document says of it.
Described = tuple[str, str, dict[str, Any]]


@proof("P13", "No input produces a 500; every error has the one shape and echoes nothing")
async def attack(place: Place, record: Record) -> None:
    [server] = await place.serve(1, THREADKEEP_HEADER_READ_S="3", THREADKEEP_BODY_READ_S="3")
    owner = await place.people(server).owner()
    world = await make_world(owner, owner, "canaryowner")
    described = [each for document in await documents_of(owner.client) for each in all_operations(document)]
    await asyncio.gather(
        send_raw(server, owner, record),
        send_bodies(owner, described, world, record),
        send_parameters(owner, described, world, record),
        send_tokens(place.people(server), owner, record),
    )
    await asyncio.to_thread(send_made_from_the_document, server, owner, world, record)
    await check_afterwards(server, owner, record)


async def send_raw(server: Server, owner: Caller, record: Record) -> None:
    """Send the corpus, and good requests with spoilt bytes, each on a connection of its own."""
    key = str(owner.key)
    good = [
        post(key, b'{"title": "x", "metadata": {"a": 1}}'),
        request("GET", "/v1/threads?limit=5&order=asc&metadata.a=1", f"X-API-Key: {key}"),
        post(key, b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
        request("PATCH", "/v1/threads/thread_x", f"Authorization: Bearer {key}", 'If-Match: "1"', "Content-Length: 0"),
        post(key, b"{}", "Idempotency-Key: a", "X-User-Id: uid_x", target="/v1/threads/thread_x/responses"),
    ]
    free = asyncio.Semaphore(AT_A_TIME)

    async def one(name: str, data: bytes) -> None:
        async with free:
            try:
                replies = await speak(server.port, data)
            except Exception as error:
                record.violation(f"{name}: what came back is no HTTP, or never ended: {error!r}")
                return
        record.count("raw requests")
        for reply in replies:
            check(name, reply, record)

    spoilt = fuzz(good, record.size(5_000, 200), SEED)
    await asyncio.gather(
        *(one(name, data) for name, data in corpus(key).items()),
        *(one(f"spoilt {data[:200]!r}", data) for data in spoilt),
    )


def check(name: str, reply: Reply, record: Record) -> None:
    """No 500; an error has the one shape, and nothing of what was sent."""
    if reply.status < 400:
        return
    what = f"{name}: {reply.status} {reply.body[:200]!r}"
    record.check(reply.status < 500, f"a server's error for {what}")
    record.count("refusals")
    if not reply.body and reply.headers.get("content-length", "0") != "0":
        return  # The answer to a HEAD.
    if "/ai-sdk/" in name and reply.headers["content-type"].startswith("text/plain"):
        record.check("x-error-code" in reply.headers, f"a sentence without its code for {what}")
    else:
        check_json(name, what, reply, record)
    said = reply.body.decode(errors="replace")
    record.check(ECHO[:11] not in said, f"an error that echoes its input for {what}")
    record.check(not INTERNALS.search(said), f"an error that tells of the inside for {what}")


def check_json(name: str, what: str, reply: Reply, record: Record) -> None:
    try:
        told = json.loads(reply.body)
        error = told.get("error")
        if "/langgraph/" in name:
            has_shape = told.keys() == {"detail", "code"} and all(isinstance(each, str) for each in told.values())
        elif "/assistant-ui/" in name:
            has_shape = told.keys() == {"error", "message"} and all(isinstance(each, str) for each in told.values())
        else:
            has_shape = error.keys() == FIELDS and error["requestId"] == reply.headers["x-request-id"]
        has_shape = has_shape and reply.headers["content-type"].startswith("application/json")
    except (ValueError, KeyError, TypeError, AttributeError):
        has_shape = False
    record.check(has_shape, f"an error of another shape for {what}")


def all_operations(document: dict[str, Any]) -> list[Described]:
    return [
        (method.upper(), path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item and not (method == "delete" and path.endswith("}"))
    ]


async def send_bodies(owner: Caller, described: list[Described], world: World, record: Record) -> None:
    """Send every operation that takes a body bodies that are none, and some that are nearly right."""
    taking = [(method, path) for method, path, its in described if "requestBody" in its]

    def tries(make: Callable[[dict[str, Any]], dict[str, bytes]]) -> list[tuple[str, str, Any, Any]]:
        return [(*each, name, body) for each in taking for name, body in make(body_of(" ".join(each))).items()]

    await send_some(owner, world, tries(bodies), len(taking) * 100, "hostile bodies", record)
    await send_some(owner, world, tries(spoilt), record.size(6_000, 300), "bodies with a spoilt field", record)


async def send_parameters(owner: Caller, described: list[Described], world: World, record: Record) -> None:
    """Send every parameter of every operation values that it is not made for."""
    tries = [
        (method, path, each, value) for method, path, its in described for each in its["parameters"] for value in VALUES
    ]
    await send_some(owner, world, tries, record.size(6_000, 500), "hostile parameters", record)


async def send_some(
    owner: Caller, world: World, tries: list[tuple[str, str, Any, Any]], count: int, what: str, record: Record
) -> None:
    source = random.Random(SEED)
    free = asyncio.Semaphore(AT_A_TIME // 2)

    async def one(method: str, path: str, how: Any, value: Any) -> None:
        async with free:
            await send_one(owner, world, method, path, how, value, record)
        record.count(what)

    await asyncio.gather(*(one(*each) for each in source.sample(tries, min(count, len(tries)))))


async def send_one(owner: Caller, world: World, method: str, path: str, how: Any, value: Any, record: Record) -> None:
    """Send a body, or a parameter that is described by `how`."""
    ids, query, headers, content = dict(world.ids), {}, {"x-api-key": str(owner.key)}, None
    if isinstance(value, bytes):
        content, headers, name = value, headers | JSON, f"{method} {path} with {how}"
    else:
        name = f"{method} {path} with {how['in']} {how['name']} {value[:30]!r}"
        if method in ("POST", "PUT", "PATCH"):
            content, headers = json.dumps(body_of(f"{method} {path}")).encode(), headers | JSON
        if how["in"] == "path":
            ids[how["name"]] = value
        elif how["in"] == "query":
            query[how["name"]] = value
        else:
            headers[how["name"]] = value.replace("\0", "?").strip().encode("ascii", "replace").decode()
    address = re.sub(r"\{(\w+)\}", lambda match: escaped(ids[match.group(1)]), path)
    async with owner.client.stream(method, address, params=query or None, headers=headers, content=content) as answer:
        reply = Reply(answer.status_code, dict(answer.headers))
        if answer.status_code >= 400:
            reply.body = await answer.aread()
    check(name, reply, record)


def escaped(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


async def send_tokens(people: People, owner: Caller, record: Record) -> None:
    """Send tokens whose signature is right and whose claims are not what they must be: as with the secret in hand."""
    for who in (owner.with_token(), await people.product_user(owner)):
        said = jwt.decode(str(who.token), options={"verify_signature": False})
        # Of both kinds, whatever the token is.
        for name in sorted({*said, "key", "gen", "aud", "nbf", "iat"}):
            for value in CLAIMS:
                token = jwt.PyJWS().encode(json.dumps({**said, name: value}).encode(), SECRET, "HS256")
                answer = await owner.client.get("/v1/user", headers={"authorization": f"Bearer {token}"})
                record.count("tokens with a hostile claim")
                check(
                    f"{name} {str(value)[:30]!r}",
                    Reply(answer.status_code, dict(answer.headers), answer.content),
                    record,
                )
                if name in ("key", "gen") and "key" in said:
                    record.check(answer.status_code == 401, f"a token counts although its {name} is {value!r}")


def send_made_from_the_document(server: Server, owner: Caller, world: World, record: Record) -> None:
    """Let Schemathesis make requests from the document, others in each run of it."""
    schemas = [schemathesis.openapi.from_url(f"{server.url}{path}") for path in PATHS]
    real = {re.match("[a-z]+", name)[0]: value for name, value in world.ids.items()}  # type: ignore[index]
    examples = record.size(60, 12)
    for operation in chain.from_iterable(map(operations, schemas)):
        try:
            try_operation(operation, owner, real, examples)
        except Exception as failure:
            record.violation(f"{operation.method.upper()} {operation.path}: {str(failure)[:400]}")
        record.count("requests made from the document", examples)


async def check_afterwards(server: Server, owner: Caller, record: Record) -> None:
    """It still serves; nothing was done that stood where only a confused reader would see a request."""
    answers = [await owner.client.get(path) for path in ("/healthz", "/readyz")]
    record.check(all(answer.status_code == 200 for answer in answers), f"afterwards it does not serve: {answers}")
    record.check(server.process is not None and server.process.poll() is None, "the server has ended")
    found = await owner.walk("/v1/threads", titleContains=SMUGGLED, state="all", limit=100)
    record.check(not found, f"{len(found)} requests were smuggled in")
    metrics = (await owner.client.get("/metrics")).text
    record.check('status="500"' not in metrics, "the metrics tell of a 500")
