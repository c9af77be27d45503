"""The operations that are measured, and what a caller of threadkeep sends for each."""

import itertools
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.filling import PAYLOAD, RARE, TEXT, Filled, message_cursor, thread_id
from benchmarks.servers import Address

# In this order in every table.
# Nobody else does the work of these: they are measured on threadkeep alone.
OURS_ALONE = (
    "create, own id", "append, parent", "append, condition", "append, payload", "messages, line", "messages, payload",
    "copy", "token", "stream",
)  # fmt: skip
OPERATIONS = ("create", "append", "get", "list", "messages", "filter", *OURS_ALONE)
TITLES = {
    "create": "create a thread with one pair of metadata",
    "append": "append a message of 192 characters",
    "get": "get a thread",
    "list": "list 20 threads",
    "messages": "list 20 messages",
    "filter": "list 20 threads by a pair of metadata that a tenth have",
    "create, own id": "create a thread with an id of one's own",
    "append, parent": "append a message with its place",
    "append, condition": "append a message if the thread is there (`If-Match`)",
    "append, payload": "append a message with a payload of 1 kB",
    "messages, line": "list 20 messages of the current line",
    "messages, payload": "list 20 messages with payloads of 1 kB",
    "copy": "copy a thread of 20 messages",
    "token": "make a token for a user",
    "stream": "stream a whole answer of an echo",
}
WRITES = ("create", "append")
REQUESTS_COUNT = 20_000
TOPIC = "3"
TITLE = "How do I change the address of order 17"
CREATE_BODY = json.dumps({"title": TITLE, "metadata": {"topic": TOPIC}}).encode()
APPEND_BODY = json.dumps({"role": "user", "content": TEXT}).encode()
PLACED_BODY = json.dumps({"role": "user", "content": TEXT, "parentId": None}).encode()
PAYLOAD_BODY = json.dumps({"role": "user", "content": TEXT, "payload": {"format": "bench", "data": PAYLOAD}}).encode()
TOKEN_BODY = json.dumps({"userId": "uid_of_a_product"}).encode()
# Another number in each request that is sent, in all runs.
NUMBER = b"@" * 19
OWN_ID_BODY = json.dumps({"title": TITLE, "externalId": f"own-{NUMBER.decode()}"}).encode()
STREAM_BODY = json.dumps({"input": TEXT, "stream": True}).encode()

Request = Callable[[str, str, bytes], bytes]


@dataclass(frozen=True)
class Asked:
    """Requests, ready to send, and what each answer must hold."""

    requests: list[bytes]
    must_hold: bytes = b""


def shuffled(numbers: range) -> list[str]:
    """Return ids of threads in no order; none twice within so many that two clients might meet in one."""
    some = random.Random(numbers.start)
    return [thread_id(each) for each in some.sample(numbers, min(REQUESTS_COUNT, len(numbers)))]


def ask(operation: str, server: Address, filled: Filled) -> Asked:
    """Return what to send to threadkeep, or to the bare application, for one of OPERATIONS."""
    match operation:
        case "create":
            return Asked([server.request("POST", "/v1/threads", CREATE_BODY)])
        case "append":
            return each_thread(server, filled.plain, "POST", "/messages", APPEND_BODY)
        case "get":
            return each_thread(server, filled.plain, "GET", "")
        case "list":
            return Asked([server.request("GET", "/v1/threads")])
        case "messages":
            return each_thread(server, filled.conversations, "GET", "/messages")
        case "filter":
            return Asked([server.request("GET", f"/v1/threads?metadata.topic={TOPIC}")])
        case "create, own id":
            return Asked([server.request("POST", "/v1/threads", OWN_ID_BODY)])
        case "append, parent":
            return each_thread(server, filled.plain, "POST", "/messages", PLACED_BODY)
        case "append, condition":
            asked = each_thread(server, filled.plain, "POST", "/messages", APPEND_BODY)
            return Asked([each.replace(b"\r\n", b"\r\nIf-Match: *\r\n", 1) for each in asked.requests])
        case "append, payload":
            return each_thread(server, filled.plain, "POST", "/messages", PAYLOAD_BODY)
        case "messages, line":
            return each_thread(server, filled.conversations, "GET", "/messages?branch=current")
        case "messages, payload":
            return each_thread(server, filled.with_payloads, "GET", "/messages?include=payload")
        case "copy":
            return each_thread(server, filled.conversations, "POST", "/copy", b"{}")
        case "token":
            return Asked([server.request("POST", "/v1/tokens", TOKEN_BODY)])
        case "stream":
            asked = each_thread(server, filled.plain, "POST", "/responses", STREAM_BODY)
            return Asked(asked.requests, b"event: response.completed")
    raise ValueError(operation)


def each_thread(server: Address, numbers: range, method: str, rest: str, body: bytes = b"") -> Asked:
    return Asked([server.request(method, f"/v1/threads/{each}{rest}", body) for each in shuffled(numbers)])


def endless(requests: Iterable[bytes]) -> Iterator[bytes]:
    """Return the requests over and over, each with a number of its own where one belongs."""
    numbers = itertools.count(time.time_ns())
    for request in itertools.cycle(requests):
        yield request.replace(NUMBER, b"%019d" % next(numbers)) if NUMBER in request else request


def ask_among_threads(operation: str, server: Address, filled: Filled) -> Asked:
    """Return what to send to see whether it costs more among more threads."""
    match operation:
        case "list, middle":
            return Asked([server.request("GET", f"/v1/threads?after={filled.middle_cursor}")])
        case "filter, rare":
            return Asked([server.request("GET", f"/v1/threads?metadata.topic={RARE}")])
    return ask(operation, server, filled)


def ask_in_long_thread(operation: str, server: Address, filled: Filled, length: int) -> Asked:
    """Return what to send to see whether it costs more in a longer thread: in those of so many messages."""
    numbers, middle = filled.of_length[length], message_cursor(length // 2)
    match operation:
        case "append":
            return each_thread(server, numbers, "POST", "/messages", APPEND_BODY)
        case "get":
            return each_thread(server, numbers, "GET", "")
        case "messages, first page":
            return each_thread(server, numbers, "GET", "/messages")
        case "messages, middle":
            return each_thread(server, numbers, "GET", f"/messages?after={middle}")
        case "messages, role=user":
            return each_thread(server, numbers, "GET", f"/messages?role=user&after={middle}")
    raise ValueError(operation)
