"""Reads request bodies within their limits, and refuses what the contract does not allow."""

import asyncio
import json
import re
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import msgspec

from threadkeep import decoding
from threadkeep.contract.messages import Message
from threadkeep.contract.organizations import Key
from threadkeep.contract.strict import strict
from threadkeep.contract.threads import Thread
from threadkeep.errors import (
    InvalidField,
    InvalidJson,
    InvalidString,
    TooLarge,
    Unavailable,
    UnknownField,
    UnsupportedMediaType,
    member_path,
)
from threadkeep.server.connection_limits import ByteBudget

INTEGER_MAX = 2**53
DEPTH_MAX = 32
# Enough for a hundred messages with the most parts and tool calls that they may have.
VALUES_MAX = 100_000
# Larger bodies are decoded in a thread, so that they do not hold up other requests.
LARGE_BYTES = 64 * 1024
BLANKS = " \t\n\r"
REFUSED_CHARACTER = re.compile("[\0\ud800-\udfff]")
PARAM_CHARACTERS_MAX = 128
INDEX = re.compile(r"\[\d+\]")

Receive = Callable[[], Coroutine[Any, Any, Any]]  # Any: ASGI messages are plain dictionaries.


class Disconnected(Exception):
    """The client went away before its request was complete."""


class Reservation:
    """The bytes that one body takes from the budget, until it is decoded."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._bytes = 0

    def take(self, size_bytes: int) -> None:
        """Raises Unavailable when all bodies together are too large."""
        self._bytes += size_bytes
        if not self._budget.take(size_bytes):
            raise Unavailable("Too many large requests are coming in at once: try again.")

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give(self._bytes)


class Suspicious(ValueError):
    """The quick decoder has met a value that the contract refuses."""


class Refused:
    """Stands in a decoded body for something that JSON allows and the contract does not."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


async def read_body(
    headers: dict[bytes, bytes], receive: Receive, bytes_max: int, read_s: float, reservation: Reservation
) -> bytes:
    """Return the whole body. Raises TooLarge, UnsupportedMediaType, Unavailable, Disconnected; InvalidJson if late."""
    length = headers.get(b"content-length")
    if length is not None and (not length.isdigit() or int(length) > bytes_max):
        raise TooLarge(f"A request body has at most {bytes_max} bytes.")
    receiving = receive()
    message, waits_for = begin(receiving)
    if message is None or message.get("more_body", False):
        try:
            async with asyncio.timeout(read_s):
                message = message or await go_on(receiving, waits_for)
                if message.get("more_body", False):
                    message["body"] = await read_rest(message.get("body", b""), receive, bytes_max, reservation)
        except TimeoutError:
            raise InvalidJson(f"The body was not complete within {read_s:g} seconds.") from None
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > bytes_max:
        raise TooLarge(f"A request body has at most {bytes_max} bytes.")
    if body:
        check_media_type(headers)
    return body


def begin(receiving: Coroutine[Any, Any, Any]) -> tuple[Any, Any]:
    """Start receiving: return the message if it is there already, else None and the future that it awaits.

    Most bodies arrive with their headers. A timer for them would take as long as reading and decoding them.
    """
    try:
        return None, receiving.send(None)
    except StopIteration as received:
        return received.value, None


