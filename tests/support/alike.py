"""Random requests that go to two servers, and what must be the same in their answers (promise P10)."""

import itertools
import json
import re
from typing import Any

import httpx
from hypothesis import strategies as st

GENERATED_ID = re.compile(r"(thread|msg|asst|key|resp)_[0-7][0-9a-hjkmnp-tv-z]{25}")
TIMES = {"createdAt", "updatedAt", "lastMessageAt", "nextCursor", "requestId"}

Step = tuple[str, str, Any]  # Any: the body, or a GET's query

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
several = st.fixed_dictionaries({"messages": st.lists(messages, max_size=3)})
changes = st.fixed_dictionaries({}, optional={"content": texts, "metadata": metadata})
assistants = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["asst_one", "asst_Two", "asst_"]), "name": texts, "description": texts,
        "instructions": texts, "metadata": metadata,
    },
)  # fmt: skip

creates = st.tuples(threads, fields, st.none() | st.lists(messages, max_size=2)).map(
    lambda made: {"id": made[0], **made[1], **({} if made[2] is None else {"messages": made[2]})}
)
actions = st.tuples(threads, st.sampled_from(["lock", "unlock", "archive", "unarchive"]))
message_places = st.tuples(threads, st.integers(0, 2)).map("/v1/threads/{0[0]}/messages/{{message {0[1]}}}".format)
thread_filters = st.fixed_dictionaries(
    {"state": st.sampled_from(["all", "open", "archived"])},
    optional={
        "titleContains": texts,
        "metadata.a": texts,
        "include": st.just("lastMessage"),
        "includeTotal": st.just("true"),
        "limit": st.integers(0, 3),
        "order": st.sampled_from(["asc", "desc"]),
        "sort": st.sampled_from(["createdAt", "updatedAt"]),
    },
)
message_filters = st.fixed_dictionaries(
    {}, optional={"role": st.sampled_from(["user", "tool", "x"]), "limit": st.integers(0, 3), "order": st.just("desc")}
)
steps = st.one_of(
    st.tuples(st.just("POST"), st.just("/v1/threads"), creates),
    st.tuples(st.just("PATCH"), threads.map("/v1/threads/{}".format), fields),
    st.tuples(st.just("POST"), threads.map("/v1/threads/{}/messages".format), messages | several),
    st.tuples(st.just("PATCH"), message_places, changes),
    st.tuples(st.just("DELETE"), message_places, st.none()),
    st.tuples(st.just("POST"), actions.map("/v1/threads/{0[0]}/{0[1]}".format), st.none()),
    st.tuples(st.just("DELETE"), threads.map("/v1/threads/{}".format), st.none()),
    st.tuples(st.just("DELETE"), threads.map("/v1/threads/{}/messages".format), st.none()),
    st.tuples(st.just("POST"), st.just("/v1/assistants"), assistants),
    st.tuples(st.just("GET"), st.just("/v1/threads"), thread_filters),
    st.tuples(st.just("GET"), threads.map("/v1/threads/{}/messages".format), message_filters),
    st.tuples(st.just("GET"), threads.map("/v1/threads/{}/context".format), st.none()),
)
LOOKS: list[Step] = [
    ("GET", "/v1/threads", {"state": "all"}),
    ("GET", "/v1/threads/thread_{n}_a/messages", {}),
    ("GET", "/v1/threads/thread_{n}_b/messages", {}),
]


class Both:
    """Clients of two servers; each example is a user of its own on both of them."""

    def __init__(self, clients: list[httpx.Client]) -> None:
        self.clients = clients
        self.numbers = itertools.count()
        self.requests_count = 0
        self.statuses: set[int] = set()

    def compare(self, example: list[Step]) -> None:
        """Send the same requests to both. Raises AssertionError at the first that is answered otherwise."""
        number = next(self.numbers)
        seen: list[list[str]] = [[] for _ in self.clients]
        for step in [*example, *LOOKS]:
            first, second = [
                self.answer(client, its, number, *step) for client, its in zip(self.clients, seen, strict=True)
            ]
            self.requests_count += 1
            self.statuses.add(first[0])
            assert json.dumps(first) == json.dumps(second), f"answered otherwise: {step}: {first} and {second}"
            assert first[0] < 500, f"failed on both: {step}"

    def answer(
        self, client: httpx.Client, seen: list[str], number: int, method: str, path: str, body: Any
    ) -> tuple[int, Any]:
        """Send one request of an example and return what must be the same on both databases."""
        headers = {"x-user-id": f"uid_{number}"}
        path = re.sub(
            r"\{message (\d)\}", lambda found: message_at(seen, int(found[1])), path.replace("{n}", str(number))
        )
        if method == "GET":
            response = client.get(path, params=body, headers=headers)
        elif body is None:
            response = client.request(method, path, headers=headers)
        else:
            headers["content-type"] = "application/json"
            response = client.request(
                method, path, content=json.dumps(body).replace("{n}", str(number)), headers=headers
            )
        answered = response.json()
        seen += [each for each in re.findall(r"msg_[0-9a-z]{26}", response.text) if each not in seen]
        return response.status_code, comparable(answered)


def message_at(seen: list[str], number: int) -> str:
    """Return one of the newest messages that this server has shown."""
    return seen[-1 - number] if number < len(seen) else "msg_01m8425791fv0a0a473p7cn96k"


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: (each is None if name in TIMES else comparable(each)) for name, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return GENERATED_ID.sub(r"\1_made", value) if isinstance(value, str) else value
