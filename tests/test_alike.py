"""SQLite and PostgreSQL answer alike: the same random requests go to both, and answers are compared (promise P10)."""

import asyncio
import itertools
import json
import re

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import connect
from support.people import People
from support.server import Database, Server

EXAMPLES = 400
GENERATED_ID = re.compile(r"(thread|msg|key)_[0-7][0-9a-hjkmnp-tv-z]{25}")
TIMES = {"createdAt", "updatedAt", "lastMessageAt", "nextCursor", "requestId"}
numbers = itertools.count()

# All planes, with what a driver, a collation or a JSON library may treat in its own way more often than chance would.
characters = st.characters(exclude_categories=["Cs"]) | st.sampled_from(
    "\0\x01\n\"\\/'%_ \u00a0\u0301\u2028\ufeff\U0010ffffßİΣς"
)
texts = st.text(characters, max_size=30) | st.sampled_from(
    ["", " ", "null", "a" * 200, "a" * 201, "😀" * 200, "😀" * 513]
)
scalars = texts | st.integers(-(2**54), 2**54) | st.floats() | st.booleans()
metadata = st.none() | st.dictionaries(texts, st.none() | scalars | st.lists(scalars, max_size=3), max_size=5)
threads = st.sampled_from(["thread_{n}_a", "thread_{n}_b"])
fields = st.fixed_dictionaries({}, optional={"title": st.none() | texts, "metadata": metadata})
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": texts},
    optional={"metadata": metadata, "toolCallId": texts},
)
steps = st.one_of(
    st.tuples(
        st.just("POST"), st.just("/v1/threads"), st.tuples(threads, fields).map(lambda made: {"id": made[0], **made[1]})
    ),
    st.tuples(st.just("PATCH"), threads.map("/v1/threads/{}".format), fields),
    st.tuples(st.just("POST"), threads.map("/v1/threads/{}/messages".format), messages),
    st.tuples(
        st.just("POST"),
        st.tuples(threads, st.sampled_from(["lock", "unlock", "archive", "unarchive"])).map(
            "/v1/threads/{0[0]}/{0[1]}".format
        ),
        st.none(),
    ),
    st.tuples(st.just("DELETE"), threads.map("/v1/threads/{}".format), st.none()),
    st.tuples(st.just("DELETE"), threads.map("/v1/threads/{}/messages".format), st.none()),
    st.tuples(
        st.just("GET"),
        st.just("/v1/threads"),
        st.fixed_dictionaries(
            {"state": st.sampled_from(["all", "open", "archived"])},
            optional={
                "titleContains": texts,
                "metadata.a": texts,
                "include": st.just("lastMessage"),
                "includeTotal": st.just("true"),
                "limit": st.integers(0, 3),
            },
        ),
    ),
)
LOOKS = [("GET", "/v1/threads", {"state": "all"}), ("GET", "/v1/threads/thread_{n}_a/messages", {})]


@pytest.fixture
async def both(workspace, postgres, zygote):
    """A server of each kind, with the same owner, as synchronous clients."""
    folders = [workspace / "alike-sqlite", workspace / "alike-postgres"]
    for folder in folders:
        folder.mkdir()
    databases = [
        Database("sqlite", f"sqlite:///{folders[0] / 'threadkeep.db'}", folders[0]),
        Database("postgres", await postgres.create_database(), folders[1]),
    ]
    servers = [await Server(database).start() for database in databases]
    clients = []
    for server in servers:
        async with connect(server) as client:
            owner = await People(server, client, zygote).owner("ORG_ALIKE", "uid_ada")
        clients.append(httpx.Client(base_url=server.url, headers={"x-api-key": owner.key}, trust_env=False, timeout=60))
    yield clients
    for client, server in zip(clients, servers, strict=True):
        client.close()
        server.stop()


def answer_of(client, number, method, path, body):
    """Send one request of an example and return what must be the same on both databases."""
    headers = {"x-user-id": f"uid_{number}"}
    path = path.replace("{n}", str(number))
    if method == "GET":
        response = client.get(path, params=body, headers=headers)
    elif body is None:
        response = client.request(method, path, headers=headers)
    else:
        content = json.dumps(body).replace("{n}", str(number))
        response = client.request(
            method, path, content=content, headers={**headers, "content-type": "application/json"}
        )
    return response.status_code, comparable(response.json())


def comparable(value):
    if isinstance(value, dict):
        return {name: (each is None if name in TIMES else comparable(each)) for name, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return GENERATED_ID.sub(r"\1_made", value) if isinstance(value, str) else value


def compare(both):
    @given(st.lists(steps, min_size=1, max_size=12))
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def run(example):
        number = next(numbers)
        for step in [*example, *LOOKS]:
            sqlite, postgres = [answer_of(client, number, *step) for client in both]
            assert json.dumps(sqlite) == json.dumps(postgres), step
            assert sqlite[0] < 500, step

    run()


async def test_the_same_requests_are_answered_alike_by_both_databases(both):
    await asyncio.to_thread(compare, both)