@types.coroutine
def go_on(receiving: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """Run a coroutine that `begin` started to its end, and return its result."""
    yield waits_for
    return (yield from receiving)


async def read_rest(first: bytes, receive: Receive, bytes_max: int, reservation: Reservation) -> bytes:
    chunks, size = [first], len(first)
    reservation.take(size)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        reservation.take(len(chunks[-1]))
        if size > bytes_max:
            raise TooLarge(f"A request body has at most {bytes_max} bytes.")
        if not message.get("more_body", False):
            return b"".join(chunks)


def check_media_type(headers: dict[bytes, bytes]) -> None:
    given = headers.get(b"content-type", b"")
    if given != b"application/json":
        kind, _, parameters = given.lower().partition(b";")
        charset = parameters.replace(b" ", b"").replace(b'"', b"")
        if kind.strip() != b"application/json" or charset not in (b"", b"charset=utf-8"):
            raise UnsupportedMediaType()
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMediaType()


def decode(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; an empty body is an empty object.

    Raises InvalidJson, InvalidString, or InvalidField with the path of what is refused: a repeated key,
    an integer beyond ±2^53, NaN and infinities, nesting beyond DEPTH_MAX levels, more than VALUES_MAX values.
    """
    if not body:
        return {}
    try:
        value, is_suspicious = parse(body.decode())
    except RecursionError:
        raise InvalidField(f"The body is nested deeper than {DEPTH_MAX} levels.", param="body") from None
    except ValueError:
        raise InvalidJson() from None
    if not isinstance(value, dict):
        raise InvalidJson()
    # Only an escape can put U+0000 or a surrogate into a string: raw ones are not valid JSON in UTF-8.
    may_hold_refused_text = b"\\u" in body
    may_be_deep_or_wide = body.count(b"{") + body.count(b"[") > DEPTH_MAX or len(body) > LARGE_BYTES
    if is_suspicious or may_hold_refused_text or may_be_deep_or_wide:
        check_values(value)
    return value


def parse(text: str) -> tuple[Any, bool]:
    """Return the value of a JSON text, and whether a `Refused` is in it. Raises ValueError, RecursionError."""
    text = text.strip(BLANKS)
    try:
        # `decode` would skip blanks with two regular expressions, which take as long as parsing a small body.
        value, end = QUICK_DECODER.raw_decode(text)
    except Suspicious:
        return make_decoder(Refused).decode(text), True
    if end < len(text):
        raise ValueError
    return value, False


def stop(_reason: str) -> Any:
    raise Suspicious


def make_decoder(refuse: Callable[[str], Any]) -> json.JSONDecoder:
    """Return a decoder that replaces every value that the contract refuses by `refuse(reason)`."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(found)
        if len(result) < len(found):
            seen: set[str] = set()
            for key, _ in found:
                if key in seen:
                    result[key] = refuse("stands twice in one object: send it once.")
                seen.add(key)
        return result

    def integer(text: str) -> Any:
        if len(text) > 17 or not -INTEGER_MAX <= int(text) <= INTEGER_MAX:
            return refuse("is an integer beyond ±2^53: send it as a string.")
        return int(text)

    def number(text: str) -> Any:
        value = float(text)
        vanishes = value == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0])
        if vanishes or abs(value) == float("inf"):
            return refuse("is a number too large or too small to be kept: send it as a string.")
        return value

    return json.JSONDecoder(
        object_pairs_hook=pairs,
        parse_int=integer,
        parse_float=number,
        parse_constant=lambda _: refuse("is NaN or an infinity, which JSON does not have."),
    )


# Bodies are rarely refused: the first pass only notices a refused value, the second finds its path.
QUICK_DECODER = make_decoder(stop)


class BodyValue:
    """A value inside a body, and how it is reached; its path is written only when it is refused."""

    __slots__ = ("depth", "key", "parent", "value")

    def __init__(self, value: Any, parent: "BodyValue | None" = None, key: str | int = "") -> None:
        self.value = value
        self.parent = parent
        self.key = key
        self.depth: int = 1 if parent is None else parent.depth + 1

    @property
    def path(self) -> str:
        steps: list[str | int] = []
        place: BodyValue | None = self
        while place is not None and place.parent is not None:
            steps.append(place.key)
            place = place.parent
        path = ""
        for step in reversed(steps):
            path = f"{path}[{step}]" if isinstance(step, int) else member_path(path, step)
        return path[:PARAM_CHARACTERS_MAX] or "body"


