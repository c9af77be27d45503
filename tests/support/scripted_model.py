"""A model's server for tests: it speaks OpenAI's chat completions on loopback, and misbehaves to the byte as told.

    model = await ScriptedModel.start()
    model.answer("Hello", " world")                # what every request gets from now on
    model.when("weather", "Sunny.", finish())      # but not one whose last user message holds "weather"
    model.script = [text("Hel"), hold, text("lo"), finish(), DONE]
    ...
    assert model.calls[0].body["model"] == "scripted"
    await model.stop()

It runs in the event loop of the test. A script is a list of steps, or a function that makes one from the Call:

| step | does |
|---|---|
| `str` | sends this text as a delta |
| `dict` | sends this as a chunk of a completion |
| `bytes` | sends these bytes as a part of the body, in one write |
| `asyncio.Event` | waits until the test sets it |
| a number | waits so many seconds |
| `Head(status, headers)` | begins the answer otherwise than with 200 and `text/event-stream` |
| `Raw(bytes)` | writes to the socket; before anything else, in place of a head. The connection ends with it |
| `STALL` | is silent until the caller goes away |
| `CLOSE`, `RESET` | ends the connection at once, in order or not |

At the end of a script the body ends, and the connection waits for the next request.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DONE = b"data: [DONE]\n\n"


class _Word(str):
    """A step that is a word and no text."""


STALL, CLOSE, RESET = _Word("stall"), _Word("close"), _Word("reset")


@dataclass(frozen=True)
class Raw:
    data: bytes


@dataclass(frozen=True)
class Head:
    """`headers` go out as they are. Without a `content-length`, or `connection: close`, the body is sent in chunks."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})


@dataclass
class Call:
    """One request. `gone` is set when the caller went away before the answer was complete."""

    path: str
    headers: dict[str, str]
    body: Any
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def last_user_text(self) -> str:
        for message in reversed(self.body.get("messages", [])):
            if message["role"] == "user":
                content = message["content"]
                return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
        return ""


Script = Sequence[Any] | Callable[[Call], Sequence[Any]]


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk as OpenAI sends it."""
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "scripted",
        "choices": [choice],
        **more,
    }


def text(content: str) -> dict[str, Any]:
    return chunk({"content": content})


def reasoning(content: str) -> dict[str, Any]:
    return chunk({"reasoning_content": content})


def tool_call(index: int, call_id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    """A part of a call; id and name are left out where they are None."""
    call: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
    if call_id is not None:
        call |= {"id": call_id, "type": "function"}
    if name is not None:
        call["function"]["name"] = name
    return chunk({"tool_calls": [call]})


def finish(reason: str = "stop") -> dict[str, Any]:
    return chunk(finish_reason=reason)


def usage(input_tokens: int, output_tokens: int) -> dict[str, Any]:
    counts = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
    return chunk(usage={**counts, "total_tokens": input_tokens + output_tokens}) | {"choices": []}


def event(data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


class ScriptedModel:
    """`calls` are the requests so far; `script` is what those get for which no `when` or `for_model` was said."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: Script = []
        self.connections_count = 0
        self._next_call: asyncio.Future[None] | None = None
        self.mistakes: list[BaseException] = []
        self._rules: list[tuple[Callable[[Call], bool], Script]] = []
        self._open: set[_Connection] = set()
        self.answer("Hello", " world")

    @classmethod
    async def start(cls, context: ssl.SSLContext | None = None) -> "ScriptedModel":
        """Listen; with a context, by TLS as `localhost`."""
        model = cls()
        model._scheme = "http://127.0.0.1" if context is None else "https://localhost"
        loop = asyncio.get_running_loop()
        model._server = await loop.create_server(lambda: _Connection(model), "127.0.0.1", 0, backlog=2048, ssl=context)
        model.port = model._server.sockets[0].getsockname()[1]
        return model

    @property
    def url(self) -> str:
        return f"{self._scheme}:{self.port}/v1"

    @property
    def settings(self) -> dict[str, str]:
        """What tells a server of threadkeep to use this one."""
        return {"THREADKEEP_MODEL_URL": self.url, "THREADKEEP_MODEL": "scripted", "THREADKEEP_MODEL_KEY": "sk-scripted"}

    def answer(self, *texts: str, counts: tuple[int, int] | None = (10, 2)) -> None:
        """Answer everything with these deltas, an end and the counts."""
        self.script = answer_of(*texts, counts=counts)

    def when(self, words: str, *steps: Any) -> None:
        """Let requests whose last user message holds these words get these steps. What was said first goes first."""
        self._rules.append((lambda call: words in call.last_user_text, steps))

    def for_model(self, name: str, *steps: Any) -> None:
        self._rules.append((lambda call: call.body.get("model") == name, steps))

    def reset(self) -> None:
        """Forget calls, scripts and rules."""
        self.calls.clear()
        self._rules.clear()
        self.answer("Hello", " world")

    def script_for(self, call: Call) -> Sequence[Any]:
        script = next((script for matches, script in self._rules if matches(call)), self.script)
        return script(call) if callable(script) else script

    async def called(self, count: int = 1) -> None:
        """Wait until so many requests have come."""
        while len(self.calls) < count:
            self._next_call = asyncio.get_running_loop().create_future()
            await self._next_call

    def _was_called(self) -> None:
        if self._next_call is not None and not self._next_call.done():
            self._next_call.set_result(None)

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        assert self.mistakes == []
        self._server.close()
        for connection in self._open:
            connection.transport.abort()
        await asyncio.gather(*(connection.lost.wait() for connection in self._open))


