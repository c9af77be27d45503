"""Readers of streams, down to the byte: they may stop reading, be cut off anywhere, and come back.

async with await Stream.post(ada, f"/v1/threads/{thread.id}/responses", input="hello") as stream:
    await stream.until(TEXT)
    rest = await stream.rest()
check_whole(stream.events)
"""

import asyncio
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httptools
import msgspec

from support.cast import Caller, identifier
from threadkeep.contract import events as contract
from threadkeep.contract.strict import strict

CREATED, RESET = contract.ResponseCreated.type, contract.ResponseReset.type
TEXT, REASONING, TOOL_CALL = contract.TextDelta.type, contract.ReasoningDelta.type, contract.ToolCallDelta.type
COMPLETED, CANCELLED = contract.ResponseCompleted.type, contract.ResponseCancelled.type
FAILED = contract.ResponseFailed.type
# What each event must be made of, and nothing else.
DATA: dict[str, Any] = {kind.type: strict(kind) for kind in contract.KINDS}
TERMINAL = (COMPLETED, CANCELLED, FAILED)

READ_S = 30
READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: Any

    @property
    def n(self) -> int:
        return int(self.id.rpartition(":")[2])

    @property
    def response_id(self) -> str:
        return self.id.rpartition(":")[0]

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL


class Stream:
    """One answer of the server, read as far as somebody asks for more. `body` are its bytes, without chunks' frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.events: list[Event] = []
        self.pings_count = 0
        # Whether the answer came to its end in order; a connection that breaks off leaves it false.
        self.is_complete = False
        self.is_closed = False
        self.wire_bytes = 0
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpResponseParser(self)
        self._parsed = 0
        self._looked_at = 0
        self._has_head = False

    @classmethod
    async def open(
        cls, who: Caller, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None,
        port: int | None = None, receive_bytes: int | None = None, reads_head: bool = True,
    ) -> "Stream":  # fmt: skip
        """Send a request. `receive_bytes`: how much the system keeps for a reader that does not read."""
        raw = socket.socket()
        raw.setblocking(False)
        if receive_bytes is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port or who.client.base_url.port))
        except OSError:
            raw.close()
            raise
        stream = cls(*await asyncio.open_connection(sock=raw, limit=receive_bytes or READ_BYTES))
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"host": "test", **who.credential, **who.extra, **(headers or {})}
        if body is not None:
            sent |= {"content-type": "application/json", "content-length": str(len(content))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        stream._writer.write("\r\n".join(lines).encode("latin-1") + content)
        while reads_head and not stream._has_head:
            if not await stream.more():
                stream.cut()
                raise ConnectionError("no answer")
        return stream

    @classmethod
    async def post(cls, who: Caller, path: str, *, port: int | None = None, **body: Any) -> "Stream":
        return await cls.open(who, "POST", path, {"stream": True, **body}, port=port)

    @classmethod
    async def follow(cls, who: Caller, thread: Any, response: Any, after: str | None = None, **more: Any) -> "Stream":
        """Follow a response; `after` is what a browser remembers."""
        headers = {} if after is None else {"last-event-id": after}
        return await cls.open(who, "GET", events_path(thread, response), headers=headers, **more)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        self.body += data
        while (end := self.body.find(b"\n\n", self._parsed)) >= 0:
            self._take(bytes(self.body[self._parsed : end]).decode())
            self._parsed = end + 2

    def on_message_complete(self) -> None:
        self.is_complete = True

    def _take(self, frame: str) -> None:
        if frame.startswith(":"):
            assert frame == ": ping"
            self.pings_count += 1
            return
        fields = dict(line.split(": ", 1) for line in frame.split("\n"))
        assert set(fields) <= {"id", "event", "data"}, frame
        self.events.append(Event(fields.get("id", ""), fields["event"], json.loads(fields["data"])))

    # Reading

    async def more(self, within_s: float = READ_S, bytes_max: int = READ_BYTES) -> bool:
        """Read what comes next; false at the end."""
        if self.is_complete or self.is_closed:
            return False
        async with asyncio.timeout(within_s):
            try:
                data = await self._reader.read(bytes_max)
            except ConnectionError:
                data = b""
        if not data:
            self.is_closed = True
            return False
        self.wire_bytes += len(data)
        self._parser.feed_data(data)
        return True

    async def until(self, type: str, within_s: float = READ_S) -> Event:
        """Read on from where the last `until` ended, to an event of this kind; return it."""
        async with asyncio.timeout(within_s):
            while True:
                while self._looked_at < len(self.events):
                    event = self.events[self._looked_at]
                    self._looked_at += 1
                    if event.type == type:
                        return event
                assert await self.more(within_s), f"no {type} in {self.events}"

    async def rest(self, within_s: float = READ_S) -> list[Event]:
        """Read to the end; return all events."""
        async with asyncio.timeout(within_s):
            while await self.more(within_s):
                pass
        return self.events

    async def read_bytes(self, count: int) -> None:
        """Read `count` bytes of what comes over the wire, and none more."""
        end = self.wire_bytes + count
        while self.wire_bytes < end and await self.more(bytes_max=end - self.wire_bytes):
            pass

    @property
    def text(self) -> str:
        return text_of(self.events)

    @property
    def last_id(self) -> str | None:
        return self.events[-1].id if self.events else None

    def cut(self) -> None:
        """Go away without a word."""
        self.is_closed = True
        self._writer.transport.abort()

    async def __aenter__(self) -> "Stream":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def events_path(thread: Any, response: Any) -> str:
    return f"/v1/threads/{identifier(thread)}/responses/{identifier(response)}/events"


def responses_path(thread: Any) -> str:
    return f"/v1/threads/{identifier(thread)}/responses"


def stream_path(thread: Any) -> str:
    return f"/v1/threads/{identifier(thread)}/stream"


def text_of(events: Iterable[Event]) -> str:
    """What a page shows: deltas added up, and a reset's text in their place."""
    shown = ""
    for event in events:
        if event.type == TEXT:
            shown += event.data["delta"]
        elif event.type == RESET:
            shown = event.data["response"]["outputText"]
    return shown


def check_whole(events: list[Event]) -> None:
    """Nothing lost, nothing repeated, one terminal event, and that the last."""
    assert [event.n for event in events] == list(range(1, len(events) + 1)), events
    assert len({event.response_id for event in events}) == 1, events
    assert [event.type for event in events].count(CREATED) == 1, events
    assert events[0].type == CREATED, events
    assert [event.is_terminal for event in events] == [False] * (len(events) - 1) + [True], events
    for event in events:
        msgspec.convert(event.data, DATA[event.type])