def check_values(body: Any) -> None:
    """Check every value. Raises InvalidField or InvalidString for the first that is refused."""
    waiting = [BodyValue(body)]
    count = 0
    while waiting:
        place = waiting.pop()
        value = place.value
        if isinstance(value, str):
            check_text(value, place)
        elif isinstance(value, Refused):
            raise InvalidField(f"A value in the body {value.reason}", param=place.path)
        elif isinstance(value, dict | list):
            if place.depth > DEPTH_MAX:
                raise InvalidField(f"The body is nested deeper than {DEPTH_MAX} levels.", param=place.path)
            count += len(value)
            if count > VALUES_MAX:
                raise InvalidField(f"The body holds more than {VALUES_MAX} values.", param=place.path)
            if isinstance(value, dict):
                for key in value:
                    check_text(key, place)
            items: Any = value.items() if isinstance(value, dict) else enumerate(value)
            waiting.extend(BodyValue(each, place, key) for key, each in items)


def check_text(text: str, place: BodyValue) -> None:
    if REFUSED_CHARACTER.search(text):
        raise InvalidString(param=place.path)


def convert(value: dict[str, Any], kind: Any) -> Any:
    """Convert a decoded body to the endpoint's struct. Raises UnknownField or InvalidField with the field's path."""
    try:
        return decoding.convert(value, strict(kind))
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        path = path.rstrip("`").removeprefix(".").replace("[...]", "")
    if problem.startswith("Object contains unknown field"):
        name = problem.split("`")[1]
        param = f"{path}.{name}" if path else name
        if name in READ_ONLY:
            raise InvalidField("This field is read-only: leave it out.", param=param)
        shown = name if name.isascii() and name.replace("_", "").isalnum() and len(name) <= 64 else "…"
        raise UnknownField("This field is unknown here: leave it out.", param=f"{path}.{shown}" if path else shown)
    if problem.startswith("Object missing required field"):
        name = problem.split("`")[1]
        raise InvalidField("This field is required.", param=f"{path}.{name}" if path else name)
    if problem.startswith("Invalid"):
        # Imported when first needed: it costs memory, and most processes never refuse such a field.
        from threadkeep.server.choices import choices

        listed = ", ".join(choices(kind, INDEX.sub("", path))) or "its listed values"
        raise InvalidField(f"This field must be one of {listed}.", param=path or "body")
    expected = problem.replace("`", "")
    raise InvalidField(f"This field is not what it must be: {expected}.", param=path or "body")


# Fields that every answer shows and no request may send.
READ_ONLY = frozenset(
    [field.encode_name for kind in (Thread, Message, Key) for field in msgspec.structs.fields(kind)]
    + ["completedAt", "finishReason", "inputMessageIds", "messageId", "outputText", "usage", "error"]
)


def check_messages_count(decoded: dict[str, Any], paths: tuple[str, ...], messages_max: int) -> None:
    """Raise InvalidField if a list at one of these paths of the body holds more than `messages_max` messages."""
    for path in paths:
        found = value_at(decoded, path)
        if isinstance(found, list) and len(found) > messages_max:
            raise InvalidField(f"One call takes at most {messages_max} messages: send several calls.", param=path)


def check_payloads(decoded: dict[str, Any], paths: tuple[str, ...], bytes_max: int) -> None:
    """Raise TooLarge for a payload at one of these paths whose data is longer than `bytes_max`, in UTF-8."""
    for path in paths:
        found = value_at(decoded, path) if path else decoded
        for place, each in enumerate(found if isinstance(found, list) else [found]):
            data = value_at(each, "payload.data")
            if isinstance(data, str) and len(data) * 4 > bytes_max and len(data.encode()) > bytes_max:
                where = (
                    f"{path}[{place}].payload" if isinstance(found, list) else ".".join(filter(None, (path, "payload")))
                )
                raise TooLarge(f"A payload has at most {bytes_max} bytes of UTF-8.", param=where)


def value_at(decoded: Any, path: str) -> Any:
    """Return the value at a path such as `thread.messages` in a decoded body, or None."""
    for name in path.split("."):
        decoded = decoded.get(name) if isinstance(decoded, dict) else None
    return decoded
