"""A bare relay: reads the same upstream with the same provider, and writes a frame for each piece to its reader.

It stores nothing, knows nobody, limits nothing and cannot resume. Run as
`python -m benchmarks.stream_relay UPSTREAM_URL PORT`. A GET is a reader to whom nothing is said.
"""

import asyncio
import itertools
import sys
from typing import Any

import msgspec
import uvicorn
import uvloop

from threadkeep.providers import ModelRequest, Text
from threadkeep.providers.openai_chat import OpenAiChat

BACKLOG = 2048
PING = b": ping\n\n"
CREATED = (
    b'id: resp_bare:1\nevent: response.created\ndata: {"response":{"id":"resp_bare","threadId":"thread_bare"}}\n\n'
)
DELTA = b"id: resp_bare:%d\nevent: response.output_text.delta\ndata: %s\n\n"
COMPLETED = b'id: resp_bare:%d\nevent: response.completed\ndata: {"response":{"id":"resp_bare"}}\n\n'
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def make_app(provider: OpenAiChat) -> Any:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] == "/readyz":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": PING + CREATED, "more_body": True})
        if scope["method"] == "GET":
            while (await receive())["type"] != "http.disconnect":
                pass
        else:
            await relay(provider, await read_body(receive), send)

    return app


async def read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def relay(provider: OpenAiChat, body: bytes, send: Any) -> None:
    request = ModelRequest("bench", [{"role": "user", "content": decode(body)["input"]}])
    numbers = itertools.count(2)
    async for pieces in provider.stream(request):
        frames = [DELTA % (next(numbers), encode({"delta": each.text})) for each in pieces if type(each) is Text]
        if frames:
            await send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})
    await send({"type": "http.response.body", "body": COMPLETED % next(numbers)})


async def serve(url: str, port: int) -> None:
    config = uvicorn.Config(
        make_app(OpenAiChat(url)),
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2])))
