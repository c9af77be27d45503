"""Request bodies: read within their limits, and refused where the contract refuses."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from threadkeep.errors import InvalidField, InvalidJson, InvalidString, TooLarge, UnsupportedMediaType

INTEGER_MAX = 2**53
DEPTH_MAX = 32
PARAM_CHARACTERS_MAX = 128

Receive = Callable[[], Awaitable[Any]]  # Any: ASGI messages are plain dictionaries.


class Disconnected(Exception):
    """The client went away before its request was complete."""


class Refused:
    """Stands in a decoded body for something that JSON allows and the contract does not."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


async def read_body(headers: dict[bytes, bytes], receive: Receive, bytes_max: int, read_s: float) -> bytes:
    """Return the whole body. Raises TooLarge, UnsupportedMediaType, InvalidJson when it does not come in time."""
    length = headers.get(b"content-length")
    if length is not None and (not length.isdigit() or int(length) > bytes_max):
        raise TooLarge(f"A request body has at most {bytes_max} bytes.")
    try:
        async with asyncio.timeout(read_s):
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body", False):
                body = await read_rest(body, receive, bytes_max)
    except TimeoutError:
        raise InvalidJson(f"The body was not complete within {read_s:g} seconds.") from None
    if message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > bytes_max:
        raise TooLarge(f"A request body has at most {bytes_max} bytes.")
    if body:
        check_media_type(headers)
    return body


async def read_rest(first: bytes, receive: Receive, bytes_max: int) -> bytes:
    chunks, size = [first], len(first)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > bytes_max:
            raise TooLarge(f"A request body has at most {bytes_max} bytes.")
        if not message.get("more_body", False):
            return b"".join(chunks)


def check_media_type(headers: dict[bytes, bytes]) -> None:
    kind, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    charset = parameters.replace(b" ", b"").replace(b'"', b"")
    if kind.strip() != b"application/json" or charset not in (b"", b"charset=utf-8"):
        raise UnsupportedMediaType()
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType()


def decode(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; an empty body is an empty object.

    Raises InvalidJson, InvalidString, or InvalidField with the path of what is refused: a key that stands twice,
    an integer beyond ±2^53, NaN and infinities, nesting beyond 32 levels.
    """
    if not body:
        return {}
    refused: list[Refused] = []
    try:
        value = decoder(refused).decode(body.decode())
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise InvalidJson() from None
    if not isinstance(value, dict):
        raise InvalidJson()
    if refused or body.count(b"{") + body.count(b"[") > DEPTH_MAX:
        check_values(value)
    # Only an escape can hold what a string must not: raw U+0000 and raw surrogates are no valid JSON in UTF-8.
    if b"\\u" in body:
        check_strings(value)
    return value


def decoder(refused: list[Refused]) -> json.JSONDecoder:
    def refuse(reason: str) -> Refused:
        refused.append(Refused(reason))
        return refused[-1]

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(found)
        if len(result) < len(found):
            seen: set[str] = set()
            for key, _ in found:
                if key in seen:
                    result[key] = refuse("stands twice in one object: send it once.")
                seen.add(key)
        return result

    def integer(text: str) -> int | Refused:
        if len(text) > 17 or not -INTEGER_MAX <= int(text) <= INTEGER_MAX:
            return refuse("is an integer beyond ±2^53: send it as a string.")
        return int(text)

    def number(text: str) -> float | Refused:
        value = float(text)
        return value if abs(value) != float("inf") else refuse("is a number too large for any program to hold.")

    return json.JSONDecoder(
        object_pairs_hook=pairs,
        parse_int=integer,
        parse_float=number,
        parse_constant=lambda _: refuse("is NaN or an infinity, which JSON does not have."),
    )


def walk(value: Any) -> Iterator[tuple[str, int, Any]]:
    """Give every value inside `value` with its path and depth, without recursion."""
    waiting: list[tuple[str, int, Any]] = [("", 1, value)]
    while waiting:
        path, depth, current = waiting.pop()
        yield path, depth, current
        if depth > DEPTH_MAX:
            continue
        if isinstance(current, dict):
            waiting.extend((join(path, key), depth + 1, each) for key, each in current.items())
        elif isinstance(current, list):
            waiting.extend((f"{path}[{place}]", depth + 1, each) for place, each in enumerate(current))


def join(path: str, key: str) -> str:
    """Add `key` to a path, if it is plain enough to be shown."""
    plain = key.replace("_", "").replace("-", "").isalnum() and key.isascii() and len(key) <= 64
    name = key if plain else "…"
    return f"{path}.{name}" if path else name


def check_values(value: Any) -> None:
    for path, depth, current in walk(value):
        param = path[:PARAM_CHARACTERS_MAX]
        if isinstance(current, Refused):
            raise InvalidField(f"A value in the body {current.reason}", param=param)
        if depth > DEPTH_MAX and isinstance(current, dict | list):
            raise InvalidField(f"The body is nested deeper than {DEPTH_MAX} levels.", param=param)


def check_strings(value: Any) -> None:
    for path, _, current in walk(value):
        texts = [current] if isinstance(current, str) else current if isinstance(current, dict) else ()
        for text in texts:
            if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
                raise InvalidString(param=path[:PARAM_CHARACTERS_MAX] or "body")
