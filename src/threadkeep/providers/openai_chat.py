"""Models behind OpenAI's chat completions API, which most models' servers offer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import httpx
import msgspec

from threadkeep.providers import Arrived, ModelRequest, Piece, faults
from threadkeep.providers.answer import AnswerReader
from threadkeep.providers.connection import Broken, ProviderConnection, ProviderConnections, TooLate
from threadkeep.providers.manners import Manners, fitted, manners_of

# How long a server may still send its counts after the model has ended its answer.
AFTER_FINISH_S = 5.0
# How much of a refusal is read to find out whether the conversation was too long.
REFUSAL_BYTES_MAX = 64 * 1024
REFUSAL_S = 5.0

LimitName: TypeAlias = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits for a model's server, and the longest line that is accepted from it."""

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 600.0
    line_bytes_max: int = 1024 * 1024


class OpenAiChat:
    """One server of models. The key goes to the address of `url` only: nothing is redirected, no proxy is asked.

    `limit_name` is the server's field for the longest answer, `manners` its demands on a history; the defaults depend
    on the address. Raises ValueError for an address or a key that cannot be used.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        patience: Patience | None = None,
        limit_name: LimitName | None = None,
        manners: Manners | None = None,
    ) -> None:
        address = parse_address(url)
        self._patience = patience or Patience()
        self._limit_name = limit_name or limit_name_of(address.host)
        self.manners = manners or manners_of(address.host)
        self.address = str(address)
        self.host = address.host
        self._connections = ProviderConnections(address)
        self._head = head_of(address, key)

    async def stream(self, request: ModelRequest, arrived: Arrived | None = None) -> AsyncIterator[list[Piece]]:
        clock = asyncio.get_running_loop().time
        until = clock() + self._patience.total_s
        body = msgspec.json.encode(body_of(request, self._limit_name, self.manners))
        connection = await self._connect()
        answer = AnswerReader(self._patience.line_bytes_max, names_of(request))
        is_whole = False
        try:
            connection.exchange(b"%scontent-length: %d\r\n\r\n%s" % (self._head, len(body), body))
            deadline = min(clock() + self._patience.first_byte_s, until)
            await check_head(connection, deadline)
            connection.arrived = arrived
            while data := await read(connection, answer, deadline):
                if pieces := answer.feed(data):
                    yield pieces
                if answer.error is not None or answer.is_over:
                    break
                now = clock()
                if answer.has_finish:
                    connection.arrived = None
                    # The limit counts from the finish: later chunks do not extend it.
                    deadline = until = min(now + AFTER_FINISH_S, until)
                else:
                    deadline = min(now + self._patience.idle_s, until)
                if now >= until:
                    too_late(answer)
                    break
            if pieces := answer.end():
                yield pieces
            if answer.error is not None:
                raise answer.error
            is_whole = True
        finally:
            if is_whole:
                connection.release()
            else:
                connection.close()

    async def close(self) -> None:
        self._connections.close()

    async def _connect(self) -> ProviderConnection:
        try:
            return await self._connections.take(self._patience.connect_s)
        except TimeoutError:
            raise faults.timeout() from None
        except OSError:
            raise faults.unreachable() from None


async def check_head(connection: ProviderConnection, deadline: float) -> None:
    """Wait for the head of the answer. Raises ModelError unless a completion follows."""
    try:
        await connection.head(deadline)
    except TooLate:
        raise faults.timeout() from None
    except Broken:
        raise faults.broken_off() from None
    if connection.status != 200:
        raise faults.of_status(connection.status, await read_refusal(connection, deadline))
    if connection.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        # Unpacking would need limits on the result, and we asked for identity: the server is misconfigured.
        raise faults.compressed()


async def read_refusal(
    connection: ProviderConnection, deadline: float
) -> Any:  # Any: JSON from the server, of any form.
    """Return the decoded body of a refusal, or None if it cannot be read."""
    if not faults.may_say_too_long(connection.status):
        return None
    deadline = min(deadline, asyncio.get_running_loop().time() + REFUSAL_S)
    body = bytearray()
    try:
        while len(body) < REFUSAL_BYTES_MAX and (data := await connection.read(deadline)):
            body += data
    except (Broken, TooLate):
        return None
    text = body.decode("utf-8", "replace")
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None if text.lstrip().startswith("<") else text


async def read(connection: ProviderConnection, answer: AnswerReader, deadline: float) -> bytes:
    """Return the next bytes of the body. Empty at the end, even an early one: `answer` knows if it is whole."""
    try:
        return await connection.read(deadline)
    except Broken:
        return b""
    except TooLate:
        too_late(answer)
        return b""


def too_late(answer: AnswerReader) -> None:
    """End an answer whose time is over: with an error, unless the model has finished and only counts are missing."""
    if not answer.has_finish:
        answer.error = faults.timeout()


def names_of(request: ModelRequest) -> list[str]:
    return [tool.function.name for tool in request.configuration.tools or ()]


def body_of(request: ModelRequest, limit_name: LimitName, manners: Manners) -> dict[str, Any]:  # Any: JSON.
    """Return the request in OpenAI's format; settings that are None are left to the server."""
    configuration = request.configuration
    body: dict[str, Any] = {
        "model": request.model,
        "messages": fitted(request.messages, manners, has_tools=bool(configuration.tools)),
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": configuration.temperature,
        "top_p": configuration.top_p,
        limit_name: configuration.max_output_tokens,
        "stop": configuration.stop,
        "response_format": configuration.response_format,
        "reasoning_effort": configuration.reasoning_effort,
    }
    # OpenAI refuses an empty list of tools, and without tools what says how to call them.
    if configuration.tools:
        body["tools"] = configuration.tools
        body["tool_choice"] = configuration.tool_choice
        body["parallel_tool_calls"] = configuration.parallel_tool_calls
    return {name: value for name, value in body.items() if value is not None}


def parse_address(url: str) -> httpx.URL:
    """Parse a server's address. Raises ValueError with the end of a sentence."""
    try:
        address = httpx.URL(url)
        address.host.encode("idna")
    except (httpx.InvalidURL, ValueError):
        raise ValueError("is not a URL.") from None
    is_clean = not (address.userinfo or address.query or address.fragment or "?" in url)
    port = address.port or 80
    if address.scheme not in ("http", "https") or not address.host or not is_clean or port > 65_535:
        raise ValueError("must be http:// or https:// with a host and perhaps a path; no user, query or fragment.")
    if address.path.rstrip("/").endswith("/chat/completions"):
        raise ValueError("is the address of one call: leave /chat/completions at its end out.")
    return address


def limit_name_of(host: str) -> LimitName:
    """Return the field for the longest answer: max_tokens, but max_completion_tokens for OpenAI's newer models."""
    is_openai = host == "api.openai.com" or host.endswith(".openai.azure.com")
    return "max_completion_tokens" if is_openai else "max_tokens"


def head_of(address: httpx.URL, key: str) -> bytes:
    """Return the head of every request, without the content-length. Raises ValueError with the end of a sentence."""
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("must be printable ASCII without spaces.")
    path = address.raw_path.rstrip(b"/") + b"/chat/completions"
    lines = [
        b"POST %s HTTP/1.1" % path,
        b"host: %s" % address.netloc,
        b"user-agent: threadkeep",
        b"accept: text/event-stream, application/json",
        b"accept-encoding: identity",
        b"content-type: application/json",
    ]
    if key:
        lines.append(b"authorization: Bearer %s" % key.encode("ascii"))
    return b"".join(line + b"\r\n" for line in lines)
