"""Every fault that a model's server can have, over real sockets on loopback: it ends cleanly, and with its code."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.hearing import CUT_CHARACTER, HELLO, KEY, PATIENCE, STREAM, hear
from support.ports import free_port
from support.scripted_model import CLOSE, DONE, RESET, STALL, Head, Raw, ScriptedModel, chunk, finish, text, tool_call
from threadkeep.providers import Piece, TokenCounts
from threadkeep.providers.openai_chat import OpenAiChat, Patience

SECRET_WORDS = "upstream-canary"


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    model = await ScriptedModel.start()
    yield model
    await model.stop()


@pytest.fixture
async def provider(model: ScriptedModel) -> AsyncIterator[OpenAiChat]:
    provider = OpenAiChat(model.url, KEY, PATIENCE)
    yield provider
    await provider.close()


def refusal(status: int, **error: Any) -> list[Any]:
    said = json.dumps({"error": {"message": SECRET_WORDS, **error}}).encode()
    return [Head(status, {"content-type": "application/json"}), said]


HTML = f"<html><body>{SECRET_WORDS}</body></html>".encode()
BOMB = gzip.compress(b": " + bytes(50_000_000) + b"\n")
GZIP = Head(200, {"content-type": "text/event-stream", "content-encoding": "gzip"})

# name: (script, pieces, code)
FAULTS: dict[str, tuple[list[Any], list[Piece], str | None]] = {
    "401": (refusal(401), [], "model_unavailable"),
    "403": (refusal(403), [], "model_unavailable"),
    "404": (refusal(404), [], "model_unavailable"),
    "429": (refusal(429), [], "model_unavailable"),
    "500": (refusal(500), [], "model_unavailable"),
    "503": (refusal(503), [], "model_unavailable"),
    "408": (refusal(408), [], "model_timeout"),
    "504": (refusal(504), [], "model_timeout"),
    "400": (refusal(400), [], "model_refused"),
    "422": (refusal(422), [], "model_refused"),
    "400 whose body is no JSON": ([Head(400), HTML], [], "model_refused"),
    "400 whose body never ends": ([Head(400), b"{", STALL], [], "model_refused"),
    "400 too long, by its code": (refusal(400, code="context_length_exceeded"), [], "context_too_long"),
    "400 too long, by its type": (refusal(400, type="exceed_context_size_error"), [], "context_too_long"),
    "400 too long, in words": (
        [Head(400), b'{"object":"error","message":"This model\'s maximum context length is 8 tokens.","code":400}'],
        [],
        "context_too_long",
    ),
    "no content": ([Head(204, {"content-length": "0"})], [], "model_unavailable"),
    "HTML": ([Head(200, {"content-type": "text/html"}), HTML], [], "model_unavailable"),
    "HTML with status 502": ([Head(502, {"content-type": "text/html"}), HTML], [], "model_unavailable"),
    "no HTTP at all": ([Raw(b"220 mail.example.com ESMTP\r\n"), CLOSE], [], "model_unavailable"),
    "another protocol": (
        [Raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"), STALL],
        [],
        "model_unavailable",
    ),
    "a head without end": (
        [Raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000), STALL],
        [],
        "model_unavailable",
    ),
    "silence before the first byte": ([STALL], [], "model_timeout"),
    "silence after the head": ([Head(), b"\n", STALL], [], "model_timeout"),
    "closed without an answer": ([CLOSE], [], "model_unavailable"),
    "reset without an answer": ([RESET], [], "model_unavailable"),
    "empty body": ([Head(200, {"content-length": "0"})], [], "model_unavailable"),
    "stall in the middle": (["Hel", "lo", STALL], HELLO, "model_timeout"),
    "reset in the middle": (["Hel", "lo", 0.02, RESET], HELLO, "model_unavailable"),
    "cut in a line": (["Hel", "lo", b'data: {"choices":[{"del', CLOSE], HELLO, "model_unavailable"),
    "cut in a character": (["Hel", "lo", CUT_CHARACTER.partition(b"\xbc")[0], CLOSE], HELLO, "model_unavailable"),
    "no end": (["Hel", "lo"], HELLO, "model_unavailable"),
    "DONE without a finish": (["Hel", "lo", DONE], HELLO, "model_unavailable"),
    "2 MB line": (["Hel", "lo", b"data: " + b"x" * 2_000_000], HELLO, "model_unavailable"),
    "2 MB event of many lines": (["Hel", "lo", b"data: x\n" * 250_000], HELLO, "model_unavailable"),
    "2 MB completion": ([b'{"x": "' + b"x" * 2_000_000], [], "model_unavailable"),
    "a broken chunk": ([Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")], [], "model_unavailable"),
    "choices of a wrong type": (["Hel", "lo", {"choices": "none"}], HELLO, "model_unavailable"),
    "content of a wrong type": (["Hel", "lo", chunk({"content": 42})], HELLO, "model_unavailable"),
    "an event that is no object": (["Hel", "lo", b"data: [1]\n\n"], HELLO, "model_unavailable"),
    "an event that is no JSON": (["Hel", "lo", b"data: hello\n\n"], HELLO, "model_unavailable"),
    "an event of a thousand levels": (["Hel", "lo", b"data: " + b"[" * 60_000 + b"\n\n"], HELLO, "model_unavailable"),
    "gzip": ([GZIP, gzip.compress(STREAM)], [], "model_unavailable"),
    "a gzip bomb": ([GZIP, BOMB], [], "model_unavailable"),
    "an error in the stream": (
        ["Hel", "lo", {"error": {"message": SECRET_WORDS, "code": "x"}}],
        HELLO,
        "model_unavailable",
    ),
    "an error in words": ([{"error": SECRET_WORDS}], [], "model_unavailable"),
    "an error with a status": ([{"error": {"message": SECRET_WORDS, "code": 504}}], [], "model_timeout"),
    "an error by its event": ([b'event: error\ndata: {"message": "x"}\n\n'], [], "model_unavailable"),
    "an error in place of a completion": ([b'{"error": {"code": 400}}'], [], "model_refused"),
    "an error that it is too long": ([{"error": {"code": "context_length_exceeded"}}], [], "context_too_long"),
    "filtered": (["Hel", "lo", finish("content_filter"), DONE], HELLO, "model_refused"),
    "refused in words": ([chunk({"refusal": SECRET_WORDS}), finish(), DONE], [], "model_refused"),
    "finished by an error": (["Hel", "lo", finish("error"), DONE], HELLO, "model_unavailable"),
    "a call without a name": ([tool_call(0, "call_1", None, "{}"), finish("tool_calls")], [], "model_unavailable"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_models_server_ends_with_its_code_and_keeps_the_text_so_far(name, model, provider):
    script, pieces, code = FAULTS[name]
    model.script = script

    heard = await hear(provider)

    assert (heard.pieces, heard.code) == (pieces, code)
    assert len(model.calls) == 1
    assert not any(word in heard.error.message for word in (KEY, SECRET_WORDS, "127.0.0.1", str(model.port)))


async def test_a_server_that_does_not_listen_is_unavailable():
    provider = OpenAiChat(f"http://127.0.0.1:{free_port()}/v1", KEY, PATIENCE)

    heard = await hear(provider)

    assert heard.code == "model_unavailable"


async def test_a_host_that_does_not_exist_is_unavailable():
    provider = OpenAiChat("http://model.invalid/v1", KEY, Patience(connect_s=30))

    heard = await hear(provider)

    assert heard.code == "model_unavailable"
    assert "invalid" not in heard.error.message


async def test_a_server_that_does_not_speak_tls_is_unavailable(model):
    provider = OpenAiChat(model.url.replace("http:", "https:"), KEY, PATIENCE)

    heard = await hear(provider)

    assert heard.code in ("model_unavailable", "model_timeout")
    assert model.calls == []


async def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(model, provider):
    elsewhere = await ScriptedModel.start()
    for status in (301, 302, 303, 307, 308):
        model.script = [Head(status, {"location": f"{elsewhere.url}/chat/completions", "content-length": "0"})]

        heard = await hear(provider)

        assert (heard.pieces, heard.code) == ([], "model_unavailable")
    assert elsewhere.connections_count == 0
    await elsewhere.stop()


async def test_proxies_in_the_environment_are_ignored(model, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    provider = OpenAiChat(model.url, KEY, PATIENCE)

    heard = await hear(provider)

    assert heard.text == "Hello world"
    assert model.calls[0].path == "/v1/chat/completions"
    await provider.close()


async def test_a_hundred_thousand_deltas_of_a_byte_arrive_as_they_were_sent(model):
    deltas = [chr(97 + n % 26) for n in range(100_000)]
    model.answer(*deltas)
    provider = OpenAiChat(model.url, KEY, Patience())

    heard = await hear(provider)

    assert heard.text == "".join(deltas)
    assert heard.pieces[-1] == TokenCounts(10, 2)
    await provider.close()


async def test_a_server_that_never_ends_is_ended_after_the_total_time(model):
    model.script = [text("x")] * 1_000_000
    provider = OpenAiChat(model.url, KEY, Patience(total_s=0.2))

    heard = await hear(provider)

    assert heard.code == "model_timeout"
    assert set(heard.text) == {"x"}


async def test_a_slow_answer_may_take_longer_than_its_longest_silence(model):
    model.script = [step for _ in range(6) for step in ("x", 0.1)] + [finish()]
    provider = OpenAiChat(model.url, KEY, Patience(first_byte_s=0.2, idle_s=0.2))

    heard = await hear(provider)

    assert (heard.text, heard.code) == ("xxxxxx", None)
    await provider.close()


async def test_neither_the_key_nor_what_the_server_said_is_logged(model, provider, caplog):
    caplog.set_level(0)
    for script in (refusal(401), refusal(500), ["x", {"error": {"message": SECRET_WORDS}}], [RESET]):
        model.script = script
        await hear(provider)

    assert KEY not in caplog.text
    assert SECRET_WORDS not in caplog.text
