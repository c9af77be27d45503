"""One request of the matrix: an operation with somebody's references in it, and an answer that may be a stream."""

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from proof.tenants.worlds import BODIES, World, body_of
from support.cast import JSON, Caller

# A stream that goes on is read no further.
READ_S = 2.0
# Fields of bodies that are one's own where nothing stands in them.
OWN = {"assistant_id": "assistantId", "thread_id": "threadId", "message_ids": "messageId"}
# Said anew in every answer, or as long as a request's id is.
UNSTEADY = {"date", "content-length", "x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}


@dataclass
class Answered:
    status: int
    code: str
    headers: dict[str, str]
    text: str

    @property
    def short(self) -> str:
        return "ok" if self.status < 300 else f"{self.status} {self.code}"

    def without(self, reference: str, never_was: str) -> tuple[int, str, str]:
        """Return all of it but the request's id, and with the one reference in place of the other."""
        text = self.text.replace(self.headers.get("x-request-id", "-"), "-").replace(reference, never_was)
        steady = {name: value for name, value in self.headers.items() if name not in UNSTEADY}
        return self.status, json.dumps(steady, sort_keys=True).replace(reference, never_was), text


@dataclass
class Asked:
    """What is sent. Its path, query, headers and body may be changed before."""

    operation: str
    path: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any] | None

    def put(self, name: str, value: str) -> "Asked":
        """Return the same with this reference in it."""
        place, _, key = name.partition(" ")
        other = Asked(self.operation, dict(self.path), dict(self.query), dict(self.headers), self.body)
        if place == "path":
            other.path[key] = value
        elif place == "query":
            other.query["metadata.word" if key == "metadata" else key] = value
        elif place == "header":
            other.headers[key] = value
        elif key == "replaces" and self.operation.endswith("/messages"):
            other.body = {"messages": [self.body], key: value}
        elif key == "message_ids" or (key == "ids" and self.operation.startswith("POST /langgraph")):
            other.body = {key: [value]}
        elif key == "ids":
            other.body = {"action": "unarchive", key: [value], "dryRun": True}
        elif key.startswith("change."):
            other.body = with_field((self.body or {}) | {"action": "update"}, key.split("."), value)
        elif key == "filter.metadata":
            other.body = with_field(self.body or {}, [*key.split("."), "word"], value)
        else:
            other.body = with_field(self.body or {}, key.split("."), value)
        return other

    async def by(self, who: Caller) -> Answered:
        method, _, template = self.operation.partition(" ")
        path = re.sub(r"\{(\w+)\}", lambda match: self.path[match.group(1)], template)
        headers = {**who.credential, **who.extra, **self.headers}
        content = None
        if self.body is not None:
            content, headers = json.dumps(self.body), headers | JSON
        async with who.client.stream(
            method, path, params=self.query or None, content=content, headers=headers
        ) as response:
            received = bytearray()
            with suppress(TimeoutError):
                async with asyncio.timeout(READ_S):
                    async for piece in response.aiter_raw():
                        received += piece
        text = received.decode()
        code = response.headers.get("x-error-code", "")
        if response.status_code >= 400 and not code:
            told = json.loads(text)
            error = told.get("error", told)
            code = error if isinstance(error, str) else error["code"]
        return Answered(response.status_code, code, dict(response.headers), text)


def asked(operation: str, world: World) -> Asked:
    """Return a request of the operation with references of this world."""
    method, _, path = operation.partition(" ")
    ids = dict(world.ids)
    if path.endswith("/stream") and world.live:
        ids["threadId"] = ids["chatId"] = world.live
    body = body_of(operation) if method in ("POST", "PUT", "PATCH") or operation in BODIES else None
    for name, value in (body or {}).items():
        if name in OWN and value in ("", [""]):
            own = ids[OWN[name]]
            body = {**(body or {}), name: own if value == "" else [own]}
    # For whom a key makes a token stands in a header there.
    headers = {"Aui-User-Id": "uid_of_the_product"} if path.endswith("/auth/tokens") else {}
    return Asked(operation, ids, {}, headers, body)


def with_field(body: dict[str, Any], path: list[str], value: str) -> dict[str, Any]:
    first, *rest = path
    inner = body.get(first)
    return body | {first: with_field(inner if isinstance(inner, dict) else {}, rest, value) if rest else value}
