"""Servers in front of PostgreSQL, and in its place: for what a real one cannot be made to say within a test."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

PROTOCOL = 3 << 16
SSL_REQUEST = 80877103
# What poolers such as PgBouncer take from those who connect; with `ignore_startup_parameters` they drop the rest.
POOLED = {"user", "database", "client_encoding", "application_name"}


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def fatal(code: str, words: str) -> bytes:
    fields = {"S": "FATAL", "V": "FATAL", "C": code, "M": words}
    return message(b"E", b"".join(f"{name}{text}\0".encode() for name, text in fields.items()) + b"\0")


def ready(version: str) -> bytes:
    """Say what a server of this version says when somebody may begin."""
    settings = {"server_version": version, "client_encoding": "UTF8", "standard_conforming_strings": "on"}
    reported = [message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items()]
    return message(b"R", bytes(4)) + b"".join(reported) + message(b"K", bytes(8)) + message(b"Z", b"I")


async def startup_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> dict[str, str]:
    """Take no TLS, and return the settings with which a session begins."""
    length, code = struct.unpack("!ii", await reader.readexactly(8))
    while code == SSL_REQUEST:
        writer.write(b"N")
        length, code = struct.unpack("!ii", await reader.readexactly(8))
    texts = (await reader.readexactly(length - 8)).decode().split("\0")
    return dict(zip(texts[:-2:2], texts[1:-2:2], strict=True))


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    async def until_it_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(until_it_ends, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def saying(words: bytes | None):
    """Return a server that says `words` to whoever connects; without any it is silent."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if words is None:
            await reader.read()
            return
        await startup_of(reader, writer)
        writer.write(words)
        await reader.read(1024)

    return listening(serve)


def pooling(port: int):
    """Return a server in front of the one at `port` that drops the settings which sessions ask for."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        settings = await startup_of(reader, writer)
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        kept = "".join(f"{name}\0{value}\0" for name, value in settings.items() if name in POOLED).encode() + b"\0"
        before.write(struct.pack("!ii", len(kept) + 8, PROTOCOL) + kept)
        await asyncio.gather(pass_on(reader, before), pass_on(behind, writer))

    return listening(serve)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    writer.close()