def answer_of(*texts: str, counts: tuple[int, int] | None = (10, 2)) -> list[Any]:
    """The steps of a proper answer."""
    return [*texts, finish(), *([usage(*counts)] if counts else []), DONE]


class _Connection(asyncio.Protocol):
    """One connection: requests are read as a whole, and answered one after the other."""

    transport: asyncio.Transport

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        self.task: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()
        self._received = bytearray()
        self._call: Call | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._has_head = False
        self._is_chunked = True
        self._ends_by_closing = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.model.connections_count += 1
        self.model._open.add(self)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not separator or self._call is not None:
            return
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        del self._received[: len(head) + 4 + length]
        self._call = Call(request.split(" ")[1], headers, json.loads(rest[:length] or b"{}"))
        self.model.calls.append(self._call)
        self.model._was_called()
        self.task = asyncio.get_running_loop().create_task(self._answer(self._call))
        self.task.add_done_callback(self._show_mistake)

    def connection_lost(self, exc: Exception | None) -> None:
        self.model._open.discard(self)
        self.lost.set()
        if self._call is not None:
            self._call.gone.set()
        if self.task is not None:
            self.task.cancel()
        self._may_write.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    async def _answer(self, call: Call) -> None:
        self._has_head = False
        for step in self.model.script_for(call):
            await self._do(step, call)
            if self.transport.is_closing():
                return
        if not self._has_head:
            self._write_head(Head())
        if self._is_chunked:
            self.transport.write(b"0\r\n\r\n")
        self._call = None
        if self._ends_by_closing:
            self.transport.close()
        if self._received:
            self.data_received(b"")

    def _show_mistake(self, task: asyncio.Task[None]) -> None:
        """A script with a mistake must not look like a model that is silent."""
        if not task.cancelled() and task.exception() is not None:
            self.transport.abort()
            self.model.mistakes.append(task.exception())

    async def _do(self, step: Any, call: Call) -> None:
        match step:
            case asyncio.Event():
                await step.wait()
            case int() | float():
                await asyncio.sleep(step)
            case Raw(data):
                self._has_head = True
                self._is_chunked = False
                self._ends_by_closing = True
                self.transport.write(data)
            case Head():
                self._write_head(step)
            case _Word():
                await self._end(step, call)
            case str():
                await self._send(event(text(step)))
            case dict():
                await self._send(event(step))
            case bytes():
                await self._send(step)

    async def _send(self, body: bytes) -> None:
        if not self._has_head:
            self._write_head(Head())
        self.transport.write(b"%x\r\n%b\r\n" % (len(body), body) if self._is_chunked else body)
        await self._may_write.wait()

    def _write_head(self, head: Head) -> None:
        self._has_head = True
        names = {name.lower() for name in head.headers}
        self._ends_by_closing = "connection" in names
        self._is_chunked = not names & {"content-length", "connection"}
        lines = [f"HTTP/1.1 {head.status} Scripted", *(f"{name}: {value}" for name, value in head.headers.items())]
        if self._is_chunked:
            lines.append("transfer-encoding: chunked")
        self.transport.write("\r\n".join([*lines, "", ""]).encode())

    async def _end(self, word: str, call: Call) -> None:
        if word == STALL:
            await call.gone.wait()
        elif word == CLOSE:
            self._call = None
            self.transport.close()
        else:
            # Closing with a linger of 0 seconds is what sends a reset.
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self._call = None
            self.transport.abort()
