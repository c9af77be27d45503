"""A request whose last byte is held back: its header and nearly all of its body are there, and the server waits."""

import asyncio
import json
from typing import Any

import httpx

from support.cast import Answer, Caller


class HeldBack:
    """Sent but for the last byte of its body; `finish` sends that and returns the answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: httpx.Request) -> None:
        self._reader = reader
        self._writer = writer
        self._request = request

    @classmethod
    async def send(cls, who: Caller, method: str, path: str, body: dict[str, Any], **headers: str) -> "HeldBack":
        """Open a connection of its own and send the request up to its last byte."""
        url = who.client.base_url
        content = json.dumps(body).encode()
        sent = {**who.credential, **who.extra, **headers, "host": "x", "content-type": "application/json"}
        sent |= {"content-length": str(len(content)), "connection": "close"}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + content[:-1])
        await writer.drain()
        return cls(reader, writer, httpx.Request(method, url.join(path), content=content))

    async def finish(self) -> Answer:
        """Send the rest. What comes back may be a stream; it is read to its end."""
        self._writer.write(b"}")
        try:
            head, _, body = (await self._reader.read()).partition(b"\r\n\r\n")
        finally:
            self._writer.close()
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        chunked = headers.pop("transfer-encoding", None) is not None
        content = unchunked(body) if chunked else body
        return Answer(
            httpx.Response(int(status.split(" ")[1]), headers=headers, content=content, request=self._request)
        )


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return whole
