"""The faults that a model's server can have, as scripts: what of the answer comes before, and how it ends."""

import gzip
import json
from typing import Any

from support.hearing import CUT_CHARACTER, HELLO, STREAM
from support.scripted_model import CLOSE, DONE, RESET, STALL, Head, Raw, chunk, finish, tool_call
from threadkeep.providers import Piece, Text

# What servers say in their refusals, and nobody may be told.
SECRET_WORDS = "upstream-canary"


def refusal(status: int, **error: Any) -> list[Any]:
    said = json.dumps({"error": {"message": SECRET_WORDS, **error}}).encode()
    return [Head(status, {"content-type": "application/json"}), said]


HTML = f"<html><body>{SECRET_WORDS}</body></html>".encode()
BOMB = gzip.compress(b": " + bytes(8_000_000) + b"\n")
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
    "calls of a wrong type": (["Hel", "lo", chunk({"tool_calls": "f"}), finish()], HELLO, "model_unavailable"),
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
    "refused in words": ([chunk({"refusal": "No."}), finish(), DONE], [Text("No.")], "model_refused"),
    "finished by an error": (["Hel", "lo", finish("error"), DONE], HELLO, "model_unavailable"),
    "finished by a network that broke": (["Hel", "lo", finish("network_error"), DONE], HELLO, "model_unavailable"),
    "finished by a call that is malformed": (
        ["Hel", "lo", finish("MALFORMED_FUNCTION_CALL"), DONE],
        HELLO,
        "model_unavailable",
    ),
    "finished by a reason that nobody knows": (["Hel", "lo", finish("because"), DONE], HELLO, "model_unavailable"),
    "finished by a filter of another name": (["Hel", "lo", finish("sensitive"), DONE], HELLO, "model_refused"),
    "finished with an error behind a gateway": (
        [chunk({}, "stop") | {"choices": [{"finish_reason": "stop", "native_finish_reason": "network_error"}]}, DONE],
        [],
        "model_unavailable",
    ),
    "a call that was announced and did not come": (
        ["Hel", "lo", finish("tool_calls"), DONE],
        HELLO,
        "model_unavailable",
    ),
    "a call without a name": ([tool_call(0, "call_1", None, "{}"), finish("tool_calls")], [], "model_unavailable"),
}
