"""The operations that are measured, and what a caller of threadkeep sends for each."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.filling import RARE, TEXT, Filled, message_cursor, thread_id
from benchmarks.servers import Address

# In this order in every table.
OPERATIONS = ("create", "append", "get", "list", "messages", "filter", "stream")
TITLES = {
    "create": "create a thread with one pair of metadata",
    "append": "append a message of 192 characters",
    "get": "get a thread",
    "list": "list 20 threads",
    "messages": "list 20 messages",
    "filter": "list 20 threads by a pair of metadata that a tenth have",
    "stream": "stream a whole answer of an echo",
}
WRITES = ("create", "append")
REQUESTS_COUNT = 20_000
TOPIC = "3"
TITLE = "How do I change the address of order 17"
CREATE_BODY = json.dumps({"title": TITLE, "metadata": {"topic": TOPIC}}).encode()
APPEND_BODY = json.dumps({"role": "user", "content": TEXT}).encode()
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
        case "stream":
            asked = each_thread(server, filled.plain, "POST", "/responses", STREAM_BODY)
            return Asked(asked.requests, b"event: response.completed")
    raise ValueError(operation)


def each_thread(server: Address, numbers: range, method: str, rest: str, body: bytes = b"") -> Asked:
    return Asked([server.request(method, f"/v1/threads/{each}{rest}", body) for each in shuffled(numbers)])


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
